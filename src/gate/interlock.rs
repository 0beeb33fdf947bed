//! The fast copy of "issuing is stopped" (R-RISK-3): one byte, a bit for each reason.
//!
//! The ledger decides whether a grant is made; this only spares it the asking. Each reason is set and cleared by
//! the part that watches it, and issuing goes on when none is left.

use crate::domain::Refusal;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Why issuing is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// The ledger's own interlock is tripped.
    Ledger = 1,
    /// The server's clock jumped.
    Clock = 2,
    /// The journal can't be written.
    Disk = 4,
    /// The ledger is elsewhere and can't be reached, or does not decide.
    Unreachable = 8,
    /// It could not for so long that two persons have to resume here.
    People = 16,
    /// The pools' accounts are not what coupons and stock make them (I5): it holds until people looked and the server
    /// was started again.
    Books = 32,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 6] = [
        Reason::Ledger,
        Reason::Clock,
        Reason::Disk,
        Reason::Unreachable,
        Reason::People,
        Reason::Books,
    ];

    /// Its name in `/ready` and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Ledger => "ledger",
            Reason::Clock => "clock",
            Reason::Disk => "disk",
            Reason::Unreachable => "unreachable",
            Reason::People => "people",
            Reason::Books => "books",
        }
    }
}

/// The reasons that hold at this moment.
#[derive(Debug, Default)]
pub struct Interlock(AtomicU8);

// Relaxed: the byte guards no other memory; it is the data.
impl Interlock {
    /// Stops issuing for this reason.
    pub fn stop(&self, reason: Reason) {
        self.0.fetch_or(reason as u8, Relaxed);
    }

    /// This reason holds no longer; others may.
    pub fn clear(&self, reason: Reason) {
        self.0.fetch_and(!(reason as u8), Relaxed);
    }

    /// Stops issuing for this reason while it holds.
    pub fn set(&self, reason: Reason, holds: bool) {
        if holds { self.stop(reason) } else { self.clear(reason) }
    }

    /// Whether issuing goes on.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.0.load(Relaxed) == 0 { Ok(()) } else { Err(Refusal::RiskControlDegraded) }
    }

    /// The reasons that hold.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> {
        let held = self.0.load(Relaxed);
        Reason::ALL.into_iter().filter(move |reason| held & *reason as u8 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_risk_3_issuing_goes_on_only_when_no_reason_is_left() {
        let interlock = Interlock::default();
        assert_eq!(interlock.check(), Ok(()));
        for reason in Reason::ALL {
            interlock.stop(reason);
            interlock.stop(reason);
            assert_eq!(interlock.check(), Err(Refusal::RiskControlDegraded), "{reason:?}");
        }
        assert_eq!(interlock.reasons().collect::<Vec<_>>(), Reason::ALL);
        for reason in Reason::ALL {
            assert_eq!(interlock.check(), Err(Refusal::RiskControlDegraded), "{reason:?}");
            interlock.clear(reason);
        }
        assert_eq!((interlock.check(), interlock.reasons().count()), (Ok(()), 0));
    }
}
