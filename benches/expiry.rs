//! The end of a round in which everybody still holds a coupon: how long it takes, and what the claims of another round
//! notice of it.
//!
//! `cargo bench --bench expiry`; it fails if a million coupons take two seconds or more, or if the claims' p99 is
//! more than 20 ms longer in the second after it than in the one before. `-- --coupons 10000` makes it shorter.

#![expect(clippy::indexing_slicing, clippy::print_stdout, reason = "a place in a list, figures")]

mod common;

use common::{C, NOW, R, bind, grant, in_round, opening};
use quan::domain::{At, CampaignNo, RoundNo, Window};
use quan::ledger::embedded::{Embedded, Outcome};
use quan::ledger::event::Armed;
use quan::ledger::journal::{Folder, Options};
use quan::ledger::machine::{Answer, Command, Summary};
use quan::ledger::service::{BatchStats, LocalLedger, Watcher, told};
use std::{
    cell::{Cell, RefCell},
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Claims in flight in the other round.
const IN_FLIGHT: usize = 64;
const NEXT: RoundNo = RoundNo(2);
/// When the first round ends.
const END: At = At(5_000);

static CLOCK: AtomicI64 = AtomicI64::new(NOW.0);

struct Nobody;

impl Watcher for Nobody {
    fn campaign(&mut self, _: u64, _: CampaignNo, _: &Summary) {}
    fn batch(&mut self, _: &BatchStats) {}
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let coupons: u32 = match (args.next().as_deref(), args.next()) {
        (None, _) => 1_000_000,
        (Some("--coupons"), Some(count)) => count.parse()?,
        (other, _) => anyhow::bail!("{other:?}: not an option of this bench"),
    };
    let folder = tempfile::tempdir()?;
    let ledger = outstanding(&folder, coupons)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (took, claims) = runtime.block_on(rush(&ledger, coupons));
    let (before, after) = (p99(&claims, |at| at < 0), p99(&claims, |at| at >= 0));
    println!(
        "expiry of {coupons} coupons: {took:?}; claims' p99 {before:?} in the second before, {after:?} in the one after"
    );
    anyhow::ensure!(took < Duration::from_secs(2), "the expiry takes too long");
    let longer = after.saturating_sub(before);
    anyhow::ensure!(longer <= Duration::from_millis(20), "claims wait for the expiry");
    Ok(())
}

/// A round whose coupons are all held and unused, and another one that is open.
fn outstanding(folder: &tempfile::TempDir, coupons: u32) -> anyhow::Result<LocalLedger> {
    let journal = Folder::open(folder.path())?;
    let mut embedded = Embedded::open(journal, Options::default(), NOW)?;
    let [open, _] = opening(coupons.saturating_mul(2));
    let window = |until| Window { from: At(1_000), until };
    let arm = |round, until| {
        Command::Arm(C, Armed { round, window: window(until), quantities: vec![coupons] })
    };
    let start = vec![open, arm(R, END), arm(NEXT, At(9_000_000_000_000))];
    let held = (0..coupons).map(bind).chain((0..coupons).map(grant));
    let next = (0..coupons).map(|who| in_round(NEXT, bind(coupons.saturating_add(who))));
    let commands: Vec<_> = start.into_iter().chain(held).chain(next).collect();
    for some in commands.chunks(4_096) {
        let batch = embedded.decide_all(some.iter(), NOW);
        embedded.commit(batch);
    }
    Ok(LocalLedger::start(embedded, || At(CLOCK.load(Relaxed)), Box::new(Nobody))?)
}

/// Claims in the next round, and after a second of them the end of the first: how long it took, and when each claim
/// was answered, in microseconds from the expiry, and after how long.
async fn rush(ledger: &LocalLedger, coupons: u32) -> (Duration, Vec<(i64, Duration)>) {
    let (next, over) = (Cell::new(coupons), Cell::new(false));
    let claims = RefCell::new(vec![]);
    let claim = || async {
        while !over.get() && next.get() < coupons.saturating_mul(2) {
            let who = next.replace(next.get() + 1);
            let asked = Instant::now();
            let outcome = told(ledger, in_round(NEXT, grant(who))).await.expect("room");
            assert!(matches!(outcome, Outcome::Yes(Answer::Granted(_))), "{outcome:?}");
            claims.borrow_mut().push((Instant::now(), asked.elapsed()));
        }
    };
    let expiry = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        CLOCK.store(END.0, Relaxed);
        let asked = Instant::now();
        let outcome = told(ledger, Command::Expire(C, R)).await.expect("room");
        let took = asked.elapsed();
        assert!(matches!(outcome, Outcome::Yes(Answer::Done)), "{outcome:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        over.set(true);
        (asked, took)
    };
    let claiming = futures_util::future::join_all((0..IN_FLIGHT).map(|_| claim()));
    let ((expired, took), _) = tokio::join!(expiry, claiming);
    let since = |(at, took): (Instant, Duration)| {
        let us = |of: Duration| i64::try_from(of.as_micros()).unwrap_or(i64::MAX);
        let at = at.checked_duration_since(expired).map_or_else(|| -us(expired - at), us);
        (at, took)
    };
    (took, claims.into_inner().into_iter().map(since).collect())
}

fn p99(claims: &[(i64, Duration)], when: impl Fn(i64) -> bool) -> Duration {
    let mut all: Vec<_> =
        claims.iter().filter(|(at, _)| when(*at)).map(|(_, took)| *took).collect();
    all.sort_unstable();
    assert!(all.len() > 1_000, "{} claims are too few to tell", all.len());
    all[(all.len() - 1) * 99 / 100]
}
