//! Redeeming, as far as it needs no state: which coupon pays for an order, what a refund takes back and
//! where it goes, and what orders are called.
//!
//! # Not here
//!
//! Who may redeem and what became of an order: the ledger's machine, which asks here. Payment codes and tills.

mod name;
mod pick;
mod refund;
#[cfg(test)]
mod tests;

pub use name::{redemption, refund as refund_id, request};
pub use pick::{Candidate, Purchase, fits, pick, suits};
pub use refund::{Case, Coupon, Money, Order, Part, Policy, Side, Treatment};
