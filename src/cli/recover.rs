//! `quan recover`.

use quan::{
    config::{self, Config},
    data::DataFolder,
    ledger::redis::RedisUrl,
    recover::recover,
    store::StoreUrl,
    trail::{Deed, Trail},
};
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// How the logs in Redis stand beside the store; recovers those that are shut, if what was told can be proven.
///
/// Servers do the same by themselves; this is for when none runs, and to see what a log waits for. Exit code 1 if one
/// stays shut. A node that does not return is given up by two persons: `quan decide sign .. forget NODE`.
#[derive(clap::Args)]
pub(crate) struct Recover {
    /// The configuration file, whose campaigns are looked at.
    #[arg(long, default_value = "config/quan.toml")]
    config: PathBuf,
    /// The ledger, instead of the configuration's.
    #[arg(long)]
    ledger: Option<RedisUrl>,
    /// The store, instead of the configuration's.
    #[arg(long)]
    store: Option<StoreUrl>,
    /// Shards that the campaigns were opened with, instead of the configuration's.
    #[arg(long, requires = "ledger", value_parser = clap::value_parser!(u8).range(1..=128))]
    shards: Option<u8>,
    /// Seconds to wait for logs that are shut.
    #[arg(long, default_value_t = 15)]
    wait: u64,
}

impl Recover {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut config = Config::load(&self.config)?;
        if let Some(url) = self.ledger {
            config.ledger = Some(config::Ledger::at(url, self.shards, config.ledger.as_ref()));
        }
        config.store = self.store.map(|url| config::Store { url }).or(config.store);
        let data = DataFolder::at(&config.data.folder);
        if data.path().is_dir() {
            let by = format!("the system's user {}", rustix::process::getuid().as_raw());
            let what = format!("logs of {} campaigns", config.campaign.len());
            Trail::open(&data.trail())?.add(&by, Deed::Recovered, &what)?;
        }
        let stands = recover(&config, Duration::from_secs(self.wait))?;
        let mut out = io::stdout().lock();
        for stand in &stands {
            writeln!(out, "{}", serde_json::to_string(stand)?)?;
        }
        let open = stands.iter().all(|stand| stand.open);
        Ok(if open { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
