//! Carrying logs to the store, after the answers and apart from them, each by itself.
//!
//! # What always holds
//!
//! - Entries are written in order and once: a batch's rows and the cursor move together, and a
//!   cursor that stands elsewhere, or that somebody else has taken, stops the batch. Where it stands elsewhere the log is
//!   taken anew from there, and counted as a failure.
//! - A store that is down costs nobody a claim: the log grows, the drain tries again.
//! - What contradicts the store stops the drain at the entry, and nothing after it is written. The
//!   entry is kept in `quarantine` for people to look at; other logs go on.
//!
//! A row that is there already contradicts even if it is the same byte for byte: the cursor moves in
//! the transaction of the rows, so an entry whose rows are there is behind it and is not read again.

mod fold;
mod run;
mod share;
pub mod source;
pub mod status;
#[cfg(test)]
pub(crate) mod tests;
pub mod thread;

pub use share::{Owner, share};
pub use source::{AtRest, Following, Handed, Source, SourceError};
pub use status::Status;
pub(crate) use thread::people_first;
pub use thread::{DrainThread, Progress};

use crate::domain::{CampaignNo, Shard};
use crate::ledger::journal::{self, Entry};
use crate::store::{self, Cursor, LogNo, Quarantined, Store};
pub use fold::Misfit;
use fold::Shards;
use metrics::Histogram;
use std::{fmt, io, sync::Arc, time::Instant};

/// Entries a batch has at most.
pub const MOST_ENTRIES: usize = 5_000;

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
    /// The log can't be read.
    Source(SourceError),
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
        Error::Source(journal::Error::Io { doing: "open", file, source }.into())
    }

    /// Whether it is of use to try again.
    pub fn may_pass(&self) -> bool {
        match self {
            Error::Source(error) => error.may_pass(),
            Error::Store { source, .. } => matches!(source, store::Error::Unavailable(_)),
            Error::Entry { .. } => false,
        }
    }

    /// Whether the cursor stands elsewhere than where this drain left it: it is to be taken anew.
    pub fn is_elsewhere(&self) -> bool {
        matches!(
            self,
            Error::Store { source: store::Error::Contradiction { table: "cursor", .. }, .. }
        )
    }

    /// Whether another drain carries the log by now.
    pub fn is_lost(&self) -> bool {
        matches!(self, Error::Store { source: store::Error::Lost { .. }, .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Source(error) => error.fmt(f),
            Error::Store { from, to, source } if from == to => write!(f, "entry {from}: {source}"),
            Error::Store { from, to, source } => write!(f, "entries {from} to {to}: {source}"),
            Error::Entry { seq, why } => write!(f, "entry {seq}: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Source(error) => Some(error),
            Error::Store { source, .. } => Some(source),
            Error::Entry { .. } => None,
        }
    }
}

/// Moves a log's entries to the store.
pub struct Drain<S> {
    store: Store,
    /// Where its entries come from.
    pub source: S,
    cursor: Cursor,
    /// Which shard of its campaigns the log is, as far as it is in the store.
    shards: Shards,
    /// Read, not known to be in the store.
    batch: Vec<Entry>,
    /// How many of the batch are tried at once.
    tried: usize,
    status: Arc<Status>,
    timing: Histogram,
}

impl<S: Source> Drain<S> {
    /// Takes the cursor of `log` from whoever has it; `source` is made to begin after the seq it is
    /// told.
    pub async fn open(
        store: Store,
        log: LogNo,
        source: impl FnOnce(u64) -> Result<S, SourceError>,
    ) -> Result<Drain<S>, Error> {
        let cursor = store.take(log, "").await.map_err(Error::opening)?;
        let source = source(cursor.seq).map_err(Error::Source)?;
        Drain::with(store, cursor, source, Arc::default()).await
    }

    /// Carries on where `cursor` stands, which `source` begins after.
    pub async fn with(
        store: Store,
        cursor: Cursor,
        source: S,
        status: Arc<Status>,
    ) -> Result<Drain<S>, Error> {
        let shards = store.shards(cursor.log).await.map_err(Error::opening)?;
        status.begins(cursor.seq);
        let timing = Histogram::noop();
        Ok(Drain { store, source, cursor, shards, batch: Vec::new(), tried: 0, status, timing })
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
            self.batch = self.source.next(MOST_ENTRIES).map_err(Error::Source)?;
            self.tried = self.batch.len();
        }
        self.status.waiting(self.source.end(), self.batch.first().map(|entry| entry.at));
        let Some(last) = self.batch.get(..self.tried).and_then(<[Entry]>::last) else {
            return Ok(Step::Empty);
        };
        let to = last.seq;
        let opened = match self.write(to).await {
            Ok(opened) => opened,
            // Half of the batch next time: what fits is written, and the place becomes plain.
            Err(error) if self.tried > 1 && places(&error) => {
                self.tried /= 2;
                return Ok(Step::Moved(0));
            }
            Err(error) => return Err(self.quarantined(to, error).await),
        };
        let moved = self.tried;
        self.cursor.seq = to;
        self.shards.extend(opened);
        self.batch.drain(..moved);
        self.tried = self.batch.len();
        self.status.moved(to, self.batch.first().map(|entry| entry.at));
        self.source.trim(to);
        Ok(Step::Moved(moved))
    }

    /// Writes the batch up to `to`; gives the openings that were in it.
    async fn write(&self, to: u64) -> Result<Vec<(CampaignNo, Shard)>, Error> {
        let entries = self.batch.get(..self.tried).unwrap_or_default();
        let rows = fold::rows(self.cursor.log, &self.shards, entries);
        let rows = rows.map_err(|(seq, why)| Error::Entry { seq, why })?;
        let from = self.cursor.seq + 1;
        let start = Instant::now();
        let written = self.store.write(self.cursor, to, &rows).await;
        self.timing.record(start.elapsed());
        written.map_err(|source| Error::Store { from, to, source })?;
        Ok(rows.openings)
    }

    /// Keeps the one entry that was tried, if the error is about it; gives the error.
    async fn quarantined(&self, seq: u64, error: Error) -> Error {
        if !places(&error) {
            return error;
        }
        let (table, why) = match &error {
            Error::Entry { why, .. } => ("events", why.to_string()),
            Error::Store { source: store::Error::Contradiction { table, why }, .. } => {
                (*table, why.clone())
            }
            _ => return error,
        };
        self.status.contradicted(seq);
        let body = self.batch.first().map(|entry| entry.body.clone()).unwrap_or_default();
        let (log, table) = (self.cursor.log, table.to_owned());
        let kept = self.store.quarantine(&Quarantined { log, seq, table, why, body }).await;
        match kept {
            Ok(()) => error,
            // As long as it can't be kept, it is tried again.
            Err(source) if matches!(source, store::Error::Unavailable(_)) => {
                Error::Store { from: seq, to: seq, source }
            }
            Err(other) => {
                tracing::error!(%log, seq, error = %other, "the entry is not in quarantine");
                error
            }
        }
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
