//! A small sound log: a campaign, a round, passes, grants, a stop, an end.

use super::disk::Memory;
use quan::domain::{
    At, CampaignNo, Fen, Hex, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId,
    PoolNo, ProofId, RoundNo, Window,
};
use quan::ledger::event::{
    Armed, Bound, Decided, Event, KindTerms, Signed, Statement, Subject, codec,
};
use quan::ledger::journal::{Entry, Journal, Options, Reader};
use quan::ledger::machine::{Command, Grant, Machine};

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
    commands.push((Command::Expire(C, R), 9_000));
    commands
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
