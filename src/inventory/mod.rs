//! How many coupons are left, and who may go on to ask the ledger for one.
//!
//! A shield in front of the ledger's one writer: it turns away nearly everybody, so that only
//! those who can win reach the writer. It decides nothing about who gets a coupon; a wrong guess
//! here costs a moment, never a coupon.
//!
//! # Not here
//!
//! Windows, passes and rates are the gate's; one per person and durability are the ledger's.

/// The atomics that [`stock`] is built on. A model checker brings its own in their place.
mod atomic {
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
mod stock;
#[cfg(test)]
mod tests;

pub use stock::{Hold, MOST_SEQ, Shortage, Stock};
