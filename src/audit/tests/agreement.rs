//! The machine and the audit are two opinions; on what the machine does by itself they agree.

use super::log::*;
use crate::domain::RoundNo;
use crate::ledger::machine::Command;
use crate::ledger::machine::tests::{arm, bind, decided, grant, resume};
use proptest::prelude::*;

/// One random step: a command and how far the clock goes before it.
fn step() -> impl Strategy<Value = (Command, i64)> {
    let arming = (1..3_u8, 0..4_u32, 0..3_u32).prop_map(|(round, ten, twenty)| {
        let Command::Arm(campaign, mut armed) = arm(&[ten, twenty]) else { unreachable!() };
        armed.round = RoundNo(round);
        Command::Arm(campaign, armed)
    });
    let command = prop_oneof![
        2 => arming,
        6 => (0..6_u8, 0..6_u8).prop_map(|(who, phone)| bind(who, phone)),
        12 => (0..6_u8, 0..3_u8).prop_map(|(who, kind)| grant(who, kind)),
        1 => (1..3_u8).prop_map(|round| Command::Expire(C, RoundNo(round))),
        1 => Just(Command::Trip(C)),
        1 => (0..20_i64).prop_map(|at| decided(Command::Trip(C), "test", at)),
        3 => (0..20_i64).prop_map(resume),
    ];
    (command, 0..400_i64)
}

proptest! {
    #[test]
    fn whatever_the_machine_does_is_found_clean(steps in prop::collection::vec(step(), 1..80)) {
        let mut log = Log::opened();
        let (mut now, mut grants) = (0, 0);
        for (command, passed) in steps {
            now += passed;
            grants += u64::from(log.attempt(now, &command));
        }
        let audit = log.audit(None);
        prop_assert!(audit.clean, "{audit}");
        prop_assert_eq!(audit.checks[1].rows, grants);
    }
}
