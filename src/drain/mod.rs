//! Carrying the log to the store, after the answers and apart from them.
//!
//! # What always holds
//!
//! - Entries are written in order and once: a batch's rows and the cursor move together, and a
//!   cursor that stands elsewhere, or that somebody else has taken, stops the batch.
//! - A store that is down costs nobody a claim: the log grows, the drain tries again.
//! - What contradicts the store stops the drain at the entry, and nothing after it is written.

mod fold;
mod run;
pub mod source;
pub mod status;
#[cfg(test)]
pub(crate) mod tests;
pub mod thread;

pub use source::{AtRest, Following, Source};
pub use status::Status;
pub use thread::{DrainThread, Progress};

use crate::ledger::journal::{self, Entry};
use crate::store::{self, Cursor, Store};
pub use fold::Misfit;
use metrics::Histogram;
use std::{fmt, io, sync::Arc, time::Instant};

/// Entries a batch has at most.
pub const MOST: usize = 5_000;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many entries are in the store now that were not before.
    Moved(usize),
    /// All there is is in the store.
    Empty,
}

/// Why entries do not get on.
#[derive(Debug)]
pub enum Error {
    /// The journal can't be read.
    Journal(journal::Error),
    /// The store does not take them.
    Store {
        /// The first entry that was to be written.
        from: u64,
        /// The last one.
        to: u64,
        /// Why.
        source: store::Error,
    },
    /// An entry that no row can be made of.
    Entry {
        /// The entry.
        seq: u64,
        /// What is wrong with it.
        why: Misfit,
    },
}

impl Error {
    fn opening(source: store::Error) -> Error {
        Error::Store { from: 0, to: 0, source }
    }

    fn folder(source: io::Error) -> Error {
        let (file, source) = ("the folder".to_owned(), Arc::new(source));
        Error::Journal(journal::Error::Io { doing: "open", file, source })
    }

    /// Whether it is of use to try again.
    pub fn may_pass(&self) -> bool {
        match self {
            Error::Journal(error) => matches!(error, journal::Error::Io { .. }),
            Error::Store { source, .. } => matches!(source, store::Error::Unavailable(_)),
            Error::Entry { .. } => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Journal(error) => error.fmt(f),
            Error::Store { from, to, source } if from == to => write!(f, "entry {from}: {source}"),
            Error::Store { from, to, source } => write!(f, "entries {from} to {to}: {source}"),
            Error::Entry { seq, why } => write!(f, "entry {seq}: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Journal(error) => Some(error),
            Error::Store { source, .. } => Some(source),
            Error::Entry { .. } => None,
        }
    }
}

/// Moves a shard's entries from its log to the store.
pub struct Drain<S> {
    store: Store,
    source: S,
    cursor: Cursor,
    /// Read, not known to be in the store.
    batch: Vec<Entry>,
    /// How many of the batch are tried at once.
    tried: usize,
    status: Arc<Status>,
    timing: Histogram,
}

impl<S: Source> Drain<S> {
    /// Takes the shard's cursor; `source` is made to begin after the seq it is told.
    pub async fn open(
        store: Store,
        shard: u32,
        source: impl FnOnce(u64) -> Result<S, journal::Error>,
    ) -> Result<Drain<S>, Error> {
        let taken = store.take(shard).await;
        let cursor = taken.map_err(Error::opening)?;
        let source = source(cursor.seq).map_err(Error::Journal)?;
        let status = Arc::new(Status::at(cursor.seq));
        let timing = Histogram::noop();
        Ok(Drain { store, source, cursor, batch: Vec::new(), tried: 0, status, timing })
    }

    /// Tells `timing` how long each batch's transaction takes.
    #[must_use]
    pub fn timed(self, timing: Histogram) -> Drain<S> {
        Drain { timing, ..self }
    }

    /// How far the drain is, for whoever wants to know.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Moves one batch, or says that there is nothing to move.
    ///
    /// After an error, and if dropped half way, the next step does the same again.
    pub async fn step(&mut self) -> Result<Step, Error> {
        if self.batch.is_empty() {
            self.batch = self.source.next(MOST).map_err(Error::Journal)?;
            self.tried = self.batch.len();
        }
        self.status.waiting(self.source.end(), self.batch.first().map(|entry| entry.at));
        let Some(last) = self.batch.get(..self.tried).and_then(<[Entry]>::last) else {
            return Ok(Step::Empty);
        };
        let to = last.seq;
        match self.write(to).await {
            Ok(()) => {}
            // Half of the batch next time: what fits is written, and the place becomes plain.
            Err(error) if self.tried > 1 && places(&error) => {
                self.tried /= 2;
                return Ok(Step::Moved(0));
            }
            Err(error) => return Err(error),
        }
        let moved = self.tried;
        self.cursor.seq = to;
        self.batch.drain(..moved);
        self.tried = self.batch.len();
        self.status.moved(to, self.batch.first().map(|entry| entry.at));
        Ok(Step::Moved(moved))
    }

    async fn write(&self, to: u64) -> Result<(), Error> {
        let entries = self.batch.get(..self.tried).unwrap_or_default();
        let rows = fold::rows(entries).map_err(|(seq, why)| Error::Entry { seq, why })?;
        let from = self.cursor.seq + 1;
        let start = Instant::now();
        let written = self.store.write(self.cursor, to, &rows).await;
        self.timing.record(start.elapsed());
        written.map(drop).map_err(|source| Error::Store { from, to, source })
    }
}

/// Whether the error is about one entry of those tried.
fn places(error: &Error) -> bool {
    match error {
        Error::Entry { .. } => true,
        Error::Store { source: store::Error::Contradiction { table, .. }, .. } => {
            *table != "cursor"
        }
        _ => false,
    }
}
