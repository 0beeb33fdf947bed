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

use crate::code::{Codes, Home};
use crate::domain::{At, NoAnswer, Refusal, TerminalId};
use crate::http::Problem;
use crate::ledger::machine::Roll;
use crate::merchant::{
    Merchants, Registry,
    terminal::{Nonces, Terminals},
};
use crate::pass::TerminalKeys;
use crate::plan::RedeemRules;
use parking_lot::RwLock;
use std::{fmt, sync::Arc};

/// What redeeming needs beside the ledger.
pub struct Till {
    /// The payment codes that are alive.
    pub codes: Codes,
    /// The tills that may ask.
    pub terminals: Terminals,
    /// Merchants, shops, and which till is where, as it was decided last.
    registry: RwLock<(Arc<Registry>, Option<Roll>)>,
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
    /// Of a server that is alone: no code is alive, nobody has asked and nobody is registered yet.
    pub fn new(rules: &RedeemRules, keys: &TerminalKeys) -> Till {
        Till {
            codes: Codes::here(rules.codes),
            terminals: Terminals::new(keys, rules.terminals),
            registry: RwLock::default(),
            nonces: None,
            heard_for_ms: rules.terminals.heard_for_ms(),
        }
    }

    /// Of one of several servers, which share codes and nonces.
    pub fn shared<T: Home + Nonces + 'static>(
        rules: &RedeemRules,
        keys: &TerminalKeys,
        with: Arc<T>,
    ) -> Till {
        Till {
            codes: Codes::new(rules.codes, Arc::clone(&with) as Arc<dyn Home>),
            nonces: Some(with),
            ..Till::new(rules, keys)
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

    /// Who is registered now.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().0)
    }

    /// The folder that is in force here.
    pub fn in_force(&self) -> Option<Roll> {
        self.registry.read().1
    }

    /// These merchants are in force from now on, which were proposed at `at`; unless others were later. The store may not
    /// have heard of those yet.
    pub fn take(&self, merchants: Merchants, at: At) {
        let mut registry = self.registry.write();
        let roll = Roll { at, sha256: merchants.sha256 };
        if roll.follows(registry.1) {
            *registry = (Arc::new(merchants.registry), Some(roll));
        }
    }

    /// Forgets what counts no longer. To be called on a timer.
    pub fn tidy(&self, now: At) {
        self.codes.tidy(now);
        self.terminals.tidy(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn r_merch_1_what_was_decided_later_stays_in_force_when_the_store_tells_of_an_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "merchants.csv",
            "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers\n\
             1,91141029MA0KU0001G,乡宁百货,是,是,retail,,有,,\n",
        );
        write("shops.csv", "shop,merchant,name,address,lat,lon,datum\n7,1,总店,,,,\n");
        let with = |terminals: &str| {
            write("terminals.csv", &format!("terminal,shop\n{terminals}"));
            Merchants::load(folder.path(), &["retail"]).unwrap()
        };
        let (lost, kept): (TerminalId, TerminalId) =
            ("T-1".parse().unwrap(), "T-2".parse().unwrap());
        let (before, after) = (with("T-1,7\nT-2,7\n"), with("T-2,7\n"));
        let till = Till::new(&crate::plan::tests::shipped().redeem, &TerminalKeys::default());
        till.take(before.clone(), At(1));
        assert!(till.registry().at(lost).is_some());
        till.take(after, At(2));
        till.take(before, At(1));
        assert_eq!(till.in_force().map(|roll| roll.at), Some(At(2)));
        assert!(till.registry().at(lost).is_none() && till.registry().at(kept).is_some());
    }
}
