//! Further rounds (R-ADJ-2): decided before the end, one extension after the other, within what the pools can have.

use super::town::Town;
use super::*;
use crate::domain::calendar::Extension;
use crate::funds::FundsRefusal;
use crate::ledger::event::{Adjusted, Extended, decisions};

const MEANWHILE: &str = "the campaign was extended meanwhile: look at it again";

/// Rounds 3 and 4, which open at 21,000 and 31,000, for a period that ended at 20,000 and ends at 40,000.
fn further(quantities: [u32; 3]) -> Extended {
    Extended { extension: decisions::extension(), quantities: quantities.to_vec() }
}

/// Round 5, after those.
fn one_more() -> Extended {
    let windows = vec![Window { from: At(41_000), until: At(49_000) }];
    let extension = Extension { ended: At(40_000), ends: At(50_000), first: RoundNo(5), windows };
    Extended { extension, quantities: vec![0, 1, 0] }
}

fn extend(town: &mut Town, it: Extended) -> String {
    match town.ask(&Command::Extend(C, it)) {
        Ok(answer) => format!("{answer:?}"),
        Err(No::Conflict(why)) => why.to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

/// As [`Town::new`], in which one ten of a hundred fen was redeemed.
fn town() -> Town {
    let mut town = Town::new();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        ",
    );
    town
}

#[test]
fn r_adj_2_further_rounds_come_after_those_that_were_decided_and_before_the_end() {
    let changed = |change: fn(&mut Extended)| {
        let mut it = further([1, 0, 0]);
        change(&mut it);
        it
    };
    let unsound = "further rounds come one after the other in the new period";
    let late = "the campaign has ended: it is extended before its end";
    let taken = "something was decided of one of these rounds already";
    for (it, why) in [
        (changed(|it| it.extension.windows.clear()), unsound),
        (changed(|it| it.extension.windows.reverse()), unsound),
        (changed(|it| it.extension.first = RoundNo(99)), unsound),
        (changed(|it| it.extension.ended = At(1_000)), late),
        (changed(|it| it.extension.windows[0].from = At(1_000)), late),
        (changed(|it| it.extension.first = R), taken),
        (changed(|it| it.quantities.truncate(2)), "a round has a quantity for each kind"),
        (changed(|it| it.quantities[0] = 1 << 24), "a round has fewer than 2^24 coupons of a kind"),
    ] {
        assert_eq!(extend(&mut town(), it.clone()), why, "{it:?}");
    }
    let mut town = town();
    let adjusted = Adjusted { round: RoundNo(4), version: 1, quantities: vec![0, 0, 1] };
    town.ask(&decided(Command::Adjust(C, adjusted), "test", 0)).unwrap();
    assert_eq!(extend(&mut town, further([1, 0, 0])), taken);
}

#[test]
fn r_adj_2_an_extension_moves_the_end_that_stands_and_its_repeat_does_nothing() {
    let mut town = town();
    let before = town.machine.summary(C).unwrap();
    assert_eq!(extend(&mut town, further([1, 0, 1])), "Done");
    assert_eq!(extend(&mut town, further([1, 0, 1])), "Done", "it comes again, and was done");
    assert_eq!(extend(&mut town, further([1, 0, 0])), MEANWHILE);
    let mut other = one_more();
    other.extension.first = RoundNo(6);
    assert_eq!(extend(&mut town, other), MEANWHILE, "there is no round 5");
    assert_eq!(extend(&mut town, one_more()), "Done");
    assert_eq!(extend(&mut town, further([1, 0, 1])), "Done", "still");
    let after = town.machine.summary(C).unwrap();
    assert_eq!(after.extended, [further([1, 0, 1]), one_more()]);
    assert_eq!((&after.rounds, &after.funds), (&before.rounds, &before.funds), "nothing else");
}

#[test]
fn r_adj_2_r_fund_2_no_money_is_promised_twice_and_none_that_was_redeemed() {
    let short = format!("Funds({:?})", FundsRefusal::NotEnough);
    // Ninety fen of retail are left for two rounds, fifty of catering.
    assert_eq!(extend(&mut town(), further([5, 0, 0])), short);
    assert_eq!(extend(&mut town(), further([0, 0, 2])), short, "each from its own pool");
    let mut town = town();
    assert_eq!(extend(&mut town, further([4, 0, 1])), "Done");
    assert_eq!(extend(&mut town, one_more()), short, "eighty are promised to rounds 3 and 4");
    let adjust = Adjusted { round: RoundNo(4), version: 2, quantities: vec![3, 0, 1] };
    town.ask(&decided(Command::Adjust(C, adjust), "test", 2)).unwrap();
    assert_eq!(extend(&mut town, one_more()), "Done");
}

#[test]
fn r_adj_2_a_further_round_is_adjusted_armed_and_ended_as_any_other() {
    let mut town = town();
    assert_eq!(extend(&mut town, further([1, 1, 1])), "Done");
    let adjust = |version| {
        let (round, quantities) = (RoundNo(3), vec![2, 0, 1]);
        decided(Command::Adjust(C, Adjusted { round, version, quantities }), "test", 3)
    };
    let stale = town.ask(&adjust(1));
    assert!(matches!(stale, Err(No::Conflict(why)) if why.contains("adjusted meanwhile")));
    assert_eq!(town.ask(&adjust(2)), Ok(Answer::Done));
    let arm = |window: Window, quantities: [u32; 3]| {
        let quantities = quantities.to_vec();
        Command::Arm(C, Armed { round: RoundNo(3), window, quantities })
    };
    let [window, other] = decisions::extension().windows[..] else { unreachable!() };
    let planned = No::Conflict("the round's quantities were adjusted");
    assert_eq!(town.ask(&arm(window, [1, 1, 1])), Err(planned));
    let moved = No::Conflict("the round was decided for other dates");
    assert_eq!(town.ask(&arm(other, [2, 0, 1])), Err(moved));
    assert_eq!(town.ask(&arm(window, [2, 0, 1])), Ok(Answer::Done));
    let ends: Vec<At> = town.machine.holders().map(|(.., held)| held.ends_at).collect();
    assert_eq!(ends, [WINDOW.until], "an issued coupon ends when it was told to");
    let no = decided(Command::Extend(C, further([0, 0, 0])), "test", 4);
    assert_eq!(town.ask(&no), Err(No::Conflict(MEANWHILE)));
}
