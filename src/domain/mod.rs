//! Words that two or more parts share. No I/O, no async, no clock.

pub mod calendar;
pub mod fence;
pub mod hex;
pub mod id;
pub mod keyed;
pub mod money;
pub mod refusal;
pub mod time;

pub use hex::{Hex, NotHex};
pub use id::{
    BatchNo, CampaignNo, CouponId, IdentifierKind, KeyedHash, KindNo, KindSet, MerchantNo,
    PassNonce, PersonId, PoolNo, PoolSet, ProofId, RedemptionId, RefundId, RoundNo, Shard,
};
pub use money::Fen;
pub use refusal::Refusal;
pub use time::{At, Window};
