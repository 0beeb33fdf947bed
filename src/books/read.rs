//! Where the books are made from: the journal of a data folder, or a store's entries and beyond them Redis.
//!
//! Nothing is written, and a server may run: what it appends meanwhile is in the books or not.

use super::{Books, Contradiction};
use crate::data::DataFolder;
use crate::domain::At;
use crate::ledger::journal::{self, Disk, Entry, Folder, Reader, entry::segment_first};
use crate::ledger::redis::inspection::Inspection;
use crate::ledger::redis::keys::Place;
use crate::ledger::redis::{RedisUrl, Unreachable};
use crate::store::{self, LogNo, Store, StoreUrl};
use std::{collections::BTreeSet, io, path::Path, path::PathBuf};

/// Entries read from a store at a time.
const PAGE: usize = 5_000;

/// Where the logs are.
#[derive(Clone, Debug)]
pub enum Source {
    /// A data folder, with its journal and store.
    Folder(PathBuf),
    /// A store that nodes share, and the ledger whose entries may be ahead of it.
    Elsewhere {
        /// The ledger; without it what the store has is all.
        ledger: Option<RedisUrl>,
        /// The store.
        store: StoreUrl,
    },
}

/// How far the books go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// To the end.
    #[default]
    End,
    /// All that was made at this instant or before.
    At(At),
    /// To this entry of a journal, which is in.
    Seq(u64),
}

impl Cut {
    fn has(self, entry: &Entry) -> bool {
        match self {
            Cut::End => true,
            Cut::At(at) => entry.at <= at,
            Cut::Seq(seq) => entry.seq <= seq,
        }
    }
}

/// Why there are no books.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no journal in the folder.
    #[error("{}: there is no journal here", .0.display())]
    NoJournal(PathBuf),
    /// There is no such file.
    #[error("{}: there is no store here", .0.display())]
    NoStore(PathBuf),
    /// The store is a copy of a journal, which is what counts.
    #[error("this store is a data folder's: name the folder")]
    Embedded,
    /// Several logs have no common numbers.
    #[error("an entry's number says nothing of several logs: name an instant")]
    NoSeq,
    /// The journal ends before the entry.
    #[error("the journal ends at seq {0}")]
    Ends(u64),
    /// The folder can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The store can't be read.
    #[error("the store: {0}")]
    Store(#[from] store::Error),
    /// Redis can't be read.
    #[error(transparent)]
    Redis(#[from] Unreachable),
    /// A stream is not what it was, or what it had before is not in the store.
    #[error("the ledger: {0}")]
    Damaged(String),
    /// The logs contradict themselves.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}

impl Source {
    /// The store of these logs.
    pub async fn store(&self) -> Result<Store, ReadError> {
        let url = match self {
            Source::Folder(data) => StoreUrl::File(DataFolder::at(data).store()),
            Source::Elsewhere { store, .. } => store.clone(),
        };
        match &url {
            StoreUrl::File(file) if !file.exists() => Err(ReadError::NoStore(file.clone())),
            url => Ok(Store::open(url).await?),
        }
    }

    /// The books, as far as `cut`.
    pub async fn books(&self, cut: Cut) -> Result<Books, ReadError> {
        match self {
            Source::Folder(data) => of_journal(data, cut),
            Source::Elsewhere { ledger, .. } => {
                if matches!(cut, Cut::Seq(_)) {
                    return Err(ReadError::NoSeq);
                }
                let store = self.store().await?;
                let books = of_logs(&store, ledger.as_ref(), cut).await;
                store.close().await;
                books
            }
        }
    }
}

fn of_journal(data: &Path, cut: Cut) -> Result<Books, ReadError> {
    let path = DataFolder::at(data).journal();
    if !path.is_dir() {
        return Err(ReadError::NoJournal(path));
    }
    let io = |error| ReadError::Io { path: path.clone(), error };
    let folder = Folder::open(&path).map_err(io)?;
    if !folder.list().map_err(io)?.iter().any(|name| segment_first(name).is_some()) {
        return Err(ReadError::NoJournal(path));
    }
    let mut books = Books::default();
    let mut end = 0;
    for entry in Reader::all(&folder)? {
        let entry = entry?;
        if !cut.has(&entry) {
            return Ok(books);
        }
        end = entry.seq;
        books.take(LogNo::EMBEDDED, &entry)?;
    }
    match cut {
        Cut::Seq(seq) if seq > end => Err(ReadError::Ends(end)),
        _ => Ok(books),
    }
}

async fn of_logs(store: &Store, ledger: Option<&RedisUrl>, cut: Cut) -> Result<Books, ReadError> {
    let mut logs: BTreeSet<LogNo> = store.logs().await?.into_iter().map(|(log, _)| log).collect();
    if logs.contains(&LogNo::EMBEDDED) {
        return Err(ReadError::Embedded);
    }
    let mut redis = match ledger {
        Some(url) => Some(Inspection::connect(url).await?),
        None => None,
    };
    if let Some(redis) = &mut redis {
        logs.extend(redis.places().await?.iter().map(|place| LogNo(place.log())));
    }
    let mut books = Books::default();
    for log in logs {
        let last = stored(store, log, cut, &mut books).await?;
        if let (Some(redis), Some(place)) = (&mut redis, Place::of(log.0)) {
            streamed(redis, place, last, cut, &mut books).await?;
        }
    }
    Ok(books)
}

/// Takes what the store has of a log; gives the last entry.
async fn stored(store: &Store, log: LogNo, cut: Cut, books: &mut Books) -> Result<u64, ReadError> {
    let mut last = 0;
    loop {
        let page = store.events_after(log, last, PAGE).await?;
        if page.is_empty() {
            return Ok(last);
        }
        for store::Record { seq, at, body } in page {
            last = seq;
            let entry = Entry { seq, durable: 0, at, seal: false, body };
            if cut.has(&entry) {
                books.take(log, &entry)?;
            }
        }
    }
}

/// Takes what the stream has beyond the store.
async fn streamed(
    redis: &mut Inspection,
    place: Place,
    stored: u64,
    cut: Cut,
    books: &mut Books,
) -> Result<(), ReadError> {
    let log = place.log();
    let mut next = stored.saturating_add(1);
    if let Some(first) = redis.first(place).await?.filter(|first| *first > next) {
        let why = format!("log {log}: entries {next} to {} are nowhere", first.saturating_sub(1));
        return Err(ReadError::Damaged(why));
    }
    loop {
        let entries = redis.entries(place, next).await?;
        let entries = entries.map_err(|damage| ReadError::Damaged(damage.to_string()))?;
        if entries.is_empty() {
            return Ok(());
        }
        for logged in entries {
            next = logged.entry.seq.saturating_add(1);
            if cut.has(&logged.entry) {
                books.take(LogNo(log), &logged.entry)?;
            }
        }
    }
}
