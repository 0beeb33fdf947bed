//! The real server as a child process, watched from outside.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};
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
    child: Child,
    pub(crate) public: SocketAddr,
    pub(crate) ops: SocketAddr,
    pub(crate) folder: PathBuf,
}

impl Server {
    pub(crate) fn start(edge: Edge) -> Server {
        let folder = folder();
        let config = folder.join("quan.toml");
        fs::write(&config, config_text(edge)).expect("the folder is there");
        fs::write(folder.join("plan.toml"), plan_text()).expect("the folder is there");
        Server::of(&config, folder, edge.descriptors)
    }

    /// With the limits that are shipped.
    pub(crate) fn shipped() -> Server {
        Server::of(&shipped("quan.toml"), folder(), 0)
    }

    fn of(config: &Path, folder: PathBuf, descriptors: u32) -> Server {
        let program = env!("CARGO_BIN_EXE_quan");
        let keys = folder.join("keys");
        let written = Command::new(program).arg("keys").arg(&keys).status();
        assert!(written.expect("the program is there").success());
        let mut command = Command::new("sh");
        let limit =
            if descriptors == 0 { String::new() } else { format!("ulimit -n {descriptors}; ") };
        command.arg("-c").arg(format!("{limit}exec \"$0\" \"$@\"")).arg(program);
        command.arg("serve").arg("--config").arg(config).arg("--keys").arg(&keys);
        command.arg("--data").arg(folder.join("data"));
        command.args(["--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0"]);
        command.args(["--clock", CLOCK, "--until-stdin-ends"]);
        let log = fs::File::create(folder.join("log")).expect("the folder is there");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("there is a shell");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it writes text");
        let served: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("it did not start: {}", log_of(&folder)));
        let address = |name: &str| served[name].as_str().and_then(|it| it.parse().ok());
        let public = address("public").expect("it names its addresses");
        let ops = address("ops").expect("it names its addresses");
        Server { child, public, ops, folder }
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
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

    /// Tells it to stop, and no more.
    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits until it has ended well; gives its log.
    pub(crate) fn stopped(&mut self) -> String {
        self.tell_to_stop();
        let status = self.child.wait().expect("it is ours to wait for");
        let log = log_of(&self.folder);
        assert!(status.success(), "{status}: {log}");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not there any more, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("hostile-{}-{}", process::id(), COUNT.fetch_add(1, Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("the build's own temporary folder");
    folder
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
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

/// The shipped plan; the one address that everything comes from here is not held back, so that the
/// handlers see it all.
fn plan_text() -> String {
    let text = fs::read_to_string(shipped("xiangning-2023.toml")).expect("the shipped plan");
    let fence = shipped("fences/linfen.geojson").display().to_string();
    let text = text.replace("fences/linfen.geojson", &fence);
    let text = text.replace("address_per_s = 3_000", "address_per_s = 100_000");
    text.replace("address_burst = 6_000", "address_burst = 100_000")
}
