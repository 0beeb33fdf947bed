//! What a crowd was told.

use super::world::{KINDS, World};
use serde_json::json;
use std::collections::BTreeMap;

/// One claim of one person: the place of the person and of the kind.
pub(crate) type Claim = (usize, u8);

/// A yes.
#[derive(Clone, Debug)]
pub(crate) struct Yes {
    pub(crate) coupon: String,
    pub(crate) replayed: bool,
    pub(crate) at_ms: i64,
}

/// All that a crowd was told so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) yes: BTreeMap<Claim, Yes>,
    pub(crate) sold_out: BTreeMap<Claim, i64>,
    /// Claims that were sent and not answered since [`super::crowd::Crowd::crash`] last asked.
    pub(crate) lost: Vec<Claim>,
    /// How often each passing refusal was told.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Answers outside the contract, and claims that nobody answered in time.
    pub(crate) strange: Vec<String>,
    pub(crate) unanswered: Vec<Claim>,
}

impl Book {
    /// The record that an audit takes, as JSON lines.
    pub(crate) fn record(&self, world: &World) -> String {
        let kind = |kind: u8| KINDS[usize::from(kind)].0;
        let mut lines: Vec<String> = Vec::new();
        for ((who, of), yes) in &self.yes {
            let Yes { coupon, replayed, at_ms } = yes;
            let pass = &world.people[*who].pass;
            lines.push(json!({ "pass": pass, "coupon": coupon, "kind": kind(*of), "replayed": replayed, "at_ms": at_ms }).to_string());
        }
        for ((_, of), at_ms) in &self.sold_out {
            lines.push(json!({ "sold_out": kind(*of), "at_ms": at_ms }).to_string());
        }
        for (_, of) in &self.unanswered {
            lines.push(json!({ "unanswered": kind(*of) }).to_string());
        }
        lines.join("\n")
    }
}
