//! `quan audit DATA`.

use super::runtime;
use quan::audit::exit_code;
use quan::store;
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// Audit a data folder at rest: every promise looked at again, from the journal; exit code 11 if one is broken.
#[derive(clap::Args)]
pub(crate) struct Audit {
    /// The data folder.
    data: PathBuf,
    /// What clients were told, as JSON lines (the load generator writes it).
    #[arg(long)]
    record: Option<PathBuf>,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let audit = runtime()?.block_on(store::audit(&self.data, self.record.as_deref()))?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&audit)?)?;
        } else {
            write!(out, "{audit}")?;
        }
        Ok(ExitCode::from(exit_code(&audit)))
    }
}
