//! Random commands to the ledger in Redis and to the machine, side by side: one shard and three.
//!
//! `PROPTEST_CASES=10000 cargo test --test homes as_the_machine_does -- --test-threads 1` makes it more.

use crate::beside::{Steps, Words, beside, cases};
use crate::commands;
use crate::local::Nobody;
use crate::nodes::{asked, opened};
use crate::redeeming;
use crate::renumbered::{by_persons, renumbered};
use crate::servers::Servers;
use crate::stores::{Scratch, runtime};
use crate::story::person;
use quan::domain::{At, CampaignNo, Fen, PersonId, PoolNo};
use quan::ledger::embedded::Outcome;
use quan::ledger::event::KindTerms;
use quan::ledger::machine::{Answer, Command, Held, Lock, Machine, No, Summary};
use quan::ledger::redis::{Opening, RedisLedger};
use quan::ledger::service::Ledger;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Campaigns are never used twice.
static STORIES: AtomicU32 = AtomicU32::new(0);
/// How long the view may take until it shows what was answered.
const SHOWN: Duration = Duration::from_secs(20);

/// The commands' two campaigns.
fn terms(name: &str) -> Command {
    let kind = |name: &str, pool, face| KindTerms {
        name: name.into(),
        pool: PoolNo(pool),
        face: Fen::new(face),
        threshold: Fen::new(5 * face),
    };
    let pools = vec![("p".to_owned(), Fen::new(300)), ("q".to_owned(), Fen::new(70))];
    let kinds = vec![kind("ten", 0, 10), kind("twenty", 0, 20), kind("seven", 1, 7)];
    Command::Open { name: name.into(), pools, kinds }
}

fn called(terms: &Command) -> String {
    let Command::Open { name, .. } = terms else { unreachable!("it opens a campaign") };
    name.clone()
}

/// A Redis that says nothing for so long on a connection has it made anew, and is asked again.
const LOST: Duration = Duration::from_secs(3);
/// How long people ask again who are told that it is not known, or start again what did not start.
const ASKED: Duration = Duration::from_secs(30);

/// Campaigns on these terms, opened.
async fn begun(
    servers: &Servers,
    shards: u8,
    acks: &Path,
    terms: &[Command],
) -> Result<(Opening, Vec<CampaignNo>), String> {
    let start = Instant::now();
    loop {
        match opened(servers, shards, acks, terms, At(0)).await {
            Ok(opened) => return Ok(opened),
            Err(error) if start.elapsed() > ASKED => return Err(error.to_string()),
            Err(_) => {}
        }
    }
}

/// What came of a command, and whether an answer to it may have been lost, so that it was asked for again.
async fn said(ledger: &RedisLedger, command: &Command) -> (Outcome, bool) {
    let start = Instant::now();
    let mut outcome = asked(ledger, command).await;
    while outcome == Outcome::Unknown && start.elapsed() < ASKED {
        outcome = asked(ledger, command).await;
    }
    (outcome, start.elapsed() > LOST)
}

/// Whether both are the same answer: a coupon is held already if it was granted by an answer that was lost.
fn same(is: Outcome, want: &Result<Answer, No>, shards: u8, lost: bool) -> bool {
    let held = |outcome| match plain(outcome, shards) {
        Outcome::Yes(Answer::Granted(it)) if lost => Outcome::Yes(Answer::AlreadyHeld(it)),
        other => other,
    };
    held(is) == held(want.map_or_else(Outcome::No, Outcome::Yes))
}

/// Without what may differ: ordinals are a shard's own, and why something contradicts is for people to read.
fn plain(outcome: Outcome, shards: u8) -> Outcome {
    let held = |mut held: Held| {
        if shards > 1 {
            held.coupon.ordinal = 0;
        }
        held
    };
    match outcome {
        Outcome::Yes(Answer::Granted(it)) => Outcome::Yes(Answer::Granted(held(it))),
        Outcome::Yes(Answer::AlreadyHeld(it)) => Outcome::Yes(Answer::AlreadyHeld(held(it))),
        Outcome::Yes(Answer::Redemption(mut it)) if shards > 1 => {
            it.coupon.ordinal = 0;
            Outcome::Yes(Answer::Redemption(it))
        }
        Outcome::No(No::Conflict(_)) => Outcome::No(No::Conflict("")),
        other => other,
    }
}

/// Where the words begin, of [`commands::WORDS`], that are seen if there were many stories.
const RARE: usize = 15;
/// How many stories are many.
const MANY: usize = 1_000;

/// Tells one story to both; what was said, or where they differ.
async fn tell(servers: &Servers, shards: u8, steps: &Steps) -> Words {
    let (nth, scratch) = (STORIES.fetch_add(1, Relaxed), Scratch::new());
    let names = ["a", "b"].map(|name| terms(&format!("{name}{nth}")));
    let acks = scratch.file("acks");
    // The second is opened first: that a campaign has another number here than there must not matter.
    let reversed = [names[1].clone(), names[0].clone()];
    let (opening, mut numbers) = begun(servers, shards, &acks, &reversed).await?;
    numbers.reverse();
    let clock: Arc<AtomicI64> = Arc::default();
    let time = Arc::clone(&clock);
    let time = move || At(time.load(Relaxed));
    let ledger = RedisLedger::start(opening, time, Box::new(Nobody)).unwrap();
    ledger.wait_until_read();
    let called: Vec<String> = names.iter().map(called).collect();
    let mut machine = Machine::default();
    for terms in &names {
        machine.execute(terms, At(0)).unwrap();
    }
    let here = [CampaignNo(0), CampaignNo(1)];
    let (mut now, mut words) = (0, vec![]);
    let mut coupons: BTreeMap<(CampaignNo, PersonId), Vec<Held>> = BTreeMap::new();
    for (command, passed) in steps {
        if matches!(command, Command::Open { .. }) {
            continue;
        }
        // The machine's time is one for all campaigns and does not go back.
        now = (now + passed).max(now);
        clock.store(now, Relaxed);
        let decide = |numbers: &[CampaignNo]| {
            by_persons(renumbered(command, numbers, &called), numbers, &names, At(now))
        };
        let mine = decide(&here);
        let want = machine.execute(&mine, At(now));
        let want = want.map(|it| it.answer);
        let (is, lost) = said(&ledger, &decide(&numbers)).await;
        if !same(is, &want, shards, lost) {
            return Err(format!("{mine:?} at {now}: {is:?} for {want:?}"));
        }
        if let (Outcome::Yes(answer), Command::Grant(grant)) = (is, &mine) {
            let all = coupons.entry((grant.campaign, grant.person)).or_default();
            match answer {
                Answer::Granted(held) => all.push(held),
                Answer::AlreadyHeld(held) if all.contains(&held) => {}
                Answer::AlreadyHeld(held) if lost => all.push(held),
                other => return Err(format!("{mine:?} at {now}: {other:?}, of {all:?}")),
            }
        }
        words.push(commands::word(&want));
    }
    for (no, here) in numbers.iter().zip(here) {
        let want = machine.summary(here).unwrap();
        shown(&ledger, *no, &want).await?;
        for who in (0..6).map(person) {
            let mut want = coupons.remove(&(here, who)).unwrap_or_default();
            let mut is = coupons_of(&ledger, *no, who).await?;
            want.sort_unstable_by_key(|held| (held.coupon.round, held.coupon.kind));
            is.sort_unstable_by_key(|held| (held.coupon.round, held.coupon.kind));
            if is != want {
                return Err(format!("coupons of {who:?}: {is:?} for {want:?}"));
            }
        }
    }
    Ok(words)
}

/// What of a story of redeeming is the same in several shards: which coupon has which number is not, nor from what of a
/// merchant's dues that is taken off which it owes.
fn alike(command: &Command, shards: u8) -> Option<Command> {
    match command.clone() {
        Command::Open { .. } => None,
        Command::Settle(_)
        | Command::SettleDue(..)
        | Command::Paid(..)
        | Command::PaymentFailed(..)
            if shards > 1 =>
        {
            None
        }
        Command::Lock(ask) => {
            let choice = ask.choice.filter(|_| shards == 1);
            // What is written at its own deadline is never written there; a plan has locks of a second or more.
            Some(Command::Lock(Lock { choice, lock_ms: ask.lock_ms.max(1), ..ask }))
        }
        // The number of a refund has its order's in it.
        Command::Refund(mut ask) if shards > 1 => {
            ask.refund.0[..2].copy_from_slice(&ask.redemption.0[..2]);
            Some(Command::Refund(ask))
        }
        other => Some(other),
    }
}

/// Tells a story of redeeming to both; what was said, or where they differ.
async fn tell_redeeming(servers: &Servers, shards: u8, steps: &Steps) -> Words {
    let (nth, scratch) = (STORIES.fetch_add(1, Relaxed), Scratch::new());
    let mut terms = steps[0].0.clone();
    let Command::Open { name, .. } = &mut terms else { panic!("a story begins with an opening") };
    *name = format!("r{nth}");
    let names = [called(&terms), "nobody's".to_owned()];
    let terms = [terms];
    let (opening, numbers) = begun(servers, shards, &scratch.file("acks"), &terms).await?;
    let clock: Arc<AtomicI64> = Arc::default();
    let time = Arc::clone(&clock);
    let ledger =
        RedisLedger::start(opening, move || At(time.load(Relaxed)), Box::new(Nobody)).unwrap();
    ledger.wait_until_read();
    let mut machine = Machine::default();
    machine.execute(&terms[0], At(0)).unwrap();
    let (mut now, mut words) = (0, vec![]);
    for (command, passed) in steps {
        let Some(command) = alike(command, shards) else { continue };
        now = (now + passed).max(now);
        clock.store(now, Relaxed);
        let decide = |numbers: &[CampaignNo]| {
            by_persons(renumbered(&command, numbers, &names), numbers, &terms, At(now))
        };
        let mine = decide(&[CampaignNo(0)]);
        let want = machine.execute(&mine, At(now)).map(|it| it.answer);
        let (is, lost) = said(&ledger, &decide(&numbers)).await;
        if !same(is, &want, shards, lost) {
            return Err(format!("{mine:?} at {now}: {is:?} for {want:?}"));
        }
        words.push(commands::word(&want));
    }
    let want = machine.summary(CampaignNo(0)).unwrap();
    shown(&ledger, numbers[0], &want).await?;
    for who in (0..6).map(person) {
        let of = |held: &Held| (held.coupon.round, held.coupon.kind, format!("{:?}", held.state));
        let holders = machine.holders().filter(|(_, it, _)| *it == who);
        let mut want: Vec<_> = holders.map(|(.., held)| of(&held)).collect();
        let is = coupons_of(&ledger, numbers[0], who).await?;
        let mut is: Vec<_> = is.iter().map(of).collect();
        want.sort_unstable();
        is.sort_unstable();
        if is != want {
            return Err(format!("coupons of {who:?}: {is:?} for {want:?}"));
        }
    }
    Ok(words)
}

/// Tells as many stories of redeeming as are asked for.
fn redeeming_beside(shards: u8) {
    let cases = cases(24);
    let tell = |servers: &Servers, steps: &Steps| {
        runtime().block_on(tell_redeeming(servers, shards, steps))
    };
    let seen = beside(cases, &redeeming::story(), tell);
    // In several shards nothing is settled.
    let must = if shards == 1 && cases > MANY { redeeming::WORDS.len() } else { 2 };
    for word in &redeeming::WORDS[..must] {
        assert!(seen.contains_key(word), "no story got to {word:?}: {seen:?}");
    }
}

#[test]
fn r_redeem_4_r_redeem_5_i4_i5_i6_redis_redeems_as_the_machine_does() {
    redeeming_beside(1);
}

#[test]
fn r_redeem_4_r_redeem_5_i4_i5_i6_three_shards_redeem_as_the_machine_does() {
    redeeming_beside(3);
}

/// A person's coupons; that they can't be known just now is an answer, after which people ask again.
async fn coupons_of(
    ledger: &RedisLedger,
    no: CampaignNo,
    who: PersonId,
) -> Result<Vec<Held>, String> {
    let start = Instant::now();
    loop {
        match ledger.coupons(no, who).await {
            Some(coupons) => return Ok(coupons),
            None if start.elapsed() > SHOWN => return Err("coupons can't be known".to_owned()),
            None => {}
        }
    }
}

/// Waits until the ledger shows the campaign as the machine has it.
async fn shown(ledger: &RedisLedger, no: CampaignNo, want: &Summary) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let is = ledger.view().campaign(no).ok_or("nothing is shown")?;
        if *is == *want {
            return Ok(());
        }
        if start.elapsed() > SHOWN {
            return Err(format!("{is:?} is shown for {want:?}"));
        }
        sleep(Duration::from_millis(2)).await;
    }
}

/// Tells as many stories as are asked for.
fn claims_beside(shards: u8) {
    let cases = cases(100);
    let told = |servers: &Servers, steps: &Steps| runtime().block_on(tell(servers, shards, steps));
    let seen = beside(cases, &commands::story(), told);
    // Both campaigns are opened at the start.
    let must = if cases < MANY { RARE } else { commands::WORDS.len() };
    for word in &commands::WORDS[1..must] {
        assert!(seen.contains_key(word), "no story got to {word:?}: {seen:?}");
    }
}

#[test]
fn r_claim_1_i1_i2_i5_i7_redis_answers_as_the_machine_does() {
    claims_beside(1);
}

#[test]
fn r_claim_1_i1_i2_i5_i7_i9_three_shards_answer_as_the_machine_does() {
    claims_beside(3);
}
