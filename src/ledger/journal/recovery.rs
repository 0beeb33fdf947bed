//! Opening a journal: what was there, what of it counts, and where to go on.

use super::{
    Error,
    disk::{Disk, DiskFile},
    entry::{Entry, Header, segment_name},
    io_error,
    reader::Reader,
    writer::{Journal, Segment},
};
use crate::domain::time::At;
use std::{
    collections::VecDeque,
    hash::{BuildHasher, Hasher, RandomState},
};

/// The name of a segment that is not one yet. A leftover is overwritten.
const FRESH: &str = "fresh.tmp";
/// Zeros are written this many at a time.
const ZEROS: usize = 1 << 20;

/// How to open a journal.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The size of a segment in bytes; a longer batch gets a longer one.
    pub segment_bytes: usize,
    /// The highest seq that somebody else (the store, a snapshot) has seen; 0 if none.
    pub at_least: u64,
    /// The random number for a folder that has none yet.
    pub journal: u64,
}

impl Default for Options {
    fn default() -> Options {
        let journal = RandomState::new().build_hasher().finish();
        Options { segment_bytes: 64 << 20, at_least: 0, journal: journal.max(1) }
    }
}

impl<D: Disk> Journal<D> {
    /// Takes the folder, checks what it holds and makes all of that durable.
    ///
    /// Read the entries with [`Reader::all`] afterwards, before appending.
    pub fn open(disk: D, options: Options, now: At) -> Result<Journal<D>, Error> {
        let lock = disk.lock().map_err(io_error("lock", "lock"))?.ok_or(Error::Locked)?;
        let mut reader = Reader::all(&disk)?;
        // Nothing is ever removed, so what is not there was lost, and grants with it.
        if reader.end() != 0 {
            let (file, offset) = (segment_name(reader.end() + 1), 0);
            let why = "the segments before it are missing".to_owned();
            return Err(Error::Damage { file, offset, why });
        }
        let mut tail: VecDeque<Entry> = VecDeque::new();
        while let Some(entry) = reader.next() {
            tail.push_back(entry?);
            while tail.front().is_some_and(|entry| entry.seq <= reader.proven()) {
                tail.pop_front();
            }
        }
        let (end, proven) = (reader.end(), reader.proven());
        // The header of an empty last segment proves more after the last entry was read.
        tail.retain(|entry| entry.seq > proven);
        if end < options.at_least {
            let (file, offset) = reader.place();
            return Err(Error::Behind { end, at_least: options.at_least, file, offset });
        }
        let journal = reader.journal().unwrap_or(options.journal);
        let mut bytes = Vec::new();
        let mut last = end;
        if !tail.is_empty() {
            // True as soon as it can be read: the segment gets its name only after its sync.
            last += 1;
            tail.push_back(Entry {
                seq: last,
                durable: end,
                at: now,
                seal: true,
                body: Vec::new(),
            });
        }
        for entry in &tail {
            if !entry.encode(journal, &mut bytes) {
                return Err(Error::TooLong { bytes: entry.body.len() });
            }
        }
        let header = Header { journal, first: proven + 1 };
        let segment = fresh_segment(&disk, header, &bytes, options.segment_bytes)?;
        Ok(Journal::new(disk, lock, options.segment_bytes, journal, last, segment))
    }
}

/// Makes the segment that begins with `header.first`, holding `entries`; durable on return.
pub(super) fn fresh_segment<D: Disk>(
    disk: &D,
    header: Header,
    entries: &[u8],
    size: usize,
) -> Result<Segment<D::File>, Error> {
    let name = segment_name(header.first);
    let mut bytes = header.encode();
    bytes.extend_from_slice(entries);
    let (used, size) = (bytes.len(), size.max(bytes.len()));
    let file = disk.create(FRESH).map_err(io_error("create", FRESH))?;
    let write =
        |bytes: &[u8], at: usize| file.write_at(bytes, at as u64).map_err(io_error("write", FRESH));
    write(&bytes, 0)?;
    let zeros = vec![0; ZEROS.min(size - used)];
    let mut at = used;
    while at < size {
        let some = zeros.get(..zeros.len().min(size - at)).unwrap_or(&zeros);
        write(some, at)?;
        at += some.len();
    }
    file.sync().map_err(io_error("sync", FRESH))?;
    disk.rename(FRESH, &name).map_err(io_error("rename to", &name))?;
    disk.sync_dir().map_err(io_error("sync folder of", &name))?;
    Ok(Segment { name, file, used, size })
}
