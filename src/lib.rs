//! `quan`: the engine behind a government consumption-voucher rush.
//!
//! The parts don't know each other; each is a folder that can be read alone. Nothing here reads a
//! clock or draws a random number: both are arguments.

pub mod app;
pub mod audit;
pub mod campaign;
pub mod claim;
pub mod clock;
pub mod config;
pub mod data;
pub mod domain;
pub mod drain;
pub mod funds;
pub mod gate;
pub mod http;
pub mod inventory;
pub mod ledger;
pub mod metrics;
pub mod pass;
pub mod plan;
pub mod rush;
pub mod serve;
pub mod steward;
pub mod store;
pub mod wallet;
