//! The rules, once: `decide` says what a command would do, `apply` is the only way state changes.
//!
//! # What always holds
//!
//! - `decide` changes nothing, so a refusal leaves nothing behind (I3).
//! - Grants of a round and kind have the ordinals 1, 2, 3 .. without gaps, never above its
//!   quantity (I1), and a person has at most one of them (I2).
//! - No grant while the interlock is tripped, outside the round's window, without a recorded
//!   pass of that person, or for a kind that the pass has already paid for (I7).
//! - A coupon pays for one order at a time; it is held until the order is confirmed or released, whatever
//!   becomes of its round meanwhile (R-REDEEM-4).
//! - Every event leaves the funds balanced (I5).
//! - What persons decided is done once, and nobody goes on with what was stopped after they proposed to.
//!
//! # Not here
//!
//! Durability, batching and answers: the journal and its writer. Signatures and positions: the
//! gate. That nothing which takes persons is asked without their decision: the ledgers' doors (`Command::bypass`).

mod command;
mod decide;
mod decided;
mod extend;
mod merchants;
mod orders;
mod sketch;
mod state;
mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod till;

pub use command::{
    Answer, Command, Grant, Held, Lock, No, Recall, Redemption, Refund, Settle, Status,
};
pub use decided::Roll;
pub(crate) use merchants::{Dues, Line, Merchant, Payment};
pub(crate) use orders::Order;
pub(in crate::ledger) use sketch::Sketch;
pub use state::Machine;
pub use summary::{Imbalance, Level, RoundSummary, Summary};

use super::event::Event;
use crate::domain::At;

/// What a command does: these events in one entry, and this answer once they are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Empty if nothing changes.
    pub events: Vec<Event>,
    /// The answer.
    pub answer: Answer,
}

impl Machine {
    /// Decides `command` at `now` and takes its events in, or refuses and changes nothing.
    ///
    /// `now` never runs backwards here: an instant before the last event's counts as the last
    /// event's, so log order wins.
    pub fn execute(&mut self, command: &Command, now: At) -> Result<Decision, No> {
        let now = now.max(self.last_at());
        let decision = self.decide(command, now)?;
        for event in &decision.events {
            self.apply(event, now);
        }
        Ok(decision)
    }
}
