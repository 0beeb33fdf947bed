//! Random commands, few enough names and amounts that they meet.

use proptest::prelude::*;
use quan::domain::{
    At, CampaignNo, Fen, Hex, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId,
    PoolNo, ProofId, RoundNo, Window,
};
use quan::ledger::event::{Armed, Bound, Decided, KindTerms, Signed, Statement, Subject};
use quan::ledger::machine::{Answer, Command, Grant, No};

/// The highest round of a story.
pub(crate) const ROUNDS: u8 = 9;

/// All instants are whole ticks, so that limits are met to the millisecond.
const TICK: i64 = 10;

/// Steps of a story.
const STEPS: std::ops::Range<usize> = 1..120;

/// Every word that an answer can be. From `not_enough` on, it takes many stories.
pub(crate) const WORDS: [&str; 23] = [
    "opened",
    "done",
    "bound",
    "granted",
    "held",
    "conflict",
    "campaign_unknown",
    "round_unknown",
    "kind_unknown",
    "risk_control_degraded",
    "not_open",
    "closed",
    "pass_invalid",
    "proof_spent",
    "proof_expired",
    "not_enough",
    "pass_expired",
    "kind_not_in_pass",
    "sold_out",
    "account_in_use",
    "phone_in_use",
    "card_in_use",
    "device_in_use",
];

/// An answer in one word.
pub(crate) fn word(told: &Result<Answer, No>) -> &'static str {
    match told {
        Ok(Answer::Done) => "done",
        Ok(Answer::Opened(_)) => "opened",
        Ok(Answer::Bound(_)) => "bound",
        Ok(Answer::Granted(_)) => "granted",
        Ok(Answer::AlreadyHeld(_)) => "held",
        Ok(Answer::Redemption(_)) => "redemption",
        Ok(Answer::Refunded(_)) => "refunded",
        Ok(Answer::Settled(_)) => "settled",
        Ok(Answer::Left(_)) => "left",
        Err(No::Refused(refusal)) => refusal.code(),
        Err(No::Funds(_)) => "not_enough",
        Err(No::Conflict(_)) => "conflict",
    }
}

/// A story. Most begin with a campaign and an armed round, so that more than refusals come of them.
pub(crate) fn story() -> impl Strategy<Value = Vec<(Command, i64)>> {
    let begun = prop_oneof![1 => Just(0_usize), 1 => Just(1), 10 => Just(2)];
    let opening = (open("a", 0), full_round()).prop_map(|(open, arm)| [(open, 0), (arm, 0)]);
    (begun, opening, prop::collection::vec(step(), STEPS))
        .prop_map(|(begun, opening, steps)| opening.into_iter().take(begun).chain(steps).collect())
}

/// A command and how far the clock goes before it; it may go back.
fn step() -> impl Strategy<Value = (Command, i64)> {
    let command = prop_oneof![
        3 => opens(),
        5 => arm(),
        14 => bind(),
        30 => grant(),
        3 => (campaign(), round()).prop_map(|(no, round)| Command::Expire(no, round)),
        1 => campaign().prop_map(Command::Trip),
        2 => campaign().prop_map(Command::Resume),
        4 => decided(),
    ];
    let passed = prop_oneof![30 => 0..5_i64, 3 => -6..0_i64, 1 => 20..200_i64];
    (command, passed.prop_map(|tens| tens * TICK))
}

/// Stopping or going on, decided for a campaign of that name; few instants, so that some are later than others.
fn decided() -> impl Strategy<Value = Command> {
    let name = prop_oneof![12 => Just("a"), 2 => Just("b")];
    (campaign(), name, any::<bool>(), 0..8_i64).prop_map(|(no, name, stop, at)| {
        let campaign = name.to_owned();
        let (what, command) = if stop {
            (Subject::Trip { campaign }, Command::Trip(no))
        } else {
            (Subject::Resume { campaign }, Command::Resume(no))
        };
        let (why, by) = ("well again".to_owned(), "li".to_owned());
        let signed = |by: &str| Signed { by: by.to_owned(), signature: Hex([7; 64]) };
        let signatures = vec![signed("li"), signed("wang")];
        let statement = Statement { what, why, by, at: At(at), until: At(9) };
        Command::Decided(Box::new((Decided { statement, signatures }, command)))
    })
}

/// Most stories happen in campaign 0; 2 is never there.
fn campaign() -> impl Strategy<Value = CampaignNo> {
    prop_oneof![20 => Just(0), 4 => Just(1), 1 => Just(2)].prop_map(CampaignNo)
}

/// Most stories happen in round 1.
fn round() -> impl Strategy<Value = RoundNo> {
    prop_oneof![20 => Just(1), 4 => Just(2), 2 => Just(3), 1 => Just(ROUNDS)].prop_map(RoundNo)
}

fn opens() -> impl Strategy<Value = Command> {
    let terms = prop_oneof![12 => Just(0), 1 => 1..6_u8];
    (prop_oneof![3 => Just("a"), 2 => Just("b")], terms)
        .prop_flat_map(|(name, terms)| open(name, terms))
}

/// The opening of this campaign; on other terms than most if `terms` is not 0.
fn open(name: &'static str, terms: u8) -> Just<Command> {
    let kind = |name: &str, pool, face| KindTerms {
        name: name.into(),
        pool: PoolNo(pool),
        face: Fen::new(face),
        threshold: Fen::new(5 * face),
    };
    let mut pools = vec![("p".to_owned(), Fen::new(300)), ("q".to_owned(), Fen::new(70))];
    let mut kinds = vec![kind("ten", 0, 10), kind("twenty", 0, 20), kind("seven", 1, 7)];
    match terms {
        1 => pools[1].1 = Fen::new(71),
        2 => pools[0].0 = "other".into(),
        3 => kinds[2].pool = PoolNo(2),
        4 => kinds.clear(),
        5 => kinds[0].face = Fen::new(11),
        _ => {}
    }
    Just(Command::Open { name: name.into(), pools, kinds })
}

/// Round 1, open soon and for long.
fn full_round() -> impl Strategy<Value = Command> {
    (prop::collection::vec(1..7_u32, 3), 0..20_i64).prop_map(|(quantities, from)| {
        let window = Window { from: At(from * TICK), until: At((from + 250) * TICK) };
        Command::Arm(CampaignNo(0), Armed { round: RoundNo(1), window, quantities })
    })
}

fn arm() -> impl Strategy<Value = Command> {
    let kinds = prop_oneof![20 => Just(3_usize), 1 => Just(2), 1 => Just(4)];
    let quantities = kinds.prop_flat_map(|kinds| prop::collection::vec(0..7_u32, kinds));
    let from = prop_oneof![9 => 0..40_i64, 1 => 200..600_i64];
    let length = prop_oneof![8 => 80..400_i64, 1 => -1..2_i64];
    (campaign(), round(), quantities, from, length).prop_map(
        |(no, round, quantities, from, length)| {
            let window = Window { from: At(from * TICK), until: At((from + length) * TICK) };
            Command::Arm(no, Armed { round, window, quantities })
        },
    )
}

/// Person `n` has pass `n`, proofs `n` and identifiers `n`, but for what a story changes.
fn bind() -> impl Strategy<Value = Command> {
    let person = 0..6_u8;
    let changed = prop_oneof![20 => Just(0), 10 => 1..8_u8];
    let expires = prop_oneof![4 => 200..900_i64, 2 => 0..150_i64];
    (campaign(), round(), person, changed, 0..6_u8, expires).prop_map(
        |(no, round, who, changed, other, expires)| {
            let mut pass = who;
            let mut kinds = if who < 4 { 0b111 } else { 0b101 };
            let mut proofs = [who, who | 0x80];
            let mut identifiers = [who; 4];
            match changed {
                1..=4 => {
                    identifiers[usize::from(changed) - 1] = other;
                    pass = who | 0x40;
                    proofs = [pass, pass | 0x80];
                }
                5 => kinds = [0, 0b1000, 0b1, 0b101, 0b1_0000_0000, 0b110][usize::from(other)],
                6 => (pass, proofs) = (who | 0x20, [who | 0x20, other | 0x80]),
                7 => proofs = [who, who],
                _ => {}
            }
            let hash = |at: usize| KeyedHash([identifiers[at]; 16]);
            let bound = Bound {
                round,
                person: PersonId([who; 16]),
                pass: PassNonce([pass; 16]),
                kinds: KindSet(kinds),
                expires_at: At(expires * TICK),
                proofs: proofs.map(|proof| ProofId([proof; 16])),
                identifiers: [
                    (IdentifierKind::Account, hash(0)),
                    (IdentifierKind::Phone, hash(1)),
                    (IdentifierKind::Card, hash(2)),
                    (IdentifierKind::Device, hash(3)),
                ],
            };
            Command::Bind(no, bound)
        },
    )
}

fn grant() -> impl Strategy<Value = Command> {
    let kind = prop_oneof![30 => 0..3_u8, 1 => Just(3), 1 => Just(40)];
    let pass = prop_oneof![20 => Just(0), 4 => Just(0x40_u8), 2 => Just(0x20), 1 => Just(0x01)];
    (campaign(), round(), kind, 0..6_u8, pass).prop_map(|(campaign, round, kind, who, pass)| {
        let (person, pass) = (PersonId([who; 16]), PassNonce([who ^ pass; 16]));
        Command::Grant(Grant { campaign, round, kind: KindNo(kind), person, pass })
    })
}
