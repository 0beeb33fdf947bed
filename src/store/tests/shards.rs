//! A campaign in several logs.

use super::*;
use crate::domain::{At, CampaignNo, Fen, Window};
use crate::drain::{self, Handed};
use crate::funds::Account;
use crate::ledger::event::{Armed, Event, Interlock, Load, Transfer, What, codec};
use crate::ledger::journal::Entry;
use crate::ledger::made::{self, R, WINDOW, bound, expired, money, opened, passed, posted, units};
use Account::{Available, Frozen, Reserved, Treasury};

const C: CampaignNo = CampaignNo(4);

fn log(shard: u8) -> LogNo {
    LogNo::of(C, shard)
}

fn identities() -> LogNo {
    log(LogNo::IDENTITIES)
}

/// A grant of the first kind, in the order of the events or the other way round.
fn granted(who: u8, ordinal: u32) -> Vec<What> {
    vec![What::Granted(made::granted(who, 0, ordinal)), posted(Reserved, Frozen, 10)]
}

fn entries(of: Vec<Vec<What>>) -> Vec<Entry> {
    (1..)
        .zip(of)
        .map(|(seq, whats)| {
            let events: Vec<Event> =
                whats.into_iter().map(|what| Event { campaign: C, what }).collect();
            let body = codec::encode(&events).unwrap();
            Entry { seq, durable: seq - 1, at: At(seq.cast_signed()), seal: false, body }
        })
        .collect()
}

/// Shard 0 is armed, sends of its stock and money to shard 1, and loses an entry; both grant.
fn story() -> [(LogNo, Vec<Entry>); 3] {
    let first = vec![
        vec![opened(0), posted(Treasury, Available, 100)],
        vec![
            What::Armed(Armed { round: R, window: WINDOW, quantities: vec![4, 2] }),
            posted(Available, Reserved, 80),
        ],
        vec![What::Sent(units(1, 1, 1)), posted(Reserved, Treasury, 10)],
        vec![passed(1)],
        granted(1, 1),
        // Given a seq, never told, and known to nobody: its turn is gone with it.
        vec![],
        vec![passed(2)],
        granted(2, 5),
        vec![What::Sent(units(1, 2, 1)), posted(Reserved, Treasury, 10)],
        vec![What::Sent(money(1, 3)), posted(Available, Treasury, 5)],
        vec![What::Interlock(Interlock::Tripped)],
        vec![expired(), posted(Reserved, Available, 40), posted(Frozen, Available, 20)],
    ];
    let second = vec![
        vec![opened(1)],
        vec![What::Received(units(0, 1, 1)), posted(Treasury, Reserved, 10)],
        vec![passed(3)],
        granted(3, 2),
        vec![What::Received(units(0, 2, 1)), posted(Treasury, Reserved, 10)],
        vec![passed(4)],
        // The posting first: the order says nothing.
        granted(4, 4).into_iter().rev().collect(),
        vec![What::Received(money(0, 3)), posted(Treasury, Available, 5)],
        vec![expired(), posted(Frozen, Available, 20)],
    ];
    let whole = (1..=4).map(|who| vec![What::Bound(bound(who, who))]).collect();
    [(log(0), entries(first)), (log(1), entries(second)), (identities(), entries(whole))]
}

async fn carry(store: &Store, log: LogNo, entries: &[Entry]) -> Result<(), drain::Error> {
    let mut drain = Drain::open(store.clone(), log, |_| Ok(Handed::default())).await?;
    for entry in entries {
        drain.source.push(entry.clone());
    }
    while drain.step().await? != Step::Empty {}
    Ok(())
}

#[tokio::test]
async fn i8_logs_are_carried_in_any_order_and_batches_to_the_same_rows() {
    let scratch = Scratch::new("shards-order");
    let reference = Store::open(&StoreUrl::File(scratch.file("reference.sqlite"))).await.unwrap();
    for (log, entries) in story() {
        carry(&reference, log, &entries).await.unwrap();
    }
    for (no, order) in [[0, 1, 2], [2, 1, 0], [1, 0, 2]].into_iter().enumerate() {
        for place in places(&scratch, &format!("store-{no}")).await {
            let store = Store::open(&place).await.unwrap();
            let parts = story();
            // A few entries of one log, then of the next, from a drain that knows nothing.
            for from in (0..12).step_by(no + 1) {
                for (log, entries) in order.map(|log| &parts[log]) {
                    let some = entries.iter().skip(from).take(no + 1);
                    let some: Vec<Entry> = some.cloned().collect();
                    carry(&store, *log, &some).await.unwrap();
                }
            }
            assert_eq!(compare(&reference, &store).await.unwrap().differences, []);
            let check = check_events(&store).await.unwrap();
            assert!(check.clean && check.rows > 80, "{check:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_begin_at_once_agree_on_their_campaign() {
    let scratch = Scratch::new("shards-begin");
    for place in places(&scratch, "store").await {
        let mut stores = vec![];
        for _ in 0..4 {
            stores.push(Store::open(&place).await.unwrap());
        }
        for no in 100..300 {
            let beginning = [0, 1, 2, 3].map(|shard| {
                let What::Opened(mut it) = opened(shard % 2) else { unreachable!() };
                it.name = format!("campaign {no}");
                let (campaign, what) = (CampaignNo(no), What::Opened(it));
                let body = codec::encode(&[Event { campaign, what }]).unwrap();
                let entry = Entry { seq: 1, durable: 0, at: At(1), seal: false, body };
                let store = stores[usize::from(shard)].clone();
                let log = LogNo::of(campaign, shard);
                tokio::spawn(async move { carry(&store, log, &[entry]).await })
            });
            for begun in beginning {
                begun.await.unwrap().unwrap();
            }
        }
    }
}

#[tokio::test]
async fn what_several_logs_decided_stands_in_the_tables() {
    let scratch = Scratch::new("shards-tables");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        for (log, entries) in story() {
            carry(&store, log, &entries).await.unwrap();
        }
        let [zero, one, ids] = [log(0), log(1), identities()].map(|log| log.to_string());
        for (sql, want) in [
            ("SELECT name FROM campaigns", "test"),
            (
                "SELECT log, shard, shards FROM openings ORDER BY 1",
                &format!("{zero} 0 2, {one} 1 2"),
            ),
            (
                "SELECT log, quantity, granted, last FROM stock WHERE kind = 0 ORDER BY 1",
                &format!("{zero} 2 2 3, {one} 2 2 2"),
            ),
            (
                "SELECT log, budget_fen, available_fen, reserved_fen, frozen_fen FROM pools
                 ORDER BY 1",
                &format!("{zero} 75 75 0 0, {one} 25 25 0 0"),
            ),
            (
                "SELECT log, seq, direction, peer, number, round, kind, units, pool FROM transfers
                 ORDER BY log, seq",
                &format!(
                    "{zero} 3 sent 1 1 1 0 1 -, {zero} 9 sent 1 2 1 0 1 -, {zero} 10 sent 1 3 - - - 0, \
                     {one} 2 received 0 1 1 0 1 -, {one} 5 received 0 2 1 0 1 -, \
                     {one} 8 received 0 3 - - - 0"
                ),
            ),
            (
                "SELECT log, opens_at_ms, ends_at_ms, expired FROM rounds ORDER BY 1",
                &format!("{zero} 1000 9000 1, {one} 1000 9000 1"),
            ),
            (
                "SELECT log, ordinal, pool, fen FROM coupons ORDER BY 2",
                &format!("{zero} 1 0 10, {one} 2 0 10, {one} 4 0 10, {zero} 5 0 10"),
            ),
            ("SELECT count(*) FROM passes", "4"),
            ("SELECT count(*) FROM bindings", "16"),
            ("SELECT count(*) FROM proofs", "8"),
            ("SELECT log, seq FROM cursor ORDER BY 1", &format!("{zero} 12, {one} 9, {ids} 4")),
            ("SELECT count(*) FROM events", "25"),
        ] {
            let rows = store.query(sql, &[]).await.unwrap();
            let rows: Vec<String> = rows.into_iter().map(shown).collect();
            assert_eq!(rows.join(", "), want, "{sql}");
        }
        let record = store.event(log(0), 6).await.unwrap().unwrap();
        assert_eq!((record.at, codec::decode(&record.body)), (At(6), Some(vec![])));
        let after = store.events_after(log(0), 9, 2).await.unwrap();
        assert_eq!(after.iter().map(|record| record.seq).collect::<Vec<_>>(), [10, 11]);
    }
}

fn shown(row: Values) -> String {
    let values = row.into_iter().map(|value| match value {
        Value::Null => "-".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Bytes(_) => "bytes".to_owned(),
    });
    values.collect::<Vec<_>>().join(" ")
}

/// The table, or the misfit, that log 1 stops at if its entries from `seq` on are these; what comes
/// before is in the same batch, or written by a drain that is gone.
async fn stops(store: &Store, seq: usize, instead: &[Vec<What>], restart: bool) -> String {
    let [(_, first), (_, second), (_, whole)] = story();
    carry(store, log(0), &first[..10]).await.unwrap();
    let mut all = second[..seq - 1].to_vec();
    all.extend(entries([&vec![vec![]; seq - 1], instead].concat()).split_off(seq - 1));
    if restart {
        carry(store, log(1), &all[..seq - 1]).await.unwrap();
        all.drain(..seq - 1);
    }
    let error = carry(store, log(1), &all).await.unwrap_err();
    let kept = store.quarantined().await.unwrap();
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(kept.log, log(1));
    assert_eq!(store.seq(log(1)).await.unwrap() + 1, kept.seq, "all before it is there");
    // The others go on.
    carry(store, log(0), &first[10..]).await.unwrap();
    carry(store, identities(), &whole).await.unwrap();
    assert_eq!(store.seq(log(0)).await.unwrap(), 12);
    match error {
        drain::Error::Entry { why, .. } => format!("{why:?}"),
        drain::Error::Store { source: Error::Contradiction { table, .. }, .. } => table.to_owned(),
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_log_that_contradicts_another_or_itself_stops_alone() {
    let scratch = Scratch::new("shards-stop");
    let other_terms = {
        let What::Opened(mut opened) = opened(1) else { unreachable!() };
        opened.kinds[0].face = Fen::new(11);
        What::Opened(opened)
    };
    let other_name = {
        let What::Opened(mut opened) = opened(1) else { unreachable!() };
        opened.name = "other".into();
        What::Opened(opened)
    };
    let other_window = {
        let Transfer { peer, number, load } = units(0, 2, 1);
        let Load::Stock { round, kind, units, .. } = load else { unreachable!() };
        let window = Window { from: At(1_001), until: At(9_000) };
        Transfer { peer, number, load: Load::Stock { round, window, kind, units } }
    };
    let again = vec![What::Received(units(0, 1, 1)), posted(Treasury, Reserved, 10)];
    let unpaid = vec![granted(4, 4).remove(0)];
    let more = vec![What::Received(units(0, 2, 1)), posted(Treasury, Reserved, 10)];
    let cases: [(usize, Vec<Vec<What>>, &str); 14] = [
        (1, vec![vec![other_terms]], "kinds"),
        (1, vec![vec![other_name]], "campaigns"),
        (1, vec![granted(3, 2)], "NotOpened"),
        (5, vec![vec![What::Received(other_window)]], "rounds"),
        (5, vec![again], "transfers"),
        // Shard 0's turn; the last turn again; more than there are; a turn that is over; somebody else's
        // pass or coupon.
        (5, vec![vec![passed(4)], granted(4, 3)], "NotNext"),
        (5, vec![vec![passed(4)], granted(4, 2)], "stock"),
        (5, vec![vec![passed(4)], granted(4, 4)], "stock"),
        (4, vec![granted(3, 10), more, vec![passed(4)], granted(4, 6)], "stock"),
        (6, vec![vec![passed(1)]], "passes"),
        (6, vec![granted(1, 4)], "coupons"),
        (6, vec![unpaid], "NotPaid"),
        (6, vec![vec![What::Sent(units(0, 1, 2))]], "stock"),
        (8, vec![vec![posted(Available, Reserved, 1)]], "pools"),
    ];
    for (no, (seq, instead, want)) in cases.into_iter().enumerate() {
        for restart in [false, true] {
            for place in places(&scratch, &format!("store-{no}-{restart}")).await {
                let store = Store::open(&place).await.unwrap();
                assert_eq!(stops(&store, seq, &instead, restart).await, want, "{no} {place}");
                store.close().await;
            }
        }
    }
}
