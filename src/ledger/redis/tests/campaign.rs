//! A campaign in Redis with an open round, for tests of the scripts.

use super::super::about::About;
use super::super::effects::changes;
use super::super::keys::Place;
use super::super::scripts::{Call, ClaimArgs, ClaimReply, MoveReply, bind, claim, mv};
use super::shard::{begin, call, happen};
use crate::domain::{
    At, CampaignNo, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId, PoolNo,
    ProofId, RoundNo, Shard, Window,
};
use crate::funds::{Account, Posting};
use crate::ledger::event::{Armed, Bound, Event, KindTerms, Opened, Passed, What, codec};
use crate::ledger::machine::{Answer, Grant, No};
use ::redis::Connection;
use std::collections::BTreeMap;

pub(super) const C: CampaignNo = CampaignNo(0);
pub(super) const R: RoundNo = RoundNo(1);
pub(super) const SHARD: Place = Place::shard(C, 0);
pub(super) const IDENTITIES: Place = Place::identities(C);
pub(super) const NOW: At = At(2_000);

pub(super) fn event(what: What) -> Event {
    Event { campaign: C, what }
}

/// Pass, person, proofs and identifiers `who`.
pub(super) fn bound(who: u8) -> Bound {
    let hash = KeyedHash([who; 16]);
    Bound {
        round: R,
        person: PersonId([who; 16]),
        pass: PassNonce([who; 16]),
        kinds: KindSet(1),
        expires_at: At(5_000),
        proofs: [ProofId([who; 16]), ProofId([who | 0x80; 16])],
        identifiers: [
            (IdentifierKind::Account, hash),
            (IdentifierKind::Phone, hash),
            (IdentifierKind::Card, hash),
            (IdentifierKind::Device, hash),
        ],
    }
}

pub(super) fn of(who: u8) -> ClaimArgs {
    let (person, pass) = (PersonId([who; 16]), PassNonce([who; 16]));
    let grant = Grant { campaign: C, round: R, kind: KindNo(0), person, pass };
    ClaimArgs { grant, pool: PoolNo(0), face: Fen::new(10) }
}

/// A campaign with an open round of three coupons, and the passes of persons 1 to 6.
pub(super) fn campaign(connection: &mut Connection) {
    let kind = KindTerms {
        name: "ten".into(),
        pool: PoolNo(0),
        face: Fen::new(10),
        threshold: Fen::new(50),
    };
    let opened = Opened {
        name: "a".into(),
        pools: vec!["p".into()],
        kinds: vec![kind],
        shard: Shard::ALONE,
    };
    let post = |from, to, fen| What::Posted(Posting { pool: PoolNo(0), from, to, fen });
    let budget = post(Account::Treasury, Account::Available, Fen::new(100));
    begin(connection, SHARD, At(0), &[event(What::Opened(opened.clone())), event(budget)]);
    begin(connection, IDENTITIES, At(0), &[event(What::Opened(opened))]);
    let window = Window { from: At(1_000), until: At(9_000) };
    let armed = What::Armed(Armed { round: R, window, quantities: vec![3] });
    let reserved = post(Account::Available, Account::Reserved, Fen::new(30));
    let mut moves = vec![vec![event(armed), event(reserved)]];
    moves.extend((1..=6).map(|who| vec![event(What::Passed(Passed::from(&bound(who))))]));
    for events in moves {
        let reply = happen(connection, SHARD, At(10), &events);
        assert!(matches!(reply, MoveReply::Moved { .. }), "{reply:?}");
    }
}

pub(super) fn claims(connection: &mut Connection, epoch: u64, who: &[u8]) -> ClaimReply {
    let claims: Vec<ClaimArgs> = who.iter().map(|who| of(*who)).collect();
    let claim = claim(SHARD, R, epoch, NOW, &claims).unwrap();
    ClaimReply::read(call(connection, &claim).unwrap(), &claims).unwrap()
}

pub(super) fn told(reply: ClaimReply) -> Vec<Result<Answer, No>> {
    let ClaimReply::Decided { outcomes, .. } = reply else { panic!("{reply:?}") };
    outcomes.into_iter().map(|it| it.told).collect()
}

/// One call of every script that decides.
pub(super) fn deciding() -> Vec<(&'static str, Call)> {
    let tripped = [event(What::Interlock(crate::ledger::event::Interlock::Tripped))];
    let trip = changes(SHARD, Shard::ALONE, NOW, &tripped, &mut About::default()).unwrap();
    let body = codec::encode(&tripped).unwrap();
    vec![
        ("claim", claim(SHARD, R, 1, NOW, &[of(1)]).unwrap()),
        ("bind", bind(C, 1, 1, NOW, &bound(1)).unwrap()),
        ("move", mv(SHARD, 1, NOW, &[], &trip, &body, None).unwrap()),
    ]
}

/// Everything there is.
pub(super) fn dump(connection: &mut Connection) -> BTreeMap<String, Vec<u8>> {
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(connection).unwrap();
    let mut read = |key: &String| ::redis::cmd("DUMP").arg(key).query(connection).unwrap();
    keys.iter().map(|key| (key.clone(), read(key))).collect()
}
