//! Following a journal while it is being written.
//!
//! The one who follows says how far the journal is durable; nothing beyond that is ever decoded,
//! for it may be half written. Each step reads on where the one before ended.

use super::{
    Error,
    disk::Disk,
    entry::{Entry, HEADER, Head, Header, MAX_BODY, PREFIX, segment_first, segment_name},
    io_error,
};

/// So many bytes are read at a time.
const CHUNK: usize = 256 << 10;

/// A place in a journal, and the way on from there.
pub struct Tail<D: Disk> {
    disk: D,
    position: u64,
    journal: Option<u64>,
    segment: Option<Segment>,
}

/// The segment that is being followed.
struct Segment {
    first: u64,
    name: String,
    /// Where its entry `seq` begins.
    offset: u64,
    seq: u64,
    /// What was read from `offset` on. Kept for one step only: what follows the durable part of
    /// it may change on disk.
    ahead: Vec<u8>,
    used: usize,
}

impl<D: Disk> Tail<D> {
    /// Follows the journal in `disk` from the entry after `seq` on.
    pub fn from(disk: D, seq: u64) -> Tail<D> {
        Tail { disk, position: seq, journal: None, segment: None }
    }

    /// The seq of the last entry given.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next entries in order, none beyond `durable`, at most `most`.
    ///
    /// `durable` is what the journal's writer has said to be durable. Entries before a damaged one
    /// are given first; the step after that is the error, each time.
    pub fn next(&mut self, durable: u64, most: usize) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        if durable <= self.position || most == 0 {
            return Ok(entries);
        }
        let read = self.read(durable, most, &mut entries);
        if let Some(segment) = &mut self.segment {
            segment.ahead = Vec::new();
            segment.used = 0;
        }
        match read {
            Err(error) if entries.is_empty() => Err(error),
            _ => Ok(entries),
        }
    }

    fn read(&mut self, durable: u64, most: usize, entries: &mut Vec<Entry>) -> Result<(), Error> {
        // One look is enough: a segment that appears later begins after what is durable now.
        let firsts = self.firsts()?;
        while self.position < durable && entries.len() < most {
            let expected = self.position + 1;
            let at = firsts.partition_point(|first| *first <= expected);
            let Some(first) = at.checked_sub(1).and_then(|at| firsts.get(at)) else {
                return Err(Error::Damage {
                    file: firsts.first().map_or_else(String::new, |first| segment_name(*first)),
                    offset: 0,
                    why: format!("seq {expected} comes before every segment there is"),
                });
            };
            let open = self.segment.take().filter(|segment| segment.first == *first);
            let mut segment = match open {
                Some(segment) => segment,
                None => self.open(*first)?,
            };
            let entry = segment.next(&self.disk, self.journal.unwrap_or_default());
            self.segment = Some(segment);
            let entry = entry?;
            // Entries before our place are read once, on the way to it.
            if entry.seq == expected {
                self.position = expected;
                entries.push(entry);
            }
        }
        Ok(())
    }

    /// The first seqs of the segments, ascending.
    fn firsts(&self) -> Result<Vec<u64>, Error> {
        let names = self.disk.list().map_err(io_error("list", "."))?;
        let mut firsts: Vec<u64> = names.iter().filter_map(|name| segment_first(name)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    fn open(&mut self, first: u64) -> Result<Segment, Error> {
        let name = segment_name(first);
        let bytes = self.disk.read_at(&name, 0, HEADER).map_err(io_error("read", &name))?;
        let damage = |why: &str| Error::Damage { file: name.clone(), offset: 0, why: why.into() };
        let header = match Header::decode(&bytes) {
            Head::Good(header) => header,
            Head::Version(version) => return Err(Error::Version { file: name, version }),
            Head::Bad => return Err(damage("the segment's header is bad")),
        };
        if header.first != first || *self.journal.get_or_insert(header.journal) != header.journal {
            return Err(damage("the segment's header belongs elsewhere"));
        }
        Ok(Segment { first, name, offset: HEADER as u64, seq: first, ahead: Vec::new(), used: 0 })
    }
}

impl Segment {
    /// Reads the entry at this place and goes behind it.
    fn next(&mut self, disk: &impl Disk, journal: u64) -> Result<Entry, Error> {
        let mut found = self.look(journal);
        if found.is_none() {
            self.fetch(disk, CHUNK)?;
            found = self.look(journal);
        }
        // An entry longer than a chunk says so itself, unless its length is nonsense.
        if found.is_none() && self.length() > self.ahead.len() {
            self.fetch(disk, self.length())?;
            found = self.look(journal);
        }
        let Some((entry, len)) = found else {
            let why = format!("seq {} was said to be durable, but it is not there", self.seq);
            return Err(Error::Damage { file: self.name.clone(), offset: self.offset, why });
        };
        self.used += len;
        self.offset += len as u64;
        self.seq += 1;
        Ok(entry)
    }

    fn look(&self, journal: u64) -> Option<(Entry, usize)> {
        Entry::decode(self.ahead.get(self.used..)?, journal).filter(|found| found.0.seq == self.seq)
    }

    fn fetch(&mut self, disk: &impl Disk, len: usize) -> Result<(), Error> {
        let read = disk.read_at(&self.name, self.offset, len);
        self.ahead = read.map_err(io_error("read", &self.name))?;
        self.used = 0;
        Ok(())
    }

    /// How long the entry at this place says it is, at most as long as an entry can be.
    fn length(&self) -> usize {
        let len = self.ahead.first_chunk().map_or(0, |len| u32::from_le_bytes(*len));
        usize::try_from(len).map_or(0, |len| len.saturating_add(8)).min(PREFIX + MAX_BODY)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Journal, Options, disk::fake::FakeDisk};
    use super::*;
    use crate::domain::time::At;

    const NOW: At = At(1_000);

    fn open(disk: &FakeDisk, segment_bytes: usize) -> Journal<FakeDisk> {
        let options = Options { segment_bytes, at_least: 0, journal: 9 };
        Journal::open(disk.clone(), options, NOW).unwrap()
    }

    fn write(journal: &mut Journal<FakeDisk>, entries: u64) -> u64 {
        for _ in 0..entries {
            journal.append(NOW, journal.durable().to_le_bytes().to_vec()).unwrap();
        }
        journal.commit().unwrap()
    }

    fn seqs(tail: &mut Tail<FakeDisk>, durable: u64, most: usize) -> Vec<u64> {
        tail.next(durable, most).unwrap().iter().map(|entry| entry.seq).collect()
    }

    #[test]
    fn every_entry_is_given_once_and_in_order_over_many_segments() {
        for most in [1, 3, 7, 100] {
            let disk = FakeDisk::default();
            let mut journal = open(&disk, 300);
            let mut tail = Tail::from(disk.clone(), 0);
            let mut seen = Vec::new();
            for round in 0..40 {
                let durable = write(&mut journal, 1 + round % 5);
                loop {
                    let some = seqs(&mut tail, durable, most);
                    assert!(some.len() <= most);
                    if some.is_empty() {
                        break;
                    }
                    seen.extend(some);
                }
            }
            assert_eq!(seen, (1..=journal.durable()).collect::<Vec<_>>());
            assert!(disk.list().unwrap().len() > 10, "many segments");
        }
    }

    #[test]
    fn nothing_beyond_what_is_durable_is_given() {
        let disk = FakeDisk::default();
        let mut journal = open(&disk, 4096);
        write(&mut journal, 9);
        let mut tail = Tail::from(disk, 0);
        assert_eq!(seqs(&mut tail, 4, 100), [1, 2, 3, 4]);
        assert_eq!(seqs(&mut tail, 4, 100), [0; 0]);
        assert_eq!(seqs(&mut tail, 9, 100), [5, 6, 7, 8, 9]);
    }

    #[test]
    fn what_was_half_written_at_the_first_look_is_read_again() {
        let disk = FakeDisk::default();
        let mut journal = open(&disk, 4096);
        write(&mut journal, 2);
        let whole = disk.read(&segment_name(1)).unwrap();
        write(&mut journal, 3);
        let written = disk.read(&segment_name(1)).unwrap();
        disk.tamper(&segment_name(1), |file| *file = whole);
        let mut tail = Tail::from(disk.clone(), 0);
        assert_eq!(seqs(&mut tail, 2, 100), [1, 2]);
        disk.tamper(&segment_name(1), |file| *file = written);
        assert_eq!(seqs(&mut tail, 5, 100), [3, 4, 5]);
    }

    #[test]
    fn after_any_seq_the_tail_goes_on_with_the_next() {
        let disk = FakeDisk::default();
        let mut journal = open(&disk, 300);
        for _ in 0..12 {
            write(&mut journal, 2);
        }
        for after in 0..=24 {
            let mut tail = Tail::from(disk.clone(), after);
            assert_eq!(seqs(&mut tail, 24, 100), (after + 1..=24).collect::<Vec<_>>());
            assert_eq!(tail.position(), 24);
        }
    }

    #[test]
    fn a_restart_between_two_steps_changes_nothing() {
        for (unsealed, cut) in [(1, 0), (5, 1), (9, 5)] {
            let disk = FakeDisk::default();
            let mut journal = open(&disk, 600);
            write(&mut journal, 3);
            write(&mut journal, unsealed);
            let mut tail = Tail::from(disk.clone(), 0);
            let mut seen = seqs(&mut tail, cut, 100);
            drop(journal);
            // The last batch is copied into a segment of its own, and a seal behind it.
            let mut journal = open(&disk, 600);
            let durable = write(&mut journal, 4);
            seen.extend(seqs(&mut tail, durable, 100));
            assert_eq!(seen, (1..=3 + unsealed + 1 + 4).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_a_later_segment_supersedes_is_never_given() {
        let disk = FakeDisk::default();
        let mut journal = open(&disk, 4096);
        write(&mut journal, 2);
        let mut long = Vec::new();
        let torn = Entry { seq: 4, durable: 2, at: NOW, seal: false, body: b"torn".to_vec() };
        assert!(torn.encode(9, &mut long));
        let end = HEADER + 2 * (PREFIX + 8);
        // Seq 3 was lost in the power cut, seq 4 of the same batch was not.
        disk.tamper(&segment_name(1), |file| {
            file[end + 49..end + 49 + long.len()].copy_from_slice(&long);
        });
        drop(journal);
        let mut journal = open(&disk, 4096);
        let durable = write(&mut journal, 3);
        let read = Tail::from(disk, 0).next(durable, 100).unwrap();
        assert_eq!(read.len() as u64, durable);
        assert!(read.iter().all(|entry| entry.body != b"torn"));
    }

    #[test]
    fn damage_is_named_with_its_place_after_all_before_it_was_given() {
        let disk = FakeDisk::default();
        let mut journal = open(&disk, 4096);
        write(&mut journal, 5);
        let third = HEADER + 2 * (PREFIX + 8);
        disk.tamper(&segment_name(1), |file| file[third + 20] ^= 1);
        let mut tail = Tail::from(disk.clone(), 0);
        assert_eq!(seqs(&mut tail, 5, 100), [1, 2]);
        for _ in 0..2 {
            let error = tail.next(5, 100).unwrap_err();
            let Error::Damage { file, offset, .. } = error else { panic!("{error}") };
            assert_eq!((file, offset), (segment_name(1), third as u64));
        }
        disk.tamper(&segment_name(1), |file| file[third + 20] ^= 1);
        assert_eq!(seqs(&mut tail, 5, 100), [3, 4, 5]);
    }

    #[test]
    fn a_missing_first_segment_is_damage() {
        let disk = FakeDisk::default();
        let mut journal = open(&disk, 200);
        for _ in 0..5 {
            write(&mut journal, 2);
        }
        disk.lose(&segment_name(1));
        let error = Tail::from(disk, 0).next(10, 100).unwrap_err();
        assert!(matches!(error, Error::Damage { .. }), "{error}");
    }

    #[test]
    fn following_reads_each_byte_a_few_times_at_most() {
        let disk = FakeDisk::default();
        let mut journal = open(&disk, 8 << 20);
        let mut tail = Tail::from(disk.clone(), 0);
        for _ in 0..10 {
            let durable = write(&mut journal, 10_000);
            assert_eq!(tail.next(durable, 20_000).unwrap().len(), 10_000);
        }
        let written = 100_000 * (PREFIX + 8);
        assert!(disk.state().bytes_read < 2 * written, "{}", disk.state().bytes_read);
    }

    #[test]
    fn an_entry_longer_than_what_is_read_at_a_time_is_whole() {
        let disk = FakeDisk::default();
        let mut journal = open(&disk, 4096);
        let long = vec![7; 3 * CHUNK];
        journal.append(NOW, long.clone()).unwrap();
        journal.append(NOW, vec![1]).unwrap();
        journal.commit().unwrap();
        let read = Tail::from(disk, 0).next(2, 100).unwrap();
        assert_eq!((read[0].body.len(), read[1].body.len()), (long.len(), 1));
    }
}
