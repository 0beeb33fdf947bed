//! Redeeming, on the real program: from the claim to the refund, and 64 tills at once.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    reason = "a test stops at what is not there, and compares what /metrics says"
)]

#[path = "common"]
mod common {
    pub(crate) mod folder;
    pub(crate) mod host;
    pub(crate) mod link;
    pub(crate) mod plan;
    pub(crate) mod run;
    pub(crate) mod server;
}
#[path = "faults"]
mod faults {
    #[expect(dead_code, reason = "here only the power fails")]
    pub(crate) mod disk;
    pub(crate) mod tool;
}
#[path = "redeem/mod.rs"]
mod redeem;

use common::{link::Answer, run::number, run::tell};
use quan::ledger::event::Standing;
use redeem::{
    site::{HOMES, Home, OPEN, Site, Wish},
    till::{Order, REDEMPTIONS, send},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::Barrier,
    thread::{self, sleep},
    time::Duration,
};

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
}

fn state(answer: &Answer) -> &str {
    answer.text("/redemption/state")
}

/// R-REDEEM-1 to R-REDEEM-5, R-KIND-2, R-KIND-3, R-WALLET-1
#[test]
fn r_redeem_4_r_redeem_5_a_coupon_goes_from_the_claim_to_the_refund() {
    HOMES.into_iter().for_each(from_the_claim_to_the_refund);
}

fn from_the_claim_to_the_refund(home: Home) {
    let site = Site::start(&Wish::shipped(home));
    let (till, other) = (site.till("T-1"), site.till("T-3"));
    let customer = site.customer(1, &["retail-10", "retail-40"]);
    let [ten, forty] = customer.coupons.as_slice() else { panic!("{:?}", customer.coupons) };
    let wallet = |coupon: &str| site.wallet(&customer, coupon);
    let is = |state: &str, note: &str| (state.to_owned(), note.to_owned());

    let code = site.code_answer(&customer);
    assert!(code.text("/barcode_svg").starts_with("<svg"), "{code:?}");
    assert!(code.text("/qr_svg").starts_with("<svg"), "{code:?}");
    let (rotates, dead) = (&code.body["rotates_at_ms"], &code.body["expires_at_ms"]);
    assert_eq!(dead.as_i64().unwrap() - rotates.as_i64().unwrap(), 30_000);

    // A fen below the larger one's threshold, the smaller one pays.
    let order = Order::new("A-1", code.text("/code"), 17_999);
    let locked = site.redeem(&till, &order);
    assert_eq!((locked.status, state(&locked)), (201, "locked"), "{locked:?}");
    let told = &locked.body["redemption"];
    assert_eq!(told["coupon"], json!(ten));
    assert_eq!(told["kind"], "retail-10");
    assert_eq!((&told["face_fen"], &told["to_pay_fen"]), (&json!(1_000), &json!(16_999)));
    let left_ms = told["locked_until_ms"].as_i64().unwrap() - site.now_ms();
    assert!((50_000..=60_000).contains(&left_ms), "{left_ms}");
    assert_eq!(wallet(ten), is("unused", "locked"));
    assert_eq!(wallet(forty), is("unused", ""));
    // The same again is told the same; a code that was scanned once does nothing else.
    let again = site.redeem(&till, &order);
    assert_eq!((again.status, &again.body["replayed"]), (200, &json!(true)), "{again:?}");
    assert_eq!(again.body["redemption"], locked.body["redemption"]);
    refused(&site.redeem(&till, &Order::new("A-2", &order.code, 17_999)), 403, "code_dead");
    // Another merchant knows nothing of it.
    refused(&site.look(&other, "A-1"), 404, "order_unknown");
    refused(&site.end(&other, "A-1", "confirm"), 404, "order_unknown");

    let released = site.end(&till, "A-1", "release");
    assert_eq!((released.status, state(&released)), (200, "released"), "{released:?}");
    assert_eq!(released.text("/redemption/released_by"), "till");
    assert_eq!(wallet(ten), is("unused", ""));
    refused(&site.end(&till, "A-1", "confirm"), 409, "lock_expired");
    refused(&site.redeem(&till, &order), 409, "lock_expired");
    refused(&site.refund(&till, "A-1", "R-0", 1), 409, "not_confirmed");

    // The order begins anew with the next code, now above the threshold.
    let order = Order { amount_fen: 18_000, ..Order::new("A-1", &site.code(&customer), 0) };
    let locked = site.redeem(&till, &order);
    assert_eq!(locked.body["redemption"]["coupon"], json!(forty), "{locked:?}");
    // Of two nodes each tells it, a moment later.
    let open = || site.metric("quan_locks_open{campaign=\"xiangning-2023\"}");
    common::run::wait_until("a lock is open", || open() > 0.5);
    for _ in 0..2 {
        let confirmed = site.end(&till, "A-1", "confirm");
        assert_eq!((confirmed.status, state(&confirmed)), (200, "confirmed"), "{confirmed:?}");
    }
    assert_eq!(state(&site.look(&till, "A-1")), "confirmed");
    assert_eq!(wallet(forty), is("used", ""));
    refused(&site.end(&till, "A-1", "release"), 409, "order_conflict");

    // The other coupon is chosen, redeemed in one step, and paid back in two parts.
    let once = Order {
        coupon: Some(ten.clone()),
        one_step: true,
        ..Order::new("A-3", &site.code(&customer), 20_000)
    };
    let redeemed = site.redeem(&till, &once);
    assert_eq!((redeemed.status, state(&redeemed)), (201, "confirmed"), "{redeemed:?}");
    assert_eq!(redeemed.body["redemption"]["coupon"], json!(ten));
    let used =
        Order { coupon: Some(ten.clone()), ..Order::new("A-4", &site.code(&customer), 20_000) };
    refused(&site.redeem(&till, &used), 409, "coupon_used");
    for _ in 0..2 {
        let part = site.refund(&till, "A-3", "R-1", 5_000);
        assert_eq!(part.status, 200, "{part:?}");
        assert_eq!(part.body["refund"]["taken_back_fen"], 250);
        assert_eq!(part.body["refund"]["to_customer_fen"], 4_750);
        assert_eq!(part.text("/refund/coupon"), "used");
        assert_eq!(part.body["redemption"]["refunded_fen"], 5_000);
    }
    refused(&site.refund(&till, "A-3", "R-1", 5_001), 409, "refund_conflict");
    refused(&site.refund(&till, "A-3", "R-2", 15_001), 409, "refund_too_large");
    assert_eq!(site.refund(&till, "A-3", "R-2", 15_000).body["refund"]["taken_back_fen"], 750);
    assert_eq!(wallet(ten), is("used", ""));
    // A whole order before the coupon's end: the coupon is the customer's again.
    let full = site.refund(&till, "A-1", "R-1", 18_000);
    assert_eq!((full.status, full.text("/refund/coupon")), (200, "unused"), "{full:?}");
    assert_eq!(wallet(forty), is("unused", ""));
    assert!(!site.log().contains(&order.code), "no code is in a log");

    let metric = |line: &str| {
        let campaign = "campaign=\"xiangning-2023\"";
        site.metric(&line.replace("campaign", campaign))
    };
    for (line, is) in [
        ("quan_redeemed_fen_total{campaign}", 5_000.0),
        ("quan_driven_sales_fen_total{campaign}", 38_000.0),
        ("quan_redeem_refunds_total{campaign,kind=\"full\"}", 1.0),
        ("quan_redeem_refunds_total{campaign,kind=\"partial\"}", 2.0),
        ("quan_redeem_requests_total{campaign,kind=\"redeem\",outcome=\"done\"}", 3.0),
        ("quan_redeem_requests_total{campaign,kind=\"redeem\",outcome=\"replayed\"}", 1.0),
        ("quan_redeem_requests_total{campaign,kind=\"redeem\",outcome=\"code_dead\"}", 1.0),
        ("quan_redeem_requests_total{campaign,kind=\"confirm\",outcome=\"done\"}", 2.0),
        ("quan_payment_codes_issued_total{campaign}", 4.0),
    ] {
        assert!((metric(line) - is).abs() < 0.5, "{line}: {} for {is}", metric(line));
    }
    common::run::wait_until("no lock is open", || open() < 0.5);
    site.ends_well();
}

/// R-REDEEM-1, R-REDEEM-2, R-REDEEM-6, R-KIND-2, R-KIND-4
#[test]
fn r_redeem_6_what_can_not_be_redeemed_is_refused_by_its_name() {
    HOMES.into_iter().for_each(refused_by_name);
}

fn refused_by_name(home: Home) {
    let site = Site::start(&Wish::shipped(home));
    let (till, far, appliances) = (site.till("T-1"), site.till("T-2"), site.till("T-3"));
    let customer = site.customer(1, &["retail-10", "retail-40"]);
    let stranger = site.customer(2, &["retail-10"]);
    let with = |no: u32, code: &str, fen| Order::new(&format!("B-{no}"), code, fen);
    let code = || site.code(&customer);

    let main_scan = Order { scan: "consumer", ..with(1, &code(), 5_000) };
    refused(&site.redeem(&till, &main_scan), 403, "wrong_scan_direction");
    refused(&site.redeem(&till, &with(2, &code(), 4_999)), 403, "below_threshold");
    refused(&site.redeem(&appliances, &with(3, &code(), 90_000)), 403, "wrong_category");
    refused(&site.redeem(&far, &with(4, &code(), 5_000)), 403, "too_far_from_shop");
    let theirs = Order { coupon: Some(stranger.coupons[0].clone()), ..with(5, &code(), 5_000) };
    refused(&site.redeem(&till, &theirs), 403, "not_the_holder");
    let none = Order { coupon: Some("0000000000000".to_owned()), ..with(6, &code(), 5_000) };
    refused(&site.redeem(&till, &none), 403, "not_the_holder");
    refused(&site.redeem(&till, &with(7, "6200000000000000000", 5_000)), 403, "code_unreadable");
    refused(&site.redeem(&till, &with(8, &code(), 0)), 400, "bad_request");
    refused(&site.redeem(&till, &Order::new("单-1", &code(), 5_000)), 400, "bad_request");
    let order = with(9, &code(), 5_000);
    assert_eq!(site.redeem(&till, &order).status, 201);
    refused(&site.redeem(&till, &with(9, &code(), 5_001)), 409, "order_conflict");
    let same = Order { coupon: Some(customer.coupons[0].clone()), ..with(10, &code(), 5_000) };
    refused(&site.redeem(&till, &same), 409, "coupon_locked");

    // The phone of somebody else, and a code that was replaced.
    let old = code();
    let new = code();
    refused(&site.redeem(&till, &with(11, &old, 18_000)), 403, "code_dead");
    assert_eq!(site.redeem(&till, &with(12, &new, 18_000)).status, 201);

    // Who is not the till, or says it twice, is not heard.
    let order = with(13, &site.code(&stranger), 5_000);
    let now = site.now_ms();
    let to = site.tills();
    refused(&send(to, &till.forged().redeem(&order, now)), 401, "signature_invalid");
    refused(&send(to, &till.redeem(&order, now - 70_000)), 401, "request_stale");
    let signed = till.redeem(&order, now);
    refused(&send(to, &signed.replacen("5000", "5001", 1)), 401, "signature_invalid");
    refused(&send(to, &signed.replacen("id=T-1", "id=T-9", 1)), 401, "terminal_unknown");
    assert_eq!(send(to, &signed).status, 201);
    refused(&send(to, &signed), 401, "request_replayed");
    let bare = format!("GET {REDEMPTIONS}/B-13 HTTP/1.1\r\nhost: quan\r\n\r\n");
    refused(&site.ask(&bare), 401, "signature_invalid");
    refused(&site.look(&till, "B-99"), 404, "order_unknown");
    refused(&site.look(&till, "%20"), 404, "order_unknown");

    // A till that shows what is no code is soon not looked at any more; its orders are still told.
    let answers: Vec<_> = (20..30).map(|no| site.redeem(&far, &with(no, &old, 5_000))).collect();
    refused(&answers[0], 403, "code_dead");
    refused(&answers[9], 429, "too_fast");
    assert_eq!(state(&site.look(&far, "B-13")), "locked", "another till of the same merchant");
    site.ends_well();
}

#[test]
fn r_redeem_2_a_code_that_is_too_old_is_dead_and_a_screenshot_pays_once() {
    HOMES.into_iter().for_each(codes_die);
}

fn codes_die(home: Home) {
    let plan = &[("code_life_s", 3), ("code_rotate_s", 1)];
    let site = Site::start(&Wish { plan, clock: OPEN, more_tills: 0, home });
    let till = site.till("T-1");
    let customer = site.customer(1, &["retail-10", "retail-40"]);
    let picture = site.code(&customer);
    sleep(Duration::from_secs(4));
    refused(&site.redeem(&till, &Order::new("C-1", &picture, 20_000)), 403, "code_dead");
    let picture = site.code(&customer);
    sleep(Duration::from_secs(1));
    assert_eq!(site.redeem(&till, &Order::new("C-2", &picture, 20_000)).status, 201);
    refused(&site.redeem(&till, &Order::new("C-3", &picture, 20_000)), 403, "code_dead");
    site.ends_well();
}

#[test]
fn r_redeem_4_what_is_not_confirmed_in_time_is_released() {
    HOMES.into_iter().for_each(released_in_time);
}

fn released_in_time(home: Home) {
    let site = Site::start(&Wish { plan: &[("lock_s", 1)], clock: OPEN, more_tills: 0, home });
    let till = site.till("T-1");
    let customer = site.customer(1, &["retail-10"]);
    let order = Order::new("D-1", &site.code(&customer), 5_000);
    assert_eq!(site.redeem(&till, &order).status, 201);
    common::run::wait_until("the lock lapses", || state(&site.look(&till, "D-1")) == "released");
    assert_eq!(site.look(&till, "D-1").text("/redemption/released_by"), "deadline");
    assert_eq!(site.wallet(&customer, &customer.coupons[0]).0, "unused");
    refused(&site.end(&till, "D-1", "confirm"), 409, "lock_expired");
    let order = Order { one_step: true, ..Order::new("D-1", &site.code(&customer), 5_000) };
    assert_eq!(state(&site.redeem(&till, &order)), "confirmed");
    site.ends_well();
}

/// R-MERCH-1, R-REDEEM-4
#[test]
fn r_merch_1_after_a_crash_orders_are_told_and_who_was_suspended_redeems_no_more() {
    HOMES.into_iter().for_each(after_a_crash);
}

fn after_a_crash(home: Home) {
    let mut site = Site::start(&Wish::shipped(home));
    let till = site.till("T-1");
    let customer = site.customer(1, &["retail-10", "retail-40"]);
    let first = Order::new("E-1", &site.code(&customer), 18_000);
    assert_eq!(site.redeem(&till, &first).status, 201);
    let unused = site.code(&customer);
    site.write("merchants/dishonest.csv", "credit_code,name\n91141029MA0KU0001G,乡宁百货\n");
    site.restart("2023-09-01T10:00:20+08:00");
    let again = site.redeem(&till, &first);
    assert_eq!((again.status, state(&again)), (200, "locked"), "{again:?}");
    // Codes that nodes share live on.
    if home == Home::Here {
        refused(&site.redeem(&till, &Order::new("E-2", &unused, 5_000)), 403, "code_dead");
    }
    // The list is a proposal until two persons decided it.
    let said = site.ready()["undecided"].to_string();
    assert!(said.contains("merchants is not decided"), "{said}");
    let order = Order::new("E-3", &site.code(&customer), 5_000);
    assert_eq!(site.redeem(&till, &order).status, 201);
    assert_eq!(state(&site.end(&till, "E-3", "release")), "released");
    site.admit();
    assert_eq!(site.ready()["undecided"].to_string(), "[]");
    let order = Order::new("E-4", &site.code(&customer), 5_000);
    refused(&site.redeem(&till, &order), 403, "merchant_suspended");
    let confirmed = site.end(&till, "E-1", "confirm");
    assert_eq!(state(&confirmed), "confirmed", "what was held before is still paid");
    site.ends_well();
}

/// R-MERCH-1, R-MERCH-2
#[test]
fn r_merch_2_two_persons_suspend_and_reinstate_a_merchant_while_the_server_runs() {
    HOMES.into_iter().for_each(suspended_and_reinstated);
}

fn suspended_and_reinstated(home: Home) {
    let mut site = Site::start(&Wish::shipped(home));
    let till = site.till("T-1");
    let customer = site.customer(1, &["retail-10"]);
    let asked = |site: &Site, number: &str| {
        site.redeem(&till, &Order::new(number, &site.code(&customer), 5_000))
    };
    for (number, standing, redeems) in [
        ("S-1", Standing::Suspended, false),
        ("S-2", Standing::Active, true),
        ("S-3", Standing::SuspendedAndHeld, false),
        ("S-4", Standing::Held, true),
    ] {
        site.stand(1, standing);
        let answer = asked(&site, number);
        if redeems {
            assert_eq!(answer.status, 201, "{answer:?}");
            assert_eq!(state(&site.end(&till, number, "release")), "released");
        } else {
            refused(&answer, 403, "merchant_suspended");
        }
    }
    // A till that the folder lost is known until that was decided, also after a start.
    site.write("merchants/terminals.csv", "terminal,shop\nT-2,11\nT-3,20\n");
    site.restart("2023-09-01T10:00:40+08:00");
    assert_eq!(asked(&site, "S-5").status, 201);
    assert_eq!(state(&site.end(&till, "S-5", "release")), "released");
    site.admit();
    refused(&asked(&site, "S-6"), 401, "terminal_unknown");
    site.ends_well();
}

/// R-MERCH-1: what a merchant is due is known by its number, so another company must not have that.
#[test]
fn r_merch_1_a_folder_in_which_a_number_is_another_company_s_is_refused() {
    let site = Site::start(&Wish::shipped(Home::Here));
    let (till, customer) = (site.till("T-1"), site.customer(1, &["retail-10"]));
    let head = "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers\n";
    let rows = ["1,91141029MA0KX1234Y", "2,91141029MA0KU0001G"];
    let rows = rows.map(|row| format!("{row},甲,是,是,retail;appliance,,有,有,\n")).concat();
    site.write("merchants/merchants.csv", &format!("{head}{rows}"));
    let why = site.not_admitted();
    assert!(why.contains("merchant 1 is registered with another one"), "{why}");
    // Those that were decided are in force.
    let order = Order::new("N-1", &site.code(&customer), 5_000);
    assert_eq!(site.redeem(&till, &order).status, 201);
    site.ends_well();
}

/// R-ROLE-1: a batch's files are made and may be sent; what comes later comes into the next one.
#[test]
fn r_role_1_a_batch_that_was_settled_takes_in_no_more_by_another_decision() {
    let site = Site::start(&Wish::shipped(Home::Here));
    let (till, customer) = (site.till("T-1"), site.customer(1, &["retail-10", "catering-20"]));
    let pay = |site: &Site, order: &str, amount: u64| {
        let order = Order::new(order, &site.code(&customer), amount);
        assert_eq!(site.redeem(&till, &order).status, 201);
    };
    pay(&site, "D-1", 5_000);
    assert_eq!(state(&site.end(&till, "D-1", "confirm")), "confirmed");
    assert_eq!(site.settle(1), Ok(()));
    pay(&site, "D-2", 10_000);
    assert_eq!(state(&site.end(&till, "D-2", "confirm")), "confirmed");
    site.drained();
    let why = site.settle(1).unwrap_err();
    assert!(why.contains("batch 1 was settled by another decision"), "{why}");
    assert_eq!(site.settle(2), Ok(()));
    site.ends_well();
}

/// What 64 tills want at once.
#[derive(Clone, Copy, Debug)]
enum Race {
    /// Each its own order, with one code.
    Code,
    /// One order with one code.
    Order,
    /// Each its own order and code, one after the other made, of one coupon.
    Coupon,
}

/// `QUAN_RACE_ROUNDS` rounds, by hand 1,000.
#[test]
fn r_redeem_4_r_redeem_2_of_64_tills_at_once_one_redeems() {
    HOMES.into_iter().for_each(races);
}

fn races(home: Home) {
    const TILLS: usize = 64;
    let site = Site::start(&Wish {
        plan: &[("wrong_tries", 50_000), ("wrong_per_s", 86_400), ("terminal_requests", 100_000)],
        clock: OPEN,
        more_tills: TILLS,
        home,
    });
    let rounds = number("QUAN_RACE_ROUNDS", 20);
    let (tills, servers) = (site.more_tills(TILLS), site.all());
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..rounds {
        let race = [Race::Code, Race::Order, Race::Coupon][usize::try_from(round % 3).unwrap()];
        let customer = site.customer(usize::try_from(round).unwrap(), &["retail-10"]);
        let codes: Vec<String> = match race {
            Race::Code | Race::Order => vec![site.code(&customer); TILLS],
            Race::Coupon => Vec::new(),
        };
        let begin = Barrier::new(TILLS);
        let answers: Vec<Answer> = thread::scope(|scope| {
            let one = |place: usize| {
                let (site, till, codes, customer, begin) =
                    (&site, &tills[place], &codes, &customer, &begin);
                let to = servers[place % servers.len()];
                move || {
                    let number = match race {
                        Race::Order => format!("race-{round}"),
                        Race::Code | Race::Coupon => format!("race-{round}-{place}"),
                    };
                    let mut order = Order::new(&number, "", 5_000);
                    let coupon = matches!(race, Race::Coupon);
                    order.coupon = coupon.then(|| customer.coupons[0].clone());
                    let signed = |code: &str| {
                        let order = Order { code: code.to_owned(), ..order.clone() };
                        till.redeem(&order, site.now_ms())
                    };
                    let ready = codes.get(place).map(|code| signed(code));
                    begin.wait();
                    // Each with the newest code that it gets; most are replaced by the next one's.
                    let signed = ready.unwrap_or_else(|| signed(&site.code(customer)));
                    send(to, &signed)
                }
            };
            let threads: Vec<_> = (0..TILLS).map(|no| scope.spawn(one(no))).collect();
            threads.into_iter().map(|it| it.join().expect("an answer")).collect()
        });
        let won: Vec<_> = answers.iter().filter(|it| it.status == 201).collect();
        assert_eq!(won.len(), 1, "{home:?} {race:?} {round}: {answers:?}");
        let its_result = |it: &Answer| it.body["redemption"] == won[0].body["redemption"];
        for (place, answer) in answers.iter().enumerate() {
            let told = match (race, answer.status) {
                (_, 201) => "redeemed",
                // All of one order are told what became of it, also while the first one's lock is on its way.
                (Race::Order, 200) if its_result(answer) => "its result",
                // For a second: on a machine that is slower than that, a till that asks again is told.
                (Race::Order, 403) if answer.code() == "code_dead" => {
                    let order = Order::new(&format!("race-{round}"), &codes[place], 5_000);
                    let again = tills[place].redeem(&order, site.now_ms());
                    let again = send(servers[place % servers.len()], &again);
                    assert!(again.status == 200 && its_result(&again), "{again:?}");
                    "its result, asked again"
                }
                (Race::Code | Race::Coupon, 403) if answer.code() == "code_dead" => "code_dead",
                (Race::Coupon, 409) if answer.code() == "coupon_locked" => "coupon_locked",
                _ => panic!("{race:?} {round}: {answer:?}"),
            };
            *seen.entry(format!("{race:?}: {told}")).or_default() += 1;
        }
        assert_eq!(site.wallet(&customer, &customer.coupons[0]).1, "locked");
    }
    tell(format_args!("{rounds} races of {TILLS} tills, {home:?}: {seen:?}"));
    site.ends_well();
}
