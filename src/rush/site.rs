//! What a rush is played on: how many nodes, and the private servers behind them.

use super::servers::{Postgres, RedisCluster, RedisServer, Settings};
use anyhow::{Result, bail, ensure};
use std::{ffi::OsString, path::Path};

/// Masters of a private cluster, and replicas of each.
const CLUSTER: (u8, u8) = (3, 1);

/// What serves.
#[derive(Clone, Debug, clap::Args)]
pub struct Site {
    /// Nodes to start; several need a ledger in Redis.
    #[arg(long, default_value_t = 1, conflicts_with = "url", value_parser = clap::value_parser!(u8).range(1..))]
    pub nodes: u8,
    /// Where the ledger is: in the node's own journal, or in a private Redis that is started for it.
    #[arg(long, value_enum, default_value_t, conflicts_with = "url")]
    pub ledger: Ledger,
    /// Let the private Redis be a cluster, of three masters with a replica each.
    #[arg(long, conflicts_with = "url")]
    pub cluster: bool,
    /// The database behind the ledger; a private one is started.
    #[arg(long, value_enum, default_value_t, conflicts_with = "url")]
    pub store: Store,
}

/// Where the ledger is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Ledger {
    /// In the node.
    #[default]
    Embedded,
    /// In Redis.
    Redis,
}

/// The database behind the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Store {
    /// A file.
    #[default]
    Sqlite,
    /// A server.
    Postgres,
}

impl Default for Site {
    fn default() -> Site {
        let (ledger, store) = (Ledger::default(), Store::default());
        Site { nodes: 1, ledger, cluster: false, store }
    }
}

/// The private servers, which end with it.
#[derive(Debug)]
pub(super) struct Backing {
    redis: Option<Redis>,
    postgres: Option<Postgres>,
    /// What tells a node where they are.
    pub(super) arguments: Vec<OsString>,
}

#[derive(Debug)]
enum Redis {
    One(RedisServer),
    Several(RedisCluster),
}

impl Site {
    /// Starts the servers, with their files below `folder`.
    pub(super) fn start(&self, folder: &Path) -> Result<Backing> {
        let redis = self.redis(folder)?;
        let mut arguments: Vec<OsString> = vec![];
        let mut postgres = None;
        if let Some(redis) = &redis {
            arguments.extend(["--ledger".into(), redis.url().into()]);
            if self.cluster {
                arguments.extend(["--shards".into(), CLUSTER.0.to_string().into()]);
            }
        }
        match (self.store, &redis) {
            // Each data folder has its own.
            (Store::Sqlite, None) => {}
            // One file for all nodes: they share this disk.
            (Store::Sqlite, Some(_)) => {
                arguments.extend(["--store".into(), folder.join("store.sqlite").into()]);
            }
            (Store::Postgres, None) => bail!("--store postgres: add --ledger redis"),
            (Store::Postgres, Some(_)) => {
                let server = postgres.insert(Postgres::start(&[])?);
                arguments.extend(["--store".into(), server.url("postgres").into()]);
            }
        }
        Ok(Backing { redis, postgres, arguments })
    }

    fn redis(&self, folder: &Path) -> Result<Option<Redis>> {
        let several = self.nodes > 1;
        if self.ledger == Ledger::Embedded {
            ensure!(!several, "--nodes: an embedded ledger is one node's; add --ledger redis");
            ensure!(!self.cluster, "--cluster: add --ledger redis");
            return Ok(None);
        }
        if self.cluster {
            let (masters, replicas) = CLUSTER;
            let cluster = RedisCluster::start(folder, masters, replicas)?;
            return Ok(Some(Redis::Several(cluster)));
        }
        let redis = RedisServer::start(&folder.join("redis"), &Settings::default())?;
        Ok(Some(Redis::One(redis)))
    }
}

impl Backing {
    /// Lets the servers run on when this process ends.
    pub(super) fn leave(self) {
        match self.redis {
            Some(Redis::One(redis)) => redis.leave(),
            Some(Redis::Several(cluster)) => cluster.leave(),
            None => {}
        }
        if let Some(postgres) = self.postgres {
            postgres.leave();
        }
    }

    /// Where the nodes' ledger and store are, if they share them.
    pub(super) fn ledger_and_store(&self) -> Option<(&str, &str)> {
        let after = |name: &str| {
            let at = self.arguments.iter().position(|argument| argument == name)?;
            self.arguments.get(at.saturating_add(1))?.to_str()
        };
        Some((after("--ledger")?, after("--store")?))
    }
}

impl Redis {
    fn url(&self) -> String {
        match self {
            Redis::One(redis) => redis.url(),
            Redis::Several(cluster) => cluster.url(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(site: &Site) -> Result<(Backing, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let backing = site.start(folder.path())?;
        let home = folder.path().display().to_string();
        let text = |argument: &OsString| argument.to_string_lossy().replace(&home, "HOME");
        let arguments = backing.arguments.iter().map(text).collect();
        Ok((backing, arguments))
    }

    #[test]
    fn an_embedded_ledger_is_one_nodes_and_needs_no_server() {
        let (backing, told) = arguments(&Site::default()).unwrap();
        assert!(backing.redis.is_none() && told.is_empty());
        for wrong in
            [Site { nodes: 2, ..Site::default() }, Site { cluster: true, ..Site::default() }]
        {
            let error = arguments(&wrong).unwrap_err().to_string();
            assert!(error.contains("--ledger redis"), "{error}");
        }
    }

    #[test]
    fn nodes_are_told_where_their_redis_and_their_store_are() {
        let site = Site { nodes: 3, ledger: Ledger::Redis, ..Site::default() };
        let (backing, told) = arguments(&site).unwrap();
        let Some(Redis::One(redis)) = &backing.redis else { panic!("{backing:?}") };
        assert_eq!(told, ["--ledger", redis.url().as_str(), "--store", "HOME/store.sqlite"]);
        let (backing, told) = arguments(&Site { cluster: true, ..site }).unwrap();
        let Some(Redis::Several(cluster)) = &backing.redis else { panic!("{backing:?}") };
        assert_eq!((cluster.nodes().len(), told[1].as_str()), (6, cluster.url().as_str()));
    }
}
