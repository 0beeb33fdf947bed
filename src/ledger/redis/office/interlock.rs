//! The interlock: stopped and resumed in every shard's log.

use super::super::effects::Compare;
use super::super::keys::Key;
use super::super::place::Cell;
use super::{Fault, Office};
use crate::domain::CampaignNo;
use crate::ledger::machine::{Answer, Command};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::time::Instant;

impl Office {
    pub(super) async fn interlock(
        &self,
        no: CampaignNo,
        command: &Command,
    ) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        // All at once: that one shard can't be reached keeps none of the others from stopping.
        let shards = places.shards.iter().map(|cell| self.interlock_in(cell, no, command));
        let done = join_all(shards).await;
        done.into_iter().collect::<Result<Vec<()>, Fault>>()?;
        Ok(Answer::Done)
    }

    async fn interlock_in(
        &self,
        cell: &Arc<Cell>,
        no: CampaignNo,
        command: &Command,
    ) -> Result<(), Fault> {
        let start = Instant::now();
        loop {
            self.fresh(cell, start).await?;
            let before = cell.seen().standing.clone();
            let events = self.decided(no, &before, command)?;
            let word = before.word_at.map(|at| at.0.to_string().into_bytes());
            let heard = Compare { key: Key::Meta, field: b"word".to_vec(), was: word };
            let was = if before.tripped { "1" } else { "0" };
            let same =
                Compare { key: Key::Meta, field: b"tripped".to_vec(), was: Some(was.into()) };
            if events.is_empty() || self.make(cell, &events, &[same, heard]).await? {
                return Ok(());
            }
            self.patience(start).await?;
        }
    }
}
