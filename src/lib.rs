//! `quan`: the engine behind a government consumption-voucher rush.
//!
//! What decides (domain, plan, pass, gate, inventory, funds, the ledger's machine) takes `now` and
//! randomness as arguments and does no I/O; each of these folders can be read alone. Handlers,
//! `app` and `serve` join them, and only the shells around them read a clock or touch a disk.

pub mod app;
pub mod audit;
pub mod books;
pub mod campaign;
pub mod claim;
pub mod clock;
pub mod code;
pub mod config;
pub mod data;
pub mod decision;
pub mod domain;
pub mod drain;
pub mod funds;
pub mod gate;
pub mod http;
pub mod inventory;
pub mod ledger;
pub mod merchant;
pub mod metrics;
pub mod node;
pub mod pass;
pub mod plan;
pub mod planner;
pub mod reconcile;
pub mod recover;
pub mod redeem;
pub mod rush;
pub mod serve;
pub mod settle;
pub mod steward;
pub mod store;
pub mod till;
pub mod wallet;

// Unit tests share generators with `tests/`, where the library has this name.
#[cfg(test)]
extern crate self as quan;
