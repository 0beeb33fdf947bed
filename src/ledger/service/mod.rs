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

#[cfg(test)]
mod tests;
mod view;
mod writer;

pub use view::View;

use super::embedded::{Embedded, Outcome};
use super::journal::Disk;
use super::machine::{Command, Summary};
use crate::domain::{At, CampaignNo};
use crate::metrics::Peak;
use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};
use writer::Writer;

/// Commands that may wait for the writer; one more is told to come back. 16 batches.
pub const QUEUE: u32 = 65_536;

/// How long an asker waits for what became of a command. A disk that hangs must not hang people:
/// after that the outcome is unknown, and the same request tells it later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who waits for an answer.
pub trait Waiting: Send {
    /// Takes the answer. Called on the writer's thread: it must be quick and must not block.
    fn answer(self: Box<Self>, outcome: Outcome);
}

/// Somebody who follows what becomes durable. Called on the writer's thread, before any answer.
pub trait Watcher: Send {
    /// A campaign as it now durably stands, at `seq`.
    fn campaign(&mut self, seq: u64, no: CampaignNo, summary: &Summary);
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

/// What travels to the writer.
enum Message {
    Ask(Command, Box<dyn Waiting>),
    Close,
}

/// What became of the command whose answer comes through `receiver`; unknown if none comes, as when
/// the writer has died or the disk hangs.
pub async fn outcome(receiver: oneshot::Receiver<Outcome>) -> Outcome {
    timeout(PATIENCE, receiver).await.ok().and_then(Result::ok).unwrap_or(Outcome::Unknown)
}

/// The ledger of this server.
pub struct Ledger {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer and the askers both see.
struct Shared {
    view: View,
    queued: Peak,
    fault: Mutex<Option<String>>,
}

impl Shared {
    fn stop(&self, why: String) {
        let mut fault = self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        fault.get_or_insert(why);
    }
}

impl Ledger {
    /// Starts the writer on `embedded`. `watcher` first sees every campaign as it stands.
    pub fn start<D>(
        embedded: Embedded<D>,
        clock: impl Fn() -> At + Send + 'static,
        watcher: Box<dyn Watcher>,
    ) -> io::Result<Ledger>
    where
        D: Disk + Send + 'static,
        D::File: Send,
        D::Lock: Send,
    {
        let (queue, inbox) = sync_channel(QUEUE as usize);
        let shared = Arc::new(Shared {
            view: View::of(embedded.machine(), embedded.durable()),
            queued: Peak::default(),
            fault: Mutex::new(None),
        });
        let mut writer = Writer::new(embedded, clock, watcher, Arc::clone(&shared));
        writer.show_all();
        let thread = thread::Builder::new().name("ledger".into());
        let writer = Mutex::new(Some(thread.spawn(move || writer.run(&inbox))?));
        Ok(Ledger { queue, shared, writer })
    }

    /// Hands `command` over; `waiting` hears what became of it.
    pub fn ask(&self, command: Command, waiting: Box<dyn Waiting>) -> Result<(), NotTaken> {
        if self.fault().is_some() {
            return Err(NotTaken::Stopped);
        }
        self.shared.queued.rise();
        self.queue.try_send(Message::Ask(command, waiting)).map_err(|error| {
            self.shared.queued.fall(1);
            match error {
                TrySendError::Full(_) => NotTaken::Full,
                TrySendError::Disconnected(_) => NotTaken::Stopped,
            }
        })
    }

    /// Hands `command` over and waits for what became of it.
    pub async fn told(&self, command: Command) -> Result<Outcome, NotTaken> {
        let (sender, receiver) = oneshot::channel();
        self.ask(command, Box::new(Asker(sender)))?;
        Ok(outcome(receiver).await)
    }

    /// What is durable.
    pub fn view(&self) -> &View {
        &self.shared.view
    }

    /// Commands that wait now.
    pub fn queued(&self) -> u32 {
        self.shared.queued.now()
    }

    /// The most that waited since the last time this was asked.
    pub fn most_queued(&self) -> u32 {
        self.shared.queued.take()
    }

    /// Why nothing is written any more, if so.
    pub fn fault(&self) -> Option<String> {
        if !self.shared.view.stopped() {
            return None;
        }
        self.shared.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Answers what waits, seals, and ends the writer. Whoever asks later is told [`NotTaken::Stopped`].
    pub fn close(&self) {
        let thread = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // An error means that the writer is gone already.
            let _ = self.queue.send(Message::Close);
            let _ = thread.join();
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close();
    }
}

struct Asker(oneshot::Sender<Outcome>);

impl Waiting for Asker {
    fn answer(self: Box<Self>, outcome: Outcome) {
        // The asker may have gone away; the answer stands in the journal all the same.
        let _ = self.0.send(outcome);
    }
}
