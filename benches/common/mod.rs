//! A campaign with people who hold passes, for the benches.
#![allow(dead_code, reason = "each bench uses a part of it")]

use quan::domain::{
    At, CampaignNo, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId, PoolNo,
    ProofId, RoundNo, Window,
};
use quan::ledger::event::{Armed, Bound, KindTerms};
use quan::ledger::machine::{Command, Grant};

pub(crate) const C: CampaignNo = CampaignNo(0);
pub(crate) const R: RoundNo = RoundNo(1);
pub(crate) const NOW: At = At(2_000);

/// An id as a keyed hash would give it: the bits of `who`, spread.
pub(crate) fn id(who: u32, label: u8) -> [u8; 16] {
    let word = (u64::from(who) << 8 | u64::from(label)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = [label; 16];
    id[..8].copy_from_slice(&word.to_be_bytes());
    id[8..12].copy_from_slice(&who.to_be_bytes());
    id
}

/// Opens a campaign of one kind and arms a round of `stock` coupons.
pub(crate) fn opening(stock: u32) -> [Command; 2] {
    let face = Fen::new(1_000);
    let budget = Fen::new(u64::from(stock) * 1_000);
    let kinds = vec![KindTerms { name: "ten".into(), pool: PoolNo(0), face, threshold: face }];
    let window = Window { from: At(1_000), until: At(9_000_000_000_000) };
    [
        Command::Open { name: "bench".into(), pools: vec![("retail".into(), budget)], kinds },
        Command::Arm(C, Armed { round: R, window, quantities: vec![stock] }),
    ]
}

/// Makes the pass of `who`.
pub(crate) fn bind(who: u32) -> Command {
    let bound = Bound {
        round: R,
        person: PersonId(id(who, 1)),
        pass: PassNonce(id(who, 2)),
        kinds: KindSet::of(KindNo(0)),
        expires_at: At(8_000_000_000_000),
        proofs: [ProofId(id(who, 3)), ProofId(id(who, 4))],
        identifiers: [
            (IdentifierKind::Account, KeyedHash(id(who, 5))),
            (IdentifierKind::Phone, KeyedHash(id(who, 6))),
            (IdentifierKind::Card, KeyedHash(id(who, 7))),
            (IdentifierKind::Device, KeyedHash(id(who, 8))),
        ],
    };
    Command::Bind(C, bound)
}

/// The claim of `who`.
pub(crate) fn grant(who: u32) -> Command {
    let (person, pass) = (PersonId(id(who, 1)), PassNonce(id(who, 2)));
    Command::Grant(Grant { campaign: C, round: R, kind: KindNo(0), person, pass })
}

/// The same command in another round.
pub(crate) fn in_round(round: RoundNo, command: Command) -> Command {
    match command {
        Command::Arm(no, armed) => Command::Arm(no, Armed { round, ..armed }),
        Command::Bind(no, bound) => Command::Bind(no, Bound { round, ..bound }),
        Command::Grant(grant) => Command::Grant(Grant { round, ..grant }),
        other => other,
    }
}
