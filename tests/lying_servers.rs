//! An audit that can't tell a lying server from an honest one would be worth nothing. Three
//! servers lie once each; the journal and what their clients wrote down must give each away.

mod lying;

use lying::{Lie, client, spawn};
use quan::audit::{Audit, audit_folder, exit_code};
use std::process::{Command, Output};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/quan.toml");

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

/// How `quan rush` ends against a server with this lie.
async fn rushed(lie: Lie) -> Output {
    let server = spawn(lie);
    let keys = server.data.join("keys");
    quan::pass::write_fresh(&keys, &mut rand::rng()).expect("fresh keys");
    let mut rush = Command::new(env!("CARGO_BIN_EXE_quan"));
    rush.args(["rush", "--url", &server.url, "--people", "60", "--connections", "8"]);
    rush.args(["--span", "1", "--cheats", "0", "--config", CONFIG]);
    rush.arg("--keys").arg(keys).arg("--data").arg(&server.data);
    let rush = tokio::task::spawn_blocking(move || rush.output());
    // The server lives until the rush is over.
    let output = rush.await.expect("the rush is waited for").expect("the rush starts");
    drop(server);
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rush_ends_with_11_if_the_server_lied_and_not_otherwise() {
    // 12: too busy a machine for the generator, which is no lie of the server's.
    let honest = (Lie::None, [0, 12]);
    let lies = [Lie::OversellsByOne, Lie::ForgetsOneYes, Lie::GrantsOnePersonTwice];
    for (lie, codes) in lies.into_iter().map(|lie| (lie, [11, 11])).chain([honest]) {
        let output = rushed(lie).await;
        let code = output.status.code().expect("it ends by itself");
        let shown = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(codes.contains(&code), "{lie:?}: {code}\n{shown}\n{errors}");
    }
}
