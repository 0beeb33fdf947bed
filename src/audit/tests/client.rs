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
