//! The trail: what staff did and what they read of persons, one record a line (R-ROLE-1, R-AUDIT-1).
//!
//! # What always holds
//!
//! - Each record has the hash of the one before it, so that none can be changed, left out or put in between without
//!   changing all that come after. Its own hash is SHA-256 over all else that it says.
//! - A record is synced before what it tells of is answered; if it can't be written, nothing is answered.
//! - A line that a crash tore is cut off, and a record says so. Any other damage is named by its line and opens nothing.
//! - Several programs may write at once: each takes the file's lock, and goes on from where the others are.
//!
//! That the end was cut off a trail it can't show by itself: somebody else has to know a later [`Head`]. The store does,
//! and the files of a settlement.

mod check;
mod line;
#[cfg(test)]
mod tests;

pub use check::{Anchor, check, read_anchor};
pub use line::{Deed, Record};

use crate::clock::wall;
use crate::domain::{At, Hex};
use line::NONE_BEFORE;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long another program's turn is waited for.
const TURN: Duration = Duration::from_secs(2);
/// How long until it is looked for again.
const AGAIN: Duration = Duration::from_millis(5);

/// The last record of a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number, from 1.
    pub seq: u64,
    /// Its hash.
    pub hash: Hex<32>,
}

/// Why a trail can't be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The file can't be read or written.
    #[error("{file}: {error}", file = file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A line is not what was written.
    #[error(
        "{file}: line {line}: {why}. The trail was changed: keep the file for those who look into it, and put one that \
         is whole in its place",
        file = file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The first such line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// A trail that is written.
#[derive(Debug)]
pub struct Trail {
    path: PathBuf,
    end: Mutex<End>,
}

/// Where a trail ends, as far as this process has read it.
#[derive(Debug)]
struct End {
    file: File,
    /// Bytes that were read and are sound.
    bytes: u64,
    /// The first record's hash: what the trail is known by.
    first: Option<Hex<32>>,
    head: Option<Head>,
    /// Whether a write failed: what the file has then is not known before it is opened again.
    failed: bool,
}

impl Trail {
    /// Opens the trail in `path`, or begins one; all of it is looked at.
    pub fn open(path: &Path) -> Result<Trail, TrailError> {
        let io = |error| TrailError::Io { file: path.to_owned(), error };
        let mut options = OpenOptions::new();
        let file = options.create(true).read(true).append(true).open(path).map_err(io)?;
        if let Some(folder) = path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder).and_then(|it| it.sync_all()).map_err(io)?;
        }
        let end = End { file, bytes: 0, first: None, head: None, failed: false };
        let trail = Trail { path: path.to_owned(), end: Mutex::new(end) };
        trail.locked(|end| trail.catch_up(end))?;
        Ok(trail)
    }

    /// The last record; `None` if there is none yet.
    pub fn head(&self) -> Option<Head> {
        self.end.lock().head
    }

    /// What the trail is known by: its first record's hash.
    pub fn id(&self) -> Option<Hex<32>> {
        self.end.lock().first
    }

    /// Writes down that `who` did something to `object`; durable when it returns.
    pub fn add(&self, who: &str, what: Deed, object: &str) -> Result<Head, TrailError> {
        self.locked(|end| {
            self.catch_up(end)?;
            self.append(end, &[(who, what, object)])
        })
    }

    /// Must be called before `who` of the staff is shown what `object` says of persons; without its yes nothing is shown.
    pub fn read_of_persons(&self, who: &str, object: &str) -> Result<Head, TrailError> {
        self.add(who, Deed::Read, object)
    }

    fn locked<T>(
        &self,
        work: impl FnOnce(&mut End) -> Result<T, TrailError>,
    ) -> Result<T, TrailError> {
        let mut end = self.end.lock();
        if end.failed {
            let error = io::Error::other("a record could not be written: start again");
            return Err(self.io(error));
        }
        // Nothing was written, so it may be tried again.
        self.take_turn(&end.file)?;
        let done = work(&mut end);
        let unlocked = end.file.unlock();
        if matches!(done, Err(TrailError::Io { .. })) {
            end.failed = true;
        }
        unlocked.map_err(|error| self.io(error))?;
        done
    }

    /// Takes the file's lock, which others have for a moment only: whoever has it for longer keeps nobody from stopping.
    fn take_turn(&self, file: &File) -> Result<(), TrailError> {
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(error)) => return Err(self.io(error)),
                Err(TryLockError::WouldBlock) if start.elapsed() >= TURN => {
                    return Err(self.io(io::Error::other("another program has locked it")));
                }
                Err(TryLockError::WouldBlock) => sleep(AGAIN),
            }
        }
    }

    /// Reads on to the end; what is torn there is cut off.
    fn catch_up(&self, end: &mut End) -> Result<(), TrailError> {
        let there = end.file.metadata().map_err(|error| self.io(error))?.len();
        if there < end.bytes {
            let line = end.head.map_or(1, |head| head.seq);
            return Err(self.damaged(line, "its end was cut off".to_owned()));
        }
        let mut more = Vec::new();
        end.file.seek(SeekFrom::Start(end.bytes)).map_err(|error| self.io(error))?;
        end.file.read_to_end(&mut more).map_err(|error| self.io(error))?;
        let mut lines = line::Lines::after(end.head, &more);
        while let Some(read) = lines.next_line() {
            let record = read.map_err(|(line, why)| self.damaged(line, why))?;
            end.first.get_or_insert(record.hash);
            end.head = Some(record.head());
        }
        end.bytes += lines.sound();
        let torn = lines.torn();
        if torn.is_empty() {
            return Ok(());
        }
        tracing::error!(file = %self.path.display(), bytes = torn.len(), "the trail's last line was torn");
        end.file.set_len(end.bytes).map_err(|error| self.io(error))?;
        let what = format!("{} bytes of a line that was torn: {}", torn.len(), line::sha256(torn));
        self.append(end, &[("quan", Deed::Mended, &what)]).map(drop)
    }

    fn append(&self, end: &mut End, all: &[(&str, Deed, &str)]) -> Result<Head, TrailError> {
        let mut head = end.head.unwrap_or(NONE_BEFORE);
        for (who, what, object) in all {
            let record = Record::after(head, wall(), who, *what, object);
            let text = record.line().map_err(|error| self.io(error))?;
            end.file.write_all(text.as_bytes()).map_err(|error| self.io(error))?;
            end.bytes += text.len() as u64;
            head = record.head();
            end.first.get_or_insert(head.hash);
        }
        end.file.sync_data().map_err(|error| self.io(error))?;
        end.head = Some(head);
        Ok(head)
    }

    fn io(&self, error: io::Error) -> TrailError {
        TrailError::Io { file: self.path.clone(), error }
    }

    fn damaged(&self, line: u64, why: String) -> TrailError {
        TrailError::Damaged { file: self.path.clone(), line, why }
    }
}

/// The head of the trail in a data folder, for a settlement's manifest; `None` if there is no trail, or nothing in it.
/// All of it is looked at.
pub fn head(path: &Path) -> Result<Option<Head>, TrailError> {
    if !path.exists() {
        return Ok(None);
    }
    Trail::open(path).map(|trail| trail.head())
}

/// A record's instant as it is shown.
impl Record {
    /// When it was written, by this machine's clock.
    pub fn at(&self) -> At {
        self.at
    }
}
