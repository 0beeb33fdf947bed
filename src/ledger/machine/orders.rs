//! What became of orders: which coupon pays for each, how much of it was paid back.

use super::{Redemption, Status};
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
pub(crate) struct Order {
    pub(crate) merchant: MerchantNo,
    pub(crate) person: PersonId,
    pub(crate) coupon: CouponId,
    pub(crate) amount: Fen,
    pub(crate) request: [u8; 8],
    pub(crate) status: Status,
    /// How often its merchant had been settled for its pool when it was confirmed.
    pub(crate) settlements: u32,
    pub(crate) refunded: Fen,
    pub(crate) back: Fen,
}

impl Order {
    /// One that a coupon is held for from now on.
    pub(crate) fn locked(locked: &Locked) -> Order {
        let Locked { merchant, person, coupon, amount, request, until, .. } = *locked;
        Order {
            merchant,
            person,
            coupon,
            amount,
            request,
            status: Status::Locked { until },
            settlements: 0,
            refunded: Fen::ZERO,
            back: Fen::ZERO,
        }
    }

    /// As its merchant sees it, with a coupon of that face.
    pub(crate) fn shown(&self, redemption: RedemptionId, face: Fen) -> Redemption {
        let Order { merchant, coupon, amount, status, refunded, back, .. } = *self;
        Redemption { redemption, merchant, coupon, amount, face, status, refunded, back }
    }

    pub(crate) fn is_released(&self) -> bool {
        matches!(self.status, Status::Released { .. })
    }
}

impl Orders {
    /// These, each locked or not as it says itself.
    pub(super) fn of(orders: Vec<(RedemptionId, Order)>, refunds: Vec<Refunded>) -> Orders {
        let open = orders.iter().filter_map(|(no, it)| match it.status {
            Status::Locked { until } => Some((until, *no)),
            Status::Confirmed { .. } | Status::Released { .. } => None,
        });
        Orders {
            open: open.collect(),
            all: orders.into_iter().collect(),
            refunds: refunds.into_iter().map(|it| (it.refund, it)).collect(),
        }
    }

    pub(super) fn get(&self, redemption: RedemptionId) -> Option<&Order> {
        self.all.get(&redemption)
    }

    /// What was asked for each that was not released.
    pub(super) fn requests(&self) -> impl Iterator<Item = (RedemptionId, [u8; 8])> + '_ {
        let open = self.all.iter().filter(|(_, it)| !matches!(it.status, Status::Released { .. }));
        open.map(|(redemption, it)| (*redemption, it.request))
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
        let Locked { redemption, until, .. } = *locked;
        let before = self.all.insert(redemption, Order::locked(locked));
        let free = before.is_none_or(|it| it.is_released());
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
