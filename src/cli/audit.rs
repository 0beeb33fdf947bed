//! `quan audit DATA`, or `--store` and `--ledger`.

use super::runtime;
use quan::audit::{self, exit_code};
use quan::ledger::redis::RedisUrl;
use quan::store;
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// Audit a data folder at rest: every promise looked at again, from the journal; exit code 11 if one is broken.
///
/// Of a ledger in Redis it is the logs that are looked at, in the store and beyond it in Redis, and whether both are
/// what the logs make. Nothing is written there.
#[derive(clap::Args)]
pub(crate) struct Audit {
    /// The data folder.
    #[arg(required_unless_present = "store", conflicts_with_all = ["ledger", "store"])]
    data: Option<PathBuf>,
    /// The ledger: `redis://[user:password@]host:port[,host:port ..]`.
    #[arg(long, value_name = "URL", requires = "store")]
    ledger: Option<RedisUrl>,
    /// The store that the nodes of a ledger elsewhere share: a file or `postgres://user:password@host:port/database`.
    #[arg(long, value_name = "URL")]
    store: Option<store::StoreUrl>,
    /// What clients were told, as JSON lines (the load generator writes it).
    #[arg(long)]
    record: Option<PathBuf>,
    /// A folder with the public keys of those who decide (staff-NAME.pub): their signatures are looked at as well.
    #[arg(long, value_name = "FOLDER")]
    keys: Option<PathBuf>,
    /// A file that knows the trail's last record, such as a settlement's manifest; again for more.
    #[arg(long, value_name = "FILE", requires = "data")]
    anchor: Vec<PathBuf>,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let (record, keys) = (self.record.as_deref(), self.keys.as_deref());
        let runtime = runtime()?;
        let mut audit = match (&self.data, &self.ledger, &self.store) {
            (Some(data), ..) => runtime.block_on(store::audit(data, record, keys))?,
            (None, Some(ledger), Some(url)) => {
                runtime.block_on(audit::audit_elsewhere(ledger, url, record, keys))?
            }
            (None, None, Some(url)) => runtime.block_on(audit::audit_store(url, record, keys))?,
            (None, _, None) => anyhow::bail!("a data folder, or --store"),
        };
        if let Some(data) = &self.data
            && let Some(check) = runtime.block_on(store::trail_check(data, &self.anchor))?
        {
            audit.add(check);
        }
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&audit)?)?;
        } else {
            write!(out, "{audit}")?;
        }
        Ok(ExitCode::from(exit_code(&audit)))
    }
}
