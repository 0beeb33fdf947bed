//! Whole segment files, one after the other as one input.
//!
//! Of a damaged journal nothing may be read that was not written, and nothing may be left out that is known
//! to have been durable by an entry that is whole. Opening it, following it and auditing it stops nothing.

use super::Target;
use super::disk::Memory;
use super::log::{JOURNAL, SEGMENT, journal};
use quan::audit::audit;
use quan::domain::At;
use quan::ledger::event::codec;
use quan::ledger::journal::entry::{HEADER, Head, Header, segment_first, segment_name};
use quan::ledger::journal::{Entry, Error, Journal, Options, Reader, Tail};

struct Good {
    bytes: Vec<u8>,
    firsts: Vec<u64>,
    /// Each entry and where its bytes are in the input.
    entries: Vec<(Entry, std::ops::Range<usize>)>,
}

pub(crate) fn target() -> Target {
    let good = good();
    let seeds = vec![good.bytes.clone()];
    Target { seeds, look: Box::new(move |input| look(&good, input)) }
}

fn good() -> Good {
    let files = journal().all();
    let mut good = Good { bytes: Vec::new(), firsts: Vec::new(), entries: Vec::new() };
    for (name, bytes) in files {
        let Some(first) = segment_first(&name) else { continue };
        assert_eq!(bytes.len(), SEGMENT, "{name}");
        let (start, mut at) = (good.bytes.len(), HEADER);
        while let Some((entry, length)) = Entry::decode(&bytes[at..], JOURNAL) {
            good.entries.push((entry, start + at..start + at + length));
            at += length;
        }
        good.firsts.push(first);
        good.bytes.extend(bytes);
    }
    assert!(good.firsts.len() > 1, "a journal of one segment shows less");
    good
}

/// The input as a folder: as many segments under their names as there were, what is more under its own.
fn folder(good: &Good, input: &[u8]) -> Memory {
    let files = input.chunks(SEGMENT).enumerate().filter_map(|(at, bytes)| {
        let stated = || match Header::decode(bytes) {
            Head::Good(header) => Some(header.first),
            _ => None,
        };
        let first = good.firsts.get(at).copied().or_else(stated)?;
        Some((segment_name(first), bytes.to_vec()))
    });
    Memory::with(files)
}

fn look(good: &Good, input: &[u8]) -> String {
    let disk = folder(good, input);
    let (entries, error) = read(&disk);
    for entry in &entries {
        let written = good.entries.iter().any(|(written, _)| written == entry);
        assert!(written, "seq {} was never written so", entry.seq);
    }
    if error.is_none() {
        let last = entries.last().map_or(0, |entry| entry.seq);
        let durable = durable(good, input);
        assert!(last >= durable, "seq {durable} was durable and only {last} are read");
    }
    follow(good, &disk);
    reopen(&disk, &entries, error.as_ref());
    resealed(good, input);
    match error {
        Some(error) => kind_of(&error),
        None if input == good.bytes => "good".into(),
        None => format!("cut after {}", entries.len()),
    }
}

fn read(disk: &Memory) -> (Vec<Entry>, Option<Error>) {
    let mut entries = Vec::new();
    for item in Reader::all(disk).unwrap() {
        match item {
            Ok(entry) => entries.push(entry),
            Err(error) => return (entries, Some(error)),
        }
    }
    (entries, None)
}

/// The highest seq that the entries and headers before and after the damage say was durable.
fn durable(good: &Good, input: &[u8]) -> u64 {
    if input.len() != good.bytes.len() {
        return 0;
    }
    let differs = |at: &usize| input[*at] != good.bytes[*at];
    let Some(from) = (0..input.len()).find(differs) else {
        return good.entries.last().map_or(0, |(entry, _)| entry.seq);
    };
    let to = (0..input.len()).rfind(differs).unwrap_or(from);
    let whole = good.entries.iter().filter(|(_, place)| place.end <= from || place.start > to);
    let said = whole.map(|(entry, _)| entry.durable);
    let begun = good.firsts.iter().enumerate().filter(|(at, _)| {
        let head = at * SEGMENT..at * SEGMENT + HEADER;
        head.end <= from || head.start > to
    });
    said.chain(begun.map(|(_, first)| first - 1)).max().unwrap_or(0)
}

/// Following it shows what was written, or an error.
fn follow(good: &Good, disk: &Memory) {
    let end = good.entries.last().map_or(0, |(entry, _)| entry.seq);
    let mut tail = Tail::from(disk.clone(), 0);
    while let Ok(entries) = tail.next(end, 3) {
        let Some(last) = entries.last() else { break };
        assert_eq!(tail.position(), last.seq);
        for entry in entries {
            let written = good.entries.iter().any(|(written, _)| *written == entry);
            assert!(written, "seq {} was never written so", entry.seq);
        }
    }
}

/// Opening it keeps all that could be read, and opens if that could be read without an error.
fn reopen(disk: &Memory, before: &[Entry], error: Option<&Error>) {
    let options = Options { segment_bytes: SEGMENT, at_least: 0, journal: JOURNAL };
    let disk = Memory::with(disk.all());
    if Journal::open(disk.clone(), options, At(10_000)).is_err() {
        assert!(error.is_some(), "what can be read can be opened");
        return;
    }
    assert!(error.is_none(), "what can't be read was opened");
    let (after, error) = read(&disk);
    assert!(error.is_none(), "{error:?}");
    assert!(after.starts_with(before), "an entry was lost by opening");
    assert!(after.len() <= before.len() + 1, "there is more than was written and a seal");
}

/// The damage once more with checksums that fit: what a program with a fault of its own might have written.
/// It may say anything now, but must not stop the program.
fn resealed(good: &Good, input: &[u8]) {
    let mut bytes = input.to_vec();
    for (_, place) in &good.entries {
        if let Some(entry) = bytes.get_mut(place.clone()) {
            let crc = crc32fast::hash(&entry[8..]);
            entry[4..8].copy_from_slice(&crc.to_le_bytes());
        }
    }
    for at in 0..good.firsts.len() {
        if let Some(head) = bytes.get_mut(at * SEGMENT..at * SEGMENT + HEADER) {
            let crc = crc32fast::hash(&head[..HEADER - 4]);
            head[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
        }
    }
    let disk = folder(good, &bytes);
    let (entries, _) = read(&disk);
    for entry in &entries {
        let _ = codec::decode(&entry.body);
    }
    let _ = audit(Reader::all(&disk).unwrap(), None);
    let options = Options { segment_bytes: SEGMENT, at_least: 0, journal: JOURNAL };
    let _ = Journal::open(disk, options, At(10_000));
}

/// The error without its numbers.
fn kind_of(error: &Error) -> String {
    error.to_string().chars().filter(|it| !it.is_ascii_digit()).collect()
}
