use super::*;
use crate::domain::{CampaignNo, KindNo, RoundNo};
use crate::ledger::journal::disk::fake::{FakeDisk, Fault};
use crate::ledger::machine::tests::{arm, bind, grant, open as opening};
use crate::ledger::snapshot;

const T0: At = At(1_000);
const EIO: i32 = 5;

impl<D: Disk> Embedded<D> {
    /// Decides, syncs and answers.
    pub(crate) fn batch(&mut self, commands: &[Command], now: At) -> Vec<Outcome> {
        let batch = self.decide_all(commands.iter(), now);
        self.commit(batch).outcomes
    }
}

fn ledger(disk: FakeDisk) -> Embedded<FakeDisk> {
    let options = Options { segment_bytes: 4096, at_least: 0, journal: 7 };
    Embedded::open(disk, options, T0).unwrap()
}

/// A campaign with `stock` coupons of kind 0 and passes for eight people.
fn rush(disk: FakeDisk, stock: u32) -> Embedded<FakeDisk> {
    let mut ledger = ledger(disk);
    let mut commands = vec![opening(), arm(&[stock, 0])];
    commands.extend((1..=8).map(|who| bind(who, who)));
    assert!(ledger.batch(&commands, At(10)).iter().all(|told| matches!(told, Outcome::Yes(_))));
    ledger
}

fn left(ledger: &Embedded<FakeDisk>) -> Option<u32> {
    ledger.machine().left(CampaignNo(0), RoundNo(1), KindNo(0))
}

#[test]
fn a_power_cut_loses_no_grant_and_frees_no_stock() {
    let disk = FakeDisk::default();
    let mut before = rush(disk.clone(), 2);
    let told = before.batch(&[grant(1, 0), grant(1, 0)], T0);
    assert!(matches!(
        told[..],
        [Outcome::Yes(Answer::Granted(_)), Outcome::Yes(Answer::AlreadyHeld(_))]
    ));
    let mut after = ledger(disk.power_cut(0));
    let told = after.batch(&[grant(1, 0), grant(2, 0), grant(3, 0)], T0);
    assert!(matches!(told[0], Outcome::Yes(Answer::AlreadyHeld(_))), "{told:?}");
    assert!(matches!(told[1], Outcome::Yes(Answer::Granted(_))), "{told:?}");
    assert!(matches!(told[2], Outcome::No(_)), "{told:?}");
}

#[test]
fn the_state_after_a_restart_is_the_state_before_it() {
    let disk = FakeDisk::default();
    let mut before = rush(disk.clone(), 3);
    before.batch(&[grant(4, 0), grant(5, 0)], T0);
    assert_eq!(ledger(disk.power_cut(1)).machine(), before.machine());
}

#[test]
fn a_disk_that_fails_gives_no_yes_and_no_no_any_more() {
    let disk = FakeDisk::default();
    let mut ledger = rush(disk.clone(), 1);
    disk.state().fault = Fault::Sync(EIO);
    let unknown = [Outcome::Unknown, Outcome::Unknown];
    assert_eq!(ledger.batch(&[grant(1, 0), grant(2, 0)], T0), unknown);
    // "Sold out" would rest on a grant that may be lost.
    assert_eq!(ledger.batch(&[grant(2, 0), grant(1, 0)], T0), unknown);
    assert!(ledger.poison().is_some());
}

#[test]
fn wherever_the_power_goes_what_was_told_is_still_true() {
    for freeze in 1..60 {
        let disk = FakeDisk::default();
        let mut before = rush(disk.clone(), 5);
        let ops = disk.state().ops;
        disk.state().fault = Fault::Freeze(ops + freeze);
        let told: Vec<Outcome> =
            (1..=8).map(|who| before.batch(&[grant(who, 0)], T0).remove(0)).collect();
        let mut after = ledger(disk.power_cut(freeze as u64));
        for (who, told) in (1..=8).zip(told) {
            let Outcome::Yes(Answer::Granted(held)) = told else { continue };
            let again = after.batch(&[grant(who, 0)], T0).remove(0);
            assert_eq!(again, Outcome::Yes(Answer::AlreadyHeld(held)), "frozen after {freeze}");
        }
        // Everybody asks again: nothing is undersold, nothing oversold.
        (1..=8).for_each(|who| drop(after.batch(&[grant(who, 0)], T0)));
        assert_eq!(left(&after), Some(0));
    }
}

#[test]
fn no_bytes_make_the_decoder_panic_and_every_event_comes_back() {
    let mut machine = Machine::default();
    for command in [opening(), arm(&[2, 1]), bind(1, 1), grant(1, 0)] {
        let events = machine.execute(&command, T0).unwrap().events;
        let body = codec::encode(&events).unwrap();
        assert_eq!(codec::decode(&body), Some(events));
        for cut in 0..body.len() {
            let _ = codec::decode(&body[..cut]);
            let mut wrong = body.clone();
            for byte in 0..=255 {
                wrong[cut] = byte;
                let _ = codec::decode(&wrong);
            }
        }
    }
}

#[test]
fn a_start_from_a_snapshot_is_a_start_from_the_beginning() {
    let (disk, folder) = (FakeDisk::default(), FakeDisk::default());
    let options = Options { segment_bytes: 600, at_least: 0, journal: 7 };
    let mut before = Embedded::open(disk.clone(), options, T0).unwrap();
    before.batch(&[opening(), arm(&[5, 0])], T0);
    for who in 1..=5 {
        before.batch(&[bind(who, who), grant(who, 0)], T0);
    }
    let seq = snapshot::take(&disk, &folder).unwrap().unwrap();
    let (start, _) = snapshot::newest(&folder, 7).unwrap();
    assert!(start.as_ref().unwrap().machine != *before.machine(), "there is more to replay");
    let after = Embedded::open_from(disk.power_cut(1), options, start.clone(), T0).unwrap();
    assert_eq!(after.machine(), before.machine());
    let ahead = Some(Snapshot { seq: seq + 100, ..start.clone().unwrap() });
    let behind = Embedded::open_from(disk.power_cut(1), options, ahead, T0).map(|_| ());
    assert!(matches!(behind, Err(OpenError::Journal(Error::Behind { .. }))), "{behind:?}");
    let foreign = Some(Snapshot { journal: 8, ..start.unwrap() });
    let elsewhere = Embedded::open_from(disk.power_cut(1), options, foreign, T0).map(|_| ());
    assert!(matches!(elsewhere, Err(OpenError::Elsewhere)), "{elsewhere:?}");
}

#[test]
fn a_batch_in_the_room_of_another_tells_nothing_of_that() {
    let mut ledger = rush(FakeDisk::default(), 2);
    let mut told = |who| {
        let batch = ledger.decide_all([grant(who, 0)].iter(), T0);
        let batch = ledger.commit(batch);
        let told = (batch.outcomes.len(), batch.written.clone());
        ledger.reuse(batch);
        told
    };
    let (first, next) = (told(1), told(2));
    assert_eq!((first.0, next.0), (1, 1));
    assert_eq!(first.1.len(), next.1.len());
    assert_ne!(first.1, next.1);
}
