//! An epoch ends: every node tells nothing of it any more, and hands over what it told.

use super::left_out::is_left_out;
use super::{Custodian, GIVEN_UP_MS, Stuck};
use crate::ledger::redis::acks::Ack;
use crate::ledger::redis::place::Cell;
use crate::store::{Record, Recovery};
use std::collections::{BTreeMap, BTreeSet};

impl Custodian {
    /// Tells nobody anything of that epoch any more, and hands over what was told.
    pub(super) async fn close(
        &self,
        recovery: &Recovery,
        cell: Option<&Cell>,
    ) -> Result<(), Stuck> {
        if let Some(cell) = cell {
            let mut seen = cell.seen();
            if seen.closed >= recovery.epoch && seen.handed_over >= recovery.epoch {
                return Ok(());
            }
            // From here on nothing is told; what is being written down just now is told or not by this.
            seen.closed = seen.closed.max(recovery.epoch);
        }
        let closings = self.store.closings(recovery.log, recovery.epoch).await?;
        if closings.iter().any(|closing| closing.node == self.node) {
            // Before a restart.
            if let Some(cell) = cell {
                cell.seen().handed_over = recovery.epoch;
            }
            return Ok(());
        }
        let stored = self.store.seq(recovery.log).await?;
        let acks = self
            .shared
            .acks
            .close(recovery.log.0, recovery.epoch)
            .await
            .ok_or_else(|| Stuck::Acks("stopping".to_owned()))?;
        let mut acks: Vec<Ack> = acks.map_err(|error| Stuck::Acks(error.to_string()))?;
        // The log went on without these: put back, they would be something else's in its place.
        let recovered = self.store.recovered_with(recovery.log, &self.node).await?;
        acks.retain(|ack| !is_left_out(&recovered, ack.epoch));
        let told = acks.iter().map(|ack| ack.seq).max().unwrap_or(0);
        let mut records: BTreeMap<u64, Record> = BTreeMap::new();
        for ack in acks.into_iter().filter(|ack| ack.seq > stored) {
            if let Some((at, body)) = ack.entry {
                records.insert(ack.seq, Record { seq: ack.seq, at, body });
            }
        }
        let records: Vec<Record> = records.into_values().collect();
        self.store.close_epoch(recovery.log, recovery.epoch, &self.node, told, &records).await?;
        if let Some(cell) = cell {
            let mut seen = cell.seen();
            seen.handed_over = seen.handed_over.max(recovery.epoch);
        }
        Ok(())
    }

    /// The last seq that anybody told of the epoch, if every node has closed it.
    pub(super) async fn all_closed(&self, recovery: &Recovery) -> Result<u64, Stuck> {
        let Recovery { log, epoch, .. } = *recovery;
        let closings = self.store.closings(log, epoch).await?;
        let closed: BTreeSet<&str> = closings.iter().map(|closing| closing.node.as_str()).collect();
        let nodes = self.store.nodes().await?;
        if let Some(node) =
            nodes.iter().find(|node| !node.left && !closed.contains(node.node.as_str()))
        {
            return Err(Stuck::Node(node.node.clone()));
        }
        let fresh = |ago: i64| ago < GIVEN_UP_MS;
        if let Some(node) = nodes.iter().find(|node| node.given_up_ms_ago.is_some_and(fresh)) {
            return Err(Stuck::GivenUp(node.node.clone()));
        }
        Ok(closings.iter().map(|closing| closing.acked_seq).max().unwrap_or(0))
    }
}
