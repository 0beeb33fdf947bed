//! The only clock. Everything else is handed `now`.
//!
//! # What always holds
//!
//! - Between two checks `now` runs with the monotonic clock, so a wall clock that is moved can't
//!   open or close a round.
//! - A wall clock that jumped against the monotonic one is noticed at the next check; the clock
//!   then counts as unhealthy until the jump is undone within [`HEALS_WITHIN_MS`] (R-RISK-3), or
//!   the process is started anew.

use crate::domain::At;
use crate::gate::outage::HEALS_WITHIN_MS;
use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How often [`Clock::check`] is meant to be called.
pub const CHECK_EVERY: Duration = Duration::from_millis(100);

/// Where a clock starts that is not the wall's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What it shows.
    pub shows: At,
    /// When it shows that, on the wall, so that nodes that start one after the other show the same;
    /// when it is started if `None`.
    pub when: Option<At>,
}

/// A clock that can be started at another instant than the wall's.
#[derive(Debug)]
pub struct Clock {
    anchor: Instant,
    /// Campaign milliseconds at the anchor.
    base: AtomicI64,
    /// Whether it was started at an instant of its own (`--clock`).
    moved: bool,
    healthy: AtomicBool,
    /// How far the wall is ahead of the anchor's reading of it, in milliseconds.
    drift: AtomicI64,
    guard: parking_lot::Mutex<Guard>,
}

impl Clock {
    /// Runs from `start`, or with the wall if `None`.
    pub fn start(start: Option<Start>) -> Clock {
        let wall = wall();
        let shows = |Start { shows, when }| shows.plus_ms(when.map_or(0, |at| wall.ms_since(at)));
        Clock {
            anchor: Instant::now(),
            base: AtomicI64::new(start.map_or(wall, shows).0),
            moved: start.is_some(),
            healthy: AtomicBool::new(true),
            drift: AtomicI64::new(0),
            guard: parking_lot::Mutex::new(Guard::new(wall)),
        }
    }

    /// The instant.
    pub fn now(&self) -> At {
        At(self.base.load(Relaxed)).plus_ms(self.run_ms())
    }

    /// Looks at the wall: notices jumps beyond `most_ms` and follows smaller corrections.
    pub fn check(&self, most_ms: i64) {
        let step = self.guard.lock().step(wall(), self.run_ms(), most_ms);
        self.base.fetch_add(step.follow_ms, Relaxed);
        self.drift.store(step.drift_ms, Relaxed);
        if self.healthy.swap(step.healthy, Relaxed) != step.healthy {
            tracing::error!(
                healthy = step.healthy,
                drift_ms = step.drift_ms,
                "the wall clock jumped"
            );
        }
    }

    /// Whether the wall clock has not jumped.
    pub fn healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    /// Whether it was started at an instant of its own.
    pub fn moved(&self) -> bool {
        self.moved
    }

    /// How far the wall is from where it should be, in milliseconds.
    pub fn drift_ms(&self) -> i64 {
        self.drift.load(Relaxed)
    }

    /// Milliseconds since it was started, on the monotonic clock.
    pub fn run_ms(&self) -> i64 {
        i64::try_from(self.anchor.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// The wall clock's instant, whatever the campaign's clock shows.
pub fn wall() -> At {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    At(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    healthy: bool,
    /// How far the clock should follow the wall.
    follow_ms: i64,
    drift_ms: i64,
}

/// Compares two clocks, check by check.
#[derive(Debug)]
struct Guard {
    /// What the wall showed when the monotonic clock was at zero, as followed so far.
    origin: At,
    /// When a jump was first seen, on the monotonic clock.
    jumped_at: Option<i64>,
    lost: bool,
}

impl Guard {
    fn new(wall: At) -> Guard {
        Guard { origin: wall, jumped_at: None, lost: false }
    }

    fn step(&mut self, wall: At, run_ms: i64, most_ms: i64) -> Step {
        let drift_ms = wall.ms_since(self.origin.plus_ms(run_ms));
        if drift_ms.abs() > most_ms {
            let since = *self.jumped_at.get_or_insert(run_ms);
            self.lost |= run_ms.saturating_sub(since) > HEALS_WITHIN_MS;
            return Step { healthy: false, follow_ms: 0, drift_ms };
        }
        self.jumped_at = None;
        self.origin = self.origin.plus_ms(drift_ms);
        Step { healthy: !self.lost, follow_ms: drift_ms, drift_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_MS: i64 = 500;

    fn healthy(step: &Step) -> bool {
        step.healthy
    }

    #[test]
    fn r_risk_3_a_jump_beyond_the_bound_closes_and_one_undone_within_a_minute_reopens() {
        let mut guard = Guard::new(At(1_000));
        assert!(healthy(&guard.step(At(1_100), 100, MOST_MS)));
        assert!(healthy(&guard.step(At(1_700), 200, MOST_MS)), "500 ms is within the bound");
        assert!(!healthy(&guard.step(At(2_301), 300, MOST_MS)), "501 ms is not");
        assert!(
            !healthy(&guard.step(At(62_400), 60_300, MOST_MS)),
            "it stays away from where it was"
        );
        assert!(healthy(&guard.step(At(61_900), 60_300, MOST_MS)));
    }

    #[test]
    fn r_risk_3_a_clock_that_was_wrong_for_longer_needs_people() {
        let mut guard = Guard::new(At(0));
        guard.step(At(-3_600_000), 100, MOST_MS);
        guard.step(At(-3_500_000), 60_101, MOST_MS);
        assert!(!healthy(&guard.step(At(70_000), 70_000, MOST_MS)));
    }

    #[test]
    fn small_corrections_are_followed() {
        let mut guard = Guard::new(At(0));
        for check in 1..=100 {
            // The wall runs 1 % fast: 10 s in all, never 500 ms between two checks.
            let step = guard.step(At(check * 1_010), check * 1_000, MOST_MS);
            assert_eq!(step, Step { healthy: true, follow_ms: 10, drift_ms: 10 });
        }
    }

    #[test]
    fn a_clock_started_elsewhere_runs_from_there() {
        let clock = Clock::start(Some(Start { shows: At(1_693_533_570_000), when: None }));
        clock.check(MOST_MS);
        let passed = clock.now().ms_since(At(1_693_533_570_000));
        assert!((0..5_000).contains(&passed), "{passed}");
        assert!(clock.moved() && clock.healthy());
    }

    #[test]
    fn clocks_that_start_at_different_times_show_the_same() {
        let start = Some(Start { shows: At(1_693_533_570_000), when: Some(wall()) });
        let first = Clock::start(start);
        std::thread::sleep(Duration::from_millis(150));
        let second = Clock::start(start);
        let apart = second.now().ms_since(first.now());
        assert!((-20..100).contains(&apart), "{apart}");
        let early = Some(Start { shows: At(1_000_000), when: Some(wall().plus_ms(60_000)) });
        let before = At(1_000_000).ms_since(Clock::start(early).now());
        assert!((55_000..=60_000).contains(&before), "{before}");
    }
}
