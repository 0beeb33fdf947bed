//! The drain and the snapshots, or the node, while the ledger works.

use crate::drain::{DrainThread, Progress};
use crate::ledger::snapshot::thread::SnapshotThread;
use crate::node::Node;

/// What works beside the ledger.
pub(super) enum Beside {
    Here(DrainThread, SnapshotThread),
    Node(Node),
}

impl Beside {
    pub(super) fn progress(&self) -> Progress {
        match self {
            Beside::Here(drain, _) => drain.progress(),
            Beside::Node(node) => node.progress(),
        }
    }

    pub(super) fn stop(self) {
        match self {
            Beside::Here(drain, snapshots) => {
                drain.stop();
                snapshots.stop();
            }
            Beside::Node(node) => node.stop(),
        }
    }
}
