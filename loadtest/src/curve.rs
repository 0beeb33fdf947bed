//! What was offered, answered and granted in each tenth of a second around the opening.

use crate::num::real;
use serde::Serialize;
use std::collections::BTreeMap;

use crate::pacer::BUCKET_US;

/// A tenth of a second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Its beginning, milliseconds after the opening.
    pub from_ms: i64,
    /// Requests intended in it.
    pub offered: u32,
    /// Requests answered in it.
    pub answered: u32,
    /// New coupons acknowledged in it, by kind.
    pub granted: Vec<u32>,
}

/// Buckets by their number; the opening begins bucket 0.
#[derive(Debug)]
pub(crate) struct Curve {
    opens_at: i64,
    kinds: usize,
    buckets: BTreeMap<i64, Bucket>,
}

impl Curve {
    pub(crate) fn new(opens_at: i64, kinds: usize) -> Curve {
        Curve { opens_at, kinds, buckets: BTreeMap::new() }
    }

    fn at(&mut self, at_us: i64) -> &mut Bucket {
        let number = at_us.saturating_sub(self.opens_at).div_euclid(BUCKET_US);
        let kinds = self.kinds;
        self.buckets.entry(number).or_insert_with(|| Bucket {
            from_ms: number.saturating_mul(BUCKET_US / 1000),
            granted: vec![0; kinds],
            ..Bucket::default()
        })
    }

    pub(crate) fn offered(&mut self, at_us: i64) {
        let bucket = self.at(at_us);
        bucket.offered = bucket.offered.saturating_add(1);
    }

    pub(crate) fn answered(&mut self, at_us: i64) {
        let bucket = self.at(at_us);
        bucket.answered = bucket.answered.saturating_add(1);
    }

    pub(crate) fn granted(&mut self, at_us: i64, kind: usize) {
        if let Some(count) = self.at(at_us).granted.get_mut(kind) {
            *count = count.saturating_add(1);
        }
    }

    /// All buckets from the first to the last, empty ones too.
    pub(crate) fn buckets(mut self) -> Vec<Bucket> {
        let ends = self.buckets.keys().next().copied().zip(self.buckets.keys().last().copied());
        if let Some((first, last)) = ends {
            for number in first..=last {
                self.at(self.opens_at.saturating_add(number.saturating_mul(BUCKET_US)));
            }
        }
        self.buckets.into_values().collect()
    }
}

/// The mean rate per second of `what` in the `seconds` that begin at the opening.
pub(crate) fn rate(curve: &[Bucket], seconds: u32, what: impl Fn(&Bucket) -> u32) -> f64 {
    let until_ms = i64::from(seconds).saturating_mul(1000);
    let inside = curve.iter().filter(|bucket| (0..until_ms).contains(&bucket.from_ms));
    real(inside.map(|bucket| u64::from(what(bucket))).sum()) / f64::from(seconds.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_at_the_opening_and_have_no_holes() {
        let mut curve = Curve::new(1_000_050, 2);
        curve.offered(1_000_049);
        curve.offered(1_000_050);
        curve.answered(1_200_050);
        curve.granted(1_200_051, 1);
        curve.granted(1_200_051, 2); // no such kind
        let buckets = curve.buckets();
        let shown: Vec<_> = buckets.iter().map(|b| (b.from_ms, b.offered, b.answered)).collect();
        assert_eq!(shown, [(-100, 1, 0), (0, 1, 0), (100, 0, 0), (200, 0, 1)]);
        assert_eq!(buckets[3].granted, [0, 1]);
    }

    #[test]
    fn a_rate_is_a_mean_over_the_seconds_after_the_opening() {
        let mut curve = Curve::new(0, 0);
        (-5..60).for_each(|tenth| curve.offered(tenth * BUCKET_US));
        let buckets = curve.buckets();
        assert!((rate(&buckets, 5, |b| b.offered) - 10.0).abs() < 1e-9);
        assert!(rate(&[], 5, |b| b.offered).abs() < 1e-9);
    }
}
