//! The orders of a shard as its log says: when the next lock runs out, and which coupon an event is about.

use super::about::About;
use super::records::Slot;
use crate::domain::{At, CouponId, CouponState, PersonId, RedemptionId};
use crate::ledger::event::{Aftermath, KindTerms, What};
use crate::ledger::machine::{Order, Status};
use std::collections::{BTreeMap, BTreeSet};

/// What an event does to a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turned {
    pub(super) person: PersonId,
    pub(super) coupon: CouponId,
    pub(super) from: CouponState,
    pub(super) to: CouponState,
}

/// The orders of a shard.
#[derive(Debug, Default)]
pub(super) struct Book {
    known: About,
    open: BTreeSet<(At, RedemptionId)>,
    /// The entry that an order was read at from the keys, until the log was read that far.
    read_at: BTreeMap<RedemptionId, u64>,
}

impl Book {
    /// These orders, as the keys have them, each after an entry of its own; paid with coupons of these kinds.
    pub(super) fn of(kinds: &[KindTerms], read: BTreeMap<RedemptionId, (u64, Slot)>) -> Book {
        let mut book = Book { known: About::of(kinds), ..Book::default() };
        for (redemption, (seq, slot)) in read {
            book.open.extend(until(&slot).map(|until| (until, redemption)));
            book.read_at.insert(redemption, seq);
            book.known.slots.insert(redemption, slot);
        }
        book
    }

    /// Everything was taken in up to the last entry that an order was read at: from here on it is as the log says.
    pub(super) fn caught_up(&mut self) {
        self.read_at.clear();
    }

    pub(super) fn order(&self, redemption: RedemptionId) -> Option<&Order> {
        self.known.order(redemption).ok()
    }

    /// What was asked for each order that was not released.
    pub(super) fn requests(&self) -> impl Iterator<Item = (RedemptionId, [u8; 8])> {
        let live = self.known.slots.iter().filter(|(_, slot)| slot.lives());
        live.filter_map(|(no, slot)| Some((*no, slot.order.as_ref()?.request)))
    }

    /// The first instant at which a lock has run out.
    pub(super) fn next_deadline(&self) -> Option<At> {
        self.open.first().map(|(until, _)| *until)
    }

    /// The locks that have run out at `now`, the first ones first.
    pub(super) fn lapsed(&self, now: At) -> Vec<RedemptionId> {
        self.open.iter().take_while(|(until, _)| *until <= now).map(|(_, no)| *no).collect()
    }

    /// Takes the next event in, of entry `seq`, written at `at`; what it does to a coupon.
    ///
    /// What an order has that was read from the keys after that entry does nothing again.
    pub(super) fn take(&mut self, what: &What, (seq, at): (u64, At)) -> Option<Turned> {
        use CouponState::{Locked, Returned, Unused, Used};
        let redemption = match what {
            What::Reserved(it) | What::Vacated(it) => it.redemption,
            other => other.redemption()?,
        };
        if self.read_at.get(&redemption).is_some_and(|read| seq <= *read) {
            return None;
        }
        if let Some(until) = self.known.slots.get(&redemption).and_then(until) {
            self.open.remove(&(until, redemption));
        }
        // What does not follow is no entry of ours, and the audit's to find.
        let _ = self.known.take(what, at);
        if let Some(until) = self.known.slots.get(&redemption).and_then(until) {
            self.open.insert((until, redemption));
        }
        let (from, to) = match what {
            What::Locked(_) => (Unused, Locked),
            What::Confirmed(_) => (Locked, Used),
            What::Released(_) => (Locked, Unused),
            What::Refunded(it) => match it.coupon {
                Aftermath::Used => (Used, Used),
                Aftermath::Issued => (Used, Unused),
                Aftermath::Returned => (Used, Returned),
            },
            _ => return None,
        };
        let order = self.order(redemption)?;
        Some(Turned { person: order.person, coupon: order.coupon, from, to })
    }
}

fn until(slot: &Slot) -> Option<At> {
    match slot.order.as_ref()?.status {
        Status::Locked { until } => Some(until),
        Status::Confirmed { .. } | Status::Released { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fen, KindNo, MerchantNo, PoolNo, RefundId, RoundNo};
    use crate::ledger::event::{Confirmed, Locked, Refunded, Release, Released};

    const ORDER: RedemptionId = RedemptionId([1; 16]);

    fn kinds() -> Vec<KindTerms> {
        let fen = Fen::new(10);
        let kind = |name: &str| KindTerms {
            name: name.into(),
            pool: PoolNo(0),
            face: fen,
            threshold: fen,
        };
        ["one", "two"].map(kind).to_vec()
    }

    fn coupon(kind: u8) -> CouponId {
        CouponId { round: RoundNo(1), kind: KindNo(kind), ordinal: 1 }
    }

    fn locked(kind: u8) -> What {
        What::Locked(Locked {
            redemption: ORDER,
            merchant: MerchantNo(1),
            person: PersonId([2; 16]),
            coupon: coupon(kind),
            amount: Fen::new(50),
            until: At(100),
            request: [0; 8],
        })
    }

    fn refunded(no: u8) -> What {
        What::Refunded(Refunded {
            redemption: ORDER,
            refund: RefundId([no; 16]),
            amount: Fen::new(20),
            back: Fen::new(4),
            coupon: Aftermath::Used,
            owed: false,
        })
    }

    /// An order that was released and locked anew for another coupon, paid, and paid back in part.
    fn log() -> Vec<What> {
        let released = Released { redemption: ORDER, why: Release::ByTill };
        vec![
            locked(0),
            What::Released(released),
            locked(1),
            What::Confirmed(Confirmed { redemption: ORDER }),
            refunded(1),
            refunded(2),
        ]
    }

    #[test]
    fn i5_an_order_that_is_read_while_it_changes_is_as_its_log_says() {
        let entry = |seq: u64| (seq, At(i64::try_from(seq).unwrap()));
        let log: Vec<(u64, What)> = (1..).zip(log()).collect();
        let mut folded = Book::of(&kinds(), BTreeMap::new());
        let mut turns = Vec::new();
        let mut slots = Vec::new();
        for (seq, what) in &log {
            turns.push(folded.take(what, entry(*seq)));
            slots.push(folded.known.slots[&ORDER].clone());
        }
        assert_eq!(turns[1].map(|it| it.coupon), Some(coupon(0)));
        assert_eq!(turns[3].map(|it| it.coupon), Some(coupon(1)));
        // It is read after one entry, and the levels after a later one.
        for read in 1..=log.len() {
            for stands in read..=log.len() {
                let slot = (read as u64, slots[read - 1].clone());
                let mut book = Book::of(&kinds(), BTreeMap::from([(ORDER, slot)]));
                for (seq, what) in &log[..stands] {
                    let turned = book.take(what, entry(*seq));
                    assert_eq!(turned.is_some(), *seq > read as u64);
                }
                book.caught_up();
                assert_eq!(book.order(ORDER), slots[stands - 1].order.as_ref());
                for ((seq, what), turned) in log.iter().zip(&turns).skip(stands) {
                    assert_eq!(book.take(what, entry(*seq)), *turned);
                }
                assert_eq!((&book.known, &book.open), (&folded.known, &folded.open));
            }
        }
    }
}
