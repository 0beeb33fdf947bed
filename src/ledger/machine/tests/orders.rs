//! Orders: which coupon pays, locked, confirmed, released, lapsed.

use super::town::{Town, check, order};
use super::*;
use crate::domain::CouponState;

#[test]
fn r_redeem_4_money_goes_from_frozen_to_the_merchant_by_way_of_lock_confirm_batch_and_payment() {
    check(
        "
        1000 claim 1 0          -> granted
        .    money 0            -> 30 60 10 0 0 0
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    coupon 1 0         -> locked
        .    money 0            -> 30 60 10 0 0 0
        2100 confirm a 7        -> ten confirmed at 2100
        .    coupon 1 0         -> used
        .    money 0            -> 30 60 0 10 0 0
        .    settle 1 7 0       -> 10 due less 0
        .    money 0            -> 30 60 0 0 10 0
        .    paid 1 7           -> done
        .    money 0            -> 30 60 0 0 0 10
        9000 expire             -> done
        .    money 0            -> 90 0 0 0 0 10
        ",
    );
}

#[test]
fn r_redeem_4_asking_again_changes_nothing_and_is_told_the_same() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 1          -> granted
        .    admit 7 01 0       -> done
        .    admit 7 01 0       -> done
        2000 lock a 7 1 100     -> twenty locked until 2600
        2300 lock a 7 1 100     -> twenty locked until 2600
        .    lock a 7 1 100 1 1 -> twenty locked until 2600
        2400 confirm a 7        -> twenty confirmed at 2400
        2500 confirm a 7        -> twenty confirmed at 2400
        2600 lock a 7 1 100     -> twenty confirmed at 2400
        .    release a 7        -> order_conflict
        3000 lock b 7 1 50      -> ten locked until 3600
        3100 release b 7        -> ten released at 3100 by the till
        3200 release b 7        -> ten released at 3100 by the till
        .    confirm b 7        -> lock_expired
        .    recall b 7         -> ten released at 3100 by the till
        .    coupon 1 0         -> unused
        .    money 0            -> 30 40 10 20 0 0
        ",
    );
}

#[test]
fn r_redeem_4_an_order_of_another_amount_choice_or_person_is_in_conflict_unless_it_was_released() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 1          -> granted
        .    claim 2 0          -> granted
        .    admit 7 01 0       -> done
        .    admit 8 01 0       -> done
        2000 lock a 7 1 100     -> twenty locked until 2600
        .    lock a 7 1 101     -> order_conflict
        .    lock a 7 1 100 1 0 -> order_conflict
        .    lock a 7 2 100     -> order_conflict
        .    lock a 8 2 100     -> ten locked until 2600
        2100 release a 7        -> twenty released at 2100 by the till
        2200 lock a 7 1 101 1 0 -> ten locked until 2800
        2300 confirm a 7        -> ten confirmed at 2300
        ",
    );
}

#[test]
fn r_redeem_4_an_order_that_is_paid_at_once_is_locked_and_confirmed_in_one_entry() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    claim 3 0          -> granted
        .    admit 7 01 0       -> done
        2000 pay a 7 1 50       -> ten confirmed at 2000
        .    coupon 1 0         -> used
        .    money 0            -> 30 40 20 10 0 0
        2100 pay a 7 1 50       -> ten confirmed at 2000
        .    lock a 7 1 50      -> ten confirmed at 2000
        .    pay b 7 2 49       -> below_threshold
        .    lock b 7 2 50      -> ten locked until 2700
        2200 pay b 7 2 50       -> ten confirmed at 2200
        .    lock c 7 3 50      -> ten locked until 2800
        2800 pay c 7 3 50       -> lock_expired
        .    lapse              -> done
        .    pay c 7 3 50       -> ten confirmed at 2800
        9000 expire             -> done
        .    money 0            -> 70 0 0 30 0 0
        ",
    );
}

#[test]
fn r_redeem_4_a_lock_may_be_confirmed_until_its_deadline_and_not_at_it() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    lock b 7 2 50      -> ten locked until 2600
        2599 lapse              -> done
        .    confirm a 7        -> ten confirmed at 2599
        2600 confirm b 7        -> lock_expired
        .    coupon 2 0         -> locked
        .    lapse              -> done
        .    coupon 2 0         -> unused
        .    confirm b 7        -> lock_expired
        .    recall b 7         -> ten released at 2600 at its deadline
        .    release b 7        -> ten released at 2600 at its deadline
        .    confirm a 7        -> ten confirmed at 2599
        2700 lock b 7 2 50      -> ten locked until 3300
        ",
    );
}

#[test]
fn r_redeem_4_r_cal_2_a_lock_of_before_the_end_is_confirmed_after_it_and_none_is_made_at_it() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    admit 7 01 0       -> done
        8999 lock a 7 1 50      -> ten locked until 9599
        9000 lock b 7 2 50      -> coupon_expired
        .    lock b 7 2 50 2 0  -> coupon_expired
        9598 confirm a 7        -> ten confirmed at 9598
        .    money 0            -> 30 50 10 10 0 0
        .    expire             -> done
        .    money 0            -> 90 0 0 10 0 0
        ",
    );
}

#[test]
fn r_redeem_4_r_fund_2_what_is_locked_when_its_round_expires_moves_its_own_money() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    claim 3 0          -> granted
        .    claim 1 1          -> granted
        .    admit 7 01 0       -> done
        8900 lock a 7 1 50 1 0  -> ten locked until 9500
        .    lock b 7 2 50      -> ten locked until 9500
        .    lock c 7 1 100     -> twenty locked until 9500
        8950 release c 7        -> twenty released at 8950 by the till
        9000 lock d 7 1 100     -> coupon_locked
        .    money 0            -> 30 20 50 0 0 0
        .    expire             -> done
        .    money 0            -> 80 0 20 0 0 0
        .    expire             -> done
        .    money 0            -> 80 0 20 0 0 0
        9100 confirm a 7        -> ten confirmed at 9100
        .    money 0            -> 80 0 10 10 0 0
        9200 release b 7        -> ten released at 9200 by the till
        .    money 0            -> 90 0 0 10 0 0
        .    coupon 2 0         -> unused
        .    lock b 7 2 50      -> coupon_expired
        ",
    );
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        8999 lock a 7 1 50      -> ten locked until 9599
        9000 expire             -> done
        9599 confirm a 7        -> lock_expired
        .    money 0            -> 90 0 10 0 0 0
        .    lapse              -> done
        .    money 0            -> 100 0 0 0 0 0
        .    lapse              -> done
        ",
    );
    // Released before its round has expired, though past its end: the expiry gives its money back.
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        8999 lock a 7 1 50      -> ten locked until 9599
        9001 release a 7        -> ten released at 9001 by the till
        .    money 0            -> 30 60 10 0 0 0
        .    expire             -> done
        .    money 0            -> 100 0 0 0 0 0
        ",
    );
}

#[test]
fn r_kind_2_an_order_of_exactly_the_threshold_is_enough() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 49      -> below_threshold
        .    lock a 7 1 49 1 0  -> below_threshold
        .    lock a 7 1 50      -> ten locked until 1600
        ",
    );
}

#[test]
fn r_kind_3_one_coupon_pays_for_one_order() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 1          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 200     -> twenty locked until 2600
        .    lock b 7 1 200 1 1 -> coupon_locked
        .    confirm a 7        -> twenty confirmed at 2000
        .    lock b 7 1 200 1 1 -> coupon_used
        .    lock b 7 1 200     -> ten locked until 2600
        .    lock c 7 1 200     -> coupon_locked
        .    confirm b 7        -> ten confirmed at 2000
        .    lock c 7 1 200     -> coupon_used
        ",
    );
}

#[test]
fn r_kind_4_a_coupon_is_redeemed_under_its_own_category() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 2          -> granted
        .    admit 7 01 0       -> done
        .    admit 8 10 0       -> done
        .    admit 9 11 0       -> done
        .    admit 5 100 0      -> a merchant has one or more of the campaign's categories
        .    admit 5 0 0        -> a merchant has one or more of the campaign's categories
        2000 lock a 7 1 100 1 2 -> wrong_category
        .    lock a 7 1 100     -> ten locked until 2600
        .    lock a 8 1 49      -> below_threshold
        .    lock b 8 1 100 1 0 -> coupon_locked
        .    lock b 8 1 100     -> meal locked until 2600
        .    release b 8        -> meal released at 2000 by the till
        .    release a 7        -> ten released at 2000 by the till
        .    admit 8 01 0       -> done
        .    lock c 8 1 100     -> ten locked until 2600
        ",
    );
}

#[test]
fn r_redeem_3_the_largest_that_fits_is_picked_or_the_one_that_was_chosen() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 1          -> granted
        .    claim 1 2          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 99      -> ten locked until 2600
        .    release a 7        -> ten released at 2000 by the till
        .    lock a 7 1 100     -> twenty locked until 2600
        .    release a 7        -> twenty released at 2000 by the till
        .    lock a 7 1 100 1 0 -> ten locked until 2600
        ",
    );
}

#[test]
fn r_redeem_6_r_who_4_who_has_no_coupon_or_anothers_is_told_so() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 2 50      -> no_coupon
        .    lock a 7 2 50 1 0  -> not_the_holder
        .    lock a 7 2 1 1 0   -> not_the_holder
        .    claim 2 0          -> granted
        .    lock a 7 2 50 1 0  -> not_the_holder
        .    confirm a 7        -> order_unknown
        .    release a 7        -> order_unknown
        .    refund a 7 1 x     -> order_unknown
        .    recall a 7         -> order_unknown
        ",
    );
}

#[test]
fn r_redeem_4_a_dead_code_is_answered_only_if_it_was_the_orders_own() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    recall a 7 1       -> code_dead
        .    lock a 7 1 50      -> ten locked until 1600
        .    recall a 7 1       -> ten locked until 1600
        .    recall a 7 2       -> code_dead
        .    recall a 8 1       -> code_dead
        .    recall a 7         -> ten locked until 1600
        ",
    );
}

#[test]
fn r_risk_3_redeeming_is_not_stopped_when_issuing_is() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    trip               -> done
        .    claim 2 0          -> risk_control_degraded
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        ",
    );
}

#[test]
fn r_redeem_4_many_that_lapse_at_once_are_let_go_entry_by_entry() {
    let mut town = Town::of_many(120);
    town.check("1000 admit 7 01 0 -> done");
    for who in 1..=120 {
        town.check(&format!("8900 lock {who} 7 {who} 50 -> ten locked until 9500"));
    }
    town.check("9000 expire -> done");
    town.check(". money 0 -> 8800 0 1200 0 0 0");
    assert_eq!(town.machine.summary(C).unwrap().lapses_at, Some(At(9_500)));
    for left in [200, 0, 0] {
        town.check("9500 lapse -> done");
        town.check(&format!(". money 0 -> {} 0 {left} 0 0 0", 10_000 - left));
    }
    assert_eq!(town.machine.summary(C).unwrap().lapses_at, None);
}

#[test]
fn r_wallet_1_the_ledger_tells_whose_coupon_an_order_has_and_what_became_of_it() {
    let mut town = Town::new();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        ",
    );
    let state = |town: &Town| {
        let (who, held) = town.machine.paid_with(C, order(7, "a")).unwrap();
        (who.0[0], held.state)
    };
    assert_eq!(state(&town), (1, CouponState::Locked));
    town.check(". confirm a 7 -> ten confirmed at 1000");
    assert_eq!(state(&town), (1, CouponState::Used));
    assert!(town.machine.paid_with(C, order(7, "b")).is_none());
}
