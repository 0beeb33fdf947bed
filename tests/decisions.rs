//! Decisions of staff, on the real program: one person stops issuing, two go on with it (R-RISK-3).

#[path = "common"]
mod common {
    pub(crate) mod server;
}

use common::server::{Process, QUAN, Serve, Server, write_keys};
use quan::rush::servers::{RedisServer, Settings};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread::sleep,
    time::{Duration, Instant},
};

struct Office {
    folder: PathBuf,
    ops: SocketAddr,
    /// Ends with the test.
    _process: Process,
}

impl Office {
    fn decide(&self, arguments: &[&str]) -> Output {
        let mut decision = Command::new(QUAN);
        decision.arg("decide").args(arguments).current_dir(&self.folder);
        decision.output().expect("quan runs")
    }

    /// A file with a decision that `by` signed.
    fn signed(&self, by: &str, what: &str, subject: &str) -> String {
        let key = format!("staff/{by}.key");
        let signed = self.decide(&["sign", "--by", by, "--key", &key, what, subject]);
        assert!(signed.status.success(), "{signed:?}");
        let file = format!("{by}-{what}.decision");
        fs::write(self.folder.join(&file), signed.stdout).expect("a file");
        file
    }

    /// Sends decisions; whether they were carried out, and what was said.
    fn send(&self, files: &[&str]) -> (bool, String) {
        let ops = self.ops.to_string();
        let sent = self.decide(&[&["send", "--ops", &ops], files].concat());
        (sent.status.success(), String::from_utf8(sent.stdout).expect("text"))
    }

    /// Waits until issuing is stopped, and the server has noted since when.
    fn stopped(&self) -> String {
        let said = self.ready(false);
        sleep(Duration::from_secs(1));
        said
    }

    /// Waits until `/ready` says so, or not.
    fn ready(&self, want: bool) -> String {
        let start = Instant::now();
        loop {
            let said = get(self.ops, "/ready");
            if said.starts_with("HTTP/1.1 200") == want {
                return said;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{said}");
            sleep(Duration::from_millis(20));
        }
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the ops port listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n")
        .expect("it is sent");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer");
    said
}

/// Keys for servers in `folder`, and two persons who may decision.
fn staff(folder: &Path) -> PathBuf {
    let keys = folder.join("keys");
    write_keys(&keys);
    for name in ["li", "wang"] {
        let made =
            Command::new(QUAN).args(["decide", "key", name]).arg(folder.join("staff")).output();
        assert!(made.expect("quan runs").status.success());
        let public = format!("staff-{name}.pub");
        fs::copy(folder.join("staff").join(&public), keys.join(&public)).expect("a copy");
    }
    keys
}

#[test]
fn r_risk_3_a_decision_is_carried_out_by_one_node_and_not_again_by_another() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path().to_owned();
    let keys = staff(&folder);
    let redis = RedisServer::start(&folder.join("redis"), &Settings::default()).expect("a Redis");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let text = fs::read_to_string(shipped.join("quan.toml")).expect("it is shipped");
    let plan = format!("plan = \"{}/xiangning", shipped.display());
    let (ledger, store) = (redis.url(), folder.join("store.sqlite"));
    let more = format!("\n[ledger]\nurl = \"{ledger}\"\n[store]\nurl = \"{}\"\n", store.display());
    let config = folder.join("quan.toml");
    fs::write(&config, text.replace("plan = \"xiangning", &plan) + &more).expect("a file");
    let node = |name: &str| {
        let (data, log) = (&folder.join(name), folder.join(format!("{name}.log")));
        let clock = "2023-09-01T10:00:30+08:00";
        let (config, keys, program) = (&config, &keys, Command::new(QUAN));
        let Server { process, ops, .. } =
            Serve { program, config, keys, data, clock, log }.start().serving();
        Office { folder: folder.clone(), ops, _process: process }
    };
    let (first, second) = (node("first"), node("second"));
    let campaign = "xiangning-2023";
    let trip = first.signed("li", "trip", campaign);
    assert!(first.send(&[&trip]).0);
    first.stopped();
    let li = first.signed("li", "resume", campaign);
    let wang = first.signed("wang", "resume", campaign);
    let both = first.send(&[&li, &wang]);
    assert!(both.0, "{both:?}");
    second.ready(true);
    let again = second.send(&[&li, &wang]);
    assert!(!again.0 && again.1.contains("used before"), "{again:?}");
    let trip = second.send(&[&trip]);
    assert!(trip.0, "stopping does not ask whether it was used elsewhere: {trip:?}");
}

#[test]
fn r_risk_3_one_person_stops_issuing_and_two_go_on() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path().to_owned();
    let keys = staff(&folder);
    let again = Command::new(QUAN).args(["decide", "key", "li"]).arg(folder.join("staff")).output();
    assert!(!again.expect("quan runs").status.success(), "a key is never overwritten");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/quan.toml");
    let serve = Serve {
        program: Command::new(QUAN),
        config: &config,
        keys: &keys,
        data: &folder.join("data"),
        clock: "2023-09-01T10:00:30+08:00",
        log: folder.join("log"),
    };
    let Server { process, public, ops } = serve.start().serving();
    let office = Office { folder, ops, _process: process };
    let round = || get(public, "/v1/campaigns/xiangning-2023/rounds/1");
    let campaign = "xiangning-2023";
    office.ready(true);

    let trip = office.signed("li", "trip", campaign);
    let sent = office.send(&[&trip]);
    assert!(sent.0, "{sent:?}");
    assert!(office.stopped().contains("xiangning-2023: ledger"));
    assert!(round().contains("paused"), "people are told");

    let (li, wang) =
        (office.signed("li", "resume", campaign), office.signed("wang", "resume", campaign));
    let one = office.send(&[&li]);
    assert!(!one.0 && one.1.contains("2 different persons have to sign"), "{one:?}");
    office.ready(false);
    let both = office.send(&[&li, &wang]);
    assert!(both.0, "{both:?}");
    office.ready(true);
    assert!(round().contains("open"));

    let again = office.send(&[&li, &wang]);
    assert!(!again.0 && again.1.contains("used before"), "{again:?}");
    let (li, wang) = (office.signed("li", "forget", "abc"), office.signed("wang", "forget", "abc"));
    let forget = office.send(&[&li, &wang]);
    assert!(!forget.0 && forget.1.contains("no other nodes"), "{forget:?}");
    let elsewhere = office.signed("li", "trip", "nowhere");
    let unknown = office.send(&[&elsewhere]);
    assert!(!unknown.0 && unknown.1.contains("no campaign nowhere"), "{unknown:?}");

    let written =
        fs::read_to_string(office.folder.join("data/decisions.jsonl")).expect("the decisions");
    assert_eq!(written.lines().filter(|line| !line.is_empty()).count(), 6, "{written}");
}
