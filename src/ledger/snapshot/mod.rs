//! The machine's state in one file, so that a start need not apply every event again.
//!
//! Built from sealed segments only, by whoever has the time: the writer is neither asked nor
//! slowed down. What a snapshot holds is durable in the journal, which stays the truth; a
//! snapshot that is missing or bad costs a longer start and nothing else.
//!
//! `snapshot/<seq, 20 digits>.snapshot`, version 6; numbers are little-endian:
//!
//! ```text
//! 0        8         12        20    28       36
//! | magic  | version | journal | seq | length | body ... | crc |
//! | 8 bytes| u32     | u64     | u64 | u64    |          | u32 |
//! ```
//!
//! `journal` is the journal's random number, `seq` the last entry in the state, `length` the
//! body's, `body` the machine in postcard; `crc` covers all before it.

mod file;
#[cfg(test)]
mod tests;
pub mod thread;

pub use file::VERSION;

use super::event::codec;
use super::journal::{self, Disk, DiskFile, Reader};
use super::machine::Machine;
use std::{fmt, io};

/// The name of a file that is no snapshot yet. A leftover is overwritten.
const FRESH: &str = "fresh.tmp";
/// So many snapshots are kept.
const KEPT: usize = 2;

/// The state after an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The journal's random number.
    pub journal: u64,
    /// The last entry that is in the state.
    pub seq: u64,
    /// The state.
    pub machine: Machine,
}

/// Why a snapshot is not used.
#[derive(Debug)]
pub enum Fault {
    /// It can't be read.
    Io(io::Error),
    /// It is of a format that this version does not read.
    Version(u32),
    /// It is not whole.
    Damaged,
    /// It is of another journal.
    Elsewhere,
}

/// A snapshot that was passed over.
#[derive(Debug)]
pub struct Warning {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not used: ", self.file)?;
        match &self.fault {
            Fault::Io(error) => error.fmt(f),
            Fault::Version(version) => write!(f, "snapshot format {version} is not known here"),
            Fault::Damaged => write!(f, "it is damaged"),
            Fault::Elsewhere => write!(f, "it belongs to another journal"),
        }
    }
}

/// Why no snapshot was made.
#[derive(Debug)]
pub enum Error {
    /// The journal can't be read.
    Journal(journal::Error),
    /// An entry is not in a format known here.
    Foreign {
        /// The entry.
        seq: u64,
    },
    /// The state can't be written as bytes.
    Encode(postcard::Error),
    /// The snapshot's folder failed.
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Journal(error) => error.fmt(f),
            Error::Foreign { seq } => write!(f, "entry {seq} is not in a format known here"),
            Error::Encode(error) => write!(f, "the state can't be written as bytes: {error}"),
            Error::Io { doing, source } => write!(f, "snapshot: {doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {}

/// The newest sound snapshot of `journal` (of any journal if it is 0), and what was passed over.
pub fn newest<D: Disk>(folder: &D, journal: u64) -> io::Result<(Option<Snapshot>, Vec<Warning>)> {
    let mut warnings = Vec::new();
    for seq in seqs(folder)?.into_iter().rev() {
        let file = file::name(seq);
        match read(folder, &file, seq, journal) {
            Ok(snapshot) => return Ok((Some(snapshot), warnings)),
            Err(fault) => warnings.push(Warning { file, fault }),
        }
    }
    Ok((None, warnings))
}

/// Makes a snapshot in `folder` of all sealed segments of the journal in `log`, goes on from the
/// newest one there is, and keeps the last two. Gives its seq, or `None` if it would say nothing
/// new.
///
/// # Panics
///
/// If the log's events contradict each other, as [`Machine::apply`] does.
pub fn take<D: Disk, F: Disk>(log: &D, folder: &F) -> Result<Option<u64>, Error> {
    let mut reader = Reader::sealed(log).map_err(Error::Journal)?;
    let Some(first) = reader.next().transpose().map_err(Error::Journal)? else { return Ok(None) };
    let journal = reader.journal().unwrap_or_default();
    let newest = newest(folder, journal).map_err(|source| Error::Io { doing: "list", source })?.0;
    let start = newest.map_or((Machine::default(), 0), |newest| (newest.machine, newest.seq));
    let (mut machine, from) = start;
    for entry in std::iter::once(Ok(first)).chain(reader.by_ref()) {
        let entry = entry.map_err(Error::Journal)?;
        if entry.seq <= from || entry.seal {
            continue;
        }
        let foreign = Error::Foreign { seq: entry.seq };
        for event in codec::decode(&entry.body).ok_or(foreign)? {
            machine.apply(&event, entry.at);
        }
    }
    let seq = reader.end();
    if seq <= from {
        return Ok(None);
    }
    write(folder, &Snapshot { journal, seq, machine })?;
    Ok(Some(seq))
}

/// Makes `snapshot` durable under its name, then lets go of those too old.
pub fn write<F: Disk>(folder: &F, snapshot: &Snapshot) -> Result<(), Error> {
    let bytes = file::encode(snapshot).map_err(Error::Encode)?;
    let io = |doing| move |source| Error::Io { doing, source };
    let file = folder.create(FRESH).map_err(io("create"))?;
    file.write_at(&bytes, 0).map_err(io("write"))?;
    file.sync().map_err(io("sync"))?;
    folder.rename(FRESH, &file::name(snapshot.seq)).map_err(io("rename"))?;
    folder.sync_dir().map_err(io("sync folder"))?;
    let seqs = seqs(folder).map_err(io("list"))?;
    for seq in seqs.iter().rev().skip(KEPT) {
        folder.remove(&file::name(*seq)).map_err(io("remove"))?;
    }
    Ok(())
}

/// The seqs of the snapshots in `folder`, ascending.
fn seqs<D: Disk>(folder: &D) -> io::Result<Vec<u64>> {
    let mut seqs: Vec<u64> = folder.list()?.iter().filter_map(|name| file::seq_of(name)).collect();
    seqs.sort_unstable();
    Ok(seqs)
}

fn read<D: Disk>(folder: &D, name: &str, seq: u64, journal: u64) -> Result<Snapshot, Fault> {
    let snapshot = file::decode(&folder.read(name).map_err(Fault::Io)?)?;
    match snapshot {
        Snapshot { seq: stated, .. } if stated != seq => Err(Fault::Damaged),
        Snapshot { journal: stated, .. } if journal != 0 && stated != journal => {
            Err(Fault::Elsewhere)
        }
        snapshot => Ok(snapshot),
    }
}
