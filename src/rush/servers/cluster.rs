//! A Redis Cluster, formed without anybody being asked.
//!
//! Node 0.. are the masters at first, each with an equal share of the slots; the replicas follow,
//! dealt to the masters in turn. Node N is 127.0.0.(11 + N) and also sends from there, so that a
//! firewall can tell nodes from each other and from clients, which are 127.0.0.1.

use super::{
    redis::{RedisServer, Settings, free_port},
    wait_for,
};
use anyhow::{Context, Result, ensure};
use redis::cmd;
use std::{net::Ipv4Addr, path::Path};

const SLOTS: u16 = 16_384;
/// The last byte of node 0's address.
const FIRST: u8 = 11;
/// How many entries one MIGRATE takes.
const AT_ONCE: usize = 100;
/// How long one MIGRATE may take, in milliseconds.
const MOVED_WITHIN: usize = 5_000;

/// Several servers that are one cluster.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

/// What a node that answers says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The node's number.
    pub node: usize,
    /// Its id in the cluster.
    pub id: String,
    /// The id of its master, if it is a replica.
    pub master: Option<String>,
    /// The slots it serves, both ends included.
    pub slots: Vec<(u16, u16)>,
    /// The epoch of its slots: of two that claim one, the higher has it.
    pub epoch: u64,
}

impl Role {
    fn serves(&self, slot: u16) -> bool {
        self.master.is_none()
            && self.slots.iter().any(|(from, until)| (*from..=*until).contains(&slot))
    }
}

impl RedisCluster {
    /// Starts `masters` and `replicas` of each, with their files below `folder`; they are one
    /// cluster on return, and every replica has all that its master has.
    pub fn start(folder: &Path, masters: u8, replicas: u8) -> Result<RedisCluster> {
        RedisCluster::start_with(folder, masters, replicas, &Settings::default())
    }

    /// As [`RedisCluster::start`], with other settings.
    pub fn start_with(
        folder: &Path,
        masters: u8,
        replicas: u8,
        settings: &Settings,
    ) -> Result<RedisCluster> {
        ensure!(masters > 0, "a cluster needs a master");
        let count = masters.saturating_mul(replicas.saturating_add(1));
        let nodes = (0..count).map(|node| start_node(folder, node, settings));
        let cluster = RedisCluster { nodes: nodes.collect::<Result<_>>()? };
        cluster.form(masters)?;
        Ok(cluster)
    }

    /// All nodes, by their numbers.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Node `node`.
    pub fn node(&mut self, node: usize) -> Result<&mut RedisServer> {
        self.nodes.get_mut(node).with_context(|| format!("there is no node {node}"))
    }

    /// The addresses of all nodes as one URL: `redis://host:port,host:port..`.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(|node| node.address().to_string()).collect();
        format!("redis://{}", addresses.join(","))
    }

    /// What each node that answers says of itself.
    pub fn roles(&self) -> Vec<Role> {
        let running = self.nodes.iter().enumerate().filter(|(_, node)| node.pid().is_some());
        running.filter_map(|(number, node)| role(number, node).ok()).collect()
    }

    /// The master that serves `slot`; of two that think so, the later one.
    pub fn master_of(&self, slot: u16) -> Result<usize> {
        let mut roles = self.roles();
        roles.retain(|role| role.serves(slot));
        let master = roles.into_iter().max_by_key(|role| role.epoch);
        Ok(master.with_context(|| format!("nobody serves slot {slot}"))?.node)
    }

    /// The replicas of node `master`, as they say.
    pub fn replicas_of(&self, master: usize) -> Vec<usize> {
        let roles = self.roles();
        let id = roles.iter().find(|role| role.node == master).map(|role| &role.id);
        let of_it = roles.iter().filter(|role| id.is_some() && role.master.as_ref() == id);
        of_it.map(|role| role.node).collect()
    }

    /// The slot of a key.
    pub fn slot_of(&self, key: &[u8]) -> Result<u16> {
        let first = self.nodes.iter().find(|node| node.pid().is_some());
        first.context("no node runs")?.ask(cmd("CLUSTER").arg("KEYSLOT").arg(key))
    }

    /// SIGKILL for the master of `slot`; gives its number.
    pub fn kill_master(&mut self, slot: u16) -> Result<usize> {
        let master = self.master_of(slot)?;
        self.node(master)?.kill();
        Ok(master)
    }

    /// Moves `slot` and all that is in it to the master `to`, as an operator would.
    pub fn move_slot(&mut self, slot: u16, to: usize) -> Result<()> {
        let from = self.master_of(slot)?;
        ensure!(from != to, "node {to} has slot {slot} already");
        let roles = self.roles();
        let id = |node: usize| {
            let role = roles.iter().find(|role| role.node == node && role.master.is_none());
            role.map(|role| &role.id).with_context(|| format!("node {node} is no master"))
        };
        let (from_id, to_id) = (id(from)?, id(to)?);
        let (source, target) = (self.at(from)?, self.at(to)?);
        let set = |state: &str, whose: &str| {
            let mut command = cmd("CLUSTER");
            command.arg("SETSLOT").arg(slot).arg(state).arg(whose);
            command
        };
        target.ask::<()>(&set("IMPORTING", from_id))?;
        source.ask::<()>(&set("MIGRATING", to_id))?;
        loop {
            let some = cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(AT_ONCE).to_owned();
            let keys: Vec<Vec<u8>> = source.ask(&some)?;
            if keys.is_empty() {
                break;
            }
            let (host, port) = (target.address().ip().to_string(), target.address().port());
            let mut migrate = cmd("MIGRATE");
            migrate.arg(host).arg(port).arg("").arg(0).arg(MOVED_WITHIN).arg("KEYS").arg(keys);
            source.ask::<()>(&migrate)?;
        }
        // The new owner first, so that the slot is somebody's at every instant.
        target.ask::<()>(&set("NODE", to_id))?;
        source.ask::<()>(&set("NODE", to_id))
    }

    /// Lets all nodes run on when this process ends.
    pub fn leave(self) {
        self.nodes.into_iter().for_each(RedisServer::leave);
    }

    /// Waits until all nodes that run agree that every slot is served, and every replica among
    /// them has all that its master has.
    pub fn wait_until_whole(&self) -> Result<()> {
        wait_for("the cluster is whole", || {
            let running: Vec<_> = self.nodes.iter().filter(|node| node.pid().is_some()).collect();
            Ok(running.into_iter().all(|node| is_whole(node).unwrap_or(false)).then_some(()))
        })
    }

    fn at(&self, node: usize) -> Result<&RedisServer> {
        self.nodes.get(node).with_context(|| format!("there is no node {node}"))
    }

    fn form(&self, masters: u8) -> Result<()> {
        let (first, _) = self.nodes.split_first().context("a cluster needs nodes")?;
        for (master, node) in (0..masters).zip(&self.nodes) {
            let (from, until) = share(master, masters);
            node.ask::<()>(cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(from).arg(until))?;
        }
        for (epoch, node) in (1..).zip(&self.nodes) {
            let epoch: u64 = epoch;
            node.ask::<()>(cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(epoch))?;
        }
        for node in &self.nodes {
            let address = node.address();
            let bus: Vec<String> = node.ask(cmd("CONFIG").arg("GET").arg("cluster-port"))?;
            let bus = bus.last().context("it has a bus port")?;
            let mut meet = cmd("CLUSTER");
            meet.arg("MEET").arg(address.ip().to_string()).arg(address.port()).arg(bus);
            first.ask::<()>(&meet)?;
        }
        let ids: Vec<String> = self
            .nodes
            .iter()
            .map(|node| node.ask(cmd("CLUSTER").arg("MYID")))
            .collect::<Result<_>>()?;
        wait_for("all nodes know each other", || {
            let known = |node: &RedisServer| {
                let told: Result<String> = node.ask(cmd("CLUSTER").arg("NODES"));
                told.is_ok_and(|told| {
                    ids.iter().all(|id| told.contains(id)) && !told.contains("handshake")
                })
            };
            Ok(self.nodes.iter().all(known).then_some(()))
        })?;
        let (masters_ids, _) =
            ids.split_at_checked(usize::from(masters)).context("too few nodes")?;
        let replicas = self.nodes.iter().skip(usize::from(masters));
        for (replica, master) in replicas.zip(masters_ids.iter().cycle()) {
            replica.ask::<()>(cmd("CLUSTER").arg("REPLICATE").arg(master))?;
        }
        let count = self.nodes.len().saturating_sub(usize::from(masters));
        wait_for("every node knows every replica", || {
            let knows = |node: &RedisServer| {
                let told: Result<String> = node.ask(cmd("CLUSTER").arg("NODES"));
                told.is_ok_and(|told| told.matches("slave").count() == count)
            };
            Ok(self.nodes.iter().all(knows).then_some(()))
        })?;
        self.wait_until_whole()
    }
}

fn start_node(folder: &Path, node: u8, settings: &Settings) -> Result<RedisServer> {
    let ip = Ipv4Addr::new(127, 0, 0, FIRST.saturating_add(node));
    RedisServer::start_on(ip, &folder.join(format!("redis-{node}")), || {
        let bus = free_port(ip)?.to_string();
        let settings = settings
            .clone()
            .with("bind-source-addr", &ip.to_string())
            // It listens on loopback only, but takes nothing but 127.0.0.1 for that.
            .with("protected-mode", "no")
            .with("cluster-enabled", "yes")
            .with("cluster-port", &bus)
            .with("cluster-node-timeout", "2000")
            .with("cluster-require-full-coverage", "no")
            .with("cluster-allow-replica-migration", "no");
        Ok(settings)
    })
}

/// The slots of the `nth` of `of` masters, both ends included.
fn share(nth: u8, of: u8) -> (u16, u16) {
    let begin = |nth: u8| {
        let slots = u32::from(SLOTS).saturating_mul(u32::from(nth));
        u16::try_from(slots.checked_div(u32::from(of)).unwrap_or(0)).unwrap_or(SLOTS)
    };
    (begin(nth), begin(nth.saturating_add(1)).saturating_sub(1))
}

fn role(number: usize, node: &RedisServer) -> Result<Role> {
    let told: String = node.ask(cmd("CLUSTER").arg("NODES"))?;
    let line = told.lines().find(|line| line.contains("myself")).context("it knows itself")?;
    parse(number, line).with_context(|| format!("not a node's line: {line}"))
}

/// `id address flags master ping pong epoch link slot..`
fn parse(node: usize, line: &str) -> Option<Role> {
    let mut words = line.split_whitespace();
    let id = words.next()?.to_owned();
    let master = words.nth(2)?;
    let epoch = words.nth(2)?.parse().ok()?;
    // What is being moved stands in brackets and is no slot it serves.
    let slots = words.skip(1).filter(|word| !word.starts_with('['));
    let slots = slots.map(|word| {
        let (from, until) = word.split_once('-').unwrap_or((word, word));
        Some((from.parse().ok()?, until.parse().ok()?))
    });
    let master = (master != "-").then(|| master.to_owned());
    Some(Role { node, id, master, slots: slots.collect::<Option<_>>()?, epoch })
}

fn is_whole(node: &RedisServer) -> Result<bool> {
    let cluster: String = node.ask(cmd("CLUSTER").arg("INFO"))?;
    let served = format!("cluster_slots_ok:{SLOTS}");
    let replication: String = node.ask(cmd("INFO").arg("replication"))?;
    let linked = replication.contains("role:master")
        || (replication.contains("master_link_status:up")
            && replication.contains("master_sync_in_progress:0"));
    Ok(cluster.contains("cluster_state:ok") && cluster.contains(&served) && linked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_share_all_slots() {
        for of in [1, 3, 5] {
            let shares: Vec<_> = (0..of).map(|nth| share(nth, of)).collect();
            assert_eq!((shares[0].0, shares[shares.len() - 1].1), (0, SLOTS - 1));
            assert!(shares.windows(2).all(|two| two[0].1 + 1 == two[1].0), "{shares:?}");
        }
    }

    #[test]
    fn a_nodes_line_is_read() {
        let line = "a1 127.0.0.11:7000@17000 myself,master - 0 0 3 connected 0-5 9 [7->-b2]";
        let role = parse(4, line).unwrap();
        let slots = vec![(0, 5), (9, 9)];
        assert_eq!(role, Role { node: 4, id: "a1".to_owned(), master: None, slots, epoch: 3 });
        assert!(role.serves(9) && role.serves(3) && !role.serves(7));
        let line = "c3 127.0.0.14:7000@17000 myself,slave a1 0 0 3 connected";
        assert_eq!(parse(1, line).unwrap().master.as_deref(), Some("a1"));
    }

    #[test]
    fn each_master_may_have_two_replicas_which_both_hear_it() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::default().with("maxmemory", "64mb");
        let cluster = RedisCluster::start_with(folder.path(), 3, 2, &settings).unwrap();
        for (master, node) in cluster.nodes().iter().enumerate().take(3) {
            assert_eq!(cluster.replicas_of(master), [master + 3, master + 6]);
            let mut keys = (0..).map(|n: u32| n.to_string());
            let served = |key: &String| {
                let slot = cluster.slot_of(key.as_bytes()).unwrap();
                cluster.master_of(slot).unwrap() == master
            };
            let key = keys.find(served).unwrap();
            let mut connection = node.connect().unwrap();
            cmd("SET").arg(key).arg(1).exec(&mut connection).unwrap();
            let heard: u8 = cmd("WAIT").arg(2).arg(2_000).query(&mut connection).unwrap();
            assert_eq!(heard, 2);
        }
    }

    #[test]
    fn a_cluster_forms_moves_a_slot_and_survives_its_masters_death() {
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = RedisCluster::start(folder.path(), 3, 1).unwrap();
        let masters = cluster.roles().into_iter().filter(|role| role.master.is_none());
        assert_eq!(masters.map(|role| role.node).collect::<Vec<_>>(), [0, 1, 2]);
        let slot = cluster.slot_of(b"k").unwrap();
        let first = cluster.master_of(slot).unwrap();
        let (second, third) = ((first + 1) % 3, (first + 2) % 3);
        cluster.node(first).unwrap().ask::<()>(cmd("SET").arg("k").arg("v")).unwrap();

        cluster.move_slot(slot, second).unwrap();
        assert_eq!(cluster.master_of(slot).unwrap(), second);
        cluster.wait_until_whole().unwrap();
        assert!(cluster.move_slot(slot, second).is_err());
        let get = cmd("GET").arg("k").to_owned();
        assert!(cluster.node(first).unwrap().ask::<String>(&get).is_err(), "it has moved");
        let owner = cluster.node(second).unwrap();
        assert_eq!(owner.ask::<String>(&get).unwrap(), "v");
        assert_eq!(owner.ask::<i64>(cmd("WAIT").arg(1).arg(1_000)).unwrap(), 1);

        let [heir] = cluster.replicas_of(second)[..] else { panic!("{:?}", cluster.roles()) };
        assert_eq!(cluster.kill_master(slot).unwrap(), second);
        wait_for("its replica follows", || {
            Ok((cluster.master_of(slot).ok() == Some(heir)).then_some(()))
        })
        .unwrap();
        cluster.wait_until_whole().unwrap();
        assert_eq!(cluster.node(heir).unwrap().ask::<String>(&get).unwrap(), "v");
        cluster.node(second).unwrap().start_again().unwrap();
        wait_for("it is a replica now", || {
            Ok((cluster.replicas_of(heir) == [second]).then_some(()))
        })
        .unwrap();
        cluster.wait_until_whole().unwrap();
        assert!(cluster.master_of(cluster.slot_of(b"{k}").unwrap()).unwrap() != third);
    }
}
