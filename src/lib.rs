//! `quan`: the engine behind a government consumption-voucher rush.
//!
//! So far the crate holds the words that every part will share: [`domain`].

pub mod domain;
pub mod funds;
pub mod inventory;
pub mod ledger;
