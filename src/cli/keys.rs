//! `quan keys FOLDER`.

use quan::{
    domain::TerminalId,
    pass::{write_fresh, write_terminal_key},
};
use std::{path::PathBuf, process::ExitCode};

/// Write a folder of fresh keys; refuses to overwrite any.
///
/// The host app needs identity-1.key and fix-1.key, the captcha service captcha-1.key. Keep
/// hash.key as long as the campaign: without it nobody's coupons are found again.
#[derive(clap::Args)]
pub(crate) struct Keys {
    /// The folder, made if it is not there.
    folder: PathBuf,
    /// Write this till's next key into a folder that is there, and nothing else.
    ///
    /// The till gets what stands in terminal-ID-N.key; remove the one before it once the till uses the new one.
    #[arg(long, value_name = "ID")]
    terminal: Option<TerminalId>,
}

impl Keys {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match self.terminal {
            None => write_fresh(&self.folder, &mut rand::rng())?,
            Some(terminal) => {
                write_terminal_key(&self.folder, terminal, &mut rand::rng())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
