//! Merchants: standings, caps, and what batches take and pay.

use super::town::{Town, check};

#[test]
fn r_merch_1_a_suspended_merchant_redeems_no_more_and_is_settled_for_what_was_before() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    claim 3 0          -> granted
        .    lock a 7 1 50      -> merchant_unknown
        .    stand 7 suspended  -> merchant_unknown
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 2 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    stand 7 suspended  -> done
        .    stand 7 suspended  -> done
        .    lock c 7 3 50      -> merchant_suspended
        .    lock a 7 1 50      -> ten confirmed at 1000
        .    admit 7 11 0       -> done
        .    lock c 7 3 50      -> merchant_suspended
        .    confirm b 7        -> ten confirmed at 1000
        .    settle 1 7 0       -> 20 due less 0
        .    stand 7 active     -> done
        .    lock c 7 3 50      -> ten locked until 1600
        ",
    );
}

#[test]
fn r_merch_2_a_held_merchant_redeems_and_is_not_settled_until_it_is_let_go() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    stand 7 held       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    settle 1 7 0       -> the merchant is held: it is not settled
        .    money 0            -> 30 60 0 10 0 0
        .    stand 7 active     -> done
        .    settle 1 7 0       -> 10 due less 0
        .    stand 7 held       -> done
        .    settle 1 7 0       -> 10 due less 0
        .    settle 2 7 0       -> the merchant is held: it is not settled
        ",
    );
}

#[test]
fn r_merch_1_a_merchants_cap_counts_what_is_locked_and_confirmed_less_what_was_taken_back() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    claim 3 1          -> granted
        .    admit 7 01 29      -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 3 100     -> merchant_cap
        .    lock b 7 2 50      -> ten locked until 1600
        .    release a 7        -> ten released at 1000 by the till
        .    lock c 7 3 100     -> merchant_cap
        .    confirm b 7        -> ten confirmed at 1000
        .    lock c 7 3 100     -> merchant_cap
        .    refund b 7 5 x     -> 1 back, used
        .    lock c 7 3 100     -> twenty locked until 1600
        .    lock a 7 1 50      -> merchant_cap
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        ",
    );
}

#[test]
fn r_merch_1_a_batch_takes_what_is_due_once_and_pays_a_merchant_once() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 2          -> granted
        .    claim 2 0          -> granted
        .    settle 1 7 0       -> merchant_unknown
        .    admit 7 11 0       -> done
        .    settle 1 7 2       -> no such pool
        .    paid 1 7           -> the batch has nothing to pay to the merchant
        .    failed 1 7         -> the batch has nothing to pay to the merchant
        .    lock a 7 1 50 1 0  -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    lock b 7 1 100     -> meal locked until 1600
        .    confirm b 7        -> meal confirmed at 1000
        .    settle 2 7 0       -> 10 due less 0
        .    settle 2 7 0       -> 10 due less 0
        .    settle 1 7 1       -> a later batch was begun
        .    settle 2 7 1       -> 20 due less 0
        .    lock c 7 2 50      -> ten locked until 1600
        .    confirm c 7        -> ten confirmed at 1000
        .    settle 2 7 0       -> 10 due less 0
        .    money 0            -> 30 50 0 10 10 0
        .    money 1            -> 30 0 0 0 20 0
        .    failed 2 7         -> done
        .    failed 2 7         -> done
        .    money 1            -> 30 0 0 0 20 0
        .    paid 2 7           -> done
        .    money 0            -> 30 50 0 10 0 10
        .    money 1            -> 30 0 0 0 0 20
        .    paid 2 7           -> done
        .    money 1            -> 30 0 0 0 0 20
        .    failed 2 7         -> the batch has paid the merchant
        .    money 1            -> 30 0 0 0 0 20
        .    settle 3 7 0       -> 10 due less 0
        .    paid 3 7           -> done
        .    money 0            -> 30 50 0 0 0 20
        ",
    );
}

#[test]
fn r_merch_1_a_batch_takes_what_all_are_due_but_those_that_are_held() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    claim 3 0          -> granted
        .    claim 1 2          -> granted
        .    settle_due 1       -> 0 left
        .    admit 6 01 0       -> done
        .    admit 7 11 0       -> done
        .    admit 8 01 0       -> done
        .    lock a 6 1 50 1 0  -> ten locked until 1600
        .    lock b 7 2 50      -> ten locked until 1600
        .    lock c 8 3 50      -> ten locked until 1600
        .    lock d 7 1 100     -> meal locked until 1600
        .    confirm a 6        -> ten confirmed at 1000
        .    confirm b 7        -> ten confirmed at 1000
        .    confirm c 8        -> ten confirmed at 1000
        .    stand 6 held       -> done
        .    stand 8 suspended  -> done
        .    settle_due 1       -> 0 left
        .    money 0            -> 30 40 0 10 20 0
        .    confirm d 7        -> meal confirmed at 1000
        .    settle_due 1       -> 0 left
        .    money 1            -> 30 0 0 0 20 0
        .    settle_due 1       -> 0 left
        .    stand 6 active     -> done
        .    settle_due 2       -> 0 left
        .    money 0            -> 30 40 0 0 30 0
        .    settle_due 1       -> a later batch was begun
        ",
    );
}

#[test]
fn r_merch_1_a_batch_of_many_merchants_is_taken_entry_by_entry() {
    let mut town = Town::of_many(70);
    town.check("1000 admit 7 01 0 -> done");
    for who in 1..=70 {
        town.check(&format!(". admit {who} 01 0 -> done"));
        town.check(&format!(". lock a {who} {who} 50 -> ten locked until 1600"));
        town.check(&format!(". confirm a {who} -> ten confirmed at 1000"));
    }
    town.check(
        "
        .    settle_due 1       -> 10 left
        .    money 0            -> 9300 0 0 100 600 0
        .    settle_due 1       -> 0 left
        .    money 0            -> 9300 0 0 0 700 0
        ",
    );
}

#[test]
fn r_merch_1_nothing_is_added_to_a_batch_after_it_has_paid_the_merchant() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 2          -> granted
        .    admit 7 11 0       -> done
        .    lock a 7 1 50 1 0  -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    lock b 7 1 100     -> meal locked until 1600
        .    confirm b 7        -> meal confirmed at 1000
        .    settle 1 7 0       -> 10 due less 0
        .    paid 1 7           -> done
        .    settle 1 7 1       -> the batch has paid the merchant
        .    settle 2 7 1       -> 20 due less 0
        ",
    );
}
