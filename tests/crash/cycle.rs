//! A rush with a crash in the middle, and what came of it.

use super::{
    book::{Book, Claim},
    crowd::{Crowd, yes},
    journal::Grants,
    link::Link,
    server::{Server, Starting},
    wait_until,
    world::{OPENING, Time, World},
};
use quan::{audit::audit_folder, data::DataFolder, store};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{
    ffi::OsString,
    fmt,
    ops::AddAssign,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// The crash comes when this many yeses were told, at the latest.
const LATEST: usize = 2_000;
/// Yeses of before the crash that are asked for again after it.
const ASKED_AGAIN: usize = 100;

/// What became of the claims that were on their way at crashes, and of all promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Crashes with a grant in flight: unanswered then, and a yes in the end.
    pub(crate) crashes: usize,
    /// Crashes that don't count.
    pub(crate) idle: usize,
    /// Recoveries that were killed too.
    pub(crate) recoveries_killed: usize,
    /// Grants in flight of which the journal held nothing.
    pub(crate) not_written: usize,
    /// Grants in flight that were written; whether they were synced can't be told.
    pub(crate) written: usize,
    /// Grants in flight that were synced for sure, and not answered.
    pub(crate) synced: usize,
    /// Crashes at which all grants in flight were in the journal, none was, or some were.
    pub(crate) all_some_none: [usize; 3],
    /// Yeses told before a crash, and in all.
    pub(crate) told_before: usize,
    pub(crate) told: usize,
    /// Yeses of before a crash asked for again.
    pub(crate) asked_again: usize,
    /// Yeses that the journal did not hold right after the crash, or at the end.
    pub(crate) lost: usize,
    pub(crate) twice: usize,
    pub(crate) above_stock: usize,
    /// Coupons that nobody got, though more people asked than there were.
    pub(crate) undersold: usize,
}

impl Tally {
    /// Whether every promise was kept.
    pub(crate) fn is_clean(&self) -> bool {
        (self.lost, self.twice, self.above_stock, self.undersold) == (0, 0, 0, 0)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.crashes += other.crashes;
        self.idle += other.idle;
        self.recoveries_killed += other.recoveries_killed;
        self.not_written += other.not_written;
        self.written += other.written;
        self.synced += other.synced;
        for (mine, theirs) in self.all_some_none.iter_mut().zip(other.all_some_none) {
            *mine += theirs;
        }
        self.told_before += other.told_before;
        self.told += other.told;
        self.asked_again += other.asked_again;
        self.lost += other.lost;
        self.twice += other.twice;
        self.above_stock += other.above_stock;
        self.undersold += other.undersold;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [all, some, none] = self.all_some_none;
        write!(
            f,
            "{} crashes with grants in flight ({} without; {} recoveries killed too)\n  \
             grants in flight: {} not written, {} written and perhaps synced, {} synced and not answered\n  \
             crashes whose grants in flight were in the journal: all {all}, some {some}, none {none}\n  \
             yeses: {} before a crash, {} in all, {} asked for again\n  \
             lost {}, twice {}, above stock {}, undersold {}",
            self.crashes,
            self.idle,
            self.recoveries_killed,
            self.not_written,
            self.written,
            self.synced,
            self.told_before,
            self.told,
            self.asked_again,
            self.lost,
            self.twice,
            self.above_stock,
            self.undersold,
        )
    }
}

/// A rush that a crash has interrupted.
pub(crate) struct Crashed {
    world: &'static World,
    data: PathBuf,
    pub(crate) time: Time,
    crowd: Crowd,
    rng: StdRng,
    pub(crate) told: Book,
    /// What the journal held after the crash, before anybody opened it.
    pub(crate) grants: Grants,
}

/// A rush until some instant that `seed` gives.
pub(crate) struct Rush {
    world: &'static World,
    data: PathBuf,
    pub(crate) time: Time,
    pub(crate) crowd: Crowd,
    pub(crate) server: Server,
    rng: StdRng,
}

impl Rush {
    /// Starts a server on `data`, as it is before the opening, and lets the crowd at it until that
    /// instant.
    pub(crate) fn start(
        world: &'static World,
        data: &Path,
        seed: u64,
        env: &[(&str, OsString)],
    ) -> Rush {
        Rush::start_after(world, data, seed, env, || ())
    }

    /// As [`Rush::start`], with something done between the server's start and the rush.
    pub(crate) fn start_after(
        world: &'static World,
        data: &Path,
        seed: u64,
        env: &[(&str, OsString)],
        first: impl FnOnce(),
    ) -> Rush {
        let time = Time::from(OPENING);
        let mut rng = StdRng::seed_from_u64(seed);
        let server = Server::start_with(world, data, time.now(), env);
        first();
        let crowd = Crowd::gather(world, time, rng.random());
        crowd.go_to(server.public);
        let yeses = rng.random_range(0..LATEST);
        wait_until("people get coupons", || crowd.yeses() >= yeses);
        thread::sleep(Duration::from_micros(rng.random_range(0..3_000)));
        Rush { world, data: data.to_owned(), time, crowd, server, rng }
    }

    /// Ends the server by `crash`, which leaves the data folder at rest.
    pub(crate) fn crash(self, crash: impl FnOnce(Server)) -> Crashed {
        let Rush { world, data, time, crowd, server, rng } = self;
        crash(server);
        let told = crowd.crash();
        let grants = Grants::read(world, &data);
        Crashed { world, data, time, crowd, rng, told, grants }
    }
}

impl Crashed {
    /// Kills a server while it recovers, now and then.
    fn disturb(&mut self) -> usize {
        if self.rng.random_range(0..4) != 0 {
            return 0;
        }
        let recovering = Starting::start(self.world, &self.data, self.time.now(), &[]);
        thread::sleep(Duration::from_millis(self.rng.random_range(0..120)));
        recovering.kill();
        1
    }

    /// Starts the server again until everybody has a final answer, and looks at everything.
    pub(crate) fn recover(mut self) -> Tally {
        assert_eq!(self.grants.damage, None);
        let lost = self.grants.lost(&self.told);
        assert!(lost.is_empty(), "{} of {} yeses lost", lost.len(), self.told.yes.len());
        let mut tally = Tally { recoveries_killed: self.disturb(), ..Tally::default() };
        let server = Server::start(self.world, &self.data, self.time.now());
        self.crowd.go_to(server.public);
        tally.asked_again = self.ask_again(&server);
        let book = self.crowd.finish();
        server.stop();
        let end = Grants::read(self.world, &self.data);
        audited(self.world, &self.data, &book);
        assert_eq!(book.strange, [""; 0], "every answer is in the contract");
        let in_flight: Vec<Claim> =
            self.told.lost.iter().filter(|claim| book.yes.contains_key(*claim)).copied().collect();
        let mut there = 0;
        for claim in &in_flight {
            let grant = self.grants.get(*claim);
            there += usize::from(grant.is_some());
            let count = match grant {
                None => &mut tally.not_written,
                Some(grant) if grant.proven => &mut tally.synced,
                Some(_) => &mut tally.written,
            };
            *count += 1;
        }
        if in_flight.is_empty() {
            tally.idle = 1;
        } else {
            tally.crashes = 1;
            let which = if there == in_flight.len() { 0 } else { 1 + usize::from(there == 0) };
            tally.all_some_none[which] = 1;
        }
        tally.told_before = self.told.yes.len();
        tally.told = book.yes.len();
        tally.lost = self.grants.lost(&self.told).len() + end.lost(&book).len();
        tally.twice = end.twice();
        for (granted, quantity) in end.stock() {
            tally.above_stock += granted.saturating_sub(quantity);
            tally.undersold += quantity.saturating_sub(granted);
        }
        tally
    }

    /// Some of those who were told yes ask again, and are told the same.
    fn ask_again(&self, server: &Server) -> usize {
        let mut link = Link::default();
        let some = self.told.yes.iter().take(ASKED_AGAIN);
        for ((who, kind), before) in some.clone() {
            let now = self.time.now();
            let answer = link.ask(server.public, &self.world.claim(*who, *kind, now));
            let answer = answer.expect("an answer");
            let again = yes(&answer, now.0).unwrap_or_else(|| panic!("{before:?}: {answer:?}"));
            assert_eq!((again.replayed, &again.coupon), (true, &before.coupon));
        }
        some.count()
    }
}

/// Every promise looked at again, the store's too; `book` is what clients were told.
pub(crate) fn audited(world: &World, data: &Path, book: &Book) {
    let record = data.with_extension("record");
    std::fs::write(&record, book.record(world)).expect("room for a record");
    let mut audit = audit_folder(data, Some(&record)).expect("a journal to audit");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let stored = runtime.expect("a runtime").block_on(store::check(&DataFolder::at(data)));
    audit.add(stored.expect("a store to compare").expect("there is a store"));
    let rows = |name: &str| audit.checks.iter().find(|it| it.name == name).map_or(0, |it| it.rows);
    assert!(audit.clean, "{audit}");
    assert_eq!(rows("I3"), book.yes.len() as u64, "{audit}");
    let answers = (book.sold_out.len() + book.unanswered.len()) as u64;
    assert_eq!(rows("I9"), answers, "{audit}");
}
