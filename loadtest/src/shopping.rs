//! A day of shopping: phones show payment codes, tills scan them, and everything that is told is held against what had
//! to be told.

mod judge;

use crate::crowd::{Play, Timing};
use crate::errands::{Step, Wrong};
use crate::link::Lost;
use crate::num::span;
use crate::progress::{Phase, Progress, Step as Told};
use crate::shoppers::{Order, Script, Shoppers, State, Sums, Terms};
use crate::told::{self, Asked};
use crate::wire::Response;
use judge::Verdict;
use rand::RngExt;

const MS: i64 = 1000;
/// A customer takes this long from one thing to the next.
const THINK_US: std::ops::Range<i64> = 50 * MS..250 * MS;
/// The first back-off without a hint; it doubles up to 16 times that.
const BACK_OFF_US: i64 = 100 * MS;
const TRIES: u16 = 30;
/// So long after their end coupons are ended, for whoever waits for it.
const AFTER_END_MS: i64 = 1_000;

/// A customer's next step; `twin` is the other of two requests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ask {
    pub(crate) script: u32,
    pub(crate) twin: bool,
    pub(crate) tries: u16,
}

pub(crate) struct Visit {
    pub(crate) shoppers: Shoppers,
    pub(crate) scripts: Vec<Script>,
    pub(crate) hosts: Vec<String>,
    pub(crate) progress: Progress,
    pub(crate) failed: Option<anyhow::Error>,
    /// When the last answer came, on the server's clock.
    pub(crate) now_ms: i64,
    pub(crate) answered: u64,
    pub(crate) done: u64,
}

impl Visit {
    pub(crate) fn step(&self, ask: Ask) -> Option<(usize, usize, Step)> {
        let script = self.scripts.get(index(ask.script))?;
        let (coupon, step) = script.steps.get(script.at)?;
        Some((script.customer, *coupon, *step))
    }

    pub(crate) fn terms(&self, coupon: usize) -> Option<Terms> {
        let coupon = self.shoppers.coupons.get(coupon)?;
        self.shoppers.terms.get(coupon.kind).cloned()
    }

    pub(crate) fn order(&self, coupon: usize) -> Option<&Order> {
        self.shoppers.coupons.get(coupon)?.order.as_ref()
    }

    pub(crate) fn order_mut(&mut self, coupon: usize) -> Option<&mut Order> {
        self.shoppers.coupons.get_mut(coupon)?.order.as_mut()
    }

    pub(crate) fn sums(&mut self, coupon: usize) -> Option<&mut Sums> {
        let kind = self.shoppers.coupons.get(coupon)?.kind;
        Some(self.shoppers.counts.sums.entry(kind).or_default())
    }

    /// Makes the order of a step ready, the first time that it is asked. False if there is nothing to ask any more.
    fn ready(&mut self, customer: usize, coupon: usize, step: Step) -> bool {
        match step {
            Step::Redeem { .. } => self.new_order(customer, coupon, None).is_some(),
            Step::Wrong(Wrong::OtherAmount) => self.order(coupon).is_some(),
            Step::Wrong(wrong) => self.new_order(customer, coupon, Some(wrong)).is_some(),
            Step::Code | Step::AfterEnd => true,
            Step::Again => self.order(coupon).is_some_and(|it| it.state != State::Over),
            Step::Confirm | Step::ConfirmLate | Step::Release => {
                self.order(coupon).is_some_and(|it| it.state == State::Locked)
            }
            Step::Refund { nth, of } => {
                let Some(order) = self.order_mut(coupon) else { return false };
                if order.state != State::Confirmed {
                    return false;
                }
                let rest = order.amount.saturating_sub(order.refunded);
                let third = (order.amount / 3).saturating_add(u64::from(nth));
                let amount = if nth == of { rest } else { third.min(rest) };
                order.refunds = order.refunds.saturating_add(1);
                order.last = (amount, 0);
                amount > 0
            }
            Step::RefundAgain => self.order(coupon).is_some_and(|it| it.refunds > 0),
            Step::RefundTooMuch => {
                self.order(coupon).is_some_and(|it| it.state == State::Confirmed && it.refunds > 0)
            }
        }
    }

    /// A new order for the coupon; what goes wrong with it has an order of its own beside.
    fn new_order(&mut self, customer: usize, coupon: usize, wrong: Option<Wrong>) -> Option<()> {
        let Terms { pool, threshold, .. } = self.terms(coupon)?;
        let takes = wrong != Some(Wrong::Category);
        let till = self.shoppers.till(&pool, takes, wrong != Some(Wrong::TooFar))?;
        let over = self.shoppers.rng.random_range(0..threshold.max(2));
        let amount = threshold.saturating_add(over);
        let below = threshold.saturating_sub(1);
        let amount = if wrong == Some(Wrong::BelowThreshold) { below } else { amount };
        let it = self.shoppers.customers.get(customer)?;
        let dead = wrong == Some(Wrong::DeadCode);
        let code = if dead { &it.before } else { &it.code }.clone();
        let round = self.shoppers.round;
        let held = self.shoppers.coupons.get_mut(coupon)?;
        held.orders = held.orders.saturating_add(1);
        let name = format!("{round}-{coupon}-{}", held.orders);
        let order = Order { name, till, amount, code, ..Order::default() };
        if wrong.is_some() {
            self.shoppers.wrong.insert(coupon, order);
        } else {
            held.order = Some(order);
        }
        Some(())
    }

    /// The order that a step is about.
    pub(crate) fn about(&self, coupon: usize, step: Step) -> Option<&Order> {
        match step {
            Step::Wrong(wrong) if wrong != Wrong::OtherAmount => self.shoppers.wrong.get(&coupon),
            _ => self.order(coupon),
        }
    }

    /// Goes on to the next step of a script that has something to ask.
    fn advance(&mut self, ask: Ask, now: i64, next: &mut Vec<(i64, Ask)>) {
        if let Some(script) = self.scripts.get_mut(index(ask.script)) {
            script.at = script.at.saturating_add(1);
        }
        let think = self.shoppers.rng.random_range(THINK_US);
        self.go_on(ask, now.saturating_add(think), next);
    }

    /// Asks what the script's step asks, or the first after it that has something to ask.
    fn go_on(&mut self, ask: Ask, mut when: i64, next: &mut Vec<(i64, Ask)>) {
        while let Some((customer, coupon, step)) = self.step(ask) {
            if step == Step::AfterEnd {
                let think = self.shoppers.rng.random_range(THINK_US);
                let ended = self.shoppers.ends_at_ms.saturating_add(AFTER_END_MS);
                when = when.max(ended.saturating_mul(MS).saturating_add(think));
            } else if self.begin(ask, customer, coupon, step, when, next) {
                return;
            }
            if let Some(script) = self.scripts.get_mut(index(ask.script)) {
                script.at = script.at.saturating_add(1);
            }
        }
        self.done = self.done.saturating_add(1);
    }

    /// Asks what a step asks; false if there is nothing to ask.
    fn begin(
        &mut self,
        ask: Ask,
        customer: usize,
        coupon: usize,
        step: Step,
        when: i64,
        next: &mut Vec<(i64, Ask)>,
    ) -> bool {
        if !self.ready(customer, coupon, step) {
            return false;
        }
        let at_once = matches!(step, Step::Redeem { at_once: true, .. });
        let Some(script) = self.scripts.get_mut(index(ask.script)) else { return false };
        (script.waiting, script.news) = (1 + u8::from(at_once), 0);
        let ask = Ask { twin: false, tries: 0, ..ask };
        next.push((when, ask));
        if at_once {
            next.push((when, Ask { twin: true, ..ask }));
        }
        true
    }

    /// The first step of every script, spread over `span_us`.
    pub(crate) fn first(&mut self, now: i64, span_us: i64) -> Vec<(i64, Ask)> {
        let mut first = vec![];
        for script in 0..self.scripts.len() {
            let Ok(script) = u32::try_from(script) else { break };
            let ask = Ask { script, twin: false, tries: 0 };
            let when = now.saturating_add(self.shoppers.rng.random_range(0..span_us.max(1)));
            self.go_on(ask, when, &mut first);
        }
        first
    }
}

impl Play for Visit {
    type Ask = Ask;

    fn node(&self, ask: Ask) -> usize {
        let script = self.scripts.get(index(ask.script));
        let actor = script.and_then(|it| self.shoppers.customers.get(it.customer));
        let node = actor.map_or(0, |it| it.actor.node);
        // A till asks whichever node it happens to reach.
        let till = self.step(ask).filter(|(_, _, step)| *step != Step::Code);
        let order = till.and_then(|(_, coupon, step)| self.about(coupon, step));
        let nodes = self.hosts.len().max(1);
        order.map_or(node, |it| it.till.wrapping_add(usize::from(ask.tries))) % nodes
    }

    fn write(&mut self, ask: Ask, node: usize, now_us: i64, out: &mut Vec<u8>) {
        if let Err(error) = self.compose(ask, node, now_us.div_euclid(MS), out) {
            self.failed.get_or_insert(error);
        }
    }

    fn heard(
        &mut self,
        ask: Ask,
        _: usize,
        timing: Timing,
        came: Result<Response<'_>, Lost>,
        next: &mut Vec<(i64, Ask)>,
    ) {
        let Some((customer, coupon, step)) = self.step(ask) else { return };
        let asked = asked(step);
        let counts = &mut self.shoppers.counts;
        let (intended, sent) = (timing.intended, timing.sent);
        counts.latency.entry(asked).or_default().record(span(intended, timing.received));
        counts.service.entry(asked).or_default().record(span(sent, timing.received));
        counts.answers = counts.answers.saturating_add(1);
        self.answered = self.answered.saturating_add(1);
        let told = told::read(asked, &came);
        let waiting = |visit: &mut Visit| {
            let script = visit.scripts.get_mut(index(ask.script))?;
            script.waiting = script.waiting.saturating_sub(1);
            Some(script.waiting)
        };
        match self.judge(ask, (customer, coupon, step), timing, told) {
            Verdict::Again(after_ms) if ask.tries < TRIES => {
                let own = BACK_OFF_US.saturating_mul(1 << ask.tries.min(4));
                let after = after_ms.and_then(|ms| i64::try_from(ms).ok());
                let wait = after.map_or(own, |ms| ms.saturating_mul(MS));
                let jitter = self.shoppers.rng.random_range(0..=wait / 2);
                let when = timing.received.saturating_add(wait).saturating_add(jitter);
                next.push((when, Ask { tries: ask.tries.saturating_add(1), ..ask }));
            }
            Verdict::Done => {
                if waiting(self) == Some(0) {
                    self.advance(ask, timing.received, next);
                }
            }
            Verdict::Over | Verdict::Again(_) => {
                let unknown = ask.tries >= TRIES;
                let counts = &mut self.shoppers.counts;
                counts.unanswered = counts.unanswered.saturating_add(u64::from(unknown));
                if waiting(self) == Some(0) {
                    self.done = self.done.saturating_add(1);
                }
                if let Some(script) = self.scripts.get_mut(index(ask.script)) {
                    script.steps.truncate(script.at.saturating_add(1));
                }
            }
        }
    }

    fn due(&mut self, _: i64, _: i64) {}

    fn dropped(&mut self, _: Ask, _: i64) {
        let counts = &mut self.shoppers.counts;
        counts.unanswered = counts.unanswered.saturating_add(1);
    }

    fn tick(&mut self, now_us: i64) {
        (self.progress)(&Told {
            phase: Phase::Tills,
            answered: self.done,
            of: u64::try_from(self.scripts.len()).unwrap_or(u64::MAX),
            granted: 0,
            stock: 0,
            since_opening_ms: now_us.div_euclid(MS),
        });
    }
}

fn asked(step: Step) -> Asked {
    match step {
        Step::Code | Step::AfterEnd => Asked::Code,
        Step::Redeem { .. } | Step::Again | Step::Wrong(_) => Asked::Redeem,
        Step::Confirm | Step::ConfirmLate => Asked::Confirm,
        Step::Release => Asked::Release,
        Step::Refund { .. } | Step::RefundAgain | Step::RefundTooMuch => Asked::Refund,
    }
}

fn index(script: u32) -> usize {
    usize::try_from(script).unwrap_or(usize::MAX)
}
