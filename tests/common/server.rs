//! `quan serve` as a child process.

use serde::Deserialize;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// The real program.
pub(crate) const QUAN: &str = env!("CARGO_BIN_EXE_quan");

/// Writes a folder of fresh keys.
pub(crate) fn write_keys(folder: &Path) {
    let quan = Command::new(QUAN).arg("keys").arg(folder).output().expect("quan runs");
    assert!(quan.status.success(), "{quan:?}");
}

/// A server to start.
pub(crate) struct Serve<'a> {
    /// [`QUAN`] or what becomes it, in the environment that it is to have.
    pub(crate) program: Command,
    pub(crate) config: &'a Path,
    pub(crate) keys: &'a Path,
    pub(crate) data: &'a Path,
    /// What its campaign clock shows at the start.
    pub(crate) clock: &'a str,
    pub(crate) log: PathBuf,
}

/// A server's process, serving or not yet; killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
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

impl Serve<'_> {
    pub(crate) fn start(self) -> Process {
        let Serve { program: mut command, config, keys, data, clock, log } = self;
        command.arg("serve").arg("--config").arg(config);
        command.arg("--data").arg(data).arg("--keys").arg(keys);
        command.args(["--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0"]);
        command.args(["--clock", clock, "--until-stdin-ends"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(&log).expect("a log file"));
        Process { child: command.spawn().expect("the server can be started"), log }
    }
}

impl Process {
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

    /// The server, which must come to serve.
    pub(crate) fn serving(self) -> Server {
        let served = self.served();
        served.unwrap_or_else(|(status, log)| panic!("the server did not start, {status}: {log}"))
    }

    /// What it has logged.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
