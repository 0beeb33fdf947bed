//! The ledger: a grant decided by the machine alone; entries appended by batch size beside the
//! disk's own write and sync; durable grants in process at 64 and at 4,096 in flight.

#![expect(
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a rate, and a place in a list"
)]

mod common;

use common::{NOW, bind, grant, opening};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group};
use quan::ledger::embedded::{Embedded, Outcome};
use quan::ledger::journal::{DiskFile, Folder, Journal, Options};
use quan::ledger::machine::{Answer, Machine, Summary};
use quan::ledger::service::{BatchStats, LocalLedger, Watcher, told};
use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

const PEOPLE: u32 = 400_000;
/// The body of an entry that holds one grant and its posting.
const BODY: usize = 74;

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("quan-bench-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

fn machine(c: &mut Criterion) {
    let mut ready = Machine::default();
    for command in opening(PEOPLE).into_iter().chain((0..PEOPLE).map(bind)) {
        ready.execute(&command, NOW).expect("a fresh machine takes it");
    }
    let mut who = 0;
    c.bench_function("machine: decide and apply a grant", |b| {
        b.iter_batched(
            || {
                who += 1;
                if who == PEOPLE {
                    who = 0;
                }
                grant(who)
            },
            |command| drop(ready.execute(&command, NOW)),
            BatchSize::SmallInput,
        );
    });
}

fn journal(c: &mut Criterion) {
    let mut group = c.benchmark_group("journal");
    let path = folder("journal");
    let disk = Folder::open(&path).expect("a folder");
    let mut journal = Journal::open(disk, Options::default(), NOW).expect("opens");
    let raw = File::create(path.join("raw")).expect("a file");
    raw.write_at(&vec![0; 64 << 20], 0).expect("writes");
    raw.sync().expect("syncs");
    for batch in [1_usize, 16, 64, 256, 1_024, 4_096] {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::new("append", batch), |b| {
            b.iter(|| {
                for _ in 0..batch {
                    journal.append(NOW, vec![7; BODY]).expect("takes it");
                }
                journal.commit().expect("syncs")
            });
        });
        let bytes = vec![7; batch * (BODY + 41)];
        let mut at = 0;
        group.bench_function(BenchmarkId::new("raw write + fdatasync", batch), |b| {
            b.iter(|| {
                raw.write_at(&bytes, at).expect("writes");
                raw.sync().expect("syncs");
                at = (at + bytes.len() as u64) % (32 << 20);
            });
        });
    }
    group.finish();
    fs::remove_dir_all(path).expect("removes what it made");
}

struct Nobody;

impl Watcher for Nobody {
    fn campaign(&mut self, _: u64, _: quan::domain::CampaignNo, _: &Summary) {}
    fn batch(&mut self, _: &BatchStats) {}
}

/// Grants everybody a coupon, `in_flight` at a time; rate a second and latencies in order.
async fn grants(ledger: &LocalLedger, people: u32, in_flight: usize) -> (f64, Vec<Duration>) {
    let next = AtomicU32::new(0);
    let start = Instant::now();
    let asking = (0..in_flight).map(|_| async {
        let mut took = Vec::new();
        loop {
            let who = next.fetch_add(1, Relaxed);
            if who >= people {
                return took;
            }
            let asked = Instant::now();
            let outcome = told(ledger, grant(who)).await.expect("room in the queue");
            assert!(matches!(outcome, Outcome::Yes(Answer::Granted(_))), "{outcome:?}");
            took.push(asked.elapsed());
        }
    });
    let mut took: Vec<Duration> =
        futures_util::future::join_all(asking).await.into_iter().flatten().collect();
    let rate = f64::from(people) / start.elapsed().as_secs_f64();
    took.sort_unstable();
    (rate, took)
}

/// Not criterion's: what counts is the rate and the tail of one long run.
fn in_process() {
    for (in_flight, people) in [(64, 200_000), (4_096, PEOPLE)] {
        let path = folder("grants");
        let disk = Folder::open(&path).expect("a folder");
        let mut embedded = Embedded::open(disk, Options::default(), NOW).expect("opens");
        let commands: Vec<_> = opening(people).into_iter().chain((0..people).map(bind)).collect();
        for some in commands.chunks(4_096) {
            let batch = embedded.decide_all(some.iter(), NOW);
            embedded.commit(batch);
        }
        let ledger = LocalLedger::start(embedded, || NOW, Box::new(Nobody)).expect("starts");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (rate, took) = runtime.block_on(grants(&ledger, people, in_flight));
        let at = |share: usize| took[(took.len() - 1) * share / 1_000];
        let line = format!(
            "durable grants in process, {in_flight} in flight: {rate:.0}/s, p50 {:?}, p99 {:?}, max {:?}\n",
            at(500),
            at(990),
            at(1_000)
        );
        std::io::stdout().write_all(line.as_bytes()).expect("a terminal or file");
        drop(ledger);
        fs::remove_dir_all(path).expect("removes what it made");
    }
}

criterion_group!(benches, machine, journal);

fn main() {
    benches();
    in_process();
    Criterion::default().configure_from_args().final_summary();
}
