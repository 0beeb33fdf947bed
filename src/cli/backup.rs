//! `quan backup`.

use super::runtime;
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// Back a data folder up, also one whose server runs: journal, snapshots, store, decisions; of a node its acks and id.
///
/// The copy is a data folder: `quan audit` looks it over, and a server starts from it. A store in PostgreSQL is backed up
/// by `pg_dump`.
#[derive(clap::Args)]
pub(crate) struct Backup {
    /// The data folder.
    #[arg(long)]
    data: PathBuf,
    /// The folder that it goes to: empty, or not there.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

impl Backup {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let backup = runtime()?.block_on(quan::backup::backup(&self.data, &self.to))?;
        writeln!(io::stdout().lock(), "{}", serde_json::to_string(&backup)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
