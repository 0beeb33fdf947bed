//! The ledger of a server without others: a queue in front of one writer thread.

use super::writer::Writer;
use super::{Ledger, NotTaken, QUEUE, View, Waiting, Watcher};
use crate::domain::{At, CampaignNo, PersonId};
use crate::ledger::embedded::{Embedded, Outcome};
use crate::ledger::journal::Disk;
use crate::ledger::machine::{Command, Held};
use crate::metrics::Peak;
use futures_util::future::{BoxFuture, FutureExt};
use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

/// What travels to the writer.
pub(super) enum Message {
    Ask(Command, Box<dyn Waiting>),
    Close,
}

/// The ledger of this server.
#[must_use = "a ledger that is dropped is closed"]
pub struct LocalLedger {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer and the askers both see.
pub(super) struct Shared {
    pub(super) view: View,
    pub(super) queued: Peak,
    fault: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn stop(&self, why: String) {
        let mut fault = self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        fault.get_or_insert(why);
    }
}

impl LocalLedger {
    /// Starts the writer on `embedded`. `watcher` first sees every campaign as it stands.
    pub fn start<D>(
        embedded: Embedded<D>,
        clock: impl Fn() -> At + Send + 'static,
        watcher: Box<dyn Watcher>,
    ) -> io::Result<LocalLedger>
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
        Ok(LocalLedger { queue, shared, writer })
    }
}

impl Ledger for LocalLedger {
    fn ask(&self, command: Command, waiting: Box<dyn Waiting>) -> Result<(), NotTaken> {
        if self.fault().is_some() {
            return Err(NotTaken::Stopped);
        }
        if let Some(no) = command.bypass() {
            waiting.answer(Outcome::No(no));
            return Ok(());
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

    fn view(&self) -> &View {
        &self.shared.view
    }

    fn coupons(&self, campaign: CampaignNo, person: PersonId) -> BoxFuture<'_, Option<Vec<Held>>> {
        let held = self.view().coupons(campaign, person);
        std::future::ready(Some(held)).boxed()
    }

    fn issues(&self, _campaign: CampaignNo) -> bool {
        !self.view().stopped()
    }

    fn clock_ahead_ms(&self) -> i64 {
        0
    }

    fn queued(&self) -> u32 {
        self.shared.queued.now()
    }

    fn most_queued(&self) -> u32 {
        self.shared.queued.take()
    }

    fn fault(&self) -> Option<String> {
        if !self.shared.view.stopped() {
            return None;
        }
        self.shared.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn close(&self) {
        let thread = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // An error means that the writer is gone already.
            let _ = self.queue.send(Message::Close);
            let _ = thread.join();
        }
    }
}

impl Drop for LocalLedger {
    fn drop(&mut self) {
        self.close();
    }
}
