//! A copy of a data folder whose server may run, from which another one starts.
//!
//! # What always holds
//!
//! - The store and the snapshots are copied before the journal, so the journal is ahead of them, as a start demands.
//! - The store's copy is carried on to the end of the journal's, so that both are of one instant.
//! - The journal's copy is read to its end before it counts. A server appends while it is copied, so its last batch may
//!   be there in part: that is a torn tail, which a start cuts. What looks like damage is copied once more, and is
//!   damage if it is there again.
//! - The trail and the decisions are copied after the store, which knows how far the trail is.
//! - A folder that holds something is not written into; `backup.json` comes last, and without it there is no backup.

use crate::data::DataFolder;
use crate::drain::{self, AtRest, Drain, Step};
use crate::ledger::journal::{self, Folder, Reader, entry::segment_first};
use crate::store::{self, LogNo, Store, StoreUrl};
use serde::Serialize;
use std::{fs, io, path::Path, path::PathBuf};

/// How often what looks like damage is copied.
const TRIES: u32 = 4;

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// The last entry of the journal; 0 if there is none here, as in a node's folder.
    pub journal_seq: u64,
    /// The last entry of the store, as the journal's; `None` if there is none here.
    pub store_seq: Option<u64>,
    /// How many files there are.
    pub files: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("{}: neither a journal nor a node's acks are here", .0.display())]
    Nothing(PathBuf),
    /// The folder it goes to holds something.
    #[error("{}: it is not empty: a backup goes into a folder of its own", .0.display())]
    NotEmpty(PathBuf),
    /// A file can't be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The journal is damaged, or can't be read.
    #[error("the journal: {0}")]
    Journal(#[from] journal::Error),
    /// The store can't be copied.
    #[error("the store: {0}")]
    Store(#[from] store::Error),
    /// The store's copy does not go on with the journal: it is not of it, or was altered.
    #[error("the store does not go on with the journal; move it away, it is made again: {0}")]
    Drain(#[from] drain::Error),
    /// The journal's copy ends before what the store has.
    #[error("the journal's copy ends at {journal}, the store's has {store} entries")]
    Behind {
        /// The journal's last entry.
        journal: u64,
        /// The store's.
        store: u64,
    },
}

/// Copies the data folder `from` into `to`, which is empty or not there.
pub async fn backup(from: &Path, to: &Path) -> Result<Backup, BackupError> {
    let (source, target) = (DataFolder::at(from), DataFolder::at(to));
    if !source.journal().is_dir() && !source.acks().is_dir() {
        return Err(BackupError::Nothing(from.to_owned()));
    }
    make(to)?;
    if fs::read_dir(to).map_err(at(to))?.next().is_some() {
        return Err(BackupError::NotEmpty(to.to_owned()));
    }
    let mut files = 0;
    let has_store = source.store().exists();
    if has_store {
        copy_store(&source.store(), &target.store()).await?;
        files += 1;
    }
    // A snapshot has its name once it is whole; one that is let go of meanwhile is not needed.
    files +=
        copy_all(&source.snapshots(), &target.snapshots(), |name| name.ends_with(".snapshot"))?;
    let (mut journal_seq, mut segments) = (0, 0);
    if source.journal().is_dir() {
        (journal_seq, segments) = copy_journal(&source.journal(), &target.journal())?;
    }
    files += segments;
    let store_seq =
        if has_store && source.journal().is_dir() { Some(carry_on(&target).await?) } else { None };
    if let Some(store) = store_seq.filter(|it| *it > journal_seq) {
        return Err(BackupError::Behind { journal: journal_seq, store });
    }
    files += copy_acks(&source.acks(), &target.acks())?;
    files += copy_tree(&source.merchants(), &target.merchants())?;
    files += u64::from(copy(&source.node(), &target.node())?);
    // Lines are appended meanwhile; of the last one a part may be there.
    for (from, to) in [(source.decisions(), target.decisions()), (source.trail(), target.trail())] {
        files += u64::from(copy_lines(&from, &to)?);
    }
    let backup = Backup { journal_seq, store_seq, files };
    let done = to.join("backup.json");
    let mut bytes = serde_json::to_vec_pretty(&backup).unwrap_or_default();
    bytes.push(b'\n');
    write(&done, &bytes)?;
    sync(to)?;
    Ok(backup)
}

/// By SQLite's own means: a whole store as it was at one instant.
async fn copy_store(from: &Path, to: &Path) -> Result<(), BackupError> {
    let store = Store::open(&StoreUrl::File(from.to_owned())).await?;
    let copied = store.copy_to(to).await;
    store.close().await;
    Ok(copied?)
}

/// Brings the store's copy to the end of the journal's, so that the two are of one instant. Gives that.
async fn carry_on(target: &DataFolder) -> Result<u64, BackupError> {
    let disk = Folder::open(&target.journal()).map_err(at(&target.journal()))?;
    let store = Store::open(&StoreUrl::File(target.store())).await?;
    let source = |seq| Ok(AtRest::new(&disk, seq)?);
    let mut drain = Drain::open(store.clone(), LogNo::EMBEDDED, source).await?;
    while drain.step().await? != Step::Empty {}
    let seq = drain.status().seq();
    store.close().await;
    fs::File::open(target.store()).and_then(|it| it.sync_all()).map_err(at(&target.store()))?;
    Ok(seq)
}

/// Gives the last entry, and how many files there are.
fn copy_journal(from: &Path, to: &Path) -> Result<(u64, u64), BackupError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let files = copy_all(from, to, |name| segment_first(name).is_some())?;
        let folder = Folder::open(to).map_err(at(to))?;
        match read_through(&folder) {
            Ok(seq) => return Ok((seq, files)),
            Err(journal::Error::Damage { .. }) if tries < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_through(folder: &Folder) -> Result<u64, journal::Error> {
    let mut reader = Reader::all(folder)?;
    for entry in reader.by_ref() {
        entry?;
    }
    Ok(reader.end())
}

/// A node's acks: a journal in each folder of it.
fn copy_acks(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let mut files = 0;
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        files += if from.is_dir() { copy_journal(&from, &to)?.1 } else { 0 };
    }
    Ok(files)
}

/// Copies the files of a folder whose name is good. In the order of their names, so that a journal's last segment,
/// which is being written, comes last.
fn copy_all(from: &Path, to: &Path, good: impl Fn(&str) -> bool) -> Result<u64, BackupError> {
    let mut files = 0;
    let mut names = names(from)?;
    names.retain(|name| good(name));
    names.sort_unstable();
    for name in names {
        make(to)?;
        files += u64::from(copy(&from.join(&name), &to.join(&name))?);
    }
    if files > 0 {
        sync(to)?;
    }
    Ok(files)
}

/// The names in a folder; none if it is not there.
fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let list = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        list => list.map_err(at(folder))?,
    };
    let mut names = Vec::new();
    for item in list {
        names.extend(item.map_err(at(folder))?.file_name().into_string());
    }
    Ok(names)
}

fn copy_tree(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let mut files = copy_all(from, to, |name| from.join(name).is_file())?;
    for name in names(from)?.iter().filter(|name| from.join(name).is_dir()) {
        files += copy_tree(&from.join(name), &to.join(name))?;
    }
    Ok(files)
}

/// Copies all lines that are whole. Whether there was such a file.
fn copy_lines(from: &Path, to: &Path) -> Result<bool, BackupError> {
    let bytes = match fs::read(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        read => read.map_err(at(from))?,
    };
    let end = bytes.iter().rposition(|it| *it == b'\n').map_or(0, |last| last + 1);
    write(to, bytes.get(..end).unwrap_or_default()).map(|()| true)
}

/// Whether there was such a file.
fn copy(from: &Path, to: &Path) -> Result<bool, BackupError> {
    match fs::read(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        read => write(to, &read.map_err(at(from))?).map(|()| true),
    }
}

fn write(to: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    fs::write(to, bytes).and_then(|()| fs::File::open(to)?.sync_all()).map_err(at(to))
}

fn make(folder: &Path) -> Result<(), BackupError> {
    fs::create_dir_all(folder).map_err(at(folder))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    fs::File::open(folder).and_then(|it| it.sync_all()).map_err(at(folder))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    move |error| BackupError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests;
