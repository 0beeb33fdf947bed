//! Rounds: armed in the first shard, which gives the others their share; expired in each.

use super::super::effects::{Compare, number};
use super::super::keys::Key;
use super::super::records;
use super::super::shared::Places;
use super::super::standing::Standing;
use super::super::{NotSent, ms};
use super::{Fault, Office};
use crate::domain::{CampaignNo, Fen, KindNo, PoolNo, Refusal, RoundNo, calendar::Extension};
use crate::ledger::event::{Armed, Load};
use crate::ledger::machine::{Answer, Command, No};
use tokio::time::Instant;

impl Office {
    pub(super) async fn arm(&self, no: CampaignNo, armed: Armed) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        let first =
            places.shards.first().ok_or_else(|| Fault::Wrong("no shard".to_owned()))?.clone();
        let start = Instant::now();
        loop {
            self.fresh(&first, start).await?;
            let before = first.seen().standing.clone();
            // What the shard has of it now says nothing of what it was armed with.
            if let (Some(round), Some(quantities)) =
                (before.rounds.get(&armed.round), before.armed.get(&armed.round))
            {
                let same = round.window == armed.window && *quantities == armed.quantities;
                let other = No::Conflict("the round is armed with other stock");
                return if same { Ok(Answer::Done) } else { Err(other.into()) };
            }
            let command = Command::Arm(CampaignNo(0), armed.clone());
            let events = match self.decided(no, &before, &command) {
                // Money that an interrupted expiry left in other shards.
                Err(Fault::No(No::Funds(_))) if self.bring_back(&places).await => continue,
                events => events?,
            };
            let same = [unarmed(armed.round), adjusted(&before, armed.round)];
            if self.make(&first, &events, &same).await? {
                break;
            }
            self.patience(start).await?;
        }
        self.deal(&places, &armed).await;
        Ok(Answer::Done)
    }

    /// Changes the quantities of a round that is not armed.
    pub(super) async fn adjust(
        &self,
        no: CampaignNo,
        round: RoundNo,
        command: &Command,
    ) -> Result<Answer, Fault> {
        self.of_unarmed(no, command, |before| Ok(vec![unarmed(round), adjusted(before, round)]))
            .await
    }

    /// Adds further rounds, if the period still ends as it did and nothing was decided of them meanwhile.
    pub(super) async fn extend(
        &self,
        no: CampaignNo,
        extension: &Extension,
        command: &Command,
    ) -> Result<Answer, Fault> {
        self.of_unarmed(no, command, |before| {
            let last = before.extended.values().next_back().map(|last| last.extension.ends);
            let was = last.map(|ends| Ok::<_, NotSent>(ms(ends)?.to_string().into_bytes()));
            let ends =
                Compare { key: Key::Meta, field: b"extended".to_vec(), was: was.transpose()? };
            // One request is about one round. Rounds after the first can't have been armed either without an extension.
            let same = [ends, unarmed(extension.first)];
            let rounds = extension.rounds().map(|it| adjusted(before, it.no));
            Ok(same.into_iter().chain(rounds).collect())
        })
        .await
    }

    /// Writes down in the first shard what is decided of rounds that are not armed; what the pools can have by then is
    /// looked at over all shards.
    async fn of_unarmed(
        &self,
        no: CampaignNo,
        command: &Command,
        same: impl Fn(&Standing) -> Result<Vec<Compare>, Fault>,
    ) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        let first =
            places.shards.first().ok_or_else(|| Fault::Wrong("no shard".to_owned()))?.clone();
        let start = Instant::now();
        loop {
            for cell in &places.shards {
                self.fresh(cell, start).await?;
            }
            // What is on its way between two shards is in neither.
            self.finish_all(&places).await?;
            let mut before = first.seen().standing.clone();
            for cell in places.shards.iter().skip(1) {
                before.funds = before.funds.plus(&cell.seen().standing.funds);
            }
            let events = self.decided(no, &before, command)?;
            if events.is_empty() || self.make(&first, &events, &same(&before)?).await? {
                return Ok(Answer::Done);
            }
            self.patience(start).await?;
        }
    }

    /// Gives the other shards their share of a round; one that has none is told of it all the same. What is
    /// interrupted is made up for when a shard runs dry.
    async fn deal(&self, places: &Places, armed: &Armed) {
        let shards = u32::from(places.of());
        for peer in 1..places.of() {
            let mut told = false;
            for (kind, quantity) in (0..).map(KindNo).zip(&armed.quantities) {
                let more = u32::from(u32::from(peer) < quantity.checked_rem(shards).unwrap_or(0));
                let units = quantity.checked_div(shards).unwrap_or(0).saturating_add(more);
                if units > 0 {
                    told = true;
                    self.share(places, peer, armed, kind, units).await;
                }
            }
            if !told {
                self.share(places, peer, armed, KindNo(0), 0).await;
            }
        }
    }

    async fn share(&self, places: &Places, peer: u8, armed: &Armed, kind: KindNo, units: u32) {
        let load = Load::Stock { round: armed.round, window: armed.window, kind, units };
        if let Err(error) = self.transfer(places, 0, peer, load).await {
            tracing::warn!(%error, peer, "a shard has to ask for its share later");
        }
    }

    pub(super) async fn expire(&self, no: CampaignNo, round: RoundNo) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        for cell in &places.shards {
            self.fresh(cell, Instant::now()).await?;
        }
        let first = places.shards.first();
        if first.is_none_or(|first| !first.seen().standing.rounds.contains_key(&round)) {
            return Err(No::from(Refusal::RoundUnknown).into());
        }
        // What is on its way when a round expires would come too late to give its money back.
        self.finish_all(&places).await?;
        for cell in &places.shards {
            let start = Instant::now();
            loop {
                let before = cell.seen().standing.clone();
                if before.rounds.get(&round).is_none_or(|it| it.expired) {
                    break;
                }
                let events = self.decided(no, &before, &Command::Expire(CampaignNo(0), round))?;
                let same = Compare {
                    key: Key::Meta,
                    field: b"seq".to_vec(),
                    was: Some(number(before.seq)?),
                };
                if self.make(cell, &events, &[same]).await? {
                    break;
                }
                self.patience(start).await?;
            }
        }
        // What was sent meanwhile gives its money back when it is received.
        self.finish_all(&places).await?;
        self.bring_back(&places).await;
        Ok(Answer::Done)
    }

    /// Sends the first shard the money that others have and nobody is promised: rounds are armed there. Whether any
    /// came.
    async fn bring_back(&self, places: &Places) -> bool {
        let mut came = false;
        for from in 1..places.of() {
            let Some(cell) = places.shards.get(usize::from(from)) else { continue };
            let pools = cell.seen().standing.opened.as_ref().map_or(0, |opened| opened.pools.len());
            for pool in (0..pools).filter_map(|pool| u8::try_from(pool).ok().map(PoolNo)) {
                let available =
                    cell.seen().standing.funds.pool(pool).map_or(Fen::ZERO, |it| it.available);
                if available > Fen::ZERO {
                    match self.transfer(places, from, 0, Load::Funds { pool }).await {
                        Ok(moved) => came |= moved,
                        Err(error) => {
                            tracing::warn!(%error, from, "money stays in a shard for now");
                        }
                    }
                }
            }
        }
        came
    }
}

/// That a round is not armed.
fn unarmed(round: RoundNo) -> Compare {
    Compare { key: Key::Round(round), field: b"from".to_vec(), was: None }
}

/// That a round's quantities are decided as they were, or not.
fn adjusted(before: &Standing, round: RoundNo) -> Compare {
    let was = before.adjusted.get(&round).map(|it| records::adjusted(it).into_bytes());
    Compare { key: Key::Meta, field: format!("adjusted:{}", round.0).into(), was }
}
