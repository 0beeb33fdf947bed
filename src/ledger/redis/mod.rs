//! The ledger's state in Redis: where it stands, what an event does to it, and the scripts that decide.
//!
//! # What always holds
//!
//! - A grant and a pass are decided inside a script, by the machine's rules in the machine's order.
//! - Everything else is decided by the machine, and made by a script that first compares what it saw.
//! - What an event changes is said once, in [`effects`]: a log that is restored gives the same bytes.
//!
//! What is told is durable: how that is made so stands in [`link`] and [`writer`].
//!
//! # Where what is done
//!
//! - A start finds the servers ([`topology`]), looks at them ([`preflight`]) and opens campaigns ([`opening`]).
//! - A claim goes through [`ledger`] to the task of its [`place`], the [`writer`], which asks a script over its [`link`].
//! - All else that is asked is done by the [`office`].
//! - For each place a [`reader`] reads the log on; [`shared`] shows a campaign as all its places stand.
//! - What phones and tills share, and no log has, is in [`tills`].
//! - What this node told is in its [`acks`]; with them [`recovery`] brings a log back.

pub(crate) mod about;
mod acks;
mod book;
mod connection;
#[doc(hidden)]
pub mod door;
pub(crate) mod effects;
pub(crate) mod entry;
mod fields;
pub(crate) mod inspection;
pub(crate) mod keys;
mod ledger;
mod link;
mod office;
mod opening;
mod place;
mod preflight;
mod reader;
pub(crate) mod records;
mod recovery;
pub(crate) mod scripts;
mod shared;
mod standing;
mod stream;
#[cfg(test)]
mod tests;
mod tills;
mod topology;
mod writer;

pub use connection::Error as Unreachable;
pub(crate) use entry::{Damage, Logged};
pub(crate) use ledger::{Log, LogState};
pub use ledger::{Options, RedisLedger};
pub use opening::{Known, OpenError, Opening};
pub use tills::Tills;
pub use topology::{RedisUrl, UrlError};

use crate::domain::{At, Fen};

/// Why a request is not made: Redis would do something else than what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSent {
    /// Scripts count in doubles.
    #[error("a number is beyond 2^53")]
    Number,
    /// A script holds everybody else up while it runs.
    #[error("{0} claims at once; 1 to 64 go")]
    Batch(usize),
    /// An event of another log, or one that comes otherwise.
    #[error("an event does not belong here")]
    Misplaced,
    /// One request is about one round.
    #[error("changes of more than one round")]
    Rounds,
    /// A text or a list is too long for the format.
    #[error("an entry's body can't be written")]
    Body,
}

/// The largest number that doubles count to without a gap.
const MOST_WHOLE: i64 = (1 << 53) - 1;

/// A number that a script may see.
fn whole(number: i64) -> Result<i64, NotSent> {
    if (-MOST_WHOLE..=MOST_WHOLE).contains(&number) { Ok(number) } else { Err(NotSent::Number) }
}

fn ms(at: At) -> Result<i64, NotSent> {
    whole(at.0)
}

fn fen(fen: Fen) -> Result<i64, NotSent> {
    count(fen.get())
}

fn count(number: u64) -> Result<i64, NotSent> {
    i64::try_from(number).map_err(|_| NotSent::Number).and_then(whole)
}
