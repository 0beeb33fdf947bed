//! What faults came to.

use crate::common::promises::Promises;
use std::{fmt, ops::AddAssign};

/// Figures of one fault, or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) faults: usize,
    /// Coupons that people were told of, and how many of them before the fault.
    pub(crate) told: usize,
    pub(crate) told_before: usize,
    /// Claims whose outcome was unknown once, and how many of them became a yes.
    pub(crate) unknown: usize,
    pub(crate) unknown_yes: usize,
    /// Longest time without a grant in a log from the fault on.
    pub(crate) shut_ms: u128,
    /// From the end of the fault to the first grant in the last log that had one again.
    pub(crate) reopen_ms: u128,
    /// Entries that were put back into a log that had lost them.
    pub(crate) restored: u64,
    /// How long nodes took to stop.
    pub(crate) stop_ms: u128,
    pub(crate) promises: Promises,
}

impl Tally {
    /// Whether every promise was kept.
    pub(crate) fn is_clean(&self) -> bool {
        self.promises.are_kept()
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.faults += other.faults;
        self.told += other.told;
        self.told_before += other.told_before;
        self.unknown += other.unknown;
        self.unknown_yes += other.unknown_yes;
        self.shut_ms = self.shut_ms.max(other.shut_ms);
        self.reopen_ms = self.reopen_ms.max(other.reopen_ms);
        self.restored += other.restored;
        self.stop_ms = self.stop_ms.max(other.stop_ms);
        self.promises += other.promises;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} faults: {} told ({} before), {} unknown once, {} of them a yes; at most {} ms shut, {} ms to \
             reopen, {} entries restored, {} ms to stop; {}",
            self.faults,
            self.told,
            self.told_before,
            self.unknown,
            self.unknown_yes,
            self.shut_ms,
            self.reopen_ms,
            self.restored,
            self.stop_ms,
            self.promises,
        )
    }
}
