//! `quan`: the engine behind a government consumption-voucher rush.
//!
//! So far the crate holds the words that every part will share ([`domain`]) and the plan file ([`plan`]).

pub mod domain;
pub mod plan;
