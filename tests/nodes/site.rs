//! Nodes, their Redis and their PostgreSQL, and how each is broken.

use crate::common::{
    crowd::Addresses,
    folder::copy_folder,
    people::{OPENING, People, Round, Time},
    plan::Shipped,
    server::{Process, QUAN, Serve, Server, write_keys},
};
use crate::faults::{disk::fresh_folder, proxy::Proxy};
use parking_lot::Mutex;
use quan::{
    data::DataFolder,
    rush::servers::{Postgres, RedisCluster, RedisServer, Settings},
    store::{Store, Value},
};
use redis::{Cmd, FromRedisValue, cmd};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

pub(crate) const ROUND: Round = Round { people: 480, coupons: [200, 140, 40, 20, 60, 40] };
/// All coupons of the round.
pub(crate) const UNITS: usize = 500;
/// The number of the first shard's log.
const FIRST_LOG: u32 = 1 << 8;
/// The user of a node that can be kept apart: nobody.
pub(crate) const APART: u32 = 65_534;
/// Masters of a cluster, which are as many shards.
const MASTERS: u8 = 3;

/// What is set up.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) nodes: usize,
    /// Replicas of each master of a cluster; a single server if `None`.
    pub(crate) replicas: Option<u8>,
    /// Whether each node reaches the single server through a proxy of its own.
    pub(crate) proxied: bool,
    /// Where the single server's files are, if not with the rest.
    pub(crate) redis: Option<PathBuf>,
    /// Shards of a campaign on a single server.
    pub(crate) shards: u8,
    /// Whether node 0 is another user's, whose network can be broken.
    pub(crate) apart: bool,
}

impl Layout {
    pub(crate) fn single(nodes: usize) -> Layout {
        Layout { nodes, replicas: None, proxied: false, redis: None, shards: 1, apart: false }
    }

    pub(crate) fn cluster(nodes: usize, replicas: u8) -> Layout {
        Layout { replicas: Some(replicas), ..Layout::single(nodes) }
    }
}

/// The hot state.
pub(crate) enum Redis {
    One(RedisServer),
    Several(RedisCluster),
}

impl Redis {
    /// Asks whoever serves `key` now.
    pub(crate) fn ask<T: FromRedisValue>(&self, key: &str, cmd: &Cmd) -> T {
        match self {
            Redis::One(redis) => redis.ask(cmd).expect("it answers"),
            Redis::Several(cluster) => {
                let slot = cluster.slot_of(key.as_bytes()).expect("a slot");
                let master = cluster.master_of(slot).expect("a master");
                cluster.nodes()[master].ask(cmd).expect("it answers")
            }
        }
    }

    pub(crate) fn one(&mut self) -> &mut RedisServer {
        match self {
            Redis::One(redis) => redis,
            Redis::Several(_) => panic!("it is a cluster"),
        }
    }

    pub(crate) fn cluster(&mut self) -> &mut RedisCluster {
        match self {
            Redis::One(_) => panic!("it is a single server"),
            Redis::Several(cluster) => cluster,
        }
    }
}

/// Everything that is needed to serve people.
pub(crate) struct Site {
    folder: PathBuf,
    time: Time,
    /// What nodes are told of the time: that it is the opening at this instant of the wall's clock.
    clock: String,
    apart: bool,
    pub(crate) nodes: Vec<Option<Server>>,
    pub(crate) addresses: Addresses,
    pub(crate) people: Arc<People>,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
}

impl Site {
    /// A fresh one, its round open, everybody with a pass.
    pub(crate) fn start(layout: &Layout) -> Site {
        let folder = home().join(format!("site-{}", count()));
        fs::create_dir_all(&folder).expect("a folder of ours");
        let postgres = Postgres::start(&[]).expect("PostgreSQL");
        let redis = if let Some(replicas) = layout.replicas {
            let cluster = RedisCluster::start(&folder, MASTERS, replicas);
            Redis::Several(cluster.expect("a Redis Cluster"))
        } else {
            let files = layout.redis.clone().unwrap_or_else(|| folder.join("redis"));
            let _ = fs::remove_dir_all(&files);
            Redis::One(RedisServer::start(&files, &Settings::default()).expect("Redis"))
        };
        let mut proxies = Vec::new();
        ROUND.plan().write(&folder.join("xiangning-2023.toml"));
        write_keys(&folder.join("keys"));
        for node in 0..layout.nodes {
            let (url, shards) = match &redis {
                Redis::Several(cluster) => (cluster.url(), MASTERS),
                Redis::One(redis) if layout.proxied => {
                    proxies.push(Proxy::before(redis.address()));
                    (format!("redis://{}", proxies[node].address()), layout.shards)
                }
                Redis::One(redis) => (redis.url(), layout.shards),
            };
            let ledger = format!("[ledger]\nurl = \"{url}\"\nshards = {shards}\n");
            let store = format!("[store]\nurl = \"{}\"\n", postgres.url("postgres"));
            write_config(&folder.join(format!("quan-{node}.toml")), &[ledger, store]);
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let opening = OPENING.in_zone(&jiff::tz::TimeZone::UTC);
        let clock = format!("{opening}@{}", since.as_millis());
        let time = Time::from(OPENING);
        let nobody = Arc::new(People::nobody(&folder.join("keys")));
        let mut site = Site {
            nodes: (0..layout.nodes).map(|_| None).collect(),
            addresses: Arc::new(Mutex::new(vec![None; layout.nodes])),
            people: nobody,
            apart: layout.apart,
            folder,
            time,
            clock,
            proxies,
            redis,
            postgres,
        };
        for node in 0..layout.nodes {
            site.start_node(node);
        }
        let nodes: Vec<_> = site.addresses.lock().iter().flatten().copied().collect();
        site.people =
            Arc::new(People::with_passes(&site.folder.join("keys"), &ROUND, &nodes, time));
        site
    }

    pub(crate) fn time(&self) -> Time {
        self.time
    }

    /// Starts a node on what it left, and tells people where it is.
    pub(crate) fn start_node(&mut self, node: usize) {
        let server = self.starting(node).serving();
        self.serves(node, server);
    }

    /// Tells people where a node is.
    pub(crate) fn serves(&mut self, node: usize, server: Server) {
        self.addresses.lock()[node] = Some(server.public);
        self.nodes[node] = Some(server);
    }

    /// A node's process that has just been started.
    pub(crate) fn starting(&self, node: usize) -> Process {
        let at = |name: String| self.folder.join(name);
        let log = at(format!("node-{node}-{}.log", count()));
        let (config, keys) = (&at(format!("quan-{node}.toml")), &at("keys".to_owned()));
        let (data, clock) = (&at(format!("data-{node}")), &self.clock);
        let mut program = Command::new(QUAN);
        if self.apart && node == 0 {
            fs::create_dir_all(data).expect("a folder of ours");
            let all = [keys.as_os_str(), data.as_os_str()];
            let owner = APART.to_string();
            let chown = Command::new("chown").arg("-R").arg(owner).args(all).status();
            assert!(chown.expect("chown").success(), "only the superuser may");
            program.uid(APART);
        }
        Serve { program, config, keys, data, clock, log }.start()
    }

    /// The node that carries the first shard's log, if one does.
    pub(crate) fn carrier(&self) -> Option<usize> {
        let owner = self.cursor("owner").text();
        let id = |node: &usize| {
            let data = DataFolder::at(&self.folder.join(format!("data-{node}")));
            fs::read_to_string(data.node()).is_ok_and(|id| id.trim() == owner)
        };
        (0..self.nodes.len()).find(id)
    }

    /// Waits until rows of the first shard's log are written just now, or there are none any more.
    pub(crate) fn wait_for_rows(&self) {
        let (before, start) = (self.cursor("seq"), Instant::now());
        while self.cursor("seq") == before && start.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn cursor(&self, column: &str) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let place = self.postgres.url("postgres").parse().expect("a place");
        runtime.expect("a runtime").block_on(async {
            let store = Store::open(&place).await.expect("the store");
            let sql = format!("SELECT {column} FROM cursor WHERE log = {FIRST_LOG}");
            let rows = store.query(&sql, &[]).await.expect("it answers");
            store.close().await;
            rows.into_iter().flatten().next().unwrap_or(Value::Null)
        })
    }

    /// SIGKILL; people notice by themselves.
    pub(crate) fn kill_node(&mut self, node: usize) {
        drop(self.nodes[node].take());
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) fn signal_node(&self, node: usize, signal: Signal) {
        let server = self.nodes[node].as_ref().expect("it runs");
        kill_process(Pid::from_child(&server.process.child), signal).expect("it is our child");
    }

    /// SIGTERM to all; each must end well. How long the slowest took.
    pub(crate) fn stop_nodes(&mut self) -> u128 {
        let start = Instant::now();
        for node in 0..self.nodes.len() {
            if self.nodes[node].is_some() {
                self.signal_node(node, Signal::TERM);
            }
        }
        for mut server in self.nodes.iter_mut().filter_map(Option::take) {
            let status = server.process.child.wait().expect("it is our child");
            assert!(status.success(), "{status}: {}", server.process.said());
        }
        start.elapsed().as_millis()
    }

    /// What nodes have said so far that is not everyday, for whoever looks for a fault.
    pub(crate) fn logs(&self) -> String {
        let last = |(name, text): (String, String)| {
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains(" INFO ")).collect();
            format!("{name}\n{}\n", lines[lines.len().saturating_sub(25)..].join("\n"))
        };
        self.said().into_iter().map(last).collect()
    }

    /// The logs of nodes, by their names.
    fn said(&self) -> BTreeMap<String, String> {
        let files = fs::read_dir(&self.folder).expect("a folder of ours").flatten();
        let named =
            files.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path()));
        let logs = named.filter(|(name, _)| name.starts_with("node-"));
        logs.map(|(name, path)| (name, fs::read_to_string(path).unwrap_or_default())).collect()
    }

    /// What nodes have warned of, and how often.
    pub(crate) fn warnings(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for line in self.said().values().flat_map(|log| log.lines()) {
            let said = [" WARN ", " ERROR "].iter().find_map(|level| line.split_once(level));
            let Some((_, said)) = said else { continue };
            let words = said.split_whitespace().skip(1).take_while(|word| !word.contains('='));
            *all.entry(words.collect::<Vec<_>>().join(" ")).or_default() += 1;
        }
        all
    }

    /// Entries that nodes say they have restored.
    pub(crate) fn restored(&self) -> u64 {
        let count = |log: &String| {
            let rest = log.split("restored=").skip(1);
            let counts = rest.filter_map(|it| it.split_whitespace().next()?.parse::<u64>().ok());
            counts.sum::<u64>()
        };
        self.said().values().map(count).sum()
    }

    /// The last entry of a shard's log on a single server.
    pub(crate) fn end(&mut self, shard: u8) -> u64 {
        let meta = format!("quan:{{0:{shard}}}:meta");
        self.redis.ask(&meta, cmd("HGET").arg(&meta).arg("seq"))
    }

    /// What a single server that was killed has on its disk.
    pub(crate) fn disk(&mut self) -> TempDir {
        let copy = tempfile::tempdir_in(&self.folder).expect("a folder of ours");
        copy_folder(self.redis.one().folder(), copy.path());
        copy
    }

    /// Gives a single server that was killed a disk of before.
    pub(crate) fn give_disk(&mut self, disk: &TempDir) {
        let files = self.redis.one().folder();
        fs::remove_dir_all(files).expect("a folder of ours");
        copy_folder(disk.path(), files);
    }

    /// It did what it should: nobody needs its files any more.
    pub(crate) fn clear(self) {
        let folder = self.folder.clone();
        drop(self);
        let _ = fs::remove_dir_all(folder);
    }
}

/// What is shipped, and more sections.
fn write_config(to: &Path, sections: &[String]) {
    Shipped::read("quan.toml").write(to);
    let shipped = fs::read_to_string(to).expect("just written");
    fs::write(to, format!("{shipped}\n{}", sections.join("\n"))).expect("a folder of ours");
}

fn count() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Relaxed)
}

/// Where the files of all sites of this process are.
pub(crate) fn home() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> =
        LazyLock::new(|| fresh_folder(Path::new(env!("CARGO_TARGET_TMPDIR")), "nodes"));
    &FOLDER
}

/// What a node says that does not start over `redis`.
pub(crate) fn refused(redis: &RedisServer) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    ROUND.plan().write(&at("xiangning-2023.toml"));
    write_keys(&at("keys"));
    let ledger = format!("[ledger]\nurl = \"{}\"\n", redis.url());
    write_config(&at("quan.toml"), &[ledger]);
    let (config, keys, data) = (&at("quan.toml"), &at("keys"), &at("data"));
    let clock = "2023-09-01T10:00:00+08:00";
    let program = Command::new(QUAN);
    let served = Serve { program, config, keys, data, clock, log: at("log") }.start().served();
    let (status, said) = served.err().expect("it is refused");
    assert!(!status.success(), "{status}");
    said
}
