//! What counts to the last millisecond and fen, over HTTP.
//!
//! A request is decided between two looks at the server's clock. Whichever side of a boundary both are on, the answer
//! must be that side's; many requests around it leave a few milliseconds in which either would do. To the millisecond
//! the same is shown on the machine, by its own clock.

use super::{
    site::{Customer, HOMES, Home, OPEN, Site, Wish},
    till::{Order, Till},
};
use crate::common::link::Answer;
use std::{
    thread::{self, sleep},
    time::Duration,
};

/// The first instant at which coupons of round 1 have ended: 2023-09-07T23:00:00+08:00.
const END_MS: i64 = 1_694_098_800_000;

/// An answer, and the server's time before and after.
struct Timed {
    before_ms: i64,
    answer: Answer,
    after_ms: i64,
}

fn timed(site: &Site, ask: impl FnOnce() -> Answer) -> Timed {
    let before_ms = site.now_ms();
    let answer = ask();
    Timed { before_ms, answer, after_ms: site.now_ms() }
}

impl Timed {
    /// Whether it came before the boundary, if that is sure; then it was `early`, or else `late`.
    #[track_caller]
    fn is(&self, boundary_ms: i64, early: (u16, &str), late: (u16, &str)) -> Option<bool> {
        let Timed { before_ms, answer, after_ms } = self;
        let told = (answer.status, answer.code());
        let at = (before_ms - boundary_ms, after_ms - boundary_ms);
        if *after_ms < boundary_ms {
            assert_eq!(told, early, "{at:?} ms: {answer:?}");
            return Some(true);
        }
        if *before_ms >= boundary_ms {
            assert_eq!(told, late, "{at:?} ms: {answer:?}");
            return Some(false);
        }
        assert!(told == early || told == late, "{at:?} ms: {answer:?}");
        None
    }
}

fn wait_until_ms(site: &Site, at_ms: i64) {
    let left = at_ms - site.now_ms();
    sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
}

/// Asks for each of `what` at an instant of its own, evenly from a while before its boundary to as long after it. On
/// which side each was.
#[track_caller]
fn around<T: Sync>(
    site: &Site,
    what: &[T],
    boundary_ms: impl Fn(&T) -> i64 + Sync,
    (early, late): ((u16, &str), (u16, &str)),
    ask: impl Fn(&T) -> Answer + Sync,
) -> Vec<Option<bool>> {
    const AROUND_MS: i64 = 1_200;
    let count = i64::try_from(what.len()).expect("some");
    let (boundary_ms, ask) = (&boundary_ms, &ask);
    let sides: Vec<Option<bool>> = thread::scope(|scope| {
        let one = |(no, it): (i64, _)| {
            scope.spawn(move || {
                let boundary_ms = boundary_ms(it);
                wait_until_ms(site, boundary_ms - AROUND_MS + 2 * AROUND_MS * no / count);
                timed(site, || ask(it)).is(boundary_ms, early, late)
            })
        };
        let threads: Vec<_> = (0..).zip(what).map(one).collect();
        threads.into_iter().map(|it| it.join().expect("its side")).collect()
    });
    for side in [true, false] {
        let count = sides.iter().filter(|it| **it == Some(side)).count();
        assert!(count > 2, "too few on one side for a test: {sides:?}");
    }
    sides
}

fn customers(site: &Site, count: usize, kind: &str) -> Vec<Customer> {
    (0..count).map(|who| site.customer(who, &[kind])).collect()
}

fn order(site: &Site, no: usize, customer: &Customer) -> Order {
    Order::new(&format!("O-{no}"), &site.code(customer), 5_000)
}

/// R-CAL-2, R-REDEEM-4, R-REDEEM-6
#[test]
fn r_redeem_4_r_cal_2_the_coupons_end_and_the_locks_deadline_count_to_the_millisecond() {
    HOMES.into_iter().for_each(ends_and_deadlines);
}

fn ends_and_deadlines(home: Home) {
    const LOCKED: (u16, &str) = (201, "");
    let mut site = Site::start(&Wish { plan: &[("lock_s", 5)], clock: OPEN, more_tills: 0, home });
    let people = customers(&site, 60, "retail-10");
    // Codes are asked for anew.
    site.restart("2023-09-07T22:59:45+08:00");
    let till = site.till("T-1");
    let orders: Vec<Order> =
        people.iter().enumerate().map(|(no, person)| order(&site, no, person)).collect();
    let sides = around(
        &site,
        &orders,
        |_| END_MS,
        (LOCKED, (403, "coupon_expired")),
        |order| site.redeem(&till, order),
    );
    // What was held before the end has its deadline after it, and is confirmed until then.
    let held = orders.iter().zip(sides).filter(|(_, side)| *side == Some(true));
    let held: Vec<(&str, i64)> = held
        .map(|(order, _)| {
            let told = site.look(&till, &order.number);
            let until = told.body["redemption"]["locked_until_ms"].as_i64();
            (order.number.as_str(), until.unwrap_or_else(|| panic!("{told:?}")))
        })
        .collect();
    assert!(held.iter().all(|(_, until_ms)| *until_ms > END_MS), "{held:?}");
    let answers = ((200, ""), (409, "lock_expired"));
    around(
        &site,
        &held,
        |(_, until_ms)| *until_ms,
        answers,
        |(number, _)| site.end(&till, number, "confirm"),
    );
    site.ends_well();
}

#[test]
fn r_redeem_2_a_codes_end_counts_to_the_millisecond() {
    HOMES.into_iter().for_each(codes_end);
}

fn codes_end(home: Home) {
    const TILLS: usize = 40;
    let plan = &[("code_life_s", 20), ("code_rotate_s", 1)];
    let site = Site::start(&Wish { plan, clock: OPEN, more_tills: TILLS, home });
    let people = customers(&site, TILLS, "retail-10");
    let codes: Vec<(Order, i64)> = people
        .iter()
        .enumerate()
        .map(|(no, person)| {
            let answer = site.code_answer(person);
            let dead = answer.body["expires_at_ms"].as_i64().expect("an instant");
            (Order::new(&format!("O-{no}"), answer.text("/code"), 5_000), dead)
        })
        .collect();
    let tills = site.more_tills(TILLS);
    let scans: Vec<_> = codes.iter().zip(&tills).collect();
    let answers = ((201, ""), (403, "code_dead"));
    around(
        &site,
        &scans,
        |((_, dead_ms), _)| *dead_ms,
        answers,
        |((order, _), till)| site.redeem(till, order),
    );
    site.ends_well();
}

/// A row of the vectors of refunds.
struct Row<'a> {
    name: &'a str,
    order_fen: u64,
    face_fen: u64,
    parts: Vec<u64>,
    after: bool,
    coupon: &'a str,
    back: Vec<u64>,
}

fn rows() -> Vec<Row<'static>> {
    let lines = include_str!("../../src/redeem/vectors/refunds.csv").lines().skip(1);
    let numbers = |cell: &str| cell.split(';').map(|it| it.parse().expect("fen")).collect();
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split(',').collect();
        Row {
            name: cells[0],
            order_fen: cells[1].parse().expect("fen"),
            face_fen: cells[2].parse().expect("fen"),
            parts: numbers(cells[3]),
            after: cells[4] == "after",
            coupon: cells[5],
            back: numbers(cells[6]),
        }
    };
    lines.map(row).collect()
}

fn kind_of(face_fen: u64) -> &'static str {
    match face_fen {
        1_000 => "retail-10",
        2_000 => "catering-20",
        4_000 => "retail-40",
        5_000 => "catering-50",
        other => panic!("no kind at this till has {other} fen"),
    }
}

fn paid(site: &Site, till: &Till, who: usize, row: &Row) -> Customer {
    let customer = site.customer(who, &[kind_of(row.face_fen)]);
    let order = Order::new(&format!("V-{who}"), &site.code(&customer), row.order_fen);
    let order = Order { one_step: true, ..order };
    assert_eq!(site.redeem(till, &order).status, 201, "{}", row.name);
    customer
}

fn paid_back(site: &Site, till: &Till, who: usize, row: &Row) {
    let number = format!("V-{who}");
    for (part, (fen, back)) in row.parts.iter().zip(&row.back).enumerate() {
        let refund = || site.refund(till, &number, &format!("R-{part}"), *fen);
        let made = refund();
        assert_eq!(made.status, 200, "{}: {made:?}", row.name);
        assert_eq!(made.body["refund"]["taken_back_fen"], *back, "{}: {made:?}", row.name);
        assert_eq!(made.body["refund"]["to_customer_fen"], fen - back, "{}", row.name);
        assert_eq!(made.text("/refund/coupon"), row.coupon, "{}", row.name);
        assert_eq!(refund().body["refund"], made.body["refund"], "told again");
    }
    let left = row.order_fen - row.parts.iter().sum::<u64>();
    let more = site.refund(till, &number, "more", left + 1);
    assert_eq!((more.status, more.code()), (409, "refund_too_large"), "{}", row.name);
}

/// R-REDEEM-5
#[test]
fn r_redeem_5_the_vectors_of_refunds_and_fifty_parts_over_http() {
    HOMES.into_iter().for_each(refunds);
}

fn refunds(home: Home) {
    let mut site = Site::start(&Wish { plan: &[], clock: OPEN, more_tills: 0, home });
    let till = site.till("T-1");
    let mut rows = rows();
    // A face of 10 yuan in fifty parts of one of 50.01: 20 fen of each.
    let parts: Vec<u64> = (0..50).map(|no| if no == 49 { 101 } else { 100 }).collect();
    let back = vec![20; 50];
    rows.push(Row {
        name: "fifty parts",
        order_fen: 5_001,
        face_fen: 1_000,
        parts,
        after: false,
        coupon: "used",
        back,
    });
    let people: Vec<Customer> =
        rows.iter().enumerate().map(|(who, row)| paid(&site, &till, who, row)).collect();
    for (who, row) in rows.iter().enumerate().filter(|(_, row)| !row.after) {
        paid_back(&site, &till, who, row);
        let sum: u64 = row.back.iter().sum();
        let told = site.look(&till, &format!("V-{who}"));
        assert_eq!(told.body["redemption"]["taken_back_fen"], sum, "{}", row.name);
        if row.parts.iter().sum::<u64>() == row.order_fen {
            assert_eq!(sum, row.face_fen, "{}: the whole face", row.name);
        }
        let state = site.wallet(&people[who], &people[who].coupons[0]).0;
        assert_eq!(state, row.coupon, "{}", row.name);
    }
    site.restart("2023-09-07T23:00:01+08:00");
    let mut after = 0;
    for (who, row) in rows.iter().enumerate().filter(|(_, row)| row.after) {
        paid_back(&site, &till, who, row);
        assert_eq!(site.wallet(&people[who], &people[who].coupons[0]).0, "expired", "{}", row.name);
        after += 1;
    }
    assert!(after > 0, "the vectors have some");
    site.ends_well();
}
