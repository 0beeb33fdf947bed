//! What those decide who decide on money.

use crate::common::server::QUAN;
use crate::office::{CAMPAIGN, Office, PATIENCE, get, refused, text, told};
use ed25519_dalek::SigningKey;
use quan::decision::sign;
use quan::ledger::event::{Decided, Subject};
use quan::pass::read_key;
use std::{
    fs,
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

/// Quantities and a batch, by those who decide on money.
pub(crate) fn decided_on_money(office: &Office) {
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
pub(crate) fn proposed_by_the_planner(office: &Office) {
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
