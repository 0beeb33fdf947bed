use crate::domain::{At, CouponId, Fen, MerchantNo, PersonId, RedemptionId, RefundId};
use serde::{Deserialize, Serialize};

/// A coupon is held for an order; its money stays frozen (R-REDEEM-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// The redemption.
    pub redemption: RedemptionId,
    /// Whose order it is.
    pub merchant: MerchantNo,
    /// Who pays with the coupon.
    pub person: PersonId,
    /// The coupon.
    pub coupon: CouponId,
    /// The order's amount, before the coupon (R-KIND-2).
    pub amount: Fen,
    /// The start of a digest of what was asked, so that the same request is known again when its payment code is dead.
    pub request: [u8; 8],
    /// The first instant at which it can't be confirmed any more.
    pub until: At,
}

/// The order was paid: the coupon is used (R-REDEEM-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The redemption.
    pub redemption: RedemptionId,
}

/// The coupon is not held for the order any more (R-REDEEM-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The redemption.
    pub redemption: RedemptionId,
    /// Why.
    pub why: Release,
}

/// Why a coupon is not held any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Release {
    /// The till said so.
    ByTill = 1,
    /// Its deadline passed.
    AtDeadline = 2,
}

/// An order was paid back, whole or in part (R-REDEEM-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunded {
    /// The redemption.
    pub redemption: RedemptionId,
    /// The refund.
    pub refund: RefundId,
    /// How much of the order was paid back.
    pub amount: Fen,
    /// How much of the coupon's face is taken back for it.
    pub back: Fen,
    /// What becomes of the coupon.
    pub coupon: Aftermath,
    /// Whether the merchant owes it, since the order was settled: then the next batch takes it off.
    pub owed: bool,
}

/// What becomes of a coupon when its order is paid back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Aftermath {
    /// It stays used.
    Used = 1,
    /// Its holder can use it again until its end.
    Issued = 2,
    /// It is not used any more, and past its end.
    Returned = 3,
}
