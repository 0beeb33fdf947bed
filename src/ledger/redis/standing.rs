//! How a shard stands, folded from its log: terms, money and levels, without persons.

use super::book::Turned;
use crate::domain::{At, CouponState, KindNo, RoundNo, Window};
use crate::funds::Funds;
use crate::ledger::event::{
    Adjusted, Extended, Interlock, KindTerms, Load, Opened, Transfer, What,
};
use crate::ledger::machine::{Level, RoundSummary};
use std::collections::BTreeMap;

/// How a shard stands at a seq.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) seq: u64,
    pub(super) at: Option<At>,
    pub(super) opened: Option<Opened>,
    pub(super) funds: Funds,
    pub(super) tripped: bool,
    /// The latest that a decision on the interlock was proposed.
    pub(super) word_at: Option<At>,
    pub(super) rounds: BTreeMap<RoundNo, RoundSummary>,
    /// By kind, what a round was armed with, over all shards; only the first shard knows.
    pub(super) armed: BTreeMap<RoundNo, Vec<u32>>,
    /// The quantities that were decided for rounds; only the first shard knows.
    pub(super) adjusted: BTreeMap<RoundNo, Adjusted>,
    /// What was decided of further rounds, by the first of them; only the first shard knows.
    pub(super) extended: BTreeMap<RoundNo, Extended>,
    /// The last transfer to and from each other shard.
    pub(super) sent: BTreeMap<u8, u32>,
    pub(super) received: BTreeMap<u8, u32>,
}

impl Standing {
    pub(super) fn kind(&self, kind: KindNo) -> Option<&KindTerms> {
        self.opened.as_ref()?.kinds.get(usize::from(kind.0))
    }

    pub(super) fn level(&self, round: RoundNo, kind: KindNo) -> Option<Level> {
        self.rounds.get(&round)?.stock.get(usize::from(kind.0)).copied()
    }

    /// Takes what an event does to a coupon in.
    pub(super) fn turn(&mut self, turned: &Turned) {
        let Some(level) = self.stock(turned.coupon.round, turned.coupon.kind) else { return };
        // No money is frozen for a coupon that was returned: it counts as used.
        let count = |level: &mut Level, state, more: bool| {
            let field = match state {
                CouponState::Unused => return,
                CouponState::Locked => &mut level.locked,
                CouponState::Used | CouponState::Returned => &mut level.used,
            };
            *field = if more { field.saturating_add(1) } else { field.saturating_sub(1) };
        };
        count(level, turned.from, false);
        count(level, turned.to, true);
    }

    /// Takes the next event in, but for what it does to coupons that are granted.
    pub(super) fn event(&mut self, what: &What) {
        match what {
            What::Opened(opened) => {
                self.funds = Funds::new(opened.pools.len());
                self.opened = Some(opened.clone());
            }
            // The script has checked it against the balances; what it says of them is looked at by the audit.
            What::Posted(posting) => drop(self.funds.post(posting)),
            What::Armed(armed) => {
                self.armed.insert(armed.round, armed.quantities.clone());
                let round = self.round(armed.round, armed.window);
                for (level, quantity) in round.stock.iter_mut().zip(&armed.quantities) {
                    level.quantity = level.quantity.saturating_add(*quantity);
                }
            }
            What::Expired(expired) => {
                if let Some(round) = self.rounds.get_mut(&expired.round) {
                    round.expired = true;
                }
            }
            What::Granted(granted) => {
                if let Some(level) = self.stock(granted.coupon.round, granted.coupon.kind) {
                    level.granted = level.granted.saturating_add(1);
                }
            }
            What::Decided(decided) => {
                if decided.statement.what.is_of_the_interlock() {
                    self.word_at = self.word_at.max(Some(decided.statement.at));
                }
            }
            What::Interlock(interlock) => self.tripped = *interlock == Interlock::Tripped,
            What::Sent(transfer) => {
                self.sent.insert(transfer.peer, transfer.number);
                if let Load::Stock { round, kind, units, .. } = transfer.load
                    && let Some(level) = self.stock(round, kind)
                {
                    level.quantity = level.quantity.saturating_sub(units);
                }
            }
            What::Received(transfer) => self.receive(transfer),
            What::Adjusted(adjusted) => {
                self.adjusted.insert(adjusted.round, adjusted.clone());
            }
            What::Extended(extended) => {
                self.adjusted.extend(extended.adjusted().map(|it| (it.round, it)));
                self.extended.insert(extended.extension.first, extended.clone());
            }
            What::Bound(_)
            | What::Passed(_)
            | What::Admitted(_)
            | What::Stands(_)
            | What::Locked(_)
            | What::Confirmed(_)
            | What::Released(_)
            | What::Refunded(_)
            | What::Settled(_)
            | What::Paid(_)
            | What::PaymentFailed(_)
            | What::Reserved(_)
            | What::Vacated(_)
            | What::GivenBack(_) => {}
        }
    }

    fn receive(&mut self, transfer: &Transfer) {
        self.received.insert(transfer.peer, transfer.number);
        if let Load::Stock { round, window, kind, units } = transfer.load {
            self.round(round, window);
            if let Some(level) = self.stock(round, kind) {
                level.quantity = level.quantity.saturating_add(units);
            }
        }
    }

    fn stock(&mut self, round: RoundNo, kind: KindNo) -> Option<&mut Level> {
        self.rounds.get_mut(&round)?.stock.get_mut(usize::from(kind.0))
    }

    fn round(&mut self, round: RoundNo, window: Window) -> &mut RoundSummary {
        let kinds = self.opened.as_ref().map_or(0, |opened| opened.kinds.len());
        self.rounds.entry(round).or_insert_with(|| RoundSummary {
            round,
            window,
            expired: false,
            stock: vec![Level::default(); kinds],
        })
    }
}
