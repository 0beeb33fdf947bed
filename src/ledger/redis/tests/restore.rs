//! What was lost comes back as it was.

use super::super::about::About;
use super::super::effects::changes;
use super::super::keys::{Key, Place};
use super::super::scripts::{RestoreReply, restore};
use super::shard::{call, hash, log};
use crate::domain::{RoundNo, Shard};
use crate::ledger::event::codec;
use ::redis::{Connection, Value};

/// Fields that no entry sets.
const APART: [&[u8]; 5] = [b"lineage", b"epoch", b"evaluated", b"asked", b"looked"];

/// Restores the log at `place` into an empty server: every key has the same bytes.
pub(super) fn restored_as(
    from: &mut Connection,
    to: &mut Connection,
    place: Place,
    shard: Shard,
    rounds: u8,
) {
    ::redis::cmd("FLUSHALL").exec(to).unwrap();
    let mut about = About::default();
    for logged in log(from, place, 1) {
        let events = codec::decode(&logged.entry.body).unwrap();
        let changes = changes(place, shard, logged.entry.at, &events, &mut about).unwrap();
        let again = restore(place, logged.epoch, &logged.entry, &changes).unwrap();
        for want in [RestoreReply::Restored, RestoreReply::There] {
            assert_eq!(RestoreReply::read(call(to, &again).unwrap()).unwrap(), want);
        }
    }
    let mut keys = vec![Key::Meta, Key::Funds, Key::Transit];
    keys.extend([Key::Orders, Key::Refunds, Key::Merchants, Key::Lines]);
    for round in (1..=rounds).map(RoundNo) {
        keys.extend([Key::Round(round), Key::Holders(round), Key::Passes(round)]);
        keys.extend([Key::States(round), Key::Proofs(round), Key::Bindings(round)]);
    }
    for key in keys {
        let (mut was, mut is) = (hash(from, place, key), hash(to, place, key));
        if key == Key::Meta {
            was.retain(|field, _| !APART.contains(&field.as_slice()));
            is.retain(|field, _| !APART.contains(&field.as_slice()));
        }
        assert_eq!(was, is, "{key:?} of {place:?}");
    }
    let stream = |connection: &mut Connection| -> Value {
        ::redis::cmd("XRANGE").arg(place.key(Key::Log)).arg("-").arg("+").query(connection).unwrap()
    };
    assert_eq!(stream(from), stream(to));
}
