//! What phones and tills of all nodes share: payment codes and nonces.
//!
//! # What always holds
//!
//! - A code is in its holder's shard, a nonce among the identities. Neither is an event: no log has it, a recovery does
//!   not bring it back.
//! - A code is of the epoch in which it was made, and dead in a later one. So a master that lost its tail, or came from
//!   a replica that had not heard of a scan, pays out no code twice.
//! - What is told is durable, as everything that goes over a [`Link`](super::link::Link); a nonce that was heard is
//!   therefore also known to a replica that is promoted.
//! - Without an answer nothing is told, and nothing is asked again: who asked comes back.

mod record;

use super::keys::shard_of;
use super::link::{Fate, Item};
use super::office::gone;
use super::place::Cell;
use super::scripts::{Call, CodeKeys, TillReply, nonce, show, take};
use super::shared::{Places, Shared};
use super::{NotSent, RedisLedger};
use crate::code::{Code, CodeShard, ForOrder, Found, Home, Live};
use crate::domain::{At, CampaignNo, NoAnswer, PersonId, Shard, TerminalId};
use crate::merchant::terminal::Nonces;
use futures_util::future::{BoxFuture, FutureExt};
use record::{LeadsTo, Shown, digest};
use redis::{Value, cmd};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// How long an answer is waited for: a customer stands at the till.
const PATIENCE: Duration = Duration::from_secs(3);
/// Redis keeps so much longer what it is to keep for a while: how old something is, its instant says.
const LONGER_MS: u64 = 5_000;

/// The payment codes and nonces of a campaign.
pub struct Tills {
    shared: Arc<Shared>,
    campaign: CampaignNo,
}

impl RedisLedger {
    /// What phones and tills of `campaign` share.
    pub fn tills(&self, campaign: CampaignNo) -> Tills {
        Tills { shared: Arc::clone(&self.shared), campaign }
    }
}

impl Tills {
    fn places(&self) -> Result<Places, NoAnswer> {
        self.shared.places(self.campaign).ok_or(NoAnswer)
    }

    /// Has a script done where `cell` is, in the epoch that it is in; the epoch and the answer.
    async fn asked(
        &self,
        cell: &Arc<Cell>,
        script: impl Fn(u64) -> Result<Call, NotSent>,
    ) -> Result<(u64, TillReply), NoAnswer> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let epoch = {
                let seen = cell.seen();
                if !seen.decides() {
                    return Err(NoAnswer);
                }
                seen.epoch
            };
            let item = Item::script(script(epoch).map_err(|_| NoAnswer)?);
            match TillReply::read(one(cell, item).await?) {
                // It was opened anew by another node: no reason to send somebody away.
                Ok(TillReply::Fenced { epoch: is }) => self.shared.fenced(cell, epoch, is),
                Ok(TillReply::Absent) => gone(cell),
                Ok(reply) => return Ok((epoch, reply)),
                Err(error) => {
                    tracing::error!(%error, "what a till asked");
                    return Err(NoAnswer);
                }
            }
        }
        Err(NoAnswer)
    }

    async fn show(&self, live: Live, life_ms: u32) -> Result<bool, NoAnswer> {
        let places = self.places()?;
        let cell = at(&places, self.shard(live.holder.person)?.no()).ok_or(NoAnswer)?;
        let (digest, person) = (digest(live.code), live.holder.person);
        let (shown, code) = (cell.place.shown(person), cell.place.code(digest));
        let keys = CodeKeys { place: cell.place, shown: &shown, code: &code };
        let kept_ms = u64::from(life_ms).saturating_add(LONGER_MS);
        let script = |epoch| {
            let (record, to) = (Shown { epoch, live }.write(), LeadsTo::Person(person).write());
            show(&keys, epoch, kept_ms, record, to)
        };
        match self.asked(&cell, script).await?.1 {
            TillReply::Shown => Ok(true),
            TillReply::There => Ok(false),
            _ => Err(NoAnswer),
        }
    }

    async fn scanned(&self, code: Code, order: ForOrder) -> Result<Found, NoAnswer> {
        let places = self.places()?;
        // The code names a shard that this campaign does not have.
        let Some(cell) = at(&places, code.shard().no()) else { return Ok(Found::Nothing) };
        let digest = digest(code);
        let code_key = cell.place.code(digest);
        let seen = one(&cell, Item::plain(cmd("GET").arg(&code_key).to_owned())).await?;
        let seen = match &seen {
            Value::BulkString(seen) => LeadsTo::read(seen).ok_or(NoAnswer)?,
            _ => return Ok(Found::Nothing),
        };
        let person = match seen {
            LeadsTo::Person(person) => person,
            LeadsTo::Order(by) => return Ok(spent(by, order)),
        };
        let shown_key = cell.place.shown(person);
        let keys = CodeKeys { place: cell.place, shown: &shown_key, code: &code_key };
        let script = |epoch| {
            take(&keys, epoch, seen.write(), digest.to_vec(), LeadsTo::Order(order).write())
        };
        match self.asked(&cell, script).await? {
            (epoch, TillReply::Taken(shown)) => {
                let shown = Shown::read(&shown, code, person).ok_or(NoAnswer)?;
                Ok(if shown.epoch == epoch { Found::Live(shown.live) } else { Found::Nothing })
            }
            (_, TillReply::Gone(to)) => Ok(match LeadsTo::read(&to) {
                Some(LeadsTo::Order(by)) => spent(by, order),
                _ => Found::Nothing,
            }),
            _ => Err(NoAnswer),
        }
    }

    async fn heard(
        &self,
        terminal: TerminalId,
        said: [u8; 16],
        kept_ms: u64,
    ) -> Result<bool, NoAnswer> {
        let places = self.places()?;
        let cell = &places.identities;
        let kept_ms = kept_ms.saturating_add(LONGER_MS);
        let script = |epoch| nonce(cell.place, cell.place.nonce(terminal, said), epoch, kept_ms);
        match self.asked(cell, script).await?.1 {
            TillReply::First => Ok(true),
            TillReply::Again => Ok(false),
            _ => Err(NoAnswer),
        }
    }
}

impl Home for Tills {
    fn shard(&self, person: PersonId) -> Result<CodeShard, NoAnswer> {
        let of = self.places()?.of();
        CodeShard::of(Shard { no: shard_of(person, of), of }).ok_or(NoAnswer)
    }

    fn put(&self, live: Live, life_ms: u32) -> BoxFuture<'_, Result<bool, NoAnswer>> {
        self.show(live, life_ms).boxed()
    }

    fn take(&self, code: Code, order: ForOrder, _: At) -> BoxFuture<'_, Result<Found, NoAnswer>> {
        self.scanned(code, order).boxed()
    }

    /// Redis forgets by itself.
    fn tidy(&self, _: At, _: u32) {}
}

impl Nonces for Tills {
    fn note(
        &self,
        terminal: TerminalId,
        nonce: [u8; 16],
        kept_ms: u64,
    ) -> BoxFuture<'_, Result<bool, NoAnswer>> {
        self.heard(terminal, nonce, kept_ms).boxed()
    }
}

fn at(places: &Places, shard: u8) -> Option<Arc<Cell>> {
    places.shards.get(usize::from(shard)).cloned()
}

fn spent(by: ForOrder, order: ForOrder) -> Found {
    if by == order { Found::Spent } else { Found::Nothing }
}

async fn one(cell: &Cell, item: Item) -> Result<Value, NoAnswer> {
    let (mut fates, _) = timeout(PATIENCE, cell.items(vec![item])).await.map_err(|_| NoAnswer)?;
    match fates.pop() {
        Some(Fate::Done(value)) => Ok(value),
        _ => Err(NoAnswer),
    }
}
