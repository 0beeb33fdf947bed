//! The nonces of one terminal that could still be heard.
//!
//! They are kept in two sets. A nonce comes into the newer one. After twice the window the newer becomes the older, and
//! what was the older is forgotten: so every nonce stays for twice the window, which is how long a request can be heard
//! that came at the beginning of its own, and nothing has to be searched for what is old.

use super::{Refused, TerminalRules};
use crate::domain::At;
use std::{collections::HashSet, mem};

#[derive(Debug)]
pub(super) struct Seen {
    /// When the newer set was begun.
    since: At,
    newer: HashSet<[u8; 16]>,
    older: HashSet<[u8; 16]>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { since: At(i64::MIN), newer: HashSet::new(), older: HashSet::new() }
    }
}

impl Seen {
    /// Notes a nonce, unless it came before.
    pub(super) fn note(
        &mut self,
        nonce: [u8; 16],
        now: At,
        rules: TerminalRules,
    ) -> Result<(), Refused> {
        self.turn(now, rules);
        let full = self.newer.len() >= usize::try_from(rules.requests.get()).unwrap_or(usize::MAX);
        if self.older.contains(&nonce) || (full && self.newer.contains(&nonce)) {
            return Err(Refused::RequestReplayed);
        }
        if full {
            let wait_ms = self.since.plus_ms(2 * rules.window_ms()).ms_since(now).max(1);
            return Err(Refused::TooFast {
                retry_after_ms: u32::try_from(wait_ms).unwrap_or(u32::MAX),
            });
        }
        if self.newer.insert(nonce) { Ok(()) } else { Err(Refused::RequestReplayed) }
    }

    /// Forgets what is old enough.
    pub(super) fn turn(&mut self, now: At, rules: TerminalRules) {
        let kept_ms = 2 * rules.window_ms();
        let age = now.ms_since(self.since);
        if age >= kept_ms {
            self.older = mem::take(&mut self.newer);
            if age >= 2 * kept_ms {
                self.older = HashSet::new();
            }
            self.since = now;
        } else if age < -rules.window_ms() {
            // The clock went back, so what is here stays longer; otherwise it would be full until the clock is there again.
            self.since = now;
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.newer.len() + self.older.len()
    }
}
