use super::local::{Message, Shared};
use super::{BatchStats, Waiting, Watcher};
use crate::domain::{At, CampaignNo};
use crate::ledger::embedded::Embedded;
use crate::ledger::event::Event;
use crate::ledger::journal::Disk;
use crate::ledger::machine::Command;
use std::{
    mem,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

/// Commands decided between two syncs at most.
const MOST_COMMANDS: usize = 4_096;
/// How long nothing comes before what is durable is sealed.
const IDLE: Duration = Duration::from_millis(100);

/// The one thread that decides.
pub(super) struct Writer<D: Disk, C> {
    embedded: Embedded<D>,
    clock: C,
    watcher: Box<dyn Watcher>,
    shared: Arc<Shared>,
    commands: Vec<Command>,
    waiting: Vec<Box<dyn Waiting>>,
    unsealed: bool,
}

impl<D: Disk, C: Fn() -> At> Writer<D, C> {
    pub(super) fn new(
        embedded: Embedded<D>,
        clock: C,
        watcher: Box<dyn Watcher>,
        shared: Arc<Shared>,
    ) -> Writer<D, C> {
        let (commands, waiting) =
            (Vec::with_capacity(MOST_COMMANDS), Vec::with_capacity(MOST_COMMANDS));
        Writer { embedded, clock, watcher, shared, commands, waiting, unsealed: false }
    }

    /// Shows every campaign as it stands.
    pub(super) fn show_all(&mut self) {
        (0..self.embedded.machine().campaigns()).for_each(|no| self.show(CampaignNo(no)));
    }

    /// Serves until it is told to close or the last asker is gone.
    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        let _stop = StopOnDrop(Arc::clone(&self.shared));
        let mut open = true;
        while open {
            match inbox.recv_timeout(IDLE) {
                Ok(message) => open = self.take(message),
                Err(RecvTimeoutError::Timeout) => {
                    self.seal();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while open && self.commands.len() < MOST_COMMANDS {
                let Ok(message) = inbox.try_recv() else { break };
                open = self.take(message);
            }
            self.batch();
        }
        self.seal();
    }

    /// Whether there is more to come.
    fn take(&mut self, message: Message) -> bool {
        let Message::Ask(command, waiting) = message else { return false };
        self.commands.push(command);
        self.waiting.push(waiting);
        true
    }

    fn batch(&mut self) {
        let commands = mem::take(&mut self.commands);
        let batch = self.embedded.decide_all(commands.iter(), (self.clock)());
        let wrote = !batch.written.is_empty();
        let (before, start) = (self.embedded.durable(), Instant::now());
        let mut batch = self.embedded.commit(batch);
        let stats = BatchStats {
            commands: commands.len(),
            events: batch.written.len(),
            sync: start.elapsed(),
            entries: self.embedded.durable() - before,
            bytes: self.embedded.bytes(),
            durable: self.embedded.durable(),
        };
        self.unsealed |= wrote;
        self.publish(&batch.written, batch.at);
        self.note_fault();
        self.watcher.batch(&stats);
        let queued = u32::try_from(commands.len()).unwrap_or(u32::MAX);
        self.shared.queued.fall(queued);
        let mut waiting = mem::take(&mut self.waiting);
        for (waiting, outcome) in waiting.drain(..).zip(batch.outcomes.drain(..)) {
            waiting.answer(outcome);
        }
        // The lists keep their room for the next batch.
        (self.commands, self.waiting) = (commands, waiting);
        self.commands.clear();
        self.embedded.reuse(batch);
    }

    /// Shows what became durable, before anybody is answered.
    fn publish(&mut self, written: &[Event], at: At) {
        let mut touched: Vec<CampaignNo> = Vec::new();
        let mut shown = None;
        for event in written {
            self.shared.view.event(event, at);
            // The machine has taken in nothing that is not durable by now, and all of that: what an entry has of an
            // order is shown with the first of it.
            if let Some(order) = event.what.redemption() {
                let (no, machine) = (event.campaign, self.embedded.machine());
                if shown.replace((no, order)) != Some((no, order))
                    && let Some((who, held)) = machine.paid_with(no, order)
                {
                    self.shared.view.change(no, who, held);
                }
                if let Some(order) = machine.redemption(no, order) {
                    self.watcher.redemption(no, &event.what, &order);
                }
            }
            if !touched.contains(&event.campaign) {
                touched.push(event.campaign);
            }
        }
        for no in touched {
            self.show(no);
        }
        self.shared.view.advance(self.embedded.durable());
    }

    fn show(&mut self, no: CampaignNo) {
        if let Ok(summary) = self.embedded.machine().summary(no) {
            let summary = Arc::new(summary);
            self.shared.view.show(no, &summary);
            self.watcher.campaign(self.embedded.durable(), no, &summary);
        }
    }

    fn seal(&mut self) {
        if mem::take(&mut self.unsealed) {
            // A failure poisons the journal, which is noted next.
            let _ = self.embedded.seal((self.clock)());
            self.note_fault();
            self.shared.view.advance(self.embedded.durable());
        }
    }

    fn note_fault(&self) {
        if let Some(error) = self.embedded.poison()
            && !self.shared.view.stopped()
        {
            self.shared.stop(error.to_string());
            self.shared.view.stop();
            tracing::error!(%error, "the journal has failed: nothing is granted until a restart");
        }
    }
}

/// However the thread ends, nobody may think that it still runs.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        let why = if std::thread::panicking() {
            "the ledger found a contradiction in itself and stopped"
        } else {
            "the server is shutting down"
        };
        self.0.stop(why.to_owned());
        self.0.view.stop();
    }
}
