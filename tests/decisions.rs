//! What persons decide, on the real program: proposed at one server, signed at another, carried out once, and found in
//! the journal (R-ROLE-1, R-RISK-3).

#[path = "common"]
mod common {
    pub(crate) mod server;
}

use common::server::{Process, QUAN, Serve, Server, write_keys};
use ed25519_dalek::SigningKey;
use quan::clock::wall;
use quan::data::DataFolder;
use quan::decision::sign;
use quan::domain::{At, CampaignNo};
use quan::ledger::embedded::Embedded;
use quan::ledger::event::{Decided, Statement, Subject};
use quan::ledger::journal::{Folder, Options};
use quan::ledger::machine::Command as Asked;
use quan::pass::read_key;
use quan::rush::servers::{RedisServer, Settings};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const CAMPAIGN: &str = "xiangning-2023";
const CLOCK: &str = "2023-09-01T10:00:30+08:00";
/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, and the folder where persons' keys are.
struct Office {
    folder: PathBuf,
    public: SocketAddr,
    ops: SocketAddr,
    /// Ends with the test.
    process: Process,
}

/// Whether it was done, and what was said.
type Told = (bool, String);

impl Office {
    fn of(folder: &Path, server: Server) -> Office {
        let Server { process, public, ops } = server;
        Office { folder: folder.to_owned(), public, ops, process }
    }

    fn decide(&self, arguments: &[&str]) -> Output {
        let mut decide = Command::new(QUAN);
        decide.arg("decide").args(arguments).current_dir(&self.folder);
        decide.output().expect("quan runs")
    }

    /// A file with what `by` proposes and signed.
    fn proposed(&self, by: &str, what: &[&str]) -> String {
        let key = format!("staff/{by}.key");
        let head = ["sign", "--by", by, "--key", &key, "--why", "the test's"];
        self.written(
            &format!("{by}-{}", what.first().expect("a subject")),
            &self.decide(&[&head, what].concat()),
        )
    }

    /// A file with the decision of another, signed by `by` as well.
    fn cosigned(&self, by: &str, file: &str) -> String {
        let key = format!("staff/{by}.key");
        let signed = self.decide(&["cosign", "--by", by, "--key", &key, file]);
        assert!(String::from_utf8_lossy(&signed.stderr).contains("the test's"), "it is shown");
        self.written(&format!("{by}-{file}"), &signed)
    }

    fn written(&self, file: &str, signed: &Output) -> String {
        assert!(signed.status.success(), "{signed:?}");
        fs::write(self.folder.join(file), &signed.stdout).expect("a file");
        file.to_owned()
    }

    fn send(&self, file: &str) -> Told {
        told(&self.decide(&["send", "--ops", &self.ops.to_string(), file]))
    }

    /// Proposes and sends; what it is known by.
    fn open(&self, by: &str, what: &[&str]) -> String {
        let file = self.proposed(by, what);
        let sent = self.send(&file);
        assert!(sent.0 && sent.1.contains("\"state\":\"proposed\""), "{sent:?}");
        let said: Value = serde_json::from_str(&sent.1).expect("JSON");
        text(&said, "id")
    }

    fn approve(&self, by: &str, id: &str) -> Told {
        told(&self.approving(by, id).output().expect("quan runs"))
    }

    fn approving(&self, by: &str, id: &str) -> Command {
        let mut approve = Command::new(QUAN);
        approve.args(["decide", "approve", "--ops", &self.ops.to_string(), "--by", by]);
        approve.args(["--key", &format!("staff/{by}.key"), id]).current_dir(&self.folder);
        approve
    }

    fn end(&self, verb: &str, by: &str, id: &str) -> Told {
        let (key, ops) = (format!("staff/{by}.key"), self.ops.to_string());
        let head = [verb, "--ops", &ops, "--by", by, "--key", &key, "--why", "not yet", id];
        told(&self.decide(&head))
    }

    /// What the server lists of a decision.
    fn listed(&self, id: &str) -> Value {
        let (listed, list) = told(&self.decide(&["list", "--ops", &self.ops.to_string()]));
        assert!(listed, "{list}");
        let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
        list.into_iter().find(|it| it["id"] == id).expect("it is listed")
    }

    fn state(&self, id: &str) -> String {
        text(&self.listed(id), "state")
    }

    fn becomes(&self, id: &str, state: &str) {
        let start = Instant::now();
        while self.state(id) != state {
            assert!(start.elapsed() < PATIENCE, "{}", self.listed(id));
            sleep(Duration::from_millis(50));
        }
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
            assert!(start.elapsed() < PATIENCE, "{said}");
            sleep(Duration::from_millis(20));
        }
    }

    fn stop_issuing(&self, by: &str) {
        let trip = self.proposed(by, &["trip", CAMPAIGN]);
        let sent = self.send(&trip);
        assert!(sent.0 && sent.1.contains("carried_out"), "{sent:?}");
        self.stopped();
    }
}

fn told(output: &Output) -> Told {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}

/// A text of a JSON object.
fn text(of: &Value, name: &str) -> String {
    of.get(name).and_then(Value::as_str).expect("it is there").to_owned()
}

#[track_caller]
fn refused(told: &Told, why: &str) {
    assert!(!told.0 && told.1.contains(why), "{told:?}");
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the port listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n")
        .expect("it is sent");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer");
    said
}

/// Keys for servers in `folder`, and persons of several roles.
fn staff(folder: &Path) -> PathBuf {
    let keys = folder.join("keys");
    write_keys(&keys);
    for (name, role) in [
        ("li", "operator"),
        ("wang", "bureau"),
        ("zhao", "finance"),
        ("sun", "auditor"),
        ("zhou", "leading_group"),
    ] {
        let made = key(folder, name, role);
        assert!(made.status.success(), "{made:?}");
        let public = format!("staff-{name}.pub");
        fs::copy(folder.join("staff").join(&public), keys.join(&public)).expect("a copy");
    }
    keys
}

fn key(folder: &Path, name: &str, role: &str) -> Output {
    let mut key = Command::new(QUAN);
    key.args(["decide", "key", name, "--role", role]).arg(folder.join("staff"));
    key.output().expect("quan runs")
}

/// Several nodes on one Redis.
struct Site {
    folder: tempfile::TempDir,
    keys: PathBuf,
    config: PathBuf,
    redis: RedisServer,
}

impl Site {
    fn new() -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let keys = staff(path);
        let redis = RedisServer::start(&path.join("redis"), &Settings::default()).expect("a Redis");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let text = fs::read_to_string(shipped.join("quan.toml")).expect("it is shipped");
        let plan = format!("plan = \"{}/xiangning", shipped.display());
        let (ledger, store) = (redis.url(), path.join("store.sqlite"));
        let more =
            format!("\n[ledger]\nurl = \"{ledger}\"\n[store]\nurl = \"{}\"\n", store.display());
        let config = path.join("quan.toml");
        fs::write(&config, text.replace("plan = \"xiangning", &plan) + &more).expect("a file");
        Site { folder, keys, config, redis }
    }

    fn node(&self, name: &str) -> Office {
        let path = self.folder.path();
        let (data, log) = (&path.join(name), path.join(format!("{name}.log")));
        let (config, keys, program) = (&self.config, &self.keys, Command::new(QUAN));
        let serve = Serve { program, config, keys, data, clock: CLOCK, log };
        Office::of(path, serve.start().serving())
    }
}

#[test]
fn r_role_1_what_is_proposed_at_one_node_is_signed_at_another_and_done_at_all_once() {
    let site = Site::new();
    let (first, second) = (site.node("first"), site.node("second"));
    let trip = first.proposed("li", &["trip", CAMPAIGN]);
    assert!(first.send(&trip).0);
    first.stopped();
    second.stopped();
    let id = first.open("li", &["resume", CAMPAIGN]);
    let listed = second.listed(&id);
    assert_eq!(listed["lacks"], serde_json::json!(["operator or bureau"]));
    assert!(listed["changes"].as_str().is_some_and(|it| it.contains("is stopped")), "{listed}");
    first.ready(false);
    let done = second.approve("wang", &id);
    assert!(done.0 && done.1.contains("carried_out"), "{done:?}");
    first.ready(true);
    second.ready(true);
    assert_eq!(first.state(&id), "carried_out");
    refused(&first.approve("wang", &id), "used before, it is carried_out");
    let trip = second.send(&trip);
    assert!(trip.0, "stopping does not ask whether it was used elsewhere: {trip:?}");
    first.stopped();
    second.stopped();

    // Somebody says no, somebody thinks better of it, and one is late.
    let id = first.open("li", &["resume", CAMPAIGN]);
    refused(&second.end("reject", "sun", &id), "other roles than sun has");
    let no = second.end("reject", "wang", &id);
    assert!(no.0, "{no:?}");
    refused(&first.approve("wang", &id), "used before, it is rejected");
    assert_eq!(first.listed(&id)["why"], "wang: not yet");
    let id = first.open("wang", &["resume", CAMPAIGN]);
    assert!(first.end("withdraw", "wang", &id).0);
    refused(&second.approve("li", &id), "used before, it is withdrawn");
    let late = brief(site.folder.path(), "li", 2_500);
    let sent = first.send(&late);
    assert!(sent.0, "{sent:?}");
    let said: Value = serde_json::from_str(&sent.1).expect("JSON");
    let id = text(&said, "id");
    second.becomes(&id, "expired");
    refused(&second.approve("wang", &id), "ran out");
    first.ready(false);
}

/// A file with a resumption that `by` proposes for so long.
fn brief(folder: &Path, by: &str, ms: i64) -> String {
    let bytes = read_key(&folder.join(format!("staff/{by}.key"))).expect("a key");
    let key = SigningKey::from_bytes(bytes.as_slice().try_into().expect("32 bytes"));
    let (what, at) = (Subject::Resume { campaign: CAMPAIGN.into() }, wall());
    let (why, until) = ("the test's".to_owned(), at.plus_ms(ms));
    let statement = Statement { what, why, by: by.to_owned(), at, until };
    let signatures = vec![sign(&statement, by, &key)];
    let decided = serde_json::to_string(&Decided { statement, signatures }).expect("JSON");
    fs::write(folder.join("brief"), decided).expect("a file");
    "brief".to_owned()
}

#[test]
fn r_role_1_what_was_approved_is_carried_out_though_its_server_died() {
    let site = Site::new();
    let (mut first, second) = (site.node("first"), site.node("second"));
    first.stop_issuing("li");
    second.stopped();
    let id = second.open("li", &["resume", CAMPAIGN]);
    // The ledger does not answer, so the first node decides and can't do it.
    site.redis.pause().expect("it runs");
    let mut approving = first.approving("wang", &id);
    approving.stdout(Stdio::null()).stderr(Stdio::null());
    let mut approving = approving.spawn().expect("quan runs");
    second.becomes(&id, "approved");
    first.process.child.kill().expect("it runs");
    first.process.child.wait().expect("it is our child");
    approving.wait().expect("it is our child");
    assert_eq!(second.state(&id), "approved");
    site.redis.resume().expect("it is there");
    second.becomes(&id, "carried_out");
    second.ready(true);
    // Nobody does it again, after issuing was stopped anew.
    second.stop_issuing("wang");
    let twice = second.approve("wang", &id);
    let known = ["used before", "stopped after li proposed this"];
    assert!(!twice.0 && known.iter().any(|why| twice.1.contains(why)), "{twice:?}");
    let again = site.node("first");
    sleep(Duration::from_secs(5));
    again.ready(false);
    second.ready(false);
}

#[test]
fn r_risk_3_a_long_outage_is_ended_by_two_persons_at_all_nodes_by_one_decision() {
    let site = Site::new();
    let (first, second) = (site.node("first"), site.node("second"));
    let early = first.open("li", &["resume", CAMPAIGN]);
    site.redis.pause().expect("it runs");
    let by_people = |office: &Office| {
        let start = Instant::now();
        while !office.ready(false).contains("xiangning-2023: people") {
            assert!(start.elapsed() < 2 * PATIENCE, "{}", office.ready(false));
            sleep(Duration::from_millis(200));
        }
    };
    by_people(&first);
    by_people(&second);
    site.redis.resume().expect("it is there");
    refused(&second.approve("wang", &early), "stopped after li proposed this");
    let id = first.open("li", &["resume", CAMPAIGN]);
    let done = first.approve("wang", &id);
    assert!(done.0 && done.1.contains("carried_out"), "{done:?}");
    first.ready(true);
    second.ready(true);
}

#[test]
fn r_risk_3_one_person_stops_issuing_and_two_go_on() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    let keys = staff(folder);
    assert!(!key(folder, "li", "bureau").status.success(), "a key is never overwritten");
    assert!(!key(folder, "qian", "boss").status.success(), "that is no role");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/quan.toml");
    let (data, log, program) = (folder.join("data"), folder.join("log"), Command::new(QUAN));
    let serve = Serve { program, config: &config, keys: &keys, data: &data, clock: CLOCK, log };
    let office = Office::of(folder, serve.start().serving());
    let round = || get(office.public, "/v1/campaigns/xiangning-2023/rounds/1");
    office.ready(true);

    let early = office.proposed("wang", &["resume", CAMPAIGN]);
    let trip = office.proposed("li", &["trip", CAMPAIGN]);
    let sent = office.send(&trip);
    assert!(sent.0, "{sent:?}");
    assert!(office.stopped().contains("xiangning-2023: ledger"));
    assert!(round().contains("paused"), "people are told");
    refused(&office.send(&trip), "used before");
    refused(&office.send(&early), "stopped after wang proposed this");

    // One is not enough, nor one twice, nor one of another role.
    let id = office.open("li", &["resume", CAMPAIGN]);
    let again = office.approve("li", &id);
    assert!(again.0 && again.1.contains("proposed"), "the same signature: {again:?}");
    let file = office.cosigned("li", "li-resume");
    refused(&office.send(&file), "li is a person who signed this already");
    refused(&office.approve("zhao", &id), "other roles than zhao has: operator or bureau");
    let stranger = office.proposed("sun", &["trip", CAMPAIGN]);
    refused(&office.send(&stranger), "second line of staff-sun.pub");
    office.ready(false);

    // Both at once, signed where the keys are.
    let both = office.cosigned("wang", "li-resume");
    let done = office.send(&both);
    assert!(done.0 && done.1.contains("carried_out"), "{done:?}");
    office.ready(true);
    assert!(round().contains("open"));
    refused(&office.send(&both), "used before");

    let forget = office.proposed("li", &["forget", "abc"]);
    refused(&office.send(&forget), "no other nodes");
    let elsewhere = office.proposed("li", &["trip", "nowhere"]);
    refused(&office.send(&elsewhere), "no campaign nowhere");
    for name in ["merchants.csv", "shops.csv", "terminals.csv"] {
        fs::write(folder.join(name), "").expect("a file");
    }
    let admit = office.proposed("li", &["admit", CAMPAIGN, "."]);
    refused(&office.send(&admit), "this server has no folder of merchants");
    let standing = office.open("li", &["standing", CAMPAIGN, "7", "held"]);
    let unknown = office.approve("wang", &standing);
    refused(&unknown, "the ledger: merchant_unknown");
    assert_eq!(office.state(&standing), "failed");
    decided_on_money(&office);
    let (changed, text) = (folder.join("changed"), folder.join(&both));
    let text = fs::read_to_string(text).expect("a file").replace("the test's", "no reason");
    fs::write(changed, text).expect("a file");
    refused(&office.send("changed"), "the signature of li does not fit");

    let written = fs::read_to_string(data.join("decisions.jsonl")).expect("the decisions");
    assert_eq!(written.lines().filter(|line| !line.is_empty()).count(), 11, "{written}");
    let metrics = get(office.ops, "/metrics");
    drop(office);
    audited(folder, &data, &keys);
    trailed(folder, &data, &metrics);
}

/// The trail has who did what, and shows that something was changed in it or cut off.
fn trailed(folder: &Path, data: &Path, metrics: &str) {
    let trail = fs::read_to_string(data.join("trail.jsonl")).expect("a trail");
    let records: Vec<Value> =
        trail.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let has = |who: &str, what: &str, object: &str| {
        let found = records.iter().any(|it| {
            it["who"] == who
                && it["what"] == what
                && it["object"].as_str().is_some_and(|it| it.contains(object))
        });
        assert!(found, "{who} {what} {object}: {trail}");
    };
    has("quan", "started", "configuration ");
    has("li", "proposed", "trip ");
    has("li", "carried_out", "trip ");
    has("li, wang", "signed", "resume ");
    has("li, wang", "carried_out", "resume ");
    has("li, zhao", "refused", "other roles than zhao has");
    has("wang, zhao", "carried_out", "adjust ");
    has("wang, zhao", "failed", "adjusted meanwhile");
    has("somebody at the ops port", "read", "decisions");
    let (seq, last) = (records.len(), records.last().expect("a record"));
    assert!(metrics.contains(&format!("quan_trail_entries {seq}\n")), "{metrics}");
    let head = serde_json::json!({ "trail": { "seq": seq, "hash": last["hash"] } });
    fs::write(folder.join("manifest"), head.to_string()).expect("a file");
    let kept = folder.join("sound/trail.jsonl");
    let audit = |trail: &[u8]| {
        fs::write(&kept, trail).expect("a file");
        let mut audit = Command::new(QUAN);
        audit.arg("audit").arg(folder.join("sound")).arg("--anchor").arg(folder.join("manifest"));
        told(&audit.output().expect("quan runs"))
    };
    let whole = audit(trail.as_bytes());
    assert!(whole.0 && whole.1.contains("the trail of staff is whole"), "{whole:?}");
    let changed = trail.replacen("\"who\":\"li\"", "\"who\":\"lo\"", 1);
    refused(&audit(changed.as_bytes()), ": its hash is of something else");
    let cut = trail.trim_end().rfind('\n').expect("lines") + 1;
    refused(
        &audit(trail.get(..cut).expect("lines").as_bytes()),
        &format!("the trail is cut off after {}", seq - 1),
    );
}

/// Quantities and a batch, by those who decide on money.
fn decided_on_money(office: &Office) {
    let quantities = |more: &'static [&'static str]| {
        let all = [
            "retail-10=100",
            "retail-40=50",
            "appliance-80=20",
            "appliance-300=10",
            "catering-20=30",
        ];
        [&["adjust", CAMPAIGN, "2", "1"], &all[..], more].concat()
    };
    let short = office.proposed("wang", &quantities(&[]));
    refused(&office.send(&short), "a quantity of every kind and no other: retail-10, retail-40");
    let adjust = office.open("wang", &quantities(&["catering-50=5"]));
    refused(&office.approve("li", &adjust), "other roles than li has");
    let done = office.approve("zhao", &adjust);
    assert!(done.0 && done.1.contains("carried_out"), "{done:?}");
    let stale = office.open("wang", &quantities(&["catering-50=6"]));
    refused(&office.approve("zhao", &stale), "the round was adjusted meanwhile");
    assert_eq!(office.state(&stale), "failed");
    proposed_by_the_planner(office);
    extended(office);
    // Nothing is due yet, and a payment is of a batch.
    let settle = office.open("wang", &["settle", CAMPAIGN, "1"]);
    assert!(office.approve("zhao", &settle).1.contains("carried_out"));
    let paid = office.open("wang", &["paid", CAMPAIGN, "1", "7"]);
    refused(&office.approve("zhao", &paid), "merchant_unknown");
}

/// What the planner proposes rests on what was decided, and is decided as it prints it.
fn proposed_by_the_planner(office: &Office) {
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/xiangning-2023.toml");
    let start = Instant::now();
    let said = loop {
        let mut propose = Command::new(QUAN);
        propose.arg("propose").arg(&plan).args(["--data", "data", "--why", "it's the test's"]);
        let (done, said) = told(&propose.current_dir(&office.folder).output().expect("quan runs"));
        // The store may lag.
        if done && said.contains("retail-10        100 -> ") {
            break said;
        }
        assert!(start.elapsed() < PATIENCE, "{said}");
        sleep(Duration::from_millis(100));
    };
    assert!(said.contains("round 2 and the 14 rounds left"), "{said}");
    assert!(said.contains("--why 'it'\\''s the test'\\''s'"), "{said}");
    let (_, command) = said.rsplit_once("adjust ").expect("a command");
    let command: Vec<&str> = ["adjust"].into_iter().chain(command.split_whitespace()).collect();
    assert!(command.starts_with(&["adjust", CAMPAIGN, "2", "2"]), "{command:?}");
    let id = office.open("wang", &command);
    let done = office.approve("zhao", &id);
    assert!(done.0 && done.1.contains("carried_out"), "{done:?}");
}

/// Further rounds by the plan's rule, decided by bureau and leading group: they are there without a restart.
fn extended(office: &Office) {
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/xiangning-2023.toml");
    let mut propose = Command::new(QUAN);
    propose.arg("propose").arg(&plan).args(["--data", "data", "--why", "they want more"]);
    propose.args(["--extend", "2"]).current_dir(&office.folder);
    let (done, said) = told(&propose.output().expect("quan runs"));
    assert!(done && said.contains("round 2 and the 16 rounds left"), "{said}");
    let (_, command) = said.rsplit_once("extend ").expect("a command");
    let command: Vec<&str> = ["extend"].into_iter().chain(command.split_whitespace()).collect();
    assert_eq!(command.get(2..4), Some(&["16", "2"][..]), "{command:?}");
    let rounds = || get(office.public, &format!("/v1/campaigns/{CAMPAIGN}"));
    let further = "{\"round\":17,\"opens_at\":\"2023-12-22T10:00:00.000+08:00\"";
    assert!(!rounds().contains(further) && rounds().contains("2023-12-09T00:00:00.000"));
    // Dates that no plan makes, and rounds that leave one out.
    let whole = office.proposed("wang", &command);
    let whole = fs::read_to_string(office.folder.join(&whole)).expect("a file");
    let mut other: Decided = serde_json::from_str(&whole).expect("a decision");
    let Subject::Extend { extension, .. } = &mut other.statement.what else { panic!("{whole}") };
    extension.windows.iter_mut().for_each(|window| window.from.0 += 60_000);
    let key = read_key(&office.folder.join("staff/wang.key")).expect("a key");
    let key = SigningKey::from_bytes(key.as_slice().try_into().expect("a key"));
    other.signatures = vec![sign(&other.statement, "wang", &key)];
    let late = office.folder.join("late");
    fs::write(late, serde_json::to_string(&other).expect("JSON")).expect("a file");
    refused(&office.send("late"), "further rounds of xiangning-2023 come by its plan's rule");
    let gap: Vec<&str> = command.iter().map(|it| if *it == "16" { "17" } else { *it }).collect();
    refused(&office.send(&office.proposed("wang", &gap)), "the round after the last one");
    let id = office.open("wang", &command);
    let shown = text(&office.listed(&id), "changes");
    assert!(shown.contains("ends 2023-12-23T00:00:00.000+08:00 instead of 2023-12-09"), "{shown}");
    assert!(shown.contains("round 16 opens 2023-12-15T10:00"), "{shown}");
    refused(&office.approve("zhao", &id), "other roles than zhao has");
    let done = office.approve("zhou", &id);
    assert!(done.0 && done.1.contains("carried_out"), "{done:?}");
    let start = Instant::now();
    while !rounds().contains(further) {
        assert!(start.elapsed() < PATIENCE, "{}", rounds());
        sleep(Duration::from_millis(20));
    }
    assert!(rounds().contains("\"ends_at\":\"2023-12-23T00:00:00.000+08:00\""), "{}", rounds());
    let round = get(office.public, &format!("/v1/campaigns/{CAMPAIGN}/rounds/17"));
    assert!(round.contains("\"state\":\"planned\""), "{round}");
    let stale = office.open("wang", &command);
    let again = office.approve("zhou", &stale);
    assert!(again.1.contains("carried_out"), "the same again is done already: {again:?}");
    let mut more = command.clone();
    more.pop();
    more.push("catering-50=1");
    let stale = office.open("wang", &more);
    refused(&office.approve("zhou", &stale), "the campaign was extended meanwhile");
}

/// The journal proves who decided, and that nobody else did.
fn audited(folder: &Path, data: &Path, keys: &Path) {
    let audit = |data: &Path, keys: &Path| {
        let mut audit = Command::new(QUAN);
        told(&audit.arg("audit").arg(data).arg("--keys").arg(keys).output().expect("quan runs"))
    };
    // Apart from its store, which may lag.
    let (sound, forged) = (folder.join("sound"), folder.join("forged"));
    copied(&data.join("journal"), &sound.join("journal"));
    copied(&data.join("journal"), &forged.join("journal"));
    let clean = audit(&sound, keys);
    assert!(clean.0 && clean.1.contains("decided and signed"), "{clean:?}");
    let others = folder.join("others");
    let swapped = [("li", "wang"), ("wang", "li")];
    fs::create_dir(&others).expect("a folder");
    for (name, other) in swapped {
        let (from, to) = (format!("staff-{other}.pub"), format!("staff-{name}.pub"));
        fs::copy(keys.join(from), others.join(to)).expect("a copy");
    }
    refused(&audit(&sound, &others), "does not fit");
    // Somebody who has the disk goes on without asking anybody.
    let disk = Folder::open(&DataFolder::at(&forged).journal()).expect("a journal");
    let mut ledger = Embedded::open(disk, Options::default(), At(0)).expect("it is sound");
    let at = ledger.machine().last_at();
    let no = CampaignNo(0);
    let batch = ledger.decide_all([Asked::Trip(no), Asked::Resume(no)].iter(), at);
    drop(ledger.commit(batch));
    drop(ledger);
    refused(&audit(&forged, keys), "issuing went on, and nobody decided it");
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("a file").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}
