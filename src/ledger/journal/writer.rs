//! Appending: many entries, one write, one sync.

use super::{
    Error,
    disk::{Disk, DiskFile},
    entry::{Entry, HEADER, Header},
    io_error,
    recovery::fresh_segment,
};
use crate::domain::time::At;

/// An open journal. [`Journal::append`] only buffers: an entry may be spoken of once
/// [`Journal::commit`] has returned its seq or a higher one.
pub struct Journal<D: Disk> {
    disk: D,
    _lock: D::Lock,
    segment_bytes: usize,
    id: u64,
    durable: u64,
    last: u64,
    bytes: u64,
    pending: Vec<u8>,
    segment: Segment<D::File>,
    poison: Option<Error>,
}

/// The segment that is being written.
pub(super) struct Segment<F> {
    pub(super) name: String,
    pub(super) file: F,
    pub(super) used: usize,
    pub(super) size: usize,
}

impl<D: Disk> Journal<D> {
    /// A journal whose entries up to `last` are all durable.
    pub(super) fn new(
        disk: D,
        lock: D::Lock,
        segment_bytes: usize,
        id: u64,
        last: u64,
        segment: Segment<D::File>,
    ) -> Journal<D> {
        Journal {
            disk,
            _lock: lock,
            segment_bytes,
            id,
            durable: last,
            last,
            bytes: 0,
            pending: Vec::new(),
            segment,
            poison: None,
        }
    }

    /// The highest durable seq.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Bytes of all entries that were written and synced since it was opened.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The folder's random number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The disk, to read from.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Why the journal has stopped, if it has.
    pub fn poison(&self) -> Option<&Error> {
        self.poison.as_ref()
    }

    /// Buffers an entry and gives its seq. Not durable until [`Journal::commit`].
    pub fn append(&mut self, at: At, body: Vec<u8>) -> Result<u64, Error> {
        self.push(at, false, body)
    }

    /// Writes what is buffered with one write and one sync; gives the highest durable seq.
    pub fn commit(&mut self) -> Result<u64, Error> {
        self.sound()?;
        if self.pending.is_empty() {
            return Ok(self.durable);
        }
        self.write().map_err(|error| self.stop(error))?;
        Ok(self.durable)
    }

    /// Commits, then writes and syncs an entry that says so, for when no batch follows soon.
    pub fn seal(&mut self, at: At) -> Result<u64, Error> {
        self.commit()?;
        self.push(at, true, Vec::new())?;
        self.commit()
    }

    fn push(&mut self, at: At, seal: bool, body: Vec<u8>) -> Result<u64, Error> {
        self.sound()?;
        let entry = Entry { seq: self.last + 1, durable: self.durable, at, seal, body };
        if !entry.encode(self.id, &mut self.pending) {
            return Err(Error::TooLong { bytes: entry.body.len() });
        }
        self.last = entry.seq;
        Ok(entry.seq)
    }

    fn write(&mut self) -> Result<(), Error> {
        if self.segment.used + self.pending.len() > self.segment.size {
            // All before the batch is synced, which is what a new segment's header states.
            let header = Header { journal: self.id, first: self.durable + 1 };
            let size = self.segment_bytes.max(HEADER + self.pending.len());
            self.segment = fresh_segment(&self.disk, header, &[], size)?;
        }
        let Segment { name, file, used, .. } = &mut self.segment;
        file.write_at(&self.pending, *used as u64).map_err(io_error("write", name))?;
        file.sync().map_err(io_error("sync", name))?;
        *used += self.pending.len();
        self.bytes += self.pending.len() as u64;
        self.pending.clear();
        self.durable = self.last;
        Ok(())
    }

    fn sound(&self) -> Result<(), Error> {
        self.poison.clone().map_or(Ok(()), Err)
    }

    fn stop(&mut self, error: Error) -> Error {
        let poison = match error {
            Error::Io { doing, file, source } => Error::Poisoned { doing, file, source },
            other => other,
        };
        self.poison.insert(poison).clone()
    }
}
