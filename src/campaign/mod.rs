//! A campaign as this server runs it: its plan, its number in the ledger, and the shield of each
//! round.

pub mod handler;
mod place;
mod state;

pub use place::{InCampaign, InRound, in_campaign, in_round, order_in};
pub use state::{Remaining, State, state};

use crate::domain::calendar::{MOST_ROUNDS, Round};
use crate::domain::refusal::BUSY_MS;
use crate::domain::{At, CampaignNo, KindNo, Refusal, RoundNo};
use crate::gate::{Gate, Reason};
use crate::http::Problem;
use crate::inventory::{Shortage, Stock};
use crate::ledger::machine::Summary;
use crate::ledger::service::View;
use crate::metrics::Counts;
use crate::plan::{Kind, Plan};
use crate::till::Till;
use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

/// Takes let through beyond what is left, since some holders will be refused further on.
pub const OVERSHOOT: u32 = 64;
/// The same where several nodes let takes through, each so many.
pub const OVERSHOOT_EACH: u32 = 8;

/// One campaign.
#[derive(Debug)]
pub struct Campaign {
    /// Its number in the ledger.
    pub no: CampaignNo,
    /// Its plan.
    pub plan: Plan,
    /// Who may come in.
    pub gate: Gate,
    /// What is counted of it.
    pub counts: Counts,
    /// What redeeming needs; nothing before the ledger knows the merchants.
    till: OnceLock<Till>,
    /// Takes that its shields let through beyond what is left.
    overshoot: u32,
    /// By round, from the first: those of the plan, and those by which it was extended (R-ADJ-2).
    rounds: Vec<OnceLock<Known>>,
    /// By round, from the first; empty until the round is armed.
    stocks: Vec<OnceLock<Vec<Arc<Stock>>>>,
}

/// A round that there is.
#[derive(Debug)]
struct Known {
    round: Round,
    /// When its coupons end, as people are told.
    ends: String,
}

impl Campaign {
    /// The campaign of `plan`, with no round armed yet; its shields let `overshoot` takes through beyond what is left.
    pub fn new(no: CampaignNo, plan: Plan, gate: Gate, overshoot: u32) -> Campaign {
        let stocks = (0..MOST_ROUNDS).map(|_| OnceLock::new()).collect();
        let rounds = (0..MOST_ROUNDS).map(|_| OnceLock::new()).collect();
        let counts = Counts::of(&plan);
        let till = OnceLock::new();
        let campaign = Campaign { no, plan, gate, counts, till, overshoot, rounds, stocks };
        campaign.plan.rounds.iter().for_each(|round| campaign.has(*round));
        campaign
    }

    /// There is such a round from now on.
    fn has(&self, round: Round) {
        let Some(known) = self.rounds.get(place(round.no)) else { return };
        known.get_or_init(|| Known { round, ends: round.window.until.in_zone(&self.plan.zone) });
    }

    /// Every round that there is, in order.
    pub fn rounds(&self) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter_map(|known| Some(&known.get()?.round))
    }

    /// What redeeming needs.
    pub fn till(&self) -> Result<&Till, Problem> {
        self.till.get().ok_or(Problem::UNAVAILABLE)
    }

    /// Coupons are redeemed from now on.
    pub fn redeems(&self, till: Till) {
        // Once, at the start.
        let _ = self.till.set(till);
    }

    /// Forgets what counts no longer. To be called on a timer.
    pub fn tidy(&self, now: At) {
        self.gate.rates.tidy(now);
        if let Some(till) = self.till.get() {
            till.tidy(now);
        }
    }

    fn known(&self, round: RoundNo) -> Option<&Known> {
        self.rounds.get(place(round))?.get()
    }

    /// The round of that number.
    pub fn round(&self, round: RoundNo) -> Result<&Round, Refusal> {
        self.known(round).map(|known| &known.round).ok_or(Refusal::RoundUnknown)
    }

    /// The instant as people are told it; the end of the round's coupons is written already.
    pub fn told(&self, round: RoundNo, at: At) -> Cow<'_, str> {
        let known = self.known(round).filter(|known| known.round.window.until == at);
        known.map_or_else(|| at.in_zone(&self.plan.zone).into(), |known| (&*known.ends).into())
    }

    /// The kind of that name.
    pub fn kind(&self, name: &str) -> Result<KindNo, Refusal> {
        let place = self.plan.kinds.iter().position(|kind| kind.name == name);
        let no = place.and_then(|place| u8::try_from(place).ok());
        no.map(KindNo).ok_or(Refusal::KindUnknown)
    }

    /// What the plan says of a kind.
    pub fn terms(&self, kind: KindNo) -> Option<&Kind> {
        self.plan.kinds.get(usize::from(kind.0))
    }

    /// The shield of a kind in a round; `None` until the round is armed.
    pub fn stock(&self, round: RoundNo, kind: KindNo) -> Option<&Arc<Stock>> {
        self.stocks.get(place(round))?.get()?.get(usize::from(kind.0))
    }

    /// The round that is open by the calendar and not armed, so that nobody can claim, if there is one.
    pub fn unarmed(&self, view: &View, now: At) -> Option<RoundNo> {
        let round = self.rounds().find(|round| round.window.has(now))?.no;
        let armed = view.campaign(self.no)?.round(round).is_some();
        (!armed).then_some(round)
    }

    /// Stops issuing if the pools' accounts are not what coupons and stock make them (I5): something is wrong that no
    /// rule knows of, and people have to look before more is given out.
    pub fn check_books(&self, seq: u64, summary: &Summary) {
        let kinds: Vec<_> = self.plan.kinds.iter().map(|kind| (kind.pool, kind.face)).collect();
        let Some(imbalance) = summary.imbalance(&kinds) else { return };
        if !self.gate.interlock.reasons().any(|it| it == Reason::Books) {
            let campaign = &self.plan.id;
            tracing::error!(%campaign, seq, %imbalance, "the books do not balance: issuing is stopped");
        }
        self.gate.interlock.stop(Reason::Books);
    }

    /// Takes note of how the ledger stands, durably, at `seq`.
    pub fn note(&self, seq: u64, summary: &Summary) {
        self.gate.interlock.set(Reason::Ledger, summary.tripped);
        let further = summary.extended.iter().flat_map(|it| it.extension.rounds());
        further.for_each(|round| self.has(round));
        for round in &summary.rounds {
            let Some(stocks) = self.stocks.get(place(round.round)) else { continue };
            let stocks = stocks.get_or_init(|| {
                let new = round.stock.iter();
                new.map(|level| Arc::new(Stock::new(seq, level.left(), self.overshoot))).collect()
            });
            for (stock, level) in stocks.iter().zip(&round.stock) {
                stock.confirm(seq, level.left());
            }
        }
    }
}

/// A shortage as people are told of it.
pub fn shortage(shortage: Shortage) -> Refusal {
    match shortage {
        Shortage::SoldOut => Refusal::SoldOut,
        Shortage::Busy => Refusal::Busy { retry_after_ms: BUSY_MS },
    }
}

/// Rounds are numbered from 1, lists from 0; round 0 is nowhere.
fn place(round: RoundNo) -> usize {
    usize::from(round.0).wrapping_sub(1)
}

#[cfg(test)]
mod tests;
