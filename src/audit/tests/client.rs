//! I3 and I9: what the journal and a client's record show together.

use super::log::*;
use crate::audit::{Record, audit};
use crate::ledger::machine::Command;

/// Person 1 took the only `ten`, at 1,500 by the server's clock; two `twenty` are left.
fn sold() -> Log {
    let mut log = Log::armed([1, 2]);
    log.grant(1_500, 1, 0);
    log
}

#[track_caller]
fn recorded(lines: &str, names: &[&str], finding: &str) {
    breaks(&sold().audit(Some(lines)), names, finding);
}

#[test]
fn a_record_that_the_journal_bears_out_is_clean() {
    let (first, other) = (token(1, 1), token(0x77, 1));
    let lines = [
        yes(&first, 0, 1, false),
        yes(&first, 0, 1, true),
        // A repeat with another pass of the holder is told the same coupon.
        yes(&other, 0, 1, true),
        r#"{"sold_out":"ten","at_ms":1500}"#.to_owned(),
        r#"{"unanswered":"ten"}"#.to_owned(),
    ];
    let audit = sold().audit(Some(&lines.join("\n")));
    breaks(&audit, &[], "clean");
    let rows: Vec<_> = audit.checks.iter().map(|check| (check.name, check.rows)).collect();
    assert!(rows.contains(&("I3", 3)) && rows.contains(&("I9", 2)), "{rows:?}");
}

#[test]
fn i3_a_yes_that_the_journal_does_not_know() {
    let line = yes(&token(2, 2), 1, 1, false);
    let finding = "I3: record line 1: coupon 0102000000012: the journal has no such grant";
    recorded(&line, &["I3"], finding);
}

#[test]
fn i3_a_yes_for_a_coupon_of_somebody_else() {
    let finding = "it was granted for another pass, at seq 6";
    recorded(&yes(&token(2, 2), 0, 1, false), &["I3"], finding);
    recorded(&yes(&token(2, 2), 0, 1, true), &["I3"], finding);
}

#[test]
fn i3_a_first_yes_with_another_pass_of_the_holder() {
    recorded(&yes(&token(0x77, 1), 0, 1, false), &["I3"], "granted for another pass");
}

#[test]
fn i3_a_yes_told_as_another_kind() {
    let line = yes(&token(1, 1), 0, 1, false).replace("\"ten\"", "\"twenty\"");
    recorded(&line, &["I3"], "it was told as \"twenty\", the journal has Some(\"ten\")");
}

#[test]
fn i3_a_number_or_a_pass_that_is_none() {
    let line = yes(&token(1, 1), 0, 1, false);
    recorded(&line.replace("0101000000014", "0101000000015"), &["I3"], "check digit is wrong");
    recorded(&line.replace(&token(1, 1), "AAAA"), &["I3"], "its pass can't be read");
}

#[test]
fn i9_sold_out_before_the_decision_of_the_last_unit() {
    // Within the clocks' error of 100 ms it may have been after it.
    recorded(r#"{"sold_out":"ten","at_ms":1400}"#, &[], "clean");
    let finding = "its last unit was decided at 1970-01-01T00:00:01.500Z, at seq 6";
    recorded(r#"{"sold_out":"ten","at_ms":1399}"#, &["I9"], finding);
}

#[test]
fn i9_the_clocks_error_is_what_the_record_states() {
    let mut record: Record = r#"{"sold_out":"ten","at_ms":1499}"#.parse().unwrap();
    record.clock_error_ms = 0;
    breaks(&audit(sold().entries.into_iter(), Some(&record)), &["I9"], "decided at");
}

#[test]
fn i9_sold_out_while_there_is_stock() {
    let line = r#"{"sold_out":"twenty","at_ms":1600}"#;
    recorded(line, &["I9"], "told as sold out at 1970-01-01T00:00:01.600Z, but round 1 has 2 left");
}

#[test]
fn i9_sold_out_of_a_kind_that_never_was() {
    let line = r#"{"sold_out":"thirty","at_ms":1600}"#;
    recorded(line, &["I9"], "but no round then had a stock of it");
}

#[test]
fn i9_unanswered_while_there_is_stock() {
    let line = r#"{"unanswered":"twenty"}"#;
    let finding = "record line 1: unanswered for \"twenty\", but round 1 has 2 left";
    recorded(line, &["I9"], finding);
    // That it went back to the pool in the end does not make it sold.
    let mut log = sold();
    log.run(9_000, &Command::Expire(C, R));
    breaks(&log.audit(Some(line)), &["I9"], finding);
}

#[test]
fn i9_sold_out_is_held_against_the_round_it_was_told_in() {
    use crate::domain::{At, RoundNo, Window};
    use crate::ledger::event::What;
    let mut log = sold();
    let mut second = armed(RoundNo(2), [1, 0]);
    let What::Armed(stock) = &mut second[0] else { unreachable!() };
    stock.window = Window { from: At(11_000), until: At(19_000) };
    log.push(9_500, second);
    breaks(&log.audit(Some(r#"{"sold_out":"ten","at_ms":1600}"#)), &[], "clean");
    let late = log.audit(Some(r#"{"sold_out":"ten","at_ms":11600}"#));
    breaks(&late, &["I9"], "round 2 has 1 left");
}

/// The story of orders, which are merchant 7's A-1, A-2 .. here, and what a till was told of them.
fn tills(lines: &str) -> crate::audit::Audit {
    use crate::domain::{MerchantNo, RefundId};
    use crate::ledger::event::What;
    use crate::ledger::made::redeeming::{entries, order, story};
    use crate::redeem::{redemption, refund_id};
    let name = |no: u8| redemption("made", MerchantNo(7), &format!("A-{no}"));
    let old: Vec<_> = (1..=6).map(|no| (order(no), name(no))).collect();
    let new = |it: &mut crate::domain::RedemptionId| {
        *it = old.iter().find(|(old, _)| old == it).map_or(*it, |(_, new)| *new);
    };
    let mut story = story();
    for what in story.iter_mut().flat_map(|(_, whats)| whats) {
        match what {
            What::Locked(it) => new(&mut it.redemption),
            What::Confirmed(it) => new(&mut it.redemption),
            What::Released(it) => new(&mut it.redemption),
            What::Refunded(it) => {
                new(&mut it.redemption);
                let RefundId(number) = it.refund;
                it.refund = refund_id(it.redemption, &format!("r{}", number[0]));
            }
            _ => {}
        }
    }
    let record = lines.parse().unwrap();
    audit(entries(super::redeeming::by_persons(story)).into_iter().map(Ok), Some(&record))
}

fn order_line(order: &str, told: &str, coupon: &str, amount: u64, face: u64) -> String {
    format!(
        r#"{{"campaign":"made","merchant":7,"order":"{order}","told":"{told}","coupon":"{coupon}","amount_fen":{amount},"face_fen":{face},"at_ms":5}}"#
    )
}

fn refund_line(order: &str, refund: &str, refused: bool, amount: u64, back: u64) -> String {
    format!(
        r#"{{"campaign":"made","merchant":7,"order":"{order}","refund":"{refund}","refused":{refused},"amount_fen":{amount},"taken_back_fen":{back},"at_ms":5}}"#
    )
}

#[test]
fn i3_what_tills_were_told_is_in_the_journal_and_what_was_refused_is_not() {
    let good = [
        order_line("A-1", "locked", "0101000000014", 500, 10),
        order_line("A-1", "confirmed", "0101000000014", 500, 10),
        order_line("A-2", "released", "0101000000022", 500, 10),
        refund_line("A-1", "r1", false, 250, 5),
        order_line("A-9", "refused", "0101000000014", 500, 0),
        refund_line("A-1", "r9", true, 250, 5),
    ];
    let audit = tills(&good.join("\n"));
    breaks(&audit, &[], "clean");
    let rows: Vec<_> = audit.checks.iter().map(|check| (check.name, check.rows)).collect();
    assert!(rows.contains(&("I3", 6)), "{rows:?}");
    let first = "0101000000014";
    for (line, finding) in [
        (order_line("A-9", "locked", first, 500, 10), "the journal has no such order"),
        (order_line("A-1", "refused", first, 500, 0), "was refused, and the journal holds"),
        (order_line("A-1", "locked", first, 501, 10), "the journal has 0101000000014"),
        (order_line("A-1", "locked", first, 500, 11), "the journal has 0101000000014"),
        (order_line("A-1", "released", first, 500, 10), "it was told Released"),
        (order_line("A-1", "too_late", first, 500, 10), "it was told TooLate"),
        (refund_line("A-1", "r9", false, 250, 5), "the journal has no such refund"),
        (refund_line("A-1", "r1", true, 250, 5), "it was refused, and the journal has it"),
        (refund_line("A-1", "r1", false, 250, 4), "the journal has it as"),
    ] {
        breaks(&tills(&line), &["I3"], finding);
    }
}

#[test]
fn i9_who_was_unanswered_in_a_round_says_nothing_of_another() {
    use crate::domain::RoundNo;
    let mut log = sold();
    log.push(9_500, armed(RoundNo(2), [1, 0]));
    let line = |round: &str| format!(r#"{{"unanswered":"ten"{round}}}"#);
    breaks(&log.audit(Some(&line(r#","round":1"#))), &[], "clean");
    for round in [r#","round":2"#, ""] {
        breaks(&log.audit(Some(&line(round))), &["I9"], "but round 2 has 1 left");
    }
}
