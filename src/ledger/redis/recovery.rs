//! Bringing a log back that is under another master: what was told is put back, and the next epoch begins.
//!
//! # What always holds
//!
//! - An epoch goes on only after every node that may have told something of it has closed it, has handed over
//!   what it told, and tells nothing of it any more.
//! - What anybody was told is in the log afterwards. An entry that nobody has was never told; an entry without events
//!   stands in its place.
//! - Two different entries of one seq are never resolved here: the log stays shut and says so.
//!
//! Every step repeats safely, so whoever finds a recovery unfinished goes on with it.

use super::acks::Ack;
use super::effects::changes;
use super::entry::{self, Logged};
use super::keys::Place;
use super::link::{Fate, Item, Link};
use super::place::Cell;
use super::scripts::{LookReply, ReopenReply, RestoreReply, look, reopen, restore};
use super::shared::Shared;
use crate::domain::At;
use crate::ledger::event::codec;
use crate::ledger::journal::Entry;
use crate::store::{self, LogNo, Quarantined, Record, Recovery, Store};
use futures_util::future::join;
use parking_lot::Mutex;
use redis::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How often what is to be recovered is looked for.
const LOOK: Duration = Duration::from_millis(200);
/// How often this node says that it is there, and forgets what the store has.
const SEEN: Duration = Duration::from_secs(2);
/// A recovery that its asker has not finished by then is anybody's.
const ABANDONED_MS: i64 = 5_000;
/// So long after it was given up a node knows it, by [`SEEN`] or because it slept (see
/// [`Lease`](crate::ledger::service)), and tells nothing any more.
const GIVEN_UP_MS: i64 = 5_000;
/// Entries that are read at once.
const ENTRIES: usize = 5_000;
/// Entries that are restored at once.
const RESTORED: usize = 256;

/// Why a recovery does not go on.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error("the store: {0}")]
    Store(#[from] store::Error),
    #[error("waiting for node {0} to close the epoch")]
    Node(String),
    #[error("node {0} was given up a moment ago: it may not know it yet")]
    GivenUp(String),
    #[error("Redis: {0}")]
    Redis(String),
    #[error("what this node told can't be read: {0}")]
    Acks(String),
    #[error("two different entries of seq {seq}: {who}")]
    Conflict { seq: u64, who: String },
}

/// By seq, the epoch it was told in and the entry.
type LeftOut = BTreeMap<u64, (u64, Record)>;

/// Closes epochs on behalf of this node, and recovers logs.
pub(crate) struct Custodian {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Store,
    pub(super) node: String,
    /// Whether it may tell people something, so that others wait for it.
    pub(super) registered: bool,
    /// What this node told in epochs that were recovered without it, of each log, until the store says what is there
    /// instead.
    pub(super) left_out: Mutex<BTreeMap<LogNo, LeftOut>>,
}

impl Custodian {
    /// Closes what was closed before a restart: this node tells nothing of epochs that are, or were, recovered. What
    /// it told in one that was recovered without it is looked at.
    pub(crate) async fn remember(&self) -> Result<(), store::Error> {
        for cell in self.cells() {
            let log = LogNo(cell.place.log());
            let closed = self.store.closed(log).await?;
            {
                let mut seen = cell.seen();
                seen.closed = seen.closed.max(closed);
            }
            let recovered = self.store.recovered_with(log, &self.node).await?;
            if recovered.iter().any(|(_, with)| !with) {
                self.leave_out(log, &recovered).await;
            }
        }
        Ok(())
    }

    async fn leave_out(&self, log: LogNo, recovered: &[(u64, bool)]) {
        let acks = match self.shared.acks.read(log.0, u64::MAX).await {
            Some(Ok(acks)) => acks,
            Some(Err(error)) => {
                tracing::error!(%log, %error, "what this node told can't be read");
                return;
            }
            None => return,
        };
        let (out, kept): (Vec<Ack>, Vec<Ack>) =
            acks.into_iter().partition(|ack| is_left_out(recovered, ack.epoch));
        if out.is_empty() {
            return;
        }
        self.shared.acks.told_only(log.0, kept.iter().map(|ack| ack.seq).max().unwrap_or(0));
        let told = out.into_iter().filter_map(|Ack { seq, epoch, entry, .. }| {
            let (at, body) = entry?;
            Some((seq, (epoch, Record { seq, at, body })))
        });
        self.left_out.lock().insert(log, told.collect());
    }

    /// Compares what this node told in epochs that were recovered without it with what the store has by now. What is
    /// not there is kept for people to look at: it is never put back, since the log has gone on.
    async fn look_at_left_out(&self) -> Result<(), store::Error> {
        let logs: Vec<LogNo> = self.left_out.lock().keys().copied().collect();
        for log in logs {
            let mut missing = 0_usize;
            while let Some(first) = self.left_out_of(log, 0, u64::MAX).first().map(|it| it.1.seq) {
                let there = self.store.events_after(log, first.saturating_sub(1), ENTRIES).await?;
                let Some(last) = there.last().map(|it| it.seq) else { break };
                for (epoch, told) in self.left_out_of(log, first, last) {
                    if there
                        .binary_search_by_key(&told.seq, |it| it.seq)
                        .ok()
                        .and_then(|at| there.get(at))
                        != Some(&told)
                    {
                        missing = missing.saturating_add(1);
                        self.keep_lost(log, epoch, told).await?;
                    }
                }
                self.left_out.lock().entry(log).or_default().retain(|seq, _| *seq > last);
            }
            if missing > 0 {
                let node = &self.node;
                tracing::error!(%log, node, missing, "what this node told is not in the log: a recovery went on without it");
            }
        }
        Ok(())
    }

    fn left_out_of(&self, log: LogNo, first: u64, last: u64) -> Vec<(u64, Record)> {
        let left_out = self.left_out.lock();
        let of = left_out.get(&log).map(|of| of.range(first..=last).map(|(_, it)| it.clone()));
        of.map(Iterator::collect).unwrap_or_default()
    }

    async fn keep_lost(&self, log: LogNo, epoch: u64, told: Record) -> Result<(), store::Error> {
        let why =
            format!("node {} told it in epoch {epoch}, which was recovered without it", self.node);
        let Record { seq, body, .. } = told;
        let table = "acks".to_owned();
        self.store.quarantine(&Quarantined { log, seq, table, why, body }).await
    }

    /// Works until it is dropped: on recoveries, which may take long, and beside them on being known.
    pub(crate) async fn run(self) {
        join(self.recoveries(), self.presence()).await;
    }

    async fn recoveries(&self) {
        let mut said = BTreeMap::new();
        loop {
            if let Err(error) = self.look(&mut said).await {
                tracing::warn!(%error, "recoveries can't be looked for");
            }
            sleep(LOOK).await;
        }
    }

    /// Says that this node is there, and hears within [`GIVEN_UP_MS`] if it was given up.
    async fn presence(&self) {
        let mut seen = Instant::now();
        loop {
            let (_, doubted) = self.shared.view.lease().doubts();
            if seen.elapsed() > SEEN || doubted {
                seen = Instant::now();
                if let Err(error) = self.tidy().await {
                    tracing::warn!(%error, "the store does not hear of this node");
                }
            }
            sleep(LOOK).await;
        }
    }

    async fn tidy(&self) -> Result<(), store::Error> {
        let lease = self.shared.view.lease();
        let (doubts, _) = lease.doubts();
        if !self.registered || self.store.seen(&self.node).await? {
            lease.answer(doubts);
        } else {
            lease.give_up();
            // Nobody waits for what this node tells any more, so it tells nothing.
            for cell in self.cells() {
                cell.seen().closed = u64::MAX;
            }
            tracing::error!(
                "this node was given up: nothing is issued here until it is started again"
            );
        }
        let stored = self.store.logs().await?.into_iter().map(|(log, seq)| (log.0, seq));
        self.shared.acks.forget(stored.collect());
        self.look_at_left_out().await
    }

    fn cells(&self) -> Vec<Arc<Cell>> {
        let campaigns = self.shared.campaigns();
        campaigns.iter().flat_map(|(_, places)| places.all().cloned().collect::<Vec<_>>()).collect()
    }

    async fn look(&self, said: &mut BTreeMap<LogNo, String>) -> Result<(), store::Error> {
        let cells = self.cells();
        let asked = self.store.open_recoveries().await?;
        for cell in &cells {
            let (epoch, fenced) = {
                let seen = cell.seen();
                (seen.epoch, seen.was_fenced())
            };
            let log = LogNo(cell.place.log());
            if fenced
                && !asked.iter().any(|recovery| recovery.log == log)
                && let Some(epoch) = self.to_close(cell.place, epoch).await?
                && self.store.ask_recovery(log, epoch, &self.node).await?
            {
                let place = cell.place;
                tracing::warn!(
                    ?place,
                    epoch,
                    "a log is under another master, or gone: to be recovered"
                );
            }
        }
        let open = self.store.open_recoveries().await?;
        self.shared.stuck.lock().retain(|log, _| open.iter().any(|it| it.log.0 == *log));
        for recovery in open {
            let cell = cells.iter().find(|cell| cell.place.log() == recovery.log.0);
            let done = async {
                self.close(&recovery, cell.map(AsRef::as_ref)).await?;
                let told = self.all_closed(&recovery).await?;
                match cell {
                    Some(cell) if self.is_ours(&recovery) => {
                        self.recover(&recovery, cell, told).await
                    }
                    _ => Ok(()),
                }
            };
            match done.await {
                Ok(()) => {
                    said.remove(&recovery.log);
                    self.shared.stuck.lock().remove(&recovery.log.0);
                }
                Err(stuck) => {
                    let why = stuck.to_string();
                    self.shared.stuck.lock().insert(recovery.log.0, why.clone());
                    // Who asked for it says it.
                    if self.is_ours(&recovery) && said.get(&recovery.log) != Some(&why) {
                        tracing::error!(log = %recovery.log, epoch = recovery.epoch, why, "a log stays shut");
                    }
                    said.insert(recovery.log, why);
                }
            }
        }
        Ok(())
    }

    /// The epoch that is to be closed of a log that was fenced in `epoch`; `None` if it goes on already.
    ///
    /// A log that comes back in an epoch that was recovered before, or not at all, has lost the later ones: what may
    /// have been told since is of the epoch that was opened last.
    async fn to_close(&self, place: Place, epoch: u64) -> Result<Option<u64>, store::Error> {
        let recovered = self.store.recovered(LogNo(place.log())).await?;
        if epoch > recovered {
            return Ok(Some(epoch));
        }
        // Or it is this node that has not seen yet that another one has recovered it.
        Ok(match self.looked(&mut self.link(place)).await {
            Ok(LookReply::Seen { open: false, epoch, .. }) if epoch > recovered => Some(epoch),
            Ok(LookReply::Seen { open: false, .. } | LookReply::Absent { .. }) => {
                Some(recovered.saturating_add(1))
            }
            Ok(LookReply::Seen { .. }) | Err(_) => None,
        })
    }

    fn link(&self, place: Place) -> Link {
        let (topology, touch) = (Arc::clone(&self.shared.topology), Item::script(look(place)));
        Link::to(topology, place.slot(), self.shared.replicas, touch)
    }

    /// Whether it is for this node to go on with it.
    fn is_ours(&self, recovery: &Recovery) -> bool {
        recovery.asked_by == self.node || recovery.asked_ms_ago > ABANDONED_MS
    }

    /// Tells nobody anything of that epoch any more, and hands over what was told.
    async fn close(&self, recovery: &Recovery, cell: Option<&Cell>) -> Result<(), Stuck> {
        if let Some(cell) = cell {
            let mut seen = cell.seen();
            if seen.closed >= recovery.epoch && seen.handed_over >= recovery.epoch {
                return Ok(());
            }
            // From here on nothing is told; what is being written down just now is told or not by this.
            seen.closed = seen.closed.max(recovery.epoch);
        }
        let closings = self.store.closings(recovery.log, recovery.epoch).await?;
        if closings.iter().any(|closing| closing.node == self.node) {
            // Before a restart.
            if let Some(cell) = cell {
                cell.seen().handed_over = recovery.epoch;
            }
            return Ok(());
        }
        let stored = self.store.seq(recovery.log).await?;
        let acks = self
            .shared
            .acks
            .close(recovery.log.0, recovery.epoch)
            .await
            .ok_or_else(|| Stuck::Acks("stopping".to_owned()))?;
        let mut acks: Vec<Ack> = acks.map_err(|error| Stuck::Acks(error.to_string()))?;
        // The log went on without these: put back, they would be something else's in its place.
        let recovered = self.store.recovered_with(recovery.log, &self.node).await?;
        acks.retain(|ack| !is_left_out(&recovered, ack.epoch));
        let told = acks.iter().map(|ack| ack.seq).max().unwrap_or(0);
        let mut records: BTreeMap<u64, Record> = BTreeMap::new();
        for ack in acks.into_iter().filter(|ack| ack.seq > stored) {
            if let Some((at, body)) = ack.entry {
                records.insert(ack.seq, Record { seq: ack.seq, at, body });
            }
        }
        let records: Vec<Record> = records.into_values().collect();
        self.store.close_epoch(recovery.log, recovery.epoch, &self.node, told, &records).await?;
        if let Some(cell) = cell {
            let mut seen = cell.seen();
            seen.handed_over = seen.handed_over.max(recovery.epoch);
        }
        Ok(())
    }

    /// The last seq that anybody told of the epoch, if every node has closed it.
    async fn all_closed(&self, recovery: &Recovery) -> Result<u64, Stuck> {
        let Recovery { log, epoch, .. } = *recovery;
        let closings = self.store.closings(log, epoch).await?;
        let closed: BTreeSet<&str> = closings.iter().map(|closing| closing.node.as_str()).collect();
        let nodes = self.store.nodes().await?;
        if let Some(node) =
            nodes.iter().find(|node| !node.left && !closed.contains(node.node.as_str()))
        {
            return Err(Stuck::Node(node.node.clone()));
        }
        let fresh = |ago: i64| ago < GIVEN_UP_MS;
        if let Some(node) = nodes.iter().find(|node| node.given_up_ms_ago.is_some_and(fresh)) {
            return Err(Stuck::GivenUp(node.node.clone()));
        }
        Ok(closings.iter().map(|closing| closing.acked_seq).max().unwrap_or(0))
    }

    /// Puts back what is missing and opens the next epoch; every node has closed this one, and told up to `told`.
    async fn recover(&self, recovery: &Recovery, cell: &Cell, told: u64) -> Result<(), Stuck> {
        let start = Instant::now();
        let Recovery { log, epoch, .. } = *recovery;
        let place = cell.place;
        let mut link = self.link(place);
        let (last_at, end, live) = match self.looked(&mut link).await? {
            // Somebody opened a later one. If it is under another master by now, that is a recovery of its own.
            LookReply::Seen { epoch: there, .. } if there > epoch => {
                self.store.finish_recovery(log, epoch).await?;
                return Ok(());
            }
            LookReply::Seen { at, seq, live, .. } => (at, seq, live),
            LookReply::Absent { live, .. } => (At(0), 0, live),
        };
        // Nobody else writes its rows now: every node has closed the epoch, so nobody takes this cursor back to
        // write of the old master's.
        let cursor = self.store.take(log, &self.node).await?;
        let evidence = self.evidence(recovery, cursor.seq, end).await?;
        self.agrees(&mut link, place, end, &evidence).await?;
        let last = told.max(cursor.seq).max(evidence.keys().next_back().copied().unwrap_or(0));
        let missing = Missing { after: (end, last_at), last, evidence };
        let restored = self.restore(&mut link, cell, epoch, &missing).await?;
        // Before anybody decides in the next epoch: a crash in between is a recovery of the next one, while this one,
        // gone on with later, would know nothing of what was told in the next.
        self.store.finish_recovery(log, epoch).await?;
        self.reopen(&mut link, place, epoch, &live).await?;
        self.store.release(cursor).await?;
        cell.kick.notify_one();
        tracing::warn!(
            ?place,
            epoch,
            end,
            last,
            restored,
            ms = start.elapsed().as_millis(),
            "a log is recovered"
        );
        Ok(())
    }

    async fn looked(&self, link: &mut Link) -> Result<LookReply, Stuck> {
        match link.read(&[]).await.1 {
            Fate::Done(value) => {
                LookReply::read(value).map_err(|error| Stuck::Redis(error.to_string()))
            }
            Fate::NotDone(why) => Err(Stuck::Redis(why)),
            Fate::Unknown => Err(Stuck::Redis("no answer".to_owned())),
        }
    }

    /// What is known of the log outside Redis: what nodes told, and beyond its end in Redis what the store has.
    async fn evidence(
        &self,
        recovery: &Recovery,
        stored: u64,
        end: u64,
    ) -> Result<BTreeMap<u64, Record>, Stuck> {
        let mut all: BTreeMap<u64, Record> = BTreeMap::new();
        let mut from_store = Vec::new();
        let mut after = end;
        while after < stored {
            let some = self.store.events_after(recovery.log, after, ENTRIES).await?;
            let Some(last) = some.last() else { break };
            after = last.seq;
            from_store.extend(some);
        }
        let told = self.store.evidence(recovery.log, recovery.epoch).await?;
        for record in from_store.into_iter().chain(told.into_iter().map(|it| it.record)) {
            if let Some(before) = all.get(&record.seq)
                && *before != record
            {
                return Err(Stuck::Conflict { seq: record.seq, who: "nodes and store".to_owned() });
            }
            all.insert(record.seq, record);
        }
        Ok(all)
    }

    /// What Redis still has must be what was told, and what the store has: a master that was left behind may come back
    /// with a tail of its own.
    async fn agrees(
        &self,
        link: &mut Link,
        place: Place,
        end: u64,
        evidence: &BTreeMap<u64, Record>,
    ) -> Result<(), Stuck> {
        // What was trimmed is in the store.
        let first = entry::first(&self.range(link, place, 0, 1).await?);
        let mut next = first.unwrap_or(1);
        while next <= end {
            let value = self.range(link, place, next, ENTRIES).await?;
            let log = LogNo(place.log());
            let stored = self.store.events_after(log, next.saturating_sub(1), ENTRIES).await?;
            let stored: BTreeMap<u64, Record> = stored.into_iter().map(|it| (it.seq, it)).collect();
            if matches!(&value, Value::Array(none) if none.is_empty()) {
                return Err(Stuck::Redis(format!("entry {next} of the stream is missing")));
            }
            let entries =
                entry::read(place, next, value).map_err(|error| Stuck::Redis(error.to_string()))?;
            for Logged { entry, .. } in entries {
                next = entry.seq.saturating_add(1);
                let record = Record { seq: entry.seq, at: entry.at, body: entry.body };
                for (known, who) in [(evidence, "nodes and stream"), (&stored, "store and stream")]
                {
                    if known.get(&record.seq).is_some_and(|told| *told != record) {
                        return Err(Stuck::Conflict { seq: record.seq, who: who.to_owned() });
                    }
                }
            }
        }
        Ok(())
    }

    async fn range(
        &self,
        link: &mut Link,
        place: Place,
        next: u64,
        most: usize,
    ) -> Result<Value, Stuck> {
        let (mut told, _) = link.read(&[Item::plain(entry::range(place, next, most))]).await;
        match told.pop() {
            Some(Fate::Done(value)) => Ok(value),
            _ => Err(Stuck::Redis("no answer".to_owned())),
        }
    }

    /// Opens the next epoch under the master `live`, which was reconciled, unless somebody did. One that came since
    /// may lack what was put back: that is the next recovery.
    async fn reopen(
        &self,
        link: &mut Link,
        place: Place,
        closed: u64,
        live: &str,
    ) -> Result<(), Stuck> {
        let from = match self.looked(link).await? {
            LookReply::Seen { epoch, .. } if epoch > closed => return Ok(()),
            LookReply::Seen { epoch, .. } => epoch,
            LookReply::Absent { .. } => return Err(Stuck::Redis("it is gone again".to_owned())),
        };
        let again = reopen(place, from, closed.saturating_add(1), live);
        let again = again.map_err(|error| Stuck::Redis(error.to_string()))?;
        match link.run(&[Item::script(again)]).await.pop() {
            Some(Fate::Done(value)) => match ReopenReply::read(value) {
                Ok(ReopenReply::Reopened { .. }) => Ok(()),
                // If it was somebody else, the next look finds it open.
                other => Err(Stuck::Redis(format!("{other:?}"))),
            },
            other => Err(Stuck::Redis(format!("{other:?}"))),
        }
    }

    /// Puts back what is missing, in order; how many entries that were.
    async fn restore(
        &self,
        link: &mut Link,
        cell: &Cell,
        epoch: u64,
        missing: &Missing,
    ) -> Result<u64, Stuck> {
        let place = cell.place;
        let (end, mut at) = missing.after;
        let nothing = codec::encode(&[]).unwrap_or_default();
        let mut items = Vec::with_capacity(RESTORED);
        for seq in end.saturating_add(1)..=missing.last {
            let unknown = || Record { seq, at, body: nothing.clone() };
            let record = missing.evidence.get(&seq).cloned().unwrap_or_else(unknown);
            at = record.at;
            let fault = |why: String| Stuck::Redis(format!("entry {seq} can't be restored: {why}"));
            let events = codec::decode(&record.body)
                .ok_or_else(|| fault("not in words known here".to_owned()))?;
            let changes = changes(place, cell.shard, at, &events)
                .map_err(|error| fault(error.to_string()))?;
            let entry = Entry { seq, durable: 0, at, seal: false, body: record.body };
            let put = restore(place, epoch, &entry, &changes);
            items.push(Item::script(put.map_err(|error| fault(error.to_string()))?));
            if items.len() == RESTORED || seq == missing.last {
                for fate in link.run(&items).await {
                    match fate {
                        Fate::Done(value) => match RestoreReply::read(value) {
                            Ok(RestoreReply::Restored | RestoreReply::There) => {}
                            other => return Err(fault(format!("{other:?}"))),
                        },
                        other => return Err(fault(format!("{other:?}"))),
                    }
                }
                items.clear();
            }
        }
        Ok(missing.last.saturating_sub(end))
    }
}

/// Whether what was told in `epoch` was not handed over when that was closed: the recoveries that are finished, and
/// whether this node had closed them.
fn is_left_out(recovered: &[(u64, bool)], epoch: u64) -> bool {
    recovered.iter().find(|(closed, _)| *closed >= epoch).is_some_and(|(_, with)| !with)
}

/// What Redis lacks of a log.
struct Missing {
    /// The last entry it has, and its instant.
    after: (u64, At),
    /// The last entry that anybody may have been told of.
    last: u64,
    /// What is known of those in between; of the others nobody was told.
    evidence: BTreeMap<u64, Record>,
}
