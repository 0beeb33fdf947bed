//! What persons decide, on the real program: proposed at one server, signed at another, carried out once, and found in
//! the journal (R-ROLE-1, R-RISK-3).

#[path = "common"]
mod common {
    pub(crate) mod server;
}
#[path = "decisions/left.rs"]
mod left;
#[path = "decisions/money.rs"]
mod money;
#[path = "decisions/office.rs"]
mod office;
#[path = "decisions/site.rs"]
mod site;

use common::server::{QUAN, Serve};
use ed25519_dalek::SigningKey;
use left::{audited, trailed};
use money::decided_on_money;
use office::{CAMPAIGN, CLOCK, Office, PATIENCE, get, refused, text};
use quan::clock::wall;
use quan::decision::sign;
use quan::ledger::event::{Decided, Statement, Subject};
use quan::pass::read_key;
use serde_json::Value;
use site::{Site, key, staff};
use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

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

/// R-RISK-3: who sends half a request and waits has a place for a second, and not for good.
#[test]
fn r_risk_3_requests_that_never_end_keep_nobody_from_stopping() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    let keys = staff(folder);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let text = fs::read_to_string(shipped.join("quan.toml")).expect("it is shipped");
    let text =
        text.replace("plan = \"xiangning", &format!("plan = \"{}/xiangning", shipped.display()));
    let hasty = text.replace("request_ms = 10_000", "request_ms = 1_000");
    assert_ne!(hasty, text);
    let config = folder.join("quan.toml");
    fs::write(&config, hasty).expect("a file");
    let (data, log, program) = (folder.join("data"), folder.join("log"), Command::new(QUAN));
    let serve = Serve { program, config: &config, keys: &keys, data: &data, clock: CLOCK, log };
    let office = Office::of(folder, serve.start().serving());
    office.ready(true);
    let trip = office.proposed("li", &["trip", CAMPAIGN]);
    let half = |_| {
        let mut stream = TcpStream::connect(office.ops).expect("it listens");
        let head = "POST /decisions HTTP/1.1\r\nhost: ops\r\ncontent-type: application/json\r\n";
        // One too many is closed at once.
        let _ = write!(stream, "{head}content-length: 9\r\n\r\n{{");
        stream
    };
    let waiting: Vec<TcpStream> = (0..70).map(half).collect();
    let start = Instant::now();
    while !office.send(&trip).0 {
        assert!(start.elapsed() < Duration::from_secs(30), "nobody can stop issuing");
        sleep(Duration::from_millis(200));
    }
    office.stopped();
    drop(waiting);
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
