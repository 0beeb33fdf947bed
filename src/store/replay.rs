//! A store made again from nothing but the journal.

use super::{SHARD, Store};
use crate::drain::{AtRest, Drain, Error, Step};
use crate::ledger::journal::Folder;
use std::{io, path::Path};

/// Why there is no new store.
#[derive(Debug)]
pub enum ReplayError {
    /// There is a file of that name.
    Exists,
    /// The journal's folder can't be opened.
    Folder(io::Error),
    /// The new file can't be made.
    Store(super::Error),
    /// An entry does not get into it.
    Drain(Error),
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReplayError::Exists => write!(f, "the new store's file is there already"),
            ReplayError::Folder(error) => write!(f, "the journal's folder: {error}"),
            ReplayError::Store(error) => error.fmt(f),
            ReplayError::Drain(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Folds the journal in `folder`, which nobody may be writing, into a new store at `file`. Gives
/// the last seq that is in it.
pub async fn replay(folder: &Path, file: &Path) -> Result<u64, ReplayError> {
    if file.exists() {
        return Err(ReplayError::Exists);
    }
    if !folder.is_dir() {
        return Err(ReplayError::Folder(io::ErrorKind::NotFound.into()));
    }
    let disk = Folder::open(folder).map_err(ReplayError::Folder)?;
    let store = Store::open(file).await.map_err(ReplayError::Store)?;
    let drain = Drain::open(store.clone(), SHARD, |seq| AtRest::new(&disk, seq));
    let mut drain = drain.await.map_err(ReplayError::Drain)?;
    while drain.step().await.map_err(ReplayError::Drain)? != Step::Empty {}
    let seq = drain.status().seq();
    store.close().await;
    Ok(seq)
}
