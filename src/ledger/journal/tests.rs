use super::{
    disk::fake::{FakeDisk, Fault},
    entry::{HEADER, Header, PREFIX, segment_name},
    *,
};
use crate::domain::time::At;
use std::{env, path::PathBuf, process::Command};

const NOW: At = At(1_693_533_600_000);
const ID: u64 = 0x1122_3344_5566_7788;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn options(segment_bytes: usize) -> Options {
    Options { segment_bytes, at_least: 0, journal: ID }
}

fn open<D: Disk>(disk: D) -> Result<Journal<D>, Error> {
    Journal::open(disk, options(4096), NOW)
}

fn body(n: u64) -> Vec<u8> {
    format!("body {n}").into_bytes()
}

/// The bodies of all entries that are not seals.
fn bodies<D: Disk>(disk: &D) -> Result<Vec<Vec<u8>>, Error> {
    let entries: Result<Vec<Entry>, Error> = Reader::all(disk)?.collect();
    Ok(entries?.into_iter().filter(|entry| !entry.seal).map(|entry| entry.body).collect())
}

fn batch<D: Disk>(journal: &mut Journal<D>, from: u64, until: u64) -> Result<u64, Error> {
    for n in from..until {
        journal.append(NOW, body(n))?;
    }
    journal.commit()
}

fn encoded(seq: u64, durable: u64) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(Entry { seq, durable, at: NOW, seal: false, body: body(seq) }.encode(ID, &mut out));
    out
}

fn folder(name: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("quan-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

#[test]
fn the_bytes_of_an_entry_and_of_a_header_are_as_drawn() {
    let mut out = Vec::new();
    let entry = Entry { seq: 3, durable: 2, at: NOW, seal: false, body: b"quan".to_vec() };
    assert!(entry.encode(ID, &mut out));
    let golden: Vec<u8> = [
        &[37, 0, 0, 0][..],
        &[0x8f, 0x65, 0xf5, 0x6f],
        &[0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11],
        &[3, 0, 0, 0, 0, 0, 0, 0],
        &[2, 0, 0, 0, 0, 0, 0, 0],
        &[0x00, 0xf9, 0x77, 0x4e, 0x8a, 0x01, 0, 0],
        &[0],
        b"quan",
    ]
    .concat();
    assert_eq!(out, golden);
    assert_eq!(Entry::decode(&golden, ID), Some((entry, golden.len())));
    assert_eq!(Entry::decode(&golden, ID + 1), None);

    let header = Header { journal: ID, first: 7 }.encode();
    assert_eq!(header.len(), HEADER);
    assert_eq!(header[..12], *b"QUANJRNL\x01\0\0\0");
}

#[test]
fn what_is_committed_is_read_back_from_a_real_folder_over_many_segments() {
    let path = folder("round-trip");
    let disk = Folder::open(&path).unwrap();
    let mut journal = Journal::open(disk.clone(), options(300), NOW).unwrap();
    for n in 1..=40 {
        assert_eq!(journal.append(NOW, body(n)).unwrap(), n);
        assert_eq!(journal.commit().unwrap(), n);
    }
    let sealed = Reader::sealed(&disk).unwrap().count();
    assert!(sealed > 30 && sealed < 40, "{sealed}");
    drop(journal);
    let mut journal = Journal::open(disk.clone(), options(300), NOW).unwrap();
    assert_eq!(journal.append(NOW, body(41)).unwrap(), 42, "seq 41 is the seal of the restart");
    journal.commit().unwrap();
    let long = vec![7; 1000];
    journal.append(NOW, long.clone()).unwrap();
    journal.seal(NOW).unwrap();
    let mut expected: Vec<Vec<u8>> = (1..=41).map(body).collect();
    expected.push(long);
    assert_eq!(bodies(&disk).unwrap(), expected);
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_torn_tail_is_cut() {
    for cut in 1..encoded(3, 2).len() {
        let disk = FakeDisk::default();
        let mut journal = open(disk.clone()).unwrap();
        batch(&mut journal, 1, 3).unwrap();
        drop(journal);
        let at = HEADER + encoded(1, 0).len() * 2;
        disk.tamper(&segment_name(1), |file| {
            file[at..at + cut].copy_from_slice(&encoded(3, 2)[..cut]);
        });
        let mut journal = open(disk.clone()).unwrap();
        assert_eq!(bodies(&disk).unwrap(), [body(1), body(2)]);
        batch(&mut journal, 3, 4).unwrap();
        assert_eq!(bodies(&disk).unwrap(), [body(1), body(2), body(3)]);
    }
}

#[test]
fn every_byte_before_the_last_seal_flipped_is_refused() {
    let disk = FakeDisk::default();
    let mut journal = Journal::open(disk.clone(), options(400), NOW).unwrap();
    batch(&mut journal, 1, 4).unwrap();
    batch(&mut journal, 4, 9).unwrap();
    journal.seal(NOW).unwrap();
    let end = journal.seal(NOW).unwrap();
    drop(journal);
    let one = encoded(1, 0).len();
    let used = [(1, HEADER + 3 * one), (4, HEADER + 5 * one + PREFIX)];
    for (first, used) in used {
        for at in 0..used {
            for flip in [0x01, 0x80, 0xff] {
                let disk = disk.power_cut(1);
                disk.tamper(&segment_name(first), |file| file[at] ^= flip);
                let error = open(disk.clone()).map(|_| ()).unwrap_err();
                let Error::Damage { file, offset, .. } = &error else { panic!("{at}: {error}") };
                assert_eq!(*file, segment_name(first));
                assert!(*offset <= at as u64, "{at}: {error}");
                assert!(Reader::all(&disk).unwrap().any(|entry| entry.is_err()));
            }
        }
    }
    disk.lose(&segment_name(4));
    let known = Options { at_least: end, ..options(400) };
    assert!(matches!(
        Journal::open(disk, known, NOW).map(|_| ()),
        Err(Error::Behind { end: 3, at_least: 10, .. })
    ));
}

#[test]
fn a_missing_segment_is_refused_the_first_one_too() {
    for missing in [1, 4] {
        let disk = FakeDisk::default();
        let mut journal = Journal::open(disk.clone(), options(200), NOW).unwrap();
        for n in 1..=9 {
            batch(&mut journal, n, n + 1).unwrap();
        }
        drop(journal);
        disk.lose(&segment_name(missing));
        let opened = open(disk).map(|_| ());
        assert!(matches!(opened, Err(Error::Damage { .. })), "{missing}: {opened:?}");
    }
}

#[test]
fn a_hole_inside_an_unsynced_batch_is_torn_and_not_damage() {
    let disk = FakeDisk::default();
    let mut journal = open(disk.clone()).unwrap();
    batch(&mut journal, 1, 3).unwrap();
    batch(&mut journal, 3, 7).unwrap();
    drop(journal);
    let one = encoded(1, 0).len();
    let hole = HEADER + 3 * one;
    disk.tamper(&segment_name(1), |file| file[hole..hole + one].fill(0));
    let mut journal = open(disk.clone()).unwrap();
    assert_eq!(bodies(&disk).unwrap(), [body(1), body(2), body(3)]);
    // What lies beyond the hole in the old segment never comes back.
    batch(&mut journal, 10, 12).unwrap();
    drop(journal);
    let _journal = open(disk.clone()).unwrap();
    assert_eq!(bodies(&disk).unwrap(), [body(1), body(2), body(3), body(10), body(11)]);
}

/// Three batches, a restart, two batches more; gives the highest body acknowledged.
fn a_day(disk: &FakeDisk, acknowledged: &mut u64) -> Result<(), Error> {
    let mut next = *acknowledged + 1;
    for batches in [3, 2] {
        let mut journal = Journal::open(disk.clone(), options(420), NOW)?;
        next = bodies(disk)?.len() as u64 + 1;
        for _ in 0..batches {
            batch(&mut journal, next, next + 3)?;
            next += 3;
            *acknowledged = next - 1;
        }
        journal.seal(NOW)?;
    }
    assert_eq!(*acknowledged, next - 1);
    Ok(())
}

#[test]
fn a_power_cut_at_any_point_loses_nothing_acknowledged() {
    let whole = FakeDisk::default();
    a_day(&whole, &mut 0).unwrap();
    let ops = whole.state().ops;
    assert!(ops > 30);
    for freeze in 1..=ops {
        for luck in 0..12 {
            let mut acknowledged = 0;
            let disk = FakeDisk::default();
            disk.state().fault = Fault::Freeze(freeze);
            assert!(a_day(&disk, &mut acknowledged).is_err());
            // The second cut comes while recovering from the first, or soon after.
            let second = disk.power_cut(luck);
            second.state().fault = Fault::Freeze(1 + freeze % 11);
            let fault = a_day(&second, &mut acknowledged).err();
            assert!(!matches!(fault, Some(Error::Damage { .. })), "{freeze} {luck} {fault:?}");
            let third = second.power_cut(luck / 2);
            let opened = open(third.clone());
            assert!(opened.is_ok(), "{freeze} {luck} {:?} after {fault:?}", opened.err());
            let found = bodies(&third).unwrap();
            assert!(found.len() as u64 >= acknowledged, "{freeze} {luck} {acknowledged}");
            let expected: Vec<Vec<u8>> = (1..=found.len() as u64).map(body).collect();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_tail_read_from_the_page_cache_survives_a_restart_and_then_a_power_cut() {
    let disk = FakeDisk::default();
    let mut journal = open(disk.clone()).unwrap();
    batch(&mut journal, 1, 3).unwrap();
    disk.state().fault = Fault::Sync(EIO);
    batch(&mut journal, 3, 5).unwrap_err();
    drop(journal);
    assert_eq!(bodies(&disk.power_cut(0)).unwrap(), [body(1), body(2)]);
    drop(open(disk.clone()).unwrap());
    let after = disk.power_cut(0);
    drop(open(after.clone()).unwrap());
    assert_eq!(bodies(&after).unwrap(), [body(1), body(2), body(3), body(4)]);
}

#[test]
fn damage_to_a_tail_that_recovery_made_durable_is_refused() {
    let disk = FakeDisk::default();
    let mut journal = open(disk.clone()).unwrap();
    batch(&mut journal, 1, 3).unwrap();
    drop(journal);
    drop(open(disk.clone()).unwrap());
    disk.tamper(&segment_name(1), |file| file[HEADER + 50] ^= 1);
    assert!(matches!(open(disk).map(|_| ()), Err(Error::Damage { .. })));
}

fn poisons(fault: Fault, code: i32) {
    let disk = FakeDisk::default();
    let mut journal = open(disk.clone()).unwrap();
    batch(&mut journal, 1, 3).unwrap();
    disk.state().fault = fault;
    let syncs = disk.state().syncs + usize::from(matches!(fault, Fault::Sync(_)));
    let poisoned = |error: Error| {
        let Error::Poisoned { file, source, .. } = error else { panic!("{error}") };
        assert_eq!((file, source.raw_os_error()), (segment_name(1), Some(code)));
    };
    poisoned(batch(&mut journal, 3, 5).unwrap_err());
    for _ in 0..3 {
        poisoned(journal.commit().unwrap_err());
        poisoned(journal.append(NOW, body(9)).unwrap_err());
        poisoned(journal.seal(NOW).unwrap_err());
    }
    poisoned(journal.poison().unwrap().clone());
    assert_eq!(journal.durable(), 2);
    assert_eq!(disk.state().syncs, syncs, "the file is never synced again");
}

#[test]
fn a_failed_sync_poisons_for_ever() {
    poisons(Fault::Sync(EIO), EIO);
}

#[test]
fn a_full_disk_poisons_for_ever() {
    poisons(Fault::Write(ENOSPC), ENOSPC);
}

#[test]
fn a_body_too_long_is_refused_and_costs_no_seq() {
    let mut journal = open(FakeDisk::default()).unwrap();
    let bytes = entry::MAX_BODY + 1;
    let error = journal.append(NOW, vec![0; bytes]).unwrap_err();
    assert!(matches!(error, Error::TooLong { bytes: b } if b == bytes));
    assert_eq!(journal.append(NOW, body(1)).unwrap(), 1);
}

#[test]
fn a_second_process_is_refused() {
    const CHILD: &str = "QUAN_TEST_LOCKED_FOLDER";
    if let Some(path) = env::var_os(CHILD) {
        let error = open(Folder::open(path.as_ref()).unwrap()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Locked), "{error}");
        return;
    }
    let path = folder("lock");
    let disk = Folder::open(&path).unwrap();
    let journal = open(disk.clone()).unwrap();
    assert!(matches!(open(disk.clone()).map(|_| ()), Err(Error::Locked)));
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "ledger::journal::tests::a_second_process_is_refused"])
        .env(CHILD, &path)
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
    drop(journal);
    open(disk).unwrap();
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_valid_entry_in_the_wrong_place_is_not_taken() {
    let disk = FakeDisk::default();
    let mut journal = open(disk.clone()).unwrap();
    batch(&mut journal, 1, 6).unwrap();
    let one = encoded(1, 0).len();
    let swap = |disk: &FakeDisk| {
        let (at, from) = (HEADER + one, HEADER + 3 * one);
        disk.tamper(&segment_name(1), |file| file.copy_within(from..from + one, at));
    };
    let unproven = disk.power_cut(1);
    swap(&unproven);
    assert_eq!(bodies(&unproven).unwrap(), [body(1)]);
    journal.seal(NOW).unwrap();
    drop(journal);
    swap(&disk);
    let error = open(disk).map(|_| ()).unwrap_err();
    let place = (HEADER + one) as u64;
    assert!(matches!(error, Error::Damage { offset, .. } if offset == place), "{error}");
}

#[test]
fn no_room_for_the_next_segment_poisons_and_a_restart_goes_on() {
    let disk = FakeDisk::default();
    let mut journal = Journal::open(disk.clone(), options(200), NOW).unwrap();
    batch(&mut journal, 1, 4).unwrap();
    disk.state().fault = Fault::Write(ENOSPC);
    assert!(matches!(batch(&mut journal, 4, 6), Err(Error::Poisoned { .. })));
    assert!(matches!(journal.commit(), Err(Error::Poisoned { .. })));
    drop(journal);
    let mut journal = open(disk.clone()).unwrap();
    assert_eq!(batch(&mut journal, 4, 6).unwrap(), 6, "seq 4 is the seal of the restart");
    assert_eq!(bodies(&disk).unwrap(), (1..6).map(body).collect::<Vec<_>>());
}

#[test]
fn another_folders_segment_and_another_format_are_refused() {
    let disk = FakeDisk::default();
    let mut journal = Journal::open(disk.clone(), options(200), NOW).unwrap();
    batch(&mut journal, 1, 4).unwrap();
    batch(&mut journal, 4, 7).unwrap();
    drop(journal);
    let foreign = disk.power_cut(1);
    foreign.tamper(&segment_name(4), |file| {
        file[..HEADER].copy_from_slice(&Header { journal: ID + 1, first: 4 }.encode());
    });
    assert!(matches!(open(foreign).map(|_| ()), Err(Error::Damage { offset: 0, .. })));
    disk.tamper(&segment_name(1), |file| {
        file[8] = 2;
        let crc = crc32fast::hash(&file[..HEADER - 4]);
        file[HEADER - 4..HEADER].copy_from_slice(&crc.to_le_bytes());
    });
    assert!(matches!(open(disk).map(|_| ()), Err(Error::Version { version: 2, .. })));
}
