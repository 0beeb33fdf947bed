//! The ledger's machine beside a model that is too plain to be wrong in the same way.
//!
//! Random commands with random instants go to both; every answer must be the same in words, and so must
//! the money, the stock and the holders after it. `PROPTEST_CASES=10000 cargo test --test model` runs more.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what is not there"
)]

#[path = "model/commands.rs"]
mod commands;
#[path = "model/naive.rs"]
mod naive;

use commands::{WORDS, word};
use naive::{Naive, Totals};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quan::domain::{At, CampaignNo, KindNo, PoolNo, RoundNo};
use quan::ledger::machine::{Answer, Machine, No};
use std::{cell::RefCell, collections::BTreeMap};

/// What the machine answers, in the model's words.
fn told(told: &Result<Answer, No>) -> String {
    let word = word(told);
    match told {
        Ok(Answer::Opened(no)) => format!("{word} {}", no.0),
        Ok(Answer::Bound(until)) => format!("{word} until {}", until.0),
        Ok(Answer::Granted(it) | Answer::AlreadyHeld(it)) => {
            format!("{word} {} from {} until {}", it.coupon.ordinal, it.starts_at.0, it.ends_at.0)
        }
        Ok(Answer::Done) | Err(_) => word.into(),
    }
}

/// What stands in the machine, in the model's form.
fn totals(machine: &Machine) -> Totals {
    let campaigns = (0..machine.campaigns()).map(CampaignNo);
    let pools = campaigns.clone().flat_map(|no| {
        let funds = machine.funds(no).unwrap();
        (0..u8::MAX).map_while(|pool| funds.pool(PoolNo(pool))).map(|it| {
            [it.budget, it.available, it.reserved, it.frozen].map(|fen| i128::from(fen.get()))
        })
    });
    let left = campaigns.flat_map(|no| {
        let rounds = (1..=commands::ROUNDS).map(RoundNo);
        rounds.flat_map(move |round| {
            let kinds = (0..u8::MAX).map(KindNo);
            kinds.map_while(move |kind| machine.left(no, round, kind))
        })
    });
    let mut holders: Vec<_> = machine
        .holders()
        .map(|(no, who, it)| {
            (no.0, who.0[0], it.coupon.round.0, it.coupon.kind.0, it.coupon.ordinal)
        })
        .collect();
    holders.sort_unstable();
    Totals { pools: pools.collect(), left: left.collect(), holders }
}

#[test]
fn r_claim_1_r_fund_2_whatever_is_asked_the_machine_does_as_the_plain_model_does() {
    let seen = RefCell::new(BTreeMap::<&str, u64>::new());
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    TestRunner::new(config)
        .run(&commands::story(), |steps| {
            let (mut machine, mut naive, mut now) = (Machine::default(), Naive::default(), 0);
            for (command, passed) in steps {
                now += passed;
                let answer = machine.execute(&command, At(now)).map(|decision| decision.answer);
                let models = naive.told(&command, now);
                prop_assert_eq!(told(&answer), models, "{:?} at {}", command, now);
                prop_assert_eq!(totals(&machine), naive.totals(), "{:?} at {}", command, now);
                *seen.borrow_mut().entry(word(&answer)).or_default() += 1;
            }
            Ok(())
        })
        .unwrap_or_else(|why| panic!("{why}"));
    let seen = seen.into_inner();
    println!("{cases} stories: {seen:?}");
    // A story generator that never gets to a rule would prove nothing about it.
    for word in WORDS {
        assert!(seen.contains_key(word), "no story got to {word:?}: {seen:?}");
    }
    for word in seen.keys() {
        assert!(WORDS.contains(word), "{word:?} is not in the list of words");
    }
}
