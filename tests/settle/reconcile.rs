//! Reconciling, on the real program and over a real store: what agrees is clean, and each of a thousand differences is
//! found and typed.

use crate::world::{C, NAME, World};
use quan::books::{Cut, Source};
use quan::domain::{At, Fen, MerchantNo};
use quan::reconcile::{Bounds, Id, Key, Kind, Row, Side, Sides, State, reconcile, sides};
use quan::redeem;
use quan::settle::folder::Batches;
use quan::store::{Store, StoreUrl, Value};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::fmt::Write;
use tokio::runtime::Runtime;

const HEAD: &str = "merchant,order,type,refund,fen,status,at\n";

/// What the channel moved, as it tells it: all that the ledger has as done, a second later.
fn channel(rows: &[(u32, &str, Option<&str>, Fen, At)], world: &World) -> String {
    let mut text = HEAD.to_owned();
    for (merchant, order, refund, fen, at) in rows {
        let (kind, refund) = refund.map_or(("payment", ""), |it| ("refund", it));
        let at = at.plus_ms(1_000).in_zone(&world.plan.zone);
        writeln!(text, "{merchant},{order},{kind},{refund},{},success,{at}", fen.get()).unwrap();
    }
    text
}

/// A hundred orders at two merchants, some paid back, in two batches, and some after them; and the channel's file.
fn busy() -> (World, String) {
    let mut world = World::new();
    let mut orders: Vec<(u32, String, Option<String>)> = Vec::new();
    for no in 0..60_u32 {
        let (merchant, kind) =
            if no % 3 == 0 { (2, 2) } else { (1, u8::try_from(no % 2).unwrap()) };
        let order = format!("O-{no}");
        let paid = no % 20 != 19;
        world.redeem(merchant, kind, &order, paid);
        if paid {
            orders.push((merchant, order.clone(), None));
        }
        if no % 5 == 1 {
            world.refund(merchant, kind, &order, "R", if no % 2 == 0 { 100 } else { 40 });
            orders.push((merchant, order, Some("R".to_owned())));
        }
        if no == 20 || no == 45 {
            world.settle(no / 20);
        }
    }
    // What was settled in the first batch is paid back after the second: owed, and in no batch yet.
    world.refund(2, 2, "O-3", "R-9", 50);
    orders.push((2, "O-3".to_owned(), Some("R-9".to_owned())));
    world.rest();
    let books = block(Source::Folder(world.data()).books(Cut::End)).unwrap();
    let ledger = sides::ledger(&books, C);
    let rows: Vec<_> = orders
        .iter()
        .map(|(merchant, order, refund)| {
            let redemption = redeem::redemption(NAME, MerchantNo(*merchant), order);
            let id = match refund {
                Some(number) => Id::Refund(redeem::refund_id(redemption, number)),
                None => Id::Redemption(redemption),
            };
            let row = ledger.iter().find(|row| row.key.id == id).unwrap();
            (*merchant, order.as_str(), refund.as_deref(), row.fen, row.at)
        })
        .collect();
    let text = channel(&rows, &world);
    (world, text)
}

fn block<T>(of: impl Future<Output = T>) -> T {
    Runtime::new().unwrap().block_on(of)
}

fn batches(world: &World) -> String {
    let folder = world.path("batches");
    for no in ["1", "2"] {
        world.well("settle", &["--batch", no, "--to", &folder]);
    }
    folder
}

/// R-AUDIT-1: four sides of a real folder, through the program.
#[test]
fn r_audit_1_a_real_site_is_clean_and_each_difference_and_what_can_not_be_read_has_its_exit_code() {
    let (world, text) = busy();
    let (folder, file) = (batches(&world), world.write("channel.csv", &text));
    let args = ["--batches", &folder, "--channel", &file];
    let json = |args: &[&str]| {
        let (code, out, error) = world.quan("reconcile", &[args, &["--json"]].concat());
        let report: Json =
            serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}{error}"));
        (code, report)
    };
    let (code, clean) = json(&args);
    assert_eq!(code, Some(0), "{clean}");
    assert_eq!(clean["report"]["differences"], serde_json::json!([]));
    assert_eq!(clean["report"]["silent"], serde_json::json!([]));
    assert!(
        clean["report"]["awaited"].as_u64().unwrap() > 5,
        "what came after the last batch: {clean}"
    );
    // Not all sides: they are named, and nothing differs.
    let (code, part) = json(&["--channel", &file]);
    assert_eq!((code, &part["report"]["silent"]), (Some(0), &serde_json::json!(["settlement"])));

    // The channel has as paid what was locked and never confirmed; and a fen more of another.
    let first = text.lines().nth(1).unwrap().to_owned();
    let late = format!("2,O-39,payment,,8000,success,{}\n", first.rsplit(',').next().unwrap());
    let other = text.replacen("8000,success", "8001,success", 1) + &late;
    let file = world.write("other.csv", &other);
    let (code, found) = json(&["--batches", &folder, "--channel", &file]);
    let kinds: Vec<&str> = found["report"]["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(code, Some(1));
    assert!(kinds.contains(&"amount") && kinds.contains(&"paid_unconfirmed"), "{kinds:?}");
    let (_, out, _) = world.quan("reconcile", &["--channel", &file]);
    assert!(out.contains("paid there and not confirmed here: redemption"), "{out}");
    // What is under way is no difference yet.
    let none = world.write("none.csv", HEAD);
    let until = world.plan.rounds[0].window.from.in_zone(&world.plan.zone);
    let (code, found) = json(&["--channel", &none, "--until", &until]);
    assert_eq!((code, &found["report"]["differences"]), (Some(0), &serde_json::json!([])));

    let bad = world.write("bad.csv", &(text.clone() + "1,O,payment,,40.00,success,x\n"));
    let cut = "batches/batch-000001-lines.csv";
    for (args, says) in [
        (vec!["--channel", &bad], "line 7"),
        (vec!["--channel", "/nowhere"], "/nowhere"),
        (vec!["--batches", "/nowhere"], "has no files here"),
        (vec!["--close", "99"], "there is no round 99"),
    ] {
        let (code, out, error) = world.quan("reconcile", &args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{error}");
        assert!(error.contains(says), "{error}");
    }
    let lines = std::fs::read_to_string(world.path(cut)).unwrap();
    world.write(cut, &lines.replacen("80.00", "80.01", 1));
    let (code, _, error) = world.quan("reconcile", &args);
    assert!(code == Some(2) && error.contains("batch-000001-lines.csv was altered"), "{error}");
}

/// R-CAMP-1, R-AUDIT-1: what stands between a round and its close, one after the other.
#[test]
fn r_camp_1_a_round_closes_when_it_has_ended_is_paid_and_all_sides_agree() {
    use quan::domain::RoundNo;
    use quan::ledger::machine::Command;
    let (mut world, text) = busy();
    let open = |world: &World, args: &[&str]| {
        let (_, out, error) =
            world.quan("reconcile", &[&["--close", "1", "--json"], args].concat());
        let list: Json = serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {error}"));
        let items = list["close"]["items"].as_array().unwrap().clone();
        let open = items.iter().filter(|it| it["stands"] == "open");
        let names: Vec<String> = open.map(|it| it["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(list["close"]["may_close"].as_bool().unwrap(), names.is_empty());
        names
    };
    let file = world.write("channel.csv", &text);
    let folder = batches(&world);
    let args = ["--batches", &folder, "--channel", &file];
    assert_eq!(open(&world, &args), ["locks", "expired", "settled", "paid", "arrived"]);
    assert_eq!(open(&world, &[])[4..], ["compared"], "and what is not compared is not awaited");
    // The round ends, the locks lapse, a third batch takes the rest, and all are paid.
    world.now = world.plan.rounds[0].window.until;
    world.done(&Command::Lapse(C));
    world.done(&Command::Expire(C, RoundNo(1)));
    world.settle(3);
    for batch in 1..=3 {
        for merchant in [1, 2] {
            world.paid(batch, merchant);
        }
    }
    world.rest();
    world.well("settle", &["--batch", "3", "--to", &folder]);
    assert_eq!(open(&world, &args), [""; 0]);
    // The store is looked at by the audit as well.
    world.sql("UPDATE coupons SET state = 'used' WHERE state = 'issued'");
    assert_eq!(open(&world, &args), ["audited"]);
}

/// What can happen to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Dropped,
    Amount,
    Doubled,
    State,
    Late,
}

/// Does it to the store's row; what must be found of it.
fn inject(store: &Store, fault: Fault, key: Key, by: i64) -> Option<Kind> {
    let (table, column, id, fen, at) = match key.id {
        Id::Redemption(it) => ("redemptions", "redemption", it.0, "fen", "ended_at_ms"),
        Id::Refund(it) => ("refunds", "refund", it.0, "back_fen", "at_ms"),
    };
    let (sql, kind) = match fault {
        Fault::Dropped => (format!("DELETE FROM {table} WHERE {column} = $1"), Kind::MissingThere),
        Fault::Amount => {
            (format!("UPDATE {table} SET {fen} = {fen} + {by} WHERE {column} = $1"), Kind::Amount)
        }
        Fault::Doubled => (
            format!("INSERT INTO {table} SELECT * FROM {table} WHERE {column} = $1"),
            Kind::Doubled,
        ),
        Fault::State if table == "refunds" => return None,
        Fault::State => {
            let state = if by % 2 == 0 { "released" } else { "locked" };
            (format!("UPDATE {table} SET state = '{state}' WHERE {column} = $1"), Kind::State)
        }
        Fault::Late => {
            (format!("UPDATE {table} SET {at} = {at} + {by} WHERE {column} = $1"), Kind::Late)
        }
    };
    block_on(store, &sql, &[Value::Bytes(id.to_vec())]);
    Some(kind)
}

fn block_on(store: &Store, sql: &str, values: &[Value]) {
    RUNTIME.with(|it| it.block_on(store.query(sql, values))).unwrap();
}

thread_local! {
    static RUNTIME: Runtime = Runtime::new().unwrap();
}

/// C6, R-AUDIT-1: a thousand faults in real rows, one at a time: two thirds of them in the store's tables, the others in
/// what the batches' files and the channel's say.
#[test]
fn r_audit_1_each_of_a_thousand_differences_in_real_rows_is_found_and_typed() {
    let (world, text) = busy();
    let folder = batches(&world);
    let books = block(Source::Folder(world.data()).books(Cut::End)).unwrap();
    let zone = world.plan.zone.clone();
    let filed: Vec<_> = Batches::at(folder.as_ref())
        .all()
        .unwrap()
        .into_iter()
        .map(|no| Batches::at(folder.as_ref()).filed(no, &zone).unwrap())
        .collect();
    let rows = quan::reconcile::channel::read(text.as_bytes()).unwrap().rows;
    let row = |it: &quan::reconcile::channel::ChannelRow| {
        it.row(|merchant, order| redeem::redemption(NAME, merchant, order), redeem::refund_id)
    };
    let ledger = sides::ledger(&books, C);
    let store = RUNTIME.with(|it| {
        it.block_on(Store::open(&StoreUrl::File(world.data().join("store.sqlite")))).unwrap()
    });
    // Without the constraints, which would keep most of it out.
    for table in ["redemptions", "refunds"] {
        for sql in [
            format!("CREATE TABLE {table}_sound AS SELECT * FROM {table}"),
            format!("DROP TABLE {table}"),
            format!("CREATE TABLE {table} AS SELECT * FROM {table}_sound"),
        ] {
            block_on(&store, &sql, &[]);
        }
    }
    let stored = || RUNTIME.with(|it| it.block_on(store.sides(NAME))).unwrap();
    let sound = Sides {
        ledger: ledger.clone(),
        store: Some(stored()),
        settlement: Some(sides::settlement(&filed)),
        channel: Some(rows.iter().map(row).collect()),
    };
    let bounds = Bounds {
        until: At(i64::MAX),
        store_ms: 0,
        settlement_ms: 0,
        channel_ms: 120_000,
        held: BTreeSet::new(),
        unsettled: sides::unsettled(&books, C),
    };
    let clean = reconcile(&sound, &bounds);
    assert!(clean.is_clean(), "{clean:?}");
    let done: Vec<Row> = ledger.into_iter().filter(|row| row.state == State::Done).collect();
    let mut random = StdRng::seed_from_u64(20_231_208);
    let faults = [Fault::Dropped, Fault::Amount, Fault::Doubled, Fault::State, Fault::Late];
    let mut found = 0;
    while found < 1_000 {
        let side = Side::OTHERS[[0, 0, 0, 0, 1, 2][random.random_range(0..6)]];
        let fault = faults[random.random_range(0..5)];
        let row = done[random.random_range(0..done.len())];
        let by = random.random_range(1..100_000_i64);
        let (key, mut sides) = (row.key, sound.clone());
        let kind = if side == Side::Store {
            let kind = inject(&store, fault, key, by);
            sides.store = Some(stored());
            for table in ["redemptions", "refunds"] {
                block_on(&store, &format!("DELETE FROM {table}"), &[]);
                block_on(&store, &format!("INSERT INTO {table} SELECT * FROM {table}_sound"), &[]);
            }
            kind
        } else {
            let there =
                if side == Side::Channel { &mut sides.channel } else { &mut sides.settlement };
            let there = there.as_mut().unwrap();
            // Not all of it is in a batch yet.
            let place = there.iter().position(|it| it.key == key);
            place.map(|place| elsewhere(there, place, fault, by))
        };
        let Some(kind) = kind else { continue };
        let report = reconcile(&sides, &bounds);
        // A refund whose order the store lost is nobody's there.
        let orphans = kind == Kind::MissingThere && side == Side::Store;
        let own = |it: &&quan::reconcile::Difference| it.key == key;
        let own: Vec<_> =
            report.differences.iter().filter(own).map(|it| (it.side, it.kind)).collect();
        assert_eq!(own, [(side, kind)], "{side:?} {fault:?} {row:?} {by}");
        assert!(orphans || report.differences.len() == 1, "{:?}", report.differences);
        found += 1;
    }
    assert_eq!(stored(), sound.store.unwrap());
}

/// The same of rows that came from a file.
fn elsewhere(rows: &mut Vec<Row>, place: usize, fault: Fault, by: i64) -> Kind {
    let row = &mut rows[place];
    match fault {
        Fault::Dropped => {
            rows.remove(place);
            Kind::MissingThere
        }
        Fault::Amount => {
            row.fen = Fen::new(row.fen.get() + u64::try_from(by).unwrap());
            Kind::Amount
        }
        Fault::Doubled => {
            let twin = *row;
            rows.push(twin);
            Kind::Doubled
        }
        Fault::State => {
            row.state = if by % 2 == 0 { State::Undone } else { State::Open };
            Kind::State
        }
        Fault::Late => {
            row.at = row.at.plus_ms(200_000 + by);
            Kind::Late
        }
    }
}
