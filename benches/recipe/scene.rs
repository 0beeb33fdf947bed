//! A round with 20 askers a coupon, on nodes of the engine and their private Redis.

use crate::plan::Shipped;
use crate::process::{Server, Watched};
use anyhow::{Context, ensure};
use loadtest::{Options, Prepared, prepare, progress};
use quan::plan::Plan;
use quan::rush::servers::{RedisServer, Settings};
use redis::cmd;
use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A second after the opening of round 1.
const OPEN: (&str, i64) = ("2023-09-01T10:00:01+08:00", 1_693_533_601_000);
const CAMPAIGN: &str = "xiangning-2023";
/// Who asks for one coupon.
pub(crate) const ASKERS: usize = 20;

/// A master and its replicas.
pub(crate) struct Redis(Vec<RedisServer>);

impl Redis {
    /// Durable servers below `folder`; the replicas are in step.
    pub(crate) fn start(folder: &Path, replicas: u32) -> anyhow::Result<Redis> {
        let start = |name: String| RedisServer::start(&folder.join(name), &Settings::default());
        let master = start("master".to_owned())?;
        let mut servers = vec![master];
        for no in 0..replicas {
            let replica = start(format!("replica-{no}"))?;
            let of = servers[0].address();
            let follow = cmd("REPLICAOF").arg(of.ip().to_string()).arg(of.port()).to_owned();
            replica.ask::<()>(&follow)?;
            while !info(&replica)?.contains("master_link_status:up") {
                thread::sleep(Duration::from_millis(20));
            }
            servers.push(replica);
        }
        while !info(&servers[0])?.matches("state=online").count().eq(&(servers.len() - 1)) {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Redis(servers))
    }

    pub(crate) fn url(&self) -> String {
        self.0[0].url()
    }

    pub(crate) fn connect(&self) -> anyhow::Result<redis::Connection> {
        self.0[0].connect()
    }

    /// The CPU time of all of them, to be read.
    pub(crate) fn watch(&self) -> anyhow::Result<Vec<Watched>> {
        let watched = |server: &RedisServer| Some(Watched::of(server.pid()?));
        self.0.iter().map(|server| watched(server).context("Redis has ended")).collect()
    }
}

fn info(server: &RedisServer) -> anyhow::Result<String> {
    server.ask(cmd("INFO").arg("replication"))
}

/// Nodes of the engine, their Redis, and people with passes.
pub(crate) struct Scene {
    pub(crate) nodes: Vec<Server>,
    pub(crate) redis: Redis,
    pub(crate) plan: Plan,
    /// Units of each kind.
    pub(crate) units: usize,
    pub(crate) plan_file: PathBuf,
    pub(crate) keys: PathBuf,
    /// What the clock shows, and when.
    pub(crate) clock: (i64, i64),
    pub(crate) scratch: tempfile::TempDir,
}

/// How a scene is set.
#[derive(Clone, Copy)]
pub(crate) struct Stage {
    pub(crate) nodes: usize,
    pub(crate) replicas: u32,
    pub(crate) people: u32,
    pub(crate) cheats_per_mille: u32,
}

impl Scene {
    pub(crate) async fn open(stage: Stage) -> anyhow::Result<(Scene, Prepared)> {
        let Stage { nodes, replicas, people, cheats_per_mille } = stage;
        let scratch = tempfile::tempdir()?;
        let folder = scratch.path();
        let (config, keys) = (folder.join("quan.toml"), folder.join("keys"));
        let plan_file = folder.join("xiangning-2023.toml");
        // Everybody asks for 1.8 kinds on average, and there are six.
        let units = usize::try_from(people)? * 18 / 10 / ASKERS / 6;
        roomy(units).write(&plan_file);
        let (plan, _) = Plan::load(&plan_file)?.ok().context("the plan")?;
        quan::pass::write_fresh(&keys, &mut rand::rng())?;
        let redis = Redis::start(folder, replicas)?;
        let (url, store) = (redis.url(), folder.join("store.sqlite"));
        let places = format!(
            "\n[ledger]\nurl = \"{url}\"\nreplicas = {replicas}\n\n[store]\nurl = \"{}\"\n",
            store.display()
        );
        Shipped::read("quan.toml").write(&config);
        let text = std::fs::read_to_string(&config)?;
        std::fs::write(&config, text + &places)?;
        let when = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let clock = format!("{}@{when}", OPEN.0);
        let start = |no: usize| {
            let mut quan = Command::new(env!("CARGO_BIN_EXE_quan"));
            quan.arg("serve").arg("--config").arg(&config).arg("--keys").arg(&keys);
            quan.arg("--data").arg(folder.join(format!("data-{no}"))).args(["--clock", &clock]);
            quan.args(["--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0", "--until-stdin-ends"]);
            Server::start(quan.env("QUAN_LOG", "error"))
        };
        let nodes = (0..nodes).map(start).collect::<anyhow::Result<Vec<Server>>>()?;
        let options = Options {
            urls: nodes.iter().map(|node| format!("http://{}", node.address)).collect(),
            keys: keys.clone(),
            campaign: CAMPAIGN.to_owned(),
            people,
            cheats_per_mille,
            connections: 256,
            herd: true,
            ..Options::default()
        };
        let prepared = prepare(options, progress::silent()).await?;
        let made = prepared.passes().made;
        ensure!(cheats_per_mille > 0 || made == u64::from(people), "{:?}", prepared.passes());
        nodes.iter().try_for_each(Server::settle)?;
        let clock = (OPEN.1, when);
        let scene = Scene { nodes, redis, plan, units, plan_file, keys, clock, scratch };
        Ok((scene, prepared))
    }

    /// All coupons of the round.
    pub(crate) fn stock(&self) -> usize {
        self.units * self.plan.kinds.len()
    }

    /// Claims that the engine's scripts have decided.
    pub(crate) fn evaluated(&self) -> anyhow::Result<usize> {
        let meta = "quan:{0:0}:meta";
        let evaluated: Option<usize> =
            cmd("HGET").arg(meta).arg("evaluated").query(&mut self.redis.connect()?)?;
        Ok(evaluated.unwrap_or(0))
    }
}

/// The plan with `units` of each kind a round, of a face value that its pools can carry, and rates
/// that never refuse.
fn roomy(units: usize) -> Shipped {
    let plan = Shipped::plan().set("units_per_round", &[units]).set("face_fen", &[1]);
    let rates =
        ["person", "device", "address"].map(|of| [format!("{of}_per_s"), format!("{of}_burst")]);
    rates.iter().flatten().fold(plan, |plan, rate| plan.set(rate, &[1_000_000_000]))
}
