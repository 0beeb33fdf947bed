//! What those decide who decide on money.

use crate::common::server::QUAN;
use crate::office::{CAMPAIGN, Office, PATIENCE, refused, told};
use std::{
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
