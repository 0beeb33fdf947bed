//! Numbers that rise and fall between two looks: what is wanted is how high they were.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number of things at once, and the most it was since somebody last asked.
#[derive(Debug, Default)]
pub struct Peak {
    now: AtomicU32,
    most: AtomicU32,
}

// Relaxed: the numbers guard no other memory; they are the data.
impl Peak {
    /// One more.
    pub fn rise(&self) {
        let now = self.now.fetch_add(1, Relaxed).wrapping_add(1);
        // Looking first is cheaper than writing: mostly the peak was higher already.
        if now > self.most.load(Relaxed) {
            self.most.fetch_max(now, Relaxed);
        }
    }

    /// So many fewer.
    pub fn fall(&self, by: u32) {
        self.now.fetch_sub(by, Relaxed);
    }

    /// How many there are now.
    pub fn now(&self) -> u32 {
        self.now.load(Relaxed)
    }

    /// The most there were since the last time this was asked.
    pub fn take(&self) -> u32 {
        let now = self.now();
        self.most.swap(now, Relaxed).max(now)
    }
}

/// The longest of some times since somebody last asked.
#[derive(Debug, Default)]
pub struct Longest(AtomicU64);

impl Longest {
    /// It took this long once.
    pub fn note(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_max(us, Relaxed);
    }

    /// The longest since the last time this was asked.
    pub fn take(&self) -> Duration {
        Duration::from_micros(self.0.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_told_once_and_what_is_still_there_again() {
        let peak = Peak::default();
        (0..5).for_each(|_| peak.rise());
        peak.fall(3);
        assert_eq!((peak.now(), peak.take()), (2, 5));
        assert_eq!(peak.take(), 2, "two are still there");
        peak.fall(2);
        peak.rise();
        peak.fall(1);
        assert_eq!((peak.take(), peak.take()), (2, 0), "nothing lies behind a peak that was told");
    }

    #[test]
    fn the_longest_time_is_told_once() {
        let longest = Longest::default();
        for ms in [3, 9, 4] {
            longest.note(Duration::from_millis(ms));
        }
        assert_eq!(longest.take(), Duration::from_millis(9));
        assert_eq!(longest.take(), Duration::ZERO);
    }
}
