//! Everything that is not a claim: campaigns, rounds, passes, the interlock, and stock between shards.
//!
//! The machine decides on what is known of a shard; the script makes it only if that is still so. If not, more is
//! read and it is decided anew.

use super::NotSent;
use super::acks::Ack;
use super::effects::{Change, Compare, Op, changes, number};
use super::keys::{Key, shard_of};
use super::link::{Item, Told};
use super::place::Cell;
use super::scripts::{BindReply, LookReply, MoveReply, bind, mv};
use super::shared::{Places, Shared};
use super::standing::Standing;
use crate::domain::{At, CampaignNo, Fen, KindNo, PoolNo, Refusal, RoundNo, Window};
use crate::funds::{Account, Posting};
use crate::ledger::embedded::Outcome;
use crate::ledger::event::{Armed, Bound, Event, Load, Passed, Transfer, What, codec};
use crate::ledger::machine::{Answer, Command, Level, Machine, No, RoundSummary};
use futures_util::future::join_all;
use redis::{Value, cmd};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// How long something is tried.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long an answer waits until this node knows that it may tell it.
const SURE: Duration = Duration::from_secs(2);
/// How long stock may take from one shard to another when it is balanced.
const MOVED: Duration = Duration::from_secs(1);
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
        let done = match command {
            Command::Bind(no, bound) => self.bind(no, &bound).await,
            Command::Arm(no, armed) => self.arm(no, armed).await,
            Command::Expire(no, round) => self.expire(no, round).await,
            Command::Trip(no) => self.interlock(no, &Command::Trip(CampaignNo(0))).await,
            Command::Resume(no) => self.interlock(no, &Command::Resume(CampaignNo(0))).await,
            Command::Open { .. } | Command::Grant(_) => Err(Fault::No(No::Conflict(
                "campaigns are opened at the start, claims are decided elsewhere",
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

    /// Makes a pass: first in the identities' log, then in its person's shard. Both may be done again.
    async fn bind(&self, no: CampaignNo, bound: &Bound) -> Result<Answer, Fault> {
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
        let shard = places.shards.get(usize::from(shard_of(bound.person, of(&places)))).cloned();
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

    async fn arm(&self, no: CampaignNo, armed: Armed) -> Result<Answer, Fault> {
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
            let unarmed =
                Compare { key: Key::Round(armed.round), field: b"from".to_vec(), was: None };
            if self.make(&first, &events, &[unarmed]).await? {
                break;
            }
            self.patience(start).await?;
        }
        self.deal(&places, &armed).await;
        Ok(Answer::Done)
    }

    /// Gives the other shards their share of a round; one that has none is told of it all the same. What is
    /// interrupted is made up for when a shard runs dry.
    async fn deal(&self, places: &Places, armed: &Armed) {
        let shards = u32::from(of(places));
        for peer in 1..of(places) {
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

    async fn expire(&self, no: CampaignNo, round: RoundNo) -> Result<Answer, Fault> {
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
        self.bring_back(&places).await;
        Ok(Answer::Done)
    }

    /// Sends the first shard the money that others have and nobody is promised: rounds are armed there. Whether any
    /// came.
    async fn bring_back(&self, places: &Places) -> bool {
        let mut came = false;
        for from in 1..of(places) {
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

    async fn interlock(&self, no: CampaignNo, command: &Command) -> Result<Answer, Fault> {
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
            let was = if before.tripped { "1" } else { "0" };
            let same =
                Compare { key: Key::Meta, field: b"tripped".to_vec(), was: Some(was.into()) };
            if events.is_empty() || self.make(cell, &events, &[same]).await? {
                return Ok(());
            }
            self.patience(start).await?;
        }
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
        let last = standing.at.unwrap_or(At(0));
        let machine =
            Machine::sketch(opened, standing.funds.clone(), standing.tripped, rounds, last);
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
            if let (_, Told::Done(looked)) = cell.items(Vec::new()).await
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
            if start.elapsed() > PATIENCE {
                return Err(Fault::Unknown);
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    async fn one(&self, cell: &Cell, item: Item) -> Option<Value> {
        let (mut told, _) = cell.items(vec![item]).await;
        match told.pop() {
            Some(Told::Done(value)) => Some(value),
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
        if start.elapsed() > PATIENCE {
            return Err(Fault::Unknown);
        }
        sleep(AGAIN).await;
        Ok(())
    }

    /// Moves `load` from one shard to another: sent, received, forgotten. Interrupted, [`Office::finish`] goes on.
    pub(super) async fn transfer(
        &self,
        places: &Places,
        from: u8,
        to: u8,
        load: Load,
    ) -> Result<bool, Fault> {
        self.finish(places, from, to).await?;
        let Some(source) = places.shards.get(usize::from(from)) else { return Ok(false) };
        let before = source.seen().standing.clone();
        let last = before.sent.get(&to).copied().unwrap_or(0);
        let transfer = Transfer { peer: to, number: last.saturating_add(1), load };
        let Some(posting) = money(&before, &load, Account::Treasury) else { return Ok(false) };
        let posted = (posting.fen > Fen::ZERO).then_some(What::Posted(posting));
        let events: Vec<Event> = [What::Sent(transfer)]
            .into_iter()
            .chain(posted)
            .map(|what| Event { campaign: source.place.campaign, what })
            .collect();
        let mut compares = vec![counter("sent", to, last)?];
        if let Load::Stock { round, .. } = load {
            compares.push(Compare {
                key: Key::Round(round),
                field: b"expired".to_vec(),
                was: expired(source, round),
            });
        }
        match self.make(source, &events, &compares).await {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // It was granted meanwhile.
            Err(Fault::No(No::Funds(_))) => {
                source.kick.notify_one();
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        self.finish(places, from, to).await?;
        Ok(true)
    }

    /// Receives whatever was sent and is not received.
    async fn finish_all(&self, places: &Places) -> Result<(), Fault> {
        let shards = of(places);
        for from in 0..shards {
            for to in (0..shards).filter(|to| *to != from) {
                self.finish(places, from, to).await?;
            }
        }
        Ok(())
    }

    /// The same between shards that decide just now, for as long as [`MOVED`] each: one that can't be reached holds
    /// none of the others up.
    async fn finish_some(&self, places: &Places) -> Result<(), Fault> {
        let mut done = Ok(());
        for from in 0..of(places) {
            for to in (0..of(places)).filter(|to| *to != from) {
                if decides(places, from) && decides(places, to) {
                    done = done.and(soon(self.finish(places, from, to)).await);
                }
            }
        }
        done
    }

    /// Receives what was sent from one shard to another and is not received.
    pub(super) async fn finish(&self, places: &Places, from: u8, to: u8) -> Result<(), Fault> {
        let (Some(source), Some(target)) =
            (places.shards.get(usize::from(from)), places.shards.get(usize::from(to)))
        else {
            return Ok(());
        };
        loop {
            let sent = source.seen().standing.sent.get(&to).copied().unwrap_or(0);
            let received = target.seen().standing.received.get(&from).copied().unwrap_or(0);
            if received >= sent {
                return Ok(());
            }
            let next = received.saturating_add(1);
            let field = format!("{to}:{next}");
            let command = cmd("HGET").arg(source.place.key(Key::Transit)).arg(&field).to_owned();
            let Some(value) = self.one(source, Item::plain(command)).await else {
                return Err(Fault::Unknown);
            };
            let Value::BulkString(body) = value else {
                // It was received and forgotten meanwhile: the target's log will say so.
                target.kick.notify_one();
                sleep(AGAIN).await;
                if target.seen().standing.received.get(&from).copied().unwrap_or(0) <= received {
                    return Err(Fault::Unknown);
                }
                continue;
            };
            let sent = codec::decode(&body).unwrap_or_default();
            let mut events = Vec::new();
            for event in sent {
                let what = match event.what {
                    What::Sent(transfer) => What::Received(Transfer { peer: from, ..transfer }),
                    What::Posted(it) => What::Posted(Posting { from: it.to, to: it.from, ..it }),
                    _ => return Err(Fault::Wrong("what was sent is no transfer".to_owned())),
                };
                events.push(Event { what, ..event });
            }
            let compares = [counter("received", from, received)?];
            if self.make(target, &events, &compares).await? {
                self.forget(source, &field).await;
            } else {
                // Somebody else received it: the target's log is about to say so.
                sleep(AGAIN).await;
            }
        }
    }

    /// Sends each shard that has no unit left of a kind half of what the richest has, and finishes what was
    /// interrupted. The last unit goes only where somebody waits for it: it would never come to rest.
    pub(super) async fn balance(&self, places: &Places) -> Result<(), Fault> {
        let mut done = self.finish_some(places).await;
        done = done.and(self.tell_of_rounds(places).await);
        let now = self.shared.now();
        let rounds: Vec<(RoundNo, Window)> = places.shards.first().map_or_else(Vec::new, |first| {
            let seen = first.seen();
            let open = seen.standing.rounds.values().filter(|it| it.window.has(now) && !it.expired);
            open.map(|it| (it.round, it.window)).collect()
        });
        let kinds = places.shards.first().map_or(0, |first| {
            first.seen().standing.opened.as_ref().map_or(0, |opened| opened.kinds.len())
        });
        for (round, window) in rounds {
            for kind in (0..kinds).filter_map(|kind| u8::try_from(kind).ok().map(KindNo)) {
                done = done.and(self.balance_kind(places, round, window, kind).await);
            }
        }
        done
    }

    /// Tells shards of rounds of which an interrupted arming did not tell them.
    async fn tell_of_rounds(&self, places: &Places) -> Result<(), Fault> {
        let Some(first) = places.shards.first() else { return Ok(()) };
        let now = self.shared.now();
        let rounds: Vec<(RoundNo, Window)> = {
            let seen = first.seen();
            let lives = |it: &&RoundSummary| !it.expired && now < it.window.until;
            seen.standing.rounds.values().filter(lives).map(|it| (it.round, it.window)).collect()
        };
        let mut done = Ok(());
        for (round, window) in rounds {
            for (peer, cell) in (0..).zip(&places.shards) {
                let known = cell.seen().standing.rounds.contains_key(&round);
                if !known && decides(places, 0) && decides(places, peer) {
                    let load = Load::Stock { round, window, kind: KindNo(0), units: 0 };
                    done = done.and(soon(self.transfer(places, 0, peer, load)).await.map(drop));
                }
            }
        }
        done
    }

    async fn balance_kind(
        &self,
        places: &Places,
        round: RoundNo,
        window: Window,
        kind: KindNo,
    ) -> Result<(), Fault> {
        let left = |cell: &Arc<Cell>| {
            let seen = cell.seen();
            let level = seen.standing.level(round, kind).map_or(0, Level::left);
            level.saturating_sub(seen.beyond(round, kind))
        };
        let wanted = |to: u8| {
            let cell = places.shards.get(usize::from(to));
            cell.is_some_and(|cell| cell.seen().wanted.remove(&(round, kind)))
        };
        let mut done = Ok(());
        for to in (0..of(places)).filter(|to| decides(places, *to)) {
            let dry = places.shards.get(usize::from(to)).is_some_and(|cell| left(cell) == 0);
            let deciding = (0..).zip(&places.shards).filter(|(no, _)| decides(places, *no));
            let richest = deciding.max_by_key(|(_, cell)| left(cell));
            if let (true, Some((from, richest))) = (dry, richest)
                && left(richest) > 0
                && (left(richest) > 1 || wanted(to))
            {
                let load = Load::Stock { round, window, kind, units: left(richest).div_ceil(2) };
                done = done.and(soon(self.transfer(places, from, to, load)).await.map(drop));
            }
        }
        done
    }

    async fn forget(&self, source: &Arc<Cell>, field: &str) {
        let change = Change { key: Key::Transit, field: field.into(), op: Op::Delete };
        let epoch = source.seen().epoch;
        if let Ok(call) = mv(source.place, epoch, self.shared.now(), &[], &[change], b"") {
            // If it fails, it stays, and is known to be received by its number.
            self.one(source, Item::script(call)).await;
        }
    }
}

fn gone(cell: &Cell) {
    cell.seen().gone();
    cell.kick.notify_one();
}

/// Whether a shard can be asked, as of a moment ago.
fn decides(places: &Places, shard: u8) -> bool {
    places.shards.get(usize::from(shard)).is_some_and(|cell| cell.seen().healthy())
}

/// Gives `what` up after [`MOVED`]; whatever of a transfer was made is finished later.
async fn soon<T>(what: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(MOVED, what).await.unwrap_or(Err(Fault::Unknown))
}

/// How many shards there are.
fn of(places: &Places) -> u8 {
    u8::try_from(places.shards.len()).unwrap_or(u8::MAX)
}

/// The money that goes along with a load; `None` if its kind or pool is not known.
fn money(standing: &Standing, load: &Load, to: Account) -> Option<Posting> {
    Some(match *load {
        Load::Stock { kind, units, .. } => {
            let terms = standing.kind(kind)?;
            Posting {
                pool: terms.pool,
                from: Account::Reserved,
                to,
                fen: terms.face.checked_mul(u64::from(units))?,
            }
        }
        Load::Funds { pool } => Posting {
            pool,
            from: Account::Available,
            to,
            fen: standing.funds.pool(pool)?.available,
        },
    })
}

fn counter(name: &str, peer: u8, last: u32) -> Result<Compare, Fault> {
    let was = if last == 0 { None } else { Some(number(u64::from(last))?) };
    Ok(Compare { key: Key::Meta, field: format!("{name}:{peer}").into(), was })
}

/// A round that came by a transfer has no such field before it expires.
fn expired(cell: &Cell, round: RoundNo) -> Option<Vec<u8>> {
    let seen = cell.seen();
    seen.standing.armed.contains_key(&round).then(|| b"0".to_vec())
}
