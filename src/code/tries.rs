//! How often one terminal may show a code that is dead or never was.

use super::{CodeRules, NotTaken};
use crate::domain::{At, TerminalId};
use dashmap::DashMap;

/// How far apart, in milliseconds, two threads' `now` may be.
pub(super) const SKEW_MS: i64 = 1_000;

/// The wrong tries of every terminal that has any: as many as the rules allow at most, and none older than they count.
#[derive(Debug)]
pub(super) struct Tries {
    most: usize,
    per_ms: i64,
    wrong: DashMap<TerminalId, Vec<At>>,
}

impl Tries {
    pub(super) fn new(rules: &CodeRules) -> Tries {
        Tries {
            most: usize::try_from(rules.wrong_tries.get()).unwrap_or(usize::MAX),
            per_ms: rules.wrong_per_ms(),
            wrong: DashMap::new(),
        }
    }

    /// What `look` finds, if the terminal may look at all; finding nothing is a wrong try.
    ///
    /// The terminal's tries are locked meanwhile, so a storm of them has no more than one after the other.
    pub(super) fn look<T>(
        &self,
        terminal: TerminalId,
        at: At,
        look: impl FnOnce() -> Option<T>,
    ) -> Result<T, NotTaken> {
        let mut wrong = self.wrong.entry(terminal).or_default();
        wrong.retain(|it| self.counts(*it, at));
        if let (Some(first), true) = (wrong.first(), wrong.len() >= self.most) {
            let wait_ms = first.plus_ms(self.per_ms).ms_since(at).max(1);
            return Err(NotTaken::TooFast {
                retry_after_ms: u32::try_from(wait_ms).unwrap_or(u32::MAX),
            });
        }
        look().ok_or_else(|| {
            wrong.push(at);
            NotTaken::Dead
        })
    }

    /// Forgets what counts no longer.
    pub(super) fn tidy(&self, at: At) {
        self.wrong.retain(|_, wrong| {
            wrong.retain(|it| self.counts(*it, at));
            !wrong.is_empty()
        });
        self.wrong.shrink_to_fit();
    }

    /// Terminals kept at this moment.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.wrong.len()
    }

    /// Whether a try of `then` counts at `at`. What is of the future was tried before the clock went back.
    fn counts(&self, then: At, at: At) -> bool {
        let age = at.ms_since(then);
        -SKEW_MS <= age && age < self.per_ms
    }
}
