//! The way of a till's request: heard, its payment code taken, decided by the ledger, answered.
//!
//! # What always holds
//!
//! - Who asks is the till that signed; it speaks for its merchant and for no other.
//! - A repeat of an order does not touch its code: what became of the order is the ledger's to say.
//! - What is answered is durable.

mod admission;
mod desk;
pub mod handler;
mod heard;
mod told;

pub use admission::Admission;

use crate::code::{Codes, Home};
use crate::domain::{At, NoAnswer, Refusal, TerminalId};
use crate::http::Problem;
use crate::merchant::{
    Registry,
    terminal::{Nonces, Terminals},
};
use crate::pass::TerminalKeys;
use crate::plan::RedeemRules;
use std::{fmt, sync::Arc};

/// What redeeming needs beside the ledger.
pub struct Till {
    /// The payment codes that are alive.
    pub codes: Codes,
    /// The tills that may ask.
    pub terminals: Terminals,
    /// Merchants, shops, and which till is where.
    pub registry: Registry,
    /// The nonces that other servers have heard as well, if there are others.
    nonces: Option<Arc<dyn Nonces>>,
    /// How long a nonce is kept there.
    heard_for_ms: u64,
}

impl fmt::Debug for Till {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Till { codes, terminals, registry, .. } = self;
        f.debug_tuple("Till").field(codes).field(terminals).field(registry).finish()
    }
}

impl Till {
    /// Of a server that is alone: no code is alive and nobody has asked yet.
    pub fn new(rules: &RedeemRules, keys: &TerminalKeys, registry: Registry) -> Till {
        Till {
            codes: Codes::here(rules.codes),
            terminals: Terminals::new(keys, rules.terminals),
            registry,
            nonces: None,
            heard_for_ms: rules.terminals.heard_for_ms(),
        }
    }

    /// Of one of several servers, which share codes and nonces.
    pub fn shared<T: Home + Nonces + 'static>(
        rules: &RedeemRules,
        keys: &TerminalKeys,
        registry: Registry,
        with: Arc<T>,
    ) -> Till {
        Till {
            codes: Codes::new(rules.codes, Arc::clone(&with) as Arc<dyn Home>),
            nonces: Some(with),
            ..Till::new(rules, keys, registry)
        }
    }

    /// Notes that a request was heard here; no other server has heard it then, and none will.
    async fn note(&self, terminal: TerminalId, nonce: [u8; 16]) -> Result<(), Problem> {
        let Some(nonces) = &self.nonces else { return Ok(()) };
        match nonces.note(terminal, nonce, self.heard_for_ms).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::RequestReplayed.into()),
            Err(NoAnswer) => Err(Problem::UNAVAILABLE),
        }
    }

    /// Forgets what counts no longer. To be called on a timer.
    pub fn tidy(&self, now: At) {
        self.codes.tidy(now);
        self.terminals.tidy(now);
    }
}
