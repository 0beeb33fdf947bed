//! Quantities that were decided for a round; and a campaign that was opened without thresholds.

use super::town::{Town, armed, two_categories};
use super::*;
use crate::funds::FundsRefusal;
use crate::ledger::event::{Adjusted, KindTerms};

#[test]
fn r_adj_1_quantities_are_decided_from_the_version_that_was_seen_and_before_the_round_is_armed() {
    let mut town = Town::open(&two_categories());
    let adjust = |town: &mut Town, version, quantities: &[u32]| {
        let quantities = quantities.to_vec();
        match town.ask(&Command::Adjust(C, Adjusted { round: R, version, quantities })) {
            Ok(answer) => format!("{answer:?}"),
            Err(No::Conflict(why)) => why.to_owned(),
            Err(other) => format!("{other:?}"),
        }
    };
    let meanwhile = "the round was adjusted meanwhile: look at it again";
    assert_eq!(adjust(&mut town, 0, &[1, 1, 1]), meanwhile);
    assert_eq!(adjust(&mut town, 2, &[1, 1, 1]), meanwhile);
    assert_eq!(adjust(&mut town, 1, &[1, 1, 1]), "Done");
    assert_eq!(adjust(&mut town, 1, &[1, 1, 1]), "Done", "the same again");
    assert_eq!(adjust(&mut town, 1, &[2, 1, 1]), meanwhile);
    assert_eq!(adjust(&mut town, 2, &[2, 1]), "a round has a quantity for each kind");
    assert_eq!(
        adjust(&mut town, 2, &[1 << 24, 0, 0]),
        "a round has fewer than 2^24 coupons of a kind"
    );
    assert_eq!(adjust(&mut town, 2, &[11, 0, 0]), "Funds(NotEnough)");
    assert_eq!(adjust(&mut town, 2, &[0, 0, 3]), "Funds(NotEnough)", "of its own pool");
    assert_eq!(adjust(&mut town, 2, &[10, 0, 2]), "Done");
    let seen = town.machine.summary(C).unwrap().adjusted;
    assert_eq!(seen, [Adjusted { round: R, version: 2, quantities: vec![10, 0, 2] }]);
    let planned = town.ask(&Command::Arm(C, armed(1, &[3, 2, 1])));
    assert_eq!(planned, Err(No::Conflict("the round's quantities were adjusted")));
    assert_eq!(town.ask(&Command::Arm(C, armed(1, &[10, 0, 2]))), Ok(Answer::Done));
    assert_eq!(adjust(&mut town, 3, &[1, 1, 1]), "the round is armed: its quantities stay");
    assert_eq!(adjust(&mut town, 2, &[10, 0, 2]), "Done", "it comes again, and was done");
    assert!(town.machine.summary(C).unwrap().adjusted.is_empty(), "nothing is left to decide");
}

#[test]
fn r_adj_1_r_fund_2_what_was_redeemed_is_in_no_later_rounds_quantities() {
    let mut town = Town::new();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        ",
    );
    let adjust = |quantities: [u32; 3]| {
        let (round, quantities) = (RoundNo(2), quantities.to_vec());
        Command::Adjust(C, Adjusted { round, version: 1, quantities })
    };
    let short = Err(No::Funds(FundsRefusal::NotEnough));
    assert_eq!(town.ask(&adjust([10, 0, 0])), short, "ten of a hundred are redeemed");
    assert_eq!(town.ask(&adjust([9, 0, 0])), Ok(Answer::Done), "what is reserved may come back");
}

#[test]
fn r_kind_2_a_campaign_of_old_goes_on_and_redeems_nothing_without_its_thresholds() {
    let Command::Open { name, pools, kinds } = two_categories() else { unreachable!() };
    let old = |it: &KindTerms| KindTerms { threshold: Fen::ZERO, ..it.clone() };
    let without = Command::Open {
        name: name.clone(),
        pools: pools.clone(),
        kinds: kinds.iter().map(old).collect(),
    };
    let mut town = Town::open(&without);
    assert_eq!(town.ask(&two_categories()), Ok(Answer::Opened(C)), "it is the plan's campaign");
    town.ask(&Command::Arm(C, armed(1, &[3, 2, 1]))).unwrap();
    town.ask(&bind(1, 1)).unwrap();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 500     -> the campaign was opened without its kinds' thresholds
        ",
    );
    let mut other = kinds;
    other[0].threshold = Fen::new(51);
    let other = Command::Open { name, pools, kinds: other };
    assert!(Town::open(&two_categories()).ask(&other).is_err(), "thresholds stay");
    assert!(Town::open(&two_categories()).ask(&without).is_err());
}
