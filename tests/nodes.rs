//! What was told stays true when several nodes, their Redis or their PostgreSQL fail in a rush: shown on the real
//! programs, by a crowd that was told.
//!
//! `QUAN_FAULT_CYCLES` says how often each fault comes, `QUAN_FAULT_SEED` from which seed on; a seed gives who asks
//! when and where the fault comes. Where this user may not mount, or may not have a network of their own, that is
//! said and left out.

#![expect(clippy::indexing_slicing, reason = "a test that is out of bounds fails, as it should")]

#[path = "common"]
#[expect(dead_code, reason = "other tests use the rest")]
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
#[expect(dead_code, reason = "other tests use the rest")]
mod faults {
    pub(crate) mod disk;
    pub(crate) mod network;
    pub(crate) mod proxy;
    pub(crate) mod tool;
}
#[path = "nodes/mod.rs"]
mod harness;

use common::{
    crowd::Crowd,
    run::{number, tell, wait_until},
};
use faults::{
    disk::LoopDisk,
    network::{Partition, alone, nft, set},
    proxy::{Proxy, Way},
};
use harness::{
    control::sold_on_both_sides,
    judge::{Fault, judge},
    site::{APART, Layout, Site, UNITS, home, refused},
    tally::Tally,
};
use parking_lot::{ReentrantMutex, ReentrantMutexGuard};
use quan::rush::servers::{RedisServer, Settings};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use redis::cmd;
use rustix::process::Signal;
use std::{
    env,
    fmt::Arguments,
    net::IpAddr,
    ops::Range,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// A rush wants the whole machine.
fn alone_here() -> ReentrantMutexGuard<'static, ()> {
    static ONE: ReentrantMutex<()> = ReentrantMutex::new(());
    ONE.lock()
}

/// Says what can't be tested here; whoever asked for faults by number hears it as a failure.
fn left_out(what: Arguments) {
    assert!(env::var_os("QUAN_FAULT_CYCLES").is_none(), "{what}");
    tell(what);
}

/// Lets a crowd rush, breaks something when some were told yes, and judges; as often as is asked for.
fn cycles(
    what: &str,
    layout: &Layout,
    mut fault: impl FnMut(&mut Site, &mut StdRng) -> Fault,
) -> Tally {
    let _alone = alone_here();
    let (count, first) = (number("QUAN_FAULT_CYCLES", 1), number("QUAN_FAULT_SEED", 1));
    let mut all = Tally::default();
    for seed in first..first + count {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = Instant::now();
        let mut site = Site::start(layout);
        let (people, addresses) = (Arc::clone(&site.people), Arc::clone(&site.addresses));
        let started = start.elapsed().as_millis();
        let crowd = Crowd::gather(people, site.time(), addresses, rng.random());
        let yeses = rng.random_range(5..UNITS / 2);
        wait_until("people get coupons", || crowd.yeses() >= yeses);
        thread::sleep(Duration::from_micros(rng.random_range(0..3_000)));
        let fault = fault(&mut site, &mut rng);
        let book = crowd.finish();
        let tally = judge(&mut site, &book, fault);
        assert!(tally.is_clean(), "{what}, seed {seed}: {tally}\n{}", site.logs());
        site.clear();
        all += tally;
        tell(format_args!(
            "  seed {seed}: started in {started} ms, {} ms in all",
            start.elapsed().as_millis()
        ));
    }
    tell(format_args!("{what}, seeds {first}..{}: {all}", first + count));
    all
}

fn while_broken(rng: &mut StdRng, ms: Range<u64>) {
    thread::sleep(Duration::from_millis(rng.random_range(ms)));
}

/// From now on what processes of `user` send reaches neither `addresses` nor `port` of any; until the partition ends.
fn deafen(user: u32, addresses: &[IpAddr], port: u16) {
    nft(&["add chain inet quan output { type filter hook output priority 0; }"]);
    for to in [format!("ip daddr {}", set(addresses)), format!("tcp dport {port}")] {
        nft(&[&format!("add rule inet quan output meta skuid {user} {to} drop")]);
    }
}

#[test]
fn a_node_that_is_killed_costs_nobody_anything_and_carries_on_when_it_is_back() {
    cycles("a node killed", &Layout::single(2), |site, rng| {
        let began = Instant::now();
        site.kill_node(0);
        while_broken(rng, 0..1_000);
        site.start_node(0);
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn a_redis_that_is_killed_is_recovered_when_it_is_back() {
    cycles("Redis killed", &Layout::single(3), |site, rng| {
        let began = Instant::now();
        site.redis.one().kill();
        while_broken(rng, 0..2_000);
        site.redis.one().start_again().expect("it starts on what it left");
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn a_postgres_that_is_killed_holds_nobody_up_and_lacks_nothing_in_the_end() {
    cycles("PostgreSQL killed", &Layout::single(2), |site, rng| {
        let began = Instant::now();
        site.postgres.kill().expect("it runs");
        while_broken(rng, 0..3_000);
        site.postgres.start_again().expect("it starts on what it left");
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn a_postgres_that_does_not_answer_holds_nobody_up() {
    cycles("PostgreSQL asleep", &Layout::single(2), |site, rng| {
        let began = Instant::now();
        site.postgres.pause().expect("it runs");
        while_broken(rng, 1_000..4_000);
        site.postgres.resume().expect("it runs");
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn a_cluster_whose_master_is_killed_goes_on_with_its_replica() {
    cycles("a master killed", &Layout::cluster(2, 2), |site, rng| {
        let (slot, began) = (shard_slot(site, rng), Instant::now());
        let master = site.redis.cluster().kill_master(slot).expect("a master");
        wait_until("a replica takes over", || site.redis.cluster().master_of(slot).is_ok());
        let ended = Instant::now();
        while_broken(rng, 0..2_000);
        site.redis.cluster().node(master).expect("a node").start_again().expect("it starts");
        Fault { began, ended }
    });
}

/// The slot of a shard, any of them.
fn shard_slot(site: &mut Site, rng: &mut StdRng) -> u16 {
    let shard = rng.random_range(0..3);
    let key = format!("quan:{{0:{shard}}}:meta");
    site.redis.cluster().slot_of(key.as_bytes()).expect("a slot")
}

/// Keeps a master, and the people's node 0 if it is `with` it, apart from everything else, until a replica has taken
/// over and for a while longer.
fn partitions(name: &str, with: bool) {
    let _alone = alone_here();
    let layout = Layout { apart: with, ..Layout::cluster(2, 2) };
    let test = || {
        cycles(name, &layout, |site, rng| {
            let slot = shard_slot(site, rng);
            let cluster = site.redis.cluster();
            let master = cluster.master_of(slot).expect("a master");
            let ip = |node: usize| cluster.nodes()[node].address().ip();
            let others: Vec<_> = (0..9).filter(|node| *node != master).map(ip).collect();
            let began = Instant::now();
            let apart = Partition::between(&[ip(master)], &others);
            if with {
                deafen(APART, &others, site.postgres.port());
            }
            let cluster = site.redis.cluster();
            wait_until("a replica takes over", || {
                cluster.master_of(slot).is_ok_and(|now| now != master)
            });
            while_broken(rng, 0..2_000);
            drop(apart);
            Fault { began, ended: Instant::now() }
        });
    };
    if let Err(why) = alone(name, test) {
        left_out(format_args!("PARTITION NOT TESTED, there is no network of our own here: {why}"));
    }
}

#[test]
fn a_master_kept_apart_from_its_replicas_tells_nobody_what_they_lack() {
    partitions("a_master_kept_apart_from_its_replicas_tells_nobody_what_they_lack", false);
}

#[test]
fn a_node_kept_apart_with_a_master_tells_nobody_what_the_others_lack() {
    partitions("a_node_kept_apart_with_a_master_tells_nobody_what_the_others_lack", true);
}

#[test]
fn a_new_master_sells_again_what_was_sold_if_nothing_fences_it() {
    let name = "a_new_master_sells_again_what_was_sold_if_nothing_fences_it";
    let _alone = alone_here();
    let test = || {
        let both = sold_on_both_sides(true);
        tell(format_args!("without WAIT, fenced: {both:?}"));
        assert!(both.lost > 0 && both.again == 0 && both.fenced > 0, "{both:?}");
        let both = sold_on_both_sides(false);
        tell(format_args!("without WAIT and fence: {both:?}"));
        assert!(both.lost > 0 && both.again > 0, "the tests above could see nothing: {both:?}");
    };
    if let Err(why) = alone(name, test) {
        left_out(format_args!("PARTITION NOT TESTED, there is no network of our own here: {why}"));
    }
}

#[test]
fn a_redis_that_does_not_sync_each_write_is_refused_with_the_settings_name() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, value) in [("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru")] {
        let files = folder.path().join(name);
        let settings = Settings::default().with(name, value);
        let redis = RedisServer::start(&files, &settings).expect("Redis");
        let said = refused(&redis);
        assert!(said.contains(&format!("{name} is \"{value}\", set it to")), "{said}");
    }
}

#[test]
fn a_power_cut_of_redis_takes_nothing_that_was_told() {
    let disk = match LoopDisk::make(home(), 64) {
        Ok(disk) => disk,
        Err(why) => {
            left_out(format_args!(
                "POWER CUT OF REDIS NOT TESTED, no disk can be mounted here: {why}"
            ));
            return;
        }
    };
    let layout = Layout { redis: Some(disk.data()), ..Layout::single(2) };
    cycles("power cut of Redis", &layout, |site, rng| {
        let began = Instant::now();
        let redis = site.redis.one();
        redis.pause().expect("it runs");
        // What it has sent arrives.
        thread::sleep(Duration::from_millis(50));
        disk.cut();
        redis.kill();
        while_broken(rng, 0..1_000);
        disk.power_up();
        redis.start_again().expect("it starts on what was kept");
        Fault { began, ended: Instant::now() }
    });
}

/// All nodes' networks to Redis are broken by `fault`, and mended after so many milliseconds.
fn network(what: &str, ms: Range<u64>, fault: impl Fn(&Proxy, &mut StdRng), mend: impl Fn(&Proxy)) {
    let layout = Layout { proxied: true, ..Layout::single(2) };
    cycles(what, &layout, |site, rng| {
        let began = Instant::now();
        site.proxies.iter().for_each(|proxy| fault(proxy, rng));
        while_broken(rng, ms.clone());
        site.proxies.iter().for_each(&mend);
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn a_network_that_is_cut_costs_a_pause() {
    let cut = |proxy: &Proxy, _: &mut StdRng| {
        proxy.refuse();
        proxy.cut();
    };
    network("network cut", 100..3_000, cut, Proxy::accept_again);
}

#[test]
fn answers_that_are_swallowed_are_asked_for_until_they_are_known() {
    let swallow = |proxy: &Proxy, _: &mut StdRng| proxy.black_hole(Way::Back);
    network("answers swallowed", 100..6_000, swallow, |proxy| {
        proxy.cut();
        proxy.pass(Way::Back);
    });
}

#[test]
fn an_answer_that_is_cut_in_the_middle_is_asked_for_again() {
    let cut = |proxy: &Proxy, rng: &mut StdRng| proxy.cut_after_replies(rng.random_range(0..3_000));
    network("an answer cut", 0..300, cut, |_| ());
}

#[test]
fn a_slow_network_only_makes_people_wait() {
    let slow = |proxy: &Proxy, rng: &mut StdRng| {
        proxy.delay(Way::There, Duration::from_millis(rng.random_range(20..150)));
        proxy.delay(Way::Back, Duration::from_millis(rng.random_range(20..150)));
    };
    network("a slow network", 500..3_000, slow, |proxy| {
        proxy.delay(Way::There, Duration::ZERO);
        proxy.delay(Way::Back, Duration::ZERO);
    });
}

#[test]
fn a_full_redis_stops_issuing_until_there_is_room() {
    cycles("a full Redis", &Layout::single(2), |site, rng| {
        let room = |room: &str| {
            let mut command = cmd("CONFIG");
            command.arg("SET").arg("maxmemory").arg(room);
            command
        };
        let began = Instant::now();
        site.redis.one().ask::<()>(&room("1")).expect("it can be set");
        while_broken(rng, 100..3_000);
        site.redis.one().ask::<()>(&room("1gb")).expect("it can be set");
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn a_flush_of_scripts_is_not_noticed() {
    cycles("scripts flushed", &Layout::single(2), |site, rng| {
        let began = Instant::now();
        for _ in 0..5 {
            let flush = cmd("SCRIPT").arg("FLUSH").arg("SYNC").to_owned();
            site.redis.one().ask::<()>(&flush).expect("it can be flushed");
            while_broken(rng, 0..50);
        }
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn a_slot_that_moves_is_recovered_at_its_new_master() {
    cycles("a slot moved", &Layout::cluster(2, 2), |site, rng| {
        let (slot, began) = (shard_slot(site, rng), Instant::now());
        let cluster = site.redis.cluster();
        let from = cluster.master_of(slot).expect("a master");
        cluster.move_slot(slot, (from + 1) % 3).expect("it moves");
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn a_node_that_is_killed_while_it_carries_a_log_loses_and_doubles_nothing() {
    cycles("carriers killed", &Layout::single(2), |site, rng| {
        let began = Instant::now();
        for kill in 0..6 {
            // Every other one just after a transaction of its own, the rest at any instant.
            if kill % 2 == 0 {
                site.wait_for_rows();
            } else {
                while_broken(rng, 0..700);
            }
            let node = site.carrier().unwrap_or(kill % 2);
            site.kill_node(node);
            site.start_node(node);
        }
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn a_node_that_slept_longer_than_its_lease_writes_no_row_when_it_wakes() {
    cycles("a carrier asleep", &Layout::single(2), |site, rng| {
        let began = Instant::now();
        wait_until("a node carries the shard's log", || site.carrier().is_some());
        let node = site.carrier().expect("just seen");
        site.signal_node(node, Signal::STOP);
        wait_until("the other carries it", || site.carrier() == Some(1 - node));
        while_broken(rng, 0..500);
        site.signal_node(node, Signal::CONT);
        Fault { began, ended: Instant::now() }
    });
}

#[test]
fn nodes_that_start_over_a_fenced_log_recover_it() {
    let tally = cycles("all killed", &Layout::single(2), |site, _| {
        let began = Instant::now();
        site.kill_node(0);
        site.kill_node(1);
        site.redis.one().kill();
        site.redis.one().start_again().expect("it starts on what it left");
        let ended = Instant::now();
        let starting = [site.starting(0), site.starting(1)];
        for (node, process) in (0..).zip(starting) {
            site.serves(node, process.serving());
        }
        Fault { began, ended }
    });
    // A start that waited for the log before it closed its epoch would wait 20 s.
    assert!(tally.reopen_ms < 18_000, "{tally}");
}

/// Redis comes back with its disk of some time before: what it has lost since, the nodes and the store still have.
fn older(what: &str, nodes_too: bool) {
    let layout = Layout { shards: 3, ..Layout::single(2) };
    let tally = cycles(what, &layout, |site, rng| {
        // While it does not run, so that the copy is whole.
        site.redis.one().kill();
        let disk = site.disk();
        site.redis.one().start_again().expect("it starts on what it left");
        let before = site.end(0);
        let entries = rng.random_range(1..30);
        wait_until("more is granted", || site.end(0) > before + entries);
        let began = Instant::now();
        if nodes_too {
            // People whom the first has not answered ask the second.
            site.kill_node(0);
            while_broken(rng, 0..40);
            site.kill_node(1);
        }
        site.redis.one().kill();
        site.give_disk(&disk);
        site.redis.one().start_again().expect("it starts on what it had");
        let ended = Instant::now();
        if nodes_too {
            let starting = [site.starting(0), site.starting(1)];
            for (node, process) in (0..).zip(starting) {
                site.serves(node, process.serving());
            }
        }
        Fault { began, ended }
    });
    assert!(tally.restored > 0, "nothing was lost: {tally}");
}

#[test]
fn a_redis_that_comes_back_older_is_given_back_what_was_told() {
    older("an older Redis", false);
}

#[test]
fn nodes_that_start_over_an_older_redis_give_back_what_was_told() {
    older("all killed, an older Redis", true);
}

#[test]
fn a_redis_that_has_lost_everything_is_given_back_what_was_told() {
    let layout = Layout { shards: 3, ..Layout::single(2) };
    let tally = cycles("an empty Redis", &layout, |site, _| {
        let nothing = tempfile::tempdir().expect("a folder");
        let began = Instant::now();
        site.redis.one().kill();
        site.give_disk(&nothing);
        site.redis.one().start_again().expect("it starts with nothing");
        Fault { began, ended: Instant::now() }
    });
    assert!(tally.restored > 0, "nothing was lost: {tally}");
}
