//! A rush with a crash in the middle, and what came of it.

use super::{
    journal::Grants,
    server::{Process, Server},
    tally::Tally,
    world::World,
};
use crate::common::{
    book::{Book, Yes},
    crowd::{Addresses, Crowd},
    link::Link,
    people::{Claim, OPENING, Time},
    run::wait_until,
};
use quan::{audit::audit_folder, data::DataFolder, store};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

/// The crash comes when this many yeses were told, at the latest.
const LATEST: usize = 2_000;
/// Yeses of before the crash that are asked for again after it.
const ASKED_AGAIN: usize = 100;

/// A rush that a crash has interrupted.
pub(crate) struct Crashed {
    world: &'static World,
    data: PathBuf,
    pub(crate) time: Time,
    crowd: Crowd,
    addresses: Addresses,
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
    addresses: Addresses,
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
        let addresses: Addresses = Arc::default();
        addresses.lock().push(Some(server.public));
        let people = Arc::clone(&world.people);
        let crowd = Crowd::gather(people, time, Arc::clone(&addresses), rng.random());
        let yeses = rng.random_range(0..LATEST);
        wait_until("people get coupons", || crowd.yeses() >= yeses);
        thread::sleep(Duration::from_micros(rng.random_range(0..3_000)));
        Rush { world, data: data.to_owned(), time, crowd, addresses, server, rng }
    }

    /// Ends the server by `crash`, which leaves the data folder at rest.
    pub(crate) fn crash(self, crash: impl FnOnce(Process)) -> Crashed {
        let Rush { world, data, time, crowd, addresses, server, rng } = self;
        crash(server.process);
        let told = crowd.crash();
        let grants = Grants::read(world, &data);
        Crashed { world, data, time, crowd, addresses, rng, told, grants }
    }
}

impl Crashed {
    /// Starts the server again until everybody has a final answer, and looks at everything.
    ///
    /// One in four recoveries meets a `crash` of its own.
    pub(crate) fn recover(mut self, crash: impl FnOnce(Process)) -> Tally {
        self.nothing_is_lost();
        let disturbed = self.rng.random_range(0..4) == 0;
        if disturbed {
            let recovering = Process::start(self.world, &self.data, self.time.now(), &[]);
            thread::sleep(Duration::from_millis(self.rng.random_range(0..120)));
            crash(recovering);
            self.nothing_is_lost();
        }
        let mut tally = Tally { disturbed: usize::from(disturbed), ..Tally::default() };
        let server = Server::start(self.world, &self.data, self.time.now());
        self.addresses.lock().fill(Some(server.public));
        tally.asked_again = self.ask_again(&server);
        let book = self.crowd.finish();
        server.stop();
        let end = Grants::read(self.world, &self.data);
        audited(&self.data, &book, &book.record(&self.world.people, self.time));
        assert_eq!(book.strange, [""; 0], "every answer is in the contract");
        let told_later =
            |claim: &&Claim| book.yes.contains_key(*claim) && !self.told.yes.contains_key(*claim);
        let in_flight: Vec<&Claim> = self.told.unknown.iter().filter(told_later).collect();
        let mut there = 0;
        for claim in &in_flight {
            let grant = self.grants.get(**claim);
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
        tally.promises = end.promises(&book);
        tally
    }

    /// Whatever was told before the crash is in the journal, which nobody has open.
    fn nothing_is_lost(&self) {
        let grants = Grants::read(self.world, &self.data);
        assert_eq!(grants.damage, None);
        let lost = grants.lost(&self.told);
        assert!(lost.is_empty(), "{} of {} yeses lost", lost.len(), self.told.yes.len());
    }

    /// Some of those who were told yes ask again, and are told the same.
    fn ask_again(&self, server: &Server) -> usize {
        let mut link = Link::default();
        let some = self.told.yes.iter().take(ASKED_AGAIN);
        for (claim, before) in some.clone() {
            let answer = link.ask(server.public, &self.world.people.claim(*claim, self.time));
            let answer = answer.expect("an answer");
            let again = Yes::of(&answer).unwrap_or_else(|| panic!("{before:?}: {answer:?}"));
            assert_eq!((again.replayed, &again.coupon), (true, &before.coupon));
        }
        some.count()
    }
}

/// Every promise looked at again, the store's too; `book` is what clients were told, and `record` is of it.
fn audited(data: &Path, book: &Book, record: &str) {
    let file = data.with_extension("record");
    std::fs::write(&file, record).expect("room for a record");
    let mut audit = audit_folder(data, Some(&file)).expect("a journal to audit");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let stored = runtime.expect("a runtime").block_on(store::check(&DataFolder::at(data)));
    audit.add(stored.expect("a store to compare").expect("there is a store"));
    let rows = |name: &str| audit.checks.iter().find(|it| it.name == name).map_or(0, |it| it.rows);
    assert!(audit.clean, "{audit}");
    assert_eq!(rows("I3"), book.yes.len() as u64, "{audit}");
    let answers = (book.sold_out.len() + book.undecided.len()) as u64;
    assert_eq!(rows("I9"), answers, "{audit}");
}
