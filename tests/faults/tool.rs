//! What a fault needs of this machine: a compiler, and commands for the superuser.

use std::{path::Path, process::Command};

/// Compiles a source, as `faults/cut.c`.
pub(crate) fn compile(source: &str, flags: &[&str], to: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source);
    let mut cc = Command::new("cc");
    cc.args(flags).args(["-O1", "-Wall", "-Werror", "-o"]).arg(to).arg(source);
    run(&mut cc).expect("a C compiler");
}

/// Runs a command, wherever the system keeps it; what it complained of if it failed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let path = std::env::var("PATH").unwrap_or_default();
    match command.env("PATH", format!("{path}:/usr/sbin:/sbin")).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(format!("{}: {}", command.get_program().display(), said.trim()))
        }
        Err(error) => Err(format!("{}: {error}", command.get_program().display())),
    }
}
