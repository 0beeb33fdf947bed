//! Snapshots beside a server: a thread that takes one whenever another segment is sealed.

use super::take;
use crate::data::DataFolder;
use crate::ledger::journal::{Disk, Folder};
use std::{
    io,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often it is looked whether a segment was sealed.
const EVERY: Duration = Duration::from_secs(30);

/// The thread.
#[derive(Debug)]
pub struct SnapshotThread {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl SnapshotThread {
    /// Starts to look after the snapshots in `data`.
    pub fn start(data: &DataFolder) -> io::Result<SnapshotThread> {
        let log = Folder::open(&data.journal())?;
        let folder = Folder::open(&data.snapshots())?;
        let (stop, stopped) = channel();
        let thread = thread::Builder::new().name("snapshot".into()).spawn(move || {
            let mut segments = 0;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = log.list().map_or(0, |names| names.len());
                if now != segments {
                    segments = now;
                    note(take(&log, &folder));
                }
            }
        })?;
        Ok(SnapshotThread { stop, thread })
    }

    /// Ends it, after the snapshot it is at.
    pub fn stop(self) {
        drop(self.stop);
        // A thread that panicked has said so.
        let _ = self.thread.join();
    }
}

fn note(taken: Result<Option<u64>, super::Error>) {
    match taken {
        Ok(Some(seq)) => tracing::info!(seq, "a snapshot was taken"),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "no snapshot; the next start takes longer"),
    }
}
