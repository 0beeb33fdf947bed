//! The command line: one file a command.

mod audit;
mod check;
mod keys;
mod replay;
mod rush;
mod serve;

use clap::{Parser, Subcommand};
use quan::domain::At;
use std::process::ExitCode;

/// The engine behind a government consumption-voucher rush.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Rush(rush::Rush),
    Serve(serve::Serve),
    Check(check::Check),
    Keys(keys::Keys),
    Audit(audit::Audit),
    Replay(replay::Replay),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Rush(rush) => rush.run(),
            Command::Serve(serve) => serve.run(),
            Command::Check(check) => check.run(),
            Command::Keys(keys) => keys.run(),
            Command::Audit(audit) => audit.run(),
            Command::Replay(replay) => replay.run(),
        }
    }
}

/// For commands that do one thing.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// An instant on the command line, with its offset from UTC.
fn clock_time(text: &str) -> Result<At, jiff::Error> {
    text.parse::<jiff::Timestamp>().map(|time| At(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn an_instant_needs_its_offset() {
        assert_eq!(clock_time("2023-09-01T09:59:30+08:00").unwrap(), At(1_693_533_570_000));
        assert!(clock_time("2023-09-01T09:59:30").is_err());
    }
}
