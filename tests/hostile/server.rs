//! The real server as a child process, watched from outside.

use crate::common::{
    plan::{self, Shipped},
    server::{self, Process, QUAN, Serve, write_keys},
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Round 1 has been open for five seconds.
const CLOCK: &str = "2023-09-01T10:00:05+08:00";

/// The `[public]` limits of a server, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) connections: usize,
    pub(crate) header_ms: u64,
    pub(crate) idle_ms: u64,
    pub(crate) request_ms: u64,
    pub(crate) grace_ms: u64,
    /// Descriptors that the process may have; 0 is the system's own limit.
    pub(crate) descriptors: u32,
}

/// Small, so that a test is quick.
pub(crate) const QUICK: Edge = Edge {
    connections: 2_048,
    header_ms: 500,
    idle_ms: 1_000,
    request_ms: 800,
    grace_ms: 5_000,
    descriptors: 0,
};

pub(crate) struct Server {
    process: Process,
    pub(crate) public: SocketAddr,
    pub(crate) ops: SocketAddr,
    pub(crate) folder: TempDir,
}

impl Server {
    pub(crate) fn start(edge: Edge) -> Server {
        let folder = folder();
        let config = folder.path().join("quan.toml");
        fs::write(&config, config_text(edge)).expect("the folder is there");
        // Everything comes from one address; it is not held back, so that the handlers see it all.
        let plan = Shipped::plan().set("address_per_s", &[100_000]);
        plan.set("address_burst", &[100_000]).write(&folder.path().join("plan.toml"));
        Server::of(&config, folder, edge.descriptors)
    }

    /// With the limits that are shipped.
    pub(crate) fn shipped() -> Server {
        Server::of(&plan::path("quan.toml"), folder(), 0)
    }

    fn of(config: &Path, folder: TempDir, descriptors: u32) -> Server {
        let at = |name: &str| folder.path().join(name);
        let (keys, data, log) = (&at("keys"), &at("data"), at("log"));
        write_keys(keys);
        let mut program = Command::new("sh");
        let limit =
            if descriptors == 0 { String::new() } else { format!("ulimit -n {descriptors}; ") };
        program.arg("-c").arg(format!("{limit}exec \"$0\" \"$@\"")).arg(QUAN);
        let serve = Serve { program, config, keys, data, clock: CLOCK, log };
        let server::Server { process, public, ops } = serve.start().serving();
        Server { process, public, ops, folder }
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.process.child.id()))
    }

    /// A line of its status in KiB: `VmRSS` or, at its highest, `VmHWM`.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("it lives");
        let line =
            status.lines().find_map(|line| line.strip_prefix(name)).expect("it has a status");
        line.trim_matches(|it: char| !it.is_ascii_digit()).parse().expect("a number of kB")
    }

    /// Connections to its public port that it holds open, by the kernel's own list.
    pub(crate) fn connections(&self) -> usize {
        let list = fs::read_to_string("/proc/net/tcp").expect("there is a network");
        let port = format!(":{:04X}", self.public.port());
        let held = |line: &&str| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, _, state) = (fields.next(), fields.next(), fields.next());
            // Established, or closed by the peer only.
            local.is_some_and(|it| it.ends_with(&port)) && matches!(state, Some("01" | "08"))
        };
        list.lines().filter(held).count()
    }

    /// Waits until nobody is connected.
    pub(crate) async fn empty_within(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while self.connections() > 0 {
            assert!(Instant::now() < until, "{} connections stay open", self.connections());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Descriptors that it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("it runs").count()
    }

    /// Tells it to stop, and no more.
    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.process.child.stdin.take());
    }

    /// Waits until it has ended well; gives its log.
    pub(crate) fn stopped(&mut self) -> String {
        self.tell_to_stop();
        let status = self.process.child.wait().expect("it is ours to wait for");
        let log = self.process.said();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

fn folder() -> TempDir {
    let made = tempfile::Builder::new().prefix("hostile-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    made.expect("the build's own temporary folder")
}

fn config_text(edge: Edge) -> String {
    let Edge { connections, header_ms, idle_ms, request_ms, grace_ms, .. } = edge;
    format!(
        r#"
        [public]
        listen = "127.0.0.1:0"
        workers = 2
        connections = {connections}
        header_ms = {header_ms}
        idle_ms = {idle_ms}
        request_ms = {request_ms}
        body_bytes = 8192
        grace_ms = {grace_ms}
        [ops]
        listen = "127.0.0.1:0"
        [data]
        folder = "data"
        segment_mib = 4
        [keys]
        folder = "keys"
        [[campaign]]
        plan = "plan.toml"
        "#
    )
}
