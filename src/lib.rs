//! `quan`: the engine behind a government consumption-voucher rush.
//!
//! So far the crate holds the words that every part will share, [`domain`], and the embedded
//! ledger's journal, [`ledger`].

pub mod domain;
pub mod ledger;
