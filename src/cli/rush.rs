//! `quan rush`.

use super::runtime;
use loadtest::Crowd;
use loadtest::report::weeks;
use quan::rush::{Options, Running, Site, play_weeks, rush, summary, week_summary};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Play a Friday: start a server on a temporary folder, let people rush it, and audit what it did.
///
/// Exit code 11 if a promise was broken, 12 if the load generator could not keep its schedule.
#[derive(clap::Args)]
pub(crate) struct Rush {
    /// The configuration file.
    #[arg(long, default_value = "config/quan.toml")]
    config: PathBuf,
    #[command(flatten)]
    crowd: Crowd,
    #[command(flatten)]
    site: Site,
    /// Go on after the claims: people take their coupons to shops until these end and are paid back, and the next
    /// round comes. It begins with round 1; at each jump of time the servers are started anew.
    #[arg(long, conflicts_with_all = ["url", "round"])]
    week: bool,
    /// Rounds that are played with their weeks.
    #[arg(long, requires = "week", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Write the report to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the report to this file, as one page with plots.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Rush this server, which runs already, as `http://127.0.0.1:8080`; needs --keys, and --data to audit it. Again for
    /// each other node of it.
    #[arg(long, requires = "keys")]
    url: Vec<String>,
    /// The keys folder of the server at --url.
    #[arg(long, requires = "url")]
    keys: Option<PathBuf>,
    /// The data folder of the server at --url.
    #[arg(long, requires = "url")]
    data: Option<PathBuf>,
    /// Leave the server running and the data where it is.
    #[arg(long, conflicts_with = "url")]
    keep: bool,
}

impl Rush {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let options = Options {
            program: std::env::current_exe()?,
            config: self.config,
            crowd: self.crowd,
            keep: self.keep,
            site: self.site,
            server: self.keys.map(|keys| Running { urls: self.url, keys, data: self.data }),
        };
        if self.week {
            return played(&options, self.rounds, self.json.as_deref(), self.html.as_deref());
        }
        let report = runtime()?.block_on(rush(&options))?;
        if let Some(file) = &self.json {
            fs::write(file, loadtest::report::json(&report)?)?;
        }
        if let Some(file) = &self.html {
            fs::write(file, loadtest::report::html(&report))?;
        }
        write!(io::stdout().lock(), "{}", summary(&report))?;
        Ok(ExitCode::from(report.exit_code()))
    }
}

fn played(
    options: &Options,
    rounds: u8,
    json: Option<&Path>,
    html: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let report = runtime()?.block_on(play_weeks(options, rounds))?;
    if let Some(file) = json {
        fs::write(file, weeks::json(&report)?)?;
    }
    if let Some(file) = html {
        fs::write(file, weeks::html(&report))?;
    }
    write!(io::stdout().lock(), "{}", week_summary(&report))?;
    Ok(ExitCode::from(report.exit_code()))
}
