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

use crate::code::{CodeShard, Codes};
use crate::domain::{At, Hex};
use crate::merchant::{Merchants, Registry, terminal::Terminals};
use crate::pass::TerminalKeys;
use crate::plan::RedeemRules;
use parking_lot::RwLock;
use std::sync::Arc;

/// What redeeming needs beside the ledger.
#[derive(Debug)]
pub struct Till {
    /// The payment codes that are alive.
    pub codes: Codes,
    /// The tills that may ask.
    pub terminals: Terminals,
    /// Merchants, shops, and which till is where, as it was decided last; its digest.
    registry: RwLock<(Arc<Registry>, Option<Hex<32>>)>,
}

impl Till {
    /// No code is alive, nobody has asked and nobody is registered yet.
    pub fn new(rules: &RedeemRules, keys: &TerminalKeys) -> Till {
        Till {
            codes: Codes::new(rules.codes, CodeShard::ALONE),
            terminals: Terminals::new(keys, rules.terminals),
            registry: RwLock::default(),
        }
    }

    /// Who is registered now.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().0)
    }

    /// The digest of the folder that is in force here.
    pub fn in_force(&self) -> Option<Hex<32>> {
        self.registry.read().1
    }

    /// These merchants are in force from now on.
    pub fn take(&self, merchants: Merchants) {
        *self.registry.write() = (Arc::new(merchants.registry), Some(merchants.sha256));
    }

    /// Forgets what counts no longer. To be called on a timer.
    pub fn tidy(&self, now: At) {
        self.codes.tidy(now);
        self.terminals.tidy(now);
    }
}
