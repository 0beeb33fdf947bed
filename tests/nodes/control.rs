//! What a partition does to those who do without: a bare client sells one unit after the other with the product's
//! own fence, or without it, and never waits for a replica.

use crate::{common::run::wait_until, faults::network::Partition};
use quan::rush::servers::RedisCluster;
use redis::{Connection, RedisResult, Value, cmd};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

const META: &str = "quan:{control}:meta";
const STOCK: &str = "quan:{control}:stock";
/// What the fence is in the product's text.
const FENCE: &str = "meta[1] ~= live_lineage() or ";
/// Units sold on the new master.
const MORE: usize = 500;

/// What was sold where.
#[derive(Debug)]
pub(crate) struct Sold {
    /// Told by the old master, and not there on the new one when it took over.
    pub(crate) lost: usize,
    /// Told a second time, by the new one.
    pub(crate) again: usize,
    /// How often the new one said that it is fenced.
    pub(crate) fenced: usize,
}

/// Sells on a master that is kept apart until it notices, and then on the replica that took over.
pub(crate) fn sold_on_both_sides(fence: bool) -> Sold {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = RedisCluster::start(folder.path(), 3, 1).expect("a cluster");
    let slot = cluster.slot_of(META.as_bytes()).expect("a slot");
    let master = cluster.master_of(slot).expect("a master");
    let [heir] = cluster.replicas_of(master)[..] else { panic!("{:?}", cluster.roles()) };
    let (old, new) = (&cluster.nodes()[master], &cluster.nodes()[heir]);
    let info: String = old.ask(cmd("INFO").arg("replication")).expect("it answers");
    let lineage = info.lines().find_map(|line| line.strip_prefix("master_replid:"));
    let mut begin = cmd("HSET");
    begin.arg(META).arg("lineage").arg(lineage.expect("a master has one").trim());
    old.ask::<i64>(begin.arg("epoch").arg(1).arg("seq").arg(1).arg("at").arg(0)).expect("set");

    let text = script(fence);
    let (sold, seller) = (Arc::new(AtomicUsize::new(0)), text.clone());
    let (count, mut connection) = (Arc::clone(&sold), old.connect().expect("a connection"));
    let seller = thread::spawn(move || {
        let mut told = Vec::new();
        while let Ok(Some(unit)) = sell(&mut connection, &seller) {
            told.push(unit);
            count.store(told.len(), SeqCst);
        }
        told
    });
    wait_until("units are sold", || sold.load(SeqCst) > 100);
    let others: Vec<_> = cluster.nodes().iter().map(|node| node.address().ip()).collect();
    let others: Vec<_> = others.into_iter().filter(|ip| *ip != old.address().ip()).collect();
    let apart = Partition::between(&[old.address().ip()], &others);
    wait_until("the replica takes over", || cluster.master_of(slot).ok() == Some(heir));
    wait_until("the old master notices", || seller.is_finished());
    let told = seller.join().expect("it only sells");
    let there: Option<usize> = new.ask(cmd("GET").arg(STOCK)).expect("it answers");
    let mut both = Sold { lost: told.len() - there.unwrap_or(0), again: 0, fenced: 0 };
    let told: BTreeSet<i64> = told.into_iter().collect();
    let mut connection = new.connect().expect("a connection");
    for _ in 0..MORE {
        match sell(&mut connection, &text).expect("it answers") {
            Some(unit) => both.again += usize::from(told.contains(&unit)),
            None => both.fenced += 1,
        }
    }
    drop(apart);
    // So that servers end in peace.
    thread::sleep(Duration::from_millis(100));
    both
}

/// The product's entry to a shard, and then one more unit.
fn script(fence: bool) -> String {
    let shared = include_str!("../../lua/shard.lua");
    assert_eq!(shared.matches(FENCE).count(), 1, "the fence is elsewhere now");
    let shared = if fence { shared.to_owned() } else { shared.replace(FENCE, "") };
    format!(
        "{shared}\nlocal meta, no = enter(ARGV[1])\nif no then return no end\nreturn redis.call('INCR', KEYS[2])\n"
    )
}

/// The unit that was sold; `None` if the shard is fenced.
fn sell(connection: &mut Connection, text: &str) -> RedisResult<Option<i64>> {
    let sold: Value = cmd("EVAL").arg(text).arg(2).arg(META).arg(STOCK).arg(1).query(connection)?;
    Ok(if let Value::Int(unit) = sold { Some(unit) } else { None })
}
