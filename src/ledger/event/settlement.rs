use crate::domain::{BatchNo, Fen, MerchantNo, PoolNo};
use serde::{Deserialize, Serialize};

/// What a merchant is due of a pool came into a batch: all that was redeemed and in none before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
    /// The pool.
    pub pool: PoolNo,
    /// What was due.
    pub consumed: Fen,
    /// What is taken off it, of what the merchant owes for refunds; never more than was due.
    pub owed: Fen,
}

/// A merchant has what a batch had for it of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
    /// The pool.
    pub pool: PoolNo,
    /// How much.
    pub fen: Fen,
}

/// A payment of a batch to a merchant did not arrive. It is still to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFailed {
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
}
