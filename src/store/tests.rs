mod decisions;
mod dumped;
mod nodes;
mod redeeming;
mod shards;

use super::*;
use crate::drain::tests::{Scratch, rush};
use crate::drain::{AtRest, Drain, Following, Step};
use crate::ledger::journal::{Folder, Reader};
use crate::rush::servers::Postgres;
use sql::Tx;
use sqlx::{ConnectOptions, Executor};
use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};
use tokio::task::yield_now;

/// One server for all tests, which ends with them.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
    Postgres::start(&["max_connections=300"]).unwrap_or_else(|error| panic!("{error}"))
});

/// A new database of it.
pub(crate) async fn database() -> StoreUrl {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("test_{}", NEXT.fetch_add(1, Relaxed));
    let maker = SERVER.url("postgres").parse();
    let Ok(StoreUrl::Postgres(options)) = &maker else { panic!("{maker:?}") };
    let mut connection = options.connect().await.unwrap();
    let make = sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")));
    connection.execute(make).await.unwrap();
    SERVER.url(&name).parse().unwrap()
}

/// A new place of each kind.
pub(crate) async fn places(scratch: &Scratch, name: &str) -> [StoreUrl; 2] {
    [StoreUrl::File(scratch.file(&format!("{name}.sqlite"))), database().await]
}

/// Tampers with a store. `x'..'` are bytes.
pub(crate) async fn change(store: &Store, sql: &str) -> u64 {
    let sql = match store.db {
        Db::Sqlite(_) => sql.to_owned(),
        Db::Postgres(_) => sql.replace("x'", "'\\x"),
    };
    store.db.execute(&sql, &[]).await.unwrap()
}

/// Nobody else moves a cursor as long as this is there.
pub(crate) async fn locked(store: &Store) -> Tx {
    let mut tx = store.db.begin().await.unwrap();
    tx.execute("UPDATE cursor SET seq = seq", &[]).await.unwrap();
    tx
}

#[tokio::test]
async fn a_transaction_that_is_given_up_while_it_begins_locks_nobody_out() {
    let scratch = Scratch::new("store-given-up");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        store.take(LogNo::EMBEDDED, "a").await.unwrap();
        // Given up at every instant: BEGIN may be sent, answered, or neither.
        for us in (0..3_000).step_by(10) {
            let write = async {
                let mut tx = store.db.begin().await.unwrap();
                tx.execute("UPDATE cursor SET seq = seq", &[]).await.unwrap();
            };
            let start = Instant::now();
            let later = async {
                while start.elapsed() < Duration::from_micros(us) {
                    yield_now().await;
                }
            };
            tokio::select! {
                () = write => {}
                () = later => {}
            }
            // By whichever connection: what it does is done.
            store.take(LogNo::EMBEDDED, "a").await.unwrap();
        }
        let other = Store::open(&place).await.unwrap();
        other.take(LogNo::EMBEDDED, "b").await.unwrap();
    }
}

/// Whoever comes second finds what the first has made, or waits for it.
#[test]
fn all_that_open_a_fresh_file_at_once_have_it() {
    let scratch = Scratch::new("store-at-once");
    for no in 0..12 {
        let place = StoreUrl::File(scratch.file(&format!("{no}.sqlite")));
        let ready = std::sync::Barrier::new(6);
        let open = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                ready.wait();
                let store = Store::open(&place).await.unwrap_or_else(|error| panic!("{error}"));
                store.close().await;
            });
        };
        std::thread::scope(|scope| {
            (0..6).for_each(|_| drop(scope.spawn(open)));
        });
    }
}

/// A file whose journal is not turned to WAL yet has another writer: SQLite says so at once, whatever the timeout.
#[tokio::test]
async fn a_fresh_file_that_another_writes_is_waited_for() {
    let scratch = Scratch::new("store-fresh");
    let file = scratch.file("store.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut other = options.connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let place = StoreUrl::File(file);
    let waited = Store::open_waiting(&place, Duration::from_millis(50));
    let waited = tokio::time::timeout(Duration::from_secs(10), waited).await.expect("an end");
    assert!(matches!(waited, Err(Error::Unavailable(_))), "{:?}", waited.err());
    let end = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        other.execute("COMMIT").await.unwrap();
    };
    let (opened, ()) = tokio::join!(Store::open(&place), end);
    opened.unwrap_or_else(|error| panic!("{error}"));
}

/// R-AUDIT-1.
#[tokio::test]
async fn i8_a_store_made_again_from_the_journal_is_the_drained_one() {
    let scratch = Scratch::new("store-replay");
    let folder = scratch.file("journal");
    let disk = Folder::open(&folder).unwrap();
    let end = rush(&disk);
    assert!(Reader::sealed(&disk).unwrap().count() > 5, "several segments");
    let replayed = scratch.file("replayed.sqlite");
    assert_eq!(replay(&folder, &replayed).await.unwrap(), end);
    assert!(matches!(replay(&folder, &replayed).await, Err(replay::ReplayError::Exists)));
    let replayed = Store::open(&StoreUrl::File(replayed)).await.unwrap();
    for place in places(&scratch, "drained").await {
        let store = Store::open(&place).await.unwrap();
        // The writer's word on what is durable comes bit by bit, and the drain restarts in between.
        for durable in (0..=end).step_by(3).chain([end]) {
            let durable = Arc::new(AtomicU64::new(durable));
            let source = |seq| Ok(Following::new(disk.clone(), seq, durable));
            let mut drain = Drain::open(store.clone(), LogNo::EMBEDDED, source).await.unwrap();
            while drain.step().await.unwrap() != Step::Empty {}
        }
        assert_eq!(compare(&store, &replayed).await.unwrap().differences, []);
        for check in [check_events(&store).await, check_journal(&folder, &store).await] {
            let check = check.unwrap();
            assert!(check.clean && check.rows > 50, "{check:?}");
        }
    }
}

#[tokio::test]
async fn i8_a_row_that_does_not_follow_from_the_entries_is_found() {
    let scratch = Scratch::new("store-check");
    let folder = scratch.file("journal");
    let disk = Folder::open(&folder).unwrap();
    rush(&disk);
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let source = |seq| Ok(AtRest::new(&disk, seq)?);
        let mut drain = Drain::open(store.clone(), LogNo::EMBEDDED, source).await.unwrap();
        while drain.step().await.unwrap() != Step::Empty {}
        assert_eq!(change(&store, "UPDATE coupons SET fen = 11 WHERE ordinal = 4").await, 1);
        let check = check_events(&store).await.unwrap();
        assert_eq!(check.findings, ["coupons campaign=0 round=1 kind=0 ordinal=4: fen differ"]);
    }
}

#[tokio::test]
async fn every_kind_of_difference_is_named_with_its_row() {
    let scratch = Scratch::new("store-compare");
    let folder = scratch.file("journal");
    let end = rush(&Folder::open(&folder).unwrap());
    let (first, second) = (scratch.file("first.sqlite"), scratch.file("second.sqlite"));
    replay(&folder, &first).await.unwrap();
    replay(&folder, &second).await.unwrap();
    let first = Store::open(&StoreUrl::File(first)).await.unwrap();
    let second = Store::open(&StoreUrl::File(second)).await.unwrap();
    for sql in [
        "UPDATE cursor SET seq = 1, owner_epoch = 77, owner = 'x', renewed_at_ms = 1",
        "UPDATE coupons SET ends_at_ms = 1, number = '' WHERE kind = 0 AND ordinal = 2",
        "DELETE FROM postings WHERE line = 2 AND seq = 2",
        "INSERT INTO bindings VALUES (0, 1, 2, x'ffff0000000000000000000000000000',
             x'09090909090909090909090909090909')",
    ] {
        assert_eq!(change(&second, sql).await, 1, "{sql}");
    }
    let found = compare(&first, &second).await.unwrap().differences;
    let found: Vec<String> = found.iter().map(Difference::to_string).collect();
    assert_eq!(
        found,
        [
            "cursor log=0: seq differ",
            "bindings campaign=0 round=1 identifier_kind=2 identifier=ffff..: only in the second",
            "coupons campaign=0 round=1 kind=0 ordinal=2: number, ends_at_ms differ",
            "postings log=0 seq=2 line=2: only in the first",
        ]
    );
    assert!(end > 11);
}

/// What is no fold of the logs.
const APART: [&str; 9] = [
    "quarantine",
    "nodes",
    "recoveries",
    "closings",
    "evidence",
    "decisions",
    "signatures",
    "trails",
    "sendings",
];

#[tokio::test]
async fn every_table_of_the_schema_is_compared() {
    let scratch = Scratch::new("store-tables");
    let mut compared: Vec<Values> = compare::TABLES
        .iter()
        .flat_map(|(table, key, rest)| {
            key.iter().chain(*rest).map(|column| vec![(*table).into(), (*column).into()])
        })
        .chain(["owner", "owner_epoch", "renewed_at_ms"].map(|it| vec!["cursor".into(), it.into()]))
        .collect();
    compared.sort();
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let sql = match store.db {
            Db::Sqlite(_) => {
                "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
                 WHERE m.type = 'table'"
            }
            Db::Postgres(_) => {
                "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT)
                 FROM information_schema.columns WHERE table_schema = 'public'"
            }
        };
        let mut there = store.query(sql, &[]).await.unwrap();
        let apart = APART.map(Value::from);
        there.retain(|row| !apart.contains(&row[0]) && row[0] != Value::from("_sqlx_migrations"));
        there.sort();
        assert_eq!(there, compared, "{place}");
    }
}
