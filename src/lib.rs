//! `quan`: the engine behind a government consumption-voucher rush.
//!
//! So far the crate holds the words that every part will share, [`domain`], and the proof of where a person is,
//! [`pass::fix`].

pub mod domain;
pub mod pass;
