//! What the distributed ledger costs, beside the usual recipe: a server that sends each request as a
//! script call to Redis, on the same stack, with the same checks, answers and durability.
//!
//! `cargo bench --bench recipe` prints medians of interleaved pairs: a node of the engine and the
//! recipe get the same claims in the same order, 20 for each coupon; CPU time is that of the server and
//! of its Redis servers. `in all` also has what the engine's store takes afterwards; the recipe has none.
//! `busy` is how many of the engine's answers said to come back, for each claim; each costs a request more.
//! Then whole rushes, everybody within one second and 5 % cheats: how many claims Redis evaluated.
//! `-- --pairs 2 --people 2000 --rush 2000` makes it shorter; no pairs or nobody in the rush leave that
//! part out, `--replicas 0` takes one half of the pairs, `--pool 4` gives the recipe so many connections
//! to Redis. The shield lets 8 more of each kind through on each node than are left, so a small rush has
//! a larger share of claims that were evaluated in vain.
//!
//! The recipe is the standard one (see `usual.rs`). On the engine's own accept loop, a worker a core,
//! it took about the same without replicas.

#![expect(
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "figures for people, places in a list"
)]

mod askers;
#[path = "../cost/client.rs"]
#[expect(dead_code, reason = "askers here come back when they are told to")]
mod client;
#[path = "../../tests/common/plan.rs"]
mod plan;
#[path = "../cost/process.rs"]
#[expect(dead_code, reason = "this bench starts its servers otherwise")]
mod process;
mod scene;
mod usual;

use anyhow::ensure;
use askers::{Askers, Told};
use loadtest::{Claims, progress};
use process::{Cpu, Server, Watched};
use scene::{ASKERS, Redis, Scene, Stage};
use std::process::Command;
use usual::Usual;

const CONNECTIONS: usize = 64;

struct Size {
    pairs: usize,
    /// Who comes to a pair, and to a rush.
    people: u32,
    rush: u32,
    /// The recipe's connections to Redis, if not as many as usual.
    pool: Option<usize>,
    /// How many replicas, if not both none and one.
    replicas: Option<u32>,
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut size = Size { pairs: 5, people: 10_000, rush: 50_000, pool: None, replicas: None };
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--usual", Some(usual)) => return serde_json::from_str::<Usual>(&usual)?.serve(),
            ("--pairs", Some(pairs)) => size.pairs = pairs.parse()?,
            ("--people", Some(people)) => size.people = people.parse()?,
            ("--rush", Some(people)) => size.rush = people.parse()?,
            ("--pool", Some(connections)) => size.pool = Some(connections.parse()?),
            ("--replicas", Some(replicas)) => size.replicas = Some(replicas.parse()?),
            (other, _) => anyhow::bail!("{other}: not an option of this bench"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "CPU time of server and Redis, microseconds a claim; {} pairs, {ASKERS} askers a coupon, \
         {CONNECTIONS} connections; load average {}",
        size.pairs,
        load()?
    );
    println!(
        "{:<9} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>17} {:>8} {:>10} {:>6}",
        "replicas",
        "claims",
        "http",
        "+ledger",
        "+redis",
        "=quan",
        "http",
        "+redis",
        "=usual",
        "usual/quan",
        "in all",
        "evaluated",
        "busy"
    );
    let wanted = |replicas| size.pairs > 0 && size.replicas.is_none_or(|only| only == replicas);
    for replicas in [0, 1].into_iter().filter(|replicas| wanted(*replicas)) {
        runtime.block_on(compare(replicas, &size))?;
    }
    println!("\nclaims that Redis evaluated in a rush; load average {}", load()?);
    println!("{:<9} {:>8} {:>8} {:>10} {:>7}", "nodes", "asked", "stock", "evaluated", "ratio");
    for nodes in [1, 3].into_iter().filter(|_| size.rush > 0) {
        runtime.block_on(rush(nodes, &size))?;
    }
    Ok(())
}

fn load() -> anyhow::Result<String> {
    Ok(std::fs::read_to_string("/proc/loadavg")?.split(' ').take(1).collect())
}

/// What both took, in microseconds a claim.
struct Pair {
    quan: Spent,
    usual: Spent,
    /// The engine's, with its store.
    all: f64,
    /// Claims that the engine's Redis evaluated, for each coupon.
    evaluated: f64,
}

#[derive(Clone, Copy)]
struct Spent {
    http: f64,
    /// The ledger's thread, and whatever else is not of connections.
    ledger: f64,
    redis: f64,
    /// Answers that said to come back, for each claim.
    busy: f64,
}

impl Spent {
    fn sum(self) -> f64 {
        self.http + self.ledger + self.redis
    }
}

async fn compare(replicas: u32, size: &Size) -> anyhow::Result<()> {
    let (mut pairs, mut claims) = (Vec::new(), 0);
    for no in 0..=size.pairs {
        let (pair, asked) = pair(replicas, no % 2 == 0, size).await?;
        claims = asked;
        // The first pair warms the machine up.
        if no > 0 {
            pairs.push(pair);
        }
    }
    let middle = |of: &dyn Fn(&Pair) -> f64| sorted(&pairs, of)[pairs.len() / 2];
    let ratios = sorted(&pairs, &|pair| pair.usual.sum() / pair.quan.sum());
    println!(
        "{replicas:<9} {claims:>8} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>17} {:>8.2} {:>10.3} {:>6.3}",
        middle(&|pair| pair.quan.http),
        middle(&|pair| pair.quan.ledger),
        middle(&|pair| pair.quan.redis),
        middle(&|pair| pair.quan.sum()),
        middle(&|pair| pair.usual.http + pair.usual.ledger),
        middle(&|pair| pair.usual.redis),
        middle(&|pair| pair.usual.sum()),
        format!(
            "{:.2} ({:.2}, {:.2})",
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1]
        ),
        middle(&|pair| pair.usual.sum() / pair.all),
        middle(&|pair| pair.evaluated),
        middle(&|pair| pair.quan.busy),
    );
    Ok(())
}

fn sorted(pairs: &[Pair], of: &dyn Fn(&Pair) -> f64) -> Vec<f64> {
    let mut all: Vec<f64> = pairs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// The same claims to both, one server after the other; and how many claims there were.
async fn pair(replicas: u32, usual_first: bool, size: &Size) -> anyhow::Result<(Pair, usize)> {
    let stage = Stage { nodes: 1, replicas, people: size.people, cheats_per_mille: 0 };
    let (scene, prepared) = Scene::open(stage).await?;
    let claims = Claims::of(prepared);
    let redis = Redis::start(&scene.scratch.path().join("usual"), replicas)?;
    let kinds = scene.plan.kinds.len();
    usual::arm(&mut redis.connect()?, kinds, scene.units)?;
    let told = Usual {
        redis: redis.url(),
        replicas,
        pool: size.pool,
        plan: scene.plan_file.clone(),
        keys: scene.keys.clone(),
        clock: scene.clock,
    };
    let mut command = Command::new(std::env::current_exe()?);
    let child = Server::start(command.arg("--usual").arg(serde_json::to_string(&told)?))?;
    let usual = Side { server: &child, redis: redis.watch()? };
    let quan = Side { server: &scene.nodes[0], redis: scene.redis.watch()? };
    let before = quan.cpu()?;
    let mut spent = Vec::new();
    for server in if usual_first { [&usual, &quan] } else { [&quan, &usual] } {
        spent.push(server.cost(&claims, scene.stock()).await?);
    }
    if usual_first {
        spent.swap(0, 1);
    }
    scene.nodes[0].settle()?;
    let all = quan.cpu()?;
    let all = all.0.since(before.0).all() + all.1 - before.1;
    ensure!(usual::left(&mut redis.connect()?, kinds)? == 0, "the recipe did not sell out");
    let evaluated = scene.evaluated()? as f64 / scene.stock() as f64;
    let per = |ns: u64| ns as f64 / 1_000.0 / claims.len() as f64;
    let pair = Pair { quan: spent[0], usual: spent[1], all: per(all), evaluated };
    Ok((pair, claims.len()))
}

/// A server and its Redis.
struct Side<'a> {
    server: &'a Server,
    redis: Vec<Watched>,
}

impl Side<'_> {
    /// CPU time so far: the server's, and that of Redis.
    fn cpu(&self) -> anyhow::Result<(Cpu, u64)> {
        let redis = self.redis.iter().map(|redis| Ok(redis.cpu()?.all()));
        Ok((self.server.watch().cpu()?, redis.sum::<anyhow::Result<u64>>()?))
    }

    /// What all `claims` take; `stock` of them must win.
    async fn cost(&self, claims: &Claims, stock: usize) -> anyhow::Result<Spent> {
        let askers = Askers::connect(self.server.address, CONNECTIONS).await?;
        let before = self.cpu()?;
        let Told { granted, busy } = askers.ask(claims).await?;
        ensure!(granted == stock, "{granted} of {stock} were granted");
        let after = self.cpu()?;
        let us = |ns: u64| ns as f64 / 1_000.0 / claims.len() as f64;
        let server = after.0.since(before.0);
        let (http, ledger) = (us(server.http), us(server.ledger + server.beside));
        Ok(Spent {
            http,
            ledger,
            redis: us(after.1 - before.1),
            busy: busy as f64 / claims.len() as f64,
        })
    }
}

/// Everybody at once, with cheats, on `nodes` nodes; nothing fails.
async fn rush(nodes: usize, size: &Size) -> anyhow::Result<()> {
    let stage = Stage { nodes, replicas: 0, people: size.rush, cheats_per_mille: 50 };
    let (scene, prepared) = Scene::open(stage).await?;
    let report = loadtest::rush(prepared, progress::silent()).await?;
    ensure!(report.client.clean, "{:?}", report.client);
    let (stock, evaluated) = (scene.stock(), scene.evaluated()?);
    println!(
        "{nodes:<9} {:>8} {stock:>8} {evaluated:>10} {:>7.3}",
        report.totals.answered,
        evaluated as f64 / stock as f64
    );
    Ok(())
}
