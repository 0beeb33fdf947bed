//! The data folder: where what lasts is kept, and what it is called there.
//!
//! The journal is the truth; everything else in the folder can be made again from it.

use std::path::{Path, PathBuf};

/// A data folder.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// The data folder at `path`, which need not be there.
    pub fn at(path: &Path) -> DataFolder {
        DataFolder(path.to_owned())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The journal's segments and its lock.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// What staff decided, one decision a line.
    pub fn decisions(&self) -> PathBuf {
        self.0.join("decisions.jsonl")
    }

    /// Copies of the folders of merchants that were decided.
    pub fn merchants(&self) -> PathBuf {
        self.0.join("merchants")
    }

    /// This node's id.
    pub fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    /// What this node told, if the ledger is elsewhere.
    pub fn acks(&self) -> PathBuf {
        self.0.join("acks")
    }

    /// The machine's state, now and then.
    pub fn snapshots(&self) -> PathBuf {
        self.0.join("snapshot")
    }

    /// The ledger as SQL rows.
    pub fn store(&self) -> PathBuf {
        self.0.join("store.sqlite")
    }
}
