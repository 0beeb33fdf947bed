//! The store's part of an audit (I8): it equals one that is made again from the journal.

use super::{Error, ReplayError, compare, replay};
use crate::audit::{Audit, AuditError, Check, audit_folder};
use crate::data::DataFolder;
use std::path::Path;

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

/// Audits the data folder `data`, at rest, with the store in it, and a client's record, if there is one.
pub async fn audit(data: &Path, record: Option<&Path>) -> Result<Audit, CheckError> {
    let mut audit = audit_folder(data, record)?;
    if let Some(check) = check(&DataFolder::at(data)).await? {
        audit.add(check);
    }
    Ok(audit)
}

/// Compares the store in `data`, at rest, with a new one made from the journal; `None` if there is
/// no store.
pub async fn check(data: &DataFolder) -> Result<Option<Check>, CheckError> {
    if !data.store().exists() {
        return Ok(None);
    }
    let scratch = tempfile::Builder::new().prefix("quan-replay-").tempdir()?;
    let fresh = scratch.path().join("store.sqlite");
    replay(&data.journal(), &fresh).await?;
    let compared = compare(&data.store(), &fresh).await?;
    let mut check = Check::new("I8", "the store equals one made again from the journal");
    check.rows = compared.rows;
    compared.differences.iter().for_each(|difference| check.find(difference.to_string()));
    Ok(Some(check))
}
