//! The journal: an append-only list of entries on disk that survives a power cut.
//!
//! A folder holds a lock file and segments, each named by the first seq it holds
//! (`00000000000000000001.journal`). A segment is zero-filled to its full size, synced under a
//! temporary name, renamed, and its folder synced, before it takes entries. All numbers are
//! little-endian. Format version 1:
//!
//! ```text
//! segment   0        8         12        20       28     32
//!           | magic  | version | journal | first  | crc  | entries ... zeros
//!           | 8 bytes| u32     | u64     | u64    | u32  |
//!
//! entry     0     4     8         16    24        32    40     41
//!           | len | crc | journal | seq | durable | at  | kind | body ...
//!           | u32 | u32 | u64     | u64 | u64     | i64 | u8   | opaque
//! ```
//!
//! A segment's `crc` covers all before it; an entry's covers all after it, and `len` counts those
//! bytes. `journal` is the same random number in all of a folder. `seq` starts at 1 and has no gap.
//! `durable` is the highest seq known to be synced when the entry was written. `kind` is 0 for an
//! entry, 1 for a seal, which has no body.
//!
//! The rule of recovery, at the first bad record, where seq s was expected: if a later valid entry
//! names a durable seq >= s, or a later segment begins (it is made only when all before it is
//! synced), s was lost after it was synced: that is damage, and the journal does not open.
//! Otherwise s was never acknowledged and the tail is torn: it is cut.
//!
//! A segment's contents end where the next one's first seq begins. So recovery cuts nothing in
//! place: it copies what follows the last proven seq into a fresh segment and seals it there.

pub mod disk;
pub mod entry;
pub mod reader;
pub mod recovery;
pub mod tail;
pub mod writer;

pub use disk::{Disk, DiskFile, Folder};
pub use entry::Entry;
pub use reader::Reader;
pub use recovery::Options;
pub use tail::Tail;
pub use writer::Journal;

use std::{fmt, io, sync::Arc};

/// Why the journal said no.
#[derive(Clone, Debug)]
pub enum Error {
    /// Another process (or another part of this one) has the folder.
    Locked,
    /// The disk failed while the journal was read or opened.
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        file: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The disk failed while writing, now or earlier: what is pending is unknown, nothing is
    /// written any more. Only a restart helps.
    Poisoned {
        /// What was being done when it failed.
        doing: &'static str,
        /// To which file.
        file: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Something that was durable is not there any more.
    Damage {
        /// The file.
        file: String,
        /// The byte of the first bad record.
        offset: u64,
        /// What was expected there, or how it is known to be lost.
        why: String,
    },
    /// A segment of a format this version does not read.
    Version {
        /// The file.
        file: String,
        /// Its format version.
        version: u32,
    },
    /// The journal ends before a seq that somebody has already seen.
    Behind {
        /// The last seq there is.
        end: u64,
        /// The seq there should be.
        at_least: u64,
        /// The file in which the journal ends, if there is one.
        file: String,
        /// The byte at which it ends.
        offset: u64,
    },
    /// The body is too long for an entry.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Locked => write!(f, "the data folder is in use by another process"),
            Error::Io { doing, file, source } => write!(f, "journal: {doing} {file}: {source}"),
            Error::Poisoned { doing, file, source } => {
                write!(f, "journal stopped, restart needed: {doing} {file} failed: {source}")
            }
            Error::Damage { file, offset, why } => {
                write!(f, "journal damaged: {file} at byte {offset}: {why}")
            }
            Error::Version { file, version } => {
                write!(f, "{file}: journal format {version} is not known here")
            }
            Error::Behind { end, at_least, file, offset } => write!(
                f,
                "journal ends at seq {end} ({file} at byte {offset}) but seq {at_least} is known"
            ),
            Error::TooLong { bytes } => write!(f, "a body of {bytes} bytes is too long"),
        }
    }
}

impl std::error::Error for Error {}

/// Names what was being done to which file when the disk failed.
fn io_error(doing: &'static str, file: &str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { doing, file: file.to_owned(), source: Arc::new(source) }
}

#[cfg(test)]
mod tests;
