//! What takes persons to decide, without them.

use super::log::{C, Log, breaks, of_persons};
use crate::audit::{Audit, audit_with};
use crate::decision::Staff;
use crate::decision::tests_staff::{decided, staff};
use crate::ledger::event::decisions::subjects;
use crate::ledger::event::{Decided, Interlock, Standing, Subject, What};
use crate::ledger::machine::Command;
use crate::ledger::machine::tests::resume;
use crate::ledger::made::redeeming::{adjusted, admitted, extended, failed, paid, settled, stands};

const RESUMED: What = What::Interlock(Interlock::Resumed);

impl Log {
    fn signed(&self, staff: &Staff) -> Audit {
        audit_with(self.entries.iter().cloned(), None, Some(staff))
    }
}

/// A log in which issuing was stopped, at seq 6.
fn stopped() -> Log {
    let mut log = Log::armed([2, 0]);
    log.run(20, &Command::Trip(C));
    log
}

/// The subject at that place of the table, by these persons.
fn by(place: usize, persons: &[&str]) -> Decided {
    decided(subjects().swap_remove(place), persons)
}

fn resumed(persons: &[&str]) -> Vec<What> {
    vec![What::Decided(by(1, persons)), RESUMED]
}

#[test]
fn r_risk_3_issuing_went_on_and_nobody_decided_it() {
    let mut log = stopped();
    log.push(21, vec![RESUMED]);
    log.breaks(&["decisions"], "seq 7: issuing went on, and nobody decided it");
    let mut log = stopped();
    log.push(21, vec![What::Decided(by(0, &["li"])), RESUMED]);
    log.breaks(&["decisions"], "seq 7: issuing went on, and nobody decided it");
    let mut log = stopped();
    log.push(20, vec![What::Decided(by(1, &["li", "bureau"]))]);
    log.push(21, vec![RESUMED]);
    log.breaks(&["decisions"], "seq 8: issuing went on");
}

#[test]
fn r_role_1_one_person_is_not_two() {
    for persons in [&["li"][..], &["li", "li"]] {
        let mut log = stopped();
        log.push(21, resumed(persons));
        log.breaks(&["decisions"], "takes 2 with li who proposed it, and was signed by: li");
    }
    let mut log = stopped();
    let mut foreign = by(1, &["li", "bureau"]);
    foreign.signatures[0].by = "operator".into();
    log.push(21, vec![What::Decided(foreign), RESUMED]);
    log.breaks(&["decisions"], "with li who proposed it, and was signed by: bureau, operator");
}

#[test]
fn r_risk_3_a_decision_is_carried_out_once_and_in_its_campaign() {
    let mut log = stopped();
    log.push(21, resumed(&["li", "bureau"]));
    log.push(22, vec![What::Interlock(Interlock::Tripped)]);
    log.push(23, resumed(&["li", "bureau"]));
    log.breaks(&["decisions"], "seq 9: resume");
    log.breaks(&["decisions"], "was carried out before, at seq 7");
    let mut log = stopped();
    let elsewhere = Subject::Resume { campaign: "other".into() };
    log.push(21, vec![What::Decided(decided(elsewhere, &["li", "bureau"])), RESUMED]);
    log.breaks(&["decisions"], "was decided for another campaign");
}

#[test]
fn with_the_keys_a_signature_that_nobody_made_is_found() {
    let staff = staff();
    let mut log = stopped();
    log.push(21, resumed(&["li", "bureau"]));
    breaks(&log.signed(&staff), &[], "clean");
    // The machine asks for no signature; who has none is found here.
    let mut log = stopped();
    log.run(21, &resume(21));
    log.breaks(&[], "clean");
    breaks(&log.signed(&staff), &["decisions"], "the signature of li does not fit");
    let mut log = stopped();
    let mut reworded = by(1, &["li", "bureau"]);
    reworded.statement.why = "no reason".into();
    log.push(21, vec![What::Decided(reworded), RESUMED]);
    log.breaks(&[], "clean");
    breaks(&log.signed(&staff), &["decisions"], "does not fit");
    let mut log = stopped();
    log.push(21, resumed(&["li", "finance"]));
    log.breaks(&[], "clean");
    breaks(&log.signed(&staff), &["decisions"], "is decided by other roles than finance has");
    let mut log = Log::opened();
    log.push(1, vec![What::Decided(by(4, &["bureau", "bureau"]))]);
    breaks(&log.signed(&staff), &["decisions"], "is a person who signed this already");
}

#[test]
fn r_role_1_r_adj_1_r_adj_2_a_decision_on_money_or_merchants_takes_two_persons() {
    let staff = staff();
    let (money, merchants) = (["bureau", "finance"], ["li", "bureau"]);
    let group = ["bureau", "leading_group"];
    for (place, persons) in
        [(3, money), (4, merchants), (5, merchants), (6, money), (7, money), (8, money), (9, group)]
    {
        let log = |persons: &[&str]| {
            let mut log = Log::opened();
            log.push(1, vec![What::Decided(by(place, persons))]);
            log
        };
        breaks(&log(&persons).signed(&staff), &[], "clean");
        log(&persons[..1]).breaks(&["decisions"], "takes 2");
    }
}

#[test]
fn r_role_1_what_takes_persons_stands_with_the_decision_of_just_that() {
    let kinds = [
        adjusted(1, [1, 0]),
        extended([1, 0]),
        admitted(7, 0),
        stands(7, Standing::Held),
        settled(1, 10, 0),
        paid(1, 10),
        failed(1),
    ];
    let decisions = |whats: Vec<What>| {
        let mut log = Log::opened();
        log.push_bare(1, whats);
        let audit = log.audit(None);
        let check = audit.checks.iter().find(|check| check.name == "decisions").unwrap();
        (check.found, audit.to_string())
    };
    for what in &kinds {
        let (found, said) = decisions(vec![what.clone()]);
        assert_eq!(found, 1, "{what:?}");
        assert!(said.contains("seq 2: ") && said.contains("and nobody decided it"), "{said}");
        for other in &kinds {
            let (found, said) = decisions(vec![of_persons(other, 1).unwrap(), what.clone()]);
            assert_eq!(found, u64::from(what != other), "{what:?} by that of {other:?}: {said}");
        }
    }
    for (what, other) in [
        (adjusted(1, [1, 0]), adjusted(2, [1, 0])),
        (adjusted(1, [1, 0]), adjusted(1, [0, 1])),
        (extended([1, 0]), extended([0, 1])),
        (extended([1, 0]), earlier(extended([1, 0]))),
        (stands(7, Standing::Held), stands(8, Standing::Held)),
        (stands(7, Standing::Held), stands(7, Standing::Active)),
        (settled(1, 10, 0), settled(2, 10, 0)),
        (paid(1, 10), paid(2, 10)),
        (failed(1), failed(2)),
    ] {
        let (found, said) = decisions(vec![of_persons(&other, 1).unwrap(), what.clone()]);
        assert_eq!(found, 1, "{what:?} by that of {other:?}: {said}");
    }
    // A folder of merchants suspends whom its list names, and does nothing else.
    let admit = || of_persons(&admitted(7, 0), 1).unwrap();
    assert_eq!(decisions(vec![admit(), stands(7, Standing::Suspended)]).0, 0);
    assert_eq!(decisions(vec![admit(), stands(7, Standing::Active)]).0, 1);
}

/// Its rounds open earlier.
fn earlier(mut extended: What) -> What {
    let What::Extended(it) = &mut extended else { unreachable!() };
    it.extension.windows[0].from.0 -= 1;
    extended
}

#[test]
fn a_log_that_was_written_before_there_were_decisions_has_none() {
    let old = |log: &mut Log| {
        let Some(Ok(entry)) = log.entries.last_mut() else { panic!("an entry") };
        entry.body[0] = 1;
    };
    let found = |log: &Log| {
        let audit = log.audit(None);
        audit.checks.into_iter().find(|check| check.name == "decisions").unwrap().found
    };
    let mut log = Log::opened();
    log.entries.clear();
    log.push(2, vec![RESUMED]);
    old(&mut log);
    assert_eq!(found(&log), 0);
    log.push(3, vec![What::Interlock(Interlock::Tripped)]);
    log.push(4, vec![RESUMED]);
    old(&mut log);
    assert_eq!(found(&log), 1, "an old entry after a present one is no excuse");
}
