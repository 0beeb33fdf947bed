//! The store's part of an audit (I8): it equals one that is made again from what it is a copy of.

use super::{Error, ReplayError, Store, StoreUrl, compare, replay, replay::replay_events};
use crate::audit::{Audit, AuditError, Check, audit_folder_with};
use crate::data::DataFolder;
use crate::trail::{self, Anchor, read_anchor};
use std::path::{Path, PathBuf};

/// Why there is no check.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The journal does not give a store to compare with.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// One of the stores can't be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// The journal can't be audited.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// There is no room for the other store.
    #[error("a temporary folder: {0}")]
    Folder(#[from] std::io::Error),
}

/// Audits the data folder `data`, at rest, with the store in it, a client's record, if there is one, and the public
/// keys in a folder of those who decide, if it is given.
pub async fn audit(
    data: &Path,
    record: Option<&Path>,
    keys: Option<&Path>,
) -> Result<Audit, CheckError> {
    let mut audit = audit_folder_with(data, record, keys)?;
    if let Some(check) = check(&DataFolder::at(data)).await? {
        audit.add(check);
    }
    Ok(audit)
}

/// Looks at the trail of a data folder at rest, and at what its store and these files know of it; `None` if there is
/// no trail and nobody knows of one.
pub async fn trail_check(data: &Path, anchors: &[PathBuf]) -> Result<Option<Check>, CheckError> {
    let data = DataFolder::at(data);
    let mut known = anchors.iter().map(|file| read_anchor(file)).collect::<Result<Vec<_>, _>>()?;
    if data.store().exists() {
        let store = Store::open(&StoreUrl::File(data.store())).await?;
        let trails = store.trails().await;
        store.close().await;
        let anchor = |(of, head)| Anchor { by: "the store".to_owned(), of: Some(of), head };
        known.extend(trails?.into_iter().map(anchor));
    }
    let none = known.is_empty() && !data.trail().exists();
    Ok((!none).then(|| trail::check(&data.trail(), &known)))
}

/// Compares the store in `data`, at rest, with a new one made from the journal; `None` if there is
/// no store.
pub async fn check(data: &DataFolder) -> Result<Option<Check>, CheckError> {
    if !data.store().exists() {
        return Ok(None);
    }
    let store = Store::open(&StoreUrl::File(data.store())).await?;
    let check = check_journal(&data.journal(), &store).await;
    store.close().await;
    check.map(Some)
}

/// Compares a store that nobody is writing, of whatever kind, with a new one made from `journal`.
pub async fn check_journal(journal: &Path, store: &Store) -> Result<Check, CheckError> {
    let scratch = scratch()?;
    let fresh = scratch.path().join("store.sqlite");
    replay(journal, &fresh).await?;
    let fresh = Store::open(&StoreUrl::File(fresh)).await?;
    same(store, &fresh, "the store equals one made again from the journal").await
}

/// Compares a store that nobody is writing, of whatever kind and with whatever logs, with a new one
/// made from the entries that it holds itself.
pub async fn check_events(store: &Store) -> Result<Check, CheckError> {
    let scratch = scratch()?;
    let fresh = Store::open(&StoreUrl::File(scratch.path().join("store.sqlite"))).await?;
    replay_events(store, &fresh).await?;
    same(store, &fresh, "the store equals one made again from its own entries").await
}

fn scratch() -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("quan-replay-").tempdir()
}

async fn same(store: &Store, fresh: &Store, what: &'static str) -> Result<Check, CheckError> {
    let compared = compare(store, fresh).await?;
    fresh.clone().close().await;
    let mut check = Check::new("I8", what);
    check.rows = compared.rows;
    compared.differences.iter().for_each(|difference| check.find(difference.to_string()));
    Ok(check)
}
