//! What a campaign counts of tills and payment codes.

use crate::http::Problem;
use crate::ledger::event::What;
use crate::ledger::machine::Redemption;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Done now.
const DONE: usize = 0;
/// Done for an earlier request.
const REPLAYED: usize = 1;
/// The first no; the others follow in the order of [`Problem::all`].
const NO: usize = 2;
/// How a till's request can be answered.
const OUTCOMES: usize = NO + Problem::COUNT;

/// What a till asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To redeem.
    Redeem,
    /// To confirm.
    Confirm,
    /// To release.
    Release,
    /// To pay back.
    Refund,
    /// How an order stands.
    Look,
}

impl Asked {
    /// How many there are.
    pub(super) const COUNT: usize = 5;

    /// All of them, with their names.
    pub(super) const ALL: [(Asked, &str); Asked::COUNT] = [
        (Asked::Redeem, "redeem"),
        (Asked::Confirm, "confirm"),
        (Asked::Release, "release"),
        (Asked::Refund, "refund"),
        (Asked::Look, "look"),
    ];

    /// Its place in [`Asked::ALL`].
    pub(super) const fn place(self) -> usize {
        match self {
            Asked::Redeem => 0,
            Asked::Confirm => 1,
            Asked::Release => 2,
            Asked::Refund => 3,
            Asked::Look => 4,
        }
    }
}

/// The name of each outcome, by its place.
pub(super) fn outcomes() -> impl Iterator<Item = &'static str> {
    ["done", "replayed"].into_iter().chain(Problem::all().map(|no| no.code()))
}

/// What one campaign counts. Relaxed throughout: the numbers guard no other memory.
#[derive(Debug)]
pub struct Redeeming {
    /// By [`Asked::place`].
    asked: [[AtomicU64; OUTCOMES]; Asked::COUNT],
    codes: AtomicU64,
    /// Of whole orders, and of parts.
    refunds: [AtomicU64; 2],
    redeemed_fen: AtomicU64,
    sales_fen: AtomicU64,
}

impl Redeeming {
    pub(super) fn new() -> Redeeming {
        let zero = |_| AtomicU64::new(0);
        Redeeming {
            asked: std::array::from_fn(|_| std::array::from_fn(zero)),
            codes: AtomicU64::new(0),
            refunds: std::array::from_fn(zero),
            redeemed_fen: AtomicU64::new(0),
            sales_fen: AtomicU64::new(0),
        }
    }

    /// A till was answered; a yes may have been an earlier request's.
    pub fn answered(&self, asked: Asked, told: Result<bool, &Problem>) {
        let place = match told {
            Ok(false) => DONE,
            Ok(true) => REPLAYED,
            Err(problem) => NO + problem.place(),
        };
        let of = self.asked.get(asked.place());
        if let Some(count) = of.and_then(|outcomes| outcomes.get(place)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A payment code was given out.
    pub fn code(&self) {
        self.codes.fetch_add(1, Relaxed);
    }

    /// Something became durable of an order.
    pub fn note(&self, what: &What, order: &Redemption) {
        match what {
            What::Confirmed(_) => {
                self.redeemed_fen.fetch_add(order.face.get(), Relaxed);
                self.sales_fen.fetch_add(order.amount.get(), Relaxed);
            }
            What::Refunded(refunded) => {
                let [full, partial] = &self.refunds;
                let of = if refunded.amount == order.amount { full } else { partial };
                of.fetch_add(1, Relaxed);
            }
            _ => {}
        }
    }

    /// Answers to what tills asked, by the places of [`outcomes`].
    pub(super) fn asked(&self, asked: Asked) -> impl Iterator<Item = u64> {
        let of = self.asked.get(asked.place()).map_or(&[][..], |it| it.as_slice());
        of.iter().map(|count| count.load(Relaxed))
    }

    pub(super) fn codes(&self) -> u64 {
        self.codes.load(Relaxed)
    }

    /// Refunds of whole orders and of parts.
    pub(super) fn refunds(&self) -> [u64; 2] {
        self.refunds.each_ref().map(|it| it.load(Relaxed))
    }

    /// Faces of coupons that were used, and the amounts of their orders.
    pub(super) fn fen(&self) -> (u64, u64) {
        (self.redeemed_fen.load(Relaxed), self.sales_fen.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Refusal;

    #[test]
    fn what_a_till_was_told_counts_once_under_its_own_name() {
        let counts = Redeeming::new();
        let no = Problem::from(Refusal::CodeDead);
        for (asked, times) in Asked::ALL.map(|(it, _)| (it, it.place() + 1)) {
            (0..times).for_each(|_| counts.answered(asked, Err(&no)));
        }
        counts.answered(Asked::Redeem, Ok(false));
        (0..2).for_each(|_| counts.answered(Asked::Redeem, Ok(true)));
        let told = |asked| -> Vec<_> {
            outcomes().zip(counts.asked(asked)).filter(|(_, count)| *count > 0).collect()
        };
        assert_eq!(told(Asked::Redeem), [("done", 1), ("replayed", 2), ("code_dead", 1)]);
        assert_eq!(told(Asked::Look), [("code_dead", 5)]);
        assert_eq!(outcomes().count(), OUTCOMES);
    }
}
