//! A Friday, played: nodes of its own or a server that runs already, the people of the load
//! generator, and the audit of what was done.

pub mod office;
mod server;
pub mod servers;
mod site;
mod summary;
mod week;

pub use site::{Ledger, Site, Store};
pub use summary::summary;
pub use week::{play as play_weeks, summary as week_summary};

use crate::audit::{Audit, audit_elsewhere};
use crate::clock;
use crate::config::Config;
use crate::domain::{At, calendar::Round};
use crate::pass::write_fresh;
use crate::plan::Plan;
use crate::store;
use anyhow::{Context, Result};
use loadtest::{Crowd, progress, report, report::Report};
use server::{Server, Start};
use std::path::{Path, PathBuf};

/// How long before the opening the server's clock starts.
const EARLY_MS: i64 = 30_000;

/// What is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program `quan`, which is started as the server.
    pub program: PathBuf,
    /// The server's configuration; of its campaigns the first is played.
    pub config: PathBuf,
    /// Who comes.
    pub crowd: Crowd,
    /// Whether servers and data stay.
    pub keep: bool,
    /// What is started, unless a server runs already.
    pub site: Site,
    /// A server that runs already.
    pub server: Option<Running>,
}

/// A server that runs already.
#[derive(Clone, Debug)]
pub struct Running {
    /// The URLs of its nodes.
    pub urls: Vec<String>,
    /// Its keys.
    pub keys: PathBuf,
    /// Its data, to be audited.
    pub data: Option<PathBuf>,
}

/// Plays it and says what came of it.
pub async fn rush(options: &Options) -> Result<Report> {
    let config = Config::load(&options.config)?;
    let plan = first_plan(&config)?;
    let folder = tempfile::Builder::new().prefix("quan-rush-").tempdir()?;
    let Some(Running { urls, keys, data }) = &options.server else {
        return on_own_site(options, &plan, folder).await;
    };
    let record = folder.path().join("record.jsonl");
    let mut report = played(options, &plan, urls.clone(), keys, &record, &[]).await?;
    if let Some(data) = data {
        report.audit = Some(told(store::audit(data, Some(&record), None).await?));
    }
    Ok(report)
}

async fn on_own_site(options: &Options, plan: &Plan, folder: tempfile::TempDir) -> Result<Report> {
    let round = round(plan, options.crowd.round)?;
    let home = folder.path();
    let (keys, record) = (home.join("keys"), home.join("record.jsonl"));
    let data = home.join("data-0");
    write_fresh(&keys, &mut rand::rng())?;
    let (site, servers) = (options.site.clone(), home.to_owned());
    let backing = tokio::task::spawn_blocking(move || site.start(&servers)).await??;
    // One instant for all nodes, however long each takes to start.
    let shows = At(round.window.from.0.saturating_sub(EARLY_MS));
    let clock = clock::Start { shows, when: Some(now()) };
    let mut nodes = vec![];
    for node in 0..options.site.nodes {
        let start = Start {
            program: &options.program,
            config: &options.config,
            data: &home.join(format!("data-{node}")),
            keys: &keys,
            clock,
            merchants: None,
            backing: &backing.arguments,
            stays: options.keep,
            log: &home.join(format!("server-{node}.log")),
        };
        nodes.push(Server::start(&start).await?);
    }
    let urls: Vec<_> = nodes.iter().map(|node| format!("http://{}", node.public)).collect();
    let mut report = played(options, plan, urls, &keys, &record, &nodes).await?;
    if options.keep {
        eprintln_kept(&nodes, home);
    } else {
        for node in nodes {
            node.stop().await?;
        }
    }
    let audit = match options.site.ledger {
        Ledger::Embedded => store::audit(&data, Some(&record), None).await.map_err(Into::into),
        Ledger::Redis => elsewhere(&backing, &record).await,
    };
    if options.keep {
        backing.leave();
        let _ = folder.keep();
    }
    report.audit = Some(told(audit?));
    Ok(report)
}

/// Audits the logs of nodes that have stopped, and Redis beside them.
async fn elsewhere(backing: &site::Backing, record: &Path) -> Result<Audit> {
    let (ledger, store) =
        backing.ledger_and_store().context("the nodes share no ledger and store")?;
    Ok(audit_elsewhere(&ledger.parse()?, &store.parse()?, Some(record), None).await?)
}

#[expect(clippy::print_stderr, reason = "people want to know where it is")]
fn eprintln_kept(nodes: &[Server], folder: &Path) {
    for node in nodes {
        eprintln!("kept: http://{}, process {}, {}", node.public, node.pid(), folder.display());
    }
}

fn now() -> At {
    At(jiff::Timestamp::now().as_millisecond())
}

fn first_plan(config: &Config) -> Result<Plan> {
    let first = config.campaign.first().context("no campaign is configured")?;
    Ok(Plan::usable(&first.plan)?)
}

fn round(plan: &Plan, no: u8) -> Result<&Round> {
    let round = plan.rounds.iter().find(|round| round.no.0 == no);
    round.with_context(|| format!("{} has no round {no}", plan.id))
}

/// Lets the people come; the report is without an audit.
async fn played(
    options: &Options,
    plan: &Plan,
    urls: Vec<String>,
    keys: &Path,
    record: &Path,
    nodes: &[Server],
) -> Result<Report> {
    let people = options.crowd.at(urls, keys.to_owned(), plan.id.clone());
    let people = loadtest::Options { record: Some(record.to_owned()), ..people };
    let prepared = loadtest::prepare(people, progress::on_stderr()).await?;
    let cpu_us = || nodes.iter().map(Server::cpu_us).collect::<Option<Vec<u64>>>();
    let before = cpu_us();
    let mut report = loadtest::rush(prepared, progress::on_stderr()).await?;
    let Some((before, after)) = before.zip(cpu_us()).filter(|_| !nodes.is_empty()) else {
        return Ok(report);
    };
    let spent = before.into_iter().zip(after).map(|(before, after)| after.saturating_sub(before));
    let mut all: u64 = 0;
    for (node, spent) in report.nodes.iter_mut().zip(spent) {
        node.cpu_us_per_request = Some(per(spent, node.answered));
        all = all.saturating_add(spent);
    }
    report.server_cpu_us_per_request = Some(per(all, report.totals.answered));
    Ok(report)
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure for people")]
fn per(us: u64, requests: u64) -> f64 {
    us as f64 / requests.max(1) as f64
}

/// The audit in the words of the report.
fn told(audit: Audit) -> report::Audit {
    let checks = audit.checks.into_iter().map(|check| report::Check {
        name: check.name.to_owned(),
        what: check.what.to_owned(),
        rows: check.rows,
        clean: check.clean,
        detail: check.findings.join("; "),
    });
    report::Audit::of(checks.collect())
}
