//! Reading all entries of a folder, in order, by the rule drawn in [the journal](super).

use super::{
    Error,
    disk::Disk,
    entry::{Entry, HEADER, Head, Header, segment_first, segment_name},
    io_error,
};

/// All entries of a folder. Ends after an error.
///
/// [`Reader::all`] is for a folder at rest; beside a running journal use [`Reader::sealed`].
pub struct Reader<'a, D: Disk> {
    disk: &'a D,
    /// The first seqs of the segments, descending, so that the next one is last.
    left: Vec<u64>,
    /// Where what the reader may show of the last segment it opens ends, if it stops early.
    stop: Option<u64>,
    segment: Option<Segment>,
    journal: Option<u64>,
    proven: u64,
    expected: u64,
    done: bool,
}

struct Segment {
    name: String,
    bytes: Vec<u8>,
    offset: usize,
    /// The first seq of the next segment.
    next: Option<u64>,
}

impl<'a, D: Disk> Reader<'a, D> {
    /// Reads to the end; a torn tail is left out.
    pub fn all(disk: &'a D) -> Result<Reader<'a, D>, Error> {
        let names = disk.list().map_err(io_error("list", "."))?;
        let mut left: Vec<u64> = names.iter().filter_map(|name| segment_first(name)).collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        let expected = left.last().copied().unwrap_or(1);
        Ok(Reader {
            disk,
            left,
            stop: None,
            segment: None,
            journal: None,
            proven: expected.saturating_sub(1),
            expected,
            done: false,
        })
    }

    /// Reads all but the segment that is being written.
    pub fn sealed(disk: &'a D) -> Result<Reader<'a, D>, Error> {
        let mut reader = Reader::all(disk)?;
        if reader.left.is_empty() {
            return Ok(reader);
        }
        reader.stop = Some(reader.left.remove(0));
        Ok(reader)
    }

    /// The highest seq so far that is proven to have been synced.
    pub fn proven(&self) -> u64 {
        self.proven
    }

    /// The last seq read so far; 0 if there is none.
    pub fn end(&self) -> u64 {
        self.expected.saturating_sub(1)
    }

    /// The folder's random number, once a segment was read.
    pub fn journal(&self) -> Option<u64> {
        self.journal
    }

    /// The file and byte at which the reader is.
    pub fn place(&self) -> (String, u64) {
        self.segment.as_ref().map_or((String::new(), 0), |segment| {
            (segment.name.clone(), segment.offset.try_into().unwrap_or(u64::MAX))
        })
    }

    fn damage(&self, why: String) -> Error {
        let (file, offset) = self.place();
        Error::Damage { file, offset, why }
    }

    /// Opens the next segment; `false` if there is none.
    fn open_next(&mut self) -> Result<bool, Error> {
        let Some(first) = self.left.pop() else { return Ok(false) };
        let name = segment_name(first);
        let bytes = self.disk.read(&name).map_err(io_error("read", &name))?;
        let head = Header::decode(&bytes);
        let next = self.left.last().copied().or(self.stop);
        self.segment = Some(Segment { name: name.clone(), bytes, offset: 0, next });
        let header = match head {
            Head::Good(header) => header,
            Head::Version(version) => return Err(Error::Version { file: name, version }),
            Head::Bad => return Err(self.damage("the segment's header is bad".to_owned())),
        };
        if header.first != first || *self.journal.get_or_insert(header.journal) != header.journal {
            return Err(self.damage("the segment's header belongs elsewhere".to_owned()));
        }
        if let Some(segment) = &mut self.segment {
            segment.offset = HEADER;
        }
        self.proven = self.proven.max(first.saturating_sub(1));
        Ok(true)
    }

    fn step(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            let expected = self.expected;
            let Some(segment) = &mut self.segment else {
                if self.open_next()? {
                    continue;
                }
                return Ok(None);
            };
            if segment.next == Some(expected) {
                if self.open_next()? {
                    continue;
                }
                return Ok(None);
            }
            let journal = self.journal.unwrap_or_default();
            let rest = segment.bytes.get(segment.offset..).unwrap_or_default();
            if let Some((entry, len)) = Entry::decode(rest, journal)
                && entry.seq == expected
            {
                segment.offset += len;
                self.expected += 1;
                self.proven = self.proven.max(entry.durable);
                return Ok(Some(entry));
            }
            if let Some(next) = segment.next {
                let why = format!("seq {expected} is bad, and seq {next} begins a later segment");
                return Err(self.damage(why));
            }
            if let Some(later) = witness(rest, journal, expected) {
                let (seq, durable) = (later.seq, later.durable);
                let why =
                    format!("seq {expected} is bad, but seq {seq} says {durable} was durable");
                return Err(self.damage(why));
            }
            return Ok(None);
        }
    }
}

/// A valid entry anywhere in `bytes` that proves that `expected` was durable once.
fn witness(bytes: &[u8], journal: u64, expected: u64) -> Option<Entry> {
    let id = journal.to_le_bytes();
    bytes.windows(id.len()).enumerate().filter(|(_, window)| *window == id).find_map(|(at, _)| {
        let (entry, _) = Entry::decode(bytes.get(at.checked_sub(8)?..)?, journal)?;
        (entry.durable >= expected).then_some(entry)
    })
}

impl<D: Disk> Iterator for Reader<'_, D> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.step().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}
