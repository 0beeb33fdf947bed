//! A server of its own: the real program, its plan with little stock.

use crate::common::{
    plan::Shipped,
    server::{self, Process, QUAN, Serve, write_keys},
};
use quan::plan::Plan;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
};

/// Coupons of each kind in each round.
pub(crate) const STOCK: f64 = 3.0;

/// A server that ends with the test.
pub(crate) struct Server {
    process: Process,
    pub(crate) public: SocketAddr,
    ops: SocketAddr,
    folder: tempfile::TempDir,
}

impl Server {
    /// Serves the shipped plan with little stock, three seconds before its first opening.
    pub(crate) fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (config, keys, data) = (&at("quan.toml"), &at("keys"), &at("data"));
        Shipped::plan().set("units_per_round", &[STOCK]).write(&at("xiangning-2023.toml"));
        Shipped::read("quan.toml").write(config);
        write_keys(keys);
        let clock = "2023-09-01T09:59:57+08:00";
        let serve =
            Serve { program: Command::new(QUAN), config, keys, data, clock, log: at("log") };
        let server::Server { process, public, ops } = serve.start().serving();
        Server { process, public, ops, folder }
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
        drop(self.process.child.stdin.take());
        let _ = self.process.child.wait();
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
