//! What became of orders: which coupon pays for each, how much of it was paid back.

use super::Status;
use crate::domain::{At, CouponId, Fen, MerchantNo, PersonId, RedemptionId, RefundId};
use crate::ledger::event::{Locked, Refunded};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The orders of a campaign.
///
/// The maps are sorted, not hashed: their keys come of what merchants say, who could choose keys that collide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Orders {
    all: BTreeMap<RedemptionId, Order>,
    /// Those that a coupon is held for, by their deadlines.
    open: BTreeSet<(At, RedemptionId)>,
    refunds: BTreeMap<RefundId, Refunded>,
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) merchant: MerchantNo,
    pub(super) person: PersonId,
    pub(super) coupon: CouponId,
    pub(super) amount: Fen,
    pub(super) request: [u8; 8],
    pub(super) status: Status,
    /// How often its merchant had been settled for its pool when it was confirmed.
    pub(super) settlements: u32,
    pub(super) refunded: Fen,
    pub(super) back: Fen,
}

impl Orders {
    pub(super) fn get(&self, redemption: RedemptionId) -> Option<&Order> {
        self.all.get(&redemption)
    }

    pub(super) fn refund(&self, refund: RefundId) -> Option<&Refunded> {
        self.refunds.get(&refund)
    }

    /// The first instant at which one is held past its deadline.
    pub(super) fn next_deadline(&self) -> Option<At> {
        self.open.first().map(|(until, _)| *until)
    }

    /// Those that are held past their deadlines at `now`, the first ones first.
    pub(super) fn lapsed(&self, now: At) -> impl Iterator<Item = (RedemptionId, &Order)> {
        let lapsed = self.open.iter().take_while(move |(until, _)| *until <= now);
        lapsed.filter_map(|(_, it)| Some((*it, self.all.get(it)?)))
    }

    pub(super) fn lock(&mut self, locked: &Locked) {
        let Locked { redemption, merchant, person, coupon, amount, request, until } = *locked;
        let order = Order {
            merchant,
            person,
            coupon,
            amount,
            request,
            status: Status::Locked { until },
            settlements: 0,
            refunded: Fen::ZERO,
            back: Fen::ZERO,
        };
        let before = self.all.insert(redemption, order);
        let free = before.is_none_or(|it| matches!(it.status, Status::Released { .. }));
        assert!(free, "an order is paid with one coupon (R-KIND-3)");
        self.open.insert((until, redemption));
    }

    /// Nothing is held for it any more: it is confirmed or released now.
    pub(super) fn close(&mut self, redemption: RedemptionId, status: Status) -> &mut Order {
        let order = self.all.get_mut(&redemption).expect("an order is locked first");
        let Status::Locked { until } = order.status else {
            panic!(
                "an order is confirmed or released once, not {:?} and then {status:?}",
                order.status
            )
        };
        self.open.remove(&(until, redemption));
        order.status = status;
        order
    }

    pub(super) fn pay_back(&mut self, refunded: &Refunded) -> &mut Order {
        let order = self.all.get_mut(&refunded.redemption).expect("an order is locked first");
        assert!(matches!(order.status, Status::Confirmed { .. }), "what is paid back was paid");
        let sum = |a: Fen, b: Fen| a.checked_add(b).expect("parts of an amount fit");
        order.refunded = sum(order.refunded, refunded.amount);
        order.back = sum(order.back, refunded.back);
        assert!(order.refunded <= order.amount, "never more is paid back than was paid");
        let before = self.refunds.insert(refunded.refund, *refunded);
        assert!(before.is_none(), "a refund is made once");
        order
    }
}
