//! What the store and Redis have afterwards, beside what people were told.

use super::{
    site::{ROUND, Site},
    tally::Tally,
};
use crate::common::{
    book::{Book, Yes},
    link::Link,
    people::Claim,
    run::{tell, wait_until},
};
use quan::store::{self, Store, Value};
use redis::cmd;
use std::{
    collections::{BTreeMap, HashMap},
    thread,
    time::{Duration, Instant},
};

/// Yeses that are asked for again, of each node.
const ASKED_AGAIN: usize = 40;
/// How long the store may take for what it lacks.
const CATCH_UP: Duration = Duration::from_secs(45);
/// The number of the identities' log among a campaign's.
const IDENTITIES: u32 = 255;

/// When the fault began, and when what was broken was there again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// A coupon's row.
struct Row {
    log: u32,
    coupon: String,
}

/// Looks at everything; the nodes are stopped on the way.
pub(crate) fn judge(site: &mut Site, book: &Book, fault: Fault) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    assert_eq!(book.strange, [""; 0], "every answer is in the contract");
    let undecided = book.undecided.len();
    assert!(undecided == 0, "{undecided} undecided, {:?}\n{}", book.refused, site.logs());
    ask_again(site, book);
    let place = site.postgres.url("postgres").parse().expect("a place");
    let store = runtime.block_on(Store::open(&place)).expect("the store");
    let logs = |store: &Store| runtime.block_on(store.logs()).expect("the store answers");
    let carried = |(log, seq): &(store::LogNo, u64)| *seq == end(site, log.0);
    let start = Instant::now();
    while !logs(&store).iter().all(carried) {
        let late = start.elapsed() > CATCH_UP;
        assert!(!late, "the store does not catch up: {:?}\n{}", logs(&store), site.logs());
        thread::sleep(Duration::from_millis(50));
    }
    let stop_ms = site.stop_nodes();
    let rows = runtime.block_on(rows(site, &store));
    let check = runtime.block_on(store::check_events(&store)).expect("it can be compared");
    assert!(check.clean, "{check:?}");
    for (what, sql) in [
        ("quarantined", "SELECT COUNT(*) FROM quarantine"),
        ("recoveries not done", "SELECT COUNT(*) FROM recoveries WHERE done = 0"),
        ("nodes that did not leave", "SELECT COUNT(*) FROM nodes WHERE gone = 0"),
    ] {
        assert_eq!(runtime.block_on(numbers(&store, sql)), [[0]], "{what}\n{}", site.logs());
    }
    let stock = "SELECT log, kind, quantity - granted, granted FROM stock WHERE round = 1";
    for row in runtime.block_on(numbers(&store, stock)) {
        let [log, kind, left, granted] = row[..] else { panic!("{row:?}") };
        let log = u32::try_from(log).expect("a log");
        assert_eq!(level(site, log, kind), [left, granted], "log {log}, kind {kind}");
    }
    runtime.block_on(store.close());
    let mut tally = against(book, &rows, fault);
    tally.stop_ms = stop_ms;
    tally.restored = site.restored();
    tell(format_args!("  told {:?}, nodes warned {:?}", book.refused, site.warnings()));
    tally
}

/// What was told, beside the rows of the store.
fn against(book: &Book, rows: &BTreeMap<Claim, Vec<Row>>, fault: Fault) -> Tally {
    let mut tally = Tally { faults: 1, told: book.yes.len(), ..Tally::default() };
    tally.told_before = book.yes.values().filter(|yes| yes.at < fault.began).count();
    tally.unknown = book.unknown.len();
    tally.unknown_yes = book.unknown.iter().filter(|claim| book.yes.contains_key(*claim)).count();
    let has = |claim: &Claim, yes: &Yes| {
        rows.get(claim).is_some_and(|rows| rows.iter().any(|row| row.coupon == yes.coupon))
    };
    let lost = book.yes.iter().filter(|(claim, yes)| !has(claim, yes));
    tally.promises.lost = lost.inspect(|lost| tell(format_args!("  lost: {lost:?}"))).count();
    // A person with two coupons of a kind; a coupon of two persons.
    tally.promises.twice = rows.values().filter(|rows| rows.len() > 1).count();
    let mut holders: HashMap<&str, usize> = HashMap::new();
    book.yes.values().for_each(|yes| *holders.entry(&yes.coupon).or_default() += 1);
    tally.promises.twice += holders.values().filter(|count| **count > 1).count();
    for (kind, quantity) in (0..).zip(ROUND.coupons) {
        let granted = rows.iter().filter(|((_, of), _)| *of == kind);
        tally.promises.granted(granted.map(|(_, rows)| rows.len()).sum(), quantity);
    }
    let mut fresh: BTreeMap<u32, Vec<Instant>> = BTreeMap::new();
    for (claim, yes) in book.yes.iter().filter(|(_, yes)| !yes.replayed) {
        if let Some([row]) = rows.get(claim).map(Vec::as_slice) {
            fresh.entry(row.log).or_default().push(yes.at);
        }
    }
    for instants in fresh.values_mut() {
        instants.sort();
        let from_then = instants.partition_point(|at| *at < fault.began);
        let gaps = instants[from_then.saturating_sub(1)..].windows(2).map(|two| two[1] - two[0]);
        tally.shut_ms = tally.shut_ms.max(gaps.max().unwrap_or_default().as_millis());
        if let Some(first) = instants.iter().find(|at| **at >= fault.ended) {
            tally.reopen_ms = tally.reopen_ms.max((*first - fault.ended).as_millis());
        }
    }
    tally
}

/// Some of those who were told yes ask again, each node, and are told the same.
fn ask_again(site: &Site, book: &Book) {
    for node in site.addresses.lock().iter().flatten() {
        let mut link = Link::default();
        let every = (book.yes.len() / ASKED_AGAIN).max(1);
        for (claim, before) in book.yes.iter().step_by(every) {
            let mut again = None;
            wait_until("a holder is told again", || {
                let answer = link.ask(*node, &site.people.claim(*claim, site.time()));
                again = answer.ok().as_ref().and_then(Yes::of);
                again.is_some()
            });
            let again = again.expect("waited for");
            assert_eq!((again.replayed, &again.coupon), (true, &before.coupon), "{claim:?}");
        }
    }
}

async fn rows(site: &Site, store: &Store) -> BTreeMap<Claim, Vec<Row>> {
    let who = site.people.whose();
    let all = "SELECT log, kind, number, pass FROM coupons WHERE round = 1";
    let mut rows: BTreeMap<Claim, Vec<Row>> = BTreeMap::new();
    for row in store.query(all, &[]).await.expect("it answers") {
        let [Value::Number(log), Value::Number(kind), Value::Text(coupon), Value::Bytes(pass)] =
            &row[..]
        else {
            panic!("{row:?}")
        };
        let who = who[<&[u8; 16]>::try_from(&pass[..]).expect("16 bytes")];
        let (log, kind) = (u32::try_from(*log).expect("a log"), u8::try_from(*kind).expect("six"));
        rows.entry((who, kind)).or_default().push(Row { log, coupon: coupon.clone() });
    }
    rows
}

async fn numbers(store: &Store, sql: &str) -> Vec<Vec<i64>> {
    let rows = store.query(sql, &[]).await.expect("it answers");
    rows.iter().map(|row| row.iter().map(Value::number).collect()).collect()
}

/// What all keys of a log have in their names.
pub(crate) fn tag(log: u32) -> String {
    match log & IDENTITIES {
        IDENTITIES => format!("quan:{{{}:i}}", (log >> 8) - 1),
        shard => format!("quan:{{{}:{shard}}}", (log >> 8) - 1),
    }
}

/// The last entry of a log in Redis.
fn end(site: &Site, log: u32) -> u64 {
    let meta = format!("{}:meta", tag(log));
    site.redis.ask(&meta, cmd("HGET").arg(&meta).arg("seq"))
}

/// Units left and granted in Redis.
fn level(site: &Site, log: u32, kind: i64) -> [i64; 2] {
    let round = format!("{}:round:1", tag(log));
    let fields = [format!("left:{kind}"), format!("granted:{kind}")];
    let both: [Option<i64>; 2] = site.redis.ask(&round, cmd("HMGET").arg(&round).arg(&fields));
    both.map(|it| it.unwrap_or(0))
}
