//! What was told stays true when the server is killed, when its power is cut, and when its disk
//! fails: shown on the real program, by a crowd that was told.
//!
//! `QUAN_CRASH_CYCLES` and `QUAN_POWER_CUTS` say how often, `QUAN_CRASH_SEED` from which seed on;
//! a seed gives who asks when and where the crash comes. `QUAN_CRASH_SEGMENT_MIB` of 0 gives every
//! batch a segment of its own. Power is cut where this user may mount; elsewhere that is said and
//! left out, unless `QUAN_POWER_CUTS` asks for it.

#![expect(clippy::indexing_slicing, reason = "a test that is out of bounds fails, as it should")]

#[path = "common"]
mod common {
    pub(crate) mod book;
    pub(crate) mod crowd;
    pub(crate) mod folder;
    pub(crate) mod host;
    pub(crate) mod link;
    pub(crate) mod people;
    pub(crate) mod plan;
    pub(crate) mod promises;
    pub(crate) mod run;
    pub(crate) mod server;
}
#[path = "faults"]
mod faults {
    pub(crate) mod disk;
    pub(crate) mod tool;
}
#[path = "crash/mod.rs"]
mod harness;

use common::{
    book::Yes,
    link::{Link, Lost},
    people::{OPENING, Time},
    run::{number, tell, wait_until},
};
use faults::disk::LoopDisk;
use harness::{
    cycle::Rush,
    flips,
    journal::Grants,
    server::{Process, Server},
    shim::Shim,
    tally::Tally,
    world::{World, ready},
};
use std::{
    env, fs,
    path::Path,
    thread::{self, JoinHandle},
    time::Duration,
};

/// A disk whose power can be cut, if this user may.
fn disk(world: &World, mib: u64) -> Option<LoopDisk> {
    match LoopDisk::make(world.folder(), mib) {
        Ok(disk) => Some(disk),
        Err(why) if env::var_os("QUAN_POWER_CUTS").is_none() => {
            let test = thread::current().name().unwrap_or_default().to_owned();
            tell(format_args!("{test}: POWER CUT NOT TESTED, no disk can be mounted here: {why}"));
            None
        }
        Err(why) => panic!("no power can be cut: {why}"),
    }
}

/// Takes the power from a stopped server's disk and gives it back.
fn cut(disk: &LoopDisk) -> impl Fn(Process) {
    move |process| {
        process.pause();
        disk.cut();
        process.kill();
        disk.power_up();
    }
}

/// Runs cycles until `count` of them had a grant in flight at the crash.
fn cycles(what: &str, count: u64, mut cycle: impl FnMut(u64) -> Tally) {
    let (count, first) = (usize::try_from(count).expect("a count"), number("QUAN_CRASH_SEED", 1));
    let mut all = Tally::default();
    let mut seed = first;
    while all.crashes < count {
        let tally = cycle(seed);
        assert!(tally.promises.are_kept(), "seed {seed}: {tally}");
        all += tally;
        assert!(all.idle <= 5 + all.crashes / 4, "the crash comes too late too often: {all}");
        seed += 1;
        if all.crashes.is_multiple_of(50) {
            tell(format_args!("{what}, seeds {first}..{seed}: {all}"));
        }
    }
    tell(format_args!("{what}, seeds {first}..{seed}: {all}"));
}

#[test]
fn killed_at_any_instant_it_keeps_every_promise() {
    let world = World::get();
    let data = world.folder().join("killed");
    cycles("kill -9", number("QUAN_CRASH_CYCLES", 20), |seed| {
        world.before_opening(&data);
        Rush::start(world, &data, seed, &[]).crash(Process::kill).recover(Process::kill)
    });
}

#[test]
fn a_power_cut_at_any_instant_takes_no_promise_away() {
    let world = World::get();
    let Some(disk) = disk(world, 64) else { return };
    cycles("power cut", number("QUAN_POWER_CUTS", 5), |seed| {
        world.before_opening(&disk.data());
        disk.sync();
        Rush::start(world, &disk.data(), seed, &[]).crash(cut(&disk)).recover(cut(&disk))
    });
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    // If this finds nothing, the test above could not find anything either.
    let world = World::get();
    let Some(disk) = disk(world, 64) else { return };
    let mut lost = 0;
    for seed in 1..=3 {
        world.before_opening(&disk.data());
        disk.sync();
        let shim = Shim::over(world, &disk.data());
        shim.set("lie 1");
        let crashed = Rush::start(world, &disk.data(), seed, &shim.env()).crash(cut(&disk));
        assert!(shim.hit());
        let taken = crashed.grants.lost(&crashed.told).len();
        tell(format_args!(
            "lying disk, seed {seed}: {taken} of {} yeses lost",
            crashed.told.yes.len()
        ));
        lost += taken;
    }
    assert!(lost > 0, "the harness would not see a loss");
}

/// Person 0 claims the first kind they want, while the next sync of the journal hangs. Gives the
/// campaign's time.
fn hang_between_write_and_sync(
    world: &'static World,
    data: &Path,
    crash: impl FnOnce(Process),
) -> Time {
    let shim = Shim::over(world, &data.join("journal"));
    let time = Time::from(OPENING);
    let server = Server::start_with(world, data, time.now(), &shim.env());
    shim.set("hang 1");
    let (public, request) = (server.public, world.first_request(time));
    let ask = || {
        let request = request.clone();
        thread::spawn(move || Link::default().ask(public, &request))
    };
    let first = ask();
    wait_until("the sync hangs", || shim.hit());
    // Nor is a repeat told what is not durable.
    let askers = [first, ask()];
    thread::sleep(Duration::from_millis(200));
    assert!(!askers.iter().any(JoinHandle::is_finished), "told before the sync: {askers:?}");
    crash(server.process);
    for asker in askers {
        assert_eq!(asker.join().expect("it only asks").map(drop), Err(Lost::Unanswered));
    }
    time
}

/// Person 0's coupon, and whether it was granted before.
fn coupon(world: &World, server: &Server, time: Time) -> (String, bool) {
    let request = world.first_request(time);
    let answer = Link::default().ask(server.public, &request).expect("an answer");
    let yes = Yes::of(&answer).unwrap_or_else(|| panic!("{answer:?}"));
    (yes.coupon, yes.replayed)
}

#[test]
fn written_and_not_synced_it_is_held_after_a_kill_and_then_through_a_power_cut() {
    let world = World::get();
    let Some(disk) = disk(world, 64) else { return };
    let data = disk.data();
    world.before_opening(&data);
    disk.sync();
    let claim = world.first_claim();
    let time = hang_between_write_and_sync(world, &data, Process::kill);
    let written = Grants::read(world, &data);
    assert_eq!(written.get(claim).map(|grant| grant.proven), Some(false), "written, not synced");
    let server = Server::start(world, &data, time.now());
    let (first, replayed) = coupon(world, &server, time);
    assert!(replayed, "the journal had it");
    cut(&disk)(server.process);
    let grant = Grants::read(world, &data);
    assert_eq!(grant.get(claim).map(|grant| &grant.coupon), Some(&first));
    let server = Server::start(world, &data, time.now());
    assert_eq!(coupon(world, &server, time), (first, true));
    server.stop();
}

#[test]
fn written_and_not_synced_it_is_gone_after_a_power_cut_and_nobody_was_told() {
    // So what the test above finds again was really in the page cache only.
    let world = World::get();
    let Some(disk) = disk(world, 64) else { return };
    world.before_opening(&disk.data());
    disk.sync();
    let time = hang_between_write_and_sync(world, &disk.data(), cut(&disk));
    let grants = Grants::read(world, &disk.data());
    assert!(grants.get(world.first_claim()).is_none(), "{grants:?}");
    let server = Server::start(world, &disk.data(), time.now());
    let (_, replayed) = coupon(world, &server, time);
    assert!(!replayed);
    server.stop();
}

/// The disk fails in a rush: from then on nobody is told yes, everybody is told why, and after a
/// restart on a healthy disk everything told is true.
fn fails(fault: &str, said: &str, seed: u64) {
    let world = World::get();
    let disk = disk(world, 64);
    let name = fault.replace(' ', "-");
    let data = disk.as_ref().map_or_else(|| world.folder().join(name), LoopDisk::data);
    world.before_opening(&data);
    disk.as_ref().inspect(|disk| disk.sync());
    let shim = Shim::over(world, &data.join("journal"));
    let rush = Rush::start(world, &data, seed, &shim.env());
    shim.set(fault);
    wait_until("the disk fails", || shim.hit());
    thread::sleep(Duration::from_millis(300));
    let yeses = rush.crowd.yeses();
    let (status, readiness) = ready(&rush.server);
    assert_eq!(status, 503, "{readiness}");
    let reasons = readiness["reasons"].to_string();
    assert!(reasons.contains("restart needed") && reasons.contains(said), "{reasons}");
    let log = rush.server.process.said();
    let line = log.lines().find(|line| line.contains("the journal has failed"));
    assert!(line.is_some_and(|line| line.contains("ERROR") && line.contains(said)), "{log}");
    let request = world.first_request(rush.time);
    let answer = Link::default().ask(rush.server.public, &request).expect("an answer");
    // Who holds a coupon is still told so: it was durable before the disk failed.
    let holds = answer.status == 200 && answer.body["replayed"] == true;
    assert!(holds || answer.status == 503, "{answer:?}");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(rush.crowd.yeses(), yeses, "a yes from a failed disk");
    let told = rush.crowd.told();
    assert!(told.refused.contains_key("outcome_unknown"), "{:?}", told.refused);
    // With the power gone too, only what was really synced is there.
    let crash = |process: Process| match &disk {
        Some(disk) => cut(disk)(process),
        None => process.kill(),
    };
    let crashed = rush.crash(crash);
    let refused = crashed.told.refused.clone();
    let tally = crashed.recover(crash);
    tell(format_args!("{fault}: told meanwhile {refused:?}\n{tally}"));
    assert!(tally.promises.are_kept(), "{tally}");
}

#[test]
fn a_sync_that_fails_stops_every_yes_until_a_restart() {
    fails("eio 1", "Input/output error", 11);
}

#[test]
fn a_sync_that_fails_later_on_stops_every_yes_until_a_restart() {
    fails("eio 7", "Input/output error", 12);
}

#[test]
fn a_write_without_room_stops_every_yes_until_a_restart() {
    fails("full 3", "No space left on device", 13);
}

#[test]
fn a_server_whose_disk_failed_stops_when_told_and_its_next_start_knows_the_outcome() {
    let world = World::get();
    let data = world.folder().join("stopped");
    world.before_opening(&data);
    let shim = Shim::over(world, &data.join("journal"));
    let time = Time::from(OPENING);
    let server = Server::start_with(world, &data, time.now(), &shim.env());
    shim.set("eio 1");
    let request = world.first_request(time);
    let ask = || Link::default().ask(server.public, &request).expect("an answer");
    let codes = [ask(), ask()].map(|answer| answer.code().to_owned());
    assert_eq!(codes.first().map(String::as_str), Some("outcome_unknown"));
    assert!(["unavailable", "risk_control_degraded"].contains(&codes[1].as_str()), "{codes:?}");
    server.stop();
    let server = Server::start(world, &data, time.now());
    let (_, replayed) = coupon(world, &server, time);
    assert!(replayed, "it was written, and the next start made it durable");
    server.stop();
}

#[test]
fn a_server_that_says_it_serves_ends_well_when_told_at_once() {
    let world = World::get();
    let data = world.folder().join("told-at-once");
    world.before_opening(&data);
    for _ in 0..20 {
        Server::start(world, &data, OPENING).stop();
    }
}

#[test]
fn a_full_disk_stops_no_claim_within_a_segment_and_refuses_the_next_start() {
    let world = World::get();
    let Some(disk) = disk(world, 24) else { return };
    let data = disk.data();
    world.before_opening(&data);
    let mut ballast = None;
    let rush = Rush::start_after(world, &data, 14, &[], || ballast = Some(disk.fill()));
    assert_eq!(ready(&rush.server).0, 200, "a segment's room is taken in advance");
    let crashed = rush.crash(Process::kill);
    let refused = Process::start(world, &data, crashed.time.now(), &[]).served();
    let (status, log) = refused.err().expect("there is no room for a segment");
    assert!(!status.success() && log.contains("No space left on device"), "{status}: {log}");
    fs::remove_file(ballast.expect("it was filled")).expect("a file of ours");
    let tally = crashed.recover(Process::kill);
    tell(format_args!("a full disk: {tally}"));
    assert!(tally.promises.are_kept(), "{tally}");
}

#[test]
fn any_byte_of_a_journal_flipped_is_refused_with_its_place() {
    let flips = flips::every_byte();
    tell(format_args!("{flips} bytes flipped, all refused with their places"));
}

#[test]
fn the_program_refuses_a_damaged_journal_and_says_where() {
    let world = World::get();
    let data = world.folder().join("damaged");
    world.before_opening(&data);
    let segment = data.join("journal/00000000000000000001.journal");
    let mut bytes = fs::read(&segment).expect("the first segment");
    bytes[100_000] ^= 1;
    fs::write(&segment, bytes).expect("a file of ours");
    let (status, log) = Process::start(world, &data, OPENING, &[]).served().err().expect("refused");
    assert!(!status.success(), "{status}");
    let place = log.split("journal damaged: 00000000000000000001.journal at byte ").nth(1);
    let offset = place.and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
    assert!(offset.is_some_and(|offset| (99_600..=100_000).contains(&offset)), "{log}");
}
