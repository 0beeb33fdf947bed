//! The authority: it turns commands into events or a named refusal, one after the other.
//!
//! At most one grant per (person, kind, round), never more than the stock, and money that always
//! balances. The rules exist once, in [`machine`], as pure functions of state, command and time.
//! What was decided is made durable by the [`journal`].

pub mod embedded;
pub mod event;
pub mod journal;
pub mod machine;
#[cfg(test)]
pub(crate) mod made;
pub mod redis;
pub mod service;
pub mod snapshot;
