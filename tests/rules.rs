//! The rules of the campaign, and that each of them is looked at by a test that names it: `r_claim_1_…` for
//! R-CLAIM-1, or the id in the comment above the test.
//!
//! A rule that is built moves from the second table to the first, with its test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Rules that are kept, as far as the second column says.
const KEPT: [(&str, &str); 40] = [
    ("R-CAMP-1", "the campaign, its period, when its books close"),
    ("R-FUND-1", "one fund in pools that sum to it"),
    ("R-FUND-2", "no pool promises more than it has; what is not taken comes back"),
    (
        "R-FUND-3",
        "no pool pays for another; that the car part ends by itself comes with car coupons",
    ),
    ("R-FUND-4", "a coupon costs its pool its face and nothing else"),
    ("R-CAL-1", "fifteen Fridays at ten, from one rule; settlement on working days"),
    ("R-CAL-2", "valid from the grant until the Thursday of the next week, 23:00"),
    ("R-CAL-3", "the last round's coupons outlive the period; strict mode cuts them"),
    (
        "R-CAL-4",
        "claimable from the opening until sold out or ended; an early claim leaves nothing",
    ),
    ("R-QTY-1", "quantities of every round"),
    (
        "R-ADJ-1",
        "armed between the last end and the opening, with what was decided; quantities are proposed",
    ),
    (
        "R-ADJ-2",
        "bureau and leading group add further rounds before the end; an issued coupon's end never changes",
    ),
    ("R-ADJ-3", "off, as by default: no money moves between pools; deciding so is not built"),
    ("R-KIND-1", "faces and thresholds of the kinds"),
    ("R-KIND-2", "the order amount reaches the threshold, inclusive"),
    ("R-KIND-3", "one coupon an order, whole"),
    ("R-KIND-4", "only at merchants of the coupon's category"),
    ("R-WHO-1", "the position when a pass is made, in the claim, and when a payment code is made"),
    ("R-WHO-2", "real-name verified; keyed hashes only"),
    ("R-WHO-3", "identifiers are bound to one person; one coupon a person, kind and round"),
    ("R-WHO-4", "a coupon stays with the person of its pass"),
    ("R-REDEEM-3", "the largest discount, then the earliest end, or the coupon that was chosen"),
    ("R-REDEEM-1", "the merchant scans; the other way round is refused by name"),
    ("R-REDEEM-4", "lock, confirm and release; one redemption an order"),
    ("R-REDEEM-5", "what a refund takes back and where it goes"),
    ("R-REDEEM-6", "every refusal has its own reason"),
    (
        "R-MERCH-1",
        "two persons admit and suspend; who is admitted redeems, who is suspended does not",
    ),
    ("R-MERCH-2", "a merchant's standing; complaints are not built"),
    ("R-CLAIM-1", "first come, first served; a holder is shown the same coupon again"),
    ("R-CLAIM-2", "yes only when durable; never more than the stock, never fewer"),
    ("R-CLAIM-3", "state and countdown of a round; the page itself is not built"),
    ("R-RISK-1", "two proofs make one pass, each spent once; drawing the captchas is not built"),
    ("R-RISK-2", "the host app's token; a pass, fix or proof is worthless to anybody else"),
    ("R-RISK-3", "no grant while issuing is stopped, by the ledger, the clock or the disk"),
    ("R-RISK-4", "rates of person, device and address"),
    ("R-WALLET-1", "my coupons as unused, used or expired, with start, end and a note"),
    ("R-REDEEM-2", "a code lives so long, for one scan, of one person, near the shop"),
    ("R-MERCH-3", "plans that are given or open, own offers; the cashier page is not built"),
    (
        "R-AUDIT-1",
        "the audit and the store are made from the journal alone; batches, four sides and any balance come of it",
    ),
    (
        "R-ROLE-1",
        "who decides what, and by how many; what staff did and read is chained; the console is not built",
    ),
];

/// Rules that no test keeps yet, and why.
const NOT_YET: [(&str, &str); 17] = [
    ("R-CLAIM-4", "a latency: the load generator measures it and tells it in its report"),
    ("R-CAR-1", "the car subsidy is not built"),
    ("R-CAR-2", "the car subsidy is not built"),
    ("R-CAR-3", "the car subsidy is not built"),
    ("R-CAR-4", "the car subsidy is not built"),
    ("R-CAR-5", "the car subsidy is not built"),
    ("R-CAR-6", "the car subsidy is not built"),
    ("R-CAR-7", "the car subsidy is not built"),
    ("R-CAR-8", "the car subsidy is not built"),
    ("R-CAR-9", "the car subsidy is not built"),
    ("R-CAR-10", "the car subsidy is not built"),
    ("R-CAR-11", "car coupons are not built"),
    ("R-CAR-12", "the car subsidy is not built"),
    ("R-CAR-13", "the car subsidy is not built"),
    ("R-PUB-1", "publishing is not built"),
    ("R-CS-1", "complaints are not built"),
    ("R-CASE-1", "cases are not built"),
];

/// The text of every Rust file in `folder`, by path; of this file not.
fn sources(folder: &Path, into: &mut BTreeMap<String, String>) {
    let this = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules.rs");
    for item in fs::read_dir(folder).expect("the folder is there") {
        let path = item.expect("an entry can be read").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") && path != this {
            let text = fs::read_to_string(&path).expect("a source is text");
            into.insert(path.display().to_string(), text);
        }
    }
}

/// Rules that a test's name names.
fn in_name(name: &str) -> Vec<String> {
    let words: Vec<&str> = name.split('_').collect();
    let rules = words.windows(3).filter_map(|it| match it {
        ["r", family, number] if number.parse::<u8>().is_ok() => {
            Some(format!("R-{}-{number}", family.to_uppercase()))
        }
        _ => None,
    });
    rules.collect()
}

/// Rules that a text names.
fn in_text(text: &str) -> Vec<String> {
    let word = |it: char| !it.is_ascii_alphanumeric() && it != '-';
    let rules = text.split(word).filter(|it| match it.split('-').collect::<Vec<_>>().as_slice() {
        ["R", family, number] => !family.is_empty() && number.parse::<u8>().is_ok(),
        _ => false,
    });
    rules.map(str::to_owned).collect()
}

/// Every rule that a test names, with the tests' names.
fn tested() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = BTreeMap::new();
    sources(&root.join("src"), &mut texts);
    sources(&root.join("tests"), &mut texts);
    let mut tested: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in texts.values() {
        let (mut comment, mut marked) = (String::new(), false);
        for line in text.lines().map(str::trim) {
            if line.starts_with("///") {
                comment.push_str(line);
            } else if line.starts_with("#[") {
                marked |= line == "#[test]" || line.starts_with("#[tokio::test");
            } else {
                let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some(name) = function.and_then(|it| it.split('(').next()).filter(|_| marked)
                {
                    for rule in in_name(name).into_iter().chain(in_text(&comment)) {
                        tested.entry(rule).or_default().insert(name.to_owned());
                    }
                }
                (comment, marked) = (String::new(), false);
            }
        }
    }
    tested
}

#[test]
fn every_rule_that_is_kept_stands_in_the_name_or_comment_of_a_test() {
    let tested = tested();
    let without: Vec<_> = KEPT.iter().filter(|(rule, _)| !tested.contains_key(*rule)).collect();
    assert!(without.is_empty(), "no test names {without:?}");
}

#[test]
fn no_test_names_a_rule_that_is_not_kept_or_not_there() {
    for (rule, names) in tested() {
        let kept = KEPT.iter().any(|(it, _)| *it == rule);
        assert!(kept, "{rule} is tested by {names:?}, and not in the table of rules that are kept");
    }
}

#[test]
fn a_rule_is_in_one_of_the_tables_once() {
    let rules: Vec<&str> = KEPT.iter().chain(&NOT_YET).map(|(rule, _)| *rule).collect();
    let once: BTreeSet<&str> = rules.iter().copied().collect();
    assert_eq!(once.len(), rules.len(), "a rule stands there twice");
}

#[test]
fn every_rule_that_the_sources_and_the_plan_mention_is_in_a_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = BTreeMap::new();
    sources(&root.join("src"), &mut texts);
    sources(&root.join("tests"), &mut texts);
    let plan = root.join("config/xiangning-2023.toml");
    texts.insert("the plan".into(), fs::read_to_string(plan).expect("the plan is there"));
    for (path, text) in texts {
        for rule in in_text(&text) {
            let known = KEPT.iter().chain(&NOT_YET).any(|(it, _)| *it == rule);
            assert!(known, "{path} mentions {rule}, which is in no table");
        }
    }
}

#[test]
fn a_rule_is_found_in_a_name_and_in_a_comment_and_nowhere_else() {
    assert_eq!(in_name("r_kind_1_r_qty_1_the_kinds"), ["R-KIND-1", "R-QTY-1"]);
    assert!(in_name("for_kind_1_there_are_3").is_empty());
    assert_eq!(
        in_text("/// Twice (R-CAL-1, R-CAL-2): R-CAR-10."),
        ["R-CAL-1", "R-CAL-2", "R-CAR-10"]
    );
    assert!(in_text("R-…, R-X, AR-CAL-1, r-cal-1").is_empty());
}
