//! The server's clock as seen from here: everything is timed on it, in microseconds.

use std::time::{Duration, Instant};

/// The server's clock: an instant of this machine and what the server's clock showed then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Instant,
    shown_us: i64,
}

/// One look at the server's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) sent: Instant,
    pub(crate) received: Instant,
    pub(crate) shown_ms: i64,
}

impl Clock {
    /// From several looks, the one that took the least time: it is wrong by half of that at most.
    pub(crate) fn from_looks(looks: &[Look]) -> Option<Clock> {
        let best = looks.iter().min_by_key(|look| look.received.duration_since(look.sent))?;
        let way = best.received.duration_since(best.sent) / 2;
        // The server cuts to whole milliseconds, so half of one is missing on average.
        let shown_us = best.shown_ms.saturating_mul(1000).saturating_add(500);
        Some(Clock { base: best.sent + way, shown_us })
    }

    /// Now, in microseconds of the server's clock.
    pub(crate) fn now_us(&self) -> i64 {
        let since = Instant::now().saturating_duration_since(self.base).as_micros();
        self.shown_us.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// When the server's clock shows `at_us`, here.
    pub(crate) fn instant(&self, at_us: i64) -> Instant {
        let after = at_us.saturating_sub(self.shown_us);
        self.base + Duration::from_micros(u64::try_from(after).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_look_decides_and_its_middle_is_the_instant() {
        let start = Instant::now();
        let look = |sent_ms, received_ms, shown_ms| Look {
            sent: start + Duration::from_millis(sent_ms),
            received: start + Duration::from_millis(received_ms),
            shown_ms,
        };
        let clock = Clock::from_looks(&[look(0, 40, 7_000), look(50, 54, 1_052)]).unwrap();
        assert_eq!(clock.base, start + Duration::from_millis(52));
        assert_eq!(clock.shown_us, 1_052_500);
        assert_eq!(clock.instant(1_053_500), start + Duration::from_millis(53));
        assert!(Clock::from_looks(&[]).is_none());
    }
}
