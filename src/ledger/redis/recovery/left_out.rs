//! What this node told in epochs that were recovered without it. It is never put back, since the log has gone on;
//! what the store does not have of it is kept for people to look at.

use super::{Custodian, ENTRIES};
use crate::ledger::redis::acks::Ack;
use crate::store::{self, LogNo, Quarantined, Record};
use std::collections::BTreeMap;

/// By seq, the epoch it was told in and the entry.
pub(in crate::ledger::redis) type LeftOut = BTreeMap<u64, (u64, Record)>;

impl Custodian {
    /// Closes what was closed before a restart: this node tells nothing of epochs that are, or were, recovered. What
    /// it told in one that was recovered without it is looked at.
    pub(crate) async fn remember(&self) -> Result<(), store::Error> {
        for cell in self.cells() {
            let log = LogNo(cell.place.log());
            let closed = self.store.closed(log).await?;
            {
                let mut seen = cell.seen();
                seen.closed = seen.closed.max(closed);
            }
            let recovered = self.store.recovered_with(log, &self.node).await?;
            if recovered.iter().any(|(_, with)| !with) {
                self.leave_out(log, &recovered).await;
            }
        }
        Ok(())
    }

    async fn leave_out(&self, log: LogNo, recovered: &[(u64, bool)]) {
        let acks = match self.shared.acks.read(log.0, u64::MAX).await {
            Some(Ok(acks)) => acks,
            Some(Err(error)) => {
                tracing::error!(%log, %error, "what this node told can't be read");
                return;
            }
            None => return,
        };
        let (out, kept): (Vec<Ack>, Vec<Ack>) =
            acks.into_iter().partition(|ack| is_left_out(recovered, ack.epoch));
        if out.is_empty() {
            return;
        }
        self.shared.acks.told_only(log.0, kept.iter().map(|ack| ack.seq).max().unwrap_or(0));
        let told = out.into_iter().filter_map(|Ack { seq, epoch, entry, .. }| {
            let (at, body) = entry?;
            Some((seq, (epoch, Record { seq, at, body })))
        });
        self.left_out.lock().insert(log, told.collect());
    }

    /// Compares what this node told in epochs that were recovered without it with what the store has by now. What is
    /// not there is kept for people to look at: it is never put back, since the log has gone on.
    pub(super) async fn look_at_left_out(&self) -> Result<(), store::Error> {
        let logs: Vec<LogNo> = self.left_out.lock().keys().copied().collect();
        for log in logs {
            let mut missing = 0_usize;
            while let Some(first) = self.left_out_of(log, 0, u64::MAX).first().map(|it| it.1.seq) {
                let there = self.store.events_after(log, first.saturating_sub(1), ENTRIES).await?;
                let Some(last) = there.last().map(|it| it.seq) else { break };
                for (epoch, told) in self.left_out_of(log, first, last) {
                    if there
                        .binary_search_by_key(&told.seq, |it| it.seq)
                        .ok()
                        .and_then(|at| there.get(at))
                        != Some(&told)
                    {
                        missing = missing.saturating_add(1);
                        self.keep_lost(log, epoch, told).await?;
                    }
                }
                self.left_out.lock().entry(log).or_default().retain(|seq, _| *seq > last);
            }
            if missing > 0 {
                let node = &self.node;
                tracing::error!(%log, node, missing, "what this node told is not in the log: a recovery went on without it");
            }
        }
        Ok(())
    }

    fn left_out_of(&self, log: LogNo, first: u64, last: u64) -> Vec<(u64, Record)> {
        let left_out = self.left_out.lock();
        let of = left_out.get(&log).map(|of| of.range(first..=last).map(|(_, it)| it.clone()));
        of.map(Iterator::collect).unwrap_or_default()
    }

    async fn keep_lost(&self, log: LogNo, epoch: u64, told: Record) -> Result<(), store::Error> {
        let why =
            format!("node {} told it in epoch {epoch}, which was recovered without it", self.node);
        let Record { seq, body, .. } = told;
        let table = "acks".to_owned();
        self.store.quarantine(&Quarantined { log, seq, table, why, body }).await
    }
}

/// Whether what was told in `epoch` was not handed over when that was closed: the recoveries that are finished, and
/// whether this node had closed them.
pub(super) fn is_left_out(recovered: &[(u64, bool)], epoch: u64) -> bool {
    recovered.iter().find(|(closed, _)| *closed >= epoch).is_some_and(|(_, with)| !with)
}
