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

use super::event::codec;
use super::journal::{Disk, Error, Journal, Options, Reader};
use super::machine::{Answer, Command, Machine, No};
use super::snapshot::Snapshot;
use crate::domain::At;
use std::fmt;

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

/// A machine and its journal.
pub struct Embedded<D: Disk> {
    machine: Machine,
    journal: Journal<D>,
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
        for entry in Reader::all(journal.disk())? {
            let entry = entry?;
            if entry.seal || entry.seq <= after {
                continue;
            }
            let foreign = OpenError::Foreign { seq: entry.seq };
            for event in codec::decode(&entry.body).ok_or(foreign)? {
                machine.apply(&event, entry.at);
            }
        }
        Ok(Embedded { machine, journal })
    }

    /// Decides the commands in order, makes what they did durable with one sync, and answers.
    pub fn batch(&mut self, commands: &[Command], now: At) -> Vec<Outcome> {
        let outcomes: Option<Vec<Outcome>> =
            commands.iter().map(|command| self.decide(command, now)).collect();
        match outcomes {
            // A poisoned journal refuses to commit, even an empty batch.
            Some(outcomes) if self.journal.commit().is_ok() => outcomes,
            _ => vec![Outcome::Unknown; commands.len()],
        }
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
    fn decide(&mut self, command: &Command, now: At) -> Option<Outcome> {
        let decision = match self.machine.decide(command, now.max(self.machine.last_at())) {
            Ok(decision) => decision,
            Err(no) => return Some(Outcome::No(no)),
        };
        if !decision.events.is_empty() {
            let Some(body) = codec::encode(&decision.events) else {
                return Some(Outcome::No(No::Conflict(
                    "a name or list is too long to be written down",
                )));
            };
            let now = now.max(self.machine.last_at());
            self.journal.append(now, body).ok()?;
            for event in &decision.events {
                self.machine.apply(event, now);
            }
        }
        Some(Outcome::Yes(decision.answer))
    }
}

#[cfg(test)]
mod tests;
