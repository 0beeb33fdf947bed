//! The faults that other tests rely on really bite: shown on Redis alone, with somebody who counts.
//!
//! `QUAN_POWER_CUTS` says how often power is cut. Where this user may not mount, or may not have a
//! network of their own, that is said and left out.

#![expect(clippy::indexing_slicing, reason = "a test that is out of bounds fails, as it should")]

#[path = "common"]
#[expect(dead_code, reason = "other tests use the rest")]
mod common {
    pub(crate) mod run;
}
#[path = "faults"]
mod harness {
    pub(crate) mod counter;
    pub(crate) mod disk;
    pub(crate) mod network;
    pub(crate) mod proxy;
    pub(crate) mod tool;
}

use common::run::{tell, wait_until};
use harness::{
    counter::{Counter, KEY},
    disk::{LoopDisk, fresh_folder},
    network::{Partition, alone},
    proxy::{Proxy, Way},
};
use quan::rush::servers::{RedisCluster, RedisServer, Settings};
use redis::{Connection, cmd};
use std::{
    env, fs,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};
use tempfile::tempdir;

/// Power cuts after which a server that does not sync must have lost something.
const MOST_TRIES: u32 = 20;

fn disk() -> Option<LoopDisk> {
    static FOLDER: LazyLock<PathBuf> =
        LazyLock::new(|| fresh_folder(Path::new(env!("CARGO_TARGET_TMPDIR")), "faults"));
    match LoopDisk::make(&FOLDER, 64) {
        Ok(disk) => Some(disk),
        Err(why) if env::var_os("QUAN_POWER_CUTS").is_none() => {
            tell(format_args!("POWER CUT OF REDIS NOT TESTED, no disk can be mounted here: {why}"));
            None
        }
        Err(why) => panic!("no power can be cut: {why}"),
    }
}

fn counted(redis: &RedisServer) -> i64 {
    let value: Option<i64> = redis.ask(cmd("GET").arg(KEY)).expect("it answers");
    value.unwrap_or(0)
}

/// Counts until some instant, cuts the power, and gives the last number told and the last one kept.
fn power_cut(disk: &LoopDisk, redis: &mut RedisServer, while_ms: u64) -> (i64, i64) {
    let counter = Counter::start(redis.connect().expect("a connection"), 0);
    let start = counter.told();
    wait_until("it counts", || counter.told() > start + 10);
    thread::sleep(Duration::from_millis(while_ms));
    redis.pause().expect("it runs");
    thread::sleep(Duration::from_millis(50));
    disk.cut();
    redis.kill();
    disk.power_up();
    redis.start_again().expect("it starts on what was kept");
    (counter.end(), counted(redis))
}

fn on_disk(disk: &LoopDisk, fsync: &str) -> RedisServer {
    let settings = Settings::default().with("appendfsync", fsync);
    let redis = RedisServer::start(&disk.data(), &settings).expect("Redis");
    disk.sync();
    redis
}

#[test]
fn without_a_sync_for_each_a_power_cut_takes_what_was_acknowledged() {
    let Some(disk) = disk() else { return };
    let mut redis = on_disk(&disk, "everysec");
    for tries in 1..=MOST_TRIES {
        let (told, kept) = power_cut(&disk, &mut redis, 200 + 70 * u64::from(tries));
        assert!(kept <= told + 1, "{kept} were kept of {told}");
        if kept < told {
            tell(format_args!("everysec, cut {tries}: {} of {told} lost", told - kept));
            return;
        }
    }
    panic!("no power cut of {MOST_TRIES} took anything: the disk is not really cut");
}

#[test]
fn with_a_sync_for_each_a_power_cut_takes_nothing() {
    let Some(disk) = disk() else { return };
    let cuts = env::var("QUAN_POWER_CUTS").map_or(5, |text| text.parse().expect("a number"));
    let mut redis = on_disk(&disk, "always");
    for cut in 0..cuts {
        let (told, kept) = power_cut(&disk, &mut redis, 37 * cut % 300);
        assert!(kept == told || kept == told + 1, "cut {cut}: {kept} kept, {told} told");
    }
    tell(format_args!("always, {cuts} power cuts: {} counted, none lost", counted(&redis)));
}

#[test]
fn a_full_disk_ends_redis_before_it_says_yes_and_takes_nothing() {
    let Some(disk) = disk() else { return };
    let mut redis = on_disk(&disk, "always");
    let counter = Counter::start(redis.connect().expect("a connection"), 0);
    wait_until("it counts", || counter.told() > 100);
    let ballast = disk.fill();
    wait_until("it ends", || redis.has_ended().expect("it can be asked"));
    let told = counter.end();
    fs::remove_file(ballast).expect("a file of ours");
    redis.start_again().expect("there is room");
    let kept = counted(&redis);
    assert!(kept == told || kept == told + 1, "{kept} kept, {told} told");
}

/// Keeps a master apart from all other nodes until its replica has taken over; gives the last number
/// that somebody who still reaches it was told, and the last one kept.
fn partition(replicas: u32) -> (i64, i64) {
    let folder = tempdir().expect("a folder");
    let cluster = RedisCluster::start(folder.path(), 3, 1).expect("a cluster");
    let slot = cluster.slot_of(KEY.as_bytes()).expect("a slot");
    let master = cluster.master_of(slot).expect("a master");
    let [heir] = cluster.replicas_of(master)[..] else { panic!("{:?}", cluster.roles()) };
    let (old, new) = (&cluster.nodes()[master], &cluster.nodes()[heir]);
    let counter = Counter::start(old.connect().expect("a connection"), replicas);
    wait_until("it counts", || counter.told() > 100);
    let others = cluster.nodes().iter().filter(|node| node.address() != old.address());
    let others: Vec<_> = others.map(|node| node.address().ip()).collect();
    let apart = Partition::between(&[old.address().ip()], &others);
    wait_until("the replica takes over", || cluster.master_of(slot).ok() == Some(heir));
    wait_until("the old master notices", || counter.is_over());
    drop(apart);
    wait_until("the old master follows", || cluster.replicas_of(heir) == [master]);
    cluster.wait_until_whole().expect("it is whole again");
    (counter.end(), counted(new))
}

#[test]
fn a_master_kept_apart_loses_what_it_acknowledged_and_nothing_that_a_replica_has() {
    let name = "a_master_kept_apart_loses_what_it_acknowledged_and_nothing_that_a_replica_has";
    let test = || {
        let (told, kept) = partition(0);
        tell(format_args!("a partition, without WAIT: {} of {told} lost", told - kept));
        assert!(kept < told, "{kept} kept, {told} told: the partition is none");
        let (told, kept) = partition(1);
        tell(format_args!("a partition, with WAIT: {told} told, {kept} kept"));
        assert!(kept >= told, "{kept} kept, {told} told");
    };
    if let Err(why) = alone(name, test) {
        tell(format_args!("PARTITION NOT TESTED, there is no network of our own here: {why}"));
    }
}

#[test]
fn a_full_redis_refuses_writes_and_forgets_nothing() {
    let folder = tempdir().expect("a folder");
    let redis = RedisServer::start(folder.path(), &Settings::default()).expect("Redis");
    redis.ask::<()>(cmd("SET").arg(KEY).arg(1)).expect("there is room");
    redis.ask::<()>(cmd("CONFIG").arg("SET").arg("maxmemory").arg(1)).expect("it can be set");
    let refused = redis.ask::<i64>(cmd("INCR").arg(KEY)).expect_err("it is full");
    assert!(
        refused.to_string().contains("OOM") || refused.to_string().contains("maxmemory"),
        "{refused}"
    );
    assert_eq!(counted(&redis), 1);
    redis.ask::<()>(cmd("CONFIG").arg("SET").arg("maxmemory").arg("1gb")).expect("it can be set");
    assert_eq!(redis.ask::<i64>(cmd("INCR").arg(KEY)).expect("there is room"), 2);
}

#[test]
fn a_flush_of_scripts_makes_them_unknown() {
    let folder = tempdir().expect("a folder");
    let redis = RedisServer::start(folder.path(), &Settings::default()).expect("Redis");
    let load = cmd("SCRIPT").arg("LOAD").arg("return 7").to_owned();
    let sha: String = redis.ask(&load).expect("a script");
    let run = || redis.ask::<i64>(cmd("EVALSHA").arg(&sha).arg(0));
    assert_eq!(run().expect("it is known"), 7);
    redis.ask::<()>(cmd("SCRIPT").arg("FLUSH").arg("SYNC")).expect("it can be flushed");
    let unknown = run().expect_err("it is unknown").to_string();
    assert!(unknown.contains("NOSCRIPT") || unknown.contains("No matching script"), "{unknown}");
}

/// A Redis and a proxy before it.
fn behind_proxy() -> (tempfile::TempDir, RedisServer, Proxy) {
    let folder = tempdir().expect("a folder");
    let redis = RedisServer::start(folder.path(), &Settings::default()).expect("Redis");
    let proxy = Proxy::before(redis.address());
    (folder, redis, proxy)
}

fn connect(to: SocketAddr) -> redis::RedisResult<Connection> {
    let client = redis::Client::open(format!("redis://{to}"))?;
    let connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
    connection.set_read_timeout(Some(Duration::from_millis(300)))?;
    Ok(connection)
}

fn count(connection: &mut Connection) -> redis::RedisResult<i64> {
    cmd("INCR").arg(KEY).query(connection)
}

#[test]
fn a_cut_ends_open_connections_and_a_refusal_keeps_new_ones_out() {
    let (_folder, _redis, proxy) = behind_proxy();
    let mut one = connect(proxy.address()).expect("a connection");
    assert_eq!(count(&mut one).expect("it passes"), 1);
    proxy.refuse();
    assert!(connect(proxy.address()).is_err(), "refused");
    assert_eq!(count(&mut one).expect("what is open stays"), 2);
    proxy.accept_again();
    let mut two = connect(proxy.address()).expect("a connection");
    assert_eq!(count(&mut two).expect("it passes"), 3);
    proxy.cut();
    assert!(count(&mut one).is_err() && count(&mut two).is_err(), "both are cut");
    assert_eq!(count(&mut connect(proxy.address()).expect("a connection")).expect("passes"), 4);
}

#[test]
fn a_delay_makes_an_answer_late_and_no_other_one() {
    let (_folder, _redis, proxy) = behind_proxy();
    let mut connection = connect(proxy.address()).expect("a connection");
    let mut took = || {
        let start = Instant::now();
        count(&mut connection).expect("it passes");
        start.elapsed()
    };
    assert!(took() < Duration::from_millis(60));
    proxy.delay(Way::There, Duration::from_millis(60));
    assert!(took() >= Duration::from_millis(60));
    proxy.delay(Way::Back, Duration::from_millis(70));
    assert!(took() >= Duration::from_millis(130));
    proxy.delay(Way::There, Duration::ZERO);
    proxy.delay(Way::Back, Duration::ZERO);
    assert!(took() < Duration::from_millis(60));
}

#[test]
fn a_black_hole_swallows_one_direction_until_it_passes_again() {
    let (_folder, redis, proxy) = behind_proxy();
    let mut connection = connect(proxy.address()).expect("a connection");
    count(&mut connection).expect("it passes");
    proxy.black_hole(Way::There);
    assert!(count(&mut connection).is_err(), "no answer in time");
    assert_eq!(counted(&redis), 1, "it was not heard");
    proxy.pass(Way::There);
    wait_until("it arrives late", || counted(&redis) == 2);

    let mut connection = connect(proxy.address()).expect("a connection");
    proxy.black_hole(Way::Back);
    assert!(count(&mut connection).is_err(), "no answer in time");
    assert_eq!(counted(&redis), 3, "it was heard");
    proxy.cut();
    proxy.pass(Way::Back);
    let mut connection = connect(proxy.address()).expect("a connection");
    assert_eq!(count(&mut connection).expect("it passes"), 4);
}

#[test]
fn a_cut_after_some_bytes_of_reply_leaves_done_what_nobody_was_told() {
    let (_folder, redis, proxy) = behind_proxy();
    let mut connection = connect(proxy.address()).expect("a connection");
    // `:1\r\n` may pass, of `:2\r\n` two bytes.
    proxy.cut_after_replies(6);
    assert_eq!(count(&mut connection).expect("it passes"), 1);
    assert!(count(&mut connection).is_err(), "half an answer");
    assert_eq!(counted(&redis), 2, "it was done");
    proxy.cut_after_replies(0);
    let raw = std::net::TcpStream::connect(proxy.address()).expect("a connection");
    let mut raw = io::BufReader::new(raw);
    raw.get_mut().write_all(b"INCR counted\r\n").expect("it is open");
    let mut said = String::new();
    io::Read::read_to_string(&mut raw, &mut said).expect("its end");
    assert_eq!((said.as_str(), counted(&redis)), ("", 3));
    assert_eq!(count(&mut connect(proxy.address()).expect("a connection")).expect("once"), 4);
}
