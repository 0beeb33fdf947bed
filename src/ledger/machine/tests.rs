mod extend;
mod merchants;
mod orders;
mod persons;
mod quantities;
mod refunds;
mod rules;
pub(crate) mod town;
#[path = "../../../tests/model/decided.rs"]
mod two;

use super::*;
use crate::domain::*;
use crate::funds::Account;
use crate::ledger::event::{Armed, What};
use crate::ledger::made::{R, WINDOW, bound, kinds};
use proptest::prelude::*;

const C: CampaignNo = CampaignNo(0);
const OPENS: At = WINDOW.from;
const ENDS: At = WINDOW.until;

pub(crate) fn open() -> Command {
    let pools = vec![("retail".into(), Fen::new(100))];
    Command::Open { name: "test".into(), pools, kinds: kinds() }
}

pub(crate) fn arm(quantities: &[u32]) -> Command {
    Command::Arm(C, Armed { round: R, window: WINDOW, quantities: quantities.to_vec() })
}

pub(crate) fn bind(who: u8, phone: u8) -> Command {
    Command::Bind(C, bound(who, phone))
}

pub(crate) fn grant(who: u8, kind: u8) -> Command {
    let (person, pass) = (PersonId([who; 16]), PassNonce([who; 16]));
    Command::Grant(Grant { campaign: C, round: R, kind: KindNo(kind), person, pass })
}

/// `command`, decided by two persons for the campaign of that name; proposed at `at`.
pub(crate) fn decided(command: Command, campaign: &str, at: i64) -> Command {
    two::decided(command, campaign, ["ten", "twenty", "meal"], At(at))
}

/// Going on in the campaign, as two persons decided at `at`.
pub(crate) fn resume(at: i64) -> Command {
    decided(Command::Resume(C), "test", at)
}

/// The outcome in one word.
fn told(outcome: &Result<Decision, No>) -> String {
    match outcome {
        Ok(Decision { answer: Answer::Granted(held), .. }) => {
            format!("granted {}", held.coupon.ordinal)
        }
        Ok(Decision { answer: Answer::AlreadyHeld(held), .. }) => {
            format!("already_held {}", held.coupon.ordinal)
        }
        Ok(_) => "done".into(),
        Err(No::Refused(refusal)) => refusal.code().into(),
        Err(No::Funds(refusal)) => format!("{refusal:?}"),
        Err(No::Conflict(why)) => (*why).into(),
    }
}

/// Runs a story: `at verb args -> outcome`, a line each.
#[track_caller]
fn check(story: &str) {
    let mut machine = Machine::default();
    machine.execute(&open(), At(0)).unwrap();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (words, want) = line.split_once(" -> ").unwrap();
        let words: Vec<&str> = words.split_whitespace().collect();
        let number = |index: usize| words[index].parse::<u8>().unwrap();
        let command = match words[1] {
            "arm" => arm(&[u32::from(number(2)), u32::from(number(3))]),
            "bind" => bind(number(2), number(3)),
            "claim" => grant(number(2), number(3)),
            "expire" => Command::Expire(C, R),
            "trip" => Command::Trip(C),
            "resume" => Command::Resume(C),
            "stop" => decided(Command::Trip(C), "test", words[2].parse().unwrap()),
            "go_on" => resume(words[2].parse().unwrap()),
            verb => panic!("not a verb: {verb}"),
        };
        let outcome = machine.execute(&command, At(words[0].parse().unwrap()));
        assert_eq!(told(&outcome), want, "{line}");
    }
}

#[test]
fn r_claim_1_one_coupon_per_person_kind_and_round_and_never_above_the_stock() {
    check(
        "
        0    arm 2 1      -> done
        10   bind 1 1     -> done
        10   bind 2 2     -> done
        10   bind 3 3     -> done
        1000 claim 1 0    -> granted 1
        1001 claim 1 0    -> already_held 1
        1002 claim 1 1    -> granted 1
        1003 claim 2 0    -> granted 2
        1004 claim 3 0    -> sold_out
        ",
    );
}

#[test]
fn r_cal_1_the_window_opens_and_ends_to_the_millisecond() {
    check(
        "
        0    arm 2 1      -> done
        10   bind 1 1     -> done
        999  claim 1 0    -> not_open
        1000 claim 1 0    -> granted 1
        9000 claim 1 1    -> closed
        8999 claim 1 0    -> already_held 1
        ",
    );
}

#[test]
fn r_risk_3_nothing_is_granted_between_trip_and_resume() {
    check(
        "
        0    arm 2 1      -> done
        10   bind 1 1     -> done
        10   trip         -> done
        1000 claim 1 0    -> risk_control_degraded
        1001 resume       -> done
        1002 claim 1 0    -> granted 1
        ",
    );
}

#[test]
fn r_who_3_an_identifier_of_somebody_else_refuses_the_pass_by_name() {
    check(
        "
        10   bind 1 1     -> done
        10   bind 1 1     -> done
        10   bind 2 1     -> phone_in_use
        10   bind 2 2     -> done
        5000 bind 3 3     -> proof_expired
        ",
    );
}

#[test]
fn r_risk_1_no_grant_without_a_pass_that_lives() {
    check(
        "
        0    arm 2 1      -> done
        10   bind 1 1     -> done
        1000 claim 2 0    -> pass_invalid
        5000 claim 1 0    -> pass_expired
        ",
    );
}

#[test]
fn r_fund_2_a_round_above_its_pool_is_not_armed_and_expiry_gives_all_back() {
    check("0 arm 9 1 -> NotEnough");
    let mut machine = Machine::default();
    for (command, at) in [(open(), 0), (arm(&[6, 2]), 0), (bind(1, 1), 10), (grant(1, 0), 1_000)] {
        machine.execute(&command, At(at)).unwrap();
    }
    let pool = *machine.funds(C).unwrap().pool(PoolNo(0)).unwrap();
    assert_eq!(
        (pool.available, pool.reserved, pool.frozen),
        (Fen::ZERO, Fen::new(90), Fen::new(10))
    );
    machine.execute(&Command::Expire(C, R), ENDS).unwrap();
    machine.execute(&Command::Expire(C, R), ENDS).unwrap();
    let pool = *machine.funds(C).unwrap().pool(PoolNo(0)).unwrap();
    assert_eq!((pool.available, pool.reserved, pool.frozen), (Fen::new(100), Fen::ZERO, Fen::ZERO));
}

#[test]
fn opening_again_on_other_terms_is_refused() {
    let mut machine = Machine::default();
    machine.execute(&open(), At(0)).unwrap();
    assert_eq!(machine.execute(&open(), At(0)).unwrap().answer, Answer::Opened(C));
    let Command::Open { name, mut pools, kinds } = open() else { unreachable!() };
    pools[0].1 = Fen::new(101);
    assert!(machine.execute(&Command::Open { name, pools, kinds }, At(0)).is_err());
}

/// One random step: a command and how far the clock goes before it.
fn step() -> impl Strategy<Value = (Command, i64)> {
    let command = prop_oneof![
        1 => (0..5_u32, 0..4_u32).prop_map(|(a, b)| arm(&[a, b])),
        6 => (0..6_u8, 0..6_u8).prop_map(|(who, phone)| bind(who, phone)),
        12 => (0..6_u8, 0..3_u8).prop_map(|(who, kind)| grant(who, kind)),
        1 => Just(Command::Expire(C, R)),
        1 => Just(Command::Trip(C)),
        2 => Just(Command::Resume(C)),
        1 => (0..20_i64).prop_map(|at| decided(Command::Trip(C), "test", at)),
        2 => (0..20_i64).prop_map(resume),
    ];
    (command, -50..400_i64)
}

proptest! {
    /// Rules written a second time, as plainly as can be, over the list of all events.
    #[test]
    fn whatever_is_asked_the_log_keeps_the_promises(steps in prop::collection::vec(step(), 1..60)) {
        let mut machine = Machine::default();
        let mut replayed = Machine::default();
        let mut now = 0;
        let (mut stock, mut tripped, mut grants, mut passes) = (vec![], false, vec![], vec![]);
        let (mut out, mut into) = (0_i128, 0_i128);
        let opening = machine.execute(&open(), At(0)).unwrap();
        for event in &opening.events { replayed.apply(event, At(0)); }
        for (command, passed) in steps {
            now += passed;
            let before = machine.clone();
            let Ok(decision) = machine.execute(&command, At(now)) else {
                prop_assert_eq!(&machine, &before, "a refusal leaves nothing behind");
                continue;
            };
            for event in decision.events {
                replayed.apply(&event, machine.last_at());
                match event.what {
                    What::Armed(armed) => stock = armed.quantities,
                    What::Interlock(_) => tripped = !tripped,
                    What::Decided(it) => prop_assert!(it.statement.what.is_of_the_interlock()),
                    What::Bound(bound) => passes.push((bound.pass, bound.person)),
                    What::Granted(g) => {
                        prop_assert!(!tripped, "no grant between trip and resume");
                        prop_assert!(machine.last_at() >= OPENS && machine.last_at() < ENDS);
                        prop_assert!(passes.contains(&(g.pass, g.person)), "no grant without a pass");
                        let same = |other: &&(PersonId, KindNo)| **other == (g.person, g.coupon.kind);
                        prop_assert!(grants.iter().find(same).is_none(), "granted twice");
                        grants.push((g.person, g.coupon.kind));
                        let of_kind = grants.iter().filter(|grant| grant.1 == g.coupon.kind).count();
                        prop_assert!(of_kind <= stock[usize::from(g.coupon.kind.0)] as usize);
                    }
                    What::Posted(p) if p.from == Account::Treasury => out += i128::from(p.fen.get()),
                    What::Posted(_) | What::Opened(_) | What::Expired(_) => {}
                    What::Passed(_) | What::Sent(_) | What::Received(_) => prop_assert!(false, "of shards only"),
                    other => prop_assert!(false, "not asked for: {other:?}"),
                }
            }
            let pool = machine.funds(C).unwrap().pool(PoolNo(0)).unwrap();
            prop_assert!(pool.balanced());
            into = i128::from(pool.budget.get());
        }
        prop_assert_eq!(out, 0, "the treasury pays in only when a campaign opens");
        prop_assert!(into == 0 || into == 100);
        prop_assert_eq!(machine, replayed, "state is the fold of the events");
    }
}

#[test]
fn r_risk_3_what_was_decided_is_done_once_and_not_after_a_later_stop() {
    check(
        "
        0    arm 2 1      -> done
        10   bind 1 1     -> done
        20   stop 100     -> done
        30   go_on 100    -> issuing was stopped after this was proposed
        40   go_on 101    -> done
        1000 claim 1 0    -> granted 1
        1010 go_on 101    -> done
        1020 stop 200     -> done
        1030 go_on 101    -> issuing was stopped after this was proposed
        1040 stop 300     -> done
        1050 go_on 250    -> issuing was stopped after this was proposed
        1060 go_on 301    -> done
        1070 claim 1 1    -> granted 1
        ",
    );
}

#[test]
fn r_role_1_a_decision_stands_in_the_entry_of_what_it_does_and_is_of_nothing_else() {
    let mut machine = Machine::default();
    machine.execute(&open(), At(0)).unwrap();
    let events = |machine: &mut Machine, command: &Command| -> Vec<&'static str> {
        let decision = machine.execute(command, At(1)).unwrap();
        let word = |event: &Event| match &event.what {
            What::Decided(it) => it.statement.what.word(),
            What::Interlock(_) => "interlock",
            other => panic!("{other:?}"),
        };
        decision.events.iter().map(word).collect()
    };
    let stop = |at| decided(Command::Trip(C), "test", at);
    assert_eq!(events(&mut machine, &stop(5)), ["trip", "interlock"]);
    assert_eq!(events(&mut machine, &stop(5)), [""; 0], "the same again");
    assert_eq!(events(&mut machine, &stop(6)), ["trip"], "who stops again is heard");
    assert_eq!(events(&mut machine, &resume(7)), ["resume", "interlock"]);
    assert_eq!(events(&mut machine, &resume(7)), [""; 0], "the same again");
    assert_eq!(events(&mut machine, &Command::Trip(C)), ["interlock"], "a sensor");
    let no = |command: Command| machine.clone().execute(&command, At(2)).unwrap_err();
    let elsewhere = no(decided(Command::Resume(C), "other", 8));
    assert_eq!(elsewhere, No::Conflict("it was decided for another campaign"));
    let Command::Decided(mut it) = resume(8) else { unreachable!() };
    it.1 = arm(&[1, 1]);
    assert_eq!(no(Command::Decided(it)), No::Conflict("something else was decided"));
}
