//! The stock of one kind in one round, as far as the ledger has confirmed it.
//!
//! # What always holds
//!
//! - [`Shortage::SoldOut`] is said only while the newest confirmed level is zero (I9).
//! - At most `left + overshoot` holds are out at once, `left` being the newest confirmed level
//!   that the taker saw.
//! - A level never goes back to an older one, whatever order the answers arrive in.
//!
//! # Why one word for two numbers
//!
//! A level is (seq, left), and an answer with an older seq must change nothing. With seq in the
//! high 40 bits and left in the low 24, `fetch_max` compares and stores both in one step: no
//! loop, no lock, and no moment in which the two belong to different answers.

use super::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::domain::MOST_UNITS;
use std::sync::Arc;

const LEFT_BITS: u32 = MOST_UNITS.count_ones();

/// The largest seq a level can carry: 40 bits, 34 years at 1,000 events a second.
pub const MOST_SEQ: u64 = (1 << (64 - LEFT_BITS)) - 1;

/// Why there is nothing to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The ledger has durably decided the last coupon.
    SoldOut,
    /// The rest is held by others; some of it may come back.
    Busy,
}

/// The stock of one kind in one round.
#[derive(Debug)]
pub struct Stock {
    /// (seq, left) of the newest answer of the ledger.
    level: AtomicU64,
    /// Holds that are out.
    held: AtomicU32,
    /// Takers let through beyond what is left, since some holders will be refused further on.
    overshoot: u32,
}

impl Stock {
    /// A stock of which the ledger said, at `seq`, that `left` are left.
    ///
    /// A seq or a left beyond [`MOST_SEQ`] or [`MOST_UNITS`] counts as that largest value.
    pub fn new(seq: u64, left: u32, overshoot: u32) -> Stock {
        Stock { level: AtomicU64::new(pack(seq, left)), held: AtomicU32::new(0), overshoot }
    }

    /// A hold, to be carried to the ledger and dropped once it has answered; or why not.
    pub fn take(self: &Arc<Self>) -> Result<Hold, Shortage> {
        // Acquire, with the Release in `confirm`: whoever says "sold out" comes after the decision
        // it speaks of. The model checker finds the interleaving where a Relaxed load does not.
        let left = left_of(self.level.load(Acquire));
        if left == 0 {
            return Err(Shortage::SoldOut);
        }
        let most = left.saturating_add(self.overshoot);
        // Relaxed: the count guards no other memory, it is the data. An update that never writes a count above `most`, so nobody is let through by a race.
        match self.held.fetch_update(Relaxed, Relaxed, |n| (n < most).then(|| n.saturating_add(1)))
        {
            Ok(_) => Ok(Hold { stock: Arc::clone(self) }),
            Err(_) => Err(Shortage::Busy),
        }
    }

    /// Takes note of the ledger's answer: at `seq`, `left` were left. An older answer is ignored.
    pub fn confirm(&self, seq: u64, left: u32) {
        self.level.fetch_max(pack(seq, left), Release);
    }

    /// What the ledger last confirmed.
    pub fn left(&self) -> u32 {
        left_of(self.level.load(Relaxed))
    }

    /// How many holds are out now.
    pub fn held(&self) -> u32 {
        self.held.load(Relaxed)
    }
}

fn pack(seq: u64, left: u32) -> u64 {
    (seq.min(MOST_SEQ) << LEFT_BITS) | u64::from(left.min(MOST_UNITS))
}

fn left_of(level: u64) -> u32 {
    u32::try_from(level & u64::from(MOST_UNITS)).expect("24 bits fit in 32")
}

/// The right to ask the ledger for one coupon.
///
/// It travels inside the command, so a client that hangs up gives nothing back early. Dropping it
/// gives the place to somebody else: first [`Hold::confirm`] the ledger's answer, then drop.
#[derive(Debug)]
#[must_use = "a hold that is dropped at once holds nothing"]
pub struct Hold {
    stock: Arc<Stock>,
}

impl Hold {
    /// Passes the ledger's answer on to the stock it came from.
    pub fn confirm(&self, seq: u64, left: u32) {
        self.stock.confirm(seq, left);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.stock.held.fetch_sub(1, Relaxed);
    }
}
