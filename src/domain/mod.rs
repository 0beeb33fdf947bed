//! Words that two or more parts share. No I/O, no async, no clock.

pub mod calendar;
pub mod fence;
pub mod id;
pub mod keyed;
pub mod money;
pub mod refusal;
pub mod terminal;
pub mod time;

pub use id::{
    CampaignNo, CouponId, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId, PoolNo,
    ProofId, RoundNo, Shard,
};
pub use money::Fen;
pub use refusal::Refusal;
pub use terminal::TerminalId;
pub use time::{At, Window};
