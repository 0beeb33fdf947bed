//! `quan recover`: how the logs of a ledger in Redis stand beside the store, and recovering those that are shut.

use crate::config::Config;
use crate::data::DataFolder;
use crate::domain::CampaignNo;
use crate::ledger::machine::{Command, Summary};
use crate::ledger::redis::{Known, LogState, Opening, Options, RedisLedger};
use crate::ledger::service::{BatchStats, Ledger, Watcher};
use crate::node::Node;
use crate::plan::Plan;
use crate::steward;
use crate::store::{LogNo, Store, StoreUrl};
use anyhow::{Context, Result};
use serde::Serialize;
use std::{collections::BTreeSet, path::Path, time::Duration};
use tokio::time::{Instant, sleep};

/// How a log stands.
#[derive(Clone, Debug, Serialize)]
pub struct LogReport {
    /// The campaign's id.
    pub campaign: String,
    /// `0`, `1` .. for a shard, `i` for the identities.
    pub part: String,
    /// Whether claims are decided there.
    pub open: bool,
    /// Its epoch.
    pub epoch: u64,
    /// The last entry in Redis that was read.
    pub redis_seq: u64,
    /// The last entry in the store.
    pub store_seq: u64,
    /// The nodes that have to close the epoch before it can be recovered.
    pub waits_for: Vec<String>,
}

struct Nobody;

impl Watcher for Nobody {
    fn campaign(&mut self, _: u64, _: CampaignNo, _: &Summary) {}
    fn batch(&mut self, _: &BatchStats) {}
}

/// Recovers what is shut and can be, for at most `patience`; gives how each log stands then.
///
/// It tells nobody anything, so servers may run meanwhile, and nobody waits for it if it is killed.
pub fn recover(config: &Config, patience: Duration) -> Result<Vec<LogReport>> {
    let ledger = config.ledger.as_ref().context("no ledger is configured: --ledger redis://..")?;
    let scratch = tempfile::Builder::new().prefix("quan-recover-").tempdir()?;
    let data = DataFolder::at(scratch.path());
    let default = DataFolder::at(&config.data.folder).store();
    let url = config.store.as_ref().map_or(StoreUrl::File(default), |store| store.url.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = Options {
        url: ledger.url.clone(),
        shards: ledger.shards,
        replicas: ledger.replicas,
        acks: data.acks(),
    };
    let now = crate::clock::wall();
    let (opening, ids) = runtime.block_on(async {
        let store = Store::open(&url).await?;
        let known = Known::of(&store).await?;
        store.close().await;
        let campaigns = known.campaigns.clone();
        let mut opening = Opening::connect(options, known, now).await?;
        let mut ids = Vec::new();
        for campaign in &config.campaign {
            let (id, command) = command(&campaign.plan)?;
            // What was never opened is not for a recovery to open.
            if !campaigns.contains_key(&id) {
                continue;
            }
            let Command::Open { name, pools, kinds } = command else { continue };
            ids.push((opening.open(&name, &pools, &kinds, now).await?, id));
        }
        Ok::<_, anyhow::Error>((opening, ids))
    })?;
    let ledger = RedisLedger::start_idle(opening, crate::clock::wall, Box::new(Nobody))?;
    let node = Node::start_idle(&ledger, &url)?;
    let reports = runtime.block_on(async {
        let store = Store::open(&url).await?;
        let start = Instant::now();
        while start.elapsed() < patience && ids.iter().any(|(no, _)| !ledger.issues(*no)) {
            sleep(Duration::from_millis(100)).await;
        }
        let mut reports = Vec::new();
        for state in ledger.states() {
            let id = ids.iter().find(|(no, _)| *no == state.campaign).map(|(_, id)| id.clone());
            reports.push(report(&store, state, id.unwrap_or_default()).await?);
        }
        store.close().await;
        Ok::<_, anyhow::Error>(reports)
    });
    ledger.close();
    node.stop();
    reports
}

async fn report(store: &Store, state: LogState, campaign: String) -> Result<LogReport> {
    let log = LogNo(state.log);
    let mut waits_for = Vec::new();
    if !state.open {
        let closings = store.closings(log, state.epoch).await?;
        let closed: BTreeSet<&str> = closings.iter().map(|it| it.node.as_str()).collect();
        let nodes = store.nodes().await?;
        let open = nodes.iter().filter(|it| !it.left && !closed.contains(it.node.as_str()));
        waits_for = open.map(|it| it.node.clone()).collect();
    }
    Ok(LogReport {
        campaign,
        part: state.part,
        open: state.open,
        epoch: state.epoch,
        redis_seq: state.seq,
        store_seq: store.seq(log).await?,
        waits_for,
    })
}

fn command(plan: &Path) -> Result<(String, Command)> {
    let plan = Plan::usable(plan)?;
    Ok((plan.id.clone(), steward::opening(&plan)))
}
