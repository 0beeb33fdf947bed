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
};

/// A server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    pub(crate) public: SocketAddr,
    pub(crate) ops: SocketAddr,
}

#[derive(Deserialize)]
struct Served {
    public: SocketAddr,
    ops: SocketAddr,
}

/// A server that has been started and may or may not come to serve.
pub(crate) struct Starting {
    child: Child,
    log: PathBuf,
}

impl Starting {
    /// Starts a server on `data` whose campaign clock shows `clock`.
    pub(crate) fn start(
        world: &World,
        data: &Path,
        clock: At,
        env: &[(&str, OsString)],
    ) -> Starting {
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
        Starting { child: command.spawn().expect("the server can be started"), log }
    }

    /// The server once it serves; if it gives up, how it ended and what it said.
    pub(crate) fn served(mut self) -> Result<Server, (ExitStatus, String)> {
        let out = self.child.stdout.take().expect("its output is a pipe");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("its output can be read");
        if line.is_empty() {
            let status = self.child.wait().expect("it is our child");
            return Err((status, fs::read_to_string(&self.log).unwrap_or_default()));
        }
        let Served { public, ops } = serde_json::from_str(&line).expect("a line of JSON");
        Ok(Server { child: self.child, log: self.log, public, ops })
    }

    /// SIGKILL, wherever it is.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
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
        let served = Starting::start(world, data, clock, env).served();
        served.unwrap_or_else(|(status, log)| panic!("the server did not start, {status}: {log}"))
    }

    /// SIGKILL; gone on return.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// SIGSTOP: it does nothing from now on, and what it has sent arrives.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }

    /// SIGTERM; it must end well.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.wait().expect("it is our child");
        assert!(status.success(), "{status}: {}", self.said());
    }

    /// What it has logged.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is our child");
    }

    fn end(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
