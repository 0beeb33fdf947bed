//! A server's process, which ends with ours.

use super::wait_for;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::ErrorKind,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
};

/// A child and its watch: a shell that waits until its standard input ends, as it does when we are
/// gone, and then kills the child.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    watch: Child,
    /// Whether it runs on without us.
    stays: bool,
}

impl Process {
    /// Starts `command`; `package` is what to install if the program is not there.
    pub(super) fn start(command: &mut Command, package: &str) -> Result<Process> {
        // A group of its own: an interrupt at the terminal is for us, and our end is the server's.
        let started = command.stdin(Stdio::null()).process_group(0).spawn();
        let mut child = started.map_err(|error| {
            let program = command.get_program().to_string_lossy();
            match error.kind() {
                ErrorKind::NotFound => {
                    anyhow::anyhow!("{program} is not installed: install the package {package}")
                }
                _ => anyhow::Error::from(error).context(format!("{program} does not start")),
            }
        })?;
        match watch(child.id()) {
            Ok(watch) => Ok(Process { child, watch, stays: false }),
            Err(error) => {
                end(&mut child);
                Err(error).context("a server's watch does not start")
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// SIGSTOP: it does nothing from now on, and its connections stay open.
    pub(super) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(super) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGTERM; it must end well.
    pub(super) fn stop(mut self) -> Result<()> {
        self.resume()?;
        self.signal(Signal::TERM)?;
        let status = wait_for("the server has stopped", || self.ended())?;
        if !status.success() {
            bail!("the server failed while stopping: {status}");
        }
        Ok(())
    }

    /// Lets it run on when we end.
    pub(super) fn leave(mut self) {
        self.stays = true;
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watch first: once the child is waited for, its number may be somebody else's.
        end(&mut self.watch);
        if !self.stays {
            end(&mut self.child);
        }
    }
}

fn watch(pid: u32) -> std::io::Result<Child> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "read -r _; kill -9 \"$0\"", &pid.to_string()]).process_group(0);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// SIGKILL, wherever it is; gone on return.
fn end(child: &mut Child) {
    // It may be gone already.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_package() {
        let error = Process::start(&mut Command::new("no-such-server"), "such").unwrap_err();
        let said = "no-such-server is not installed: install the package such";
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn a_process_ends_when_its_handle_is_dropped_and_when_nobody_holds_its_watch() {
        let sleeps = || Process::start(Command::new("sleep").arg("600"), "coreutils").unwrap();
        let there = |pid: u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
        let dropped = sleeps();
        let (child, watch) = (dropped.pid(), dropped.watch.id());
        assert!(there(child) && there(watch));
        drop(dropped);
        assert!(!there(child) && !there(watch));

        let mut left = sleeps();
        assert_eq!(left.ended().unwrap(), None);
        // As if we had ended.
        drop(left.watch.stdin.take());
        let status = wait_for("it is killed", || left.ended()).unwrap();
        assert!(!status.success(), "{status}");

        let stays = sleeps();
        let (pid, watch) = (Pid::from_child(&stays.child), stays.watch.id());
        stays.leave();
        assert!(there(pid.as_raw_nonzero().get().unsigned_abs()) && !there(watch));
        kill_process(pid, Signal::KILL).unwrap();
    }
}
