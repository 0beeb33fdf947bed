//! What a crowd was told.

use super::people::Claim;
use crate::http::link::Answer;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// A yes.
#[derive(Clone, Debug)]
pub(crate) struct Yes {
    pub(crate) coupon: String,
    pub(crate) replayed: bool,
    pub(crate) at: Instant,
}

/// All that a crowd was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) yes: BTreeMap<Claim, Yes>,
    pub(crate) sold_out: BTreeSet<Claim>,
    /// Claims that were once not answered, or whose outcome was told as unknown.
    pub(crate) unknown: BTreeSet<Claim>,
    /// How often each passing refusal was told.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Answers outside the contract.
    pub(crate) strange: Vec<String>,
    /// Claims that were not decided in time.
    pub(crate) undecided: Vec<Claim>,
}

impl Yes {
    /// The yes in an answer, if status and body agree that it is one.
    pub(crate) fn of(answer: &Answer) -> Option<Yes> {
        let replayed = match (answer.status, answer.body.get("replayed")?.as_bool()?) {
            (201, false) => false,
            (200, true) => true,
            _ => return None,
        };
        let coupon = answer.text("/coupon/number").to_owned();
        Some(Yes { coupon, replayed, at: Instant::now() })
    }
}
