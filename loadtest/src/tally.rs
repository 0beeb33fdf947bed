//! What is counted while it runs: latencies by class, refusals by reason, totals.

use crate::crowd::Timing;
use crate::num::{ms, span};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;

/// What kind of answer a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// 201.
    Granted,
    /// 200, the same coupon again.
    AlreadyHeld,
    /// The kind is gone.
    SoldOut,
    /// Any other decided no.
    Refused,
    /// No answer, a fault, or an answer outside the contract.
    Error,
}

impl Class {
    pub(crate) const ALL: [Class; 5] =
        [Class::Granted, Class::AlreadyHeld, Class::SoldOut, Class::Refused, Class::Error];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Granted => "granted",
            Class::AlreadyHeld => "already_held",
            Class::SoldOut => "sold_out",
            Class::Refused => "refused",
            Class::Error => "error",
        }
    }
}

/// A distribution of times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How many were timed.
    pub count: u64,
    /// Half took at most this.
    pub p50: f64,
    /// 90 % took at most this.
    pub p90: f64,
    /// 99 % took at most this.
    pub p99: f64,
    /// 99.9 % took at most this.
    pub p999: f64,
    /// The longest took this.
    pub max: f64,
}

/// Times from 1 us to 60 s, to three digits; longer ones count as 60 s.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Times {
        Times(Histogram::new_with_bounds(1, 60_000_000, 3).expect("these bounds are valid"))
    }
}

impl Times {
    pub(crate) fn record(&mut self, us: u64) {
        self.0.saturating_record(us.max(1));
    }

    pub(crate) fn spread(&self) -> Spread {
        let at = |quantile| ms(self.0.value_at_quantile(quantile));
        Spread {
            count: self.0.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(self.0.max()),
        }
    }
}

/// How many requests came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Requests whose intended instant came.
    pub offered: u64,
    /// Requests that were sent.
    pub started: u64,
    /// Requests that got an HTTP answer.
    pub answered: u64,
    /// Requests that got none: connection lost or timed out.
    pub lost: u64,
    /// Requests that were never sent, since the run was over.
    pub dropped: u64,
}

/// Everything counted over one phase.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    latency: BTreeMap<Class, Times>,
    service: BTreeMap<Class, Times>,
    pub(crate) slip: Times,
    pub(crate) lag: Times,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) totals: Totals,
}

impl Tally {
    /// A request came back with `class`.
    pub(crate) fn timed(&mut self, class: Class, timing: Timing, answered: bool) {
        let Timing { intended, sent, received } = timing;
        self.latency.entry(class).or_default().record(span(intended, received));
        self.service.entry(class).or_default().record(span(sent, received));
        self.slip.record(span(intended, sent));
        let came = if answered { &mut self.totals.answered } else { &mut self.totals.lost };
        *came = came.saturating_add(1);
    }

    pub(crate) fn refused(&mut self, code: &str) {
        count(&mut self.refused, code);
    }

    pub(crate) fn error(&mut self, reason: &str) {
        count(&mut self.errors, reason);
    }

    pub(crate) fn latency(&self) -> BTreeMap<&'static str, Spread> {
        by_class(&self.latency)
    }

    pub(crate) fn service(&self) -> BTreeMap<&'static str, Spread> {
        by_class(&self.service)
    }
}

fn by_class(times: &BTreeMap<Class, Times>) -> BTreeMap<&'static str, Spread> {
    let spread = |class| times.get(&class).map(Times::spread).unwrap_or_default();
    Class::ALL.into_iter().map(|class| (class.name(), spread(class))).collect()
}

/// Counts `name`; only the first of a name allocates.
pub(crate) fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count = count.saturating_add(1);
    } else {
        counts.insert(name.to_owned(), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::float_arithmetic, reason = "near is a difference")]
    fn near(is: f64, want: f64) {
        assert!((is - want).abs() <= want / 1000.0, "{is} is not {want}");
    }

    #[test]
    fn percentiles_of_a_known_distribution_are_right_to_three_digits() {
        let mut times = Times::default();
        (1..=100_000).for_each(|us| times.record(us)); // 0.001 ms to 100 ms, evenly
        let spread = times.spread();
        assert_eq!(spread.count, 100_000);
        near(spread.p50, 50.0);
        near(spread.p90, 90.0);
        near(spread.p99, 99.0);
        near(spread.p999, 99.9);
        near(spread.max, 100.0);
    }

    #[test]
    fn one_slow_request_of_a_thousand_shows_in_the_maximum_and_not_in_the_99th_percentile() {
        let mut times = Times::default();
        (0..999).for_each(|_| times.record(500));
        times.record(2_000_000);
        let spread = times.spread();
        near(spread.p50, 0.5);
        near(spread.p99, 0.5);
        near(spread.max, 2000.0);
    }

    #[test]
    fn no_times_give_zeros_and_never_nan() {
        assert_eq!(Times::default().spread(), Spread::default());
    }

    #[test]
    fn a_time_beyond_the_bounds_counts_as_a_minute() {
        let mut times = Times::default();
        times.record(600_000_000);
        times.record(0);
        near(times.spread().max, 60_000.0);
        assert_eq!(times.spread().count, 2);
    }

    #[test]
    fn latency_counts_from_the_intended_instant_and_service_from_the_sending() {
        let mut tally = Tally::default();
        let timing = Timing { intended: 0, sent: 900_000, received: 1_000_000 };
        tally.timed(Class::Granted, timing, true);
        near(tally.latency()["granted"].p99, 1000.0);
        near(tally.service()["granted"].p99, 100.0);
        near(tally.slip.spread().p99, 900.0);
        assert_eq!(tally.latency()["error"], Spread::default());
    }
}
