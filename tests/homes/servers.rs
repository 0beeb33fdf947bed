//! The servers of a home in Redis, used by one story after the other.

use quan::domain::CampaignNo;
use quan::rush::servers::{RedisCluster, RedisServer};
use redis::cmd;
use std::{
    cell::RefCell,
    thread::sleep,
    time::{Duration, Instant},
};

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

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

    /// Kills the server and starts it again on what it left.
    pub(crate) fn restart(&self) {
        self.one.as_ref().expect("a cluster is not restarted").borrow_mut().start_again().unwrap();
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
