//! Whether this process may still tell what it knows, where others may have gone on without it.
//!
//! A node that slept (stopped, its machine paused) may have been given up meanwhile, and what it told recovered
//! without it. So after a sleep, and in each new epoch of a log, it tells nobody anything before the store has said
//! since that it is registered.

use std::{
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    time::Instant,
};

/// How often somebody says that this process is awake, in milliseconds.
pub(in crate::ledger) const BEAT_MS: u64 = 100;
/// After so long without a beat it slept. A recovery waits longer before it goes on without a node.
const SLEPT_MS: u64 = 2_000;

/// What is known of it.
pub(in crate::ledger) struct Lease {
    start: Instant,
    /// Whether there are others, so that it counts.
    shared: AtomicBool,
    /// The last beat, in milliseconds since the start.
    beat: AtomicU64,
    /// How often there was reason to ask whether it is still registered.
    doubts: AtomicU64,
    /// Of these, those that were answered well.
    answered: AtomicU64,
    gone: AtomicBool,
}

impl Lease {
    /// Of a process that has nobody beside it.
    pub(super) fn alone() -> Lease {
        let zero = || AtomicU64::new(0);
        let (beat, doubts, answered) = (zero(), zero(), zero());
        let (shared, gone) = (AtomicBool::new(false), AtomicBool::new(false));
        Lease { start: Instant::now(), shared, beat, doubts, answered, gone }
    }

    /// There are others: from here on it has to beat.
    pub(in crate::ledger) fn share(&self) {
        self.beat();
        self.shared.store(true, SeqCst);
    }

    /// It is awake.
    pub(in crate::ledger) fn beat(&self) {
        self.beat_at(self.now_ms());
    }

    /// There is reason to ask.
    pub(in crate::ledger) fn doubt(&self) {
        self.doubts.fetch_add(1, SeqCst);
    }

    /// The doubts there are, if some are not answered; to be taken before it is asked.
    pub(in crate::ledger) fn doubts(&self) -> (u64, bool) {
        let doubts = self.doubts.load(SeqCst);
        (doubts, self.answered.load(SeqCst) < doubts)
    }

    /// It was registered when that was asked, after so many doubts.
    pub(in crate::ledger) fn answer(&self, doubts: u64) {
        self.answered.fetch_max(doubts, SeqCst);
    }

    /// It was given up: nothing is told any more.
    pub(in crate::ledger) fn give_up(&self) {
        self.gone.store(true, SeqCst);
    }

    /// Whether it was given up.
    pub(in crate::ledger) fn is_gone(&self) -> bool {
        self.gone.load(SeqCst)
    }

    /// Whether anything may be told now.
    pub(super) fn tells(&self) -> bool {
        !self.shared.load(Relaxed) || self.tells_at(self.now_ms())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn beat_at(&self, now_ms: u64) {
        // The doubt comes first: who sees the new beat sees it too.
        if now_ms.saturating_sub(self.beat.load(SeqCst)) > SLEPT_MS {
            self.doubt();
        }
        self.beat.store(now_ms, SeqCst);
    }

    fn tells_at(&self, now_ms: u64) -> bool {
        let awake = now_ms.saturating_sub(self.beat.load(SeqCst)) <= SLEPT_MS;
        awake && !self.is_gone() && !self.doubts().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i3_who_slept_tells_nothing_before_it_has_asked() {
        let lease = Lease::alone();
        lease.share();
        lease.beat_at(1_000);
        assert!(lease.tells_at(1_000 + SLEPT_MS));
        assert!(!lease.tells_at(1_001 + SLEPT_MS), "before anybody beats again");
        let asked = lease.doubts().0;
        lease.beat_at(9_000);
        assert!(!lease.tells_at(9_000), "nor after it");
        lease.answer(asked);
        assert!(!lease.tells_at(9_000), "that was asked before it slept");
        lease.answer(lease.doubts().0);
        assert!(lease.tells_at(9_000));
        lease.doubt();
        assert!(!lease.tells_at(9_000));
        lease.answer(lease.doubts().0);
        lease.give_up();
        assert!(!lease.tells_at(9_000));
    }

    #[test]
    fn who_is_alone_tells_however_long_it_slept() {
        let lease = Lease::alone();
        lease.doubt();
        assert!(lease.tells());
    }
}
