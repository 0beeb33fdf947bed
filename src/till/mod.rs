//! The way of a till's request: heard, its payment code taken, decided by the ledger, answered.
//!
//! # What always holds
//!
//! - Who asks is the till that signed; it speaks for its merchant and for no other.
//! - A repeat of an order does not touch its code: what became of the order is the ledger's to say.
//! - What is answered is durable.

mod desk;
pub mod handler;
mod heard;
mod told;

use crate::code::Codes;
use crate::domain::At;
use crate::merchant::{Registry, terminal::Terminals};
use crate::pass::TerminalKeys;
use crate::plan::RedeemRules;

/// What redeeming needs beside the ledger.
#[derive(Debug)]
pub struct Till {
    /// The payment codes that are alive.
    pub codes: Codes,
    /// The tills that may ask.
    pub terminals: Terminals,
    /// Merchants, shops, and which till is where.
    pub registry: Registry,
}

impl Till {
    /// No code is alive and nobody has asked yet.
    pub fn new(rules: &RedeemRules, keys: &TerminalKeys, registry: Registry) -> Till {
        Till {
            codes: Codes::here(rules.codes),
            terminals: Terminals::new(keys, rules.terminals),
            registry,
        }
    }

    /// Forgets what counts no longer. To be called on a timer.
    pub fn tidy(&self, now: At) {
        self.codes.tidy(now);
        self.terminals.tidy(now);
    }
}
