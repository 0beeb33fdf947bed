//! Every number that the server tells of itself, and nothing about any person.
//!
//! # What always holds
//!
//! - A metric is in the [`catalogue`] or it is not exported; each has a help text, and each
//!   histogram its buckets.
//! - A request looks up no name and formats nothing: what it touches are numbers in arrays, and
//!   handles that were made at the start. Names and labels are joined when somebody looks.
//! - A recorder belongs to one [`Metrics`], so two servers in one process don't mix.
//!
//! # Peaks
//!
//! What is high only between two looks (requests in flight, the queue, the lag) is told as the
//! most since the last look. Two scrapers at once would hide peaks from one another.

pub mod catalogue;
mod counts;
mod peak;
mod process;
mod redeeming;
pub mod routes;
mod sample;

pub use counts::{Counts, Told};
pub use peak::{Longest, Peak};
pub use redeeming::Asked;
pub use routes::Route;

use crate::domain::RoundNo;
use crate::http::Problem;
use crate::http::accept::Connections;
use crate::ledger::service::BatchStats;
use catalogue::{Entry, Type};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use parking_lot::Mutex;
use quanta::Instant;
use std::{
    io,
    sync::{
        Arc, OnceLock,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// How often samples of histograms are sorted into their buckets: until then each takes 8 bytes.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

const METADATA: Metadata<'static> = Metadata::new("quan", Level::INFO, None);

/// Classes of claims by how long they may take.
const CLASSES: [&str; 4] = ["granted", "lost", "refused", "error"];

/// The metrics of one server.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// From handing a grant to the ledger to its durable answer.
    pub ledger_wait: Histogram,
    /// By the place of the outcome.
    claims: Vec<Histogram>,
    /// By the place of what a till asks.
    tills: [Histogram; Asked::COUNT],
    fsync: Histogram,
    batch: Histogram,
    appended: Counter,
    /// Of all workers.
    routes: Mutex<Vec<Arc<routes::RouteCounts>>>,
    connections: OnceLock<Arc<Connections>>,
    /// Its end ends the upkeep.
    _upkeep: SyncSender<()>,
}

impl Metrics {
    /// A recorder of its own, with every metric described.
    pub fn start() -> io::Result<Metrics> {
        let recorder = recorder().map_err(io::Error::other)?;
        for entry in catalogue::ALL {
            describe(&recorder, entry);
        }
        let histogram =
            |entry, labels: &[&str]| recorder.register_histogram(&key(entry, labels), &METADATA);
        let of_class = |class: usize| {
            let class = CLASSES.get(class).copied().unwrap_or_default();
            histogram(&catalogue::CLAIM_DURATION, &[class])
        };
        let yes = [0, 0].into_iter();
        let claims = yes.chain(Problem::all().map(|no| class(&no))).map(of_class).collect();
        let handle = recorder.handle();
        let build = [env!("CARGO_PKG_VERSION"), option_env!("QUAN_REVISION").unwrap_or("unknown")];
        recorder.register_gauge(&key(&catalogue::BUILD_INFO, &build), &METADATA).set(1.0);
        Ok(Metrics {
            ledger_wait: histogram(&catalogue::LEDGER_WAIT, &[]),
            claims,
            tills: Asked::ALL.map(|(_, name)| histogram(&catalogue::REDEEM_DURATION, &[name])),
            fsync: histogram(&catalogue::JOURNAL_FSYNC, &[]),
            batch: histogram(&catalogue::JOURNAL_BATCH, &[]),
            appended: recorder.register_counter(&key(&catalogue::JOURNAL_APPEND, &[]), &METADATA),
            routes: Mutex::default(),
            connections: OnceLock::new(),
            _upkeep: keep_up(handle.clone())?,
            recorder,
            handle,
        })
    }

    /// What one worker counts of `route`.
    pub fn route(&self, route: Route) -> Arc<routes::RouteCounts> {
        let counts = Arc::new(routes::RouteCounts::new(self, route));
        self.routes.lock().push(Arc::clone(&counts));
        counts
    }

    /// Whose connections are told of.
    pub fn watch(&self, connections: Arc<Connections>) {
        // There is one public port.
        let _ = self.connections.set(connections);
    }

    /// A claim of `round` that began at `since` is being answered.
    pub fn claimed(&self, counts: &Counts, round: RoundNo, told: Told, since: Instant) {
        counts.claim(round, told);
        if let Some(duration) = self.claims.get(told.place()) {
            duration.record(since.elapsed());
        }
    }

    /// A till that asked something at `since` is being answered; a yes may have been an earlier request's.
    pub fn till(
        &self,
        counts: &Counts,
        asked: Asked,
        told: Result<bool, &Problem>,
        since: Instant,
    ) {
        counts.redeeming.answered(asked, told);
        if let Some(duration) = self.tills.get(asked.place()) {
            duration.record(since.elapsed());
        }
    }

    /// The ledger made a batch durable.
    pub fn batch(&self, stats: &BatchStats) {
        if stats.entries > 0 {
            self.fsync.record(stats.sync);
            self.batch.record(sample::float(stats.entries));
        }
        self.appended.absolute(stats.bytes);
    }

    /// So many entries were replayed.
    pub fn recovered(&self, entries: u64) {
        self.gauge(&catalogue::JOURNAL_RECOVERED, &[]).set(sample::float(entries));
    }

    /// Where the time of a transaction in the store goes.
    pub fn db_write(&self) -> Histogram {
        self.histogram(&catalogue::DB_WRITE, &[])
    }

    fn counter(&self, entry: &Entry, labels: &[&str]) -> Counter {
        self.recorder.register_counter(&key(entry, labels), &METADATA)
    }

    fn gauge(&self, entry: &Entry, labels: &[&str]) -> Gauge {
        self.recorder.register_gauge(&key(entry, labels), &METADATA)
    }

    fn histogram(&self, entry: &Entry, labels: &[&str]) -> Histogram {
        self.recorder.register_histogram(&key(entry, labels), &METADATA)
    }
}

fn key(entry: &Entry, labels: &[&str]) -> Key {
    let names = entry.labels.iter();
    let labels = names.zip(labels).map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(entry.name, labels.collect::<Vec<_>>())
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for entry in catalogue::ALL {
        if let Type::Histogram(buckets) = entry.kind {
            let name = Matcher::Full(entry.name.to_owned());
            builder = builder.set_buckets_for_metric(name, buckets)?;
        }
    }
    Ok(builder.build_recorder())
}

fn describe(recorder: &PrometheusRecorder, entry: &Entry) {
    let (name, help) = (entry.name.into(), SharedString::const_str(entry.help));
    match entry.kind {
        Type::Counter => recorder.describe_counter(name, None, help),
        Type::Gauge => recorder.describe_gauge(name, None, help),
        Type::Histogram(_) => recorder.describe_histogram(name, None, help),
    }
}

/// The class of a no, as a place in [`CLASSES`].
fn class(no: &Problem) -> usize {
    match (no.code(), no.status()) {
        ("sold_out" | "busy", _) => 1,
        ("risk_control_degraded", _) => 2,
        (_, 500..) => 3,
        _ => 2,
    }
}

/// Sorts samples into buckets until the sender is gone: on a thread of its own, since many take
/// longer than a worker should be kept.
fn keep_up(handle: PrometheusHandle) -> io::Result<SyncSender<()>> {
    let (sender, end) = sync_channel(0);
    thread::Builder::new().name("metrics".into()).spawn(move || {
        while end.recv_timeout(UPKEEP_EVERY) == Err(RecvTimeoutError::Timeout) {
            handle.run_upkeep();
        }
    })?;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Refusal;

    #[test]
    fn a_no_of_a_healthy_server_is_no_error() {
        let of = |no: Problem| CLASSES[class(&no)];
        assert_eq!(of(Refusal::SoldOut.into()), "lost");
        assert_eq!(of(Refusal::Busy { retry_after_ms: 1 }.into()), "lost");
        assert_eq!(of(Refusal::PassInvalid.into()), "refused");
        assert_eq!(of(Refusal::RiskControlDegraded.into()), "refused");
        let errors = Problem::all().filter(|no| of(*no) == "error").map(|no| no.code());
        let errors: Vec<_> = errors.collect();
        assert_eq!(errors, ["internal", "unavailable", "outcome_unknown"]);
    }

    #[test]
    fn two_servers_in_one_process_do_not_mix() {
        let (one, other) = (Metrics::start().unwrap(), Metrics::start().unwrap());
        one.ledger_wait.record(0.003);
        let count = |metrics: &Metrics| {
            let text = metrics.handle.render();
            let mut lines = text.lines().map(str::to_owned);
            lines.find(|line| line.starts_with("quan_claim_ledger_wait_seconds_count")).unwrap()
        };
        assert!(count(&one).ends_with(" 1"));
        assert!(count(&other).ends_with(" 0"));
    }
}
