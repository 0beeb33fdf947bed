//! What people were told.

use super::{
    link::{Answer, Lost},
    people::{Claim, KINDS, People, Time},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
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
    pub(crate) sold_out: BTreeMap<Claim, Instant>,
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

impl Book {
    /// Writes down what was told; if it is not final, when to ask again.
    pub(crate) fn note(
        &mut self,
        claim: Claim,
        answer: Result<Answer, Lost>,
    ) -> Result<(), Duration> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(lost) => {
                if lost == Lost::Unanswered {
                    self.unknown.insert(claim);
                }
                return Err(Duration::from_millis(5));
            }
        };
        if let Some(yes) = Yes::of(&answer) {
            self.yes.insert(claim, yes);
            return Ok(());
        }
        match (answer.status, answer.code()) {
            (409, "sold_out") => {
                self.sold_out.insert(claim, Instant::now());
                Ok(())
            }
            (503 | 429, code) => {
                if code == "outcome_unknown" {
                    self.unknown.insert(claim);
                }
                *self.refused.entry(code.to_owned()).or_default() += 1;
                let wait = answer.body.get("retry_after_ms").and_then(Value::as_u64);
                Err(Duration::from_millis(wait.unwrap_or(50).min(50)))
            }
            _ => {
                self.strange.push(format!("{claim:?}: {answer:?}"));
                Ok(())
            }
        }
    }

    /// The record that an audit takes, as JSON lines.
    pub(crate) fn record(&self, people: &People, time: Time) -> String {
        let kind = |kind: u8| KINDS[usize::from(kind)];
        let yes = self.yes.iter().map(|(&(who, of), Yes { coupon, replayed, at })| {
            let pass = &people.all[who].pass;
            json!({ "pass": pass, "coupon": coupon, "kind": kind(of), "replayed": replayed, "at_ms": time.at(*at).0 })
        });
        let sold_out = self
            .sold_out
            .iter()
            .map(|(&(_, of), at)| json!({ "sold_out": kind(of), "at_ms": time.at(*at).0 }));
        let unanswered = self.undecided.iter().map(|&(_, of)| json!({ "unanswered": kind(of) }));
        let lines = yes.chain(sold_out).chain(unanswered).map(|line| line.to_string());
        lines.collect::<Vec<_>>().join("\n")
    }
}
