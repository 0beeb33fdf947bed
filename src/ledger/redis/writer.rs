//! The one task of this node that writes at a place: it sends what waits, all at once, and answers.
//!
//! # What always holds
//!
//! - A claim is asked again, with the same words, until what became of it is known: the ledger
//!   remembers grants, so asking again changes nothing. Only after [`ASKED_FOR`] is it told as unknown.
//! - Nobody is told anything before it is durable (see [`Link`]), written down by this node (by its reader, if
//!   another node granted it), and of an epoch that this node has not closed.

use super::acks::Ack;
use super::link::{Fate, Item, Link};
use super::place::{Ask, Cell};
use super::scripts::{self, ClaimArgs, ClaimReply, MOST_CLAIMS, Outcome as Decided};
use super::shared::{Elsewhere, Shared};
use crate::domain::refusal::BUSY_MS;
use crate::domain::{At, Refusal, RoundNo};
use crate::funds::{Account, Posting};
use crate::ledger::embedded::Outcome;
use crate::ledger::event::{Event, Granted, What, codec};
use crate::ledger::machine::{Answer, Grant, Held, No};
use crate::ledger::service::{BatchStats, Waiting};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

/// Claims of a batch at most, over all rounds.
const BATCH: usize = 512;
/// How long a claim is asked again before its outcome is told as unknown.
const ASKED_FOR: Duration = Duration::from_secs(15);
/// How long a claim waits for stock that another shard sends.
const MOVING: Duration = Duration::from_secs(1);
/// How long an answer waits until this node has written down what it rests on.
const BASIS: Duration = Duration::from_secs(5);
/// How long it takes until what could not be decided is tried again.
const BACK_OFF: Duration = Duration::from_millis(20);

/// A claim that waits.
struct Asked {
    grant: Grant,
    waiting: Box<dyn Waiting>,
    since: Instant,
    /// Whether it may have been decided already.
    sent: bool,
}

/// The task of a place.
pub(super) struct Writer {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    link: Link,
    waiting: Vec<Asked>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, cell: Arc<Cell>, link: Link) -> Writer {
        Writer { shared, cell, link, waiting: Vec::new() }
    }

    /// Serves until nobody asks any more.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Ask>) {
        let mut asks = Vec::with_capacity(BATCH);
        loop {
            let room = BATCH.saturating_sub(self.waiting.len()).max(1);
            if self.waiting.is_empty() {
                if inbox.recv_many(&mut asks, room).await == 0 {
                    return;
                }
            } else {
                sleep(BACK_OFF).await;
                while asks.len() < room
                    && let Ok(ask) = inbox.try_recv()
                {
                    asks.push(ask);
                }
            }
            for ask in asks.drain(..) {
                match ask {
                    Ask::Grant(grant, waiting) => {
                        self.waiting.push(Asked {
                            grant,
                            waiting,
                            since: Instant::now(),
                            sent: false,
                        });
                    }
                    Ask::Items(items, told) => drop(told.send(self.link.read(&items).await)),
                }
            }
            self.batch().await;
        }
    }

    /// Decides what waits, as far as that can be had now.
    async fn batch(&mut self) {
        self.turn_away();
        if self.waiting.is_empty() {
            return;
        }
        let (epoch, now) = (self.cell.seen().epoch, self.shared.now());
        let (known, unknown): (Vec<Asked>, Vec<Asked>) = {
            let waiting = std::mem::take(&mut self.waiting);
            let seen = self.cell.seen();
            waiting.into_iter().partition(|it| seen.standing.kind(it.grant.kind).is_some())
        };
        self.refuse(unknown, Refusal::KindUnknown);
        let mut rounds: BTreeMap<RoundNo, Vec<Asked>> = BTreeMap::new();
        for asked in known {
            rounds.entry(asked.grant.round).or_default().push(asked);
        }
        let mut groups = Vec::new();
        for (round, mut claims) in rounds {
            while !claims.is_empty() {
                let rest = claims.split_off(claims.len().min(MOST_CLAIMS));
                groups.push((round, std::mem::replace(&mut claims, rest)));
            }
        }
        let start = std::time::Instant::now();
        let mut items = Vec::with_capacity(groups.len());
        let mut sent = Vec::with_capacity(groups.len());
        for (round, claims) in groups {
            match self.call(round, epoch, now, &claims) {
                Some((args, item)) => {
                    items.push(item);
                    sent.push((args, claims));
                }
                // Numbers that no script may see: they stay undecided.
                None => self.waiting.extend(claims),
            }
        }
        let fates = self.link.run(&items).await;
        let mut decided = Vec::new();
        for ((args, claims), fate) in sent.into_iter().zip(fates) {
            let value = match fate {
                Fate::Done(value) => value,
                Fate::NotDone(_) => {
                    self.waiting.extend(claims);
                    continue;
                }
                Fate::Unknown => {
                    self.again(claims);
                    continue;
                }
            };
            match ClaimReply::read(value, &args) {
                Ok(ClaimReply::Decided { seq, at, outcomes, basis, .. }) => {
                    decided.push(Group { claims, args, seq, at, outcomes, basis });
                }
                Ok(ClaimReply::Fenced { epoch: is, .. }) => {
                    self.shared.fenced(&self.cell, epoch, is);
                    self.waiting.extend(claims);
                }
                Ok(ClaimReply::Absent) => {
                    self.cell.seen().gone();
                    self.cell.kick.notify_one();
                    self.waiting.extend(claims);
                }
                Err(error) => {
                    tracing::error!(%error, "a claim's outcome can't be read");
                    self.again(claims);
                }
            }
        }
        self.tell(epoch, decided, start).await;
    }

    fn refuse(&self, claims: Vec<Asked>, refusal: Refusal) {
        for asked in claims {
            self.answer(asked, no(refusal));
        }
    }

    /// What they asked may have been done.
    fn again(&mut self, claims: Vec<Asked>) {
        self.waiting.extend(claims.into_iter().map(|asked| Asked { sent: true, ..asked }));
    }

    /// Answers those whose time is up; while the place decides nothing, also those of whom nothing was sent.
    fn turn_away(&mut self) {
        let closed = !self.cell.seen().decides();
        let (up, waiting): (Vec<Asked>, Vec<Asked>) = self
            .waiting
            .drain(..)
            .partition(|asked| asked.since.elapsed() > ASKED_FOR || (closed && !asked.sent));
        self.waiting = waiting;
        for asked in up {
            let outcome =
                if asked.sent { Outcome::Unknown } else { no(Refusal::RiskControlDegraded) };
            self.answer(asked, outcome);
        }
    }

    fn answer(&self, asked: Asked, outcome: Outcome) {
        self.shared.queued.fall(1);
        asked.waiting.answer(outcome);
    }

    /// The call that decides `claims`; `None` if it can't be made.
    fn call(
        &self,
        round: RoundNo,
        epoch: u64,
        now: At,
        claims: &[Asked],
    ) -> Option<(Vec<ClaimArgs>, Item)> {
        let args = {
            let seen = self.cell.seen();
            let args = claims.iter().map(|asked| {
                let terms = seen.standing.kind(asked.grant.kind)?;
                Some(ClaimArgs { grant: asked.grant, pool: terms.pool, face: terms.face })
            });
            args.collect::<Option<Vec<ClaimArgs>>>()?
        };
        let call = scripts::claim(self.cell.place, round, epoch, now, &args).ok()?;
        Some((args, Item::script(call)))
    }

    /// Writes down what was decided, shows it and tells it.
    async fn tell(&mut self, epoch: u64, decided: Vec<Group>, start: std::time::Instant) {
        if decided.is_empty() {
            return;
        }
        let (log, replied) = (self.cell.place.log(), self.cell.seen().replied);
        let mut gone = false;
        let mut acks: Vec<Ack> = decided
            .iter()
            .flat_map(Group::entries)
            .map(|(seq, at, body)| Ack { log, epoch, seq, entry: Some((at, body)) })
            .collect();
        let entries = acks.len();
        let last = decided.iter().map(|group| group.seq).max().unwrap_or(0);
        if last > replied.max(acks.last().map_or(0, |ack| ack.seq)) {
            acks.push(Ack { log, epoch, seq: last, entry: None });
        }
        // Stock that came by an entry which only Redis has would be lost with it, and the grant could not come back.
        let grants = decided.iter().filter(|group| group.grants().next().is_some());
        let basis = grants.map(|group| group.basis).max().unwrap_or(0);
        let written = is_read(&self.cell, basis).await
            && (acks.is_empty() || self.shared.acks.write(acks).await);
        if !written || self.cell.seen().closed >= epoch || !self.shared.view.tells() {
            for group in decided {
                self.again(group.claims);
            }
            return;
        }
        // Before they count: a level of zero is told to whoever is not known to hold anything.
        for (args, outcome) in
            decided.iter().flat_map(|group| group.args.iter().zip(&group.outcomes))
        {
            if let Ok(Answer::Granted(held)) = outcome.told {
                self.shared.view.hold(args.grant.campaign, args.grant.person, held);
            }
        }
        {
            let mut seen = self.cell.seen();
            for (grant, seq) in decided.iter().flat_map(Group::grants) {
                seen.grant(seq, grant.round, grant.kind);
            }
            for (grant, seq, left) in decided.iter().flat_map(Group::left) {
                seen.hear(seq, grant.round, grant.kind, left);
                gone |= left == 0;
            }
            seen.replied = seen.replied.max(last);
            if gone && !seen.caught_up() {
                // The last ones are others', and only the log says whose.
                self.cell.kick.notify_one();
            }
        }
        self.shared.publish(self.cell.place.campaign);
        let stats = BatchStats {
            commands: decided.iter().map(|group| group.claims.len()).sum(),
            events: entries * 2,
            entries: entries as u64,
            bytes: self.shared.acks.bytes(),
            sync: start.elapsed(),
            durable: last,
        };
        self.shared.batch(&stats, decided.iter().flat_map(Group::grants).map(|(grant, _)| grant));
        for group in decided {
            for (asked, outcome) in group.claims.into_iter().zip(group.outcomes) {
                self.tell_one(asked, outcome);
            }
        }
    }

    /// What somebody holds, if this node has written it down: only then may it tell them, since whoever granted it may
    /// have gone before they could.
    fn shown(&self, grant: &Grant) -> Option<Held> {
        let Grant { campaign, person, round, kind, .. } = *grant;
        self.shared.view.held(campaign, person, round, kind)
    }

    fn tell_one(&mut self, asked: Asked, outcome: Decided) {
        let outcome = match outcome.told {
            Ok(Answer::AlreadyHeld(held)) => {
                let Some(Held { state, .. }) = self.shown(&asked.grant) else {
                    self.cell.kick.notify_one();
                    // It is granted: if that can't be written down in time, it is unknown here, not refused.
                    self.again(vec![asked]);
                    return;
                };
                // What became of it since, its script does not say.
                Outcome::Yes(Answer::AlreadyHeld(Held { state, ..held }))
            }
            Ok(answer) => Outcome::Yes(answer),
            Err(No::Refused(refusal @ (Refusal::SoldOut | Refusal::RoundUnknown))) => {
                let Grant { round, kind, .. } = asked.grant;
                // What this shard lacks another may have; and the shield hears of it only from the log.
                self.cell.kick.notify_one();
                let (refusal, elsewhere) = match refusal {
                    Refusal::SoldOut => {
                        (refusal, self.shared.left_elsewhere(&self.cell, round, kind))
                    }
                    _ => match self.shared.armed_elsewhere(&self.cell, round) {
                        Elsewhere::Over if self.cell.seen().standing.tripped => {
                            (Refusal::RiskControlDegraded, false)
                        }
                        Elsewhere::Over => (Refusal::Closed, false),
                        armed => (refusal, armed == Elsewhere::Coming),
                    },
                };
                match elsewhere {
                    true if asked.since.elapsed() < MOVING => {
                        self.waiting.push(asked);
                        return;
                    }
                    true => no(Refusal::Busy { retry_after_ms: BUSY_MS }),
                    false => no(refusal),
                }
            }
            Err(refused) => Outcome::No(refused),
        };
        self.answer(asked, outcome);
    }
}

/// Claims that one script decided.
struct Group {
    claims: Vec<Asked>,
    args: Vec<ClaimArgs>,
    seq: u64,
    at: At,
    outcomes: Vec<Decided>,
    basis: u64,
}

impl Group {
    /// What was granted, and in which entries.
    fn grants(&self) -> impl Iterator<Item = (&Grant, u64)> {
        let both = self.args.iter().zip(&self.outcomes);
        both.filter_map(|(args, outcome)| Some((&args.grant, outcome.seq?)))
    }

    /// What was left of each claim's kind after it, and the seq that the answer is about.
    fn left(&self) -> impl Iterator<Item = (&Grant, u64, u32)> {
        let both = self.args.iter().zip(&self.outcomes);
        both.map(|(args, outcome)| (&args.grant, self.seq, outcome.left))
    }

    /// The entries that the script wrote: seq, instant, body.
    fn entries(&self) -> impl Iterator<Item = (u64, At, Vec<u8>)> {
        self.args.iter().zip(&self.outcomes).filter_map(|(args, outcome)| {
            let Ok(Answer::Granted(held)) = outcome.told else { return None };
            let Grant { campaign, person, pass, .. } = args.grant;
            let granted = Granted { coupon: held.coupon, person, pass, ends_at: held.ends_at };
            let (from, to) = (Account::Reserved, Account::Frozen);
            let posted = Posting { pool: args.pool, from, to, fen: args.face };
            let events =
                [What::Granted(granted), What::Posted(posted)].map(|what| Event { campaign, what });
            Some((outcome.seq?, self.at, codec::encode(&events)?))
        })
    }
}

/// Waits until this node has read the log up to `seq`, and so has written it down; not for ever.
async fn is_read(cell: &Cell, seq: u64) -> bool {
    let start = Instant::now();
    while cell.seen().standing.seq < seq {
        if start.elapsed() > BASIS || !cell.seen().decides() {
            return false;
        }
        cell.kick.notify_one();
        sleep(Duration::from_millis(2)).await;
    }
    true
}

fn no(refusal: Refusal) -> Outcome {
    Outcome::No(No::Refused(refusal))
}
