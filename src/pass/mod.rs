//! What a person must show before a claim is looked at.
//!
//! Slowly, before the opening: an identity token, two captcha proofs and a position fix make a pass ([`Desk`]).
//! Fast, at the opening: the pass and a fresh fix, both checked with HMAC only. Nothing here waits, reads a clock
//! or keeps anything; only [`Keyring::load`] and [`read_key, write_fresh, write_key`] touch files.

mod desk;
pub mod fix;
pub mod handler;
mod identity;
mod keys;
pub mod proof;
#[cfg(test)]
pub(crate) mod test_keys;
pub mod token;

pub use desk::{Application, Desk};
pub use fix::FixKeys;
pub use identity::{Identity, IdentityKeys, Material};
pub use keys::{
    Hasher, KeyError, Keyring, Keys, TerminalKeys, read_key, staff_in, write_fresh, write_key,
    write_terminal_key,
};
pub use proof::{Captcha, ProofKeys, Solver};
pub use token::{Asked, Pass, PassKeys};

/// How far the clocks of the host app and of the captcha service may be ahead of ours. A phone's is the
/// plan's to say (`fix.ahead_at_most_s`).
const AHEAD_MS: i64 = 5_000;
