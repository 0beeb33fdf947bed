//! An audit that can't tell a lying server from an honest one would be worth nothing. Three
//! servers lie once each; the journal and what their clients wrote down must give each away.

mod lying;

use lying::{Lie, client, spawn};
use quan::audit::{Audit, audit_folder, exit_code};

/// What the audit says of a server with this lie, after 40 people asked for 2 kinds of 5 coupons.
async fn audited(lie: Lie) -> Audit {
    let server = spawn(lie);
    let record = server.data.join("record.jsonl");
    let lines = client::rush(&server.url, 40, &["retail-10", "catering-20"]).await;
    std::fs::write(&record, lines.join("\n")).expect("the record is written");
    audit_folder(&server.data, Some(&record)).expect("there is a journal to audit")
}

#[track_caller]
fn broken(audit: &Audit, names: &[&str]) {
    let broken: Vec<&str> =
        audit.checks.iter().filter(|check| !check.clean).map(|check| check.name).collect();
    assert_eq!(broken, names, "{audit}");
    assert_eq!(exit_code(audit), if names.is_empty() { 0 } else { 11 });
}

#[tokio::test]
async fn an_honest_server_is_found_clean() {
    let audit = audited(Lie::None).await;
    broken(&audit, &[]);
    let rows: Vec<_> = audit.checks.iter().map(|check| (check.name, check.rows)).collect();
    // 10 yeses and their repeats; 70 times sold out. Every promise had something to look at.
    let expected = [("I1", 10), ("I2", 10), ("I3", 20), ("I4", 10), ("I7", 50), ("I9", 70)];
    assert!(expected.iter().all(|row| rows.contains(row)), "{rows:?}");
}

#[tokio::test]
async fn a_server_that_sells_one_too_many_is_found_out() {
    broken(&audited(Lie::OversellsByOne).await, &["I1"]);
}

#[tokio::test]
async fn a_server_that_forgets_one_yes_is_found_out() {
    broken(&audited(Lie::ForgetsOneYes).await, &["I3"]);
}

#[tokio::test]
async fn a_server_that_grants_one_person_twice_is_found_out() {
    // It has one pass for both, so the pass was spent twice as well.
    broken(&audited(Lie::GrantsOnePersonTwice).await, &["I2", "I7"]);
}
