//! What a request costs the server in CPU time, beside a floor: a bare handler on the same accept
//! loop and runtime that takes the same bytes and gives the same bytes.
//!
//! `cargo bench --bench cost` prints medians of interleaved pairs: sold out, and durable grants,
//! at 64 and 256 connections; of a till a coupon locked, confirmed, and both in one step; of a person a look at the
//! coupons held. The ratio is of the whole process while it answers; since the store
//! waits for a rush to pass, the last column says what it takes for each request in all. `-- --pairs 3 --requests 2000` makes it shorter.

#![expect(
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "figures for people, places in a list"
)]

mod client;
mod floor;
#[path = "../../tests/common"]
mod common {
    pub(crate) mod host;
    #[expect(dead_code, reason = "the bench has a client of its own")]
    pub(crate) mod link;
    pub(crate) mod plan;
}
mod process;
mod rush;
mod scene;
mod shop;
#[path = "../../tests/redeem/till.rs"]
#[expect(dead_code, reason = "the bench has a client of its own")]
mod till;

use client::Client;
use process::{Cpu, Server};
use rush::Rush;
use scene::Scene;
use shop::{Shop, Step};

const CONNECTIONS: [usize; 2] = [64, 256];

struct Size {
    pairs: usize,
    requests: usize,
    /// The only answer that is measured, if one is named.
    only: Option<String>,
}

impl Size {
    /// Requests in all: of the pairs, of the one that warms up, and the one that the floor learns from.
    fn all(&self) -> usize {
        (self.pairs + 1) * self.requests + 1
    }
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut size = Size { pairs: 9, requests: 10_000, only: None };
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--floor", Some(answer)) => return floor::serve(&answer),
            ("--pairs", Some(pairs)) => size.pairs = pairs.parse()?,
            ("--requests", Some(requests)) => size.requests = requests.parse()?,
            ("--only", answer) => size.only = answer,
            (other, _) => anyhow::bail!("{other}: not an option of this bench"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "CPU time of the server process, microseconds a request; {} pairs of {} requests",
        size.pairs, size.requests
    );
    println!(
        "{:<10} {:>5} {:>7} {:>7} {:>7} {:>7} {:>7} {:>15} {:>8} {:>8}",
        "answer",
        "conns",
        "floor",
        "quan",
        "=http",
        "+ledger",
        "ratio",
        "(least, most)",
        "beside",
        "in all"
    );
    let wanted = |answer| size.only.as_deref().is_none_or(|only| only == answer);
    for connections in CONNECTIONS {
        if wanted("sold_out") {
            runtime.block_on(measure("sold_out", Rush::sold_out(), connections, &size))?;
        }
        if wanted("granted") {
            runtime.block_on(measure("granted", Rush::granted(&size), connections, &size))?;
        }
    }
    for step in Step::ALL {
        for connections in CONNECTIONS {
            if wanted(step.name()) {
                let shop = Shop::open(step, &size);
                runtime.block_on(measure(step.name(), shop, connections, &size))?;
            }
        }
    }
    Ok(())
}

async fn measure(
    name: &str,
    scene: impl Future<Output = anyhow::Result<impl Scene>>,
    connections: usize,
    size: &Size,
) -> anyhow::Result<()> {
    let mut scene = scene.await?;
    let mut quan = Client::connect(scene.server().address, connections).await?;
    // One answer is what the floor gives, byte for byte.
    scene.ready(1).await?;
    let answer = quan.run(1, |out| scene.next(out)).await?;
    let status = scene.status();
    let floor = Server::floor(&answer.last)?;
    let (bare_cpu, quan_cpu) = (floor.watch(), scene.server().watch());
    let mut bare = Client::connect(floor.address, connections).await?;
    let mut pairs = Vec::new();
    let mut beside = 0;
    for pair in 0..=size.pairs {
        scene.ready(size.requests).await?;
        scene.server().settle()?;
        let before = quan_cpu.cpu()?;
        let bare = cost(&bare_cpu, &mut bare, status, size, |out| scene.again(out)).await?;
        let full = cost(&quan_cpu, &mut quan, status, size, |out| scene.next(out)).await?;
        // What the store takes is counted whole, whenever it takes it.
        scene.server().settle()?;
        beside += quan_cpu.cpu()?.since(before).beside;
        // The first pair warms both up.
        if pair > 0 {
            pairs.push(Pair { bare, full });
        }
    }
    let all = (size.pairs + 1) * size.requests;
    let store = beside as f64 / 1_000.0 / all as f64;
    let us = |ns: u64| ns as f64 / 1_000.0 / size.requests as f64;
    let middle = |of: &dyn Fn(&Pair) -> f64| sorted(&pairs, of)[pairs.len() / 2];
    let answered = |pair: &Pair| us(pair.full.all());
    let ratios = sorted(&pairs, &|pair| answered(pair) / us(pair.bare.http));
    println!(
        "{name:<10} {connections:>5} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>15} {:>8.2} {:>8.2}",
        middle(&|pair| us(pair.bare.http)),
        middle(&answered),
        middle(&|pair| us(pair.full.http)),
        middle(&|pair| us(pair.full.ledger)),
        ratios[ratios.len() / 2],
        format!("({:.2}, {:.2})", ratios[0], ratios[ratios.len() - 1]),
        middle(&|pair| us(pair.full.beside)),
        store,
    );
    Ok(())
}

/// The same load on both servers, one after the other.
struct Pair {
    bare: Cpu,
    full: Cpu,
}

fn sorted(pairs: &[Pair], of: &dyn Fn(&Pair) -> f64) -> Vec<f64> {
    let mut all: Vec<f64> = pairs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// CPU time of `server` for all of its requests.
async fn cost(
    server: &process::Watched,
    client: &mut Client,
    status: u16,
    size: &Size,
    request: impl FnMut(&mut Vec<u8>),
) -> anyhow::Result<Cpu> {
    let before = server.cpu()?;
    let answers = client.run(size.requests, request).await?;
    let spent = server.cpu()?.since(before);
    anyhow::ensure!(
        answers.by_status.keys().eq([&status]),
        "not all were answered with {status}: {:?}, the last: {}",
        answers.by_status,
        String::from_utf8_lossy(&answers.last)
    );
    Ok(spent)
}
