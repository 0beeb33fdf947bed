//! A campaign in several logs: a sound story, and each thing in it made wrong.

use super::log::{ENDS, breaks, paid, token, yes};
use crate::audit::{Audit, Auditor, Record};
use crate::domain::*;
use crate::funds::Account::*;
use crate::ledger::event::*;
use crate::ledger::journal::Entry;
use crate::ledger::made::{
    R, bound, expired, granted, money, opened, passed, posted, units, went_on,
};
use crate::store::LogNo;
use std::collections::BTreeMap;

const C: CampaignNo = CampaignNo(0);
const IDENTITIES: u8 = LogNo::IDENTITIES;

/// Logs in the making: what stands in each shard's, and in the identities'.
struct Logs(BTreeMap<u8, Vec<(i64, Vec<What>)>>);

/// Of 4 `ten` and 1 `twenty` shard 0 sends 3 `ten` in two parts, of which the second is on its way in the end, and
/// loses an entry; both shards grant, and shard 1 brings money back.
fn sound() -> Logs {
    let mut logs = Logs(BTreeMap::new());
    logs.push(0, 0, vec![opened(0), posted(Treasury, Available, 100)]);
    logs.push(1, 0, vec![opened(1)]);
    logs.push(IDENTITIES, 0, vec![opened(0)]);
    logs.push(0, 1, super::log::armed(R, [4, 1]));
    logs.push(0, 2, vec![What::Sent(units(1, 1, 2)), posted(Reserved, Treasury, 20)]);
    logs.push(1, 2, vec![What::Received(units(0, 1, 2)), posted(Treasury, Reserved, 20)]);
    for (who, shard) in [(1, 0), (2, 0), (3, 1)] {
        logs.push(IDENTITIES, 10, vec![What::Bound(bound(who, who))]);
        logs.push(shard, 11, vec![passed(who)]);
    }
    logs.push(0, 1_000, paid(granted(1, 1, 1)));
    // Given a seq and the turn 1 of `ten`, never told, and known to nobody.
    logs.push(0, 1_000, vec![]);
    logs.push(0, 1_001, paid(granted(2, 0, 3)));
    logs.push(1, 1_001, paid(granted(3, 0, 2)));
    logs.push(0, 1_002, vec![What::Sent(units(1, 2, 1)), posted(Reserved, Treasury, 10)]);
    logs.push(
        1,
        9_000,
        vec![expired(), posted(Reserved, Available, 10), posted(Frozen, Available, 10)],
    );
    logs.push(1, 9_001, vec![What::Sent(money(0, 1)), posted(Available, Treasury, 20)]);
    logs.push(0, 9_002, vec![What::Received(money(1, 1)), posted(Treasury, Available, 20)]);
    logs
}

impl Logs {
    fn push(&mut self, part: u8, at: i64, whats: Vec<What>) {
        self.0.entry(part).or_default().push((at, whats));
    }

    /// Puts an entry after the first `after` of a log.
    fn insert(&mut self, part: u8, after: usize, at: i64, whats: Vec<What>) {
        self.0.get_mut(&part).unwrap().insert(after, (at, whats));
    }

    /// Makes something else of an entry.
    fn change(
        mut self,
        part: u8,
        seq: usize,
        change: impl FnOnce(&mut i64, &mut Vec<What>),
    ) -> Logs {
        let (at, whats) = &mut self.0.get_mut(&part).unwrap()[seq - 1];
        change(at, whats);
        self
    }

    fn audit(&self, record: Option<&str>) -> Audit {
        let record: Option<Record> = record.map(|text| text.parse().unwrap());
        let mut auditor = Auditor::of_logs(record.as_ref(), None);
        for (part, entries) in &self.0 {
            for (seq, (at, whats)) in (1..).zip(entries) {
                let events: Vec<Event> =
                    whats.iter().map(|what| Event { campaign: C, what: what.clone() }).collect();
                let body = codec::encode(&events).unwrap();
                let entry = Entry { seq, durable: 0, at: At(*at), seal: false, body };
                auditor.take(LogNo::of(C, *part), Ok(entry));
            }
        }
        auditor.done()
    }

    #[track_caller]
    fn breaks(&self, names: &[&str], finding: &str) {
        breaks(&self.audit(None), names, finding);
    }
}

/// Changes the only transfer of an entry.
fn load(change: impl FnOnce(&mut Transfer)) -> impl FnOnce(&mut i64, &mut Vec<What>) {
    |_, whats| {
        let (What::Sent(transfer) | What::Received(transfer)) = &mut whats[0] else {
            panic!("{whats:?}")
        };
        change(transfer);
    }
}

#[test]
fn several_logs_by_the_rules_are_clean() {
    let audit = sound().audit(None);
    breaks(&audit, &[], "audit of 3 logs, 20 entries: clean");
    let rows: Vec<_> = audit.checks.iter().map(|check| (check.name, check.rows)).collect();
    let of_grants =
        [("logs", 20), ("I1", 6), ("I2", 3), ("I4", 4), ("I5", 18), ("I6", 0), ("I7", 9)];
    assert_eq!(rows[..7], of_grants);
    assert_eq!(rows[7..], [("decisions", 0)]);
}

#[test]
fn a_log_that_is_missing_or_has_a_gap_is_found() {
    let mut logs = sound();
    logs.0.remove(&IDENTITIES);
    logs.breaks(&["logs", "I7"], "log 511 of campaign 0 is missing");
    let mut logs = sound();
    logs.0.remove(&1);
    logs.breaks(&["logs", "I5"], "log 257 of campaign 0 is missing");
    let logs = sound();
    let mut auditor = Auditor::of_logs(None, None);
    for (seq, (at, _)) in [1, 3].into_iter().zip(&logs.0[&1]) {
        let body = codec::encode(&[Event { campaign: C, what: opened(1) }]).unwrap();
        let entry = Entry { seq, durable: 0, at: At(*at), seal: false, body };
        auditor.take(LogNo::of(C, 1), Ok(entry));
    }
    breaks(&auditor.done(), &["logs"], "log 257 seq 3: seq 2 was expected here");
}

#[test]
fn a_log_whose_time_goes_back_is_found_and_no_other_logs_is() {
    let logs = sound().change(1, 1, |at, _| *at = 3);
    logs.breaks(&["logs"], "log 257 seq 2: its instant 1970-01-01T00:00:00.002Z is before");
    // The place of an entry that was lost has no instant of its own.
    sound().change(0, 7, |at, _| *at = 0).breaks(&[], "clean");
}

#[test]
fn a_log_opened_as_another_shard_or_on_other_terms_is_found() {
    let logs = sound().change(1, 1, |_, whats| whats[0] = opened(0));
    let audit = logs.audit(None).to_string();
    assert!(
        audit.contains("logs: log 257 seq 1: campaign 0 was opened twice or out of"),
        "{audit}"
    );
    let other = |_: &mut i64, whats: &mut Vec<What>| {
        let What::Opened(opened) = &mut whats[0] else { unreachable!() };
        opened.kinds[1].face = Fen::new(21);
    };
    let finding = "log 511 seq 1: campaign 0 is opened on other terms than in its first log";
    sound().change(IDENTITIES, 1, other).breaks(&["logs"], finding);
}

#[test]
fn an_event_in_a_log_of_another_kind_is_found() {
    let mut logs = sound();
    logs.push(1, 9_003, vec![What::Bound(bound(9, 9))]);
    logs.breaks(&["logs"], "log 257 seq 7: Bound does not belong in this log");
    let mut logs = sound();
    logs.push(IDENTITIES, 9_003, vec![What::Interlock(Interlock::Tripped)]);
    logs.breaks(&["logs"], "log 511 seq 5: Interlock does not belong in this log");
}

#[test]
fn i1_a_shard_that_grants_more_than_it_was_dealt() {
    // One of two goes to person 3; what was sent after it was not received.
    let mut logs = sound();
    for (who, ordinal) in [(4, 4), (5, 6)] {
        logs.push(IDENTITIES, 10, vec![What::Bound(bound(who, who))]);
        logs.insert(1, 3, 11, vec![passed(who)]);
        let before_expiry = logs.0[&1].len() - 2;
        logs.insert(1, before_expiry, 1_002, paid(granted(who, 0, ordinal)));
    }
    let finding = "I1: log 257 seq 8: coupon 0101000000063 is granted of a shard's empty stock";
    let audit = logs.audit(None);
    assert_eq!(audit.checks[1].found, 1, "{audit}");
    assert!(audit.to_string().contains(finding), "{audit}");
}

#[test]
fn i1_a_shard_that_sends_more_than_is_left() {
    let logs = sound().change(0, 9, |_, whats| {
        *whats = vec![What::Sent(units(1, 2, 2)), posted(Reserved, Treasury, 20)];
    });
    let finding = "I1: log 256 seq 9: 2 units of round 1 are sent, 1 more than were left";
    logs.breaks(&["I1", "I5"], finding);
}

#[test]
fn i1_more_grants_over_all_shards_than_were_armed() {
    let mut logs = sound().change(0, 2, |_, whats| *whats = super::log::armed(R, [2, 1]));
    logs.0.get_mut(&0).unwrap().remove(8);
    let audit = logs.audit(None);
    assert!(
        audit
            .to_string()
            .contains("I1: log 256 seq 8: coupon 0101000000030 is granted of a shard's empty"),
        "{audit}"
    );
    let mut logs = sound().change(0, 2, |_, whats| *whats = super::log::armed(R, [1, 1]));
    logs.0.get_mut(&0).unwrap().remove(8);
    let audit = logs.audit(None).to_string();
    assert!(
        audit.contains("I1: log 257 seq 4: coupon 0101000000022 is grant 2 of a stock of 1"),
        "{audit}"
    );
}

#[test]
fn i1_a_turn_that_is_anothers_or_given_again_or_left_out_though_nothing_was_lost() {
    let ordinal = |no| {
        move |_: &mut i64, whats: &mut Vec<What>| {
            let What::Granted(granted) = &mut whats[0] else { unreachable!() };
            granted.coupon.ordinal = no;
        }
    };
    let finding = "log 257 seq 4: coupon 0101000000014 has ordinal 1 where 2 was next";
    sound().change(1, 4, ordinal(1)).breaks(&["I1"], finding);
    let finding = "log 257 seq 4: coupon 0101000000048 has ordinal 4 where 2 was next";
    sound().change(1, 4, ordinal(4)).breaks(&["I1"], finding);
    // One entry was lost before it, so one turn may be missing, and no two.
    sound().change(0, 8, ordinal(1)).breaks(&[], "clean");
    sound().change(0, 8, ordinal(5)).breaks(&["I1"], "has ordinal 5 where 1 was next");
    // Nor one that was lost before the turn before it.
    let mut logs = sound().change(0, 2, |_, whats| *whats = super::log::armed(R, [5, 1]));
    logs = logs.change(0, 8, ordinal(1));
    logs.push(IDENTITIES, 10, vec![What::Bound(bound(4, 4))]);
    logs.insert(0, 5, 11, vec![passed(4)]);
    logs.insert(0, 9, 1_001, paid(granted(4, 0, 5)));
    logs.breaks(&["I1"], "log 256 seq 10: coupon 0101000000055 has ordinal 5 where 3 was next");
}

#[test]
fn i1_an_entry_that_was_lost_took_one_turn_of_one_kind_with_it() {
    let mut logs = sound().change(0, 2, |_, whats| *whats = super::log::armed(R, [4, 2]));
    logs.push(IDENTITIES, 10, vec![What::Bound(bound(4, 4))]);
    logs.insert(0, 5, 11, vec![passed(4)]);
    logs.insert(0, 9, 1_001, paid(granted(4, 1, 5)));
    logs.breaks(&["I1"], "log 256 seq 10: coupon 0102000000053 has ordinal 5 where 3 was next");
}

#[test]
fn i1_stock_that_comes_to_another_shard_or_for_another_window() {
    let mut logs = sound();
    let armed = vec![What::Armed(Armed {
        round: RoundNo(2),
        window: Window { from: At(1_000), until: ENDS },
        quantities: vec![0, 0],
    })];
    logs.push(1, 9_003, armed);
    logs.breaks(&["I1"], "log 257 seq 7: round 2 gets its stock in another shard than 0");
    let later = |transfer: &mut Transfer| {
        let Load::Stock { window, .. } = &mut transfer.load else { unreachable!() };
        window.until = At(9_001);
    };
    let logs = sound().change(0, 3, load(later)).change(1, 2, load(later));
    logs.breaks(&["I1"], "log 257 seq 2: a transfer names another window than its round 1 has");
}

#[test]
fn i2_one_person_served_in_two_shards() {
    let mut logs = sound();
    logs.insert(1, 3, 11, vec![passed(2)]);
    logs.insert(1, 5, 1_002, paid(granted(2, 0, 4)));
    let logs =
        logs.change(1, 7, |_, whats| *whats = vec![expired(), posted(Frozen, Available, 20)]);
    logs.breaks(&["I2"], "log 257 seq 6: coupon 0101000000048 goes to PersonId(0202..), who got one of these at log 256 seq 8");
}

#[test]
fn i3_a_yes_is_looked_for_in_every_log() {
    let line = |who, ordinal| yes(&token(who, who), 0, ordinal, false);
    let audit = sound().audit(Some(&[line(2, 3), line(3, 2)].join("\n")));
    breaks(&audit, &[], "clean");
    breaks(&sound().audit(Some(&line(2, 1))), &["I3"], "the journal has no such grant");
    let finding = "it was granted for another pass, at log 257 seq 4";
    breaks(&sound().audit(Some(&line(2, 2))), &["I3"], finding);
}

#[test]
fn i4_each_shard_ends_a_round_once_and_grants_no_more_of_it() {
    let mut logs = sound();
    logs.push(
        0,
        9_003,
        vec![
            expired(),
            posted(Reserved, Available, 0),
            posted(Frozen, Available, 10),
            posted(Frozen, Available, 20),
        ],
    );
    logs.breaks(&[], "clean");
    logs.push(0, 9_004, vec![expired()]);
    logs.breaks(&["I4"], "log 256 seq 12: round 1 expired already at log 256 seq 11");
}

#[test]
fn i5_an_expiry_gives_back_what_a_shard_has_and_no_more() {
    let logs = sound().change(1, 5, |_, whats| whats[1] = posted(Reserved, Available, 20));
    let finding =
        "log 257 seq 5: a posting is missing: campaign 0 pool 0: 10 fen from Reserved to A";
    logs.breaks(&["I5"], finding);
    let mut logs = sound();
    logs.push(
        0,
        9_003,
        vec![expired(), posted(Reserved, Available, 20), posted(Frozen, Available, 30)],
    );
    logs.breaks(
        &["I5"],
        "log 256 seq 11: nothing calls for this posting: campaign 0 pool 0: 20 fen",
    );
}

#[test]
fn i5_stock_that_comes_after_its_round_has_expired_gives_its_money_back_at_once() {
    let late = |more: &[What]| {
        let mut logs = sound();
        let came = vec![What::Received(units(0, 2, 1)), posted(Treasury, Reserved, 10)];
        logs.push(1, 9_003, [&came, more].concat());
        logs
    };
    breaks(&late(&[posted(Reserved, Available, 10)]).audit(None), &[], "21 entries: clean");
    let missing =
        "log 257 seq 7: a posting is missing: campaign 0 pool 0: 10 fen from Reserved to Available";
    late(&[]).breaks(&["I5"], missing);
    let mut early = sound();
    let mut whats = vec![What::Received(units(0, 2, 1)), posted(Treasury, Reserved, 10)];
    whats.push(posted(Reserved, Available, 10));
    early.insert(1, 4, 1_002, whats);
    early.breaks(&["I5"], "log 257 seq 5: nothing calls for this posting");
}

#[test]
fn i5_a_transfer_that_was_never_sent_or_was_sent_otherwise() {
    let mut logs = sound();
    logs.insert(1, 2, 2, vec![What::Received(units(0, 2, 1)), posted(Treasury, Reserved, 10)]);
    logs.0.get_mut(&0).unwrap().remove(8);
    let audit = logs.audit(None).to_string();
    assert!(audit.contains("I5: log 257 seq 3: transfer 2 from shard 0 was never sent"), "{audit}");
    let finding =
        "pool 0 of campaign 0: 110 fen in all shards and on their way, of a budget of 100";
    assert!(audit.contains(finding), "{audit}");
    let more = |_: &mut i64, whats: &mut Vec<What>| {
        *whats = vec![What::Received(units(0, 1, 3)), posted(Treasury, Reserved, 30)];
    };
    let audit = sound().change(1, 2, more).audit(None).to_string();
    let finding =
        "I5: log 257 seq 2: transfer 1 was received otherwise than it was sent at log 256 seq 3";
    assert!(audit.contains(finding), "{audit}");
    // Money, of which only the sender knows how much it was.
    let less = |_: &mut i64, whats: &mut Vec<What>| whats[1] = posted(Treasury, Available, 19);
    let audit = sound().change(0, 10, less).audit(None).to_string();
    let finding =
        "I5: log 256 seq 10: transfer 1 was received otherwise than it was sent at log 257 seq 6";
    assert!(audit.contains(finding), "{audit}");
}

#[test]
fn i5_transfers_are_numbered_without_gaps() {
    let logs = sound().change(0, 9, load(|transfer| transfer.number = 3));
    logs.breaks(&["I5"], "log 256 seq 9: transfer 3 from shard 0 to 1 where 2 was next");
    let logs = sound().change(0, 9, load(|transfer| transfer.number = 1));
    let audit = logs.audit(None).to_string();
    assert!(
        audit.contains("log 256 seq 9: transfer 1 from shard 0 to 1 where 2 was next"),
        "{audit}"
    );
}

#[test]
fn i5_a_transfer_without_its_money() {
    let logs = sound().change(0, 9, |_, whats| drop(whats.pop()));
    let finding =
        "log 256 seq 9: a posting is missing: campaign 0 pool 0: 10 fen from Reserved to T";
    logs.breaks(&["I5"], finding);
    let logs = sound().change(0, 10, |_, whats| drop(whats.pop()));
    let finding =
        "log 256 seq 10: a posting is missing: campaign 0 pool 0: some fen from Treasury to";
    logs.breaks(&["I5"], finding);
}

#[test]
fn i5_a_budget_in_another_shard_than_the_first() {
    let logs = sound().change(1, 1, |_, whats| whats.push(posted(Treasury, Available, 5)));
    logs.breaks(&["I5"], "log 257 seq 1: nothing calls for this posting: campaign 0 pool 0: 5 fen");
}

#[test]
fn i7_a_grant_in_a_shard_that_was_stopped() {
    let mut logs = sound();
    logs.insert(0, 2, 2, vec![What::Interlock(Interlock::Tripped)]);
    logs.insert(0, 8, 1_000, went_on());
    logs.breaks(
        &["I7"],
        "log 256 seq 7: coupon 0102000000012: issuing was stopped at log 256 seq 3",
    );
    assert_eq!(logs.audit(None).checks[6].found, 1, "the other shard was not stopped");
}

#[test]
fn i7_a_grant_by_a_pass_that_did_not_come_to_its_shard() {
    let mut logs = sound();
    logs.0.get_mut(&1).unwrap().remove(2);
    logs.breaks(
        &["I7"],
        "log 257 seq 3: coupon 0101000000022: PassNonce(0303..) was not made before",
    );
}

#[test]
fn i7_a_pass_that_was_never_bound_or_otherwise_or_later() {
    let mut logs = sound();
    logs.0.get_mut(&IDENTITIES).unwrap().remove(3);
    logs.breaks(&["I7"], "log 257 seq 3: PassNonce(0303..) came to a shard and was never bound");
    let kinds = |_: &mut i64, whats: &mut Vec<What>| {
        let What::Passed(passed) = &mut whats[0] else { unreachable!() };
        passed.kinds = KindSet(0b1);
    };
    let finding = "PassNonce(0303..) came to a shard otherwise than it was bound at log 511 seq 4";
    sound().change(1, 3, kinds).breaks(&["I7"], finding);
    // Two nodes' clocks may be a second apart.
    sound().change(IDENTITIES, 4, |at, _| *at = 1_011).breaks(&[], "clean");
    let finding = "PassNonce(0303..) came to a shard before it was bound at log 511 seq 4";
    sound().change(IDENTITIES, 4, |at, _| *at = 1_012).breaks(&["I7"], finding);
}

#[test]
fn i7_a_pass_that_came_twice_and_a_proof_or_phone_of_somebody_else() {
    let mut logs = sound();
    logs.insert(1, 3, 12, vec![passed(3)]);
    logs.breaks(&["I7"], "log 257 seq 4: PassNonce(0303..) was made before, at log 257 seq 3");
    let mut logs = sound();
    let mut other = bound(4, 3);
    other.proofs = bound(3, 3).proofs;
    logs.push(IDENTITIES, 12, vec![What::Bound(other)]);
    let audit = logs.audit(None);
    breaks(&audit, &["I7"], "log 511 seq 5: ProofId(0303..) was used before, at log 511 seq 4");
    assert!(
        audit.to_string().contains("its Phone belongs to PersonId(0303..) since log 511 seq 4")
    );
}

#[test]
fn i9_the_last_unit_is_the_latest_of_all_shards() {
    // 1 of 3 that were put out goes to shard 1, which grants it later than shard 0 its own two.
    let mut logs = Logs(BTreeMap::new());
    logs.push(0, 0, vec![opened(0), posted(Treasury, Available, 100)]);
    logs.push(1, 0, vec![opened(1)]);
    logs.push(IDENTITIES, 0, vec![opened(0)]);
    logs.push(0, 1, super::log::armed(R, [2, 0]));
    logs.push(0, 2, vec![What::Sent(units(1, 1, 1)), posted(Reserved, Treasury, 10)]);
    logs.push(1, 2, vec![What::Received(units(0, 1, 1)), posted(Treasury, Reserved, 10)]);
    for (who, shard, at, ordinal) in [(1, 0, 1_500, 1), (2, 1, 1_200, 2)] {
        logs.push(IDENTITIES, 10, vec![What::Bound(bound(who, who))]);
        logs.push(shard, 11, vec![passed(who)]);
        logs.push(shard, at, paid(granted(who, 0, ordinal)));
    }
    breaks(&logs.audit(Some(r#"{"sold_out":"ten","at_ms":1400}"#)), &[], "clean");
    let early = logs.audit(Some(r#"{"sold_out":"ten","at_ms":1399}"#));
    let finding = "its last unit was decided at 1970-01-01T00:00:01.500Z, at log 256 seq 5";
    breaks(&early, &["I9"], finding);
    let lines = "{\"sold_out\":\"ten\",\"at_ms\":1600}\n{\"unanswered\":\"ten\"}";
    let audit = sound().audit(Some(lines)).to_string();
    // What is on its way between shards is left too.
    assert!(audit.contains("I9: record line 1: \"ten\" told as sold out at"), "{audit}");
    assert!(
        audit.contains("I9: record line 2: unanswered for \"ten\", but round 1 has 2 left"),
        "{audit}"
    );
}
