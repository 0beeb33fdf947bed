//! What is redeemed, paid back, settled and adjusted.

use super::*;
use crate::domain::Fen;
use crate::drain::{self, Handed};
use crate::funds::Account::{Available, Consumed, Frozen, Paid, Payable};
use crate::ledger::event::Aftermath::{Issued, Used};
use crate::ledger::event::{Locked, Release, Standing, What};
use crate::ledger::journal::Entry;
use crate::ledger::made::posted;
use crate::ledger::made::redeeming::{
    Timed, adjusted, confirm, confirmed, entries, extended, failed, lock, locked, paid, refunded,
    released, settled, stands, story,
};

/// Entries of the story that a store without redemptions knew as well.
const OLD: usize = 11;

async fn carry(store: &Store, entries: &[Entry]) -> Result<(), drain::Error> {
    let mut drain = Drain::open(store.clone(), LogNo::EMBEDDED, |_| Ok(Handed::default())).await?;
    for entry in entries {
        drain.source.push(entry.clone());
    }
    while drain.step().await? != Step::Empty {}
    Ok(())
}

#[tokio::test]
async fn what_was_redeemed_and_settled_stands_in_the_tables() {
    let scratch = Scratch::new("redeeming-tables");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        carry(&store, &entries(story())).await.unwrap();
        for (sql, want) in [
            ("SELECT kind, face_fen, threshold_fen FROM kinds ORDER BY 1", "0 10 50, 1 20 100"),
            (
                "SELECT budget_fen, available_fen, reserved_fen, frozen_fen, consumed_fen, payable_fen,
                 paid_fen FROM pools",
                "200 165 0 0 0 0 35",
            ),
            (
                "SELECT kind, quantity, granted, locked, used FROM stock ORDER BY 1",
                "0 4 4 0 3, 1 2 1 0 1",
            ),
            (
                "SELECT kind, ordinal, state, redemption FROM coupons ORDER BY 1, 2",
                "0 1 used 01, 0 2 issued -, 0 3 used 05, 0 4 returned 06, 1 1 used 04",
            ),
            (
                "SELECT merchant, categories, cap_fen, standing FROM merchants ORDER BY 1",
                "7 1 0 active, 8 1 6 suspended and held",
            ),
            (
                "SELECT redemption, seq, line, merchant, person, kind, ordinal, pool, fen, amount_fen,
                 request FROM redemptions ORDER BY 2",
                "01 18 0 7 01 0 1 0 10 500 01, 02 20 0 7 02 0 2 0 10 500 02, \
                 02 22 0 7 02 0 2 0 10 500 02, 03 24 0 7 01 1 1 0 20 1000 03, \
                 04 28 0 7 01 1 1 0 20 1000 04, 06 34 0 7 04 0 4 0 10 500 06, \
                 05 36 0 7 03 0 3 0 10 500 05",
            ),
            (
                "SELECT redemption, locked_at_ms, until_ms, state, ended_seq, ended_at_ms,
                 refunded_fen, back_fen FROM redemptions ORDER BY 2",
                "01 2000 2500 confirmed 19 2100 250 5, 02 2200 2700 released 21 2300 0 0, \
                 02 2400 2900 confirmed 23 2500 500 10, 03 2600 3100 confirmed 25 2700 1000 20, \
                 04 3000 3500 confirmed 29 3100 0 0, 06 8700 9200 confirmed 35 8800 500 10, \
                 05 8900 9400 confirmed 38 9300 0 0",
            ),
            (
                "SELECT refund, seq, line, redemption, amount_fen, back_fen, coupon, owed, at_ms
                 FROM refunds ORDER BY 1",
                "01 26 0 01 250 5 used 0 2800, 02 27 0 03 1000 20 issued 0 2900, \
                 03 33 0 02 500 10 issued 1 3500, 04 39 0 06 500 10 returned 0 9400",
            ),
            (
                "SELECT batch, seq, merchant, pool, consumed_fen, owed_fen, state, failures,
                 settled_at_ms, answered_at_ms FROM settlements ORDER BY 1",
                "1 30 7 0 35 0 paid 1 3200 3400, 2 40 7 0 10 10 payable 0 9500 -",
            ),
            (
                "SELECT round, version, kind, quantity, follows, at_ms FROM adjustments ORDER BY 2, 3",
                "2 1 0 1 - 1100, 2 1 1 0 - 1100, 2 2 0 2 1 1100, 2 2 1 1 1 1100",
            ),
            // A grant's posting is its coupon's row, a confirmed redemption's is that one's.
            (
                "SELECT source, target, count(*) FROM postings
                 WHERE source IN ('frozen', 'reserved') OR target = 'consumed' GROUP BY 1, 2 ORDER BY 1",
                "frozen available 1, reserved available 1",
            ),
            (
                "SELECT CAST(sum(fen) AS BIGINT) FROM redemptions WHERE state = 'confirmed'",
                "80",
            ),
        ] {
            assert_eq!(shown(&store, sql).await, want, "{sql}");
        }
    }
}

/// Of bytes the first.
async fn shown(store: &Store, sql: &str) -> String {
    let value = |value| match value {
        Value::Null => "-".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Bytes(bytes) => format!("{:02x}", bytes[0]),
    };
    let rows = store.query(sql, &[]).await.unwrap();
    let row = |row: Values| row.into_iter().map(value).collect::<Vec<_>>().join(" ");
    rows.into_iter().map(row).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn i8_redemptions_give_the_same_rows_however_the_log_is_cut() {
    let scratch = Scratch::new("redeeming-cut");
    let reference = Store::open(&StoreUrl::File(scratch.file("reference.sqlite"))).await.unwrap();
    let all = entries(story());
    carry(&reference, &all).await.unwrap();
    for few in [1, 2, 7] {
        for place in places(&scratch, &format!("store-{few}")).await {
            let store = Store::open(&place).await.unwrap();
            for some in all.chunks(few) {
                carry(&store, some).await.unwrap();
            }
            assert_eq!(compare(&reference, &store).await.unwrap().differences, []);
            let check = check_events(&store).await.unwrap();
            assert!(check.clean && check.rows > 80, "{check:?}");
        }
    }
}

/// The table, or the misfit, at which the log stops if after the first `before` entries this one comes. A store that
/// has those gets it alone, one that is empty all in one batch.
async fn stops(store: &Store, before: usize, entry: Timed) -> String {
    let mut all = story();
    all.truncate(before);
    all.push(entry);
    let there = usize::try_from(store.seq(LogNo::EMBEDDED).await.unwrap()).unwrap();
    let Err(error) = carry(store, &entries(all)[there..]).await else { return "goes on".into() };
    assert_eq!(store.seq(LogNo::EMBEDDED).await.unwrap(), before as u64, "what comes before");
    let kept = store.quarantined().await.unwrap();
    assert!(matches!(&kept[..], [kept] if kept.seq == before as u64 + 1), "{kept:?}");
    match error {
        drain::Error::Entry { why, .. } => format!("{why:?}"),
        drain::Error::Store { source: Error::Contradiction { table, .. }, .. } => table.to_owned(),
        error => panic!("{error}"),
    }
}

/// What can't come after the first so many entries, and where it stops.
fn contradictions() -> Vec<(usize, Timed, &'static str)> {
    let end = story().len();
    let of = |what| (9_600, vec![what]);
    let other = |no, who, kind, ordinal| lock(no, 9_600, who, kind, ordinal);
    let back = |it| (9_600, vec![What::Refunded(it), posted(Consumed, Available, 1)]);
    let changed = |change: fn(&mut Locked)| {
        let mut locked = locked(9, 1_300, 2, 0, 2);
        change(&mut locked);
        (1_300, vec![What::Locked(locked)])
    };
    vec![
        // A coupon that is another's, was not granted, is locked, used, or returned.
        (end, other(9, 1, 0, 2), "coupons"),
        (end, other(9, 2, 0, 5), "coupons"),
        (18, lock(9, 2_000, 1, 0, 1), "coupons"),
        (end, other(9, 1, 0, 1), "coupons"),
        (end, other(9, 4, 0, 4), "coupons"),
        // An order that is open or was paid, a merchant that is not admitted, more than can be counted.
        (18, lock(1, 2_000, 2, 0, 2), "redemptions"),
        (end, other(1, 2, 0, 2), "redemptions"),
        (16, changed(|it| it.merchant.0 = 9), "redemptions"),
        (16, changed(|it| it.amount = Fen::new(u64::MAX)), "TooLarge"),
        // What is not open can't end, nor be paid at its deadline or with other money.
        (end, confirm(1, 9_600, 10), "redemptions"),
        (19, confirm(1, 2_200, 10), "redemptions"),
        (end, confirm(9, 9_600, 10), "redemptions"),
        (21, confirm(2, 2_350, 10), "redemptions"),
        (18, confirm(1, 2_100, 11), "redemptions"),
        (18, confirm(1, 2_500, 10), "redemptions"),
        (end, of(released(1, Release::ByTill)), "redemptions"),
        (21, of(released(2, Release::AtDeadline)), "redemptions"),
        (18, (2_100, vec![confirmed(1)]), "NotConsumed"),
        (18, (2_100, vec![confirmed(1), posted(Frozen, Available, 10)]), "NotConsumed"),
        // A refund: again, of what was not paid, of more than the order or the face, of a coupon that is not
        // that order's any more.
        (end, back(refunded(1, 1, 1, 1, Used)), "refunds"),
        (18, back(refunded(1, 9, 1, 1, Used)), "redemptions"),
        (18, back(refunded(1, 9, 0, 0, Used)), "redemptions"),
        (end, back(refunded(9, 9, 1, 1, Used)), "redemptions"),
        (end, back(refunded(1, 9, 251, 1, Used)), "redemptions"),
        (end, back(refunded(1, 9, 250, 6, Used)), "redemptions"),
        (end, back(refunded(3, 9, 0, 0, Used)), "coupons"),
        (end, back(refunded(6, 9, 0, 0, Issued)), "coupons"),
        // A batch that has it already, or has more taken off than there is; a payment again, of another amount,
        // or that is in no batch; a failure of what is paid.
        (end, of(settled(1, 5, 0)), "settlements"),
        (end, of(settled(3, 5, 6)), "settlements"),
        (end, of(paid(1, 35)), "settlements"),
        (30, (3_300, vec![paid(1, 34), posted(Payable, Paid, 34)]), "settlements"),
        (end, of(paid(3, 1)), "settlements"),
        (end, of(failed(1)), "settlements"),
        (end, of(failed(3)), "settlements"),
        (end, of(stands(9, Standing::Held)), "merchants"),
        // Versions come one after the other.
        (end, of(adjusted(2, [1, 1])), "adjustments"),
        (end, of(adjusted(4, [1, 1])), "adjustments"),
        (end, of(adjusted(0, [1, 1])), "NoVersion"),
        // A further round that was decided before, or after the end.
        (end, (9_600, vec![extended([1, 1]), extended([1, 2])]), "adjustments"),
        (end, (20_000, vec![extended([1, 1])]), "extensions"),
        // More than is consumed, payable, or was paid.
        (end, of(posted(Consumed, Payable, 1)), "pools"),
        (end, of(posted(Payable, Paid, 1)), "pools"),
        (end, of(posted(Paid, Available, 36)), "pools"),
    ]
}

#[tokio::test]
async fn what_does_not_follow_from_the_rows_stops_the_log_at_its_entry() {
    let scratch = Scratch::new("redeeming-stop");
    let mut all = contradictions();
    all.sort_by_key(|(before, ..)| *before);
    let mut wrong = Vec::new();
    for some in all.chunk_by(|a, b| a.0 == b.0) {
        let before = some[0].0;
        for place in places(&scratch, &format!("store-{before}")).await {
            let store = Store::open(&place).await.unwrap();
            carry(&store, &entries(story())[..before]).await.unwrap();
            for (_, entry, want) in some {
                let stopped = stops(&store, before, entry.clone()).await;
                if stopped != *want {
                    wrong.push(format!("{place}: {stopped}, not {want}: {entry:?}"));
                    break;
                }
            }
        }
        for (no, (_, entry, want)) in some.iter().enumerate() {
            let place = scratch.file(&format!("whole-{before}-{no}.sqlite"));
            let store = Store::open(&StoreUrl::File(place)).await.unwrap();
            let stopped = stops(&store, before, entry.clone()).await;
            if stopped != *want {
                wrong.push(format!("at once: {stopped}, not {want}: {entry:?}"));
            }
            store.close().await;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn no_row_is_what_it_can_t_be() {
    let scratch = Scratch::new("redeeming-checks");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let mut all = story();
        all.truncate(36);
        all.push((8_900, vec![extended([1, 1])]));
        carry(&store, &entries(all)).await.unwrap();
        for (table, set) in [
            ("kinds", "threshold_fen = -1"),
            ("pools", "consumed_fen = -1, available_fen = available_fen + consumed_fen + 1"),
            ("pools", "payable_fen = -1, available_fen = available_fen + payable_fen + 1"),
            ("pools", "paid_fen = -1, available_fen = available_fen + paid_fen + 1"),
            ("pools", "consumed_fen = consumed_fen + 1"),
            ("pools", "payable_fen = payable_fen + 1"),
            ("pools", "paid_fen = paid_fen + 1"),
            ("stock", "locked = -1"),
            ("stock", "used = -1"),
            ("stock", "locked = granted - used + 1"),
            ("stock", "granted = locked + used - 1"),
            ("coupons", "state = 'revoked'"),
            ("coupons", "redemption = NULL"),
            ("coupons", "state = 'used'"),
            ("coupons", "redemption = x'01'"),
            ("merchants", "cap_fen = -1"),
            ("merchants", "standing = 'gone'"),
            ("redemptions", "redemption = x'01'"),
            ("redemptions", "person = x'01'"),
            ("redemptions", "request = x'01'"),
            ("redemptions", "fen = -1, back_fen = -1"),
            ("redemptions", "amount_fen = -1, refunded_fen = -1"),
            ("redemptions", "state = 'gone'"),
            ("redemptions", "state = 'locked'"),
            ("redemptions", "state = 'released'"),
            ("redemptions", "ended_seq = 1"),
            ("redemptions", "ended_at_ms = NULL"),
            ("redemptions", "ended_at_ms = 1"),
            ("redemptions", "ended_at_ms = until_ms"),
            ("redemptions", "refunded_fen = amount_fen + 1"),
            ("redemptions", "refunded_fen = -1"),
            ("redemptions", "back_fen = fen + 1"),
            ("redemptions", "back_fen = -1"),
            ("redemptions", "merchant = 9"),
            ("redemptions", "redemption = x'01010101010101010101010101010101'"),
            ("refunds", "refund = x'01'"),
            ("refunds", "redemption = x'01'"),
            ("refunds", "amount_fen = -1"),
            ("refunds", "back_fen = -1"),
            ("refunds", "coupon = 'locked'"),
            ("refunds", "owed = 2"),
            ("settlements", "consumed_fen = -1, owed_fen = -1"),
            ("settlements", "owed_fen = -1"),
            ("settlements", "owed_fen = consumed_fen + 1"),
            ("settlements", "state = 'gone'"),
            ("settlements", "state = 'payable'"),
            ("settlements", "answered_at_ms = NULL"),
            ("settlements", "state = 'failed', failures = 0"),
            ("settlements", "failures = -1"),
            ("settlements", "merchant = 9"),
            ("settlements", "pool = 9"),
            ("adjustments", "version = 0, follows = -1"),
            ("adjustments", "quantity = -1"),
            ("adjustments", "follows = NULL"),
            ("adjustments", "follows = 0"),
            ("adjustments", "version = 3"),
            ("adjustments", "kind = 9"),
            ("extensions", "round = 0"),
            ("extensions", "round = 100"),
            ("extensions", "ends_at_ms = opens_at_ms"),
            ("extensions", "at_ms = period_ended_ms"),
            ("extensions", "period_ends_ms = period_ended_ms"),
            ("extensions", "period_ends_ms = opens_at_ms"),
            ("extensions", "campaign = 9"),
            ("postings", "source = 'gone'"),
            ("postings", "target = 'gone'"),
        ] {
            let sql = format!("UPDATE {table} SET {set}");
            let sql =
                if matches!(store.db, Db::Sqlite(_)) { sql } else { sql.replace("x'", "'\\x") };
            let refused = store.db.execute(&sql, &[]).await;
            let refused = refused.map_err(|error| Error::in_table(table, error));
            assert!(
                matches!(refused, Err(Error::Contradiction { .. })),
                "{place}: {sql}: {refused:?}"
            );
        }
        let check = check_events(&store).await.unwrap();
        assert!(check.clean, "nothing has changed: {check:?}");
    }
}

/// The columns that there are of a table.
async fn columns(store: &Store, table: &str) -> Vec<String> {
    let sql = match store.db {
        Db::Sqlite(_) => format!("SELECT name FROM pragma_table_info('{table}')"),
        Db::Postgres(_) => format!(
            "SELECT CAST(column_name AS TEXT) FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = '{table}'"
        ),
    };
    let rows = store.query(&sql, &[]).await.unwrap();
    rows.into_iter().map(|mut row| row.remove(0).text()).collect()
}

#[tokio::test]
async fn a_store_that_was_there_before_redemptions_goes_on_as_one_that_was_not() {
    let scratch = Scratch::new("redeeming-migrated");
    let mut all = story();
    // Thresholds were not written down.
    let What::Opened(opened) = &mut all[0].1[0] else { unreachable!() };
    opened.kinds.iter_mut().for_each(|kind| kind.threshold = Fen::ZERO);
    let all = entries(all);
    let fresh = Store::open(&StoreUrl::File(scratch.file("fresh.sqlite"))).await.unwrap();
    carry(&fresh, &all[..OLD]).await.unwrap();
    for place in places(&scratch, "store").await {
        let db = Db::open(&place, BUSY).await.unwrap();
        match &db {
            Db::Sqlite(pool) => migrations(&SCHEMA[..4], str::to_owned).run(pool).await.unwrap(),
            Db::Postgres(pool) => migrations(&SCHEMA[..4], in_postgres).run(pool).await.unwrap(),
        }
        let old = Store { db, url: place.clone() };
        for (table, key, rest) in compare::TABLES.iter().filter(|it| it.0 != "cursor") {
            let there = columns(&old, table).await;
            let known = key.iter().chain(*rest).copied();
            let known: Vec<&str> =
                known.filter(|name| there.iter().any(|column| column == name)).collect();
            if known.is_empty() {
                continue;
            }
            let places: Vec<String> = (1..=known.len()).map(|no| format!("${no}")).collect();
            let (known, places) = (known.join(", "), places.join(", "));
            for row in fresh.query(&format!("SELECT {known} FROM {table}"), &[]).await.unwrap() {
                let copy = format!("INSERT INTO {table} ({known}) VALUES ({places})");
                old.db.execute(&copy, &row).await.unwrap();
            }
        }
        let cursor = old.take(LogNo::EMBEDDED, "").await.unwrap();
        let moved = format!("UPDATE cursor SET seq = {OLD}");
        assert_eq!((cursor.seq, change(&old, &moved).await), (0, 1));
        old.close().await;
        let store = Store::open(&place).await.unwrap();
        let compared = compare(&fresh, &store).await.unwrap();
        assert!(compared.differences.is_empty() && compared.rows > 40, "{compared:?}");
        carry(&store, &all[OLD..]).await.unwrap();
        let check = check_events(&store).await.unwrap();
        assert!(check.clean && check.rows > 80, "{check:?}");
        // What refers to a table still does.
        for sql in [
            "INSERT INTO postings VALUES (0, 99, 0, 0, 9, 'available', 'frozen', 1)",
            "INSERT INTO transfers VALUES (0, 99, 0, 0, 'sent', 1, 1, NULL, NULL, NULL, 9)",
        ] {
            let refused = store.db.execute(sql, &[]).await;
            assert!(refused.is_err(), "{place}: {sql}");
        }
    }
}
