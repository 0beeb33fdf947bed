use super::*;
use crate::domain::{
    At, CouponState, Fen, KindNo, MerchantNo, PersonId, PoolSet, RedemptionId, RefundId, Refusal,
    RoundNo,
};
use crate::ledger::embedded::Embedded;
use crate::ledger::event::Admitted;
use crate::ledger::journal::Options;
use crate::ledger::journal::disk::fake::{FakeDisk, Fault};
use crate::ledger::machine::tests::{arm, bind, decided, grant, open as opening};
use crate::ledger::machine::{Answer, Lock, No, Refund};
use std::sync::mpsc::{Receiver, Sender, channel};

const C: CampaignNo = CampaignNo(0);
const NOW: At = At(2_000);

/// Writes down in which order things were told, with how many syncs the disk had seen.
struct Diary(Sender<(String, usize)>, FakeDisk);

impl Diary {
    fn note(&self, what: String) {
        let _ = self.0.send((what, self.1.state().syncs));
    }
}

impl Watcher for Diary {
    fn campaign(&mut self, _: u64, _: CampaignNo, summary: &Summary) {
        let granted = summary.round(RoundNo(1)).map_or(0, |round| round.stock[0].granted);
        self.note(format!("shown {granted}"));
    }

    fn batch(&mut self, stats: &BatchStats) {
        self.note(format!("batch {}", stats.commands));
    }
}

impl Waiting for Diary {
    fn answer(self: Box<Self>, outcome: Outcome) {
        self.note(format!("{outcome:?}"));
    }
}

fn started(disk: &FakeDisk) -> (LocalLedger, Receiver<(String, usize)>) {
    let options = Options { segment_bytes: 1 << 16, at_least: 0, journal: 7 };
    let embedded = Embedded::open(disk.clone(), options, NOW).unwrap();
    let (sender, diary) = channel();
    let watcher = Box::new(Diary(sender, disk.clone()));
    (LocalLedger::start(embedded, || NOW, watcher).unwrap(), diary)
}

/// A ledger with two coupons of kind 0 and passes for four people.
async fn rush(disk: &FakeDisk) -> (LocalLedger, Receiver<(String, usize)>) {
    let (ledger, diary) = started(disk);
    let passes = (1..=4).map(|who| bind(who, who));
    for command in [opening(), arm(&[2, 0])].into_iter().chain(passes) {
        let outcome = told(&ledger, command).await.unwrap();
        assert!(matches!(outcome, Outcome::Yes(_)), "{outcome:?}");
    }
    while diary.try_recv().is_ok() {}
    (ledger, diary)
}

async fn claim(ledger: &LocalLedger, who: u8) -> Outcome {
    told(ledger, grant(who, 0)).await.unwrap()
}

#[tokio::test]
async fn r_claim_2_the_view_shows_a_grant_before_its_asker_hears_of_it_and_after_its_sync() {
    let disk = FakeDisk::default();
    let (ledger, diary) = rush(&disk).await;
    let (before, (sender, answers)) = (disk.state().syncs, channel());
    ledger.ask(grant(1, 0), Box::new(Diary(sender, disk.clone()))).unwrap();
    let (answer, syncs) = answers.recv().unwrap();
    assert!(answer.starts_with("Yes(Granted"), "{answer}");
    assert!(syncs > before, "the answer came before the sync");
    let (shown, syncs) = diary.recv().unwrap();
    assert_eq!(shown, "shown 1");
    assert!(syncs > before, "the view was ahead of the disk");
    assert!(ledger.view().held(C, PersonId([1; 16]), RoundNo(1), KindNo(0)).is_some());
    assert!(ledger.view().held(C, PersonId([2; 16]), RoundNo(1), KindNo(0)).is_none());
    assert_eq!(ledger.queued(), 0);
}

/// Units left of kind 0.
fn left(ledger: &LocalLedger) -> u32 {
    ledger.view().campaign(C).unwrap().round(RoundNo(1)).unwrap().stock[0].left()
}

#[tokio::test]
async fn the_units_left_are_shown_with_every_answer_to_a_claim() {
    let (ledger, _diary) = rush(&FakeDisk::default()).await;
    for (who, now_left) in [(1, 1), (1, 1), (2, 0), (3, 0)] {
        claim(&ledger, who).await;
        assert_eq!(left(&ledger), now_left);
    }
    assert_eq!(claim(&ledger, 4).await, Outcome::No(No::Refused(Refusal::SoldOut)));
}

#[tokio::test]
async fn after_the_disk_failed_nothing_is_known_and_nothing_is_taken() {
    let disk = FakeDisk::default();
    let (ledger, _diary) = rush(&disk).await;
    disk.state().fault = Fault::Sync(5);
    let claimed = claim(&ledger, 1).await;
    assert_eq!(claimed, Outcome::Unknown);
    assert_eq!(told(&ledger, grant(2, 0)).await, Err(NotTaken::Stopped));
    let fault = ledger.fault().unwrap();
    assert!(fault.contains("restart needed"), "{fault}");
    assert!(ledger.view().coupons(C, PersonId([1; 16])).is_empty(), "the view is ahead");
    drop(ledger);
    let (ledger, _diary) = started(&disk.power_cut(0));
    let claimed = claim(&ledger, 2).await;
    assert!(matches!(claimed, Outcome::Yes(Answer::Granted(_))), "{claimed:?}");
}

#[tokio::test]
async fn closing_answers_what_waits_and_a_restart_shows_the_same() {
    let disk = FakeDisk::default();
    let (ledger, _diary) = rush(&disk).await;
    let (sender, answers) = channel();
    for who in 1..=4 {
        ledger.ask(grant(who, 0), Box::new(Diary(sender.clone(), disk.clone()))).unwrap();
    }
    ledger.close();
    drop(sender);
    assert_eq!(answers.iter().count(), 4);
    assert_eq!(told(&ledger, grant(1, 0)).await, Err(NotTaken::Stopped));
    let shown = ledger.view().campaign(C).unwrap();
    drop(ledger);
    let (again, _diary) = started(&disk);
    assert_eq!(again.view().campaign(C).unwrap(), shown);
    assert_eq!(again.view().coupons(C, PersonId([1; 16])).len(), 1);
}

#[tokio::test]
async fn an_asker_that_hangs_up_leaves_its_grant_behind() {
    let (ledger, _diary) = rush(&FakeDisk::default()).await;
    // Dropped before it waits: the command is with the writer already.
    drop(told(&ledger, grant(1, 0)));
    let claimed = claim(&ledger, 1).await;
    assert!(matches!(claimed, Outcome::Yes(Answer::AlreadyHeld(_))), "{claimed:?}");
    claim(&ledger, 2).await;
    assert_eq!(left(&ledger), 0);
}

#[tokio::test(start_paused = true)]
async fn r_claim_2_nobody_waits_for_ever_for_a_disk_that_hangs() {
    let (never, receiver) = oneshot::channel();
    assert_eq!(outcome(receiver).await, Outcome::Unknown);
    drop(never);
}

#[tokio::test]
async fn r_wallet_1_the_view_shows_what_becomes_of_a_coupon_and_so_does_the_next_start() {
    let disk = FakeDisk::default();
    let (ledger, _diary) = rush(&disk).await;
    let order = RedemptionId([7; 16]);
    let merchant = MerchantNo(7);
    let admitted = Admitted { merchant, categories: PoolSet(1), cap: Fen::ZERO };
    let lock = Lock {
        campaign: C,
        redemption: order,
        merchant,
        person: PersonId([1; 16]),
        amount: Fen::new(50),
        choice: None,
        request: [0; 8],
        lock_ms: 60_000,
        at_once: false,
    };
    let (policy, refund) = (crate::plan::tests::shipped().redeem.refunds, RefundId([1; 16]));
    let amount = Fen::new(50);
    let refund = Refund { campaign: C, redemption: order, refund, amount, policy };
    let seen = |ledger: &LocalLedger| {
        ledger.view().held(C, PersonId([1; 16]), RoundNo(1), KindNo(0)).map(|held| held.state)
    };
    // What takes persons has no other door.
    for bare in [Command::Admit(C, admitted), Command::Resume(C)] {
        let outcome = told(&ledger, bare).await.unwrap();
        assert!(matches!(outcome, Outcome::No(No::Conflict(_))), "{outcome:?}");
    }
    for (command, state) in [
        (grant(1, 0), CouponState::Unused),
        (decided(Command::Admit(C, admitted), "test", 1), CouponState::Unused),
        (Command::Lock(lock), CouponState::Locked),
        (Command::Release(C, order), CouponState::Unused),
        (Command::Lock(lock), CouponState::Locked),
        (Command::Confirm(C, order), CouponState::Used),
    ] {
        let outcome = told(&ledger, command).await.unwrap();
        assert!(matches!(outcome, Outcome::Yes(_)), "{outcome:?}");
        assert_eq!(seen(&ledger), Some(state));
    }
    ledger.close();
    let (ledger, _diary) = started(&disk);
    assert_eq!(seen(&ledger), Some(CouponState::Used), "after a start");
    told(&ledger, Command::Refund(refund)).await.unwrap();
    assert_eq!(seen(&ledger), Some(CouponState::Unused), "it came back");
    assert_eq!(ledger.view().coupons(C, PersonId([1; 16])).len(), 1, "it is one coupon still");
}
