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
