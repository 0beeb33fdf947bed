//! Tells random stories, several at the same time, and says of one that fails what differs.
//!
//! `PROPTEST_CASES` is how many are told, `PROPTEST_RNG_SEED` a number that makes them the same again.

use crate::servers::Servers;
use crate::stores::Scratch;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use quan::ledger::machine::{Command, Refund};
use quan::redeem::{Case, Coupon, Part, Side};
use quan::rush::servers::{RedisServer, Settings};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

/// Stories that happen at the same time, each with a ledger of its own.
const WIDTH: usize = 16;
/// So many are worth a line.
const MANY: usize = 500;
/// How long a story that fails is made shorter.
const SHORTER: Duration = Duration::from_secs(20);

/// Commands, and how far the clock goes before each.
pub(crate) type Steps = Vec<(Command, i64)>;
/// The words of a story's answers, or what differs.
pub(crate) type Words = Result<Vec<&'static str>, String>;

/// How many stories are told, if nobody says it: `few`.
pub(crate) fn cases(few: usize) -> usize {
    std::env::var("PROPTEST_CASES").map_or(few, |it| it.parse().unwrap())
}

/// Tells so many stories with a Redis of their own; how often each word was said.
pub(crate) fn beside(
    cases: usize,
    stories: &impl Strategy<Value = Steps>,
    tell: impl Fn(&Servers, &Steps) -> Words + Sync,
) -> BTreeMap<&'static str, u64> {
    let folder = Scratch::new();
    let redis = RedisServer::start(folder.path(), &Settings::default()).unwrap();
    let url = redis.url();
    // What panics differs as well.
    let tell = |steps: &Steps| {
        let told = catch_unwind(AssertUnwindSafe(|| tell(&Servers::at(&url), steps)));
        told.unwrap_or_else(|_| Err("it panics, as is said above".to_owned()))
    };
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let (start, mut seen) = (Instant::now(), BTreeMap::new());
    thread::scope(|scope| {
        let mut told: VecDeque<(Steps, ScopedJoinHandle<'_, Words>)> = VecDeque::new();
        for nth in 0..cases + WIDTH {
            if nth < cases {
                let steps = stories.new_tree(&mut runner).unwrap().current();
                let (tell, these) = (&tell, steps.clone());
                told.push_back((steps, scope.spawn(move || tell(&these))));
            }
            if nth > 0 && nth % MANY == 0 {
                eprintln!("{nth} stories after {} s", start.elapsed().as_secs());
            }
            if nth >= WIDTH
                && let Some((steps, thread)) = told.pop_front()
            {
                match thread.join().unwrap() {
                    Ok(words) => words.into_iter().for_each(|it| *seen.entry(it).or_default() += 1),
                    Err(why) => {
                        // The last that is said is what differs: no backtrace comes after it.
                        eprintln!("{}", report(steps, &why, &tell));
                        resume_unwind(Box::new("a story differs"));
                    }
                }
            }
        }
    });
    eprintln!("{cases} stories in {} ms: {seen:?}", start.elapsed().as_millis());
    seen
}

/// What differs in a story, the story as short as it is then, and what differs once more: the end is what is read.
fn report(steps: Steps, why: &str, tell: &impl Fn(&Steps) -> Words) -> String {
    let (steps, last) = shorter(steps, tell);
    let mut said = format!("a story differs: {why}\n");
    for (command, passed) in &steps {
        writeln!(said, "  {passed:+} {}", compact(command)).unwrap();
    }
    match last {
        Some(last) => said + &last,
        None => said + "told again it does not differ; at first: " + why,
    }
}

/// The shortest of some stories with fewer steps that also fails, and what differs there, if it fails again at all.
fn shorter(mut steps: Steps, tell: &impl Fn(&Steps) -> Words) -> (Steps, Option<String>) {
    let start = Instant::now();
    let mut last = tell(&steps).err();
    let mut cut = if last.is_some() { steps.len() / 2 } else { 0 };
    while cut > 0 {
        // The opening stays.
        let mut at = 1;
        while at < steps.len() && start.elapsed() < SHORTER {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + cut).min(steps.len()));
            match tell(&fewer) {
                Err(why) => (steps, last) = (fewer, Some(why)),
                Ok(_) => at += cut,
            }
        }
        cut /= 2;
    }
    (steps, last)
}

/// A refund of a whole order as it is at first.
const WHOLE: Case = Case { part: Part::Full, end: Side::Before, settlement: Side::Before };

/// A command in few words.
fn compact(command: &Command) -> String {
    match command {
        Command::Decided(it) => {
            let statement = &it.0.statement;
            format!("decided at {}: {:?}, {}", statement.at.0, statement.what, compact(&it.1))
        }
        Command::Refund(it) => {
            let back = it.policy.treatment(WHOLE).coupon == Coupon::Back;
            let back = if back { "" } else { ", the coupon stays" };
            let Refund { redemption, refund, amount, .. } = it;
            format!("Refund {refund:?} of {redemption:?}: {amount:?}{back}")
        }
        other => format!("{other:?}").replace("campaign: CampaignNo(0), ", ""),
    }
}
