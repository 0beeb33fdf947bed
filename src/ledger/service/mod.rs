//! The ledger as the rest of the server sees it: a queue in front of one writer thread, and views
//! that show only what is durable.
//!
//! # What always holds
//!
//! - Commands are decided one after the other by one thread, whatever asks.
//! - A command that was taken is answered once, after its batch was synced, in log order; the
//!   views and the [`Watcher`] know of it before its asker does.
//! - An asker that goes away changes nothing: what it handed over is answered all the same.
//!
//! # Not here
//!
//! Who may ask, and how many are let through: the gate and the inventory.

mod lease;
mod local;
#[cfg(test)]
mod tests;
mod view;
mod writer;

pub(in crate::ledger) use lease::{BEAT_MS, Lease};
pub use local::LocalLedger;
pub use view::View;

use super::embedded::Outcome;
use super::event::What;
use super::machine::{Command, Held, Redemption, Summary};
use crate::domain::{CampaignNo, KindNo, PersonId, RoundNo};
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::{sync::oneshot, time::timeout};

/// Commands that may wait for the writer; one more is told to come back. 16 batches.
pub const QUEUE: u32 = 65_536;

/// How long an asker waits for what became of a command. A disk that hangs must not hang people:
/// after that the outcome is unknown, and the same request tells it later.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Somebody who waits for an answer.
pub trait Waiting: Send {
    /// Takes the answer. Called on the writer's thread: it must be quick and must not block.
    fn answer(self: Box<Self>, outcome: Outcome);
}

/// Somebody who follows what becomes durable. Called on the writer's thread, before any answer.
pub trait Watcher: Send {
    /// A campaign as it now durably stands, at `seq`.
    fn campaign(&mut self, seq: u64, no: CampaignNo, summary: &Summary);
    /// With several nodes: this one granted a coupon, durably.
    fn granted(&mut self, _campaign: CampaignNo, _round: RoundNo, _kind: KindNo) {}
    /// Something became durable of an order, which now stands like this.
    fn redemption(&mut self, _campaign: CampaignNo, _what: &What, _order: &Redemption) {}
    /// A batch was synced.
    fn batch(&mut self, stats: &BatchStats);
}

/// How a batch went.
#[derive(Clone, Copy, Debug)]
pub struct BatchStats {
    /// How many commands it answered.
    pub commands: usize,
    /// How many events it wrote.
    pub events: usize,
    /// How many entries became durable.
    pub entries: u64,
    /// Bytes of all entries that were written since the journal was opened.
    pub bytes: u64,
    /// How long its write and sync took.
    pub sync: Duration,
    /// The highest durable seq after it.
    pub durable: u64,
}

/// Why a command was not taken. It has had no effect and will have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The queue is full.
    Full,
    /// Nothing is written any more: [`Ledger::fault`] says why.
    Stopped,
}

/// What became of the command whose answer comes through `receiver`; unknown if none comes, as when
/// the writer has died or the disk hangs.
pub async fn outcome(receiver: oneshot::Receiver<Outcome>) -> Outcome {
    timeout(TOLD_WITHIN, receiver).await.ok().and_then(Result::ok).unwrap_or(Outcome::Unknown)
}

/// The authority, wherever its state is: what the rest of the server asks.
pub trait Ledger: Send + Sync {
    /// Hands `command` over; `waiting` hears what became of it.
    fn ask(&self, command: Command, waiting: Box<dyn Waiting>) -> Result<(), NotTaken>;

    /// What is durable, for readers that don't wait.
    fn view(&self) -> &View;

    /// The coupons of a person as they are now; `None` if that can't be known just now.
    fn coupons(&self, campaign: CampaignNo, person: PersonId) -> BoxFuture<'_, Option<Vec<Held>>>;

    /// Whether claims of the campaign can be decided, as of a moment ago.
    fn issues(&self, campaign: CampaignNo) -> bool;

    /// How far the clock there is ahead of this process's, in milliseconds, where it is another.
    fn clock_ahead_ms(&self) -> i64;

    /// Commands that wait now.
    fn queued(&self) -> u32;

    /// The most that waited since the last time this was asked.
    fn most_queued(&self) -> u32;

    /// Why nothing is written any more, if so.
    fn fault(&self) -> Option<String>;

    /// The logs that decide nothing just now, in words.
    fn shut(&self) -> Vec<String> {
        Vec::new()
    }

    /// Answers what waits and ends. Whoever asks later is told [`NotTaken::Stopped`].
    fn close(&self);
}

/// Hands `command` over, now, and gives what waits for its outcome: small, since the command is not in it.
pub fn told(
    ledger: &dyn Ledger,
    command: Command,
) -> impl Future<Output = Result<Outcome, NotTaken>> + use<> {
    let (sender, receiver) = oneshot::channel();
    let taken = ledger.ask(command, Box::new(Asker(sender)));
    async move {
        taken?;
        Ok(outcome(receiver).await)
    }
}

struct Asker(oneshot::Sender<Outcome>);

impl Waiting for Asker {
    fn answer(self: Box<Self>, outcome: Outcome) {
        // The asker may have gone away; the answer stands in the journal all the same.
        let _ = self.0.send(outcome);
    }
}
