//! I1, I2, I4, I5 and I7: what the events alone show.

use super::log::*;
use crate::audit::exit_code;
use crate::domain::*;
use crate::funds::Account::*;
use crate::ledger::event::What;
use crate::ledger::machine::Command;
use crate::ledger::machine::tests::{arm, resume};

/// A round's whole life, by the machine's rules.
fn whole() -> Log {
    let mut log = Log::armed([2, 2]);
    log.grant(1_000, 1, 0);
    log.grant(1_001, 1, 1);
    log.run(1_002, &Command::Trip(C));
    log.run(1_003, &resume(1_003));
    log.grant(1_003, 2, 0);
    log.run(9_000, &Command::Expire(C, R));
    let Command::Arm(_, mut again) = arm(&[10, 0]) else { unreachable!() };
    again.round = RoundNo(2);
    again.window = Window { from: At(11_000), until: At(19_000) };
    log.run(9_001, &Command::Arm(C, again));
    log
}

#[test]
fn a_whole_life_by_the_rules_is_clean() {
    let audit = whole().audit(None);
    breaks(&audit, &[], "clean");
    assert_eq!(exit_code(&audit), 0);
    let rows: Vec<_> = audit.checks.iter().map(|check| (check.name, check.rows)).collect();
    assert_eq!(
        rows,
        [
            ("journal", 12),
            ("I1", 3),
            ("I2", 3),
            ("I4", 4),
            ("I5", 10),
            ("I6", 0),
            ("I7", 6),
            ("decisions", 2)
        ],
        "what can't be looked at is not listed"
    );
}

#[test]
fn i1_a_grant_above_the_stock() {
    let mut log = Log::armed([1, 2]);
    log.grant(1_000, 1, 0);
    log.push(1_001, paid(granted(2, 0, 2)));
    log.breaks(&["I1"], "seq 7: coupon 0101000000022 is grant 2 of a stock of 1");
    assert_eq!(exit_code(&log.audit(None)), 11);
}

#[test]
fn i1_an_ordinal_that_is_left_out_or_given_again() {
    for ordinal in [1, 3] {
        let mut log = Log::armed([3, 0]);
        log.grant(1_000, 1, 0);
        log.push(1_001, paid(granted(2, 0, ordinal)));
        log.breaks(&["I1"], &format!("has ordinal {ordinal} where 2 was next"));
    }
}

#[test]
fn i1_a_second_stock_for_a_round() {
    let mut log = Log::armed([1, 1]);
    log.push(20, armed(R, [1, 1]));
    log.breaks(&["I1"], "round 1 got its stock before");
}

#[test]
fn i1_a_stock_for_a_kind_that_is_not_there() {
    let mut log = Log::armed([1, 1]);
    let mut whats = armed(RoundNo(2), [1, 1]);
    let What::Armed(more) = &mut whats[0] else { unreachable!() };
    more.quantities.push(5);
    log.push(20, whats);
    log.breaks(&["I1"], "round 2 has 3 stocks for 2 kinds");
}

#[test]
fn i1_a_grant_in_a_round_without_a_stock() {
    let mut log = Log::armed([1, 1]);
    let mut pass = bound(1, 1);
    pass.round = RoundNo(2);
    log.push(1_000, vec![What::Bound(pass)]);
    let mut grant = granted(1, 0, 1);
    grant.coupon.round = RoundNo(2);
    log.push(1_000, paid(grant));
    log.breaks(&["I1"], "is grant 1 of a stock of 0");
}

#[test]
fn i2_a_second_coupon_of_a_kind_by_another_pass() {
    let mut log = Log::armed([3, 0]);
    log.grant(1_000, 1, 0);
    let mut second = bound(1, 1);
    second.pass = PassNonce([0x77; 16]);
    second.proofs = [ProofId([0x77; 16]), ProofId([0x78; 16])];
    log.push(1_001, vec![What::Bound(second)]);
    let mut grant = granted(1, 0, 2);
    grant.pass = PassNonce([0x77; 16]);
    log.push(1_002, paid(grant));
    log.breaks(&["I2"], "goes to PersonId(0101..), who got one of these at seq 6");
}

#[test]
fn i4_a_coupon_with_an_end_of_its_own() {
    let mut log = Log::armed([1, 0]);
    let mut grant = granted(1, 0, 1);
    grant.ends_at = ENDS.plus_ms(1);
    log.push(1_000, paid(grant));
    log.breaks(&["I4"], "ends at 1970-01-01T00:00:09.001Z, its round at 1970-01-01T00:00:09.000Z");
}

#[test]
fn i4_an_expiry_before_the_end_and_a_grant_after_it() {
    let mut log = Log::armed([2, 0]);
    log.push(20, armed(RoundNo(2), [2, 0]));
    log.push(2_000, vec![expired(), posted(Reserved, Available, 20)]);
    log.breaks(&["I4"], "round 1 expires at 1970-01-01T00:00:02.000Z, before");
    log.push(2_001, paid(granted(1, 0, 1)));
    log.breaks(&["I4"], "is issued after its round's expiry at seq 7");
}

#[test]
fn i4_a_second_expiry_and_one_without_a_stock() {
    let mut log = Log::armed([1, 0]);
    log.run(9_000, &Command::Expire(C, R));
    log.push(9_001, vec![expired()]);
    log.breaks(&["I4"], "round 1 expired already at seq 6");
    let mut log = Log::armed([1, 0]);
    log.push(20, vec![What::Expired(crate::ledger::event::Expired { round: RoundNo(2) })]);
    log.breaks(&["I4"], "round 2 expires without a stock");
}

#[test]
fn i5_a_grant_without_its_posting() {
    let mut log = Log::armed([2, 0]);
    log.push(1_000, vec![What::Granted(granted(1, 0, 1))]);
    log.breaks(&["I5"], "a posting is missing: campaign 0 pool 0: 10 fen from Reserved to Frozen");
}

#[test]
fn i5_a_grants_posting_in_an_entry_of_its_own() {
    let mut log = Log::armed([2, 0]);
    log.push(1_000, vec![What::Granted(granted(1, 0, 1))]);
    log.push(1_000, vec![posted(Reserved, Frozen, 10)]);
    let audit = log.audit(None);
    breaks(&audit, &["I5"], "seq 7: nothing calls for this posting");
    assert_eq!(audit.checks[4].found, 2);
}

#[test]
fn i5_a_grant_with_another_amount() {
    let mut log = Log::armed([2, 0]);
    log.push(1_000, vec![What::Granted(granted(1, 0, 1)), posted(Reserved, Frozen, 11)]);
    log.breaks(&["I5"], "nothing calls for this posting: campaign 0 pool 0: 11 fen");
}

#[test]
fn i5_money_of_a_pool_that_is_not_there() {
    let mut log = Log::armed([2, 0]);
    let mut whats = paid(granted(1, 0, 1));
    let What::Posted(posting) = &mut whats[1] else { unreachable!() };
    posting.pool = PoolNo(1);
    log.push(1_000, whats);
    log.breaks(&["I5"], "there is no such pool: campaign 0 pool 1");
}

#[test]
fn i5_an_arming_that_sets_aside_too_little() {
    let mut log = Log::armed([2, 0]);
    let mut whats = armed(RoundNo(2), [2, 0]);
    whats[1] = posted(Available, Reserved, 19);
    log.push(20, whats);
    log.breaks(&["I5"], "a posting is missing: campaign 0 pool 0: 20 fen from Available to Reserv");
}

#[test]
fn i5_more_promised_than_there_is() {
    let mut log = Log::armed([2, 0]);
    log.push(20, armed(RoundNo(2), [9, 0]));
    log.breaks(&["I5"], "available -10, reserved 110, frozen 0, consumed 0, payable 0, paid 0 fen of a budget of 100");
}

#[test]
fn i5_more_taken_than_was_set_aside_or_is_frozen() {
    let mut log = Log::armed([2, 0]);
    log.push(20, vec![posted(Reserved, Frozen, 21)]);
    log.breaks(&["I5"], "available 80, reserved -1, frozen 21, consumed 0, payable 0, paid 0 fen of a budget of 100");
    let mut log = Log::armed([2, 0]);
    log.push(20, vec![posted(Frozen, Available, 1)]);
    log.breaks(&["I5"], "available 81, reserved 20, frozen -1, consumed 0, payable 0, paid 0 fen of a budget of 100");
}

#[test]
fn i5_an_expiry_that_does_not_give_all_back() {
    let mut log = Log::armed([2, 1]);
    log.grant(1_000, 1, 0);
    let whats = vec![expired(), posted(Reserved, Available, 10), posted(Reserved, Available, 20)];
    log.push(9_000, whats);
    log.breaks(&["I5"], "a posting is missing: campaign 0 pool 0: 10 fen from Frozen to Available");
}

#[test]
fn i5_money_from_the_treasury_for_no_campaign() {
    let mut log = Log::armed([2, 0]);
    log.push(20, vec![posted(Treasury, Available, 5)]);
    log.breaks(&["I5"], "nothing calls for this posting");
}

#[test]
fn i7_a_grant_between_trip_and_resume() {
    let mut log = Log::armed([2, 0]);
    log.run(1_000, &Command::Trip(C));
    log.push(1_001, paid(granted(1, 0, 1)));
    log.run(1_002, &resume(1_002));
    log.breaks(&["I7"], "seq 7: coupon 0101000000014: issuing was stopped at seq 6");
}

#[test]
fn i7_a_grant_without_a_pass_or_before_it() {
    let mut log = Log::armed([2, 0]);
    log.push(1_000, paid(granted(4, 0, 1)));
    log.push(1_001, vec![What::Bound(bound(4, 4))]);
    log.breaks(&["I7"], "PassNonce(0404..) was not made before");
}

#[test]
fn i7_a_grant_by_somebody_elses_pass() {
    let mut log = Log::armed([2, 0]);
    let mut grant = granted(1, 0, 1);
    grant.pass = PassNonce([2; 16]);
    log.push(1_000, paid(grant));
    log.breaks(&["I7"], "PassNonce(0202..) of seq 4 is not PersonId(0101..)'s");
}

#[test]
fn i7_a_grant_of_a_kind_that_the_pass_does_not_name() {
    let mut log = Log::armed([2, 0]);
    let mut pass = bound(4, 4);
    pass.kinds = KindSet(0b10);
    log.push(20, vec![What::Bound(pass)]);
    log.push(1_000, paid(granted(4, 0, 1)));
    log.breaks(&["I7"], "PassNonce(0404..) of seq 6 does not name kind 0");
}

#[test]
fn i7_a_grant_by_a_pass_that_has_run_out() {
    let mut log = Log::armed([2, 0]);
    log.push(5_000, paid(granted(1, 0, 1)));
    log.breaks(&["I7"], "PassNonce(0101..) of seq 3 ended at 1970-01-01T00:00:05.000Z");
}

#[test]
fn i7_a_pass_spent_twice_for_a_kind() {
    let mut log = Log::armed([2, 0]);
    log.grant(1_000, 1, 0);
    log.push(1_001, paid(granted(1, 0, 2)));
    // The same pass is the same person's, so I2 sees it too.
    log.breaks(&["I2", "I7"], "PassNonce(0101..) of seq 3 was spent for this kind before");
}

#[test]
fn i7_a_grant_outside_the_window() {
    for (at, expires_at) in [(999, 5_000), (9_000, 9_999)] {
        let mut log = Log::armed([2, 0]);
        let mut pass = bound(4, 4);
        pass.expires_at = At(expires_at);
        log.push(20, vec![What::Bound(pass)]);
        log.push(at, paid(granted(4, 0, 1)));
        log.breaks(&["I7"], "is outside its round's window");
    }
}

#[test]
fn i7_a_proof_used_twice() {
    let mut log = Log::armed([2, 0]);
    let mut pass = bound(4, 4);
    pass.proofs[1] = ProofId([1; 16]);
    log.push(20, vec![What::Bound(pass)]);
    log.breaks(&["I7"], "ProofId(0101..) was used before, at seq 3");
}

#[test]
fn i7_an_identifier_of_two_persons() {
    let mut log = Log::armed([2, 0]);
    log.push(20, vec![What::Bound(bound(4, 1))]);
    log.breaks(&["I7"], "a pass for PersonId(0404..), but its Phone belongs to PersonId(0101..)");
}

#[test]
fn i7_a_pass_made_twice() {
    let mut log = Log::armed([2, 0]);
    let mut pass = bound(1, 1);
    pass.proofs = [ProofId([0x77; 16]), ProofId([0x78; 16])];
    log.push(20, vec![What::Bound(pass)]);
    log.breaks(&["I7"], "PassNonce(0101..) was made before, at seq 3");
}
