//! Words that two or more parts share. No I/O, no async, no clock.

pub mod calendar;
pub mod coupon;
pub mod fence;
pub mod hex;
pub mod id;
pub mod keyed;
pub mod money;
pub mod refusal;
pub mod terminal;
pub mod time;
pub mod workdays;

pub use coupon::CouponState;
pub use hex::{Hex, NotHex};
pub use id::{
    BatchNo, CampaignNo, CouponId, IdentifierKind, KeyedHash, KindNo, KindSet, MOST_UNITS,
    MerchantNo, PassNonce, PersonId, PoolNo, PoolSet, ProofId, RedemptionId, RefundId, RoundNo,
    Shard,
};
pub use money::Fen;
pub use refusal::Refusal;
pub use terminal::TerminalId;
pub use time::{At, Window};

/// What was asked of something that nodes share gave no answer. It may have been done, so nothing may rest on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what nodes share gave no answer")]
pub struct NoAnswer;
