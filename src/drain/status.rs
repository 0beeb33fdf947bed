//! How far the drain is.

use crate::domain::At;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// No entry waits.
const NONE: i64 = i64::MIN;

/// What metrics and readiness may know of a drain. Each number is true by itself; two of them may
/// be from different moments.
#[derive(Debug)]
pub struct Status {
    seq: AtomicU64,
    end: AtomicU64,
    oldest_at_ms: AtomicI64,
    failures: AtomicU64,
    failed: AtomicU64,
    quarantined: AtomicU64,
}

impl Default for Status {
    fn default() -> Status {
        Status::at(0)
    }
}

impl Status {
    pub(super) fn at(seq: u64) -> Status {
        Status {
            seq: AtomicU64::new(seq),
            end: AtomicU64::new(seq),
            oldest_at_ms: AtomicI64::new(NONE),
            failures: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
        }
    }

    /// A drain begins after `seq`.
    pub(super) fn begins(&self, seq: u64) {
        self.seq.store(seq, Relaxed);
        self.end.fetch_max(seq, Relaxed);
    }

    /// The last entry that is in the store.
    pub fn seq(&self) -> u64 {
        self.seq.load(Relaxed)
    }

    /// Durable entries that are not in the store, as of the last step.
    pub fn lag(&self) -> u64 {
        self.end.load(Relaxed).saturating_sub(self.seq())
    }

    /// When the oldest entry that waits was made; `None` if none waits.
    pub fn oldest_at(&self) -> Option<At> {
        let at = self.oldest_at_ms.load(Relaxed);
        (at != NONE).then_some(At(at))
    }

    /// Failed steps since the last one that went well.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Failed steps ever.
    pub fn failed_ever(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// The entry that contradicts the store, at which the drain stopped; people have to look at it.
    pub fn quarantined(&self) -> Option<u64> {
        Some(self.quarantined.load(Relaxed)).filter(|seq| *seq != 0)
    }

    pub(super) fn contradicted(&self, seq: u64) {
        self.quarantined.store(seq, Relaxed);
    }

    pub(super) fn waiting(&self, end: u64, oldest: Option<At>) {
        self.end.store(end, Relaxed);
        self.oldest_at_ms.store(oldest.map_or(NONE, |at| at.0), Relaxed);
    }

    /// The log is this far; what waits stays as it was told last.
    pub(super) fn ahead(&self, end: u64) {
        self.end.store(end, Relaxed);
    }

    pub(super) fn moved(&self, seq: u64, oldest: Option<At>) {
        self.seq.store(seq, Relaxed);
        self.quarantined.store(0, Relaxed);
        self.oldest_at_ms.store(oldest.map_or(NONE, |at| at.0), Relaxed);
    }

    /// It is carried here no more, so nothing waits here.
    pub(super) fn left(&self) {
        self.end.store(self.seq(), Relaxed);
        self.oldest_at_ms.store(NONE, Relaxed);
    }

    pub(super) fn went_well(&self) {
        self.failures.store(0, Relaxed);
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.fetch_add(1, Relaxed);
        self.failures.fetch_add(1, Relaxed).saturating_add(1)
    }
}
