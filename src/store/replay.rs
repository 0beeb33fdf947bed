//! A store made again from nothing but what it is a copy of.

use super::{LogNo, Store, StoreUrl};
use crate::drain::{AtRest, Drain, Error, Handed, Step};
use crate::ledger::journal::{Entry, Folder};
use std::{io, path::Path};

/// Entries read from a store at a time.
const PAGE: usize = 5_000;

/// Why there is no new store.
#[derive(Debug)]
pub enum ReplayError {
    /// There is a file of that name.
    Exists,
    /// The journal's folder can't be opened.
    Folder(io::Error),
    /// The new file can't be made, or the old store not be read.
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
    let store = Store::open(&StoreUrl::from(file)).await.map_err(ReplayError::Store)?;
    let source = |seq| Ok(AtRest::new(&disk, seq)?);
    let drain = Drain::open(store.clone(), LogNo::EMBEDDED, source);
    let mut drain = drain.await.map_err(ReplayError::Drain)?;
    while drain.step().await.map_err(ReplayError::Drain)? != Step::Empty {}
    let seq = drain.status().seq();
    store.close().await;
    Ok(seq)
}

/// Folds the entries of a store that nobody is writing into the empty store `into`, log by log.
pub async fn replay_events(of: &Store, into: &Store) -> Result<(), ReplayError> {
    for (log, end) in of.logs().await.map_err(ReplayError::Store)? {
        let drain = Drain::open(into.clone(), log, |_| Ok(Handed::default())).await;
        let mut drain = drain.map_err(ReplayError::Drain)?;
        let mut seq = 0;
        loop {
            let page = of.events_after(log, seq, PAGE).await.map_err(ReplayError::Store)?;
            let more = page.len() == PAGE;
            for record in page {
                seq = record.seq;
                let (durable, at, body) = (seq.saturating_sub(1), record.at, record.body);
                drain.source.push(Entry { seq, durable, at, seal: false, body });
            }
            if !more && seq < end {
                // What has no row was a seal.
                let at = crate::domain::At(0);
                drain.source.push(Entry {
                    seq: end,
                    durable: seq,
                    at,
                    seal: true,
                    body: Vec::new(),
                });
            }
            while drain.step().await.map_err(ReplayError::Drain)? != Step::Empty {}
            if !more {
                break;
            }
        }
    }
    Ok(())
}
