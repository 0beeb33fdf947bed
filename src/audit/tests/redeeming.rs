//! I1, I4, I5 and I6 of what is redeemed, paid back, settled and adjusted: a sound story up to some entry, and then
//! something else.

use super::log::{breaks, of_persons};
use crate::audit::{Audit, audit};
use crate::domain::calendar::Extension;
use crate::domain::*;
use crate::funds::Account::*;
use crate::ledger::event::Aftermath::{Issued, Returned, Used};
use crate::ledger::event::Release::{AtDeadline, ByTill};
use crate::ledger::event::{Admitted, Armed, Locked, Refunded, Standing, What};
use crate::ledger::made::posted;
use crate::ledger::made::redeeming::{
    MERCHANT, Timed, adjusted, admitted, confirm, confirmed, entries, extended, failed, lock,
    locked, paid, refunded, released, settled, stands, story,
};

/// The first `before` entries of the story, and then these, with decisions of what takes persons.
fn told(before: usize, more: impl IntoIterator<Item = Timed>) -> Audit {
    let all = story().into_iter().take(before).chain(more);
    audit(entries(by_persons(all)).into_iter().map(Ok), None)
}

/// The same with decisions of what takes persons.
pub(super) fn by_persons(all: impl IntoIterator<Item = Timed>) -> Vec<Timed> {
    let all = (0..).zip(all).map(|(no, (at, whats))| {
        let decisions: Vec<What> = whats.iter().filter_map(|what| of_persons(what, no)).collect();
        (at, [decisions, whats].concat())
    });
    all.collect()
}

#[track_caller]
fn found(before: usize, more: impl IntoIterator<Item = Timed>, names: &[&str], finding: &str) {
    breaks(&told(before, more), names, finding);
}

#[track_caller]
fn clean(before: usize, more: impl IntoIterator<Item = Timed>) {
    found(before, more, &[], "clean");
}

fn pay_back(at: i64, refunded: Refunded, posted: Option<What>) -> Timed {
    (at, [What::Refunded(refunded)].into_iter().chain(posted).collect())
}

/// Order 9 of the second coupon, locked with something else than is usual.
fn otherwise(change: impl FnOnce(&mut Locked)) -> [Timed; 1] {
    let mut locked = locked(9, 2_000, 2, 0, 2);
    change(&mut locked);
    [(2_000, vec![What::Locked(locked)])]
}

#[test]
fn all_that_can_be_by_the_rules_is_clean() {
    let audit = told(usize::MAX, []);
    breaks(&audit, &[], "audit up to seq 40: clean");
    let rows: Vec<_> = audit.checks.iter().map(|check| (check.name, check.rows)).collect();
    assert_eq!(
        rows,
        [
            ("journal", 40),
            ("I1", 7),
            ("I2", 5),
            ("I4", 24),
            ("I5", 27),
            ("I6", 18),
            ("I7", 9),
            ("decisions", 20)
        ]
    );
}

#[test]
fn i1_a_round_is_armed_with_what_was_decided_of_it_last() {
    let arm = |quantities: [u32; 2]| {
        let round = RoundNo(2);
        let window = Window { from: At(11_000), until: At(19_000) };
        let armed = What::Armed(Armed { round, window, quantities: quantities.to_vec() });
        let money = |(units, face)| posted(Available, Reserved, u64::from(units) * face);
        let money = quantities.into_iter().zip([10, 20]).map(money);
        (9_600, [armed].into_iter().chain(money).collect())
    };
    clean(40, [arm([2, 1])]);
    let finding = "seq 41: round 2 gets another stock than was decided at seq 13";
    found(40, [arm([1, 0])], &["I1"], finding);
    let finding = "seq 42: round 2 is adjusted and has its stock already";
    found(40, [arm([2, 1]), (9_700, vec![adjusted(3, [2, 1])])], &["I1"], finding);
    for version in [0, 2, 4] {
        let finding = format!("seq 41: round 2 has version {version} where 3 was next");
        found(40, [(9_600, vec![adjusted(version, [2, 1])])], &["I1"], &finding);
    }
    let What::Adjusted(mut short) = adjusted(3, [2, 1]) else { unreachable!() };
    short.quantities.pop();
    let finding = "seq 41: round 2 has 1 stocks for 2 kinds";
    found(40, [(9_600, vec![What::Adjusted(short)])], &["I1", "decisions"], finding);
}

#[test]
fn r_adj_2_i1_further_rounds_are_decided_in_time_one_after_the_other_and_armed_as_decided() {
    let arm = |round: u8, from: i64, quantities: [u32; 2]| {
        let window = Window { from: At(from), until: At(from + 8_000) };
        let round = RoundNo(round);
        let armed = What::Armed(Armed { round, window, quantities: quantities.to_vec() });
        let money = |(units, face)| posted(Available, Reserved, u64::from(units) * face);
        let money = quantities.into_iter().zip([10, 20]).map(money);
        (20_500, [armed].into_iter().chain(money).collect())
    };
    let extend = |at| (at, vec![extended([1, 1])]);
    let changed = |change: fn(&mut Extension)| {
        let What::Extended(mut it) = extended([1, 1]) else { unreachable!() };
        change(&mut it.extension);
        (19_000, vec![What::Extended(it)])
    };
    let second = |ended, first| {
        let What::Extended(mut it) = extended([0, 1]) else { unreachable!() };
        let windows = vec![Window { from: At(41_000), until: At(49_000) }];
        let (ended, ends, first) = (At(ended), At(50_000), RoundNo(first));
        it.extension = Extension { ended, ends, first, windows };
        (19_999, vec![What::Extended(it)])
    };
    clean(40, [extend(19_999), second(40_000, 5), arm(3, 21_000, [1, 1])]);
    let found = |more: Vec<Timed>, finding: &str| found(40, more, &["I1"], finding);
    found(vec![extend(20_000)], "seq 41: rounds from 3 on are decided after the end");
    found(vec![changed(|it| it.windows.reverse())], "seq 41: rounds from 3 on are not one after");
    let follow = "seq 42: rounds from 6 on don't follow the extension before them";
    found(vec![extend(19_000), second(40_000, 6)], follow);
    let follow = "seq 42: rounds from 5 on don't follow";
    found(vec![extend(19_000), second(39_000, 5)], follow);
    let other = "seq 42: round 3 opens or ends otherwise than decided";
    found(vec![extend(19_000), arm(3, 21_001, [1, 1])], other);
    let other = "seq 42: round 3 gets another stock than was decided at seq 41";
    found(vec![extend(19_000), arm(3, 21_000, [1, 0])], other);
    let beyond = "seq 42: round 5 is beyond those that were decided";
    found(vec![extend(19_000), arm(5, 41_000, [1, 1])], beyond);
    let late = "seq 42: round 3 is adjusted and has its stock already";
    found(vec![arm(3, 21_000, [1, 1]), (20_500, changed(|it| it.ended = At(30_000)).1)], late);
}

#[test]
fn i4_a_coupon_that_is_held_or_used_or_gone_pays_for_nothing_else() {
    let held = "seq 19: coupon 0101000000014 is locked for RedemptionId(0909..), but is held for \
                RedemptionId(0101..)";
    found(18, [lock(9, 2_000, 1, 0, 1)], &["I4"], held);
    let used = "but was used for RedemptionId(0101..)";
    found(19, [lock(9, 2_200, 1, 0, 1)], &["I4"], used);
    // Past its end, so in I6 as well.
    let returned = "but was returned after its end";
    found(39, [lock(9, 9_600, 4, 0, 4)], &["I4", "I6"], returned);
    found(38, [lock(9, 9_600, 2, 0, 2)], &["I4", "I6"], "but expired at seq 37");
    found(17, [lock(9, 2_000, 2, 0, 6)], &["I4"], "but was never issued");
}

#[test]
fn i4_an_order_is_locked_again_only_if_it_was_released() {
    let open = "seq 19: RedemptionId(0101..) is locked, but was locked at seq 18";
    found(18, [lock(1, 2_000, 2, 0, 2)], &["I4"], open);
    let paid = "seq 20: RedemptionId(0101..) is locked, but was confirmed at seq 19";
    found(19, [lock(1, 2_200, 2, 0, 2)], &["I4"], paid);
    clean(21, [lock(2, 2_400, 3, 0, 3)]);
}

#[test]
fn i4_what_is_confirmed_or_released_is_open() {
    let twice = "seq 20: RedemptionId(0101..) is confirmed, but was confirmed at seq 19";
    found(19, [confirm(1, 2_200, 10)], &["I4"], twice);
    let late = "seq 22: RedemptionId(0202..) is confirmed, but was released at seq 21";
    found(21, [confirm(2, 2_400, 10)], &["I4"], late);
    // Nobody knows whose money it is.
    let never = "seq 18: RedemptionId(0909..) is confirmed, but was never locked";
    found(17, [confirm(9, 2_000, 10)], &["I4", "I5"], never);
    for (no, why) in [(1, "was confirmed at seq 19"), (9, "was never locked")] {
        let finding = format!("is released, but {why}");
        found(19, [(2_200, vec![released(no, ByTill)])], &["I4"], &finding);
    }
}

#[test]
fn i4_what_is_paid_back_was_paid_and_its_coupon_is_used_for_it() {
    let little = refunded(1, 9, 1, 0, Used);
    let open = "seq 19: RedemptionId(0101..) is paid back, but was locked at seq 18";
    found(18, [pay_back(2_000, little, None)], &["I4"], open);
    let never = "seq 18: RedemptionId(0101..) is paid back, but was never locked";
    found(17, [pay_back(2_000, little, None)], &["I4"], never);
    // There is nothing left of the order either.
    let again = "is paid back, but coupon 0102000000012 is not used for it";
    found(27, [pay_back(3_000, refunded(3, 9, 1, 0, Used), None)], &["I4", "I6"], again);
}

#[test]
fn i4_a_coupon_is_issued_again_before_its_end_and_returned_after_it() {
    let whole = |no, coupon| refunded(no, 9, 500, 10, coupon);
    let back =
        |at, no, coupon, to| [pay_back(at, whole(no, coupon), Some(posted(Consumed, to, 10)))];
    clean(35, back(8_999, 6, Issued, Frozen));
    let late = "coupon 0101000000048 is issued again after its end 1970-01-01T00:00:09.000Z";
    found(35, back(9_000, 6, Issued, Frozen), &["I4"], late);
    clean(35, back(9_000, 6, Returned, Available));
    let early = "coupon 0101000000048 is returned before its end 1970-01-01T00:00:09.000Z";
    found(35, back(8_999, 6, Returned, Available), &["I4"], early);
    clean(35, back(9_000, 6, Used, Available));
}

#[test]
fn i5_a_lock_moves_no_money_and_a_confirmation_the_face() {
    let mut moving = lock(9, 2_000, 2, 0, 2);
    moving.1.push(posted(Frozen, Consumed, 10));
    found(17, [moving], &["I5"], "seq 18: nothing calls for this posting");
    let missing = "seq 19: a posting is missing: campaign 0 pool 0: 10 fen from Frozen to Consumed";
    found(18, [(2_100, vec![confirmed(1)])], &["I5"], missing);
    for fen in [9, 11] {
        found(18, [confirm(1, 2_100, fen)], &["I5"], missing);
    }
    found(18, [(2_100, vec![confirmed(1), posted(Frozen, Available, 10)])], &["I5"], missing);
}

#[test]
fn i5_a_release_frees_the_money_once_the_round_has_expired_and_not_before() {
    let release = |no, at, posted: Option<What>| {
        (at, [released(no, AtDeadline)].into_iter().chain(posted).collect())
    };
    let free = || Some(posted(Frozen, Available, 10));
    clean(20, [release(2, 2_700, None)]);
    found(20, [release(2, 2_700, free())], &["I5"], "seq 21: nothing calls for this posting");
    clean(37, [release(5, 9_400, free())]);
    let missing =
        "seq 38: a posting is missing: campaign 0 pool 0: 10 fen from Frozen to Available";
    found(37, [release(5, 9_400, None)], &["I5"], missing);
}

#[test]
fn i5_an_expiry_leaves_what_is_held_and_used() {
    let expire = |fen| {
        let mut expired = story().remove(36);
        expired.1[2] = posted(Frozen, Available, fen);
        expired
    };
    // Two were used, one of them given back later, one is held, one was given back in time.
    clean(36, [expire(10)]);
    let missing =
        "seq 37: a posting is missing: campaign 0 pool 0: 10 fen from Frozen to Available";
    for fen in [0, 20, 30] {
        found(36, [expire(fen)], &["I5"], missing);
    }
    // What was released before is not held any more, though it ran out before the round was seen to.
    let release = (9_400, vec![released(5, AtDeadline)]);
    let (_, ended) = expire(20);
    clean(36, [release.clone(), (9_400, ended)]);
    let (_, ended) = expire(10);
    let missing =
        "seq 38: a posting is missing: campaign 0 pool 0: 20 fen from Frozen to Available";
    found(36, [release, (9_400, ended)], &["I5"], missing);
}

#[test]
fn i5_what_is_taken_back_goes_where_it_belongs() {
    let half = refunded(1, 9, 250, 5, Used);
    let whole = refunded(1, 9, 500, 10, Issued);
    let back = |it, posted| [pay_back(2_200, it, posted)];
    clean(19, back(half, Some(posted(Consumed, Available, 5))));
    clean(19, back(whole, Some(posted(Consumed, Frozen, 10))));
    let missing = "a posting is missing: campaign 0 pool 0: 5 fen from Consumed to Available";
    found(19, back(half, None), &["I5"], missing);
    found(19, back(half, Some(posted(Consumed, Frozen, 5))), &["I5"], missing);
    let missing = "a posting is missing: campaign 0 pool 0: 10 fen from Consumed to Frozen";
    found(19, back(whole, Some(posted(Consumed, Available, 10))), &["I5"], missing);
    let owed = Refunded { owed: true, ..half };
    let finding = "seq 20: RedemptionId(0101..) was not settled; it is told otherwise";
    found(19, back(owed, None), &["I5"], finding);
}

#[test]
fn i5_what_was_settled_is_owed_and_a_coupon_that_comes_back_is_lent_its_money() {
    let whole = refunded(2, 9, 500, 10, Issued);
    let owed = Refunded { owed: true, ..whole };
    let back = |it, posted| [pay_back(3_500, it, posted)];
    clean(32, back(owed, Some(posted(Available, Frozen, 10))));
    clean(32, back(Refunded { coupon: Used, ..owed }, None));
    let missing = "a posting is missing: campaign 0 pool 0: 10 fen from Available to Frozen";
    found(32, back(owed, None), &["I5"], missing);
    let finding = "seq 33: RedemptionId(0202..) was settled before; it is told otherwise";
    let audit = told(32, back(whole, Some(posted(Consumed, Frozen, 10))));
    breaks(&audit, &["I5"], finding);
    assert!(audit.to_string().contains("consumed -10"), "{audit}");
    // What was confirmed after the settlement of others is not settled.
    let later = refunded(6, 9, 250, 5, Used);
    clean(35, [pay_back(8_900, later, Some(posted(Consumed, Available, 5)))]);
}

#[test]
fn i5_a_batch_takes_all_that_is_due_once() {
    let settle = |at, batch, consumed, owed| {
        let (off, rest) =
            (posted(Consumed, Available, owed), posted(Consumed, Payable, consumed - owed));
        [(at, vec![settled(batch, consumed, owed), off, rest])]
    };
    clean(29, settle(3_200, 1, 35, 0));
    let less =
        "seq 30: MerchantNo(7) of pool 0 in batch 1: 34 fen and 0 off, where 35 and 0 were due";
    found(29, settle(3_200, 1, 34, 0), &["I5"], less);
    let audit = told(29, settle(3_200, 1, 45, 0));
    breaks(&audit, &["I5"], "45 fen and 0 off, where 35 and 0 were due");
    assert!(audit.to_string().contains("consumed -10, payable 45"), "{audit}");
    found(30, settle(3_300, 2, 35, 0), &["I5"], "35 fen and 0 off, where 0 and 0 were due");
    // Ten of order 5 are due, ten of order 2 are owed.
    clean(39, settle(9_500, 2, 10, 10));
    found(39, settle(9_500, 2, 10, 0), &["I5"], "10 fen and 0 off, where 10 and 10 were due");
    found(39, settle(9_500, 2, 10, 9), &["I5"], "10 fen and 9 off, where 10 and 10 were due");
    let again = "seq 40: MerchantNo(7) of pool 0 in batch 1: it is there since seq 30";
    found(39, settle(9_500, 1, 10, 10), &["I5"], again);
    let before = "seq 40: MerchantNo(7) of pool 0 in batch 0: batch 1 was begun before";
    found(39, settle(9_500, 0, 10, 10), &["I5"], before);
    let missing = "a posting is missing: campaign 0 pool 0: 35 fen from Consumed to Payable";
    found(29, [(3_200, vec![settled(1, 35, 0)])], &["I5"], missing);
    found(29, [(3_200, vec![posted(Consumed, Payable, 35)])], &["I5"], "nothing calls for this");
}

#[test]
fn i5_what_is_owed_is_taken_off_once_and_the_rest_stays_owed() {
    // Order 5 is paid back by half: five are due, of the ten that are owed.
    let half = pay_back(9_450, refunded(5, 9, 250, 5, Used), Some(posted(Consumed, Available, 5)));
    let settle =
        |batch, consumed, owed, posted| (9_500, vec![settled(batch, consumed, owed), posted]);
    let off = |batch| settle(batch, 5, 5, posted(Consumed, Available, 5));
    clean(39, [half.clone(), off(2)]);
    // Five are still owed when the next order is settled, and none when the one after it is.
    let more = [
        (1_900, vec![admitted(7, 0)]),
        lock(9, 2_000, 3, 0, 3),
        confirm(9, 2_100, 10),
        (2_200, vec![settled(1, 10, 0), posted(Consumed, Payable, 10)]),
        pay_back(2_300, Refunded { owed: true, ..refunded(9, 9, 500, 10, Used) }, None),
        lock(8, 2_400, 4, 0, 4),
        confirm(8, 2_500, 10),
        pay_back(2_600, refunded(8, 8, 250, 5, Used), Some(posted(Consumed, Available, 5))),
        (2_700, vec![settled(2, 5, 5), posted(Consumed, Available, 5)]),
        lock(7, 2_800, 1, 1, 1),
        confirm(7, 2_900, 20),
    ];
    let last = |owed: u64| {
        let (off, rest) = (posted(Consumed, Available, owed), posted(Consumed, Payable, 20 - owed));
        (3_000, vec![settled(3, 20, owed), off, rest])
    };
    clean(13, more.iter().cloned().chain([last(5)]));
    let finding = "20 fen and 10 off, where 20 and 5 were due";
    found(13, more.iter().cloned().chain([last(10)]), &["I5"], finding);
}

#[test]
fn i5_nothing_is_settled_for_a_merchant_that_is_held() {
    let settle = || (3_200, vec![settled(1, 35, 0), posted(Consumed, Payable, 35)]);
    for (standing, stops) in [
        (Standing::Held, true),
        (Standing::SuspendedAndHeld, true),
        (Standing::Suspended, false),
        (Standing::Active, false),
    ] {
        let audit = told(29, [(3_200, vec![stands(7, standing)]), settle()]);
        if stops {
            breaks(
                &audit,
                &["I5"],
                "seq 31: MerchantNo(7) of pool 0 in batch 1: its settlement is stopped",
            );
        } else {
            breaks(&audit, &[], "clean");
        }
    }
}

#[test]
fn i5_a_batch_pays_once_and_what_it_has() {
    let pay = |batch, fen| [(3_500, vec![paid(batch, fen), posted(Payable, Paid, fen)])];
    let again = told(32, pay(1, 35));
    breaks(&again, &["I5"], "seq 33: MerchantNo(7) of pool 0 in batch 1: it was paid at seq 32");
    assert!(again.to_string().contains("payable -35, paid 70"), "{again}");
    clean(30, pay(1, 35));
    found(31, pay(1, 34), &["I5"], "34 fen are paid where 35 were payable");
    found(31, pay(2, 35), &["I5"], "in batch 2: it is paid and was never settled");
    let missing = "a posting is missing: campaign 0 pool 0: 35 fen from Payable to Paid";
    found(31, [(3_500, vec![paid(1, 35)])], &["I5"], missing);
    // As often as it takes.
    clean(31, [(3_350, vec![failed(1)])]);
    for (before, batch) in [(32, 1), (31, 2)] {
        let finding = "a payment failed and there was none to be made";
        found(before, [(3_500, vec![failed(batch)])], &["I5"], finding);
    }
}

#[test]
fn i5_no_account_after_the_coupons_is_below_zero() {
    let post = |from, to| [(9_600, vec![posted(from, to, 40)])];
    let consumed = "consumed -40, payable 40, paid 35 fen of a budget of 200";
    found(40, post(Consumed, Payable), &["I5"], consumed);
    found(40, post(Payable, Paid), &["I5"], "payable -40, paid 75 fen of a budget of 200");
    found(40, post(Paid, Available), &["I5"], "payable 0, paid -5 fen of a budget of 200");
}

#[test]
fn i6_a_coupon_is_its_holders() {
    let finding = "seq 18: coupon 0101000000014 for RedemptionId(0909..): PersonId(0202..) is not its \
                   holder, PersonId(0101..) is";
    found(17, [lock(9, 2_000, 2, 0, 1)], &["I6"], finding);
}

#[test]
fn i6_a_coupon_is_locked_before_its_end_and_confirmed_before_the_deadline() {
    clean(35, [lock(9, 8_999, 3, 0, 3)]);
    let finding = "at 1970-01-01T00:00:09.000Z it is not valid, but from 1970-01-01T00:00:01.000Z to \
                   1970-01-01T00:00:09.000Z";
    found(35, [lock(9, 9_000, 3, 0, 3)], &["I6"], finding);
    clean(18, [confirm(1, 2_499, 10)]);
    let late = "seq 19: RedemptionId(0101..) is confirmed at 1970-01-01T00:00:02.500Z, was held until \
                1970-01-01T00:00:02.500Z";
    found(18, [confirm(1, 2_500, 10)], &["I6"], late);
    // Locked before the end, confirmed after it.
    clean(37, [confirm(5, 9_399, 10)]);
    found(37, [confirm(5, 9_400, 10)], &["I6"], "is confirmed at 1970-01-01T00:00:09.400Z");
}

#[test]
fn i6_a_lock_has_a_deadline_and_is_released_at_it_or_by_the_till() {
    for until in [1_999, 2_000, 2_000 + 86_400_001] {
        let finding = "it is held from 1970-01-01T00:00:02.000Z until";
        found(17, otherwise(|it| it.until = At(until)), &["I6"], finding);
    }
    clean(17, otherwise(|it| it.until = At(2_000 + 86_400_000)));
    let release = |at, why| [(at, vec![released(2, why)])];
    clean(20, release(2_699, ByTill));
    clean(20, release(2_700, AtDeadline));
    let finding = "RedemptionId(0202..) is released at 1970-01-01T00:00:02.699Z, is held until";
    found(20, release(2_699, AtDeadline), &["I6"], finding);
}

#[test]
fn i6_a_merchant_is_admitted_active_and_of_the_coupons_category() {
    let at = |merchant| otherwise(move |it| it.merchant = MerchantNo(merchant));
    let finding =
        "seq 18: coupon 0101000000022 for RedemptionId(0909..): MerchantNo(9) was not admitted";
    found(17, at(9), &["I6"], finding);
    found(17, at(8), &["I6"], "MerchantNo(8) is SuspendedAndHeld");
    for (standing, redeems) in [
        (Standing::Suspended, false),
        (Standing::SuspendedAndHeld, false),
        (Standing::Held, true),
        (Standing::Active, true),
    ] {
        let stood =
            [(1_300, vec![stands(7, Standing::Suspended)]), (1_300, vec![stands(7, standing)])];
        let audit = told(17, stood.into_iter().chain(at(7)));
        let names: &[&str] = if redeems { &[] } else { &["I6"] };
        breaks(&audit, names, if redeems { "clean" } else { "MerchantNo(7) is Suspended" });
    }
    let (merchant, cap) = (MERCHANT, Fen::ZERO);
    let other = What::Admitted(Admitted { merchant, categories: PoolSet(0b10), cap });
    let finding = "MerchantNo(7) does not take its category";
    found(17, [(1_300, vec![other])].into_iter().chain(at(7)), &["I6"], finding);
    // It was another one when it was locked: how it stands later is of no matter.
    clean(18, [(2_050, vec![stands(7, Standing::Suspended)]), confirm(1, 2_100, 10)]);
}

#[test]
fn i6_an_order_is_of_the_least_amount_at_least() {
    clean(17, otherwise(|it| it.amount = Fen::new(50)));
    let finding = "an order of 49 fen, where 50 is the least";
    found(17, otherwise(|it| it.amount = Fen::new(49)), &["I6"], finding);
}

#[test]
fn i6_a_merchant_takes_no_more_than_its_cap() {
    let capped = |cap| (1_300, vec![admitted(7, cap)]);
    clean(17, [capped(20), lock(8, 2_000, 1, 0, 1), lock(9, 2_000, 2, 0, 2)]);
    let finding = "seq 20: coupon 0101000000022 for RedemptionId(0909..): MerchantNo(7) has taken 20 \
                   fen, of at most 19";
    found(17, [capped(19), lock(8, 2_000, 1, 0, 1), lock(9, 2_000, 2, 0, 2)], &["I6"], finding);
    // What was released or taken back makes room.
    let release = (2_100, vec![released(8, ByTill)]);
    clean(17, [capped(10), lock(8, 2_000, 1, 0, 1), release, lock(9, 2_200, 2, 0, 2)]);
    let half = |refunded| {
        let back = Some(posted(Consumed, Available, 5));
        [
            capped(15),
            lock(8, 2_000, 1, 0, 1),
            confirm(8, 2_100, 10),
            pay_back(2_200, refunded, back),
            lock(9, 2_300, 2, 0, 2),
        ]
    };
    clean(17, half(refunded(8, 8, 250, 5, Used)));
}

#[test]
fn i6_a_refund_is_made_once_and_of_no_more_than_the_order() {
    let back = |it: Refunded| {
        let posted = posted(Consumed, Available, it.back.get());
        [pay_back(3_000, it, Some(posted))]
    };
    // Half of order 1 was paid back by refund 1.
    clean(26, back(refunded(1, 9, 250, 5, Used)));
    let again = "seq 27: RefundId(0101..) was made before, at seq 26";
    found(26, back(refunded(1, 1, 250, 5, Used)), &["I6"], again);
    let more = "seq 27: RefundId(0909..) of RedemptionId(0101..): 251 fen are paid back of 250";
    found(26, back(refunded(1, 9, 251, 5, Used)), &["I6"], more);
    found(26, back(refunded(1, 9, 0, 0, Used)), &["I6"], "0 fen are paid back of 250");
}

#[test]
fn i6_a_refund_takes_back_its_share_of_the_face() {
    let back = |amount, fen, coupon, to| {
        let posted = Some(posted(Consumed, to, fen));
        [pay_back(2_200, refunded(1, 9, amount, fen, coupon), posted)]
    };
    // Of ten for five hundred, half a fen is one.
    for (amount, right) in [(500, 10), (499, 10), (474, 9), (250, 5), (25, 1), (24, 0)] {
        clean(19, back(amount, right, Used, Available));
        let wrong = if right == 10 { 9 } else { right + 1 };
        let finding = format!("{wrong} fen of the face are taken back where {right} were due");
        found(19, back(amount, wrong, Used, Available), &["I6"], &finding);
    }
    // One of the ten was taken back for the first part, which leaves nine for the last one.
    let rest = |fen| {
        let rest = refunded(1, 8, 475, fen, Used);
        let [first] = back(25, 1, Used, Available);
        [first, pay_back(2_300, rest, Some(posted(Consumed, Available, fen)))]
    };
    clean(19, rest(9));
    found(19, rest(8), &["I6"], "8 fen of the face are taken back where 9 were due");
    clean(19, back(500, 10, Issued, Frozen));
    let part = "the coupon is given back for a part of the order";
    found(19, back(499, 10, Issued, Frozen), &["I6"], part);
    let last = refunded(1, 9, 250, 5, Issued);
    found(26, [pay_back(2_850, last, Some(posted(Consumed, Frozen, 5)))], &["I6"], part);
}

/// At the edges of numbers, and in any order.
#[test]
fn nothing_about_redemptions_that_can_be_decoded_stops_the_audit() {
    let most = Fen::new(u64::MAX);
    let huge = refunded(1, 9, u64::MAX, u64::MAX, Issued);
    let mut odd = locked(1, 0, 9, 31, u32::MAX);
    (odd.amount, odd.until) = (most, At(i64::MAX));
    let all: Vec<What> = vec![
        What::Refunded(huge),
        released(1, AtDeadline),
        confirmed(1),
        What::Locked(odd),
        What::Locked(odd),
        confirmed(1),
        confirmed(1),
        What::Refunded(huge),
        What::Refunded(Refunded { owed: true, ..huge }),
        released(1, ByTill),
        settled(u32::MAX, 0, u64::MAX),
        settled(u32::MAX, u64::MAX, 0),
        settled(0, u64::MAX, u64::MAX),
        paid(u32::MAX, u64::MAX),
        failed(u32::MAX),
        adjusted(u32::MAX, [u32::MAX; 2]),
        extended([u32::MAX; 2]),
        extended([u32::MAX; 2]),
        stands(u32::MAX, Standing::Held),
        admitted(u32::MAX, u64::MAX),
        posted(Paid, Consumed, u64::MAX),
    ];
    for before in [1, 6, 19, 40] {
        let all = all.iter().cloned();
        let one_each = all.clone().map(|what| (i64::MAX, vec![what]));
        for more in [vec![(i64::MIN, all.collect())], one_each.collect()] {
            assert!(!told(before, more).clean);
        }
    }
}
