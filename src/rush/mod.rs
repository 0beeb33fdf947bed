//! A Friday, played: a server of its own or one that runs already, the people of the load
//! generator, and the audit of what the server did.

mod server;
pub mod servers;
mod summary;

pub use summary::summary;

use crate::audit::Audit;
use crate::config::Config;
use crate::domain::{At, calendar::Round};
use crate::pass::write_fresh;
use crate::plan::Plan;
use crate::store;
use anyhow::{Context, Result};
use loadtest::{Crowd, MOST_SLIP_MS_P99, progress, report, report::Report};
use server::{Server, Start};
use std::path::{Path, PathBuf};

/// How long before the opening the server's clock starts.
const EARLY_MS: i64 = 30_000;
/// A promise was broken.
const BROKEN: u8 = 11;
/// The load generator could not keep its schedule, so the run says little.
const SATURATED: u8 = 12;

/// What is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program `quan`, which is started as the server.
    pub program: PathBuf,
    /// The server's configuration; of its campaigns the first is played.
    pub config: PathBuf,
    /// Who comes.
    pub crowd: Crowd,
    /// Whether server and data stay.
    pub keep: bool,
    /// A server that runs already: its URL, its keys, and its data to audit.
    pub server: Option<(String, PathBuf, Option<PathBuf>)>,
}

/// Plays it and says what came of it.
pub async fn rush(options: &Options) -> Result<Report> {
    let config = Config::load(&options.config)?;
    let plan = first_plan(&config)?;
    let folder = tempfile::Builder::new().prefix("quan-rush-").tempdir()?;
    let Some((url, keys, data)) = &options.server else {
        return on_own_server(options, &plan, folder).await;
    };
    let record = folder.path().join("record.jsonl");
    let mut report = played(options, &plan, url, keys, &record, None).await?;
    if let Some(data) = data {
        report.audit = Some(told(store::audit(data, Some(&record)).await?));
    }
    Ok(report)
}

/// The exit code of a program that ends with this report: 0, 11 or 12.
pub fn exit_code(report: &Report) -> u8 {
    let audited = report.audit.as_ref().is_none_or(|audit| audit.clean);
    match () {
        () if !audited || !report.client.clean => BROKEN,
        () if report.slip_ms_p99 > MOST_SLIP_MS_P99 => SATURATED,
        () => 0,
    }
}

async fn on_own_server(
    options: &Options,
    plan: &Plan,
    folder: tempfile::TempDir,
) -> Result<Report> {
    let round = round(plan, options.crowd.round)?;
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    let record = folder.path().join("record.jsonl");
    write_fresh(&keys, &mut rand::rng())?;
    let log = folder.path().join("server.log");
    let start = Start {
        program: &options.program,
        config: &options.config,
        data: &data,
        keys: &keys,
        clock: At(round.window.from.0 - EARLY_MS),
        stays: options.keep,
        log: &log,
    };
    let server = Server::start(&start).await?;
    let url = format!("http://{}", server.public);
    let mut report = played(options, plan, &url, &keys, &record, Some(&server)).await?;
    if options.keep {
        eprintln_kept(&url, server.pid(), &folder.keep());
    } else {
        server.stop().await?;
    }
    report.audit = Some(told(store::audit(&data, Some(&record)).await?));
    Ok(report)
}

#[expect(clippy::print_stderr, reason = "people want to know where it is")]
fn eprintln_kept(url: &str, pid: u32, folder: &Path) {
    eprintln!("kept: {url}, process {pid}, {}", folder.display());
}

fn first_plan(config: &Config) -> Result<Plan> {
    let file = &config.campaign.first().context("no campaign is configured")?.plan;
    match Plan::load(file).with_context(|| file.display().to_string())? {
        Ok((plan, _)) => Ok(plan),
        Err(_) => anyhow::bail!("`quan check {}` tells what is wrong with it", file.display()),
    }
}

fn round(plan: &Plan, no: u8) -> Result<&Round> {
    let round = plan.rounds.iter().find(|round| round.no.0 == no);
    round.with_context(|| format!("{} has no round {no}", plan.id))
}

/// Lets the people come; the report is without an audit.
async fn played(
    options: &Options,
    plan: &Plan,
    url: &str,
    keys: &Path,
    record: &Path,
    server: Option<&Server>,
) -> Result<Report> {
    let people = options.crowd.at(url.to_owned(), keys.to_owned(), plan.id.clone());
    let people = loadtest::Options { record: Some(record.to_owned()), ..people };
    let prepared = loadtest::prepare(people, progress::on_stderr()).await?;
    let cpu_us = || server.and_then(Server::cpu_us);
    let before = cpu_us();
    let mut report = loadtest::rush(prepared, progress::on_stderr()).await?;
    let spent = cpu_us().zip(before).map(|(after, before)| after.saturating_sub(before));
    report.server_cpu_us_per_request = spent.map(|spent| per(spent, report.totals.answered));
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
