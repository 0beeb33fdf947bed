//! Plays one round against a server that runs already, and prints the report as JSON.

use clap::Parser;
use loadtest::{Crowd, Options, progress, report};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Wrong usage, or a server that can't be asked.
const USAGE: u8 = 2;

/// Plays the people of a voucher rush against a running server.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The server, http://host:port; again for each other node of it
    #[arg(long = "url", required = true)]
    urls: Vec<String>,
    /// Folder with fix-1.key, captcha-1.key and identity-1.key
    #[arg(long)]
    keys: PathBuf,
    /// The campaign's id
    #[arg(long)]
    campaign: String,
    #[command(flatten)]
    crowd: Crowd,
    /// Write what the server said to this file, as JSON lines
    #[arg(long)]
    record: Option<PathBuf>,
    /// Write the report to this file, as a page
    #[arg(long)]
    html: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(USAGE)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let page = cli.html.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let prepared = loadtest::prepare(options(cli), progress::on_stderr()).await?;
        loadtest::rush(prepared, progress::on_stderr()).await
    })?;
    std::io::stdout().write_all(report::json(&report)?.as_bytes())?;
    if let Some(page) = page {
        fs::write(page, report::html(&report))?;
    }
    Ok(ExitCode::from(report.exit_code()))
}

fn options(cli: Cli) -> Options {
    let options = cli.crowd.at(cli.urls, cli.keys, cli.campaign);
    Options { record: cli.record, ..options }
}
