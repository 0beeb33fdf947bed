//! Entries of grants through the drain into each database: an entry is a row of events and a coupon.
//!
//! Prints each run's entries a second and the best, since others may use the machine. PostgreSQL is a
//! server of its own on this machine, with its defaults; both wait for the disk at every commit.

use quan::{
    domain::{
        At, CampaignNo, CouponId, Fen, KindNo, KindSet, PassNonce, PersonId, PoolNo, RoundNo,
        Shard, Window,
    },
    drain::{Drain, Handed, Step},
    funds::{Account, Posting},
    ledger::{
        event::{Armed, Event, Granted, KindTerms, Opened, Passed, What, codec},
        journal::Entry,
    },
    rush::servers::Postgres,
    store::{LogNo, Store, StoreUrl},
};
use std::time::{Duration, Instant};

const GRANTS: u32 = 100_000;
const RUNS: usize = 5;
const C: CampaignNo = CampaignNo(0);
const R: RoundNo = RoundNo(1);
const LOG: LogNo = LogNo::of(C, 0);

/// What a keyed hash looks like: spread all over.
fn hash(n: u32, salt: u64) -> [u8; 16] {
    let mut x = (u64::from(n) << 8 | salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let high = x ^ (x >> 27);
    (u128::from(high) << 64 | u128::from(high.wrapping_mul(0x94d0_49bb_1331_11eb))).to_le_bytes()
}

fn opening() -> Vec<What> {
    let face = Fen::new(1_000);
    let all = Fen::new(1_000 * u64::from(GRANTS));
    let posted = |from, to| What::Posted(Posting { pool: PoolNo(0), from, to, fen: all });
    vec![
        What::Opened(Opened {
            name: "bench".into(),
            pools: vec!["retail".into()],
            kinds: vec![KindTerms { name: "ten".into(), pool: PoolNo(0), face, threshold: face }],
            shard: Shard::ALONE,
        }),
        posted(Account::Treasury, Account::Available),
        What::Armed(Armed {
            round: R,
            window: Window { from: At(0), until: At(9_000) },
            quantities: vec![GRANTS],
        }),
        posted(Account::Available, Account::Reserved),
    ]
}

fn passed(who: u32) -> Vec<What> {
    vec![What::Passed(Passed {
        round: R,
        person: PersonId(hash(who, 0)),
        pass: PassNonce(hash(who, 1)),
        kinds: KindSet(1),
        expires_at: At(9_000),
    })]
}

fn granted(who: u32) -> Vec<What> {
    let coupon = CouponId { round: R, kind: KindNo(0), ordinal: who + 1 };
    let (person, pass) = (PersonId(hash(who, 0)), PassNonce(hash(who, 1)));
    let (from, to) = (Account::Reserved, Account::Frozen);
    vec![
        What::Granted(Granted { coupon, person, pass, ends_at: At(9_000) }),
        What::Posted(Posting { pool: PoolNo(0), from, to, fen: Fen::new(1_000) }),
    ]
}

/// The log before the rush, and the rush.
fn entries() -> (Vec<Entry>, Vec<Entry>) {
    let passes = (0..GRANTS).map(passed);
    let all = std::iter::once(opening()).chain(passes).chain((0..GRANTS).map(granted));
    let entry = |(seq, whats): (u64, Vec<What>)| {
        let events: Vec<Event> =
            whats.into_iter().map(|what| Event { campaign: C, what }).collect();
        let body = codec::encode(&events).expect("the names are short");
        Entry { seq, durable: seq - 1, at: At(1_000), seal: false, body }
    };
    let mut before: Vec<Entry> = (1..).zip(all).map(entry).collect();
    let rush = before.split_off(before.len() - GRANTS as usize);
    (before, rush)
}

async fn drain(store: &Store, entries: &[Entry]) -> Duration {
    let drain = Drain::open(store.clone(), LOG, |_| Ok(Handed::default())).await;
    let mut drain = drain.expect("the cursor is free");
    for entry in entries {
        drain.source.push(entry.clone());
    }
    let start = Instant::now();
    while drain.step().await.expect("the entries fit") != Step::Empty {}
    start.elapsed()
}

async fn run(place: &StoreUrl, before: &[Entry], rush: &[Entry]) -> u128 {
    let store = Store::open(place).await.expect("the store opens");
    drain(&store, before).await;
    let took = drain(&store, rush).await;
    store.close().await;
    u128::from(GRANTS) * 1_000 / took.as_millis().max(1)
}

#[expect(clippy::print_stdout, reason = "it is what a bench is for")]
fn report(what: &str, rates: &[u128]) {
    let best = rates.iter().max().expect("there were runs");
    println!("{what}: best {best} entries/s of {rates:?}");
}

fn main() {
    let (before, rush) = entries();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime of one thread");
    let (mut sqlite, mut postgres) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = StoreUrl::File(folder.path().join("store.sqlite"));
        sqlite.push(runtime.block_on(run(&file, &before, &rush)));
        let server = Postgres::start(&[]).expect("PostgreSQL is installed");
        let place = server.url("postgres").parse().expect("it is a URL");
        postgres.push(runtime.block_on(run(&place, &before, &rush)));
    }
    report("SQLite", &sqlite);
    report("PostgreSQL", &postgres);
}
