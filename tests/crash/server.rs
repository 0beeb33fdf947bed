//! `quan serve` as a child process.

use super::world::World;
use quan::domain::At;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// A server's process, serving or not yet; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// A server that serves.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) public: SocketAddr,
    pub(crate) ops: SocketAddr,
}

#[derive(Deserialize)]
struct Served {
    public: SocketAddr,
    ops: SocketAddr,
}

impl Process {
    /// Starts a server on `data` whose campaign clock shows `clock`.
    pub(crate) fn start(
        world: &World,
        data: &Path,
        clock: At,
        env: &[(&str, OsString)],
    ) -> Process {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let log = world.folder().join(format!("server-{}.log", COUNT.fetch_add(1, Relaxed)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_quan"));
        command.arg("serve").arg("--config").arg(world.config());
        command.arg("--data").arg(data).arg("--keys").arg(world.keys());
        command.args(["--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0", "--until-stdin-ends"]);
        command.arg("--clock").arg(clock.in_zone(&jiff::tz::TimeZone::UTC));
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(&log).expect("a log file"));
        Process { child: command.spawn().expect("the server can be started"), log }
    }

    /// The server once it serves; if it gives up, how it ended and what it said.
    pub(crate) fn served(mut self) -> Result<Server, (ExitStatus, String)> {
        let out = self.child.stdout.take().expect("its output is a pipe");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("its output can be read");
        if line.is_empty() {
            let status = self.child.wait().expect("it is our child");
            return Err((status, self.said()));
        }
        let Served { public, ops } = serde_json::from_str(&line).expect("a line of JSON");
        Ok(Server { process: self, public, ops })
    }

    /// SIGKILL, wherever it is; gone on return.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// SIGSTOP: it does nothing from now on, and what it has sent arrives.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        thread::sleep(Duration::from_millis(50));
    }

    /// What it has logged.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is our child");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts one that must come to serve.
    pub(crate) fn start(world: &World, data: &Path, clock: At) -> Server {
        Server::start_with(world, data, clock, &[])
    }

    /// As [`Server::start`], with more in its environment.
    pub(crate) fn start_with(
        world: &World,
        data: &Path,
        clock: At,
        env: &[(&str, OsString)],
    ) -> Server {
        let served = Process::start(world, data, clock, env).served();
        served.unwrap_or_else(|(status, log)| panic!("the server did not start, {status}: {log}"))
    }

    /// SIGTERM; it must end well.
    pub(crate) fn stop(mut self) {
        self.process.signal(Signal::TERM);
        let status = self.process.child.wait().expect("it is our child");
        assert!(status.success(), "{status}: {}", self.process.said());
    }
}
