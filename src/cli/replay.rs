//! `quan replay DATA`.

use super::runtime;
use anyhow::Context;
use quan::audit::BROKEN;
use quan::data::DataFolder;
use quan::store;
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// Make the store again from the journal of a data folder at rest.
///
/// Without --into the new store is compared with the folder's own, row by row, and thrown away;
/// exit code 11 if they differ.
#[derive(clap::Args)]
pub(crate) struct Replay {
    /// The data folder.
    data: PathBuf,
    /// Write the new store to this file, which must not be there.
    #[arg(long)]
    into: Option<PathBuf>,
}

impl Replay {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let data = DataFolder::at(&self.data);
        let mut out = io::stdout().lock();
        if let Some(file) = &self.into {
            let seq = runtime()?.block_on(store::replay(&data.journal(), file))?;
            writeln!(out, "{}: entries 1 to {seq}", file.display())?;
            return Ok(ExitCode::SUCCESS);
        }
        let check = runtime()?.block_on(store::check(&data))?;
        let none = || format!("{}: no store here; --into makes one", data.store().display());
        let check = check.with_context(none)?;
        for finding in &check.findings {
            writeln!(out, "{finding}")?;
        }
        writeln!(out, "{} rows compared, {} differ", check.rows, check.found)?;
        Ok(if check.clean { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
    }
}
