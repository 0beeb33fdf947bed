//! Where codes are kept: in this server's memory, or where all nodes find them.
//!
//! A home keeps, finds and forgets. Whether a code is too old, or a terminal was wrong too often, [`super::Codes`] says.

mod here;

pub use here::Here;

use super::{Code, CodeShard};
use crate::domain::{At, KeyedHash, NoAnswer, PersonId, RedemptionId, fence::Fix};
use futures_util::future::BoxFuture;

/// Whose code it is, and what it was made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holder {
    /// The person.
    pub person: PersonId,
    /// The device that shows it.
    pub device: KeyedHash,
    /// Where that device was, if it was asked.
    pub fix: Option<Fix>,
}

/// A code that was made and not scanned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Live {
    /// The code.
    pub code: Code,
    /// When it was made.
    pub made_at: At,
    /// Whose it is.
    pub holder: Holder,
}

/// The order that a code is scanned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForOrder {
    /// The order.
    pub redemption: RedemptionId,
    /// What tells the request from another of the same order.
    pub request: [u8; 8],
}

/// What is found of a code that is scanned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    /// It was there, perhaps for too long, and is gone from now on.
    Live(Live),
    /// It was taken for the same request before.
    Spent,
    /// There is no such code.
    Nothing,
}

/// What keeps codes: one a person at most. An error means that it is not known what became of it; nobody is then told
/// that a code is alive, or whose it is.
pub trait Home: Send + Sync {
    /// What the codes of `person` name as their shard.
    fn shard(&self, person: PersonId) -> Result<CodeShard, NoAnswer>;

    /// Makes it its person's code, which the one before is no more; `false` if somebody has that code. To be kept for
    /// `life_ms` at least.
    fn put(&self, live: Live, life_ms: u32) -> BoxFuture<'_, Result<bool, NoAnswer>>;

    /// Takes a code out, for good. Of many who take it at once one gets it.
    fn take(&self, code: Code, order: ForOrder, at: At) -> BoxFuture<'_, Result<Found, NoAnswer>>;

    /// Forgets what was made `life_ms` ago or earlier, or in the future; to be called on a timer.
    fn tidy(&self, at: At, life_ms: u32);
}
