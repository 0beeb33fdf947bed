use crate::domain::{Fen, MerchantNo, RedemptionId, RefundId};
use serde::{Deserialize, Serialize};

/// The right to hold a coupon of one shard for an order, which no other shard has meanwhile.
///
/// Written among the identities, and again with the lock that rests on it. The face counts against the merchant's cap
/// from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The redemption.
    pub redemption: RedemptionId,
    /// Whose order it is.
    pub merchant: MerchantNo,
    /// The shard that may hold a coupon for it.
    pub shard: u8,
    /// How often the order was reserved, with this time: a lock of an earlier turn comes too late.
    pub turn: u32,
    /// The coupon's face.
    pub face: Fen,
}

/// What was taken back of a face for a refund counts against the merchant's cap no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenBack {
    /// The refund.
    pub refund: RefundId,
    /// Whose order it was.
    pub merchant: MerchantNo,
    /// How much.
    pub fen: Fen,
}
