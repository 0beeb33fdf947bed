//! A PostgreSQL store, dumped and restored elsewhere by PostgreSQL's own programs.

use super::*;
use crate::domain::CampaignNo;
use crate::drain::Handed;
use crate::ledger::made::redeeming::{entries, story};
use std::process::Command;

/// Runs one of PostgreSQL's programs.
fn program(name: &str, args: &[&str]) {
    let output = Command::new(name).args(args).output();
    let output =
        output.unwrap_or_else(|error| panic!("{name}, of Debian's postgresql-client: {error}"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn i8_a_postgresql_store_that_is_dumped_and_restored_elsewhere_is_clean() {
    let scratch = Scratch::new("store-dumped");
    let dump = scratch.file("dump").display().to_string();
    let [from, to] = ["dumped", "restored"].map(|name| SERVER.url(name));
    let StoreUrl::Postgres(options) = SERVER.url("postgres").parse().unwrap() else { panic!() };
    let mut connection = options.connect().await.unwrap();
    for name in ["dumped", "restored"] {
        let make = sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")));
        connection.execute(make).await.unwrap();
    }
    let store = Store::open(&from.parse().unwrap()).await.unwrap();
    let drain = Drain::open(store.clone(), LogNo::EMBEDDED, |_| Ok(Handed::default()));
    let mut drain = drain.await.unwrap();
    let all = entries(story());
    let end = all.len() as u64;
    for entry in all {
        drain.source.push(entry);
    }
    while drain.step().await.unwrap() != Step::Empty {}
    // Its server may run: a dump is of one instant.
    program("pg_dump", &["--format=custom", "--no-owner", "--file", &dump, "--dbname", &from]);
    program("pg_restore", &["--exit-on-error", "--no-owner", "--dbname", &to, &dump]);
    let restored = Store::open(&to.parse().unwrap()).await.unwrap();
    assert_eq!(restored.seq(LogNo::EMBEDDED).await.unwrap(), end);
    let check = check_events(&restored).await.unwrap();
    assert!(check.clean && check.rows > 50, "{check:?}");
    assert!(compare(&store, &restored).await.unwrap().differences.is_empty());
    // What the batches have is found there as well.
    let dues = restored.dues(CampaignNo(0)).await.unwrap();
    let batches: Vec<_> = dues.iter().map(|due| due.batch.map(|it| it.0)).collect();
    assert_eq!(batches.iter().filter(|it| **it == Some(1)).count(), 6, "{dues:?}");
    assert_eq!(dues, store.dues(CampaignNo(0)).await.unwrap());
    assert_eq!(restored.sides("test").await.unwrap().len(), 6 + 4);
    // And a copy that was tampered with is not clean.
    change(&restored, "UPDATE refunds SET back_fen = back_fen + 1 WHERE owed = 1").await;
    assert!(!check_events(&restored).await.unwrap().clean);
}
