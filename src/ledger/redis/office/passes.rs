//! Passes: bound among the identities, then in their person's shard.

use super::super::effects::Compare;
use super::super::keys::{Key, shard_of};
use super::super::link::Item;
use super::super::scripts::{BindReply, bind};
use super::{Fault, Office, gone};
use crate::domain::CampaignNo;
use crate::ledger::event::{Bound, Event, Passed, What};
use crate::ledger::machine::Answer;
use tokio::time::Instant;

impl Office {
    /// Makes a pass: first in the identities' log, then in its person's shard. Both may be done again.
    pub(super) async fn bind(&self, no: CampaignNo, bound: &Bound) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        let cell = &places.identities;
        let start = Instant::now();
        let until = loop {
            let (epoch, kinds) = {
                let seen = cell.seen();
                (seen.epoch, seen.standing.opened.as_ref().map_or(0, |opened| opened.kinds.len()))
            };
            let asked = bind(no, kinds, epoch, self.shared.now(), bound)?;
            match self.one(cell, Item::script(asked)).await.map(BindReply::read) {
                Some(Ok(BindReply::Decided { epoch, seq, at, told, new })) => {
                    let event = Event { campaign: no, what: What::Bound(bound.clone()) };
                    if self.written(cell, epoch, seq, new.then_some((at, &[event]))).await {
                        match told? {
                            Answer::Bound(until) => {
                                if !new {
                                    // Whoever wrote it may be gone: this node's acks must have it too.
                                    self.read_up_to(cell, seq, start).await?;
                                }
                                break until;
                            }
                            other => return Ok(other),
                        }
                    }
                }
                Some(Ok(BindReply::Fenced { epoch: is, .. })) => {
                    self.shared.fenced(cell, epoch, is);
                }
                Some(Ok(BindReply::Absent)) => gone(cell),
                Some(Err(error)) => return Err(Fault::Wrong(error.to_string())),
                None => {}
            }
            self.patience(start).await?;
        };
        let shard = places.shards.get(usize::from(shard_of(bound.person, places.of()))).cloned();
        let shard = shard.ok_or_else(|| Fault::Wrong("a shard that is not there".to_owned()))?;
        let passed = Passed { expires_at: until, ..Passed::from(bound) };
        let events = [Event { campaign: no, what: What::Passed(passed) }];
        let absent =
            Compare { key: Key::Passes(bound.round), field: bound.pass.0.to_vec(), was: None };
        if !self.make(&shard, &events, &[absent]).await? {
            // The same pass came here before; whoever wrote that may be gone, so this node's acks must have it too.
            self.fresh(&shard, Instant::now()).await?;
        }
        Ok(Answer::Bound(until))
    }
}
