use super::*;
use crate::domain::{At, CampaignNo, PassNonce, PoolNo, ProofId, RoundNo};
use crate::ledger::embedded::{Embedded, Outcome};
use crate::ledger::event::codec;
use crate::ledger::journal::{Disk, Folder, Journal, Options, Reader, disk::fake::FakeDisk};
use crate::ledger::machine::{Answer, Command, tests as orders};
use crate::store::{
    LogNo, StoreUrl, Value, compare,
    tests::{change, locked, places},
};
use std::{
    future::Future,
    path::PathBuf,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    task::Poll,
    time::Duration,
};

/// A folder that goes when the test is over.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("quan-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn opened<D: Disk + Clone>(disk: &D) -> Embedded<D> {
    let options = Options { segment_bytes: 1_000, at_least: 0, journal: 7 };
    Embedded::open(disk.clone(), options, At(0)).unwrap()
}

/// A second pass of `who`, with the same identifiers.
fn bind_again(who: u8) -> Command {
    let Command::Bind(campaign, mut bound) = orders::bind(who, who) else { unreachable!() };
    bound.pass = PassNonce([who ^ 0x40; 16]);
    bound.proofs = [ProofId([who ^ 0x20; 16]), ProofId([who ^ 0x60; 16])];
    Command::Bind(campaign, bound)
}

/// A round with everything that can happen, and a restart in the middle.
pub(crate) fn rush<D: Disk + Clone>(disk: &D) -> u64 {
    let mut ledger = opened(disk);
    let mut told = ledger.batch(&[orders::open(), orders::arm(&[4, 3])], At(1));
    told.extend(
        ledger.batch(&(1..=6).map(|who| orders::bind(who, who)).collect::<Vec<_>>(), At(2)),
    );
    told.extend(ledger.batch(&[bind_again(1), bind_again(5)], At(3)));
    told.extend(ledger.batch(&[orders::grant(1, 0), orders::grant(2, 0)], At(1_000)));
    ledger.seal(At(1_001)).unwrap();
    told.extend(ledger.batch(&[orders::grant(1, 1), orders::grant(3, 0)], At(1_002)));
    drop(ledger);
    let mut ledger = opened(disk);
    let c = CampaignNo(0);
    told.extend(ledger.batch(&[Command::Trip(c)], At(1_003)));
    told.extend(ledger.batch(&[orders::resume(1_003), orders::grant(4, 0)], At(1_004)));
    told.extend(ledger.batch(&[orders::grant(2, 1), orders::grant(3, 1)], At(1_005)));
    told.extend(ledger.batch(&[Command::Expire(c, RoundNo(1))], At(9_000)));
    ledger.seal(At(9_001)).unwrap();
    assert!(told.iter().all(|told| matches!(told, Outcome::Yes(_))), "{told:?}");
    assert_eq!(told.iter().filter(|t| matches!(t, Outcome::Yes(Answer::Granted(_)))).count(), 7);
    end(disk)
}

/// Opens and arms if that was not done, and grants a coupon to each of `people`.
pub(crate) fn rush_with<D: Disk + Clone>(disk: &D, people: &[u8]) {
    let mut ledger = opened(disk);
    ledger.batch(&[orders::open(), orders::arm(&[6, 2])], At(1));
    for who in people {
        ledger.batch(&[orders::bind(*who, *who)], At(1_000));
        let told = ledger.batch(&[orders::grant(*who, 0)], At(1_000));
        assert!(matches!(told[..], [Outcome::Yes(Answer::Granted(_))]), "{told:?}");
    }
}

fn end<D: Disk>(disk: &D) -> u64 {
    let mut reader = Reader::all(disk).unwrap();
    while reader.next().transpose().unwrap().is_some() {}
    reader.end()
}

/// Gives a few entries at a time.
struct Few<S>(S, usize);

impl<S: Source> Source for Few<S> {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, SourceError> {
        self.0.next(most.min(self.1))
    }

    fn end(&self) -> u64 {
        self.0.end()
    }
}

type Follower = Drain<Few<Following<FakeDisk>>>;

async fn follow(store: &Store, disk: &FakeDisk, few: usize) -> Follower {
    let durable = Arc::new(AtomicU64::new(end(disk)));
    let source = |seq| Ok(Few(Following::new(disk.clone(), seq, durable), few));
    Drain::open(store.clone(), LogNo::EMBEDDED, source).await.unwrap()
}

async fn to_the_end(drain: &mut Follower) {
    while drain.step().await.unwrap() != Step::Empty {}
}

/// A store of the whole journal, drained in one go.
async fn reference(scratch: &Scratch, disk: &FakeDisk) -> Store {
    let store = Store::open(&StoreUrl::File(scratch.file("reference.sqlite"))).await.unwrap();
    to_the_end(&mut follow(&store, disk, MOST_ENTRIES).await).await;
    store
}

async fn check_same(a: &Store, b: &Store) {
    assert_eq!(compare(a, b).await.unwrap().differences, []);
}

async fn count(store: &Store, statement: &str) -> i64 {
    store.query(statement, &[]).await.unwrap()[0][0].number()
}

#[tokio::test]
async fn what_was_decided_stands_in_the_tables() {
    let scratch = Scratch::new("drain-tables");
    let disk = FakeDisk::default();
    rush(&disk);
    let ledger = opened(&disk);
    let pool = ledger.machine().funds(CampaignNo(0)).unwrap().pool(PoolNo(0)).unwrap();
    let of_machine = [pool.budget, pool.available, pool.reserved, pool.frozen];
    let of_machine = of_machine.map(|fen| Value::Number(fen.get().cast_signed()));
    let end = end(&disk);
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let mut drain = follow(&store, &disk, MOST_ENTRIES).await;
        let status = drain.status();
        assert_eq!(drain.step().await.unwrap(), Step::Moved(usize::try_from(end).unwrap()));
        assert_eq!(drain.step().await.unwrap(), Step::Empty);
        assert_eq!((status.seq(), status.lag(), status.oldest_at()), (end, 0, None));
        assert_eq!(store.seq(LogNo::EMBEDDED).await.unwrap(), end);
        for (statement, rows) in [
            ("SELECT count(*) FROM campaigns", 1),
            ("SELECT count(*) FROM kinds", 2),
            ("SELECT count(*) FROM rounds WHERE expired = 1 AND ends_at_ms = 9000", 1),
            ("SELECT CAST(sum(granted) AS BIGINT) FROM stock", 7),
            ("SELECT count(*) FROM coupons WHERE kind = 1 AND length(number) = 13", 3),
            ("SELECT count(*) FROM passes", 8),
            ("SELECT count(*) FROM proofs", 16),
            ("SELECT count(*) FROM bindings", 24),
            ("SELECT count(*) FROM interlock", 2),
            ("SELECT count(*) FROM coupons WHERE fen = 10 AND kind = 0", 4),
            ("SELECT count(*) FROM postings WHERE target = 'frozen'", 0),
            ("SELECT count(*) FROM postings WHERE source = 'available' AND target = 'reserved'", 2),
        ] {
            assert_eq!(count(&store, statement).await, rows, "{statement}");
        }
        let fen = "SELECT budget_fen, available_fen, reserved_fen, frozen_fen FROM pools";
        let fen = store.query(fen, &[]).await.unwrap().remove(0);
        assert_eq!(fen, of_machine);
    }
}

#[tokio::test]
async fn a_crash_before_or_after_any_commit_doubles_and_loses_nothing() {
    let scratch = Scratch::new("drain-crash");
    let disk = FakeDisk::default();
    rush(&disk);
    let reference = reference(&scratch, &disk).await;
    for few in [1, 4] {
        for place in places(&scratch, &format!("store-{few}")).await {
            let store = Store::open(&place).await.unwrap();
            loop {
                // All is written and the power goes before the commit.
                let mut drain = follow(&store, &disk, few).await;
                drain.batch = drain.source.next(few).unwrap();
                let Some(last) = drain.batch.last() else { break };
                let rows = fold::rows(LogNo::EMBEDDED, &drain.shards, &drain.batch).unwrap();
                let staged = store.stage(drain.cursor, last.seq, &rows).await.unwrap();
                drop(staged.unwrap());
                assert_eq!(store.seq(LogNo::EMBEDDED).await.unwrap(), drain.cursor.seq);
                // It goes after the commit, before the drain knows: the batch is not written again.
                let mut drain = follow(&store, &disk, few).await;
                let before = drain.cursor;
                drain.step().await.unwrap();
                assert!(!store.write(before, drain.cursor.seq, &rows).await.unwrap());
            }
            check_same(&reference, &store).await;
        }
    }
}

#[tokio::test]
async fn a_step_dropped_anywhere_doubles_and_loses_nothing() {
    let scratch = Scratch::new("drain-dropped");
    let disk = FakeDisk::default();
    rush(&disk);
    let reference = reference(&scratch, &disk).await;
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let mut drain = follow(&store, &disk, 3).await;
        for polls in (1..40).cycle() {
            let mut left = polls;
            let mut step = pin!(drain.step());
            let some = std::future::poll_fn(|context| {
                left -= 1;
                if left == 0 { Poll::Ready(None) } else { step.as_mut().poll(context).map(Some) }
            });
            if let Some(step) = some.await
                && step.unwrap() == Step::Empty
            {
                break;
            }
        }
        drop(drain);
        check_same(&reference, &store).await;
    }
}

#[tokio::test]
async fn of_two_drains_the_later_one_shuts_the_earlier_one_out() {
    let scratch = Scratch::new("drain-two");
    let disk = FakeDisk::default();
    rush(&disk);
    let reference = reference(&scratch, &disk).await;
    for place in places(&scratch, "store").await {
        let (one, other) = (Store::open(&place).await.unwrap(), Store::open(&place).await.unwrap());
        let mut earlier = follow(&one, &disk, 2).await;
        earlier.step().await.unwrap();
        let mut later = follow(&other, &disk, 2).await;
        let error = earlier.step().await.unwrap_err();
        let lost = matches!(error, Error::Store { source: store::Error::Lost { .. }, .. });
        assert!(lost && !error.may_pass(), "{error}");
        to_the_end(&mut later).await;
        assert!(earlier.step().await.is_err());
        check_same(&reference, &other).await;
    }
}

#[tokio::test]
async fn two_drains_that_race_write_every_entry_once() {
    let scratch = Scratch::new("drain-race");
    let disk = FakeDisk::default();
    rush(&disk);
    let reference = reference(&scratch, &disk).await;
    for round in 0..5 {
        for place in places(&scratch, &format!("store-{round}")).await {
            let (one, other) =
                (Store::open(&place).await.unwrap(), Store::open(&place).await.unwrap());
            one.take(LogNo::EMBEDDED, "").await.unwrap();
            let racer = |store: Store, disk: FakeDisk| async move {
                let mut drain = follow(&store, &disk, 1).await;
                loop {
                    match drain.step().await {
                        Ok(Step::Empty) => return true,
                        Ok(Step::Moved(_)) => {}
                        Err(Error::Store { source: store::Error::Lost { .. }, .. }) => {
                            return false;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            };
            let racers = [(one.clone(), disk.clone()), (other.clone(), disk.clone())];
            let [a, b] = racers.map(|(store, disk)| tokio::spawn(racer(store, disk)));
            assert!(a.await.unwrap() || b.await.unwrap(), "one of them comes to the end");
            check_same(&reference, &one).await;
        }
    }
}

/// Runs until the drain stops by itself.
async fn stopped(mut drain: Follower) -> Error {
    let never = drain.run(tokio::time::sleep(Duration::from_secs(10)));
    never.await.expect_err("the drain stops at an error")
}

/// Tampers with a store that has the entries up to `seq`, drains on, and looks whether it stops at
/// the entry `at` because of `table`, with all before it written and the entry in quarantine.
async fn stops(name: &str, few: usize, seq: u64, tamper: &str, at: u64, table: &str) {
    let scratch = Scratch::new(name);
    let disk = FakeDisk::default();
    rush(&disk);
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let mut drain = follow(&store, &disk, 1).await;
        while drain.cursor.seq < seq {
            drain.step().await.unwrap();
        }
        change(&store, tamper).await;
        for _ in 0..2 {
            let drain = follow(&store, &disk, few).await;
            let status = drain.status();
            let error = stopped(drain).await;
            assert!(!error.may_pass(), "{error}");
            let Error::Store { from, to, source } = error else { panic!("{error}") };
            assert_eq!((from, to), (at, at));
            let store::Error::Contradiction { table: found, why } = source else {
                panic!("{source}")
            };
            assert_eq!(found, table);
            assert_eq!(store.seq(LogNo::EMBEDDED).await.unwrap(), at - 1, "what comes before");
            assert_eq!(status.quarantined(), Some(at));
            let kept = store.quarantined().await.unwrap();
            let [kept] = &kept[..] else { panic!("{kept:?}") };
            assert_eq!((kept.log, kept.seq, kept.table.as_str()), (LogNo::EMBEDDED, at, table));
            assert_eq!(kept.why, why);
            assert!(codec::decode(&kept.body).is_some());
        }
    }
}

#[tokio::test]
async fn r_claim_1_a_coupon_that_contradicts_a_row_stops_the_drain_at_its_entry() {
    for few in [1, 100] {
        // Entries: 1 opened, 2 armed, 3..=10 bound, 11 and 12 granted.
        let tamper = "INSERT INTO coupons VALUES (0, 0, 1, 0, 4, '',
            x'02020202020202020202020202020202', x'02020202020202020202020202020202', 0, 10, 0, 0,
            'issued', NULL)";
        stops("drain-coupon", few, 10, tamper, 12, "coupons").await;
    }
}

#[tokio::test]
async fn r_who_3_an_identifier_of_somebody_else_stops_the_drain_at_its_entry() {
    let tamper = "UPDATE bindings SET person = x'09090909090909090909090909090909'
                  WHERE identifier_kind = 2 AND person = x'05050505050505050505050505050505'";
    stops("drain-binding", 100, 8, tamper, 10, "bindings").await;
}

#[tokio::test]
async fn r_fund_2_money_that_is_not_there_stops_the_drain_at_its_entry() {
    let tamper = "UPDATE pools SET reserved_fen = 0, budget_fen = available_fen + frozen_fen";
    stops("drain-funds", 100, 10, tamper, 11, "pools").await;
}

#[tokio::test]
async fn i1_a_coupon_that_skips_an_ordinal_stops_the_drain_at_its_entry() {
    // One that was granted already, and one that leaves a gap.
    let again = "UPDATE stock SET granted = 1, last = 1 WHERE kind = 0";
    stops("drain-ordinal", 100, 10, again, 11, "stock").await;
    let gap = "UPDATE stock SET granted = 0, last = 0 WHERE kind = 0";
    stops("drain-gap", 100, 11, gap, 12, "stock").await;
}

#[tokio::test]
async fn a_cursor_that_stands_elsewhere_is_no_entrys_fault() {
    let scratch = Scratch::new("drain-cursor");
    let disk = FakeDisk::default();
    rush(&disk);
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let mut drain = follow(&store, &disk, 1).await;
        drain.step().await.unwrap();
        change(&store, "UPDATE cursor SET seq = 7").await;
        let error = drain.step().await.unwrap_err();
        let Error::Store { source, .. } = &error else { panic!("{error}") };
        assert!(matches!(source, store::Error::Contradiction { table: "cursor", .. }), "{error}");
        assert_eq!(drain.status().quarantined(), None);
        assert_eq!(store.quarantined().await.unwrap(), []);
    }
}

#[tokio::test]
async fn an_entry_in_another_format_is_named() {
    let scratch = Scratch::new("drain-foreign");
    let disk = FakeDisk::default();
    let mut journal = Journal::open(disk.clone(), Options::default(), At(0)).unwrap();
    journal.append(At(1), codec::encode(&[]).unwrap()).unwrap();
    journal.append(At(2), vec![99]).unwrap();
    journal.commit().unwrap();
    let store = Store::open(&StoreUrl::File(scratch.file("store.sqlite"))).await.unwrap();
    let drain = follow(&store, &disk, 100).await;
    let error = stopped(drain).await;
    assert!(matches!(error, Error::Entry { seq: 2, why: Misfit::Foreign }), "{error}");
    assert_eq!(store.seq(LogNo::EMBEDDED).await.unwrap(), 1);
    let kept = store.quarantined().await.unwrap();
    assert!(matches!(&kept[..], [kept] if kept.seq == 2 && kept.body == [99]), "{kept:?}");
}

#[tokio::test]
async fn while_the_store_is_down_entries_wait_and_then_all_get_in() {
    let scratch = Scratch::new("drain-down");
    let disk = FakeDisk::default();
    let end = rush(&disk);
    let reference = reference(&scratch, &disk).await;
    for place in places(&scratch, "store").await {
        let busy = Duration::from_millis(1);
        let store = Store::open_waiting(&place, busy).await.unwrap();
        let mut drain = follow(&store, &disk, 4).await;
        let status = drain.status();
        let other = Store::open(&place).await.unwrap();
        let lock = locked(&other).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(async move { drain.run(async { drop(stopped.await) }).await });
        while status.failures() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!((status.lag(), status.oldest_at()), (end, Some(At(1))));
        drop(lock);
        while status.lag() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
        assert_eq!((status.failures(), status.oldest_at()), (0, None));
        check_same(&reference, &store).await;
    }
}

#[tokio::test]
async fn the_drain_follows_while_the_ledger_goes_on() {
    let scratch = Scratch::new("drain-follow");
    let disk = Folder::open(&scratch.file("journal")).unwrap();
    let durable = Arc::new(AtomicU64::new(0));
    let store = Store::open(&StoreUrl::File(scratch.file("store.sqlite"))).await.unwrap();
    let followed = Arc::clone(&durable);
    let source = |seq| Ok(Following::new(disk.clone(), seq, followed));
    let mut drain = Drain::open(store.clone(), LogNo::EMBEDDED, source).await.unwrap();
    let status = drain.status();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move { drain.run(async { drop(stopped.await) }).await });
    let mut ledger = opened(&disk);
    for command in [orders::open(), orders::arm(&[4, 3]), orders::bind(1, 1), orders::grant(1, 0)] {
        ledger.batch(&[command], At(1_000));
        durable.store(end(&disk), SeqCst);
        while status.seq() < durable.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(count(&store, "SELECT count(*) FROM coupons").await, 1);
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
