//! Whole nodes on a Redis of their own: what a node shows it has written down.

use super::super::about::About;
use super::super::acks::Ack;
use super::super::effects::changes;
use super::super::keys::{Key, Place, shard_of};
use super::super::scripts::{RestoreReply, restore};
use super::super::{Known, Opening, Options, RedisLedger};
use super::shard::{call, log, reopened};
use crate::data::DataFolder;
use crate::domain::{At, CampaignNo, KindNo, PassNonce, PersonId, PoolNo, RoundNo, Shard};
use crate::ledger::embedded::Outcome;
use crate::ledger::event::{Load, What, codec};
use crate::ledger::journal::Entry;
use crate::ledger::machine::{Answer, Command, Summary, tests as story};
use crate::ledger::service::{BatchStats, Ledger, Watcher, told};
use crate::node::Node;
use crate::rush::servers::{RedisServer, Settings};
use crate::store::{self, LogNo, Store};
use ::redis::{Value, cmd};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const C: CampaignNo = CampaignNo(0);
const SHARD: Place = Place::shard(C, 0);

/// Counts grants.
struct Counter(Arc<AtomicUsize>);

impl Watcher for Counter {
    fn campaign(&mut self, _: u64, _: CampaignNo, _: &Summary) {}
    fn granted(&mut self, _: CampaignNo, _: RoundNo, _: KindNo) {
        self.0.fetch_add(1, Relaxed);
    }
    fn batch(&mut self, _: &BatchStats) {}
}

/// A Redis, and the folders of nodes.
pub(super) struct Site {
    pub(super) redis: RedisServer,
    runtime: Runtime,
    folder: TempDir,
    /// Grants that all nodes counted.
    granted: Arc<AtomicUsize>,
}

impl Site {
    pub(super) fn start() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let redis = RedisServer::start(&folder.path().join("redis"), &Settings::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Site { redis, runtime, folder, granted: Arc::default() }
    }

    /// A node, at an instant of the open round.
    pub(super) fn node(&self, name: &str, shards: u8) -> RedisLedger {
        let acks = self.data(name).acks();
        let url = self.redis.url().parse().unwrap();
        let options = Options { url, shards, replicas: 0, acks };
        let Command::Open { name, pools, kinds } = story::open() else { unreachable!() };
        let opening = self.runtime.block_on(async {
            let mut opening = Opening::connect(options, Known::default(), At(0)).await.unwrap();
            assert_eq!(opening.open(&name, &pools, &kinds, At(0)).await.unwrap(), C);
            opening
        });
        let counter = Box::new(Counter(Arc::clone(&self.granted)));
        let ledger = RedisLedger::start(opening, || At(1_000), counter).unwrap();
        ledger.wait_until_read();
        ledger
    }

    /// A node's folder.
    pub(super) fn data(&self, name: &str) -> DataFolder {
        let data = DataFolder::at(&self.folder.path().join(name));
        std::fs::create_dir_all(data.path()).unwrap();
        data
    }

    /// The store of nodes that share one.
    pub(super) fn store(&self) -> Store {
        self.runtime.block_on(Store::open(&self.place())).unwrap()
    }

    fn place(&self) -> store::StoreUrl {
        store::StoreUrl::File(self.folder.path().join("store.sqlite"))
    }

    /// Has a node work for all.
    pub(super) fn works(&self, node: &RedisLedger, name: &str) -> Node {
        Node::start(node, &self.place(), &self.data(name)).unwrap()
    }

    /// What a node answers.
    pub(super) fn told(&self, node: &RedisLedger, command: Command) -> Outcome {
        self.runtime.block_on(told(node, command)).unwrap()
    }

    /// Asks for something that is granted.
    pub(super) fn granted(&self, node: &RedisLedger, command: Command) {
        let outcome = self.told(node, command);
        assert!(matches!(outcome, Outcome::Yes(_)), "{outcome:?}");
    }

    /// What a node has written down of a log.
    pub(super) fn acks(&self, node: &RedisLedger, place: Place) -> Vec<Ack> {
        let acks = self.runtime.block_on(node.shared.acks.close(place.log(), 1));
        acks.unwrap().unwrap()
    }

    /// Whether a node has written down that somebody holds a coupon.
    fn has(&self, node: &RedisLedger, who: u8) -> bool {
        self.has_one(node, |what| matches!(what, What::Granted(it) if it.person == person(who)))
    }

    /// Whether a node has written down such an event of the shard.
    fn has_one(&self, node: &RedisLedger, such: impl Fn(&What) -> bool) -> bool {
        let has = |ack: &Ack| {
            let events = ack.entry.as_ref().and_then(|(_, body)| codec::decode(body));
            events.into_iter().flatten().any(|event| such(&event.what))
        };
        self.acks(node, SHARD).iter().any(has)
    }
}

pub(super) fn person(who: u8) -> PersonId {
    PersonId([who; 16])
}

pub(super) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn shows(node: &RedisLedger, who: u8) -> bool {
    node.view().held(C, person(who), RoundNo(1), KindNo(0)).is_some()
}

#[test]
fn i3_what_a_node_shows_from_its_start_on_it_has_written_down() {
    let site = Site::start();
    let first = site.node("first", 1);
    for command in [story::arm(&[2, 0]), story::bind(1, 1), story::grant(1, 0)] {
        site.granted(&first, command);
    }
    drop(first);
    let second = site.node("second", 1);
    assert!(shows(&second, 1));
    assert!(site.has(&second, 1), "a lost tail of Redis would take it away");
}

#[test]
fn i3_coupons_that_a_person_is_shown_are_written_down() {
    let site = Site::start();
    let (first, second) = (site.node("first", 1), site.node("second", 1));
    for command in [story::arm(&[2, 0]), story::bind(1, 1), story::grant(1, 0)] {
        site.granted(&first, command);
    }
    let coupons = site.runtime.block_on(second.coupons(C, person(1)));
    assert_eq!(coupons.map(|it| it.len()), Some(1));
    assert!(site.has(&second, 1), "whoever granted it may be gone");
    assert_eq!(site.granted.load(Relaxed), 1, "it is counted by the node that decided it");
}

#[test]
fn i3_what_a_recovery_did_not_bring_back_is_shown_no_more() {
    let site = Site::start();
    let node = site.node("first", 1);
    for command in [story::arm(&[2, 0]), story::bind(1, 1), story::bind(2, 2)] {
        site.granted(&node, command);
    }
    for who in [1, 2] {
        let Outcome::Yes(Answer::Granted(_)) = site.told(&node, story::grant(who, 0)) else {
            panic!("{who} is granted none")
        };
    }
    // As after a recovery that went on without this node.
    let meta = SHARD.key(Key::Meta);
    site.redis.ask::<u8>(cmd("HSET").arg(&meta).arg("lineage").arg("another")).unwrap();
    wait_until("it is fenced", || !node.issues(C));
    let holder = super::super::effects::holder(person(1), KindNo(0));
    let holders = SHARD.key(Key::Holders(RoundNo(1)));
    assert_eq!(site.redis.ask::<u8>(cmd("HDEL").arg(holders).arg(holder)).unwrap(), 1);
    reopened(&mut site.redis.connect().unwrap(), SHARD, 1, 2);
    wait_until("it goes on", || node.issues(C) && !shows(&node, 1));
    assert!(shows(&node, 2));
}

#[test]
fn i3_a_grant_is_told_with_the_stock_it_rests_on_written_down() {
    for _ in 0..5 {
        let site = Site::start();
        let (first, second) = (site.node("first", 1), site.node("second", 1));
        site.granted(&second, story::bind(1, 1));
        site.granted(&first, story::arm(&[2, 0]));
        site.granted(&second, story::grant(1, 0));
        let armed = site.has_one(&second, |what| matches!(what, What::Armed(_)));
        assert!(armed, "the grant could not be restored without its stock");
    }
}

#[test]
fn i3_a_pass_that_another_node_made_is_given_out_written_down() {
    let site = Site::start();
    let (first, second) = (site.node("first", 1), site.node("second", 1));
    site.granted(&first, story::bind(1, 1));
    site.granted(&second, story::bind(1, 1));
    assert!(site.has_one(&second, |what| matches!(what, What::Passed(_))));
}

#[test]
fn i3_a_node_that_was_given_up_tells_nothing_after_a_sleep_or_in_another_epoch() {
    let site = Site::start();
    let (node, store) = (site.node("first", 1), site.store());
    let works = site.works(&node, "first");
    for command in [story::arm(&[2, 0]), story::bind(1, 1), story::bind(2, 2), story::grant(1, 0)] {
        site.granted(&node, command);
    }
    let lease = node.shared.view.lease();
    lease.doubt();
    wait_until("the store says that it is registered", || shows(&node, 1));
    let me = std::fs::read_to_string(site.data("first").node()).unwrap();
    site.runtime.block_on(store.give_up(me.trim())).unwrap();
    // As after a sleep, and as in a later epoch.
    lease.doubt();
    assert!(!shows(&node, 1) && !node.view().tells() && !node.issues(C));
    assert_eq!(site.runtime.block_on(node.coupons(C, person(1))), None);
    let bound = site.told(&node, story::bind(3, 3));
    assert!(matches!(bound, Outcome::Unknown), "{bound:?}");
    let granted = site.told(&node, story::grant(2, 0));
    assert!(!matches!(granted, Outcome::Yes(_)), "{granted:?}");
    wait_until("it knows", || lease.is_gone());
    assert!(node.shut().iter().any(|why| why.contains("given up")), "{:?}", node.shut());
    node.close();
    works.stop();
}

/// Puts the log in Redis back by its last entry, which somebody's coupon is, as a restart that lost its tail.
fn lose(site: &Site, who: u8) {
    let ask = |cmd: &mut ::redis::Cmd| site.redis.ask::<Value>(cmd).unwrap();
    let meta = SHARD.key(Key::Meta);
    let seq: u64 = site.redis.ask(cmd("HGET").arg(&meta).arg("seq")).unwrap();
    ask(cmd("HSET").arg(&meta).arg("lineage").arg("another").arg("seq").arg(seq - 1));
    ask(cmd("XDEL").arg(SHARD.key(Key::Log)).arg(format!("{seq}-0")));
    ask(cmd("XSETID").arg(SHARD.key(Key::Log)).arg(format!("{}-0", seq - 1)));
    let round = RoundNo(1);
    let holder = super::super::effects::holder(person(who), KindNo(0));
    ask(cmd("HDEL").arg(SHARD.key(Key::Holders(round))).arg(holder));
    for (field, by) in [("left:0", 1), ("granted:0", -1)] {
        ask(cmd("HINCRBY").arg(SHARD.key(Key::Round(round))).arg(field).arg(by));
    }
    for (field, by) in [("reserved:0", 10), ("frozen:0", -10)] {
        ask(cmd("HINCRBY").arg(SHARD.key(Key::Funds)).arg(field).arg(by));
    }
}

#[test]
fn i3_what_a_node_told_that_was_given_up_is_kept_for_people_and_never_put_back() {
    let site = Site::start();
    let store = site.store();
    let log = LogNo(SHARD.log());
    let first = site.node("first", 1);
    site.granted(&first, story::arm(&[4, 0]));
    for who in 1..=4 {
        site.granted(&first, story::bind(who, who));
    }
    let works = site.works(&first, "first");
    site.granted(&first, story::grant(1, 0));
    first.close();
    works.stop();
    drop(first);
    // It tells two more before it dies, and Redis loses them.
    let first = site.node("first", 1);
    site.granted(&first, story::grant(2, 0));
    site.granted(&first, story::grant(4, 0));
    drop(first);
    lose(&site, 4);
    lose(&site, 2);

    // Another goes on.
    let second = site.node("second", 1);
    let works = site.works(&second, "second");
    wait_until("it is recovered", || second.issues(C));
    site.granted(&second, story::grant(3, 0));
    let stored = || site.runtime.block_on(store.seq(log)).unwrap();
    wait_until("it is stored", || stored() == 8);
    let quarantined = || site.runtime.block_on(store.quarantined()).unwrap();
    assert_eq!(quarantined(), []);

    // The first returns.
    let first = site.node("first", 1);
    let returns = site.works(&first, "first");
    wait_until("it is listed", || quarantined().len() == 1);
    let kept = &quarantined()[0];
    assert_eq!((kept.log, kept.seq, kept.table.as_str()), (log, 8, "acks"));
    assert!(kept.why.contains("recovered without it"), "{kept:?}");
    // The next recovery asks it too, and puts none of that back.
    lose(&site, 3);
    wait_until("it is fenced", || !second.issues(C));
    wait_until("it is recovered again", || second.issues(C) && first.issues(C));
    assert!(shows(&second, 3) && !shows(&second, 2) && !shows(&second, 4));
    first.close();
    second.close();
    returns.stop();
    works.stop();
}

#[test]
fn i3_a_master_that_comes_back_with_a_tail_of_its_own_stays_shut() {
    let site = Site::start();
    let (node, store) = (site.node("first", 1), site.store());
    let works = site.works(&node, "first");
    for command in [story::arm(&[2, 0]), story::bind(1, 1), story::bind(2, 2), story::grant(1, 0)] {
        site.granted(&node, command);
    }
    let connection = &mut site.redis.connect().unwrap();
    let last = log(connection, SHARD, 1).pop().unwrap().entry;
    let no = LogNo(SHARD.log());
    let stored = || site.runtime.block_on(store.seq(no)).unwrap();
    wait_until("it is stored", || stored() == last.seq);
    // Nothing is recovered before this one leaves.
    site.runtime.block_on(store.register("other")).unwrap();
    lose(&site, 1);
    let mut events = codec::decode(&last.body).unwrap();
    for event in &mut events {
        if let What::Granted(it) = &mut event.what {
            (it.person, it.pass) = (person(2), PassNonce([2; 16]));
        }
    }
    let other = Entry { body: codec::encode(&events).unwrap(), ..last };
    let changes = changes(SHARD, Shard::ALONE, other.at, &events, &mut About::default()).unwrap();
    let reply = call(connection, &restore(SHARD, 1, &other, &changes).unwrap()).unwrap();
    assert_eq!(RestoreReply::read(reply), Ok(RestoreReply::Restored));
    wait_until("it is fenced", || !node.issues(C));
    site.runtime.block_on(store.leave("other")).unwrap();
    let why = || node.shut().iter().any(|why| why.contains("two different entries of seq"));
    wait_until("it says why", || why() || node.issues(C));
    assert!(why(), "what person 1 was told is not there");
    node.close();
    works.stop();
}

#[test]
fn i3_another_epoch_is_a_reason_to_ask() {
    let site = Site::start();
    let node = site.node("first", 1);
    let (before, _) = node.shared.view.lease().doubts();
    let meta = SHARD.key(Key::Meta);
    site.redis.ask::<u8>(cmd("HSET").arg(&meta).arg("lineage").arg("another")).unwrap();
    wait_until("it is fenced", || !node.issues(C));
    reopened(&mut site.redis.connect().unwrap(), SHARD, 1, 2);
    wait_until("it goes on", || node.issues(C));
    assert!(node.shared.view.lease().doubts().0 > before);
}

#[test]
fn i3_a_recovery_that_takes_long_keeps_no_node_from_asking_whether_it_is_registered() {
    let site = Site::start();
    let (node, store) = (site.node("first", 9), site.store());
    let works = site.works(&node, "first");
    let lease = node.shared.view.lease();
    let me = std::fs::read_to_string(site.data("first").node()).unwrap();
    // Ten logs of a server that does not answer.
    site.redis.pause().unwrap();
    for place in (0..9).map(|shard| Place::shard(C, shard)).chain([Place::identities(C)]) {
        let asked = store.ask_recovery(LogNo(place.log()), 1, me.trim());
        assert!(site.runtime.block_on(asked).unwrap());
    }
    std::thread::sleep(Duration::from_millis(500));
    lease.doubt();
    let start = Instant::now();
    wait_until("the store says that it is registered", || !lease.doubts().1);
    let took = start.elapsed();
    site.redis.resume().unwrap();
    assert!(took < Duration::from_secs(5), "others go on without it by then: {took:?}");
    node.close();
    works.stop();
}

#[test]
fn i3_a_recovery_waits_until_a_node_that_was_given_up_must_know_it() {
    let site = Site::start();
    let (node, store) = (site.node("first", 1), site.store());
    let works = site.works(&node, "first");
    site.runtime.block_on(async {
        store.register("other").await.unwrap();
        store.give_up("other").await.unwrap();
    });
    let (meta, start) = (SHARD.key(Key::Meta), Instant::now());
    site.redis.ask::<u8>(cmd("HSET").arg(&meta).arg("lineage").arg("another")).unwrap();
    wait_until("it is fenced", || !node.issues(C));
    let waits = || node.shut().iter().any(|why| why.contains("other was given up"));
    wait_until("it says for whom it waits", waits);
    wait_until("it is recovered", || node.issues(C));
    assert!(start.elapsed() > Duration::from_secs(4), "{:?}", start.elapsed());
    node.close();
    works.stop();
}

#[test]
fn i3_while_a_node_is_not_sure_of_itself_nobody_is_told_anything() {
    let site = Site::start();
    let node = site.node("first", 1);
    for command in [story::arm(&[2, 0]), story::bind(1, 1)] {
        site.granted(&node, command);
    }
    let lease = node.shared.view.lease();
    lease.share();
    lease.doubt();
    assert_eq!(
        site.runtime.block_on(node.coupons(C, person(2))),
        None,
        "not even that there is none"
    );
    let bound = site.told(&node, story::bind(2, 2));
    assert!(matches!(bound, Outcome::Unknown), "{bound:?}");
    site.runtime.block_on(async {
        let mut granted = std::pin::pin!(told(&node, story::grant(1, 0)));
        let early = tokio::time::timeout(Duration::from_secs(1), &mut granted).await;
        assert!(early.is_err(), "{early:?}");
        lease.answer(lease.doubts().0);
        let granted = granted.await;
        assert!(matches!(granted, Ok(Outcome::Yes(_))), "{granted:?}");
    });
}

/// The `nth` person, from 0, of a shard of three.
fn of_shard(shard: u8, nth: usize) -> u8 {
    let here = |who: &u8| shard_of(person(*who), 3) == shard;
    (1..=u8::MAX).filter(here).nth(nth).unwrap()
}

#[test]
fn i9_a_shard_that_is_shut_holds_up_no_stock_of_the_others() {
    let site = Site::start();
    let node = site.node("first", 3);
    site.granted(&node, story::arm(&[3, 3]));
    let [rich, one, two, other] = [of_shard(0, 0), of_shard(0, 1), of_shard(0, 2), of_shard(2, 0)];
    for who in [rich, one, two, other] {
        site.granted(&node, story::bind(who, who));
    }
    // Shard 0 has nothing left, shard 2 only of kind 1, shard 1 of both; but it is shut.
    for (who, kind) in [(rich, 0), (rich, 1), (other, 0)] {
        site.granted(&node, story::grant(who, kind));
    }
    let meta = Place::shard(C, 1).key(Key::Meta);
    site.redis.ask::<u8>(cmd("HSET").arg(&meta).arg("lineage").arg("another")).unwrap();
    wait_until("it is shut", || !node.issues(C));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        // Nobody has that kind for them; what the next one asks for comes all the same.
        let _ = site.told(&node, story::grant(one, 0));
        if let Outcome::Yes(_) = site.told(&node, story::grant(two, 1)) {
            return;
        }
    }
    panic!("stock did not come");
}

#[test]
fn i5_money_that_is_gone_by_now_is_not_sent() {
    let site = Site::start();
    let node = site.node("first", 3);
    let office = super::super::office::Office { shared: Arc::clone(&node.shared) };
    let places = node.shared.places(C).unwrap();
    let load = Load::Funds { pool: PoolNo(0) };
    let seq = |shard: u8| -> u64 {
        site.redis.ask(cmd("HGET").arg(Place::shard(C, shard).key(Key::Meta)).arg("seq")).unwrap()
    };
    // All of it is in the first shard.
    let before = seq(1);
    let sent = site.runtime.block_on(office.transfer(&places, 1, 0, load));
    assert!(matches!(sent, Ok(false)), "{sent:?}");
    assert_eq!(seq(1), before, "a transfer of nothing would be one that nobody can check");
    let sent = site.runtime.block_on(office.transfer(&places, 0, 1, load));
    assert!(matches!(sent, Ok(true)), "{sent:?}");
    assert_eq!(seq(1), before + 1);
}
