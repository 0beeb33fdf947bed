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
#[path = "model/redeeming.rs"]
mod redeeming;
#[path = "model/till.rs"]
mod till;

use commands::{WORDS, word};
use naive::{Naive, Totals};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quan::domain::{At, CampaignNo, CouponId, Fen, PoolNo};
use quan::ledger::machine::{Answer, Command, Machine, No, Redemption, Status};
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
        Ok(Answer::Redemption(it)) => format!("{word} {}", order(it)),
        Ok(Answer::Refunded(it)) => {
            format!("{word} {} {} owed {}", it.back.get(), it.coupon as u8, it.owed)
        }
        Ok(Answer::Settled(it)) => {
            format!("{word} {} less {}", it.consumed.get(), it.owed.get())
        }
        Ok(Answer::Left(left)) => format!("{word} {left}"),
        Ok(Answer::Done) | Err(_) => word.into(),
    }
}

/// An order, in the model's words.
fn order(it: &Redemption) -> String {
    let status = match it.status {
        Status::Locked { until } => format!("locked until {}", until.0),
        Status::Confirmed { at } => format!("confirmed at {}", at.0),
        Status::Released { at, why } => format!("released at {} {why:?}", at.0),
    };
    let (round, kind, ordinal) = (it.coupon.round.0, it.coupon.kind.0, it.coupon.ordinal);
    let [amount, face, refunded, back] = [it.amount, it.face, it.refunded, it.back].map(Fen::get);
    format!("{round} {kind} {ordinal} {amount} {face} {status}, {refunded} and {back} back")
}

/// What stands in the machine, in the model's form.
fn totals(machine: &Machine) -> Totals {
    let campaigns = (0..machine.campaigns()).map(CampaignNo);
    let pools = campaigns.clone().flat_map(|no| {
        let funds = machine.funds(no).unwrap();
        (0..u8::MAX).map_while(|pool| funds.pool(PoolNo(pool))).map(|it| {
            [it.budget, it.available, it.reserved, it.frozen, it.consumed, it.payable, it.paid]
                .map(|fen| i128::from(fen.get()))
        })
    });
    let left = campaigns.flat_map(|no| {
        let rounds = machine.summary(no).unwrap().rounds;
        let levels = rounds.into_iter().flat_map(|round| round.stock);
        levels.map(|level| [level.left(), level.used, level.locked]).collect::<Vec<_>>()
    });
    let mut holders: Vec<_> = machine
        .holders()
        .map(|(no, who, it)| {
            let CouponId { round, kind, ordinal } = it.coupon;
            (no.0, who.0[0], round.0, kind.0, ordinal, format!("{:?}", it.state))
        })
        .collect();
    holders.sort_unstable();
    Totals { pools: pools.collect(), left: left.collect(), holders }
}

/// I5, as a running server looks for it after each batch.
fn imbalance(machine: &Machine) -> Option<String> {
    (0..machine.campaigns()).map(CampaignNo).find_map(|no| {
        let kinds = machine.kinds(no).unwrap().iter().map(|kind| (kind.pool, kind.face));
        let found = machine.summary(no).unwrap().imbalance(&kinds.collect::<Vec<_>>());
        found.map(|it| it.to_string())
    })
}

#[test]
fn r_claim_1_r_fund_2_whatever_is_asked_the_machine_does_as_the_plain_model_does() {
    beside(commands::story(), &WORDS, &WORDS);
}

#[test]
fn r_redeem_3_r_redeem_4_r_redeem_5_r_redeem_6_orders_go_as_in_the_plain_model() {
    let all = [&WORDS[..], &redeeming::WORDS].concat();
    beside(redeeming::story(), &redeeming::WORDS, &all);
}

/// Tells stories to both. They must get to the first words, and to none that are not among the second.
fn beside(stories: impl Strategy<Value = Vec<(Command, i64)>>, must: &[&str], may: &[&str]) {
    let seen = RefCell::new(BTreeMap::<&str, u64>::new());
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    TestRunner::new(config)
        .run(&stories, |steps| {
            let (mut machine, mut naive, mut now) = (Machine::default(), Naive::default(), 0);
            for (command, passed) in steps {
                now += passed;
                let answer = machine.execute(&command, At(now)).map(|decision| decision.answer);
                let models = naive.told(&command, now);
                prop_assert_eq!(told(&answer), models, "{:?} at {}", command, now);
                prop_assert_eq!(totals(&machine), naive.totals(), "{:?} at {}", command, now);
                prop_assert_eq!(imbalance(&machine), None, "{:?} at {}", command, now);
                *seen.borrow_mut().entry(word(&answer)).or_default() += 1;
            }
            Ok(())
        })
        .unwrap_or_else(|why| panic!("{why}"));
    let seen = seen.into_inner();
    eprintln!("{cases} stories: {seen:?}");
    // A story generator that never gets to a rule would prove nothing about it.
    for word in must {
        assert!(seen.contains_key(word), "no story got to {word:?}: {seen:?}");
    }
    for word in seen.keys() {
        assert!(may.contains(word), "{word:?} is not in the list of words");
    }
}
