//! Crashes while tills are at work: what a till was told stays true, nothing is done twice, and money adds up.
//!
//! The round's end comes in the middle, so coupons expire meanwhile, and locks that were left lapse.
//! `QUAN_REDEEM_CRASHES` and `QUAN_REDEEM_POWER_CUTS` say how often, `QUAN_CRASH_SEED` from which seed on.

use super::{
    site::{CODES, Home, OPEN, Rows, Site, Wish, end},
    till::{Order, REDEMPTIONS, Signed, Till},
};
use crate::common::{
    folder::copy_folder,
    host::{Application, Host},
    link::{Answer, Link, Lost, post},
    run::{number, tell},
    server::Process,
};
use crate::faults::disk::LoopDisk;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, sleep},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const TILLS: usize = 12;
const CUSTOMERS: usize = 60;
const KINDS: [&str; 3] = ["retail-10", "retail-40", "catering-20"];
/// Seven seconds before the coupons end.
const BEGINS: &str = "2023-09-07T22:59:53+08:00";
const BEGINS_MS: i64 = 1_694_098_793_000;
/// How long anybody asks again.
const PATIENCE: Duration = Duration::from_mins(1);

/// What tills were told of an order in the end.
#[derive(Clone, Debug, Default)]
struct Told {
    locked: bool,
    confirmed: bool,
    released: bool,
    /// By number: the amount, and what was taken back of the face.
    refunds: BTreeMap<String, (u64, u64)>,
}

/// What the threads share.
struct Shop<'a> {
    host: &'a Host,
    /// Where the servers are, if they run.
    addresses: Mutex<Vec<SocketAddr>>,
    began_ms: i64,
    told: Mutex<BTreeMap<String, Told>>,
    /// Requests of which nobody heard what became.
    unknown: AtomicUsize,
    /// Requests of which it was said that nothing was done.
    refused: AtomicUsize,
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a while yet")
}

impl Shop<'_> {
    fn now_ms(&self) -> i64 {
        BEGINS_MS + wall_ms() - self.began_ms
    }

    /// The clock that the server is started with: it goes on as if it had never ended.
    fn clock(&self) -> String {
        format!("{BEGINS}@{}", self.began_ms)
    }

    /// Asks until there is an answer that is final, each time signed anew.
    fn ask(&self, link: &mut Link, request: impl Fn() -> Signed) -> Answer {
        let start = Instant::now();
        loop {
            let address =
                self.addresses.lock().expect("nobody panics").choose(&mut rand::rng()).copied();
            let told = address.map(|to| link.ask(to, &request()));
            match &told {
                Some(Ok(answer)) if ![429, 503].contains(&answer.status) => return answer.clone(),
                Some(Ok(answer)) if answer.code() == "outcome_unknown" => {
                    self.unknown.fetch_add(1, Relaxed);
                }
                Some(Err(Lost::Unanswered)) => {
                    self.unknown.fetch_add(1, Relaxed);
                }
                // Nodes whose Redis is away say that nothing was done.
                Some(Ok(_)) => {
                    self.refused.fetch_add(1, Relaxed);
                }
                _ => {}
            }
            assert!(start.elapsed() < PATIENCE, "no answer that is final: {told:?}");
            sleep(Duration::from_millis(10));
        }
    }

    fn note(&self, order: &str, note: impl FnOnce(&mut Told)) {
        note(self.told.lock().expect("nobody panics").entry(order.to_owned()).or_default());
    }

    fn code(&self, link: &mut Link, who: usize) -> String {
        let answer = self.ask(link, || {
            let now_ms = self.now_ms();
            let Application { identity, device, .. } = self.host.application(who, &KINDS, now_ms);
            let fix = self.host.fix(&device, now_ms);
            post(CODES, Some(&identity), &json!({ "device": device, "fix": fix }))
        });
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.text("/code").to_owned()
    }

    fn about(&self, link: &mut Link, till: &Till, order: &str, how: &str, body: &str) -> Answer {
        let path = format!("{REDEMPTIONS}/{order}{how}");
        let method = if how.is_empty() { "GET" } else { "POST" };
        self.ask(link, || till.sign(method, &path, body, self.now_ms()))
    }

    /// An order from its code to its refunds; `false` if the customer has no coupon that is good any more.
    fn serve(
        &self,
        link: &mut Link,
        till: &Till,
        who: usize,
        number: &str,
        rng: &mut StdRng,
    ) -> bool {
        let one_step = rng.random_bool(0.3);
        let answer = loop {
            let order = Order { one_step, ..Order::new(number, &self.code(link, who), 20_000) };
            let answer = self.ask(link, || till.redeem(&order, self.now_ms()));
            // Its code died with the server before the order was locked.
            if answer.code() != "code_dead" {
                break answer;
            }
        };
        match (answer.status, answer.code()) {
            (200 | 201, _) => self.note(number, |told| told.locked = true),
            (403, "coupon_expired") | (409, "no_coupon" | "coupon_used" | "coupon_locked") => {
                return false;
            }
            // It lapsed before anybody asked again.
            (409, "lock_expired") => return true,
            _ => panic!("{number}: {answer:?}"),
        }
        let mut confirmed = answer.text("/redemption/state") == "confirmed";
        sleep(Duration::from_millis(rng.random_range(0..100)));
        match rng.random_range(0..10) {
            _ if confirmed => {}
            // It is left, and lapses.
            0 | 1 => return true,
            2 | 3 => {
                let answer = self.about(link, till, number, "/release", "");
                assert_eq!(answer.status, 200, "{number}: {answer:?}");
                self.note(number, |told| told.released = true);
            }
            _ => {
                let answer = self.about(link, till, number, "/confirm", "");
                confirmed = answer.status == 200;
                assert!(confirmed || answer.code() == "lock_expired", "{number}: {answer:?}");
            }
        }
        if confirmed {
            self.note(number, |told| told.confirmed = true);
            let parts: &[u64] = match rng.random_range(0..4) {
                0 => &[20_000],
                1 => &[3_333, 3_333, 13_334],
                2 => &[1],
                _ => &[],
            };
            for (part, fen) in parts.iter().enumerate() {
                let refund = format!("R-{part}");
                let body = json!({ "refund": refund, "amount_fen": fen }).to_string();
                let answer = self.about(link, till, number, "/refunds", &body);
                assert_eq!(answer.status, 200, "{number}: {answer:?}");
                let back = answer.body["refund"]["taken_back_fen"].as_u64().expect("fen");
                self.note(number, |told| {
                    told.refunds.insert(refund, (*fen, back));
                });
            }
        }
        true
    }

    /// One till's day: three orders of each of its customers.
    fn work(&self, till: &Till, no: usize, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut link = Link::default();
        for turn in 0..KINDS.len() {
            for who in (no..CUSTOMERS).step_by(TILLS) {
                sleep(Duration::from_millis(rng.random_range(0..600)));
                self.serve(&mut link, till, who, &format!("O-{who}-{turn}"), &mut rng);
            }
        }
    }

    /// Whether what was told of an order is what stands there, and nothing more.
    fn holds(&self, till: &Till, number: &str, told: &Told) {
        let stands = self.about(&mut Link::default(), till, number, "", "");
        if !told.locked && stands.code() == "order_unknown" {
            return;
        }
        assert_eq!(stands.status, 200, "{number} {told:?}: {stands:?}");
        let state = stands.text("/redemption/state");
        assert_eq!(state == "confirmed", told.confirmed, "{number} {told:?}: {stands:?}");
        assert!(!told.released || state == "released", "{number} {told:?}: {stands:?}");
        let sums = told.refunds.values().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let there =
            ["refunded_fen", "taken_back_fen"].map(|it| stands.body["redemption"][it].as_u64());
        assert_eq!(there, [Some(sums.0), Some(sums.1)], "{number} {told:?}: {stands:?}");
    }
}

/// What came of a cycle: orders, those that were confirmed and released by tills, refunds; requests that were on their
/// way when it failed, and those that were refused.
type Came = [usize; 6];

/// What fails.
enum Fault {
    /// All servers are killed.
    Kill,
    PowerCut(LoopDisk),
    /// Redis is killed and comes back under another lineage.
    Redis,
}

impl Fault {
    /// What is there before is durable.
    fn before(&self) {
        if let Fault::PowerCut(disk) = self {
            disk.sync();
        }
    }

    fn crash(&self, process: Process) {
        let Fault::PowerCut(disk) = self else { return drop(process) };
        // It does nothing from now on, and what it has sent arrives.
        kill_process(Pid::from_child(&process.child), Signal::STOP).expect("it is our child");
        sleep(Duration::from_millis(50));
        disk.cut();
        drop(process);
        disk.power_up();
    }
}

/// People with coupons, before their last seconds.
fn hold_coupons(site: &mut Site) {
    for who in 0..CUSTOMERS {
        site.customer(who, &KINDS);
    }
    site.end_by(|mut process| end(&mut process));
}

/// The same, kept apart to begin with again.
fn before(site: &mut Site) -> PathBuf {
    hold_coupons(site);
    let base = site.data.with_file_name("base");
    fs::rename(&site.data, &base).expect("a folder of ours");
    base
}

/// Tills at work on what is there, until something fails at some instant, perhaps twice; then everything is looked at.
fn cycle(site: &mut Site, seed: u64, fault: &Fault) -> Came {
    let mut rng = StdRng::seed_from_u64(seed);
    let tills = site.more_tills(TILLS);
    let host = Host::with_keys(&site.keys());
    let shop = Shop {
        host: &host,
        addresses: Mutex::default(),
        // On a busy machine, too, there is time before the coupons end.
        began_ms: wall_ms() + i64::try_from(site.start_took.as_millis()).expect("a while"),
        told: Mutex::default(),
        unknown: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
    };
    let serve = |site: &mut Site| {
        site.serve(&shop.clock());
        *shop.addresses.lock().expect("nobody panics") = site.all();
    };
    serve(site);
    thread::scope(|scope| {
        let (shop, tills) = (&shop, &tills);
        let seeds: Vec<u64> = tills.iter().map(|_| rng.random()).collect();
        let work = |(no, seed): (usize, u64)| scope.spawn(move || shop.work(&tills[no], no, seed));
        let threads: Vec<_> = seeds.into_iter().enumerate().map(work).collect();
        for _ in 0..rng.random_range(1..3) {
            sleep(Duration::from_millis(rng.random_range(100..3_500)));
            if let Fault::Redis = fault {
                site.restart_redis();
            } else {
                site.end_by(|process| fault.crash(process));
                serve(site);
            }
        }
        for thread in threads {
            thread.join().expect("a till that was told what the contract says");
        }
    });
    // What was left lapses, and the round expires.
    let ended = Instant::now();
    while site.metric("quan_locks_open{campaign=\"xiangning-2023\"}") > 0.5 {
        assert!(ended.elapsed() < PATIENCE, "a lock does not lapse");
        sleep(Duration::from_millis(100));
    }
    let told = shop.told.lock().expect("nobody panics").clone();
    for (number, told) in &told {
        shop.holds(&tills[0], number, told);
    }
    let of = |such: &dyn Fn(&Told) -> bool| told.values().filter(|it| such(it)).count();
    let done = [of(&|it| it.confirmed), of(&|it| it.released)];
    let refunds = told.values().map(|it| it.refunds.len()).sum();
    site.is_audited();
    let came = [shop.unknown.load(Relaxed), shop.refused.load(Relaxed)];
    [told.len(), done[0], done[1], refunds, came[0], came[1]]
}

/// A cycle on a copy of what was kept apart.
fn again(site: &mut Site, base: &Path, seed: u64, fault: &Fault) -> Came {
    let _ = fs::remove_dir_all(&site.data);
    copy_folder(base, &site.data);
    fault.before();
    cycle(site, seed, fault)
}

/// As many cycles as are asked for.
fn cycles(what: &str, count: u64, mut cycle: impl FnMut(u64) -> Came) {
    let first = number("QUAN_CRASH_SEED", 1);
    let (mut sum, mut hits) = (Came::default(), 0);
    for seed in first..first + count {
        let came = cycle(seed);
        hits += usize::from(came[4] + came[5] > 0);
        sum.iter_mut().zip(came).for_each(|(sum, it)| *sum += it);
    }
    let [orders, confirmed, released, refunds, unknown, refused] = sum;
    tell(format_args!(
        "{what}, {count} from seed {first}: {orders} orders, {confirmed} confirmed, {released} released, {refunds} \
         refunds; at {hits} of them {unknown} requests were on their way and {refused} refused; nothing lost, nothing \
         twice"
    ));
    assert!(hits > 0, "it fails when nobody asks");
    assert!(
        [confirmed, released, refunds].iter().all(|it| *it > 0),
        "too little was done: {sum:?}"
    );
}

fn wish(home: Home) -> Wish {
    Wish { plan: &[("lock_s", 2)], clock: OPEN, more_tills: TILLS, home }
}

#[test]
fn i3_i5_r_redeem_4_r_redeem_5_killed_while_tills_are_at_work_it_keeps_what_they_were_told() {
    let mut site = Site::start(&wish(Home::Here));
    let base = before(&mut site);
    cycles("kill -9", number("QUAN_REDEEM_CRASHES", 2), |seed| {
        again(&mut site, &base, seed, &Fault::Kill)
    });
}

#[test]
fn i3_i5_r_redeem_4_r_redeem_5_a_power_cut_while_tills_are_at_work_takes_nothing_away() {
    let mut site = Site::start(&wish(Home::Here));
    let base = before(&mut site);
    let disk = match LoopDisk::make(base.parent().expect("a folder"), 64) {
        Ok(disk) => disk,
        Err(why) if env::var_os("QUAN_REDEEM_POWER_CUTS").is_none() => {
            tell(format_args!("POWER CUT NOT TESTED, no disk can be mounted here: {why}"));
            return;
        }
        Err(why) => panic!("no power can be cut: {why}"),
    };
    site.data = disk.data();
    let count = number("QUAN_REDEEM_POWER_CUTS", 1);
    let fault = Fault::PowerCut(disk);
    cycles("power cut", count, |seed| again(&mut site, &base, seed, &fault));
}

/// Each time with people, nodes and a Redis of its own: by seeds that are odd in the first home, by others in the
/// second.
fn in_redis(what: &str, homes: [(u8, Rows); 2], fault: &Fault) {
    cycles(what, number("QUAN_REDEEM_CRASHES", 1), |seed| {
        let (shards, store) = if seed % 2 == 1 { homes[0] } else { homes[1] };
        let mut site = Site::start(&wish(Home::Redis { shards, store }));
        hold_coupons(&mut site);
        cycle(&mut site, seed, fault)
    });
}

#[test]
fn i3_i5_r_redeem_4_r_redeem_5_two_nodes_killed_while_tills_are_at_work_keep_what_they_told() {
    in_redis("two nodes, kill -9", [(3, Rows::Postgres), (1, Rows::Sqlite)], &Fault::Kill);
}

#[test]
fn i3_i5_r_redeem_4_r_redeem_5_redis_killed_while_tills_are_at_work_loses_nothing_that_was_told() {
    in_redis("Redis, kill -9", [(1, Rows::Sqlite), (3, Rows::Postgres)], &Fault::Redis);
}
