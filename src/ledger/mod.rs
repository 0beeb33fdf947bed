//! The ledger: the one place that decides who holds which coupon. So far its journal on disk.

pub mod journal;
