//! Nodes, and logs that they share.

use super::*;
use crate::domain::{At, CampaignNo};
use crate::drain::{Error as DrainError, Handed, Owner, Source, SourceError, Status, share};
use crate::ledger::event::codec;
use crate::ledger::journal::Entry;
use metrics::Histogram;
use std::time::Duration;
use tokio::{sync::oneshot, time::sleep};

const LOG: LogNo = LogNo::of(CampaignNo(0), 0);
const HOUR: Duration = Duration::from_hours(1);

#[test]
fn a_logs_number_names_campaign_and_shard() {
    assert_eq!(
        (LogNo::of(CampaignNo(0), 0), LogNo::of(CampaignNo(2), 3)),
        (LogNo(256), LogNo(771))
    );
    let identities = LogNo::of(CampaignNo(u16::MAX), LogNo::IDENTITIES);
    assert!(identities.of_identities() && !LOG.of_identities() && !LogNo::EMBEDDED.of_identities());
}

#[tokio::test]
async fn a_cursor_is_had_by_one_node_until_it_is_released_or_stale() {
    let scratch = Scratch::new("nodes-lease");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let first = store.try_take(LOG, "a", HOUR).await.unwrap().unwrap();
        assert_eq!(store.try_take(LOG, "b", HOUR).await.unwrap(), None);
        // The node itself after a restart: whatever it was before is shut out.
        let again = store.try_take(LOG, "a", HOUR).await.unwrap().unwrap();
        assert!(again.owner_epoch > first.owner_epoch);
        let lost = store.renew(first).await;
        assert!(matches!(lost, Err(Error::Lost { .. })), "{lost:?}");
        store.renew(again).await.unwrap();
        store.release(first).await.unwrap();
        assert_eq!(store.try_take(LOG, "b", HOUR).await.unwrap(), None, "not its to release");
        store.release(again).await.unwrap();
        let after = store.write(again, 1, &Rows::default()).await;
        assert!(matches!(after, Err(Error::Lost { .. })), "{after:?}");
        let other = store.try_take(LOG, "b", HOUR).await.unwrap().unwrap();
        assert_eq!(store.try_take(LOG, "a", HOUR).await.unwrap(), None);
        // By the database's clock: an owner that was not heard of for two seconds.
        change(&store, "UPDATE cursor SET renewed_at_ms = renewed_at_ms - 2000").await;
        assert_eq!(store.try_take(LOG, "a", HOUR).await.unwrap(), None);
        store.renew(other).await.unwrap();
        assert_eq!(store.try_take(LOG, "a", Duration::from_secs(2)).await.unwrap(), None);
        change(&store, "UPDATE cursor SET renewed_at_ms = renewed_at_ms - 2000").await;
        // A batch says that its owner is alive, too.
        assert!(store.write(other, 1, &Rows::default()).await.unwrap());
        assert_eq!(store.try_take(LOG, "a", Duration::from_secs(2)).await.unwrap(), None);
        change(&store, "UPDATE cursor SET renewed_at_ms = renewed_at_ms - 2000").await;
        let stale = store.try_take(LOG, "a", Duration::from_secs(2)).await.unwrap().unwrap();
        assert_eq!(stale.seq, 1);
        let late = store.write(Cursor { seq: 1, ..other }, 2, &Rows::default()).await;
        assert!(matches!(late, Err(Error::Lost { .. })), "{late:?}");
        // Recovery asks nobody.
        let taken = store.take(LOG, "c").await.unwrap();
        assert!(taken.owner_epoch > stale.owner_epoch);
        assert_eq!(store.try_take(LOG, "a", HOUR).await.unwrap(), None);
        assert_eq!(store.logs().await.unwrap(), [(LOG, 1)]);
    }
}

#[tokio::test]
async fn of_nodes_that_race_for_a_cursor_one_has_it() {
    let scratch = Scratch::new("nodes-race");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let racers = (0..8).map(|no| {
            let store = store.clone();
            tokio::spawn(async move { store.try_take(LOG, &no.to_string(), HOUR).await.unwrap() })
        });
        let mut had = 0;
        for racer in racers.collect::<Vec<_>>() {
            had += usize::from(racer.await.unwrap().is_some());
        }
        assert_eq!(had, 1, "{place}");
    }
}

fn record(seq: u64) -> Record {
    Record { seq, at: At(7), body: vec![1, 2, 3] }
}

#[tokio::test]
async fn nodes_register_close_an_epoch_and_hand_over_what_they_know() {
    let scratch = Scratch::new("nodes-recovery");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        assert!(!store.seen("b").await.unwrap(), "not registered");
        store.register("b").await.unwrap();
        store.register("a").await.unwrap();
        store.register("b").await.unwrap();
        store.leave("a").await.unwrap();
        assert!(store.seen("b").await.unwrap() && !store.seen("a").await.unwrap());
        change(&store, "UPDATE nodes SET seen_at_ms = seen_at_ms - 5000").await;
        let nodes = store.nodes().await.unwrap();
        assert!(nodes.iter().all(|node| (5_000..60_000).contains(&node.seen_ms_ago)), "{nodes:?}");
        let nodes: Vec<_> = nodes.iter().map(|it| (it.node.as_str(), it.left)).collect();
        assert_eq!(nodes, [("a", true), ("b", false)]);
        store.register("a").await.unwrap();
        assert!(store.seen("a").await.unwrap(), "it is back");

        assert!(store.ask_recovery(LOG, 3, "a").await.unwrap());
        assert!(!store.ask_recovery(LOG, 3, "b").await.unwrap(), "asked before");
        let open = store.open_recoveries().await.unwrap();
        let open: Vec<_> = open.iter().map(|it| (it.log, it.epoch, it.asked_by.as_str())).collect();
        assert_eq!(open, [(LOG, 3, "a")]);
        store.close_epoch(LOG, 3, "a", 9, &[record(8), record(9)]).await.unwrap();
        store.close_epoch(LOG, 3, "a", 9, &[record(8), record(9)]).await.unwrap();
        store.close_epoch(LOG, 3, "b", 0, &[]).await.unwrap();
        // Said otherwise the second time: nothing of it is kept.
        let more = [record(9), record(10)];
        let other = [Record { body: vec![9], ..record(9) }];
        for (acked, entries, table) in [(10, &more[..], "closings"), (9, &other, "evidence")] {
            let otherwise = store.close_epoch(LOG, 3, "a", acked, entries).await;
            let Err(Error::Contradiction { table: found, .. }) = otherwise else {
                panic!("{otherwise:?}")
            };
            assert_eq!(found, table);
        }
        let mut closings = store.closings(LOG, 3).await.unwrap();
        closings.sort_by(|a, b| a.node.cmp(&b.node));
        let closings: Vec<_> = closings.iter().map(|it| (it.node.as_str(), it.acked_seq)).collect();
        assert_eq!(closings, [("a", 9), ("b", 0)]);
        let evidence = store.evidence(LOG, 3).await.unwrap();
        let of_a = |seq| Evidence { node: "a".into(), record: record(seq) };
        assert_eq!(evidence, [of_a(8), of_a(9)]);
        assert_eq!(store.evidence(LOG, 2).await.unwrap(), []);
        store.finish_recovery(LOG, 3).await.unwrap();
        assert_eq!(store.open_recoveries().await.unwrap(), []);
    }
}

/// A log that all nodes read, which can be away.
#[derive(Clone, Default)]
struct Shared {
    end: Arc<AtomicU64>,
    away: Arc<AtomicU64>,
    trimmed: Arc<AtomicU64>,
}

struct Reading(Shared, u64);

impl Source for Reading {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, SourceError> {
        if self.0.away.load(Relaxed) > 0 {
            return Err(SourceError::unavailable(std::io::Error::other("away")));
        }
        let mut given = Handed::default();
        for seq in self.1 + 1..=self.0.end.load(Relaxed) {
            let body = codec::encode(&[]).unwrap();
            given.push(Entry { seq, durable: seq - 1, at: At(1), seal: false, body });
        }
        let given = given.next(most)?;
        self.1 += given.len() as u64;
        Ok(given)
    }

    fn end(&self) -> u64 {
        self.0.end.load(Relaxed)
    }

    fn trim(&mut self, seq: u64) {
        self.0.trimmed.store(seq, Relaxed);
    }
}

struct Node {
    status: Arc<Status>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), DrainError>>,
}

fn node(name: &str, place: &StoreUrl, shared: &Shared) -> Node {
    let (stop, stopped) = oneshot::channel::<()>();
    let status = Arc::<Status>::default();
    let (of_task, place, shared) = (Arc::clone(&status), place.clone(), shared.clone());
    let owner = Owner { log: LOG, node: name.into(), stale: Duration::from_millis(600) };
    let task = tokio::spawn(async move {
        let store = Store::open(&place).await.unwrap();
        let source = |seq| Ok(Reading(shared.clone(), seq));
        share(&store, &owner, source, &of_task, &Histogram::noop(), async { drop(stopped.await) })
            .await
    });
    Node { status, stop, task }
}

async fn until(what: impl Fn() -> bool) {
    let within = tokio::time::timeout(Duration::from_secs(30), async {
        while !what() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    within.await.expect("it comes");
}

#[tokio::test]
async fn a_log_is_carried_by_one_node_and_goes_on_when_that_one_ends() {
    let scratch = Scratch::new("nodes-share");
    for place in places(&scratch, "store").await {
        let shared = Shared::default();
        shared.end.store(3, Relaxed);
        let a = node("a", &place, &shared);
        until(|| a.status.seq() == 3 && shared.trimmed.load(Relaxed) == 3).await;
        // A cursor that somebody moved is taken anew from where it stands, and counted.
        let failed = a.status.failed_ever();
        let other = Store::open(&place).await.unwrap();
        change(&other, "UPDATE cursor SET seq = 4").await;
        other.close().await;
        shared.end.store(5, Relaxed);
        until(|| a.status.failed_ever() > failed && a.status.seq() == 5).await;
        let b = node("b", &place, &shared);
        // A log that can't be read is tried again.
        shared.away.store(1, Relaxed);
        until(|| a.status.failures() > 0).await;
        shared.away.store(0, Relaxed);
        shared.end.store(6, Relaxed);
        until(|| a.status.seq() == 6).await;
        // Longer than an owner may be silent, with nothing to carry: it is renewed.
        sleep(Duration::from_millis(1_500)).await;
        shared.end.store(7, Relaxed);
        until(|| a.status.seq() == 7).await;
        assert_eq!(b.status.seq(), 0, "the other one waits");
        // Gone without a word: it is stale after a while.
        a.task.abort();
        shared.end.store(9, Relaxed);
        until(|| b.status.seq() == 9).await;
        // Shut out by a recovery, it waits until that is over.
        let store = Store::open(&place).await.unwrap();
        let cursor = store.take(LOG, "recovery").await.unwrap();
        shared.end.store(10, Relaxed);
        sleep(Duration::from_millis(400)).await;
        assert_eq!(store.seq(LOG).await.unwrap(), 9);
        // Who does not carry it says nothing of what waits.
        until(|| b.status.lag() == 0).await;
        store.release(cursor).await.unwrap();
        until(|| b.status.seq() == 10).await;
        // Told to stop it leaves the log to the next one at once.
        b.stop.send(()).unwrap();
        b.task.await.unwrap().unwrap();
        assert!(store.try_take(LOG, "c", HOUR).await.unwrap().is_some());
        drop(a.stop);
    }
}

/// Opens a store on a server with one setting changed.
async fn unfit(setting: &str) -> String {
    let server = Postgres::start(&[setting]).unwrap();
    let place: StoreUrl = server.url("postgres").parse().unwrap();
    let error = Store::open(&place).await.unwrap_err();
    assert!(!matches!(error, Error::Unavailable(_)), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_committed_is_refused_by_the_settings_name() {
    let [fsync, pages] = ["fsync", "full_page_writes"]
        .map(|name| format!("the PostgreSQL server has {name} = off; it must be on"));
    assert_eq!(unfit("fsync=off").await, fsync);
    assert_eq!(unfit("full_page_writes=off").await, pages);
}

#[tokio::test]
async fn a_session_waits_for_the_disk_whatever_the_server_says() {
    let place = database().await;
    let store = Store::open(&place).await.unwrap();
    let alter = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off',
                 current_database()); END $$";
    change(&store, alter).await;
    store.close().await;
    let store = Store::open(&place).await.unwrap();
    let sql = "SELECT current_setting('synchronous_commit')";
    assert_eq!(store.query(sql, &[]).await.unwrap(), [[Value::from("on")]]);
}

#[tokio::test]
async fn no_error_and_no_debug_shows_the_password() {
    let place: StoreUrl = "postgres://a:s3cret@127.0.0.1:1/quan".parse().unwrap();
    let error = Store::open(&place).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    let StoreUrl::Postgres(options) = database().await else { panic!() };
    let place = StoreUrl::Postgres(Box::new(options.password("s3cret")));
    let store = Store::open(&place).await.unwrap();
    let shown = format!("{error} {error:?} {place} {place:?} {store:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("postgres://postgres@127.0.0.1"), "{shown}");
}
