//! A server of its own: the real program, its plan with little stock.

use quan::{pass::write_fresh, plan::Plan};
use serde::Deserialize;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Coupons of each kind in each round.
pub(crate) const STOCK: f64 = 3.0;

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) public: SocketAddr,
    ops: SocketAddr,
    folder: tempfile::TempDir,
}

#[derive(Deserialize)]
struct Served {
    public: SocketAddr,
    ops: SocketAddr,
}

impl Server {
    /// Serves the shipped plan with little stock, three seconds before its first opening.
    pub(crate) fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        fs::create_dir(at("fences")).unwrap();
        fs::copy(shipped.join("fences/linfen.geojson"), at("fences/linfen.geojson")).unwrap();
        let plan = fs::read_to_string(shipped.join("xiangning-2023.toml")).unwrap();
        let little = format!("units_per_round = {STOCK}");
        let is_stock = |line: &str| line.starts_with("units_per_round");
        let plan = plan.lines().map(|line| if is_stock(line) { &little } else { line });
        let plan: Vec<&str> = plan.collect();
        fs::write(at("xiangning-2023.toml"), plan.join("\n")).unwrap();
        fs::copy(shipped.join("quan.toml"), at("quan.toml")).unwrap();
        write_fresh(&at("keys"), &mut rand::rng()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_quan"));
        command.arg("serve").arg("--config").arg(at("quan.toml"));
        command.arg("--data").arg(at("data")).arg("--keys").arg(at("keys"));
        command.args(["--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0"]);
        command.args(["--clock", "2023-09-01T09:59:57+08:00", "--until-stdin-ends"]);
        command.env("QUAN_LOG", "warn").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Served { public, ops } = serde_json::from_str(&line).unwrap();
        Server { child, public, ops, folder }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("quan.toml")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    pub(crate) fn plan(&self) -> Plan {
        Plan::load(&self.folder.path().join("xiangning-2023.toml")).unwrap().unwrap().0
    }

    pub(crate) fn scrape(&self) -> String {
        get(self.ops, "/metrics")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path}"), "")
}

/// The body of an answer.
pub(crate) fn ask(address: SocketAddr, what: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
