//! The program `quan`.

mod cli;

use clap::Parser;
use std::{
    io::{self, Write},
    process::ExitCode,
};

fn main() -> ExitCode {
    cli::Cli::parse().run().unwrap_or_else(|error| {
        // If stderr is gone too, the exit code still says it.
        let _ = writeln!(io::stderr(), "quan: {error:#}");
        ExitCode::FAILURE
    })
}
