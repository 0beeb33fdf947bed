//! Where entries come from.

use crate::ledger::journal::{self, Disk, Entry, Reader, Tail};
use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Acquire},
    },
};

/// A log that can be read on from a place.
pub trait Source {
    /// The entries after the last one given, in order, at most `most`.
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, SourceError>;
    /// The last seq there is, as far as it is known.
    fn end(&self) -> u64;
    /// All up to `seq` is in the store for good: the log may let go of it. Told again with each
    /// batch, so what can't be done now may be left for then.
    fn trim(&mut self, seq: u64) {
        let _ = seq;
    }
}

/// Why a log can't be read.
#[derive(Clone, Debug)]
pub struct SourceError {
    why: Arc<dyn std::error::Error + Send + Sync>,
    may_pass: bool,
}

impl SourceError {
    /// The log can't be reached just now; trying again may help.
    pub fn unavailable(why: impl std::error::Error + Send + Sync + 'static) -> SourceError {
        SourceError { why: Arc::new(why), may_pass: true }
    }

    /// The log is not what it was.
    pub fn damaged(why: impl std::error::Error + Send + Sync + 'static) -> SourceError {
        SourceError { why: Arc::new(why), may_pass: false }
    }

    /// Whether it is of use to try again.
    pub fn may_pass(&self) -> bool {
        self.may_pass
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.why.source()
    }
}

impl From<journal::Error> for SourceError {
    fn from(error: journal::Error) -> SourceError {
        match error {
            journal::Error::Io { .. } => SourceError::unavailable(error),
            _ => SourceError::damaged(error),
        }
    }
}

/// Entries that somebody hands over, a few at a time.
#[derive(Debug, Default)]
pub struct Handed {
    entries: VecDeque<Entry>,
    end: u64,
}

impl Handed {
    /// One more entry, after the last one.
    pub fn push(&mut self, entry: Entry) {
        self.end = entry.seq;
        self.entries.push_back(entry);
    }
}

impl Source for Handed {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, SourceError> {
        let most = most.min(self.entries.len());
        Ok(self.entries.drain(..most).collect())
    }

    fn end(&self) -> u64 {
        self.end
    }
}

/// A journal that is being written.
///
/// Reading a batch from the page cache takes about as long as a few entries' hashing, so it is
/// done in place.
pub struct Following<D: Disk> {
    tail: Tail<D>,
    durable: Arc<AtomicU64>,
}

impl<D: Disk> Following<D> {
    /// Follows the journal in `disk` after `seq`; its writer keeps `durable` (stored with at least
    /// release ordering) at the highest durable seq.
    pub fn new(disk: D, seq: u64, durable: Arc<AtomicU64>) -> Following<D> {
        Following { tail: Tail::from(disk, seq), durable }
    }
}

impl<D: Disk> Source for Following<D> {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, SourceError> {
        Ok(self.tail.next(self.durable.load(Acquire), most)?)
    }

    fn end(&self) -> u64 {
        self.durable.load(Acquire)
    }
}

/// A journal that nobody is writing, read to its end.
pub struct AtRest<'a, D: Disk> {
    reader: Reader<'a, D>,
    after: u64,
    /// The reader ends after an error; this says it again instead of an end.
    failed: Option<SourceError>,
}

impl<'a, D: Disk> AtRest<'a, D> {
    /// Reads the journal in `disk` after `seq`.
    pub fn new(disk: &'a D, seq: u64) -> Result<AtRest<'a, D>, journal::Error> {
        Ok(AtRest { reader: Reader::all(disk)?, after: seq, failed: None })
    }
}

impl<D: Disk> Source for AtRest<'_, D> {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, SourceError> {
        let mut entries = Vec::new();
        while self.failed.is_none() && entries.len() < most {
            match self.reader.next() {
                Some(Ok(entry)) if entry.seq <= self.after => {}
                Some(Ok(entry)) => entries.push(entry),
                Some(Err(error)) => self.failed = Some(error.into()),
                None => break,
            }
        }
        match &self.failed {
            Some(error) if entries.is_empty() => Err(error.clone()),
            _ => Ok(entries),
        }
    }

    fn end(&self) -> u64 {
        self.reader.end()
    }
}
