//! A run in two phases, so that whoever calls can look at the server between them.
//!
//! Each phase runs on one thread of its own with a single-threaded runtime: nothing is locked, and the generator takes
//! no more of the machine than it must.

use crate::crowd;
use crate::curve::{self, Bucket};
use crate::keys::Keys;
use crate::link::{Link, Parked};
use crate::num::real;
use crate::options::Options;
use crate::pacer::Pacer;
use crate::passes::{Making, Passes};
use crate::people::{self, Actor, Cheat, draw};
use crate::progress::Progress;
use crate::record::Record;
use crate::report::{Audit, Check, Demand, Node, Report};
use crate::rush::{Rush, Start};
use crate::world::{self, World};
use anyhow::{Context, anyhow};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

const SECOND_US: i64 = 1_000_000;
/// After the last first try, retries have this long.
const GRACE_US: i64 = 25 * SECOND_US;
/// And this long if something is expected to break, which takes time to mend.
const MENDED_WITHIN_US: i64 = 120 * SECOND_US;
/// A round that is open already is rushed so soon.
const SOON_US: i64 = SECOND_US / 2;
const PASSES_WITHIN_US: i64 = 600 * SECOND_US;
/// More passes in flight than these only make each wait longer.
const PASSES_IN_FLIGHT: usize = 256;

/// People with passes, waiting for the opening.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) options: Options,
    pub(crate) keys: Arc<Keys>,
    pub(crate) world: World,
    pub(crate) actors: Vec<Actor>,
    links: Vec<Parked>,
    passes: Passes,
}

impl Prepared {
    /// When the round opens, Unix milliseconds of the server's clock.
    pub fn opens_at_ms(&self) -> i64 {
        self.world.opens_at_us / 1000
    }

    /// How the passes were made.
    pub fn passes(&self) -> &Passes {
        &self.passes
    }
}

/// Reads the round, opens the connections and gets everybody a pass.
pub async fn prepare(options: Options, progress: Progress) -> anyhow::Result<Prepared> {
    options.check()?;
    let keys = Arc::new(Keys::read(&options.keys)?);
    on_own_thread(move || preparing(options, keys, progress)).await
}

/// Plays the rush and says what came of it. The caller adds the audit and the server's CPU time.
pub async fn rush(prepared: Prepared, progress: Progress) -> anyhow::Result<Report> {
    Ok(rush_and_hold(prepared, progress).await?.0)
}

/// The same, and who holds which coupon afterwards.
pub async fn rush_and_hold(
    prepared: Prepared,
    progress: Progress,
) -> anyhow::Result<(Report, Holders)> {
    on_own_thread(move || rushing(prepared, progress)).await
}

/// Who holds which coupon of a round.
#[derive(Debug)]
pub struct Holders {
    pub(crate) round: u8,
    /// The first account of each person stands at the person's number.
    pub(crate) actors: Vec<Actor>,
    /// Person, kind by its place in the campaign's list, and number; in the order of persons.
    pub(crate) coupons: Vec<(u32, usize, String)>,
}

/// Runs a future that needn't be `Send` on a thread and runtime of its own.
pub(crate) async fn on_own_thread<T, F>(
    make: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
{
    let (done, wait) = oneshot::channel();
    std::thread::Builder::new().name("loadtest".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(make()));
        let _ = done.send(result); // whoever waits no longer needs it
    })?;
    wait.await.context("the generator's thread died")?
}

async fn preparing(
    options: Options,
    keys: Arc<Keys>,
    progress: Progress,
) -> anyhow::Result<Prepared> {
    let nodes = options.urls.iter().map(|url| world::target(url)).collect::<Result<Vec<_>, _>>()?;
    let (hosts, targets): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
    // Each node has its share of the connections and of the people.
    let mut links = (0..options.connections)
        .zip(targets.iter().enumerate().cycle())
        .map(|(number, (node, target))| {
            Parked::new(node, *target, number, options.addresses).wake()
        })
        .collect::<Result<Vec<Link>, _>>()?;
    let world = world::look(&options, hosts, &mut links).await?;
    for (number, link) in links.iter_mut().enumerate() {
        let hint = "is the limit of open files (ulimit -n) high enough?";
        let opened = link.open().await;
        let host = world.hosts.get(link.node).map_or("", String::as_str);
        opened.map_err(|lost| anyhow!("connection {number} to {host}: {}; {hint}", lost.name()))?;
    }
    let quantities: Vec<u32> = world.kinds.iter().map(|kind| kind.quantity).collect();
    let Options { people, cheats_per_mille, seed, .. } = options;
    let mut actors =
        people::people(people, cheats_per_mille, &quantities, draw(seed, options.round));
    for (actor, node) in actors.iter_mut().zip((0..targets.len()).cycle()) {
        actor.node = node;
    }
    let mut making =
        Making::new(options.clone(), Arc::clone(&keys), Rc::new(world.clone()), actors, progress);
    let started = Instant::now();
    // Who shares a device comes after its owner.
    let shares = |actor: &Actor| actor.cheat == Some(Cheat::SharedDevice);
    let copies = |actor: &Actor| actor.cheat == Some(Cheat::CopiedPass);
    for later in [false, true] {
        let who = making.actors.iter().enumerate();
        let now = world.clock.now_us();
        let asks = who
            .filter(|(_, actor)| shares(actor) == later && !copies(actor))
            .map(|(at, _)| (now, (at, 0)))
            .collect();
        let idle = links.split_off(links.len().min(PASSES_IN_FLIGHT));
        let until = now.saturating_add(PASSES_WITHIN_US);
        let (back, used) = crowd::run(making, asks, links, world.clock, until).await;
        making = back.context("the passes were not made")?;
        links = used;
        links.extend(idle);
    }
    if let Some(error) = making.failed {
        return Err(error.context("a request for a pass could not be written"));
    }
    let Making { actors, mut made, times, .. } = making;
    made.seconds = started.elapsed().as_secs_f64();
    made.latency_ms = times.spread();
    let links = links.into_iter().map(Link::park).collect::<Result<_, _>>()?;
    Ok(Prepared { options, keys, world, actors, links, passes: made })
}

async fn rushing(prepared: Prepared, progress: Progress) -> anyhow::Result<(Report, Holders)> {
    let Prepared { options, keys, world, actors, links, passes } = prepared;
    let record = Record::to(options.record.as_deref())?;
    let links = links.into_iter().map(Parked::wake).collect::<Result<Vec<_>, _>>()?;
    let clock = world.clock;
    let opens_at = world.opens_at_us.max(clock.now_us().saturating_add(SOON_US));
    let peak = (!options.herd).then_some(options.peak_per_s);
    let mut rush = Rush::new(Start {
        keys,
        world: world.clone(),
        actors,
        path: format!("/v1/campaigns/{}/rounds/{}/claims", options.campaign, options.round),
        seed: options.seed,
        round: options.round,
        pacer: Pacer::new(draw(options.seed, options.round), opens_at, options.span_s, peak),
        opens_at,
        record,
        progress,
    });
    let cpu_before = cpu_us();
    let first = rush.first(opens_at, clock.now_us());
    let started = jiff::Timestamp::now().to_string();
    let grace_us = if options.faults_expected { MENDED_WITHIN_US } else { GRACE_US };
    let span_us = i64::from(options.span_s).saturating_mul(SECOND_US);
    let until = opens_at.saturating_add(span_us).saturating_add(grace_us);
    let (rush, _links) = crowd::run(rush, first, links, clock, until).await;
    let mut rush = rush.context("the rush was not played")?;
    let cpu = cpu_us().zip(cpu_before).map(|(after, before)| after - before);
    let demand = rush.demand();
    let late_us = opens_at.saturating_sub(world.opens_at_us);
    let actors = rush.take_actors();
    let Rush { tally, curve, seen, record, surprises, answered, .. } = rush;
    let holders = Holders { round: options.round, actors, coupons: seen.coupons() };
    record.finish()?;
    let unknown: Vec<u64> = demand.iter().map(|row| row.unknown).collect();
    let mut checks = seen.checks(&unknown);
    checks.extend(answered_checks(&demand, surprises, &passes));
    let curve = curve.buckets();
    let by_kind = |counts: Vec<u64>| -> BTreeMap<String, u64> {
        world.kinds.iter().map(|kind| kind.kind.clone()).zip(counts).collect()
    };
    let window_s = if options.herd { 1 } else { (options.span_s / 12).max(1) };
    let report = Report {
        campaign: options.campaign,
        round: options.round,
        people: options.people,
        seed: options.seed,
        herd: options.herd,
        connections: options.connections,
        nodes: options
            .urls
            .into_iter()
            .zip(answered)
            .map(|(url, (answered, lost))| Node { url, answered, lost, cpu_us_per_request: None })
            .collect(),
        faults_expected: options.faults_expected,
        started,
        opened_late_ms: late_us / 1000,
        granted: by_kind(seen.granted()),
        stock: by_kind(world.kinds.iter().map(|kind| u64::from(kind.quantity)).collect()),
        kinds: world.kinds.iter().map(|kind| kind.kind.clone()).collect(),
        refused: tally.refused.clone(),
        errors: tally.errors.clone(),
        latency_ms: tally.latency(),
        service_ms: tally.service(),
        rate_window_s: window_s,
        offered_per_s: curve::rate(&curve, window_s, |bucket| bucket.offered),
        achieved_per_s: curve::rate(&curve, window_s, |bucket| bucket.answered),
        peak_offered_per_s: peak_of(&curve, |bucket| bucket.offered),
        peak_achieved_per_s: peak_of(&curve, |bucket| bucket.answered),
        slip_ms_p99: tally.slip.spread().p99,
        generator_lag_ms_p99: tally.lag.spread().p99,
        generator_cpu_us_per_request: cpu.map(|us| us / real(tally.totals.started.max(1))),
        server_cpu_us_per_request: None,
        totals: tally.totals,
        demand,
        passes,
        surprises,
        client: Audit::of(checks),
        audit: None,
        curve,
    };
    Ok((report, holders))
}

/// CPU time of this thread so far, where the system tells.
fn cpu_us() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns: u64 = told.split_whitespace().next()?.parse().ok()?;
    Some(real(ns) / 1000.0)
}

fn peak_of(curve: &[Bucket], what: impl Fn(&Bucket) -> u32) -> f64 {
    real(curve.iter().map(|bucket| u64::from(what(bucket))).max().unwrap_or(0)) * 10.0
}

fn answered_checks(demand: &[Demand], surprises: u64, passes: &Passes) -> Vec<Check> {
    let sum = |of: fn(&Demand) -> u64| demand.iter().map(of).sum::<u64>();
    let (asked, open) =
        (sum(|row| row.asked), sum(|row| row.refused.saturating_add(row.unanswered)));
    vec![
        Check::counted(
            "client_everybody_is_answered",
            "every honest wish ended in a coupon or in sold out",
            asked,
            open,
        ),
        Check::counted(
            "client_answers_as_expected",
            "cheats and repeats got the answer that they should",
            asked,
            surprises,
        ),
        Check::counted(
            "client_passes_as_expected",
            "everybody who should have a pass got one, and nobody else",
            passes.made,
            passes.surprises,
        ),
    ]
}
