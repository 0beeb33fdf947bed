//! `quan serve`.

use super::clock_time;
use quan::{
    clock::Start,
    config::{self, Config},
    ledger::redis::RedisUrl,
    serve::serve,
    store::StoreUrl,
};
use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

/// Serve: issue coupons until told to stop (SIGTERM or SIGINT).
///
/// When it serves, one line of JSON on standard output tells the addresses. The log goes to standard error;
/// `QUAN_LOG` chooses what is in it, as `warn` or `info,quan::drain=debug`.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// The configuration file.
    #[arg(long, default_value = "config/quan.toml")]
    config: PathBuf,
    /// The data folder, instead of the configuration's.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The keys folder, instead of the configuration's.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// The public address and port, instead of the configuration's; port 0 takes a free one.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// The ops address and port, instead of the configuration's; port 0 takes a free one.
    #[arg(long)]
    ops: Option<SocketAddr>,
    /// Start the campaign's clock at this instant, as 2023-09-01T09:59:30+08:00, and let it run.
    ///
    /// With `@` and a Unix time in milliseconds it shows that instant then, so that several nodes show the same. Never
    /// on the real data: what is granted stays granted.
    #[arg(long, value_name = "INSTANT[@UNIXMS]", value_parser = clock_time, requires = "data")]
    clock: Option<Start>,
    /// The folder of the first campaign's merchants, instead of the configuration's.
    #[arg(long)]
    merchants: Option<PathBuf>,
    /// The ledger that several nodes share, as redis://host:port[,host:port ..], instead of the configuration's.
    #[arg(long)]
    ledger: Option<RedisUrl>,
    /// The store that several nodes share, as postgres://user:password@host:port/database or a path, instead of the
    /// configuration's.
    #[arg(long, requires = "ledger")]
    store: Option<StoreUrl>,
    /// Shards that campaigns are opened with, and keep, instead of the configuration's.
    #[arg(long, requires = "ledger", value_parser = clap::value_parser!(u8).range(1..=100))]
    shards: Option<u8>,
    /// Stop when standard input ends, as it does when the program that started this one is gone.
    #[arg(long)]
    until_stdin_ends: bool,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        log_to_stderr();
        let mut config = Config::load(&self.config)?;
        config.data.folder = self.data.unwrap_or(config.data.folder);
        config.keys.folder = self.keys.unwrap_or(config.keys.folder);
        config.public.listen = self.listen.unwrap_or(config.public.listen);
        config.ops.listen = self.ops.unwrap_or(config.ops.listen);
        if let Some(campaign) = config.campaign.first_mut() {
            campaign.merchants = self.merchants.or(campaign.merchants.take());
        }
        if let Some(url) = self.ledger {
            config.store = self.store.map(|url| config::Store { url }).or(config.store);
            config.ledger = Some(config::Ledger::at(url, self.shards, config.ledger.as_ref()));
        }
        let stop = if self.until_stdin_ends { Some(stdin_ends()?) } else { None };
        serve(&config, self.clock, stop, |served| {
            let line = serde_json::to_string(served)?;
            let mut out = io::stdout().lock();
            writeln!(out, "{line}")?;
            out.flush()?;
            Ok(())
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// `QUAN_LOG` chooses what is logged, as `info` or `quan::drain=debug`.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("QUAN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = io::IsTerminal::is_terminal(&io::stderr());
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(ansi)
        .with_env_filter(filter)
        .init();
}

/// Done when standard input ends.
fn stdin_ends() -> io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        // Whatever is written is not for us; an error ends it as well.
        let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
        let _ = ended.send(());
    })?;
    Ok(end)
}
