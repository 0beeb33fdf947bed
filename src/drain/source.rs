//! Where entries come from.

use crate::ledger::journal::{Disk, Entry, Error, Reader, Tail};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Acquire},
};

/// A log that can be read on from a place.
pub trait Source {
    /// The entries after the last one given, in order, at most `most`.
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, Error>;
    /// The last seq there is, as far as it is known.
    fn end(&self) -> u64;
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
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, Error> {
        self.tail.next(self.durable.load(Acquire), most)
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
    failed: Option<Error>,
}

impl<'a, D: Disk> AtRest<'a, D> {
    /// Reads the journal in `disk` after `seq`.
    pub fn new(disk: &'a D, seq: u64) -> Result<AtRest<'a, D>, Error> {
        Ok(AtRest { reader: Reader::all(disk)?, after: seq, failed: None })
    }
}

impl<D: Disk> Source for AtRest<'_, D> {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        while self.failed.is_none() && entries.len() < most {
            match self.reader.next() {
                Some(Ok(entry)) if entry.seq <= self.after => {}
                Some(Ok(entry)) => entries.push(entry),
                Some(Err(error)) => self.failed = Some(error),
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
