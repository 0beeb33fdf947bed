//! `quan keys FOLDER`.

use quan::pass::write_fresh;
use std::{path::PathBuf, process::ExitCode};

/// Write a folder of fresh keys; refuses to overwrite any.
///
/// The host app needs identity-1.key and fix-1.key, the captcha service captcha-1.key. Keep
/// hash.key as long as the campaign: without it nobody's coupons are found again.
#[derive(clap::Args)]
pub(crate) struct Keys {
    /// The folder, made if it is not there.
    folder: PathBuf,
}

impl Keys {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        write_fresh(&self.folder, &mut rand::rng())?;
        Ok(ExitCode::SUCCESS)
    }
}
