use super::*;
use crate::domain::At;
use crate::drain::tests::{rush, rush_with};
use crate::ledger::embedded::Embedded;
use crate::ledger::journal::{Options, disk::fake::FakeDisk};
use crate::ledger::machine::tests::town::Town;

const ID: u64 = 7;

fn options() -> Options {
    Options { segment_bytes: 1_000, at_least: 0, journal: ID }
}

fn replayed(log: &FakeDisk) -> Machine {
    Embedded::open(log.power_cut(1), options(), At(0)).unwrap().machine().clone()
}

fn found(folder: &FakeDisk) -> Snapshot {
    newest(folder, ID).unwrap().0.unwrap()
}

#[test]
fn the_bytes_of_a_snapshot_are_as_drawn() {
    let machine = Machine::default();
    let bytes =
        file::encode(&Snapshot { journal: 0x1122_3344_5566_7788, seq: 9, machine }).unwrap();
    let golden = [
        &b"QUANSNAP"[..],
        &[6, 0, 0, 0],
        &[0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11],
        &[9, 0, 0, 0, 0, 0, 0, 0],
        &[11, 0, 0, 0, 0, 0, 0, 0],
        // No campaign; the beginning of time as a zigzag varint.
        &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    ]
    .concat();
    assert_eq!(bytes[..golden.len()], golden);
    assert_eq!(bytes[golden.len()..], crc32fast::hash(&golden).to_le_bytes());
}

#[test]
fn a_change_of_the_machines_fields_is_noticed_here_and_needs_a_new_version() {
    let body = |people: &[u8]| {
        let log = FakeDisk::default();
        rush_with(&log, people);
        postcard::to_stdvec(&replayed(&log)).unwrap()
    };
    let armed = body(&[]);
    assert_eq!((VERSION, armed.len(), crc32fast::hash(&armed)), (6, 75, 4_233_169_479));
    // Hash maps come in any order, which a sum does not see.
    let granted = body(&[1]);
    let sum: u32 = granted.iter().map(|byte| u32::from(*byte)).sum();
    assert_eq!((VERSION, granted.len(), sum), (6, 351, 8_192));
}

#[test]
fn a_snapshot_has_merchants_orders_refunds_and_batches() {
    let mut town = Town::new();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 90      -> done
        .    stand 7 held       -> done
        .    stand 7 active     -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    refund a 7 5 x     -> 1 back, used
        .    settle 1 7 0       -> 9 due less 0
        .    refund a 7 5 y     -> 1 back, used, owed
        .    failed 1 7         -> done
        .    claim 2 1          -> granted
        .    lock b 7 2 100     -> twenty locked until 1600
        ",
    );
    let folder = FakeDisk::default();
    let snapshot = Snapshot { journal: ID, seq: 3, machine: town.machine };
    write(&folder, &snapshot).unwrap();
    assert_eq!(newest(&folder, ID).unwrap().0, Some(snapshot.clone()));
    let body = postcard::to_stdvec(&snapshot.machine).unwrap();
    let sum: u32 = body.iter().map(|byte| u32::from(*byte)).sum();
    assert_eq!((VERSION, body.len(), sum), (6, 1_396, 54_952));
}

#[test]
fn every_byte_of_a_snapshot_flipped_is_noticed() {
    let (log, folder) = (FakeDisk::default(), FakeDisk::default());
    rush(&log);
    let seq = take(&log, &folder).unwrap().unwrap();
    let name = file::name(seq);
    let bytes = folder.read(&name).unwrap();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            folder.tamper(&name, |file| file[at] ^= flip);
            let (snapshot, warnings) = newest(&folder, ID).unwrap();
            assert!(snapshot.is_none(), "byte {at} ^ {flip}");
            assert!(matches!(&warnings[..], [Warning { file, .. }] if *file == name));
            folder.tamper(&name, |file| file[at] ^= flip);
        }
        folder.tamper(&name, |file| file.truncate(at));
        assert!(newest(&folder, ID).unwrap().0.is_none(), "cut at {at}");
        folder.tamper(&name, |file| file.clone_from(&bytes));
    }
    assert_eq!(found(&folder).seq, seq);
}

#[test]
fn a_snapshot_holds_the_sealed_segments_and_no_entry_more() {
    let (log, folder) = (FakeDisk::default(), FakeDisk::default());
    let end = rush(&log);
    let seq = take(&log, &folder).unwrap().unwrap();
    assert!(seq < end);
    let mut machine = Machine::default();
    for entry in Reader::all(&log).unwrap().map(Result::unwrap).take_while(|e| e.seq <= seq) {
        if !entry.seal {
            let events = codec::decode(&entry.body).unwrap();
            for event in &events {
                machine.apply(event, entry.at);
            }
        }
    }
    assert_eq!(found(&folder), Snapshot { journal: ID, seq, machine });
    assert_eq!(take(&log, &folder).unwrap(), None, "nothing new");
}

#[test]
fn a_snapshot_made_from_the_one_before_is_the_one_made_from_the_whole_log() {
    let (log, folder, other) = (FakeDisk::default(), FakeDisk::default(), FakeDisk::default());
    rush_with(&log, &[1, 2, 3]);
    let first = take(&log, &folder).unwrap().unwrap();
    rush_with(&log, &[4, 5, 6]);
    let second = take(&log, &folder).unwrap().unwrap();
    assert!(second > first);
    assert_eq!(take(&log, &other).unwrap(), Some(second));
    assert_eq!(found(&folder), found(&other));
}

#[test]
fn the_last_two_are_kept_and_a_bad_one_leaves_the_one_before() {
    let (log, folder) = (FakeDisk::default(), FakeDisk::default());
    let mut made = Vec::new();
    for who in 1..=6 {
        rush_with(&log, &[who]);
        made.extend(take(&log, &folder).unwrap());
    }
    assert!(made.len() >= 3, "{made:?}");
    let last = &made[made.len() - 2..];
    assert_eq!(seqs(&folder).unwrap(), last);
    folder.tamper(&file::name(last[1]), |file| file[30] ^= 1);
    let (snapshot, warnings) = newest(&folder, ID).unwrap();
    assert_eq!(snapshot.unwrap().seq, last[0]);
    assert!(matches!(warnings[..], [Warning { fault: Fault::Damaged, .. }]));
}

#[test]
fn another_journals_and_another_formats_snapshots_are_passed_over() {
    let folder = FakeDisk::default();
    let snapshot = Snapshot { journal: ID, seq: 3, machine: Machine::default() };
    write(&folder, &snapshot).unwrap();
    let (none, warnings) = newest(&folder, ID + 1).unwrap();
    assert!(none.is_none());
    assert!(matches!(warnings[..], [Warning { fault: Fault::Elsewhere, .. }]));
    folder.tamper(&file::name(3), |file| {
        file[8] = 9;
        let end = file.len() - 4;
        let crc = crc32fast::hash(&file[..end]);
        file[end..].copy_from_slice(&crc.to_le_bytes());
    });
    let (none, warnings) = newest(&folder, ID).unwrap();
    assert!(none.is_none());
    assert!(matches!(warnings[..], [Warning { fault: Fault::Version(9), .. }]));
}

#[test]
fn a_power_cut_while_a_snapshot_is_made_leaves_a_sound_one_or_none() {
    let log = FakeDisk::default();
    rush(&log);
    let first = Snapshot { journal: ID, seq: 2, machine: Machine::default() };
    for freeze in 1..=6 {
        for luck in 0..8 {
            let folder = FakeDisk::default();
            write(&folder, &first).unwrap();
            let ops = folder.state().ops;
            folder.state().fault = journal::disk::fake::Fault::Freeze(ops + freeze);
            let second = Snapshot { journal: ID, seq: 9, machine: replayed(&log) };
            let done = write(&folder, &second).is_ok();
            let (left, warnings) = newest(&folder.power_cut(luck), ID).unwrap();
            assert!(warnings.is_empty(), "{freeze} {luck} {warnings:?}");
            let left = left.unwrap();
            assert!(left == second || (left == first && !done), "{freeze} {luck}");
        }
    }
}
