//! What a start asks of a ledger that other nodes have asked the same of, perhaps.

use super::RedisLedger;
use super::office::Office;
use crate::ledger::embedded::Outcome;
use crate::ledger::machine::Command;
use futures_util::future::join_all;

/// So many are asked for at once.
const AT_ONCE: usize = 32;

/// Asks for what the files of a start say, which nobody signed.
pub struct Start(Office);

impl RedisLedger {
    /// Whoever asks for that.
    pub fn at_start(&self) -> Start {
        Start(self.office.clone())
    }
}

impl Start {
    /// Has all of it done; what is done already is not written again. Or the first that was not done, and what became
    /// of it.
    pub async fn done(&self, commands: &[Command]) -> Result<(), String> {
        for some in commands.chunks(AT_ONCE) {
            let asked = some.iter().map(|it| self.0.settled(it.clone()));
            for (command, outcome) in some.iter().zip(join_all(asked).await) {
                if !matches!(outcome, Outcome::Yes(_)) {
                    return Err(format!("{command:?}: {outcome:?}"));
                }
            }
        }
        Ok(())
    }
}
