//! The command line: one file a command.

mod audit;
mod check;
mod decide;
mod keys;
mod reconcile;
mod recover;
mod replay;
mod rush;
mod serve;
mod settle;
mod simulate;
mod site;

use clap::{Parser, Subcommand};
use quan::{clock::Start, domain::At};
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
    Simulate(simulate::Simulate),
    Keys(keys::Keys),
    Decide(decide::Decide),
    Audit(audit::Audit),
    Replay(replay::Replay),
    Settle(settle::Settle),
    Reconcile(reconcile::Reconcile),
    Recover(recover::Recover),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Rush(rush) => rush.run(),
            Command::Serve(serve) => serve.run(),
            Command::Check(check) => check.run(),
            Command::Simulate(simulate) => simulate.run(),
            Command::Keys(keys) => keys.run(),
            Command::Decide(decide) => decide.run(),
            Command::Audit(audit) => audit.run(),
            Command::Replay(replay) => replay.run(),
            Command::Settle(settle) => settle.run(),
            Command::Reconcile(reconcile) => reconcile.run(),
            Command::Recover(recover) => recover.run(),
        }
    }
}

/// For commands that do one thing.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// An instant on the command line, with its offset from UTC, and perhaps when a clock shows it.
fn clock_time(text: &str) -> anyhow::Result<Start> {
    let (instant, when) = match text.split_once('@') {
        Some((instant, when)) => (instant, Some(At(when.parse()?))),
        None => (text, None),
    };
    let shows = At(instant.parse::<jiff::Timestamp>()?.as_millisecond());
    Ok(Start { shows, when })
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
        let shows = At(1_693_533_570_000);
        let now = clock_time("2023-09-01T09:59:30+08:00").unwrap();
        assert_eq!(now, Start { shows, when: None });
        let then = clock_time("2023-09-01T09:59:30+08:00@1795645344074").unwrap();
        assert_eq!(then, Start { shows, when: Some(At(1_795_645_344_074)) });
        for bad in ["2023-09-01T09:59:30", "2023-09-01T09:59:30+08:00@", "@1795645344074"] {
            assert!(clock_time(bad).is_err(), "{bad}");
        }
    }
}
