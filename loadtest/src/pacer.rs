//! When people come: drawn in advance, and never more in 100 ms than the peak allows.
//!
//! The model is open: a slow server does not make people come later. Whoever wants to ask at an instant books it; a
//! full tenth of a second sends the booking to the next one with room. All instants are microseconds of the server's
//! clock.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Microseconds in a bucket.
pub(crate) const BUCKET_US: i64 = 100_000;

const SECOND_US: i64 = 1_000_000;
/// People who click too early do so within this time before the opening.
const EARLY_US: i64 = 2 * SECOND_US;
/// Of 100 first tries, those within the rush: the first 5 of 60 seconds.
const RUSH_PERCENT: u32 = 60;
const RUSH: f64 = 5.0 / 60.0;
/// How fast rush and tail thin out, as shares of the span; in a minute the rush of 50,000 keeps below 10,000 a second.
const RUSH_TAU: f64 = 6.0 / 60.0;
const TAIL_TAU: f64 = 15.0 / 60.0;

/// Gives out instants.
#[derive(Debug)]
pub(crate) struct Pacer {
    opens_at: i64,
    from: i64,
    span_s: f64,
    booked: Vec<u32>,
    /// Bookings in a bucket at most; `None` for a herd.
    most: Option<u32>,
    rng: StdRng,
}

impl Pacer {
    /// A pacer around the opening, the last first try `span_s` after it; without `peak_per_s` it is a herd: everybody
    /// within a second.
    pub(crate) fn new(seed: u64, opens_at: i64, span_s: u32, peak_per_s: Option<u32>) -> Pacer {
        Pacer {
            opens_at,
            from: opens_at.saturating_sub(EARLY_US),
            span_s: f64::from(span_s),
            booked: vec![],
            most: peak_per_s.map(|peak| (peak / 10).max(1)),
            rng: StdRng::seed_from_u64(seed ^ 0x0070_6163_6572),
        }
    }

    /// The instant of somebody's first try.
    pub(crate) fn first_try(&mut self) -> i64 {
        let after = if self.most.is_none() {
            self.rng.random_range(0..SECOND_US)
        } else if self.rng.random_range(0..100) < RUSH_PERCENT {
            self.thinning(0.0, RUSH, RUSH_TAU)
        } else {
            self.thinning(RUSH, 1.0, TAIL_TAU)
        };
        self.book(self.opens_at.saturating_add(after))
    }

    /// An instant in the two seconds before the opening; none if there is no room for the click.
    pub(crate) fn early_click(&mut self) -> Option<i64> {
        let before = self.rng.random_range(1..EARLY_US);
        let click = self.book(self.opens_at.saturating_sub(before));
        (click < self.opens_at).then_some(click)
    }

    /// `wanted`, or the first instant after it with room below the peak.
    pub(crate) fn book(&mut self, wanted: i64) -> i64 {
        let Ok(bucket) = usize::try_from(wanted.saturating_sub(self.from) / BUCKET_US) else {
            return wanted;
        };
        let mut taken = bucket;
        while self.most.is_some_and(|most| self.booked.get(taken).is_some_and(|&n| n >= most)) {
            taken = taken.saturating_add(1);
        }
        if self.booked.len() <= taken {
            self.booked.resize(taken.saturating_add(1), 0);
        }
        if let Some(count) = self.booked.get_mut(taken) {
            *count = count.saturating_add(1);
        }
        if taken == bucket {
            return wanted;
        }
        let start = i64::try_from(taken).unwrap_or(i64::MAX).saturating_mul(BUCKET_US);
        self.from.saturating_add(start).saturating_add(self.rng.random_range(0..BUCKET_US))
    }

    /// A time between two shares of the span, exponentially thinning out.
    fn thinning(&mut self, from: f64, until: f64, tau: f64) -> i64 {
        let share: f64 = self.rng.random();
        let all = 1.0 - (-(until - from) / tau).exp();
        micros(self.span_s * (from - tau * (1.0 - share * all).ln()))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a minute in microseconds")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const OPENS: i64 = 1_693_533_600_000_000;

    fn busiest(instants: &[i64]) -> u32 {
        let mut buckets = HashMap::<i64, u32>::new();
        for at in instants {
            *buckets.entry(at.div_euclid(BUCKET_US)).or_default() += 1;
        }
        buckets.into_values().max().unwrap_or(0)
    }

    #[test]
    fn sixty_of_a_hundred_come_within_five_seconds_and_all_within_a_minute() {
        let mut pacer = Pacer::new(1, OPENS, 60, Some(10_000));
        let tries: Vec<i64> = (0..50_000).map(|_| pacer.first_try()).collect();
        let within = tries.iter().filter(|&&at| at < OPENS + 5 * SECOND_US).count();
        assert!((29_500..=30_500).contains(&within), "{within}");
        assert!(tries.iter().all(|&at| (OPENS..OPENS + 61 * SECOND_US).contains(&at)));
        assert!(tries.iter().any(|&at| at > OPENS + 50 * SECOND_US));
        assert!(busiest(&tries) <= 1000);
    }

    #[test]
    fn first_tries_and_all_that_follows_stay_below_the_peak_and_never_move_forward() {
        let mut pacer = Pacer::new(2, OPENS, 60, Some(2_000));
        let mut booked = vec![];
        for _ in 0..20_000 {
            let first = pacer.first_try();
            let again = pacer.book(first + 400_000);
            assert!(again >= first + 400_000);
            booked.extend([first, again]);
        }
        assert_eq!(busiest(&booked), 200);
    }

    #[test]
    fn a_booking_with_room_is_kept_to_the_microsecond() {
        let mut pacer = Pacer::new(3, OPENS, 60, Some(10));
        assert_eq!(pacer.book(OPENS + 7), OPENS + 7);
        let second = pacer.book(OPENS + 8);
        assert!((OPENS + BUCKET_US..OPENS + 2 * BUCKET_US).contains(&second));
    }

    #[test]
    fn a_herd_comes_within_one_second() {
        let mut pacer = Pacer::new(1, OPENS, 60, None);
        let tries: Vec<i64> = (0..10_000).map(|_| pacer.first_try()).collect();
        assert!(tries.iter().all(|&at| (OPENS..OPENS + SECOND_US).contains(&at)));
    }

    #[test]
    fn the_same_seed_gives_the_same_instants() {
        let drawn = |seed| {
            let mut pacer = Pacer::new(seed, OPENS, 60, Some(10_000));
            (0..100).map(|_| (pacer.first_try(), pacer.early_click())).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        let early = drawn(1).into_iter().map(|(_, early)| early.unwrap());
        assert!(early.into_iter().all(|early| (OPENS - EARLY_US..OPENS).contains(&early)));
    }

    #[test]
    fn early_clicks_keep_below_the_peak_too() {
        let mut pacer = Pacer::new(4, OPENS, 60, Some(100));
        let early: Vec<i64> = (0..1000).filter_map(|_| pacer.early_click()).collect();
        assert!((150..=200).contains(&early.len()), "{}", early.len());
        assert_eq!(busiest(&early), 10);
        assert!(early.iter().all(|&at| at < OPENS));
    }
}
