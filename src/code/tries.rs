//! How often one terminal may show a code that is dead or never was.

use super::{CodeRules, SKEW_MS};
use crate::domain::{At, TerminalId};
use dashmap::DashMap;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The wrong tries of every terminal that has any, at this server: as many as the rules allow at most, and none older
/// than they count.
#[derive(Debug)]
pub(super) struct Tries {
    most: usize,
    per_ms: i64,
    wrong: DashMap<TerminalId, Arc<Mutex<Vec<At>>>>,
}

/// A terminal's turn to look at a code: while one lasts, the terminal has no other.
pub(super) struct Turn(OwnedMutexGuard<Vec<At>>);

impl Turn {
    /// What was looked at was no code that is alive.
    pub(super) fn wrong(mut self, at: At) {
        self.0.push(at);
    }
}

impl Tries {
    pub(super) fn new(rules: &CodeRules) -> Tries {
        Tries {
            most: usize::try_from(rules.wrong_tries.get()).unwrap_or(usize::MAX),
            per_ms: rules.wrong_per_ms(),
            wrong: DashMap::new(),
        }
    }

    /// The terminal's next turn; or how many milliseconds it waits for that.
    ///
    /// Turns come one after the other, so a storm of tries has no more of them than a queue.
    pub(super) async fn turn(&self, terminal: &TerminalId, at: At) -> Result<Turn, u32> {
        let mine = Arc::clone(&self.wrong.entry(*terminal).or_default());
        let mut wrong = mine.lock_owned().await;
        wrong.retain(|it| self.counts(*it, at));
        if let (Some(first), true) = (wrong.first(), wrong.len() >= self.most) {
            let wait_ms = first.plus_ms(self.per_ms).ms_since(at).max(1);
            return Err(u32::try_from(wait_ms).unwrap_or(u32::MAX));
        }
        Ok(Turn(wrong))
    }

    /// Forgets what counts no longer.
    pub(super) fn tidy(&self, at: At) {
        self.wrong.retain(|_, wrong| {
            // Whoever has a turn or waits for it has a share of it.
            let Some(wrong) = Arc::get_mut(wrong) else { return true };
            let wrong = wrong.get_mut();
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
