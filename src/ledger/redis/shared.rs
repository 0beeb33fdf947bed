//! What the tasks of this ledger share, and how a campaign stands over all its shards.

use super::acks::Acks;
use super::place::Cell;
use super::standing::Standing;
use super::topology::Topology;
use crate::domain::{At, CampaignNo, KindNo, RoundNo};
use crate::funds::Funds;
use crate::ledger::event::{Adjusted, What};
use crate::ledger::machine::{Grant, Level, Redemption, RoundSummary, Summary};
use crate::ledger::service::{BatchStats, View, Watcher};
use crate::metrics::Peak;
use parking_lot::{Mutex, RwLock};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::Notify;

/// The places of a campaign: its shards in order, and the identities.
#[derive(Clone)]
pub(super) struct Places {
    pub(super) shards: Vec<Arc<Cell>>,
    pub(super) identities: Arc<Cell>,
}

impl Places {
    /// How many shards there are.
    pub(super) fn of(&self) -> u8 {
        u8::try_from(self.shards.len()).unwrap_or(u8::MAX)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.shards.iter().chain([&self.identities])
    }
}

/// What the tasks share.
pub(super) struct Shared {
    pub(super) topology: Arc<Topology>,
    /// Replicas that must have received what is told.
    pub(super) replicas: u32,
    pub(super) view: View,
    pub(super) acks: Acks,
    pub(super) queued: Peak,
    /// By log, why its recovery does not go on.
    pub(super) stuck: Mutex<BTreeMap<u32, String>>,
    /// Wakes whoever moves stock between shards.
    pub(super) dry: Notify,
    clock: Box<dyn Fn() -> At + Send + Sync>,
    watcher: Mutex<Box<dyn Watcher>>,
    campaigns: RwLock<BTreeMap<CampaignNo, Places>>,
}

impl Shared {
    pub(super) fn new(
        topology: Arc<Topology>,
        replicas: u32,
        acks: Acks,
        clock: Box<dyn Fn() -> At + Send + Sync>,
        watcher: Box<dyn Watcher>,
    ) -> Shared {
        Shared {
            topology,
            replicas,
            view: View::empty(),
            acks,
            queued: Peak::default(),
            stuck: Mutex::default(),
            dry: Notify::new(),
            clock,
            watcher: Mutex::new(watcher),
            campaigns: RwLock::default(),
        }
    }

    pub(super) fn now(&self) -> At {
        (self.clock)()
    }

    pub(super) fn add(&self, campaign: CampaignNo, places: Places) {
        self.campaigns.write().insert(campaign, places);
    }

    pub(super) fn places(&self, campaign: CampaignNo) -> Option<Places> {
        self.campaigns.read().get(&campaign).cloned()
    }

    pub(super) fn campaigns(&self) -> Vec<(CampaignNo, Places)> {
        self.campaigns.read().iter().map(|(no, places)| (*no, places.clone())).collect()
    }

    /// Whether every place was read once, or is to be recovered first.
    pub(super) fn loaded(&self) -> bool {
        let campaigns = self.campaigns();
        let mut cells = campaigns.iter().flat_map(|(_, places)| places.all());
        cells.all(|cell| {
            let seen = cell.seen();
            seen.standing.opened.is_some() || seen.was_fenced()
        })
    }

    /// A script that was sent in epoch `sent` said that the place is in `epoch`, and fenced.
    pub(super) fn fenced(&self, cell: &Cell, sent: u64, epoch: u64) {
        let later = cell.seen().fenced(sent, epoch);
        self.epoch(later);
        cell.kick.notify_one();
    }

    /// In a `later` epoch this node may be one that was given up.
    pub(super) fn epoch(&self, later: bool) {
        if later {
            self.view.lease().doubt();
        }
    }

    /// This node granted these in a batch.
    pub(super) fn batch<'a>(&self, stats: &BatchStats, grants: impl Iterator<Item = &'a Grant>) {
        let mut watcher = self.watcher.lock();
        for grant in grants {
            watcher.granted(grant.campaign, grant.round, grant.kind);
        }
        watcher.batch(stats);
    }

    /// This node wrote these of orders, which stand so now.
    pub(super) fn redeemed(&self, told: &[(CampaignNo, &What, Redemption)]) {
        let mut watcher = self.watcher.lock();
        for (campaign, what, order) in told {
            watcher.redemption(*campaign, what, order);
        }
    }

    /// Shows how a campaign stands now, as far as this node knows.
    pub(super) fn publish(&self, campaign: CampaignNo) {
        let Some(places) = self.places(campaign) else { return };
        let (version, summary) = summary(&places);
        let summary = Arc::new(summary);
        // Under the lock, so that of two that publish the later shows the later state.
        let mut watcher = self.watcher.lock();
        self.view.show(campaign, &summary);
        watcher.campaign(version, campaign, &summary);
    }

    /// Whether other shards may have units of a kind that this one lacks. Wakes whoever brings them.
    pub(super) fn left_elsewhere(&self, cell: &Cell, round: RoundNo, kind: KindNo) -> bool {
        let Some(places) = self.places(cell.place.campaign) else { return false };
        let (Some(first), true) = (places.shards.first(), places.shards.len() > 1) else {
            return false;
        };
        let (_, summary) = summary(&places);
        let Some(known) = summary.round(round) else {
            // Somebody armed it, and this node has not read of it: nothing says that it is sold out.
            first.kick.notify_one();
            return true;
        };
        let left = known.stock.get(usize::from(kind.0)).is_some_and(|level| level.left() > 0);
        if left {
            cell.seen().wanted.insert((round, kind));
            self.dry.notify_one();
        }
        left
    }

    /// How a round stands that this shard was not told of. Wakes whoever tells it.
    pub(super) fn armed_elsewhere(&self, cell: &Cell, round: RoundNo) -> Elsewhere {
        let places = self.places(cell.place.campaign);
        let first = places.as_ref().and_then(|places| places.shards.first());
        let Some(first) = first.filter(|first| first.place != cell.place) else {
            return Elsewhere::Unarmed;
        };
        let seen = first.seen();
        let Standing { at, armed, rounds, .. } = &seen.standing;
        if !armed.contains_key(&round) {
            return Elsewhere::Unarmed;
        }
        // The log's time, as a script would have it.
        let now = Some(self.now()).max(*at);
        if rounds.get(&round).is_some_and(|it| it.expired || now >= Some(it.window.until)) {
            return Elsewhere::Over;
        }
        self.dry.notify_one();
        Elsewhere::Coming
    }
}

/// A round that a shard was not told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// It has no stock anywhere.
    Unarmed,
    /// The shard will be told of it.
    Coming,
    /// It has ended: nobody tells of it any more.
    Over,
}

/// How a campaign stands over all its shards, and a number that grows with what is known.
///
/// Stock counts as armed less what is granted, so units that are between two shards are not missed. A shard that is
/// alone lacks no more than it says is left, so what other nodes granted counts before it is read. Nobody is shown
/// a zero before everything that answers were about is known: those who hold a coupon by then are known to hold it.
fn summary(places: &Places) -> (u64, Summary) {
    let mut sum = Summary {
        tripped: false,
        funds: Funds::default(),
        rounds: Vec::new(),
        adjusted: Vec::new(),
        extended: Vec::new(),
        lapses_at: None,
    };
    let (mut epochs, mut seqs, mut caught_up) = (0_u64, 0_u64, true);
    let mut granted: BTreeMap<(RoundNo, KindNo), u32> = BTreeMap::new();
    // Used and locked.
    let mut spent: BTreeMap<(RoundNo, KindNo), (u32, u32)> = BTreeMap::new();
    let alone = places.shards.len() == 1;
    for cell in &places.shards {
        let seen = cell.seen();
        let standing = &seen.standing;
        epochs = epochs.saturating_add(seen.epoch);
        seqs = seqs.saturating_add(standing.seq.max(seen.replied));
        caught_up &= seen.caught_up();
        let deadlines = [sum.lapses_at, seen.book.next_deadline()];
        sum.lapses_at = deadlines.into_iter().flatten().min();
        let unarmed = |it: &&Adjusted| !standing.armed.contains_key(&it.round);
        sum.adjusted.extend(standing.adjusted.values().filter(unarmed).cloned());
        sum.extended.extend(standing.extended.values().cloned());
        sum.tripped |= standing.tripped;
        sum.funds = sum.funds.plus(&standing.funds);
        for (no, round) in &standing.rounds {
            for (kind, level) in (0..).map(KindNo).zip(&round.stock) {
                let all = granted.entry((*no, kind)).or_default();
                let known = level.granted.saturating_add(seen.beyond(*no, kind));
                let heard = if alone { seen.heard(*no, kind) } else { None };
                let told = heard.map_or(0, |left| level.quantity.saturating_sub(left));
                *all = all.saturating_add(known.max(told));
                let spent = spent.entry((*no, kind)).or_default();
                spent.0 = spent.0.saturating_add(level.used);
                spent.1 = spent.1.saturating_add(level.locked);
            }
            // The first shard's log has the arming.
            if let Some(armed) = standing.armed.get(no) {
                let level = |quantity: &u32| Level { quantity: *quantity, ..Level::default() };
                let stock = armed.iter().map(level);
                sum.rounds.push(RoundSummary { stock: stock.collect(), ..round.clone() });
            }
        }
    }
    for round in &mut sum.rounds {
        for (kind, level) in (0..).map(KindNo).zip(&mut round.stock) {
            level.granted = granted.get(&(round.round, kind)).copied().unwrap_or(0);
            (level.used, level.locked) =
                spent.get(&(round.round, kind)).copied().unwrap_or_default();
            if !caught_up && level.granted >= level.quantity {
                level.granted = level.quantity.saturating_sub(1);
            }
        }
        let others = places
            .shards
            .iter()
            .all(|cell| cell.seen().standing.rounds.get(&round.round).is_none_or(|it| it.expired));
        round.expired = others;
    }
    (version(epochs, seqs, caught_up), sum)
}

/// A number that grows with what is known: within 40 bits (see [`MOST_SEQ`](crate::inventory::MOST_SEQ)) epochs before
/// seqs, since a log that lost its tail goes on from an earlier seq in a later epoch.
fn version(epochs: u64, seqs: u64, caught_up: bool) -> u64 {
    const SEQS: u32 = 30;
    let seqs = seqs.saturating_mul(2).saturating_add(u64::from(caught_up));
    epochs.min((1 << 10) - 1) << SEQS | seqs.min((1 << SEQS) - 1)
}

#[cfg(test)]
mod tests {
    use super::version;
    use crate::inventory::MOST_SEQ;

    #[test]
    fn i9_a_shield_follows_a_log_that_goes_on_from_an_earlier_seq() {
        assert!(version(1, 5, false) < version(1, 5, true));
        assert!(version(1, 5, true) < version(1, 6, false));
        assert!(version(1, 1_000, true) < version(2, 900, false), "the tail was lost");
        assert!(version(u64::MAX, u64::MAX, true) <= MOST_SEQ);
    }
}
