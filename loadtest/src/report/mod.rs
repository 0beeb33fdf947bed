//! What a run came to: as data, as JSON and as a page.

mod flow;
mod html;
mod svg;
pub mod weeks;
mod weeks_page;
mod words;

use crate::MOST_SLIP_MS_P99;
use crate::curve::Bucket;
use crate::passes::Passes;
use crate::tally::{Spread, Totals};
use serde::Serialize;
use std::collections::BTreeMap;

/// Exit code: a promise was broken.
pub const BROKEN: u8 = 11;
/// Exit code: the generator could not keep its schedule, so the run says little.
pub const SATURATED: u8 = 12;

pub use html::html;

/// Everything that a run came to. The caller fills in `audit` and the CPU time of nodes and server.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The campaign's id.
    pub campaign: String,
    /// The round.
    pub round: u8,
    /// People who came.
    pub people: u32,
    /// The seed.
    pub seed: u64,
    /// Whether everybody came within a second.
    pub herd: bool,
    /// Connections that they shared.
    pub connections: usize,
    /// The nodes that they asked.
    pub nodes: Vec<Node>,
    /// Whether something was expected to break.
    pub faults_expected: bool,
    /// When the rush began, by this machine's clock, RFC 3339.
    pub started: String,
    /// How long after the opening the rush began, in milliseconds; 0 if the passes were ready in time.
    pub opened_late_ms: i64,
    /// The kinds in the campaign's order.
    pub kinds: Vec<String>,
    /// Different coupons acknowledged, by kind.
    pub granted: BTreeMap<String, u64>,
    /// Coupons in the round, by kind.
    pub stock: BTreeMap<String, u64>,
    /// Claims refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Claims without an answer of the contract, by reason.
    pub errors: BTreeMap<String, u64>,
    /// From the intended instant to the answer, by class of answer.
    pub latency_ms: BTreeMap<&'static str, Spread>,
    /// From the sending to the answer, by class of answer.
    pub service_ms: BTreeMap<&'static str, Spread>,
    /// Seconds after the opening over which the two rates are means.
    pub rate_window_s: u32,
    /// Claims intended per second.
    pub offered_per_s: f64,
    /// Claims answered per second.
    pub achieved_per_s: f64,
    /// Claims intended in the fullest 100 ms, per second.
    pub peak_offered_per_s: f64,
    /// Claims answered in the fullest 100 ms, per second.
    pub peak_achieved_per_s: f64,
    /// From the intended instant to the sending, 99 %: what the generator added, waiting for a connection included.
    pub slip_ms_p99: f64,
    /// From the intended instant to being up for the next free connection, 99 %.
    pub generator_lag_ms_p99: f64,
    /// CPU time of the generator for one claim, in microseconds, where the system tells.
    pub generator_cpu_us_per_request: Option<f64>,
    /// CPU time of all nodes for one claim, in microseconds.
    pub server_cpu_us_per_request: Option<f64>,
    /// Claims offered, started, answered, lost and dropped.
    pub totals: Totals,
    /// Who wanted what and got it.
    pub demand: Vec<Demand>,
    /// How the passes were made.
    pub passes: Passes,
    /// Answers that cheats and repeats should not have got.
    pub surprises: u64,
    /// The client's own checks.
    pub client: Audit,
    /// The server's books, looked at by the caller.
    pub audit: Option<Audit>,
    /// Tenths of a second around the opening.
    pub curve: Vec<Bucket>,
}

/// A node and what it did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Node {
    /// Where it is.
    pub url: String,
    /// Claims that it answered.
    pub answered: u64,
    /// Claims that it did not answer.
    pub lost: u64,
    /// Its CPU time for one claim, in microseconds.
    pub cpu_us_per_request: Option<f64>,
}

impl Report {
    /// Whether the generator was too slow for its schedule, so that the run says little.
    ///
    /// What breaks holds connections up: if that was expected, only the generator's own lag counts.
    pub fn is_saturated(&self) -> bool {
        let late = if self.faults_expected { self.generator_lag_ms_p99 } else { self.slip_ms_p99 };
        late > MOST_SLIP_MS_P99
    }

    /// The exit code of a program that ends with this report: 0, [`BROKEN`] or [`SATURATED`].
    pub fn exit_code(&self) -> u8 {
        let audited = self.audit.as_ref().is_none_or(|audit| audit.clean);
        match () {
            () if !audited || !self.client.clean => BROKEN,
            () if self.is_saturated() => SATURATED,
            () => 0,
        }
    }
}

/// How many honest people with a valid pass asked for a kind, and how that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// The kind.
    pub kind: String,
    /// Coupons of it in the round.
    pub quantity: u32,
    /// People who asked.
    pub asked: u64,
    /// Of them, with a coupon.
    pub granted: u64,
    /// Of them, told sold out.
    pub sold_out: u64,
    /// Of them, refused for another reason.
    pub refused: u64,
    /// Of them, without a final answer.
    pub unanswered: u64,
    /// Claims without a final answer, second accounts included: any of them may have taken a coupon.
    pub unknown: u64,
}

impl Demand {
    pub(crate) fn add(&mut self, ended: &str) {
        self.asked = self.asked.saturating_add(1);
        let count = match ended {
            "granted" => &mut self.granted,
            "sold_out" => &mut self.sold_out,
            "refused" => &mut self.refused,
            _ => &mut self.unanswered,
        };
        *count = count.saturating_add(1);
    }
}

/// Checks and whether all are clean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Whether every check is clean.
    pub clean: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Audit {
    /// These checks; clean if all of them are.
    pub fn of(checks: Vec<Check>) -> Audit {
        Audit { clean: checks.iter().all(|check| check.clean), checks }
    }
}

/// One thing that must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What must hold.
    pub what: String,
    /// Rows looked at.
    pub rows: u64,
    /// Whether it holds.
    pub clean: bool,
    /// What was found when it does not.
    pub detail: String,
}

impl Check {
    /// Clean if nothing `bad` was found in `rows`.
    pub fn counted(name: &str, what: &str, rows: u64, bad: u64) -> Check {
        let detail = if bad == 0 { String::new() } else { format!("{bad} found") };
        Check { name: name.to_owned(), what: what.to_owned(), rows, clean: bad == 0, detail }
    }
}

/// The report as JSON with line breaks.
pub fn json(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_connections_counts_against_the_generator_unless_faults_are_expected() {
        let waited = Report { slip_ms_p99: 30.0, generator_lag_ms_p99: 1.0, ..Report::default() };
        assert!(waited.is_saturated());
        let expected = Report { faults_expected: true, ..waited };
        assert!(!expected.is_saturated());
        assert!(Report { generator_lag_ms_p99: 30.0, ..expected }.is_saturated());
    }
}
