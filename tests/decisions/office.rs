//! A server, and persons who decide there by `quan decide`.

use crate::common::server::{Process, QUAN, Server};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread::sleep,
    time::{Duration, Instant},
};

pub(crate) const CAMPAIGN: &str = "xiangning-2023";
pub(crate) const CLOCK: &str = "2023-09-01T10:00:30+08:00";
/// How long a server may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A server, and the folder where persons' keys are.
pub(crate) struct Office {
    pub(crate) folder: PathBuf,
    pub(crate) public: SocketAddr,
    pub(crate) ops: SocketAddr,
    /// Ends with the test.
    pub(crate) process: Process,
}

/// Whether it was done, and what was said.
pub(crate) type Told = (bool, String);

impl Office {
    pub(crate) fn of(folder: &Path, server: Server) -> Office {
        let Server { process, public, ops } = server;
        Office { folder: folder.to_owned(), public, ops, process }
    }

    pub(crate) fn decide(&self, arguments: &[&str]) -> Output {
        let mut decide = Command::new(QUAN);
        decide.arg("decide").args(arguments).current_dir(&self.folder);
        decide.output().expect("quan runs")
    }

    /// A file with what `by` proposes and signed.
    pub(crate) fn proposed(&self, by: &str, what: &[&str]) -> String {
        let key = format!("staff/{by}.key");
        let head = ["sign", "--by", by, "--key", &key, "--why", "the test's"];
        self.written(
            &format!("{by}-{}", what.first().expect("a subject")),
            &self.decide(&[&head, what].concat()),
        )
    }

    /// A file with the decision of another, signed by `by` as well.
    pub(crate) fn cosigned(&self, by: &str, file: &str) -> String {
        let key = format!("staff/{by}.key");
        let signed = self.decide(&["cosign", "--by", by, "--key", &key, file]);
        assert!(String::from_utf8_lossy(&signed.stderr).contains("the test's"), "it is shown");
        self.written(&format!("{by}-{file}"), &signed)
    }

    pub(crate) fn written(&self, file: &str, signed: &Output) -> String {
        assert!(signed.status.success(), "{signed:?}");
        fs::write(self.folder.join(file), &signed.stdout).expect("a file");
        file.to_owned()
    }

    pub(crate) fn send(&self, file: &str) -> Told {
        told(&self.decide(&["send", "--ops", &self.ops.to_string(), file]))
    }

    /// Proposes and sends; what it is known by.
    pub(crate) fn open(&self, by: &str, what: &[&str]) -> String {
        let file = self.proposed(by, what);
        let sent = self.send(&file);
        assert!(sent.0 && sent.1.contains("\"state\":\"proposed\""), "{sent:?}");
        let said: Value = serde_json::from_str(&sent.1).expect("JSON");
        text(&said, "id")
    }

    pub(crate) fn approve(&self, by: &str, id: &str) -> Told {
        told(&self.approving(by, id).output().expect("quan runs"))
    }

    pub(crate) fn approving(&self, by: &str, id: &str) -> Command {
        let mut approve = Command::new(QUAN);
        approve.args(["decide", "approve", "--ops", &self.ops.to_string(), "--by", by]);
        approve.args(["--key", &format!("staff/{by}.key"), id]).current_dir(&self.folder);
        approve
    }

    pub(crate) fn end(&self, verb: &str, by: &str, id: &str) -> Told {
        let (key, ops) = (format!("staff/{by}.key"), self.ops.to_string());
        let head = [verb, "--ops", &ops, "--by", by, "--key", &key, "--why", "not yet", id];
        told(&self.decide(&head))
    }

    /// What the server lists of a decision.
    pub(crate) fn listed(&self, id: &str) -> Value {
        let (listed, list) = told(&self.decide(&["list", "--ops", &self.ops.to_string()]));
        assert!(listed, "{list}");
        let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
        list.into_iter().find(|it| it["id"] == id).expect("it is listed")
    }

    pub(crate) fn state(&self, id: &str) -> String {
        text(&self.listed(id), "state")
    }

    pub(crate) fn becomes(&self, id: &str, state: &str) {
        let start = Instant::now();
        while self.state(id) != state {
            assert!(start.elapsed() < PATIENCE, "{}", self.listed(id));
            sleep(Duration::from_millis(50));
        }
    }

    /// Waits until issuing is stopped, and the server has noted since when.
    pub(crate) fn stopped(&self) -> String {
        let said = self.ready(false);
        sleep(Duration::from_secs(1));
        said
    }

    /// Waits until `/ready` says so, or not.
    pub(crate) fn ready(&self, want: bool) -> String {
        let start = Instant::now();
        loop {
            let said = get(self.ops, "/ready");
            if said.starts_with("HTTP/1.1 200") == want {
                return said;
            }
            assert!(start.elapsed() < PATIENCE, "{said}");
            sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop_issuing(&self, by: &str) {
        let trip = self.proposed(by, &["trip", CAMPAIGN]);
        let sent = self.send(&trip);
        assert!(sent.0 && sent.1.contains("carried_out"), "{sent:?}");
        self.stopped();
    }
}

pub(crate) fn told(output: &Output) -> Told {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}

/// A text of a JSON object.
pub(crate) fn text(of: &Value, name: &str) -> String {
    of.get(name).and_then(Value::as_str).expect("it is there").to_owned()
}

#[track_caller]
pub(crate) fn refused(told: &Told, why: &str) {
    assert!(!told.0 && told.1.contains(why), "{told:?}");
}

pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the port listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n")
        .expect("it is sent");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer");
    said
}
