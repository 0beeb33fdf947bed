//! The servers of a home in Redis, used by one story after the other.

use quan::domain::CampaignNo;
use quan::rush::servers::{RedisCluster, RedisServer};
use redis::cmd;
use std::{
    cell::RefCell,
    fs,
    net::SocketAddr,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where Redis has its append-only files, and where they are kept.
const FILES: &str = "appendonlydir";
const KEPT: &str = "kept";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// One server or a cluster.
pub(crate) struct Servers {
    url: String,
    one: Option<RefCell<RedisServer>>,
    /// It ends with this.
    _cluster: Option<RedisCluster>,
}

impl Servers {
    pub(crate) fn one(server: RedisServer) -> Servers {
        let url = server.url();
        Servers { url, one: Some(RefCell::new(server)), _cluster: None }
    }

    pub(crate) fn cluster(cluster: RedisCluster) -> Servers {
        Servers { url: cluster.url(), one: None, _cluster: Some(cluster) }
    }

    /// Servers that somebody else keeps.
    pub(crate) fn at(url: &str) -> Servers {
        Servers { url: url.to_owned(), one: None, _cluster: None }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What the one server answers.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, cmd: &redis::Cmd) -> T {
        self.one.as_ref().expect("one server").borrow().ask(cmd).unwrap()
    }

    /// Where the one server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.one.as_ref().expect("one server").borrow().address()
    }

    /// Whether it is one server, which can be restarted.
    pub(crate) fn is_one(&self) -> bool {
        self.one.is_some()
    }

    /// Remembers what the server has on its disk; a cluster is not restarted.
    pub(crate) fn remember(&self) {
        let Some(server) = &self.one else { return };
        let server = server.borrow();
        let kept = server.folder().join(KEPT);
        drop(fs::remove_dir_all(&kept));
        copy(&server.folder().join(FILES), &kept);
    }

    /// Kills the server and starts it again on what it had when that was remembered: as a replica would come up that
    /// lacks what came since.
    pub(crate) fn restart(&self) {
        let mut server = self.one.as_ref().expect("a cluster is not restarted").borrow_mut();
        server.kill();
        let files = server.folder().join(FILES);
        fs::remove_dir_all(&files).unwrap();
        copy(&server.folder().join(KEPT), &files);
        server.start_again().unwrap();
    }

    /// Waits until every place of the campaign goes on under the master that is there now.
    pub(crate) fn wait_until_recovered(&self, campaign: CampaignNo, shards: u8) {
        let server = self.one.as_ref().expect("a cluster is not restarted").borrow();
        let info: String = server.ask(cmd("INFO").arg("replication")).unwrap();
        let lineage = info.lines().find_map(|line| line.strip_prefix("master_replid:"));
        let lineage = lineage.expect("a master has one").trim();
        let places = (0..shards).map(|shard| shard.to_string()).chain(["i".to_owned()]);
        for place in places {
            let meta = format!("quan:{{{}:{place}}}:meta", campaign.0);
            wait_for(&format!("{meta} is recovered"), || {
                let is: Option<String> = server.ask(cmd("HGET").arg(&meta).arg("lineage")).unwrap();
                is.as_deref() == Some(lineage)
            });
        }
    }
}

/// Looks every few milliseconds whether it is so.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        sleep(Duration::from_millis(2));
    }
}
