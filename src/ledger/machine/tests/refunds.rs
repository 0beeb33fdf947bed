//! Refunds: what is taken back, where it goes, and what becomes of the coupon.

use super::town::{Town, armed, check, two_categories};
use super::*;
use crate::redeem::Policy;

#[test]
fn r_redeem_5_a_full_refund_before_the_end_gives_the_coupon_back_with_its_end() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    refund a 7 50 x    -> not_confirmed
        .    confirm a 7        -> ten confirmed at 2000
        .    refund a 7 51 x    -> refund_too_large
        8999 refund a 7 50 x    -> 10 back, issued
        .    coupon 1 0         -> unused
        .    money 0            -> 30 60 10 0 0 0
        .    refund a 7 50 x    -> 10 back, issued
        .    refund a 7 49 x    -> refund_conflict
        .    refund a 7 1 y     -> refund_too_large
        .    recall a 7         -> ten confirmed at 2000, 50 paid back, 10 taken back
        .    lock a 7 1 50      -> ten confirmed at 2000, 50 paid back, 10 taken back
        .    settle 1 7 0       -> 0 due less 0
        .    lock b 7 1 50      -> ten locked until 9599
        9000 expire             -> done
        9001 confirm b 7        -> ten confirmed at 9001
        .    money 0            -> 90 0 0 10 0 0
        ",
    );
}

#[test]
fn r_redeem_5_a_full_refund_after_the_end_gives_the_money_to_the_pool_and_the_coupon_stays_expired()
{
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    confirm a 7        -> ten confirmed at 2000
        9000 refund a 7 50 x    -> 10 back, returned
        .    coupon 1 0         -> returned
        .    money 0            -> 40 60 0 0 0 0
        .    lock b 7 1 50      -> coupon_expired
        .    expire             -> done
        .    money 0            -> 100 0 0 0 0 0
        ",
    );
}

#[test]
fn r_redeem_5_fifty_parts_that_add_up_take_back_exactly_the_face_and_the_coupon_stays_used() {
    let mut town = Town::new();
    town.check(
        "
        1000 claim 1 1          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 150     -> twenty locked until 2600
        .    confirm a 7        -> twenty confirmed at 2000
        .    money 0            -> 30 50 0 20 0 0
        ",
    );
    for part in 1..=50 {
        // 3 of 150 is two fifths of a fen: nothing each time, and the last takes all.
        let back = if part == 50 { 20 } else { 0 };
        town.check(&format!("{} refund a 7 3 {part} -> {back} back, used", 2_000 + part));
    }
    town.check(
        "
        3000 refund a 7 1 more  -> refund_too_large
        .    coupon 1 1         -> used
        .    money 0            -> 50 50 0 0 0 0
        .    recall a 7         -> twenty confirmed at 2000, 150 paid back, 20 taken back
        ",
    );
}

#[test]
fn r_redeem_5_a_refund_of_one_fen_is_a_part_and_takes_back_half_up() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    confirm a 7        -> ten confirmed at 2000
        .    refund a 7 0 x     -> nothing is paid back
        .    refund a 7 1 x     -> 0 back, used
        .    money 0            -> 30 60 0 10 0 0
        .    refund a 7 2 y     -> 0 back, used
        .    refund a 7 3 z     -> 1 back, used
        .    money 0            -> 31 60 0 9 0 0
        ",
    );
}

#[test]
fn r_redeem_5_a_refund_after_settlement_is_owed_and_the_next_batch_takes_it_off() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 1          -> granted
        .    claim 3 1          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 2 100     -> twenty locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    confirm b 7        -> twenty confirmed at 1000
        2000 settle 1 7 0       -> 30 due less 0
        .    paid 1 7           -> done
        .    money 0            -> 30 20 20 0 0 30
        .    refund b 7 50 x    -> 10 back, used, owed
        .    money 0            -> 30 20 20 0 0 30
        .    settle 2 7 0       -> 0 due less 0
        3000 lock c 7 3 100     -> twenty locked until 3600
        .    confirm c 7        -> twenty confirmed at 3000
        .    settle 2 7 0       -> 20 due less 10
        .    money 0            -> 40 20 0 0 10 30
        .    paid 2 7           -> done
        .    money 0            -> 40 20 0 0 0 40
        ",
    );
}

#[test]
fn r_redeem_5_what_is_owed_beyond_what_is_due_is_taken_off_later() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 1          -> granted
        .    claim 3 0          -> granted
        .    claim 4 1          -> granted
        .    admit 7 01 0       -> done
        .    lock b 7 2 100     -> twenty locked until 1600
        .    confirm b 7        -> twenty confirmed at 1000
        .    settle 1 7 0       -> 20 due less 0
        .    refund b 7 100 x   -> 20 back, issued, owed
        .    coupon 2 1         -> unused
        .    money 0            -> 10 10 60 0 20 0
        .    lock c 7 3 50      -> ten locked until 1600
        .    confirm c 7        -> ten confirmed at 1000
        .    settle 2 7 0       -> 10 due less 10
        .    money 0            -> 20 10 50 0 20 0
        .    paid 2 7           -> the batch has nothing to pay to the merchant
        .    lock d 7 4 100     -> twenty locked until 1600
        .    confirm d 7        -> twenty confirmed at 1000
        .    settle 3 7 0       -> 20 due less 10
        .    money 0            -> 30 10 30 0 30 0
        ",
    );
}

#[test]
fn r_redeem_5_r_fund_2_a_settled_coupon_comes_back_only_if_the_pool_can_freeze_its_face() {
    let mut town = Town::open(&two_categories());
    // 5 tens and 2 twenties are 90 of the pool's 100.
    town.ask(&Command::Arm(C, armed(1, &[5, 2, 1]))).unwrap();
    for who in 1..=2 {
        town.ask(&bind(who, who)).unwrap();
    }
    town.check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 1          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 2 100     -> twenty locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    confirm b 7        -> twenty confirmed at 1000
        .    settle 1 7 0       -> 30 due less 0
        .    money 0            -> 10 60 0 0 30 0
        .    refund b 7 100 x   -> funds_short
        .    coupon 2 1         -> used
        .    refund a 7 50 y    -> 10 back, issued, owed
        .    money 0            -> 0 60 10 0 30 0
        9000 expire             -> done
        .    refund b 7 100 x   -> 20 back, returned, owed
        .    money 0            -> 70 0 0 0 30 0
        ",
    );
}

#[test]
fn r_redeem_5_a_refund_number_is_one_refund_of_one_order() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 2 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    confirm b 7        -> ten confirmed at 1000
        .    refund a 7 25 x    -> 5 back, used
        .    refund b 7 25 x    -> refund_conflict
        .    refund a 7 25 x    -> 5 back, used
        .    refund a 7 25 y    -> 5 back, used
        .    coupon 1 0         -> used
        .    money 0            -> 40 50 0 10 0 0
        ",
    );
}

#[test]
fn r_redeem_5_the_plan_decides_what_becomes_of_the_coupon() {
    use crate::redeem::{Case, Coupon, Money, Side, Treatment};
    let mut town = Town::new();
    town.policy = Policy::of(|case: Case| {
        let owed = case.settlement == Side::After;
        let money = if owed { Money::Owed } else { Money::Pool };
        Some(Treatment { coupon: Coupon::Stays, money })
    })
    .unwrap();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    refund a 7 50 x    -> 10 back, used
        .    money 0            -> 40 60 0 0 0 0
        .    coupon 1 0         -> used
        9000 expire             -> done
        .    money 0            -> 100 0 0 0 0 0
        ",
    );
}
