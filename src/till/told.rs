//! What a till prints and shows.

use crate::campaign::Campaign;
use crate::domain::{At, CouponId, Fen};
use crate::ledger::event::{Aftermath, Refunded, Release};
use crate::ledger::machine::{Redemption, Status};
use crate::wallet::as_text;
use serde::Serialize;
use utoipa::ToSchema;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OrderState {
    /// A coupon is held for it until it is confirmed or released.
    Locked,
    /// It was paid with the coupon.
    Confirmed,
    /// The coupon is its holder's again.
    Released,
}

/// Why a coupon is held no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReleasedBy {
    /// The till said so.
    Till,
    /// It was not confirmed in time.
    Deadline,
}

/// An order, as its till sees it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct OrderNow<'a> {
    /// The merchant's number of it.
    pub(super) order: &'a str,
    /// Where it stands.
    pub(super) state: OrderState,
    /// The number of the coupon that pays for it.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(super) coupon: CouponId,
    /// The coupon's kind.
    pub(super) kind: &'a str,
    /// What the coupon takes off.
    pub(super) face_fen: u64,
    /// The order's amount before the coupon.
    pub(super) amount_fen: u64,
    /// What is left to pay.
    pub(super) to_pay_fen: u64,
    /// The first instant at which it can't be confirmed any more, if it is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub(super) locked_until: Option<String>,
    /// The same in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) locked_until_ms: Option<i64>,
    /// Since when it is confirmed or released.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub(super) since: Option<String>,
    /// Why the coupon is held no more, if it is released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) released_by: Option<ReleasedBy>,
    /// How much of the amount was paid back.
    pub(super) refunded_fen: u64,
    /// How much of the face was taken back for it.
    pub(super) taken_back_fen: u64,
}

/// What becomes of the coupon of an order that is paid back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CouponAfter {
    /// It stays used.
    Used,
    /// Its holder can use it again until its end.
    Unused,
    /// It is past its end, and not used any more.
    Expired,
}

/// A refund, as it was made.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct RefundMade<'a> {
    /// The merchant's number of it.
    pub(super) refund: &'a str,
    /// How much of the order is paid back.
    pub(super) amount_fen: u64,
    /// How much of that was the coupon's, and is taken back.
    pub(super) taken_back_fen: u64,
    /// What the customer gets.
    pub(super) to_customer_fen: u64,
    /// What becomes of the coupon.
    pub(super) coupon: CouponAfter,
    /// Whether the next settlement takes it off what the merchant is due.
    pub(super) taken_off_next_settlement: bool,
}

/// The order as its till sees it; `None` if the coupon's kind is not in the plan.
pub(super) fn order<'a>(
    campaign: &'a Campaign,
    number: &'a str,
    it: &Redemption,
) -> Option<OrderNow<'a>> {
    let told = |at: At| Some(at.in_zone(&campaign.plan.zone));
    let (state, until, since, released_by) = match it.status {
        Status::Locked { until } => (OrderState::Locked, Some(until), None, None),
        Status::Confirmed { at } => (OrderState::Confirmed, None, told(at), None),
        Status::Released { at, why } => {
            let by = match why {
                Release::ByTill => ReleasedBy::Till,
                Release::AtDeadline => ReleasedBy::Deadline,
            };
            (OrderState::Released, None, told(at), Some(by))
        }
    };
    Some(OrderNow {
        order: number,
        state,
        coupon: it.coupon,
        kind: &campaign.terms(it.coupon.kind)?.name,
        face_fen: it.face.get(),
        amount_fen: it.amount.get(),
        to_pay_fen: less(it.amount, it.face),
        locked_until: until.and_then(told),
        locked_until_ms: until.map(|it| it.0),
        since,
        released_by,
        refunded_fen: it.refunded.get(),
        taken_back_fen: it.back.get(),
    })
}

/// The refund as its till sees it.
pub(super) fn refund<'a>(number: &'a str, made: &Refunded) -> RefundMade<'a> {
    RefundMade {
        refund: number,
        amount_fen: made.amount.get(),
        taken_back_fen: made.back.get(),
        to_customer_fen: less(made.amount, made.back),
        coupon: match made.coupon {
            Aftermath::Used => CouponAfter::Used,
            Aftermath::Issued => CouponAfter::Unused,
            Aftermath::Returned => CouponAfter::Expired,
        },
        taken_off_next_settlement: made.owed,
    }
}

fn less(a: Fen, b: Fen) -> u64 {
    a.checked_sub(b).unwrap_or(Fen::ZERO).get()
}
