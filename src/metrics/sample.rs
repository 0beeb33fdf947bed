//! What is read when somebody looks: how the parts stand, put beside what was counted.

use super::{Asked, Metrics, catalogue as c, counts, process, redeeming, routes};
use crate::app::App;
use crate::campaign::{Campaign, State, state};
use crate::domain::{Fen, KindNo, PoolNo, calendar::Round};
use crate::funds::Balances;
use crate::gate::Reason;
use crate::ledger::machine::{RoundSummary, Summary};
use crate::ledger::service::QUEUE;
use crate::trail::Head;
use std::{collections::BTreeMap, fs, path::Path, sync::atomic::Ordering::Relaxed, time::Duration};

/// Outcomes that are told before they first happen, so that their first time shows as a rise.
const FROM_THE_START: [&str; 9] = [
    "done",
    "granted",
    "already_held",
    "sold_out",
    "busy",
    "not_open",
    "internal",
    "unavailable",
    "outcome_unknown",
];

impl Metrics {
    /// Everything, in the Prometheus text format.
    pub fn render(&self, app: &App) -> String {
        self.sample(app);
        let mut text = self.handle.render();
        process::render(&mut text);
        text
    }

    fn sample(&self, app: &App) {
        self.workers();
        self.routes();
        for campaign in app.campaigns() {
            self.campaign(app, campaign);
        }
        self.ledger(app);
        self.drain(app);
        if let Some(Head { seq, hash }) = app.trail.head() {
            let number =
                hash.0.iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte));
            self.gauge(&c::TRAIL_ENTRIES, &[]).set(float(seq));
            self.gauge(&c::TRAIL_HASH, &[]).set(float(number));
        }
        self.gauge(&c::CLOCK_OFFSET, &[]).set(seconds(app.clock.drift_ms()));
    }

    fn workers(&self) {
        let workers = self.connections.get().map(|it| it.workers.iter());
        for (no, worker) in workers.into_iter().flatten().enumerate() {
            let no = &*no.to_string();
            let load = |count: &std::sync::atomic::AtomicUsize| count.load(Relaxed) as u64;
            self.gauge(&c::HTTP_CONNECTIONS, &[no]).set(float(load(&worker.open)));
            self.counter(&c::HTTP_ACCEPTED, &[no]).absolute(load(&worker.accepted));
            self.counter(&c::HTTP_REJECTED, &[no, "full"]).absolute(load(&worker.rejected));
            self.gauge(&c::RUNTIME_LAG, &[no]).set(worker.lag.take().as_secs_f64());
        }
    }

    fn routes(&self) {
        /// Requests by class, and the most at once.
        type Sums = ([u64; routes::CLASSES.len()], u32);
        let mut sums: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
        for counts in self.routes.lock().iter() {
            let (classes, most) = sums.entry(counts.route.name()).or_default();
            for (sum, count) in classes.iter_mut().zip(&counts.classes) {
                *sum += count.load(Relaxed);
            }
            *most += counts.in_flight.take();
        }
        for ((method, template), (classes, most)) in sums {
            for (class, count) in routes::CLASSES.into_iter().zip(classes) {
                if count > 0 || ["2xx", "5xx"].contains(&class) {
                    self.counter(&c::HTTP_REQUESTS, &[template, method, class]).absolute(count);
                }
            }
            self.gauge(&c::HTTP_IN_FLIGHT, &[template]).set(f64::from(most));
        }
    }

    fn campaign(&self, app: &App, campaign: &Campaign) {
        let id = &*campaign.plan.id;
        let summary = app.ledger.view().campaign(campaign.no);
        for reason in Reason::ALL {
            let holds = campaign.gate.interlock.reasons().any(|held| held == reason);
            self.gauge(&c::INTERLOCK, &[id, reason.name()]).set(flag(holds));
        }
        for round in campaign.rounds() {
            let armed = summary.as_ref().and_then(|it| it.round(round.no));
            self.round(app, campaign, round, armed);
        }
        for (no, count) in crate::http::Problem::all().zip(campaign.counts.rejected()) {
            if count > 0 || FROM_THE_START.contains(&no.code()) {
                self.counter(&c::PASSES_REJECTED, &[id, no.code()]).absolute(count);
            }
        }
        if let Some(summary) = summary {
            self.redeeming(app, campaign, &summary);
            self.funds(campaign, &summary);
        }
    }

    fn round(&self, app: &App, campaign: &Campaign, plan: &Round, armed: Option<&RoundSummary>) {
        let (id, no) = (&*campaign.plan.id, &*format!("{:02}", plan.no.0));
        let window = armed.map_or(plan.window, |armed| armed.window);
        let phase = match state(window, armed, false, app.clock.now()) {
            _ if armed.is_some_and(|armed| armed.expired) => 6,
            State::Planned => 1,
            State::Armed => 2,
            State::Open | State::Paused => 3,
            State::SoldOut => 4,
            State::Closed => 5,
        };
        self.gauge(&c::ROUND_PHASE, &[id, no]).set(phase);
        self.gauge(&c::ROUND_OPEN, &[id, no]).set(seconds(window.from.0));
        self.gauge(&c::ROUND_ARMED, &[id, no]).set(flag(armed.is_some()));
        for (outcome, count) in counts::outcomes().zip(campaign.counts.claims(plan.no)) {
            if count > 0 || FROM_THE_START.contains(&outcome) {
                self.counter(&c::CLAIMS, &[id, no, outcome]).absolute(count);
            }
        }
        let passes = campaign.counts.passes(plan.no);
        self.counter(&c::PASSES_ISSUED, &[id, no]).absolute(passes);
        if let Some(armed) = armed {
            self.stock(campaign, no, armed);
        }
    }

    fn stock(&self, campaign: &Campaign, round: &str, armed: &RoundSummary) {
        for ((no, kind), level) in (0..).zip(&campaign.plan.kinds).zip(&armed.stock) {
            let (no, labels) = (KindNo(no), [&*campaign.plan.id, round, &*kind.name]);
            self.gauge(&c::ROUND_QUOTA, &labels).set(f64::from(level.quantity));
            self.gauge(&c::ROUND_ISSUED, &labels).set(f64::from(level.granted));
            if let Some(stock) = campaign.stock(armed.round, no) {
                self.gauge(&c::ROUND_REMAINING, &labels).set(f64::from(stock.left()));
            }
            let (issued, sold_out_ms) = campaign.counts.issued(armed.round, no);
            self.counter(&c::COUPONS_ISSUED, &labels).absolute(issued);
            if let Some(ms) = sold_out_ms {
                self.gauge(&c::ROUND_SELLOUT, &labels).set(seconds(ms));
            }
            let expired = if armed.expired { level.unused() } else { 0 };
            self.counter(&c::COUPONS_EXPIRED, &labels).absolute(expired.into());
        }
    }

    fn redeeming(&self, app: &App, campaign: &Campaign, summary: &Summary) {
        let (id, counts) = (&*campaign.plan.id, &campaign.counts.redeeming);
        self.counter(&c::CODES_ISSUED, &[id]).absolute(counts.codes());
        for (asked, name) in Asked::ALL {
            for (outcome, count) in redeeming::outcomes().zip(counts.asked(asked)) {
                if count > 0 || FROM_THE_START.contains(&outcome) {
                    self.counter(&c::REDEEM, &[id, name, outcome]).absolute(count);
                }
            }
        }
        for (kind, count) in ["full", "partial"].into_iter().zip(counts.refunds()) {
            self.counter(&c::REFUNDS, &[id, kind]).absolute(count);
        }
        let (redeemed, sales) = counts.fen();
        self.counter(&c::REDEEMED, &[id]).absolute(redeemed);
        self.counter(&c::SALES, &[id]).absolute(sales);
        let levels = summary.rounds.iter().flat_map(|round| &round.stock);
        let locks = levels.map(|level| u64::from(level.locked)).sum();
        self.gauge(&c::LOCKS, &[id]).set(float(locks));
        let overdue = summary.lapses_at.map_or(0, |at| app.clock.now().ms_since(at).max(0));
        self.gauge(&c::LOCKS_OVERDUE, &[id]).set(seconds(overdue));
    }

    fn funds(&self, campaign: &Campaign, summary: &Summary) {
        for (no, pool) in (0..).map(PoolNo).zip(&campaign.plan.pools) {
            let Some(stands) = summary.funds.pool(no) else { continue };
            let labels = [&*campaign.plan.id, &*pool.name];
            let Balances { budget, available, reserved, frozen, consumed, payable, paid } = *stands;
            let committed = [reserved, frozen, consumed, payable, paid];
            let committed = committed.into_iter().map(Fen::get).fold(0, u64::saturating_add);
            self.gauge(&c::FUND_BUDGET, &labels).set(float(budget.get()));
            self.gauge(&c::FUND_COMMITTED, &labels).set(float(committed));
            self.gauge(&c::FUND_FROZEN, &labels).set(float(frozen.get()));
            self.gauge(&c::FUND_AVAILABLE, &labels).set(float(available.get()));
            let stands = available.get().saturating_add(committed);
            let off = float(budget.get().abs_diff(stands));
            let off = if stands > budget.get() { off.copysign(-1.0) } else { off };
            self.gauge(&c::LEDGER_IMBALANCE, &labels).set(off);
        }
    }

    fn ledger(&self, app: &App) {
        self.gauge(&c::JOURNAL_QUEUE, &[]).set(f64::from(app.ledger.most_queued()));
        self.gauge(&c::JOURNAL_CAPACITY, &[]).set(f64::from(QUEUE));
        self.gauge(&c::JOURNAL_STOPPED, &[]).set(flag(app.ledger.fault().is_some()));
        if let Some(segments) = segments(&app.data.journal()) {
            self.gauge(&c::JOURNAL_SEGMENTS, &[]).set(float(segments));
        }
        if let Ok(disk) = rustix::fs::statvfs(app.data.path()) {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            self.gauge(&c::DISK_FREE, &[]).set(float(free));
        }
    }

    fn drain(&self, app: &App) {
        self.gauge(&c::DRAIN_STOPPED, &[]).set(flag(app.drain.stopped()));
        let drains = app.drain.statuses();
        if drains.is_empty() {
            return;
        }
        self.gauge(&c::DRAIN_LAG, &[]).set(float(drains.iter().map(|drain| drain.lag()).sum()));
        let oldest = drains.iter().filter_map(|drain| drain.oldest_at()).min();
        let age = oldest.map_or(0, |at| app.clock.now().ms_since(at).max(0));
        self.gauge(&c::DRAIN_AGE, &[]).set(seconds(age));
        self.counter(&c::DB_BUSY, &[])
            .absolute(drains.iter().map(|drain| drain.failed_ever()).sum());
    }
}

fn segments(journal: &Path) -> Option<u64> {
    let names = fs::read_dir(journal).ok()?.filter_map(Result::ok).map(|item| item.file_name());
    let segment =
        |name: &std::ffi::OsString| Path::new(name).extension() == Some("journal".as_ref());
    Some(names.filter(segment).count() as u64)
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Milliseconds as seconds.
fn seconds(ms: i64) -> f64 {
    let size = Duration::from_millis(ms.unsigned_abs()).as_secs_f64();
    if ms < 0 { size.copysign(-1.0) } else { size }
}

/// A whole number as Prometheus has it.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53: 90 trillion yuan, 8 PiB")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}
