//! Settling and reconciling, on the real program: from what was redeemed to what the bank answered.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what is not there"
)]

#[path = "common"]
mod common {
    pub(crate) mod plan;
    pub(crate) mod server;
}
#[path = "settle/backup.rs"]
mod backup;
#[path = "settle/reconcile.rs"]
mod reconcile;
#[path = "settle/twice.rs"]
mod twice;
#[path = "settle/world.rs"]
mod world;

use quan::ledger::event::Standing;
use serde_json::Value;
use std::fs;
use world::{NAME, World, face};

fn json(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

/// Two merchants are paid, of two and of one pool; the third is held.
fn redeemed() -> World {
    let mut world = World::new();
    world.redeem(1, 0, "A-1", true);
    world.redeem(1, 1, "A-2", true);
    world.redeem(1, 4, "A-3", true);
    world.redeem(2, 2, "B-1", true);
    world.redeem(2, 1, "B-2", true);
    world.redeem(3, 1, "C-1", true);
    // A third of A-2 is paid back, B-2 is paid back whole, A-4 is open.
    world.refund(1, 1, "A-2", "R-1", 30);
    world.refund(2, 1, "B-2", "R-1", 100);
    world.redeem(1, 0, "A-4", false);
    world.stands(3, Standing::Held);
    world
}

/// R-MERCH-2, R-CAL-1: held merchants are left out, and what is due is said before anything is decided.
#[test]
fn r_merch_2_what_is_due_is_said_and_a_batch_has_just_that_without_who_is_held() {
    let mut world = redeemed();
    world.rest();
    let look = json(&world.well("settle", &["--look", "--json"]))[0].clone();
    assert_eq!((look["next_batch"].as_u64(), look["campaign"].as_str()), (Some(1), Some(NAME)));
    let due = |it: &Value| {
        let number = |name: &str| it[name].as_u64().unwrap();
        let text = |name: &str| it[name].as_str().unwrap().to_owned();
        (
            number("merchant"),
            text("pool"),
            text("standing"),
            number("due_fen"),
            number("payable_fen"),
        )
    };
    let due: Vec<_> = look["due"].as_array().unwrap().iter().map(due).collect();
    let at = |no, pool: &str, standing: &str, fen, pays| {
        (no, pool.to_owned(), standing.to_owned(), fen, pays)
    };
    let back = face(1) * 30 / 100;
    let retail = face(0) + face(1) - back;
    assert_eq!(
        due,
        [
            at(1, "retail", "active", retail, retail),
            at(1, "catering", "active", face(4), face(4)),
            at(2, "appliance", "active", face(2), face(2)),
            at(3, "retail", "held", face(1), 0),
        ]
    );
    // Nothing was begun: no files, and what to do.
    let (code, _, error) = world.quan("settle", &["--to", &world.path("batches")]);
    assert!(code == Some(1) && error.contains("no batch was begun"), "{error}");

    world.settle(1);
    world.rest();
    let channel = world.write(
        "channel.csv",
        "merchant,order,type,refund,fen,status,at\n1,A-1,payment,,1000,success,2023-09-01T10:00:05+08:00\n",
    );
    let out =
        world.well("settle", &["--to", &world.path("batches"), "--channel", &channel, "--json"]);
    let manifest = json(&out)[0].clone();
    let payable = retail + face(4) + face(2);
    assert_eq!(manifest["payable_fen"], payable);
    assert_eq!(manifest["pay_on"], "2023-09-04", "the Monday after");
    assert_eq!(manifest["held"][0]["merchant"], 3);
    assert_eq!(manifest["held"][0]["due_fen"], face(1));
    let payments = fs::read_to_string(world.path("batches/batch-000001-payments.csv")).unwrap();
    assert!(
        payments.contains("1,1,'=乡宁百货,retail,50.00,12.00,0.00,0.00,0.00,38.00,0.00,2023-09-04"),
        "{payments}"
    );
    let lines = fs::read_to_string(world.path("batches/batch-000001-lines.csv")).unwrap();
    assert!(lines.contains("A-1") && !lines.contains("A-2"), "as far as orders are known: {lines}");
    // B-2 came and went: it is in no batch, since nothing of it was due.
    assert_eq!(lines.lines().count(), 1 + 5, "{lines}");
    // Again it is just that.
    let again = world.well("settle", &["--to", &world.path("batches"), "--channel", &channel]);
    assert!(again.contains("there already, just so"), "{again}");
    // With other lines it would be another one, and nothing is replaced.
    let (code, _, error) = world.quan("settle", &["--to", &world.path("batches")]);
    assert!(code == Some(1) && error.contains("is another one"), "{error}");
}

/// R-AUDIT-1, R-REDEEM-5: what is paid back after the batch is owed and comes off the next one.
#[test]
fn r_redeem_5_a_refund_of_what_was_settled_comes_off_the_next_batch() {
    let mut world = redeemed();
    world.settle(1);
    world.refund(1, 1, "A-2", "R-2", 50);
    world.refund(1, 1, "A-2", "R-3", 20);
    world.redeem(1, 0, "A-5", true);
    world.stands(3, Standing::Active);
    world.settle(2);
    world.redeem(1, 1, "A-6", true);
    world.settle(3);
    world.rest();
    let batches = world.path("batches");
    let make = |no: &str| {
        let out = world.well("settle", &["--batch", no, "--to", &batches, "--json"]);
        json(&out)[0].clone()
    };
    let first = make("1");
    assert_eq!(first["held"][0]["merchant"], 3, "it was held then, whatever came later");
    let second = make("2");
    // Owed are the 70 %; A-5 is kept for that, and the rest waits.
    assert_eq!(
        (second["kept_fen"].as_u64(), second["payable_fen"].as_u64()),
        (Some(1_000), Some(face(1)))
    );
    let third = make("3");
    assert_eq!(third["kept_fen"], face(1) * 70 / 100 - 1_000);
    let lines = fs::read_to_string(world.path("batches/batch-000002-lines.csv")).unwrap();
    assert_eq!(lines.matches("退款待扣").count(), 2, "{lines}");
    let third = fs::read_to_string(world.path("batches/batch-000003-payments.csv")).unwrap();
    assert!(third.contains(",retail,40.00,0.00,18.00,0.00,18.00,22.00,0.00,"), "{third}");
}

/// R-AUDIT-1: a fen of difference and there are no files.
#[test]
fn r_audit_1_a_store_that_differs_by_one_fen_makes_no_batch_and_the_merchant_is_named() {
    let mut world = redeemed();
    world.settle(1);
    world.rest();
    let sound = world.stored();
    let batches = world.path("batches");
    let of_b1 = "merchant = 2 AND kind = 2";
    for (sql, says) in [
        (format!("UPDATE redemptions SET fen = fen + 1 WHERE {of_b1}"), "merchant 2"),
        (format!("DELETE FROM redemptions WHERE {of_b1}"), "merchant 2"),
        (format!("UPDATE redemptions SET merchant = 1 WHERE {of_b1}"), "merchant 1"),
        (format!("UPDATE redemptions SET state = 'released' WHERE {of_b1}"), "merchant 2"),
        (
            "UPDATE refunds SET back_fen = back_fen - 1 WHERE back_fen = 1200".to_owned(),
            "merchant 1",
        ),
        ("DELETE FROM settlements WHERE merchant = 2".to_owned(), "merchant 2"),
        ("UPDATE cursor SET seq = 3".to_owned(), "the store is at 3"),
    ] {
        world.sql(&sql);
        let (code, out, error) = world.quan("settle", &["--to", &batches]);
        world.store(&sound);
        assert!(code == Some(1) && error.contains(says), "{sql}: {out}{error}");
        assert!(!fs::exists(world.path("batches/batch-000001.json")).unwrap(), "{sql}");
    }
    world.well("settle", &["--to", &batches]);
}

/// R-ROLE-1: a payment is never made twice, whatever the bank says and however often it is sent.
#[test]
fn r_role_1_payments_are_sent_once_and_what_the_bank_says_is_to_be_decided() {
    let mut world = redeemed();
    world.settle(1);
    world.rest();
    let batches = world.path("batches");
    let settle =
        |args: &[&str]| world.quan("settle", &[&["--to", &batches, "--json"], args].concat());
    let (code, _, error) = settle(&["--send"]);
    assert!(code == Some(1) && error.contains("make them first"), "{error}");
    assert_eq!(settle(&[]).0, Some(0));
    let (code, out, _) = settle(&["--send"]);
    assert_eq!((code, json(&out)[0]["sent"].as_array().unwrap().len()), (Some(0), 2), "{out}");
    let (_, out, _) = settle(&["--send"]);
    assert_eq!(json(&out)[0]["sent"].as_array().unwrap().len(), 0, "{out}");
    // What was written down and came into no file never left: the file is made again, with the same.
    fs::remove_file(world.path("batches/batch-000001-bank-001.csv")).unwrap();
    let (_, out, _) = settle(&["--send"]);
    assert_eq!(json(&out)[0]["sent"].as_array().unwrap().len(), 2, "{out}");
    let sent = fs::read_to_string(world.path("batches/batch-000001-bank-001.csv")).unwrap();
    assert!(
        sent.contains("1,2,1,8000,云丘电器") && sent.contains("1,1,1,5800,'=乡宁百货"),
        "{sent}"
    );

    let head = "batch,merchant,attempt,status,fen\n";
    let bank = |rows: &str| {
        let file = world.write("answers.csv", &format!("{head}{rows}"));
        let (code, out, error) = settle(&["--answers", &file]);
        (code, json(&out), error)
    };
    let (code, said, _) = bank("1,1,1,paid,5800\n1,2,1,failed,\n");
    assert_eq!(code, Some(0));
    let decide =
        |it: &Value| (it["decide"].as_str().unwrap().to_owned(), it["merchant"].as_u64().unwrap());
    let said: Vec<_> = said.iter().map(decide).collect();
    assert_eq!(said, [("paid".to_owned(), 1), ("failed".to_owned(), 2)]);
    // What contradicts, or was never sent, is for persons.
    let (code, said, _) = bank("1,1,1,failed,\n9,9,1,failed,\n1,2,7,failed,\n");
    assert_eq!((code, said.len()), (Some(1), 3 + 2), "{said:?}");
    let (code, _, error) = bank("1,1,1,lost,\n");
    assert!(code == Some(1) && error.contains("row 2"), "{error}");
    // It is tried again once, and not while it is on its way; what is paid is not.
    let (code, out, _) = settle(&["--send", "--retry", "2", "--retry", "1", "--retry", "77"]);
    assert_eq!((code, out.matches("not_sent").count()), (Some(1), 2), "{out}");
    assert!(out.contains("\"attempt\":2"), "{out}");
    let (_, out, _) = settle(&["--send", "--retry", "2"]);
    assert!(out.contains("on its way"), "{out}");
}

/// What the ledger has as paid is not sent from a folder that knows nothing of it.
#[test]
fn a_folder_that_was_lost_pays_nobody_again() {
    let mut world = redeemed();
    world.settle(1);
    world.paid(1, 2);
    world.rest();
    let batches = world.path("batches");
    world.well("settle", &["--to", &batches]);
    let (code, _, error) = world.quan("settle", &["--to", &batches, "--send"]);
    assert!(code == Some(1) && error.contains("merchant 2"), "{error}");
    assert!(!fs::exists(world.path("batches/batch-000001-sent.json")).unwrap());
}

/// A batch that the ledger is still at is no batch yet.
#[test]
fn a_batch_is_filed_when_all_are_in_it() {
    use quan::domain::{BatchNo, MerchantNo, PoolNo};
    use quan::ledger::machine::{Command, Settle};
    let mut world = redeemed();
    let (campaign, batch, merchant) = (world::C, BatchNo(1), MerchantNo(1));
    world.done(&Command::Settle(Settle { campaign, batch, merchant, pool: PoolNo(1) }));
    world.rest();
    let batches = world.path("batches");
    let (code, _, error) = world.quan("settle", &["--to", &batches]);
    assert!(code == Some(1) && error.contains("merchant 1 is due something"), "{error}");
    world.settle(1);
    world.rest();
    world.well("settle", &["--to", &batches]);
}

/// R-AUDIT-1: any balance at any instant.
#[test]
fn r_audit_1_the_balance_at_any_instant_is_what_it_was_then() {
    let mut world = redeemed();
    let before = world.now.in_zone(&world.plan.zone);
    world.settle(1);
    world.paid(1, 2);
    world.rest();
    let balance = |args: &[&str]| {
        let out = world.well("balance", &[args, &["--json"]].concat());
        let value: Value = serde_json::from_str(&out).unwrap();
        let number = |row: &Value, name: &str| row[name].as_u64().unwrap();
        let appliance = value["pools"][2].clone();
        let pool = ["consumed", "payable", "paid"].map(|name| number(&appliance, name));
        let merchants: Vec<_> = value["merchants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                (number(row, "merchant"), ["due", "payable", "paid"].map(|name| number(row, name)))
            })
            .collect();
        (pool, merchants, value["logs"][0]["seq"].as_u64().unwrap())
    };
    let (now, merchants, end) = balance(&[]);
    assert_eq!(now, [0, 0, face(2)]);
    assert!(
        merchants.contains(&(2, [0, 0, face(2)])) && merchants.contains(&(3, [face(1), 0, 0])),
        "{merchants:?}"
    );
    let (then, merchants, seq) = balance(&["--at", &before]);
    assert_eq!(then, [face(2), 0, 0]);
    assert!(merchants.contains(&(2, [face(2), 0, 0])), "{merchants:?}");
    assert_eq!(balance(&["--seq", &(seq + 1).to_string()]).0, [0, face(2), 0]);
    let (code, _, error) = world.quan("balance", &["--seq", &(end + 1).to_string()]);
    assert!(code == Some(1) && error.contains(&format!("ends at seq {end}")), "{error}");
    let (code, _, error) = world.quan("balance", &["--at", "2023-08-31T00:00:00+08:00"]);
    assert!(code == Some(1) && error.contains("had not opened"), "{error}");
    let table = world.well("balance", &[]);
    assert!(table.lines().nth(1).unwrap().trim_start().starts_with("pool       budget"), "{table}");
}
