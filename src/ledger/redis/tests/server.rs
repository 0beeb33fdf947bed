//! A Redis of its own for a test: in a temporary folder, gone with the test.

use ::redis::{Client, Connection};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How a durable server runs.
pub(super) const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

pub(super) struct Server {
    child: Child,
    folder: TempDir,
    options: Vec<String>,
}

impl Server {
    pub(super) fn start(options: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let options = options.iter().map(ToString::to_string).collect::<Vec<_>>();
        Server { child: run(&folder, &options), folder, options }
    }

    pub(super) fn connect(&self) -> Connection {
        let socket = self.folder.path().join("redis.sock");
        let client = Client::open(format!("redis+unix://{}", socket.display())).unwrap();
        for _ in 0..500 {
            // A server that reads its log listens already.
            if let Ok(mut connection) = client.get_connection()
                && ::redis::cmd("PING").exec(&mut connection).is_ok()
            {
                return connection;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not listen");
    }

    /// As after a crash of the process.
    pub(super) fn restart(&mut self) {
        self.stop();
        self.child = run(&self.folder, &self.options);
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(folder: &TempDir, options: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket", "redis.sock", "--dir"])
        .arg(folder.path())
        .args(options)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}
