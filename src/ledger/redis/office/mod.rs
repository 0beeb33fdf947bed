//! Everything that is not a claim: campaigns, rounds, passes, the interlock, and stock between shards.
//!
//! The machine decides on what is known of a shard; the script makes it only if that is still so. If not, more is
//! read and it is decided anew.

mod balance;
mod fetch;
mod interlock;
mod merchants;
mod passes;
mod reservations;
mod rounds;
mod settling;
mod till;
mod transfers;
mod unfinished;

use super::NotSent;
use super::about::About;
use super::acks::Ack;
use super::effects::{Change, Compare, Op, changes};
use super::link::{Fate, Item};
use super::place::Cell;
use super::scripts::{LookReply, MoveReply, mv};
use super::shared::{Places, Shared};
use super::standing::Standing;
use crate::domain::{At, CampaignNo, Fen, Refusal};
use crate::ledger::embedded::Outcome;
use crate::ledger::event::{Event, codec};
use crate::ledger::machine::{Answer, Command, Grant, Lock, No, Recall, Refund, Settle};
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

/// An entry that is to be written.
#[derive(Default)]
struct Draft {
    events: Vec<Event>,
    /// What must still be so.
    compares: Vec<Compare>,
    /// What the events are about, as it was read.
    about: About,
    /// By the log's time it must be before this.
    late: Option<At>,
    /// What the events may not go beyond.
    cap: Option<Cap>,
}

/// A sum that may grow up to a limit.
struct Cap {
    field: Vec<u8>,
    most: Fen,
}

impl Cap {
    fn bound(&self, changes: &mut [Change]) {
        for change in changes.iter_mut().filter(|it| it.field == self.field) {
            if let Op::Add(more) = change.op
                && let Ok(more) = u64::try_from(more)
            {
                change.op = Op::UpTo(more, self.most.get());
            }
        }
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
        let done = self.done(command).await;
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

    async fn done(&self, command: Command) -> Result<Answer, Fault> {
        let asked = at_zero(&command);
        let is_decided = matches!(command, Command::Decided(_));
        let command = match command {
            Command::Decided(it) => it.1,
            other => other,
        };
        match command {
            Command::Trip(no) | Command::Resume(no) => self.interlock(no, &asked).await,
            Command::Admit(no, it) => self.admit(no, it.merchant, &asked).await,
            Command::Stand(no, it) => self.stand(no, it.merchant, &asked).await,
            Command::Adjust(no, it) => self.adjust(no, it.round, &asked).await,
            Command::Extend(no, it) => self.extend(no, &it.extension, &asked).await,
            Command::Settle(it) => {
                self.settle(it.campaign, (it.batch, it.merchant, it.pool), &asked).await
            }
            Command::SettleDue(no, batch) => self.settle_due(no, batch, &asked).await,
            Command::Paid(no, batch, who) => self.paid(no, (batch, who), &asked).await,
            Command::PaymentFailed(no, batch, who) => self.failed(no, (batch, who), &asked).await,
            _ if is_decided => Err(Fault::No(No::Conflict("nobody decides that in this ledger"))),
            Command::Bind(no, bound) => self.bind(no, &bound).await,
            Command::Arm(no, armed) => self.arm(no, armed).await,
            Command::Expire(no, round) => self.expire(no, round).await,
            Command::Lock(ask) => self.lock_or_use(&ask).await,
            Command::Recall(ask) => self.recall(&ask).await,
            Command::Confirm(no, order) | Command::Release(no, order) => {
                self.order(no, order, &asked).await
            }
            Command::Lapse(no) => self.lapse(no).await,
            Command::Refund(ask) => self.refund(&ask).await,
            Command::Open { .. } | Command::Grant(_) | Command::Decided(_) => Err(Fault::No(
                No::Conflict("campaigns are opened at the start, claims are decided elsewhere"),
            )),
        }
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
        Ok(self.decide(no, fetch::sketch_of(standing)?, command)?.events)
    }

    /// Makes `events` one entry of the place's log if `compares` still hold. `false` if they don't: then the log was
    /// read on meanwhile, and it is to be decided anew.
    async fn make(
        &self,
        cell: &Arc<Cell>,
        events: &[Event],
        compares: &[Compare],
    ) -> Result<bool, Fault> {
        let draft =
            Draft { events: events.to_vec(), compares: compares.to_vec(), ..Draft::default() };
        self.write(cell, draft).await
    }

    /// Makes an entry of the place's log of a draft if what it rests on still holds. `false` if it does not: then it is
    /// to be decided anew.
    async fn write(&self, cell: &Arc<Cell>, draft: Draft) -> Result<bool, Fault> {
        self.write_at(cell, draft).await.map(|at| at.is_some())
    }

    /// The same; the entry's instant, if there is one.
    async fn write_at(&self, cell: &Arc<Cell>, draft: Draft) -> Result<Option<At>, Fault> {
        let start = Instant::now();
        let Draft { events, compares, about, late, cap } = draft;
        let body =
            codec::encode(&events).ok_or(Fault::Wrong("too long for an entry".to_owned()))?;
        loop {
            let (epoch, now) = (cell.seen().epoch, self.shared.now());
            let mut changes = changes(cell.place, cell.shard, now, &events, &mut about.clone())?;
            if let Some(cap) = &cap {
                cap.bound(&mut changes);
            }
            let asked = mv(cell.place, epoch, now, &compares, &changes, &body, late)?;
            match self.one(cell, Item::script(asked)).await.map(MoveReply::read) {
                Some(Ok(MoveReply::Moved { epoch, seq, at }))
                    if self.written(cell, epoch, seq, Some((at, &events))).await =>
                {
                    self.read_up_to(cell, seq, start).await?;
                    self.tell_of(cell, &events);
                    return Ok(Some(at));
                }
                Some(Ok(MoveReply::Changed { .. } | MoveReply::Late { .. })) => {
                    cell.kick.notify_one();
                    return Ok(None);
                }
                Some(Ok(MoveReply::Misfit { which })) => {
                    let beyond = changes.get(which).is_some_and(|it| matches!(it.op, Op::UpTo(..)));
                    return Err(if beyond {
                        No::from(Refusal::MerchantCap).into()
                    } else {
                        No::Funds(crate::funds::FundsRefusal::NotEnough).into()
                    });
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

    /// Tells the watcher what this node wrote of orders, as they stand now.
    fn tell_of(&self, cell: &Cell, events: &[Event]) {
        let seen = cell.seen();
        let told: Vec<_> = events
            .iter()
            .filter_map(|event| {
                let redemption = event.what.redemption()?;
                let order = seen.book.order(redemption)?;
                let face = seen.standing.kind(order.coupon.kind)?.face;
                Some((event.campaign, &event.what, order.shown(redemption, face)))
            })
            .collect();
        drop(seen);
        self.shared.redeemed(&told);
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

/// The command, of campaign 0: a sketch has no other.
fn at_zero(command: &Command) -> Command {
    const ZERO: CampaignNo = CampaignNo(0);
    match command.clone() {
        it @ Command::Open { .. } => it,
        Command::Arm(_, it) => Command::Arm(ZERO, it),
        Command::Bind(_, it) => Command::Bind(ZERO, it),
        Command::Grant(it) => Command::Grant(Grant { campaign: ZERO, ..it }),
        Command::Expire(_, it) => Command::Expire(ZERO, it),
        Command::Trip(_) => Command::Trip(ZERO),
        Command::Resume(_) => Command::Resume(ZERO),
        Command::Adjust(_, it) => Command::Adjust(ZERO, it),
        Command::Extend(_, it) => Command::Extend(ZERO, it),
        Command::Admit(_, it) => Command::Admit(ZERO, it),
        Command::Stand(_, it) => Command::Stand(ZERO, it),
        Command::Lock(it) => Command::Lock(Lock { campaign: ZERO, ..it }),
        Command::Recall(it) => Command::Recall(Recall { campaign: ZERO, ..it }),
        Command::Confirm(_, it) => Command::Confirm(ZERO, it),
        Command::Release(_, it) => Command::Release(ZERO, it),
        Command::Lapse(_) => Command::Lapse(ZERO),
        Command::Refund(it) => Command::Refund(Refund { campaign: ZERO, ..it }),
        Command::Settle(it) => Command::Settle(Settle { campaign: ZERO, ..it }),
        Command::SettleDue(_, it) => Command::SettleDue(ZERO, it),
        Command::Paid(_, batch, it) => Command::Paid(ZERO, batch, it),
        Command::PaymentFailed(_, batch, it) => Command::PaymentFailed(ZERO, batch, it),
        Command::Decided(it) => Command::Decided(Box::new((it.0.clone(), at_zero(&it.1)))),
    }
}

pub(super) fn gone(cell: &Cell) {
    cell.seen().gone();
    cell.kick.notify_one();
}
