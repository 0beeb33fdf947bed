//! Tills that are who they say and ask for what can't be: bodies, numbers and orders of every wrong kind, all signed.
//!
//! `QUAN_HOSTILE_TILL` says how many requests, `QUAN_HOSTILE_SEED` which.

use super::{
    site::{Home, OPEN, Rows, Site, Wish},
    till::{Order, REDEMPTIONS, Till, send},
};
use crate::common::{
    link::get,
    run::{number, tell},
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::collections::BTreeMap;

/// What stands where a number, a text or an order should.
const TEXTS: [&str; 20] = [
    "\"\"",
    "\"A-1\"",
    "\"O-1\"",
    "\" \"",
    "\"../../O-1\"",
    "\"O-1\\u0000\"",
    "\"单号\"",
    "\"' OR 1=1 --\"",
    "\"=1+1\"",
    "\"6200000000000000000\"",
    "\"62\"",
    "\"merchant\"",
    "\"consumer\"",
    "null",
    "true",
    "[]",
    "{}",
    "[[[[[[[[[[1]]]]]]]]]]",
    "\"\\ud800\"",
    "\"\u{202e}O-1\"",
];
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "-0",
    "1",
    "4999",
    "5000",
    "5000.0",
    "5000.5",
    "5e3",
    "1000000000000",
    "1000000000001",
    "18446744073709551616",
    "1e400",
    "9007199254740993",
];
const ORDERS: [&str; 14] = [
    "O-1",
    "O-2",
    "O-3",
    "O-4",
    "%00",
    "%2e%2e",
    "..",
    "O-1%2Fconfirm",
    "%E5%8D%95",
    "%ff%fe",
    "O-1?again=1",
    "-",
    "O-1;x",
    "%",
];
const FIELDS: [&str; 8] =
    ["order", "code", "amount_fen", "coupon", "scan", "one_step", "refund", "other"];

fn some<'a>(rng: &mut StdRng, of: &[&'a str]) -> &'a str {
    of.choose(rng).expect("it has some")
}

/// A body: fields that may be missing, twice, of another kind; or no object at all.
fn body(rng: &mut StdRng, code: &str) -> String {
    if rng.random_bool(0.1) {
        let whole =
            some(rng, &["", "{", "[]", "null", "{\"order\":", "\u{feff}{}", "{}{}", "nonsense"]);
        return whole.to_owned();
    }
    if rng.random_bool(0.02) {
        return format!("{{\"order\":\"{}\"}}", "x".repeat(rng.random_range(60..9_000)));
    }
    // A refund has two fields of its own.
    if rng.random_bool(0.2) {
        let (refund, amount) = (rng.random_range(0..4), some(rng, &NUMBERS));
        return format!("{{\"refund\":\"R-{refund}\",\"amount_fen\":{amount}}}");
    }
    let mut fields = Vec::new();
    for field in FIELDS {
        let good = match field {
            "order" => format!("\"O-{}\"", rng.random_range(1..9)),
            "code" => format!("\"{code}\""),
            "amount_fen" => "5000".to_owned(),
            "scan" => "\"merchant\"".to_owned(),
            "refund" => "\"R-1\"".to_owned(),
            _ => "true".to_owned(),
        };
        let value = match rng.random_range(0..16) {
            0 => some(rng, &TEXTS).to_owned(),
            1 => some(rng, &NUMBERS).to_owned(),
            _ => good,
        };
        if rng.random_bool(if ["coupon", "other", "refund"].contains(&field) { 0.03 } else { 0.97 })
        {
            fields.push(format!("\"{field}\":{value}"));
        }
        if rng.random_bool(0.02) {
            fields.push(format!("\"{field}\":{value}"));
        }
    }
    format!("{{{}}}", fields.join(","))
}

/// The way of a request: method, path and body.
fn request(rng: &mut StdRng, code: &str) -> (&'static str, String, String) {
    let method = match rng.random_range(0..20) {
        0 | 1 => "GET",
        2 => "PUT",
        _ => "POST",
    };
    let order = some(rng, &ORDERS);
    let path = match rng.random_range(0..6) {
        0 => format!("{REDEMPTIONS}/{order}"),
        1 => format!("{REDEMPTIONS}/{order}/confirm"),
        2 => format!("{REDEMPTIONS}/{order}/release"),
        3 => format!("{REDEMPTIONS}/{order}/refunds"),
        _ => REDEMPTIONS.to_owned(),
    };
    let empty = method == "GET" || (path.ends_with("confirm") && rng.random_bool(0.7));
    let body = if empty { String::new() } else { body(rng, code) };
    (method, path, body)
}

/// R-REDEEM-6: every input has an answer.
#[test]
fn r_redeem_6_a_till_that_signs_nonsense_is_refused_by_name_and_nothing_is_half_done() {
    for home in [Home::Here, Home::Redis { shards: 1, store: Rows::Sqlite }] {
        nonsense(home);
    }
}

fn nonsense(home: Home) {
    let plan = &[("wrong_tries", 50_000), ("wrong_per_s", 86_400), ("terminal_requests", 100_000)];
    let site = Site::start(&Wish { plan, clock: OPEN, more_tills: 0, home });
    let contract = site.ask(&get("/openapi.json")).body.to_string();
    let (till, requests) = (site.till("T-1"), number("QUAN_HOSTILE_TILL", 400));
    let mut rng = StdRng::seed_from_u64(number("QUAN_HOSTILE_SEED", 1));
    let customers: Vec<_> =
        (0..20).map(|who| site.customer(who, &["retail-10", "retail-40"])).collect();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut code = site.code(&customers[0]);
    for no in 0..requests {
        if no % 7 == 0 {
            code = site.code(&customers[rng.random_range(0..customers.len())]);
        }
        let (method, path, body) = request(&mut rng, &code);
        let answer = send(site.tills(), &till.sign(method, &path, &body, site.now_ms()));
        let what = format!("{home:?}: {method} {path} {body}: {answer:?}");
        assert!((200..500).contains(&answer.status), "{what}");
        if answer.status >= 300 {
            assert!(!answer.code().is_empty() && !answer.text("/title_en").is_empty(), "{what}");
            let anywhere = ["method_not_allowed", "not_found"].contains(&answer.code());
            let told = contract.contains(&format!("\"{}\"", answer.code()));
            assert!(anywhere || told, "{what}");
        }
        let word = if answer.status < 300 { "done" } else { answer.code() };
        *seen.entry(word.to_owned()).or_default() += 1;
    }
    tell(format_args!("{requests} signed requests, {home:?}: {seen:?}"));
    assert!(seen.len() > 8 && seen.contains_key("done"), "too few ways to end: {seen:?}");
    honest(&site, &till);
    assert!(!site.log().contains("panicked"), "{}", site.log());
    site.ends_well();
}

/// Somebody else is served as ever.
fn honest(site: &Site, till: &Till) {
    let customer = site.customer(100, &["retail-10"]);
    let order = Order { one_step: true, ..Order::new("honest", &site.code(&customer), 5_000) };
    let answer = site.redeem(till, &order);
    assert_eq!(answer.text("/redemption/state"), "confirmed", "{answer:?}");
}
