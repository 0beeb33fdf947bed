//! A campaign's codes: who makes one, and whose a scanned one is.

use super::{Code, CodeShard, ForOrder, Found, Here, Holder, Home, Live, is_alive, tries::Tries};
use crate::domain::{At, NoAnswer, TerminalId};
use std::{fmt, num::NonZeroU32, sync::Arc};

/// How long codes live, and how often a terminal may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRules {
    /// Seconds after which the phone shows the next code.
    pub rotate_s: NonZeroU32,
    /// Seconds that a code lives.
    pub life_s: NonZeroU32,
    /// Codes that are dead or never were, which a terminal may show ..
    pub wrong_tries: NonZeroU32,
    /// .. in any so many seconds.
    pub wrong_per_s: NonZeroU32,
}

impl CodeRules {
    fn life_ms(&self) -> u32 {
        self.life_s.get().saturating_mul(1_000)
    }

    pub(super) fn wrong_per_ms(&self) -> i64 {
        i64::from(self.wrong_per_s.get()) * 1_000
    }

    /// How often one terminal can be wrong in so many seconds.
    pub fn wrong_in(&self, seconds: u32) -> u64 {
        // One more span than fits: the first may be full already as the time begins.
        let spans = u64::from(seconds / self.wrong_per_s) + 1;
        spans * u64::from(self.wrong_tries.get())
    }
}

/// A code as its phone is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The code.
    pub code: Code,
    /// When the phone shows the next one.
    pub rotates_at: At,
    /// The first instant at which it is dead.
    pub dead_at: At,
}

/// Why a terminal gets nobody for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// There is no such code, or not any more.
    Dead,
    /// It was taken for the same request before, which the ledger may not know yet.
    Spent,
    /// The terminal was wrong too often; it was not looked at.
    TooFast {
        /// How long to wait before the next code is looked at.
        retry_after_ms: u32,
    },
    /// Nobody knows just now. It may be dead from now on.
    NoAnswer,
}

/// The codes of one campaign, wherever they are kept, and the wrong tries of the terminals that ask here.
pub struct Codes {
    rules: CodeRules,
    home: Arc<dyn Home>,
    tries: Tries,
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codes").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Codes {
    /// Codes that are kept in `home`; no terminal was wrong yet.
    pub fn new(rules: CodeRules, home: Arc<dyn Home>) -> Codes {
        Codes { rules, home, tries: Tries::new(&rules) }
    }

    /// Codes in this server's memory.
    pub fn here(rules: CodeRules) -> Codes {
        Codes::new(rules, Arc::new(Here::default()))
    }

    /// A new code; the person's old one is dead from now on. `draw` gives random ones of a shard.
    pub async fn make(
        &self,
        holder: Holder,
        at: At,
        mut draw: impl FnMut(CodeShard) -> Code,
    ) -> Result<Made, NoAnswer> {
        let shard = self.home.shard(holder.person)?;
        let code = loop {
            let code = draw(shard);
            if self.home.put(Live { code, made_at: at, holder }, self.rules.life_ms()).await? {
                break code;
            }
        };
        let rotate_ms = i64::from(self.rules.rotate_s.get()) * 1_000;
        let dead_at = at.plus_ms(i64::from(self.rules.life_ms()));
        Ok(Made { code, rotates_at: at.plus_ms(rotate_ms), dead_at })
    }

    /// Whose code this is, which is scanned for `order`; it is dead from now on.
    pub async fn take(
        &self,
        terminal: &TerminalId,
        code: Code,
        order: &ForOrder,
        at: At,
    ) -> Result<Holder, NotTaken> {
        let turn = self.tries.turn(terminal, at).await;
        let turn = turn.map_err(|retry_after_ms| NotTaken::TooFast { retry_after_ms })?;
        match self.home.take(code, *order, at).await {
            Ok(Found::Live(live)) if is_alive(live.made_at, at, self.rules.life_ms()) => {
                Ok(live.holder)
            }
            Ok(Found::Spent) => Err(NotTaken::Spent),
            Ok(Found::Live(_) | Found::Nothing) => {
                turn.wrong(at);
                Err(NotTaken::Dead)
            }
            Err(NoAnswer) => Err(NotTaken::NoAnswer),
        }
    }

    /// Forgets what died of age, and wrong tries that count no longer. To be called on a timer, or what was taken
    /// stays, and each person's last code.
    pub fn tidy(&self, at: At) {
        self.home.tidy(at, self.rules.life_ms());
        self.tries.tidy(at);
    }
}

#[cfg(test)]
mod tests;
