use super::*;
use crate::drain::tests::{Scratch, rush};
use crate::drain::{Drain, Following, Step};
use crate::ledger::journal::{Folder, Reader};
use std::sync::{Arc, atomic::AtomicU64};

/// R-AUDIT-1.
#[tokio::test]
async fn i8_a_store_made_again_from_the_journal_is_the_drained_one() {
    let scratch = Scratch::new("store-replay");
    let folder = scratch.file("journal");
    let disk = Folder::open(&folder).unwrap();
    let end = rush(&disk);
    assert!(Reader::sealed(&disk).unwrap().count() > 5, "several segments");
    let drained = scratch.file("drained.sqlite");
    let store = Store::open(&drained).await.unwrap();
    // The writer's word on what is durable comes bit by bit, and the drain restarts in between.
    for durable in (0..=end).step_by(3).chain([end]) {
        let durable = Arc::new(AtomicU64::new(durable));
        let source = |seq| Ok(Following::new(disk.clone(), seq, durable));
        let mut drain = Drain::open(store.clone(), SHARD, source).await.unwrap();
        while drain.step().await.unwrap() != Step::Empty {}
    }
    store.close().await;
    let replayed = scratch.file("replayed.sqlite");
    assert_eq!(replay(&folder, &replayed).await.unwrap(), end);
    assert_eq!(compare(&drained, &replayed).await.unwrap().differences, []);
    assert!(matches!(replay(&folder, &replayed).await, Err(replay::ReplayError::Exists)));
}

#[tokio::test]
async fn every_kind_of_difference_is_named_with_its_row() {
    let scratch = Scratch::new("store-compare");
    let folder = scratch.file("journal");
    let end = rush(&Folder::open(&folder).unwrap());
    let (first, second) = (scratch.file("first.sqlite"), scratch.file("second.sqlite"));
    replay(&folder, &first).await.unwrap();
    replay(&folder, &second).await.unwrap();
    let store = Store::open(&second).await.unwrap();
    for change in [
        "UPDATE cursor SET seq = 1, owner_epoch = 77",
        "UPDATE coupons SET ends_at_ms = 1, number = '' WHERE kind = 0 AND ordinal = 2",
        "DELETE FROM postings WHERE line = 1 AND seq = 11",
        "INSERT INTO bindings VALUES (0, 1, 2, x'ffff0000000000000000000000000000',
             x'09090909090909090909090909090909')",
    ] {
        sqlx::query(change).execute(store.pool()).await.unwrap();
    }
    store.close().await;
    let found = compare(&first, &second).await.unwrap().differences;
    let found: Vec<String> = found.iter().map(Difference::to_string).collect();
    assert_eq!(
        found,
        [
            "cursor shard=0: seq differ",
            "bindings campaign=0 round=1 identifier_kind=2 identifier=ffff..: only in the second",
            "coupons campaign=0 round=1 kind=0 ordinal=2: number, ends_at_ms differ",
            "postings shard=0 seq=11 line=1: only in the first",
        ]
    );
    assert!(end > 11);
}

#[tokio::test]
async fn every_table_of_the_schema_is_compared() {
    let scratch = Scratch::new("store-tables");
    let store = Store::open(&scratch.file("store.sqlite")).await.unwrap();
    let statement = "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
                     WHERE m.type = 'table' AND m.name NOT LIKE '%sqlx%' ORDER BY 1, 2";
    let there: Vec<(String, String)> =
        sqlx::query_as(statement).fetch_all(store.pool()).await.unwrap();
    let mut compared: Vec<(String, String)> = compare::TABLES
        .iter()
        .flat_map(|(table, key, rest)| {
            key.iter().chain(*rest).map(|column| ((*table).to_owned(), (*column).to_owned()))
        })
        .chain([("cursor".to_owned(), "owner_epoch".to_owned())])
        .collect();
    compared.sort();
    assert_eq!(there, compared);
}
