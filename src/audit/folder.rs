//! An audit of a data folder, and the reading of a client's record.

use super::{Audit, Record, RecordError, audit_with};
use crate::data::DataFolder;
use crate::decision::Staff;
use crate::ledger::journal::{Error, Folder, Reader, disk::Disk, entry::segment_first};
use crate::pass::staff_in;
use std::{fs, io, path::Path, path::PathBuf};

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no journal in the folder: an audit of nothing would be clean.
    #[error("{}: there is no journal here", .0.display())]
    NoJournal(PathBuf),
    /// The journal can't be read; whether it is sound is unknown.
    #[error(transparent)]
    Journal(#[from] Error),
    /// The folder or the record can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The record is not a record.
    #[error("{}: {error}", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// What is the matter with it.
        error: RecordError,
    },
}

/// Audits the data folder `data`, at rest, and the client's record, if there is one.
///
/// Writes nothing and takes no lock.
pub fn audit_folder(data: &Path, record: Option<&Path>) -> Result<Audit, AuditError> {
    audit_folder_with(data, record, None)
}

/// As [`audit_folder`], with the public keys in a folder of those who decide.
pub fn audit_folder_with(
    data: &Path,
    record: Option<&Path>,
    keys: Option<&Path>,
) -> Result<Audit, AuditError> {
    let record = record.map(read_record).transpose()?;
    let staff = keys.map(read_staff).transpose()?;
    journal(data, record.as_ref(), staff.as_ref())
}

fn journal(
    data: &Path,
    record: Option<&Record>,
    staff: Option<&Staff>,
) -> Result<Audit, AuditError> {
    let path = DataFolder::at(data).journal();
    if !path.is_dir() {
        return Err(AuditError::NoJournal(path));
    }
    let at = |error| AuditError::Io { path: path.clone(), error };
    let folder = Folder::open(&path).map_err(at)?;
    let names = folder.list().map_err(at)?;
    if !names.iter().any(|name| segment_first(name).is_some()) {
        return Err(AuditError::NoJournal(path));
    }
    let mut fault = None;
    let entries = Reader::all(&folder)?.map_while(|entry| match entry {
        Err(error) if !matches!(error, Error::Damage { .. }) => {
            fault = Some(error);
            None
        }
        entry => Some(entry),
    });
    let audit = audit_with(entries, record, staff);
    fault.map_or(Ok(audit), |fault| Err(fault.into()))
}

pub(super) fn read_staff(keys: &Path) -> Result<Staff, AuditError> {
    staff_in(keys).map_err(|error| AuditError::Io { path: keys.to_owned(), error })
}

pub(super) fn read_record(path: &Path) -> Result<Record, AuditError> {
    let text = fs::read_to_string(path)
        .map_err(|error| AuditError::Io { path: path.to_owned(), error })?;
    text.parse().map_err(|error| AuditError::Record { path: path.to_owned(), error })
}
