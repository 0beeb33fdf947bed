//! The rush: everybody claims, one kind after the other, until each has an answer that is final.

use crate::answer::{self, Answer, Refused};
use crate::crowd::{Play, Timing};
use crate::curve::Curve;
use crate::keys::Keys;
use crate::link::Lost;
use crate::num::span;
use crate::pacer::Pacer;
use crate::people::{Actor, Cheat, MOST_PICKS, draw};
use crate::progress::{Phase, Progress, Step};
use crate::record::{Line, Record};
use crate::report::Demand;
use crate::seen::Seen;
use crate::tally::{Class, Tally};
use crate::tokens;
use crate::wire::{self, Response};
use crate::world::World;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;

const MS: i64 = 1000;
/// A person takes this long to go on to the next kind.
const THINK_US: std::ops::Range<i64> = 300 * MS..900 * MS;
/// A lucky person who asks again does so after this time.
const AGAIN_US: std::ops::Range<i64> = 1000 * MS..5000 * MS;
const AGAIN_PERCENT: u32 = 2;
const EARLY_PERCENT: u32 = 5;
/// Early clickers need this much time before the opening.
const EARLY_NEEDS_US: i64 = 2200 * MS;
/// The first back-off without a hint; it doubles up to 16 times that.
const BACK_OFF_US: i64 = 100 * MS;

/// Why somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Wants the coupon.
    Wants,
    /// Clicks before the opening.
    Early,
    /// Sends the same at the same time.
    Parallel,
    /// Has it and asks again.
    Again,
}

/// A claim: whose, for which of the picked kinds, why, and tries before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ask {
    actor: u32,
    slot: u8,
    why: Why,
    tries: u16,
}

/// How it stands with one wish of one actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    NotAsked,
    Asking,
    Granted,
    SoldOut,
    Refused,
}

pub(crate) struct Rush {
    pub(crate) tally: Tally,
    pub(crate) curve: Curve,
    pub(crate) seen: Seen,
    pub(crate) record: Record,
    /// Answers that a cheat or a person asking again should not have got.
    pub(crate) surprises: u64,
    keys: Arc<Keys>,
    world: World,
    actors: Vec<Actor>,
    wishes: Vec<[Wish; MOST_PICKS]>,
    seed: u64,
    round: u8,
    pacer: Pacer,
    rng: StdRng,
    progress: Progress,
    granted: u64,
    stock: u64,
    heads: Vec<Vec<u8>>,
    /// Requests to each node that were answered, and that were not.
    pub(crate) answered: Vec<(u64, u64)>,
    quoted: Vec<String>,
    body: Vec<u8>,
}

/// What the rush starts with.
pub(crate) struct Start {
    pub(crate) keys: Arc<Keys>,
    pub(crate) world: World,
    pub(crate) actors: Vec<Actor>,
    pub(crate) path: String,
    pub(crate) seed: u64,
    pub(crate) round: u8,
    pub(crate) pacer: Pacer,
    pub(crate) opens_at: i64,
    pub(crate) record: Record,
    pub(crate) progress: Progress,
}

impl Rush {
    pub(crate) fn new(start: Start) -> Rush {
        let Start { keys, world, actors, path, seed, round, pacer, opens_at, record, progress } =
            start;
        let quantities: Vec<u32> = world.kinds.iter().map(|kind| kind.quantity).collect();
        let quoted = |name: &String| serde_json::Value::from(name.as_str()).to_string();
        Rush {
            tally: Tally::default(),
            curve: Curve::new(opens_at, quantities.len()),
            stock: quantities.iter().copied().map(u64::from).sum(),
            seen: Seen::new(opens_at, quantities),
            record,
            surprises: 0,
            wishes: vec![Default::default(); actors.len()],
            heads: world.hosts.iter().map(|host| wire::post_head(&path, host)).collect(),
            answered: vec![(0, 0); world.hosts.len()],
            quoted: world.kinds.iter().map(|kind| quoted(&kind.kind)).collect(),
            keys,
            world,
            actors,
            seed,
            round,
            pacer,
            rng: StdRng::seed_from_u64(draw(seed, round) ^ 0x72_7573_6800),
            progress,
            granted: 0,
            body: vec![],
        }
    }

    /// The first tries of all, and what is drawn in advance beside them.
    pub(crate) fn first(&mut self, opens_at: i64, now_us: i64) -> Vec<(i64, Ask)> {
        let mut first = vec![];
        let early_too = opens_at.saturating_sub(now_us) > EARLY_NEEDS_US;
        for at in 0..self.actors.len() {
            let (Ok(actor), Some(_)) = (u32::try_from(at), self.pass(at)) else { continue };
            let when = self.pacer.first_try();
            let ask = Ask { actor, slot: 0, why: Why::Wants, tries: 0 };
            first.push((when, ask));
            let cheat = self.actors.get(at).and_then(|actor| actor.cheat);
            if cheat == Some(Cheat::Parallel) {
                let beside = when.saturating_add(self.rng.random_range(0..3 * MS));
                let beside = self.pacer.book(beside);
                first.push((beside, Ask { why: Why::Parallel, ..ask }));
            } else if cheat.is_none()
                && early_too
                && self.rng.random_range(0..100) < EARLY_PERCENT
                && let Some(click) = self.pacer.early_click()
            {
                first.push((click, Ask { why: Why::Early, ..ask }));
            }
        }
        first
    }

    /// The pass that actor `at` sends.
    fn pass(&self, at: usize) -> Option<&str> {
        let actor = self.actors.get(at)?;
        if actor.cheat == Some(Cheat::CopiedPass) {
            return self.actors.get(at.checked_sub(1)?)?.pass.as_deref();
        }
        actor.pass.as_deref()
    }

    fn wish(&mut self, ask: Ask) -> Option<&mut Wish> {
        self.wishes.get_mut(index(ask.actor))?.get_mut(usize::from(ask.slot))
    }

    fn kind(&self, ask: Ask) -> Option<usize> {
        self.actors.get(index(ask.actor))?.picks.get(ask.slot)
    }

    /// Whether this actor holds no right to any coupon with what it sends.
    fn is_impostor(&self, ask: Ask) -> bool {
        let cheat = self.actors.get(index(ask.actor)).and_then(|actor| actor.cheat);
        matches!(cheat, Some(Cheat::CopiedPass | Cheat::AlteredPass))
    }

    fn surprise(&mut self, is: bool) {
        self.surprises = self.surprises.saturating_add(u64::from(is));
    }

    fn yes(
        &mut self,
        ask: Ask,
        timing: Timing,
        number: &serde_json::Value,
        replayed: bool,
        next: &mut Vec<(i64, Ask)>,
    ) {
        let at = index(ask.actor);
        let (Some(kind), Some(person)) = (self.kind(ask), self.actors.get(at).map(|a| a.person))
        else {
            return;
        };
        self.surprise(self.is_impostor(ask) || (ask.why == Why::Again && !replayed));
        if self.seen.yes(person, kind, number, replayed, timing) {
            self.granted = self.granted.saturating_add(1);
            self.curve.granted(timing.received, kind);
        }
        let pass = self.pass(at).unwrap_or_default().to_owned();
        let name = self.world.kinds.get(kind).map_or("", |kind| kind.kind.as_str());
        let at_ms = timing.received.div_euclid(MS);
        self.record.write(&Line::Yes { pass: &pass, coupon: number, kind: name, replayed, at_ms });
        if !replayed && ask.why == Why::Wants && self.rng.random_range(0..100) < AGAIN_PERCENT {
            let later = timing.received.saturating_add(self.rng.random_range(AGAIN_US));
            next.push((self.pacer.book(later), Ask { why: Why::Again, tries: 0, ..ask }));
        }
        self.settle(ask, Wish::Granted, timing, next);
    }

    fn sold_out(&mut self, ask: Ask, timing: Timing, next: &mut Vec<(i64, Ask)>) {
        let at = index(ask.actor);
        let (Some(kind), Some(person)) = (self.kind(ask), self.actors.get(at).map(|a| a.person))
        else {
            return;
        };
        self.surprise(self.is_impostor(ask) || ask.why == Why::Again);
        if self.seen.sold_out(person, kind, timing) {
            let name = self.world.kinds.get(kind).map_or("", |kind| kind.kind.as_str());
            let at_ms = timing.received.div_euclid(MS);
            self.record.write(&Line::SoldOut { sold_out: name, at_ms });
        }
        self.settle(ask, Wish::SoldOut, timing, next);
    }

    fn refused(&mut self, ask: Ask, code: &str, timing: Timing, next: &mut Vec<(i64, Ask)>) {
        let as_expected = self.is_impostor(ask) && code.starts_with("pass_");
        self.surprise(!as_expected);
        self.settle(ask, Wish::Refused, timing, next);
    }

    /// An answer that is final for this wish; the person goes on to the next one.
    fn settle(&mut self, ask: Ask, to: Wish, timing: Timing, next: &mut Vec<(i64, Ask)>) {
        if let Some(wish) = self.wish(ask).filter(|wish| **wish != Wish::Granted) {
            *wish = to;
        }
        let then = Ask { slot: ask.slot.saturating_add(1), tries: 0, ..ask };
        if ask.why == Why::Wants && self.kind(then).is_some() && !self.is_impostor(ask) {
            let later = timing.received.saturating_add(self.rng.random_range(THINK_US));
            next.push((self.pacer.book(later), then));
        }
    }

    /// No answer that is final: asks again after a while, not before the server said.
    fn again(
        &mut self,
        ask: Ask,
        after_ms: Option<u64>,
        timing: Timing,
        next: &mut Vec<(i64, Ask)>,
    ) {
        if matches!(ask.why, Why::Early | Why::Parallel) {
            return;
        }
        let own = BACK_OFF_US.saturating_mul(1 << ask.tries.min(4));
        let wait = after_ms.map_or(own, |ms| {
            i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(MS).max(BACK_OFF_US / 4)
        });
        let jitter = self.rng.random_range(0..=wait / 2);
        let later = timing.received.saturating_add(wait).saturating_add(jitter);
        next.push((self.pacer.book(later), Ask { tries: ask.tries.saturating_add(1), ..ask }));
    }

    fn no(&mut self, ask: Ask, no: &Refused<'_>, timing: Timing, next: &mut Vec<(i64, Ask)>) {
        self.tally.refused(&no.code);
        match &*no.code {
            "sold_out" => self.sold_out(ask, timing, next),
            "not_open" => self.again(ask, no.opens_in_ms.or(no.retry_after_ms), timing, next),
            _ if no.is_passing() => self.again(ask, no.retry_after_ms, timing, next),
            code => self.refused(ask, code, timing, next),
        }
    }

    /// The people, and which coupons they were told to hold: whose, and which kind.
    pub(crate) fn take_actors(&mut self) -> Vec<Actor> {
        std::mem::take(&mut self.actors)
    }

    /// How many wanted each kind and how that ended; who is without an answer goes on record.
    pub(crate) fn demand(&mut self) -> Vec<Demand> {
        let mut demand: Vec<Demand> = self
            .world
            .kinds
            .iter()
            .map(|kind| Demand {
                kind: kind.kind.clone(),
                quantity: kind.quantity,
                ..Demand::default()
            })
            .collect();
        for (actor, wishes) in self.actors.iter().zip(&self.wishes) {
            for (kind, wish) in actor.picks.iter().zip(wishes) {
                let Some(row) = demand.get_mut(kind) else { continue };
                if actor.is_honest() && actor.pass.is_some() {
                    row.add(match wish {
                        Wish::NotAsked => continue,
                        Wish::Asking => "unanswered",
                        Wish::Granted => "granted",
                        Wish::SoldOut => "sold_out",
                        Wish::Refused => "refused",
                    });
                }
                if *wish == Wish::Asking && actor.pass.is_some() {
                    row.unknown = row.unknown.saturating_add(1);
                    let round = self.round;
                    self.record.write(&Line::Unanswered { unanswered: &row.kind, round });
                }
            }
        }
        for (row, times) in demand.iter().zip(self.seen.sold_out_times()) {
            self.record.write(&Line::SoldOutTimes { sold_out_told: &row.kind, times: *times });
        }
        demand
    }
}

impl Play for Rush {
    type Ask = Ask;

    fn node(&self, ask: Ask) -> usize {
        self.actors.get(index(ask.actor)).map_or(0, |actor| actor.node)
    }

    fn write(&mut self, ask: Ask, node: usize, now_us: i64, out: &mut Vec<u8>) {
        self.tally.totals.started = self.tally.totals.started.saturating_add(1);
        let at = index(ask.actor);
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        if let (Some(actor), Some(kind), Some(pass)) =
            (self.actors.get(at), self.kind(ask), self.pass(at))
        {
            let kind = self.quoted.get(kind).map_or("", String::as_str);
            claim_body(&self.keys, actor, self.seed, kind, pass, now_us.div_euclid(MS), &mut body);
        }
        if let Some(head) = self.heads.get(node) {
            wire::post(head, None, &body, out);
        }
        self.body = body;
        if let Some(wish) = self.wish(ask).filter(|wish| **wish == Wish::NotAsked) {
            *wish = Wish::Asking;
        }
    }

    fn heard(
        &mut self,
        ask: Ask,
        node: usize,
        timing: Timing,
        came: Result<Response<'_>, Lost>,
        next: &mut Vec<(i64, Ask)>,
    ) {
        let answer = answer::claim(&came);
        let class = match &answer {
            Answer::Yes { replayed: false, .. } => Class::Granted,
            Answer::Yes { replayed: true, .. } => Class::AlreadyHeld,
            Answer::No(no) if no.code == "sold_out" => Class::SoldOut,
            Answer::No(no) if !no.is_fault() => Class::Refused,
            Answer::No(_) | Answer::Strange(_) | Answer::Lost(_) => Class::Error,
        };
        self.tally.timed(class, timing, came.is_ok());
        if let Some((answered, lost)) = self.answered.get_mut(node) {
            let count = if came.is_ok() { answered } else { lost };
            *count = count.saturating_add(1);
        }
        if came.is_ok() {
            self.curve.answered(timing.received);
        }
        match answer {
            Answer::Yes { number, replayed } => self.yes(ask, timing, &number, replayed, next),
            Answer::No(no) => self.no(ask, &no, timing, next),
            Answer::Strange(status) => {
                self.tally.error(&format!("status_{status}"));
                if status >= 500 {
                    self.again(ask, None, timing, next);
                } else {
                    self.refused(ask, "strange", timing, next);
                }
            }
            Answer::Lost(lost) => {
                self.tally.error(lost.name());
                let nodes = self.heads.len();
                let actor = self.actors.get_mut(index(ask.actor));
                // Unless somebody with this app has moved on already.
                actor
                    .filter(|actor| actor.node == node)
                    .into_iter()
                    .for_each(|it| it.move_on(nodes));
                self.again(ask, None, timing, next);
            }
        }
    }

    fn due(&mut self, intended: i64, now_us: i64) {
        self.tally.totals.offered = self.tally.totals.offered.saturating_add(1);
        self.tally.lag.record(span(intended, now_us));
        self.curve.offered(intended);
    }

    fn dropped(&mut self, ask: Ask, _: i64) {
        self.tally.totals.dropped = self.tally.totals.dropped.saturating_add(1);
        if let Some(wish) = self.wish(ask).filter(|wish| **wish == Wish::NotAsked) {
            *wish = Wish::Asking; // wanted to ask and got no answer
        }
    }

    fn tick(&mut self, now_us: i64) {
        let (answered, granted, stock) = (self.tally.totals.answered, self.granted, self.stock);
        let since_opening_ms = now_us.saturating_sub(self.world.opens_at_us) / MS;
        let phase = Phase::Rush;
        (self.progress)(&Step { phase, answered, of: 0, granted, stock, since_opening_ms });
    }
}

/// Appends the body of a claim of the quoted `kind`, with a position taken at `now_ms`.
pub(crate) fn claim_body(
    keys: &Keys,
    actor: &Actor,
    seed: u64,
    kind: &str,
    pass: &str,
    now_ms: i64,
    body: &mut Vec<u8>,
) {
    let device = actor.device(seed);
    body.extend_from_slice(b"{\"kind\":");
    body.extend_from_slice(kind.as_bytes());
    body.extend_from_slice(b",\"pass\":\"");
    let start = body.len();
    body.extend_from_slice(pass.as_bytes());
    if actor.cheat == Some(Cheat::AlteredPass)
        && let Some(byte) = body.get_mut(start.saturating_add(40))
    {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    body.extend_from_slice(b"\",\"device\":\"");
    body.extend_from_slice(device.as_bytes());
    body.extend_from_slice(b"\",\"fix\":\"");
    tokens::fix(keys, actor.place(), now_ms, &device, body);
    body.extend_from_slice(b"\"}");
}

fn index(actor: u32) -> usize {
    usize::try_from(actor).unwrap_or(usize::MAX)
}
