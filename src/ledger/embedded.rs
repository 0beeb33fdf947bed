//! The ledger in one process: the machine decides, the journal makes it durable, then it answers.
//!
//! # What always holds
//!
//! - No answer of a batch, yes or no, is given before the batch is synced (I3): a no may rest on
//!   a grant of the same batch.
//! - After the disk has failed, every answer is [`Outcome::Unknown`] until a restart: what is in
//!   memory may be ahead of what is on disk.
//!
//! # Not here
//!
//! Threads and queues: a caller owns the ledger and hands it batches.

use super::event::{Event, codec};
use super::journal::{Disk, Error, Journal, Options, Reader};
use super::machine::{Answer, Command, Machine, No};
use super::snapshot::Snapshot;
use crate::domain::At;
use std::fmt;

/// Events that the next batch's list has room for, at most: a lapse alone may write 200, which are not to be kept for.
const ROOM: usize = 16_384;

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and durable.
    Yes(Answer),
    /// Not done, and the state it rests on is durable.
    No(No),
    /// The disk failed: done or not, only the ledger after a restart knows.
    Unknown,
}

/// Why the ledger does not open.
#[derive(Debug)]
pub enum OpenError {
    /// The journal does not open.
    Journal(Error),
    /// An entry is whole, but not in this version's words.
    Foreign {
        /// The entry.
        seq: u64,
    },
    /// The snapshot to start from is of another journal.
    Elsewhere,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Journal(error) => error.fmt(f),
            OpenError::Elsewhere => write!(f, "the snapshot belongs to another journal"),
            OpenError::Foreign { seq } => {
                write!(
                    f,
                    "entry {seq} of the journal is not in a format known here; run the version that wrote it"
                )
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<Error> for OpenError {
    fn from(error: Error) -> OpenError {
        OpenError::Journal(error)
    }
}

/// What became of a list of commands.
#[derive(Debug)]
pub struct Batch {
    /// One a command, in order.
    pub outcomes: Vec<Outcome>,
    /// The events that they wrote, in order.
    pub written: Vec<Event>,
    /// When they were decided: `now`, or the last event's instant if that is later.
    pub at: At,
}

impl Batch {
    fn unknown(asked: usize, at: At) -> Batch {
        Batch { outcomes: vec![Outcome::Unknown; asked], written: Vec::new(), at }
    }
}

/// A machine and its journal.
pub struct Embedded<D: Disk> {
    machine: Machine,
    journal: Journal<D>,
    recovered: u64,
    /// Lists that the next batch may take.
    spare: Option<Batch>,
}

impl<D: Disk> Embedded<D> {
    /// Opens the folder and replays what it holds.
    pub fn open(disk: D, options: Options, now: At) -> Result<Embedded<D>, OpenError> {
        Embedded::open_from(disk, options, None, now)
    }

    /// Opens the folder and replays what it holds after `start`, which the journal must reach.
    pub fn open_from(
        disk: D,
        mut options: Options,
        start: Option<Snapshot>,
        now: At,
    ) -> Result<Embedded<D>, OpenError> {
        let after = start.as_ref().map_or(0, |start| start.seq);
        options.at_least = options.at_least.max(after);
        let journal = Journal::open(disk, options, now)?;
        let mut machine = match start {
            Some(start) if start.journal != journal.id() => return Err(OpenError::Elsewhere),
            start => start.map_or_else(Machine::default, |start| start.machine),
        };
        let mut recovered = 0;
        for entry in Reader::all(journal.disk())? {
            let entry = entry?;
            if entry.seal || entry.seq <= after {
                continue;
            }
            let foreign = OpenError::Foreign { seq: entry.seq };
            for event in codec::decode(&entry.body).ok_or(foreign)? {
                machine.apply(&event, entry.at);
            }
            recovered += 1;
        }
        Ok(Embedded { machine, journal, recovered, spare: None })
    }

    /// Decides the commands in order. Nothing is durable before [`Embedded::commit`].
    pub fn decide_all<'a>(
        &mut self,
        commands: impl ExactSizeIterator<Item = &'a Command>,
        now: At,
    ) -> Batch {
        let (asked, at) = (commands.len(), now.max(self.machine.last_at()));
        let mut batch = self.spare.take().map_or_else(
            || Batch { outcomes: vec![], written: vec![], at },
            |spare| Batch { at, ..spare },
        );
        for command in commands {
            match self.decide(command, at, &mut batch.written) {
                Some(outcome) => batch.outcomes.push(outcome),
                None => return Batch::unknown(asked, at),
            }
        }
        batch
    }

    /// Makes `batch` durable with one sync. Nobody may be told of it before, and nothing of it if the disk fails.
    pub fn commit(&mut self, batch: Batch) -> Batch {
        // A poisoned journal refuses to commit, even an empty batch.
        if self.journal.commit().is_ok() {
            batch
        } else {
            Batch::unknown(batch.outcomes.len(), batch.at)
        }
    }

    /// Takes a batch back that everybody was told of: the next one has its room.
    pub fn reuse(&mut self, mut told: Batch) {
        told.outcomes.clear();
        told.written.clear();
        told.written.shrink_to(ROOM);
        self.spare = Some(told);
    }

    /// The highest durable seq.
    pub fn durable(&self) -> u64 {
        self.journal.durable()
    }

    /// Bytes of all entries that were written since the journal was opened.
    pub fn bytes(&self) -> u64 {
        self.journal.bytes()
    }

    /// How many entries were replayed when it was opened.
    pub fn recovered(&self) -> u64 {
        self.recovered
    }

    /// Names what is durable, so that a later recovery can tell a torn tail from damage.
    pub fn seal(&mut self, now: At) -> Result<(), Error> {
        self.journal.seal(now).map(drop)
    }

    /// The state, durable or about to be.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Why nothing is written any more, if so.
    pub fn poison(&self) -> Option<&Error> {
        self.journal.poison()
    }

    /// `None` if the journal does not take the entry.
    fn decide(&mut self, command: &Command, at: At, written: &mut Vec<Event>) -> Option<Outcome> {
        let decision = match self.machine.decide(command, at) {
            Ok(decision) => decision,
            Err(no) => return Some(Outcome::No(no)),
        };
        if !decision.events.is_empty() {
            let Some(body) = codec::encode(&decision.events) else {
                let why = "a name or list is too long to be written down";
                return Some(Outcome::No(No::Conflict(why)));
            };
            self.journal.append(at, body).ok()?;
            for event in &decision.events {
                self.machine.apply(event, at);
            }
            written.extend(decision.events);
        }
        Some(Outcome::Yes(decision.answer))
    }
}

#[cfg(test)]
mod tests;
