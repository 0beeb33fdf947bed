//! The server of a rush: a child process, started, watched and stopped.

use crate::clock;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::{
    ffi::OsString,
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long a server may take until it serves, and until it has stopped.
const STARTS_OR_STOPS_WITHIN: Duration = Duration::from_mins(2);

/// How it is started.
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    pub(super) config: &'a Path,
    pub(super) data: &'a Path,
    pub(super) keys: &'a Path,
    pub(super) clock: clock::Start,
    /// The folder of its merchants' files, if it is not the configuration's.
    pub(super) merchants: Option<&'a Path>,
    /// Where its ledger and its store are.
    pub(super) backing: &'a [OsString],
    /// Whether it stays when this process ends.
    pub(super) stays: bool,
    /// Where its log goes.
    pub(super) log: &'a Path,
}

/// A server that serves.
pub(super) struct Server {
    child: Child,
    pid: u32,
    pub(super) public: SocketAddr,
    pub(super) ops: SocketAddr,
}

#[derive(Deserialize)]
struct Served {
    public: SocketAddr,
    ops: SocketAddr,
}

/// A clock's start on the command line.
fn shown(clock: clock::Start) -> String {
    let instant = clock.shows.in_zone(&jiff::tz::TimeZone::UTC);
    clock.when.map_or(instant.clone(), |at| format!("{instant}@{}", at.0))
}

impl Server {
    pub(super) async fn start(start: &Start<'_>) -> Result<Server> {
        let free = "127.0.0.1:0";
        let mut command = Command::new(start.program);
        command.arg("serve").arg("--config").arg(start.config);
        command.arg("--data").arg(start.data).arg("--keys").arg(start.keys);
        command.args(["--listen", free, "--ops", free]);
        command.arg("--clock").arg(shown(start.clock)).args(start.backing);
        if let Some(merchants) = start.merchants {
            command.arg("--merchants").arg(merchants);
        }
        let log = File::options().create(true).append(true).open(start.log)?;
        command.stdout(Stdio::piped()).stderr(log);
        if start.stays {
            command.stdin(Stdio::null()).process_group(0);
        } else {
            // Its end is the server's, however this process ends.
            command.stdin(Stdio::piped()).arg("--until-stdin-ends");
        }
        let mut child = command.spawn().context("the server does not start")?;
        let pid = child.id().context("the server has no process id")?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        timeout(STARTS_OR_STOPS_WITHIN, BufReader::new(out).read_line(&mut line)).await??;
        let log = || fs::read_to_string(start.log).unwrap_or_default();
        ensure!(!line.is_empty(), "the server did not start: {}", log().trim_end());
        let Served { public, ops } = serde_json::from_str(&line)?;
        Ok(Server { child, pid, public, ops })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// CPU time so far in microseconds, where the system tells.
    pub(super) fn cpu_us(&self) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The second field is a name in brackets and may hold anything; user and system time are
        // the 14th and 15th.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace().skip(11);
        let ticks: u64 = fields.next()?.parse().ok()?;
        let ticks = ticks.checked_add(fields.next()?.parse().ok()?)?;
        ticks.checked_mul(1_000_000)?.checked_div(rustix::param::clock_ticks_per_second())
    }

    /// Lets it finish what it has in hand.
    pub(super) async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let Ok(status) = timeout(STARTS_OR_STOPS_WITHIN, self.child.wait()).await else {
            self.child.kill().await?;
            bail!("the server did not stop within {} s", STARTS_OR_STOPS_WITHIN.as_secs());
        };
        ensure!(status?.success(), "the server failed while stopping");
        Ok(())
    }
}
