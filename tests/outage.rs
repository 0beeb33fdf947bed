//! A store that is away in a rush costs nobody anything: people are told as before, and when the store is back it
//! takes what waited, faster than more comes.
//!
//! `QUAN_OUTAGE_SECONDS` says how long it is away, `QUAN_OUTAGE_CLAIMS` how many claim a second; by hand a minute and
//! 3,000, in a release build.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what is not there"
)]

#[path = "common/run.rs"]
mod run;

use futures_util::future::join_all;
use quan::data::DataFolder;
use quan::domain::{
    At, CampaignNo, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId, PoolNo,
    ProofId, RoundNo, Window,
};
use quan::ledger::embedded::Outcome;
use quan::ledger::event::{Armed, Bound, KindTerms};
use quan::ledger::machine::{Answer, Command, Grant, Summary};
use quan::ledger::redis::{Known, Opening, Options, RedisLedger};
use quan::ledger::service::{BatchStats, Ledger, Watcher, told};
use quan::node::Node;
use quan::rush::servers::Postgres;
use quan::rush::servers::{RedisServer, Settings};
use quan::store::{Store, StoreUrl, check_events};
use redis::cmd;
use run::{number, tell, wait_until};
use sqlx::{Connection, Executor, sqlite::SqliteConnectOptions};
use std::{
    path::Path,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::JoinSet, time};

const C: CampaignNo = CampaignNo(0);
const R: RoundNo = RoundNo(1);
/// When passes and the round end; the clock stands still.
const ENDS: At = At(9_000);
/// Before the store goes away.
const BEFORE: Duration = Duration::from_secs(2);
/// Persons who bind at once.
const AT_ONCE: usize = 256;
/// How often so many come.
const TICK: Duration = Duration::from_millis(10);

/// Nobody follows.
struct Nobody;

impl Watcher for Nobody {
    fn campaign(&mut self, _: u64, _: CampaignNo, _: &Summary) {}
    fn batch(&mut self, _: &BatchStats) {}
}

/// How long, and how many a second.
fn size() -> (Duration, u32) {
    let rate = u32::try_from(number("QUAN_OUTAGE_CLAIMS", 200)).unwrap();
    (Duration::from_secs(number("QUAN_OUTAGE_SECONDS", 3)), rate)
}

/// A hash of a kind that only `who` has.
fn hash(kind: u8, who: u32) -> [u8; 16] {
    let mut hash = [kind; 16];
    hash[..4].copy_from_slice(&who.wrapping_mul(0x9e37_79b1).to_le_bytes());
    hash
}

fn bound(who: u32) -> Command {
    let id = |kind, label| (kind, KeyedHash(hash(label, who)));
    let bound = Bound {
        round: R,
        person: PersonId(hash(0, who)),
        pass: PassNonce(hash(1, who)),
        kinds: KindSet(1),
        expires_at: ENDS,
        proofs: [ProofId(hash(2, who)), ProofId(hash(3, who))],
        identifiers: [
            id(IdentifierKind::Account, 4),
            id(IdentifierKind::Phone, 5),
            id(IdentifierKind::Card, 6),
            id(IdentifierKind::Device, 7),
        ],
    };
    Command::Bind(C, bound)
}

fn grant(who: u32) -> Command {
    let (person, pass) = (PersonId(hash(0, who)), PassNonce(hash(1, who)));
    Command::Grant(Grant { campaign: C, round: R, kind: KindNo(0), person, pass })
}

/// One node over a Redis of its own, with a round in which there is enough for all.
struct Site {
    redis: RedisServer,
    ledger: Arc<RedisLedger>,
    node: Node,
    runtime: Runtime,
}

impl Site {
    fn start(folder: &Path, store: &StoreUrl, people: u32) -> Site {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
        let redis = RedisServer::start(folder, &Settings::default()).unwrap();
        let data = DataFolder::at(&folder.join("node"));
        std::fs::create_dir_all(data.path()).unwrap();
        let (url, acks) = (redis.url().parse().unwrap(), data.acks());
        let options = Options { url, shards: 1, replicas: 0, acks };
        let opening = runtime.block_on(async {
            let mut opening = Opening::connect(options, Known::default(), At(0)).await.unwrap();
            let face = Fen::new(1_000);
            let pools = [("retail".to_owned(), Fen::new(1_000 * u64::from(people)))];
            let kinds = [KindTerms { name: "ten".into(), pool: PoolNo(0), face, threshold: face }];
            assert_eq!(opening.open("outage", &pools, &kinds, At(0)).await.unwrap(), C);
            opening
        });
        let ledger = RedisLedger::start(opening, || At(2_000), Box::new(Nobody)).unwrap();
        let node = Node::start(&ledger, store, &data).unwrap();
        ledger.wait_until_read();
        let site = Site { redis, ledger: Arc::new(ledger), node, runtime };
        let window = Window { from: At(1_000), until: ENDS };
        let armed = Armed { round: R, window, quantities: vec![people] };
        site.done(vec![Command::Arm(C, armed)]);
        let all: Vec<u32> = (0..people).collect();
        for some in all.chunks(AT_ONCE) {
            site.done(some.iter().map(|who| bound(*who)).collect());
        }
        site
    }

    fn done(&self, commands: Vec<Command>) {
        let asked = commands.into_iter().map(|command| told(&*self.ledger, command));
        for outcome in self.runtime.block_on(join_all(asked)) {
            assert!(matches!(outcome, Ok(Outcome::Yes(_))), "{outcome:?}");
        }
    }

    /// Entries in Redis that are not in the store.
    fn lag(&self) -> u64 {
        let carried = self.node.progress().statuses().iter().map(|status| status.seq()).sum();
        let end = |log: &str| {
            let meta = format!("quan:{{0:{log}}}:meta");
            let seq: u64 = self.redis.ask(cmd("HGET").arg(meta).arg("seq")).unwrap();
            seq
        };
        (end("0") + end("i")).saturating_sub(carried)
    }
}

/// Claims at a steady rate until nobody is left or `stop`.
async fn rush(ledger: Arc<RedisLedger>, people: u32, rate: u32, stop: Arc<Stop>) -> Vec<Duration> {
    let (start, mut asked, mut next) = (Instant::now(), JoinSet::new(), 0);
    while next < people && !stop.0.load(std::sync::atomic::Ordering::Relaxed) {
        let due = start.elapsed().as_millis() * u128::from(rate) / 1_000;
        let due = u32::try_from(due).unwrap().min(people);
        for who in next..due {
            let ledger = Arc::clone(&ledger);
            asked.spawn(async move {
                let start = Instant::now();
                let outcome = told(&*ledger, grant(who)).await;
                let granted = matches!(outcome, Ok(Outcome::Yes(Answer::Granted(_))));
                assert!(granted, "{who}: {outcome:?}");
                start.elapsed()
            });
        }
        next = due;
        time::sleep(TICK).await;
    }
    asked.join_all().await
}

/// Nobody else comes.
#[derive(Default)]
struct Stop(std::sync::atomic::AtomicBool);

/// What takes a store away, and gives it back.
trait Outage {
    fn begin(&mut self);
    fn end(&mut self);
}

impl Outage for Postgres {
    fn begin(&mut self) {
        self.pause().unwrap();
    }

    fn end(&mut self) {
        self.resume().unwrap();
    }
}

/// Somebody else who writes into the file and does not come to an end.
struct Hog(Runtime, sqlx::SqliteConnection);

impl Hog {
    fn at(file: &Path) -> Hog {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = SqliteConnectOptions::new().filename(file);
        let options = options.busy_timeout(Duration::from_secs(10));
        let connection = runtime.block_on(sqlx::SqliteConnection::connect_with(&options)).unwrap();
        Hog(runtime, connection)
    }

    fn run(&mut self, sql: &'static str) {
        self.0.block_on(self.1.execute(sql)).unwrap();
    }
}

impl Outage for Hog {
    fn begin(&mut self) {
        self.run("BEGIN IMMEDIATE");
    }

    fn end(&mut self) {
        self.run("ROLLBACK");
    }
}

fn check(what: &str, folder: &Path, store: &StoreUrl, outage: impl FnOnce() -> Box<dyn Outage>) {
    let (away, rate) = size();
    // As long again, and a little, to take it all.
    let longest = BEFORE + away * 2 + Duration::from_secs(10);
    let people = rate * u32::try_from(longest.as_secs()).unwrap();
    let site = Site::start(folder, store, people);
    wait_until("the passes are in the store", || site.lag() == 0);
    let mut outage = outage();
    let stop = Arc::new(Stop::default());
    let rush = rush(Arc::clone(&site.ledger), people, rate, Arc::clone(&stop));
    let rush = site.runtime.spawn(rush);
    sleep(BEFORE);
    outage.begin();
    sleep(away);
    let waited = site.lag();
    outage.end();
    let back = Instant::now();
    let enough = u64::from(rate) * away.as_secs() * 9 / 10;
    assert!(waited > enough, "{waited} waited, {enough} would be enough");
    // What came since it was last looked at is nothing that waits.
    while site.lag() > u64::from(rate) / 10 {
        assert!(!rush.is_finished(), "nobody claims any more, and {} wait", site.lag());
        sleep(TICK);
    }
    let took = back.elapsed();
    stop.0.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut latencies = site.runtime.block_on(rush).unwrap();
    latencies.sort_unstable();
    let (told, p99) = (latencies.len(), latencies[latencies.len() * 99 / 100]);
    tell(format_args!(
        "{what}: away for {away:?} at {rate} claims/s, {waited} waited, all in the store {took:?} after; \
         {told} told yes, p99 {p99:?}, the slowest {:?}",
        latencies.last().unwrap()
    ));
    let Site { redis: _redis, ledger, node, runtime } = site;
    ledger.close();
    node.stop();
    runtime.block_on(async {
        let store = Store::open(store).await.unwrap();
        let fold = check_events(&store).await.unwrap();
        assert!(fold.clean, "{fold:?}");
        assert_eq!(store.quarantined().await.unwrap(), []);
        let rows = store.query("SELECT COUNT(*) FROM coupons", &[]).await.unwrap();
        assert_eq!(rows[0][0].number(), i64::try_from(told).unwrap());
        store.close().await;
    });
}

#[test]
fn i8_a_postgres_that_is_away_is_waited_for_and_takes_all_when_it_is_back() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let postgres = Postgres::start(&[]).unwrap();
    let place = postgres.url("postgres").parse().unwrap();
    check("PostgreSQL", folder.path(), &place, || Box::new(postgres));
}

#[test]
fn i8_a_file_that_another_holds_is_waited_for_and_takes_all_when_it_is_free() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("store.sqlite");
    let place = StoreUrl::File(file.clone());
    check("SQLite", folder.path(), &place, || Box::new(Hog::at(&file)));
}
