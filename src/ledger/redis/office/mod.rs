//! Everything that is not a claim: campaigns, rounds, passes, the interlock, and stock between shards.
//!
//! The machine decides on what is known of a shard; the script makes it only if that is still so. If not, more is
//! read and it is decided anew.

mod balance;
mod interlock;
mod passes;
mod rounds;
mod transfers;

use super::NotSent;
use super::acks::Ack;
use super::effects::{Compare, changes};
use super::link::{Fate, Item};
use super::place::Cell;
use super::scripts::{LookReply, MoveReply, mv};
use super::shared::{Places, Shared};
use super::standing::Standing;
use crate::domain::{At, CampaignNo, Refusal};
use crate::ledger::embedded::Outcome;
use crate::ledger::event::{Decided, Event, codec};
use crate::ledger::machine::{Answer, Command, Machine, No};
use redis::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long something is tried.
const TRIED_FOR: Duration = Duration::from_secs(8);
/// How long an answer waits until this node knows that it may tell it.
const SURE: Duration = Duration::from_secs(2);
/// How long it takes until it is tried again.
const AGAIN: Duration = Duration::from_millis(30);

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The ledger says no.
    #[error("{0:?}")]
    No(No),
    /// Whether it was done is not known.
    #[error("what became of it is not known")]
    Unknown,
    /// What is there can't be, or can't be written.
    #[error("{0}")]
    Wrong(String),
}

impl From<No> for Fault {
    fn from(no: No) -> Fault {
        Fault::No(no)
    }
}

impl From<NotSent> for Fault {
    fn from(error: NotSent) -> Fault {
        Fault::Wrong(error.to_string())
    }
}

/// Whoever does it.
#[derive(Clone)]
pub(super) struct Office {
    pub(super) shared: Arc<Shared>,
}

impl Office {
    /// Does what is not a claim.
    pub(super) async fn outcome(&self, command: Command) -> Outcome {
        if let Some(no) = command.bypass() {
            return Outcome::No(no);
        }
        let done = match command {
            Command::Bind(no, bound) => self.bind(no, &bound).await,
            Command::Arm(no, armed) => self.arm(no, armed).await,
            Command::Expire(no, round) => self.expire(no, round).await,
            Command::Trip(no) => self.interlock(no, &Command::Trip(CampaignNo(0))).await,
            Command::Decided(it) => self.carry_out(*it).await,
            Command::Open { .. } | Command::Grant(_) => Err(Fault::No(No::Conflict(
                "campaigns are opened at the start, claims are decided elsewhere",
            ))),
            Command::Resume(_)
            | Command::Adjust(..)
            | Command::Admit(..)
            | Command::Stand(..)
            | Command::Lock(_)
            | Command::Recall(_)
            | Command::Confirm(..)
            | Command::Release(..)
            | Command::Lapse(_)
            | Command::Refund(_)
            | Command::Settle(_)
            | Command::SettleDue(..)
            | Command::Paid(..)
            | Command::PaymentFailed(..) => Err(Fault::No(No::Conflict(
                "with the ledger in Redis, coupons are not redeemed yet",
            ))),
        };
        match done {
            Ok(answer) if self.tells().await => Outcome::Yes(answer),
            Ok(_) => Outcome::Unknown,
            Err(Fault::No(no)) => Outcome::No(no),
            Err(error) => {
                tracing::warn!(%error, "a command of the office");
                Outcome::Unknown
            }
        }
    }

    /// Does what persons decided, and writes down with it that they did.
    async fn carry_out(&self, (decided, command): (Decided, Command)) -> Result<Answer, Fault> {
        let (no, command) = match command {
            Command::Trip(no) => (no, Command::Trip(CampaignNo(0))),
            Command::Resume(no) => (no, Command::Resume(CampaignNo(0))),
            _ => return Err(Fault::No(No::Conflict("nobody decides that in this ledger"))),
        };
        self.interlock(no, &Command::Decided(Box::new((decided, command)))).await
    }

    /// Waits until anything may be told; not for ever.
    async fn tells(&self) -> bool {
        let start = Instant::now();
        while !self.shared.view.tells() {
            if start.elapsed() > SURE {
                return false;
            }
            sleep(AGAIN).await;
        }
        true
    }

    fn places(&self, no: CampaignNo) -> Result<Places, Fault> {
        self.shared.places(no).ok_or(Fault::No(Refusal::CampaignUnknown.into()))
    }

    /// What the machine decides on `command`, which names campaign 0, as the shard stands.
    fn decided(
        &self,
        no: CampaignNo,
        standing: &Standing,
        command: &Command,
    ) -> Result<Vec<Event>, Fault> {
        let opened = standing.opened.as_ref().ok_or(Fault::Unknown)?;
        let rounds = standing.rounds.values().cloned();
        let interlock = (standing.tripped, standing.word_at);
        let last = standing.at.unwrap_or(At(0));
        let machine = Machine::sketch(opened, standing.funds.clone(), interlock, rounds, last);
        let decision = machine.decide(command, self.shared.now().max(last))?;
        Ok(decision.events.into_iter().map(|event| Event { campaign: no, ..event }).collect())
    }

    /// Makes `events` one entry of the place's log if `compares` still hold. `false` if they don't: then the log was
    /// read on meanwhile, and it is to be decided anew.
    async fn make(
        &self,
        cell: &Arc<Cell>,
        events: &[Event],
        compares: &[Compare],
    ) -> Result<bool, Fault> {
        let start = Instant::now();
        let body = codec::encode(events).ok_or(Fault::Wrong("too long for an entry".to_owned()))?;
        loop {
            let (epoch, now) = (cell.seen().epoch, self.shared.now());
            let changes = changes(cell.place, cell.shard, now, events)?;
            let asked = mv(cell.place, epoch, now, compares, &changes, &body)?;
            match self.one(cell, Item::script(asked)).await.map(MoveReply::read) {
                Some(Ok(MoveReply::Moved { epoch, seq, at }))
                    if self.written(cell, epoch, seq, Some((at, events))).await =>
                {
                    self.read_up_to(cell, seq, start).await?;
                    return Ok(true);
                }
                Some(Ok(MoveReply::Changed { .. })) => {
                    cell.kick.notify_one();
                    return Ok(false);
                }
                Some(Ok(MoveReply::Misfit { .. })) => {
                    return Err(No::Funds(crate::funds::FundsRefusal::NotEnough).into());
                }
                Some(Ok(MoveReply::Fenced { epoch: is, .. })) => {
                    self.shared.fenced(cell, epoch, is);
                }
                Some(Ok(MoveReply::Absent)) => gone(cell),
                Some(Err(error)) => return Err(Fault::Wrong(error.to_string())),
                // Made in an epoch that was closed meanwhile, the next one's log says so; or nothing is known.
                Some(Ok(MoveReply::Moved { .. })) | None => {}
            }
            self.patience(start).await?;
        }
    }

    /// Reads the log up to where it is now: what another node did a moment ago is decided on as well.
    async fn fresh(&self, cell: &Cell, start: Instant) -> Result<(), Fault> {
        loop {
            if let (_, Fate::Done(looked)) = cell.items(Vec::new()).await
                && let Ok(LookReply::Seen { open: true, seq, .. }) = LookReply::read(looked)
            {
                return self.read_up_to(cell, seq, start).await;
            }
            self.patience(start).await?;
        }
    }

    /// Waits until this node has read the log that far, so that what it decides next rests on it.
    async fn read_up_to(&self, cell: &Cell, seq: u64, start: Instant) -> Result<(), Fault> {
        while cell.seen().standing.seq < seq {
            cell.kick.notify_one();
            if start.elapsed() > TRIED_FOR {
                return Err(Fault::Unknown);
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    async fn one(&self, cell: &Cell, item: Item) -> Option<Value> {
        let (mut fates, _) = cell.items(vec![item]).await;
        match fates.pop() {
            Some(Fate::Done(value)) => Some(value),
            _ => None,
        }
    }

    /// Writes down that an answer rests on `seq`, and the entry if it was written now; whether it may be told.
    async fn written(
        &self,
        cell: &Cell,
        epoch: u64,
        seq: u64,
        entry: Option<(At, &[Event])>,
    ) -> bool {
        let entry = entry.and_then(|(at, events)| Some((at, codec::encode(events)?)));
        let ack = Ack { log: cell.place.log(), epoch, seq, entry };
        let written = self.shared.acks.write(vec![ack]).await && cell.seen().closed < epoch;
        if written {
            let mut seen = cell.seen();
            seen.replied = seen.replied.max(seq);
        }
        written
    }

    async fn patience(&self, start: Instant) -> Result<(), Fault> {
        if start.elapsed() > TRIED_FOR {
            return Err(Fault::Unknown);
        }
        sleep(AGAIN).await;
        Ok(())
    }
}

fn gone(cell: &Cell) {
    cell.seen().gone();
    cell.kick.notify_one();
}
