//! A small sound log: a campaign, a round, passes, grants, a stop, orders and what became of them, an end.

use super::disk::Memory;
use quan::domain::{
    At, BatchNo, CampaignNo, Fen, Hex, IdentifierKind, KeyedHash, KindNo, KindSet, MerchantNo,
    PassNonce, PersonId, PoolNo, PoolSet, ProofId, RedemptionId, RefundId, RoundNo, Window,
};
use quan::ledger::event::{
    Admitted, Armed, Bound, Decided, Event, KindTerms, Signed, Standing, Stands, Statement,
    Subject, codec,
};
use quan::ledger::journal::{Entry, Journal, Options, Reader};
use quan::ledger::machine::{Command, Grant, Lock, Machine, Refund, Settle};
use quan::redeem::{Case, Coupon, Money, Part, Policy, Side, Treatment};

pub(crate) const JOURNAL: u64 = 0x1122_3344_5566_7788;
/// Bytes of a segment.
pub(crate) const SEGMENT: usize = 1_024;
const C: CampaignNo = CampaignNo(0);
const R: RoundNo = RoundNo(1);

/// Instants and events of every entry, and the state they make.
pub(crate) fn story() -> (Vec<(At, Vec<Event>)>, Machine) {
    let (mut machine, mut entries) = (Machine::default(), Vec::new());
    for (command, at) in commands() {
        let decision = machine.execute(&command, At(at)).unwrap();
        assert!(!decision.events.is_empty(), "{command:?} changes nothing");
        entries.push((At(at), decision.events));
    }
    (entries, machine)
}

/// The story as a journal of several segments: two entries a batch, a seal after every third batch.
pub(crate) fn journal() -> Memory {
    let disk = Memory::default();
    let options = Options { segment_bytes: SEGMENT, at_least: 0, journal: JOURNAL };
    let mut journal = Journal::open(disk.clone(), options, At(0)).unwrap();
    for (batch, entries) in story().0.chunks(2).enumerate() {
        for (at, events) in entries {
            journal.append(*at, codec::encode(events).unwrap()).unwrap();
        }
        journal.commit().unwrap();
        if batch % 3 == 2 {
            journal.seal(entries[0].0).unwrap();
        }
    }
    disk
}

pub(crate) fn entries() -> Vec<Entry> {
    Reader::all(&journal()).unwrap().collect::<Result<_, _>>().unwrap()
}

fn commands() -> Vec<(Command, i64)> {
    let kind = |name: &str, pool, face| KindTerms {
        name: name.into(),
        pool: PoolNo(pool),
        face: Fen::new(face),
        threshold: Fen::new(5 * face),
    };
    let open = Command::Open {
        name: "test".into(),
        pools: vec![("retail".into(), Fen::new(1_000)), ("catering".into(), Fen::new(100))],
        kinds: vec![kind("ten", 0, 10), kind("twenty", 1, 20)],
    };
    let window = Window { from: At(1_000), until: At(9_000) };
    let arm = Command::Arm(C, Armed { round: R, window, quantities: vec![3, 2] });
    let grant = |who: u8, kind| {
        let (person, pass) = (PersonId([who; 16]), PassNonce([who; 16]));
        Command::Grant(Grant { campaign: C, round: R, kind: KindNo(kind), person, pass })
    };
    let mut commands = vec![(open, 0), (arm, 1)];
    commands.extend((1..=4).map(|who| (bind(who), 10 + i64::from(who))));
    commands.extend([(grant(1, 0), 1_000), (grant(2, 0), 1_001), (grant(1, 1), 1_002)]);
    commands.extend([(Command::Trip(C), 1_100), (go_on(), 1_200)]);
    commands.extend([(grant(3, 0), 1_300), (grant(4, 1), 1_301)]);
    commands.extend(at_a_till());
    commands.push((Command::Expire(C, R), 9_000));
    commands
}

/// Of three orders one is paid with a coupon, settled and paid back in part; one is let go; one lapses.
fn at_a_till() -> Vec<(Command, i64)> {
    let merchant = MerchantNo(1);
    let order = |no: u8| RedemptionId([no; 16]);
    let lock = |no: u8, who: u8| {
        let (person, request) = (PersonId([who; 16]), [no; 8]);
        let (amount, choice) = (Fen::new(100), None);
        let redemption = order(no);
        let lock_ms = 500;
        Command::Lock(Lock {
            campaign: C,
            redemption,
            merchant,
            person,
            amount,
            choice,
            request,
            lock_ms,
            at_once: false,
        })
    };
    let refund = |no: u8, fen| {
        let (redemption, refund, amount) = (order(1), RefundId([no; 16]), Fen::new(fen));
        Command::Refund(Refund { campaign: C, redemption, refund, amount, policy: policy() })
    };
    let admitted = Admitted { merchant, categories: PoolSet(0b11), cap: Fen::new(500) };
    let (batch, pool) = (BatchNo(1), PoolNo(1));
    let settle = Command::Settle(Settle { campaign: C, batch, merchant, pool });
    vec![
        (Command::Admit(C, admitted), 1_400),
        (lock(1, 1), 2_000),
        (Command::Confirm(C, order(1)), 2_100),
        (refund(1, 33), 2_200),
        (lock(2, 2), 2_300),
        (Command::Release(C, order(2)), 2_400),
        (lock(3, 2), 2_500),
        (Command::Lapse(C), 3_000),
        (Command::Stand(C, Stands { merchant, standing: Standing::Suspended }), 3_100),
        (settle, 3_200),
        (refund(2, 1), 3_300),
        (Command::Paid(C, batch, merchant), 3_400),
    ]
}

/// As the county has it.
fn policy() -> Policy {
    let treatment = |case: Case| {
        let full = case.part == Part::Full;
        let coupon = if full { Coupon::Back } else { Coupon::Stays };
        let money = match (case.settlement, full, case.end) {
            (Side::After, ..) => Money::Owed,
            (Side::Before, true, Side::Before) => Money::Frozen,
            _ => Money::Pool,
        };
        Some(Treatment { coupon, money })
    };
    Policy::of(treatment).unwrap()
}

/// Two persons decided to go on.
fn go_on() -> Command {
    let what = Subject::Resume { campaign: "test".into() };
    let (why, by) = ("well again".to_owned(), "li".to_owned());
    let signed = |by: &str| Signed { by: by.to_owned(), signature: Hex([7; 64]) };
    let signatures = vec![signed("li"), signed("wang")];
    let statement = Statement { what, why, by, at: At(1_150), until: At(2_150) };
    Command::Decided(Box::new((Decided { statement, signatures }, Command::Resume(C))))
}

fn bind(who: u8) -> Command {
    let identifier = |kind| (kind, KeyedHash([who; 16]));
    let bound = Bound {
        round: R,
        person: PersonId([who; 16]),
        pass: PassNonce([who; 16]),
        kinds: KindSet(0b11),
        expires_at: At(5_000),
        proofs: [ProofId([who; 16]), ProofId([who | 0x80; 16])],
        identifiers: [
            identifier(IdentifierKind::Account),
            identifier(IdentifierKind::Phone),
            identifier(IdentifierKind::Card),
            identifier(IdentifierKind::Device),
        ],
    };
    Command::Bind(C, bound)
}
