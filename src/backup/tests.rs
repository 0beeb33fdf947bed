use super::*;
use crate::audit::audit_folder;
use crate::domain::{At, CampaignNo};
use crate::ledger::embedded::Embedded;
use crate::ledger::journal::Options;
use crate::ledger::machine::Command;
use crate::ledger::machine::tests::{arm, bind, grant, open};
use crate::ledger::snapshot;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

const SMALL: Options = Options { segment_bytes: 4_096, at_least: 0, journal: 7 };

fn ledger(data: &Path) -> Embedded<Folder> {
    let folder = Folder::open(&DataFolder::at(data).journal()).unwrap();
    let mut ledger = Embedded::open(folder, SMALL, At(0)).unwrap();
    run(&mut ledger, &open());
    run(&mut ledger, &arm(&[2, 1]));
    ledger
}

fn run(ledger: &mut Embedded<Folder>, command: &Command) {
    let batch = ledger.decide_all([command].into_iter(), At(1_000));
    ledger.commit(batch);
}

/// Something is written as long as it is wanted.
fn busy(ledger: &mut Embedded<Folder>, stop: &AtomicBool) {
    let c = CampaignNo(0);
    while !stop.load(Relaxed) {
        run(ledger, &Command::Trip(c));
        run(ledger, &crate::ledger::machine::tests::resume(ledger.durable().try_into().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r_audit_1_a_folder_is_copied_while_it_is_written_and_the_copy_is_sound() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let mut ledger = ledger(&data);
    run(&mut ledger, &bind(1, 1));
    run(&mut ledger, &grant(1, 0));
    let sure = ledger.durable();
    let store = DataFolder::at(&data).store();
    store::replay(&DataFolder::at(&data).journal(), &store).await.unwrap();
    let snapshots = Folder::open(&DataFolder::at(&data).snapshots()).unwrap();
    let log = Folder::open(&DataFolder::at(&data).journal()).unwrap();
    std::fs::write(DataFolder::at(&data).decisions(), "{}\n{\"torn").unwrap();
    let merchants = DataFolder::at(&data).merchants().join("aa");
    std::fs::create_dir_all(&merchants).unwrap();
    std::fs::write(merchants.join("merchants.csv"), "number\n").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writer = std::thread::spawn(move || {
        busy(&mut ledger, &stopped);
        ledger.durable()
    });
    let mut last = sure;
    for no in 0..8 {
        snapshot::take(&log, &snapshots).unwrap();
        let to = scratch.path().join(format!("copy-{no}"));
        let made = backup(&data, &to).await.unwrap();
        assert!(made.journal_seq >= last, "{made:?} after {last}");
        assert_eq!(made.store_seq, Some(made.journal_seq), "they are of one instant");
        last = made.journal_seq;
        let audit = store::audit(&to, None, None).await.unwrap();
        assert!(audit.checks.iter().any(|it| it.name == "I8" && it.clean), "{audit}");
        let broken: Vec<_> =
            audit.checks.iter().filter(|it| !it.clean && it.name != "decisions").collect();
        assert!(broken.is_empty() && audit.last_seq == last, "{broken:?}");
        // A server starts from it, with its snapshot.
        let folder = DataFolder::at(&to);
        let snapshots = Folder::open(&folder.snapshots()).unwrap();
        let (newest, warnings) = snapshot::newest(&snapshots, 0).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let journal = Folder::open(&folder.journal()).unwrap();
        let again = Embedded::open_from(journal, SMALL, newest, At(2_000)).unwrap();
        assert!(again.durable() >= last);
        assert_eq!(std::fs::read_to_string(folder.decisions()).unwrap(), "{}\n");
        assert!(folder.merchants().join("aa/merchants.csv").exists());
        assert!(to.join("backup.json").exists());
    }
    stop.store(true, Relaxed);
    assert!(writer.join().unwrap() >= last);
}

/// What a node has told is all that brings a lost tail back.
#[tokio::test]
async fn a_nodes_folder_is_copied_with_all_that_it_told() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, to) = (scratch.path().join("data"), scratch.path().join("to"));
    let told = |data: &Path, generation: &str| -> Vec<Vec<u8>> {
        let folder = Folder::open(&DataFolder::at(data).acks().join(generation)).unwrap();
        let entries = Reader::all(&folder).unwrap().map(Result::unwrap);
        entries.filter(|entry| !entry.seal).map(|entry| entry.body).collect()
    };
    for generation in ["1", "2"] {
        let folder = Folder::open(&DataFolder::at(&data).acks().join(generation)).unwrap();
        let mut journal = journal::Journal::open(folder, SMALL, At(0)).unwrap();
        for no in 0..90 {
            journal.append(At(i64::from(no)), vec![no; 100]).unwrap();
            journal.commit().unwrap();
        }
    }
    std::fs::write(DataFolder::at(&data).node(), "a-node\n").unwrap();
    let made = backup(&data, &to).await.unwrap();
    assert_eq!((made.journal_seq, made.store_seq), (0, None), "it has neither");
    for generation in ["1", "2"] {
        let copied = told(&to, generation);
        assert_eq!((copied.len(), copied), (90, told(&data, generation)));
    }
    assert_eq!(std::fs::read_to_string(DataFolder::at(&to).node()).unwrap(), "a-node\n");
    // Damage of what it told is not copied as if nothing was.
    let segment = DataFolder::at(&data).acks().join("2/00000000000000000001.journal");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = backup(&data, &scratch.path().join("other")).await.unwrap_err().to_string();
    assert!(damaged.contains("00000000000000000001.journal"), "{damaged}");
    assert!(!scratch.path().join("other/backup.json").exists());
}

#[tokio::test]
async fn what_is_damaged_is_named_and_what_holds_something_is_not_written_into() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, to) = (scratch.path().join("data"), scratch.path().join("to"));
    let nothing = backup(&data, &to).await.unwrap_err().to_string();
    assert!(nothing.contains("neither a journal"), "{nothing}");
    let mut ledger = ledger(&data);
    for who in 1..=3 {
        run(&mut ledger, &bind(who, who));
    }
    ledger.seal(At(2_000)).unwrap();
    drop(ledger);
    backup(&data, &to).await.unwrap();
    let again = backup(&data, &to).await.unwrap_err().to_string();
    assert!(again.contains("it is not empty"), "{again}");
    // A byte of the copy flips: the audit names the place.
    let flip = |data: &Path| {
        let segment = DataFolder::at(data).journal().join("00000000000000000001.journal");
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[200] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
    };
    flip(&to);
    let audit = audit_folder(&to, None).unwrap();
    let found = format!("{:?}", audit.checks[0]);
    assert!(!audit.clean && found.contains("00000000000000000001.journal"), "{found}");
    // One of the source is not copied as if nothing was.
    flip(&data);
    let damaged = backup(&data, &scratch.path().join("other")).await.unwrap_err().to_string();
    assert!(damaged.contains("00000000000000000001.journal"), "{damaged}");
    assert!(!scratch.path().join("other/backup.json").exists());
}
