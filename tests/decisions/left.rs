//! What decisions leave behind: the trail, and the journal that an audit reads.

use crate::common::server::QUAN;
use crate::office::{refused, told};
use quan::data::DataFolder;
use quan::domain::{At, CampaignNo};
use quan::ledger::embedded::Embedded;
use quan::ledger::journal::{Folder, Options};
use quan::ledger::machine::Command as Asked;
use serde_json::Value;
use std::{fs, path::Path, process::Command};

/// The trail has who did what, and shows that something was changed in it or cut off.
pub(crate) fn trailed(folder: &Path, data: &Path, metrics: &str) {
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

/// The journal proves who decided, and that nobody else did.
pub(crate) fn audited(folder: &Path, data: &Path, keys: &Path) {
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

pub(crate) fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("a file").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}
