//! Logs of one campaign in a server, spoken to as a node would.

use super::super::about::About;
use super::super::effects::{Change, Compare, Op, changes};
use super::super::entry::{self, Logged};
use super::super::keys::{Key, Place};
use super::super::scripts::{
    Call, LookReply, MoveReply, ReopenReply, RestoreReply, look, mv, reopen, restore,
};
use crate::domain::{At, Shard};
use crate::ledger::event::{Event, codec};
use crate::ledger::journal::Entry;
use ::redis::{Connection, Value};
use std::collections::BTreeMap;

/// Calls a script by name, and by text if Redis does not know it.
pub(super) fn call(connection: &mut Connection, call: &Call) -> ::redis::RedisResult<Value> {
    match call.cmd().query(connection) {
        Err(error) if error.code() == Some("NOSCRIPT") => call.eval_cmd().query(connection),
        other => other,
    }
}

pub(super) fn body(events: &[Event]) -> Vec<u8> {
    codec::encode(events).unwrap()
}

/// The replication id of the master that is there now.
pub(super) fn live(connection: &mut Connection, place: Place) -> String {
    let looked = LookReply::read(call(connection, &look(place)).unwrap()).unwrap();
    let (LookReply::Seen { live, .. } | LookReply::Absent { live, .. }) = looked;
    live
}

/// Opens a shard under the master that is there now.
pub(super) fn reopened(
    connection: &mut Connection,
    place: Place,
    from: u64,
    to: u64,
) -> ReopenReply {
    let live = live(connection, place);
    let reply = call(connection, &reopen(place, from, to, &live).unwrap()).unwrap();
    ReopenReply::read(reply).unwrap()
}

/// The first entry of a log, and epoch 1.
pub(super) fn begin(connection: &mut Connection, place: Place, at: At, events: &[Event]) {
    begin_as(connection, place, Shard::ALONE, at, events);
}

/// The same of a shard of several.
pub(super) fn begin_as(
    connection: &mut Connection,
    place: Place,
    shard: Shard,
    at: At,
    events: &[Event],
) {
    let changes = changes(place, shard, at, events, &mut About::default()).unwrap();
    let entry = Entry { seq: 1, durable: 0, at, seal: false, body: body(events) };
    let reply = call(connection, &restore(place, 0, &entry, &changes).unwrap()).unwrap();
    assert_eq!(RestoreReply::read(reply).unwrap(), RestoreReply::Restored);
    let reply = reopened(connection, place, 0, 1);
    assert!(matches!(reply, ReopenReply::Reopened { epoch: 1, seq: 1, .. }), "{reply:?}");
}

pub(super) fn get(
    connection: &mut Connection,
    place: Place,
    key: Key,
    field: &[u8],
) -> Option<Vec<u8>> {
    ::redis::cmd("HGET").arg(place.key(key)).arg(field).query(connection).unwrap()
}

pub(super) fn set(connection: &mut Connection, place: Place, key: Key, field: &str, value: &[u8]) {
    let mut cmd = ::redis::cmd("HSET");
    cmd.arg(place.key(key)).arg(field).arg(value).exec(connection).unwrap();
}

pub(super) fn hash(
    connection: &mut Connection,
    place: Place,
    key: Key,
) -> BTreeMap<Vec<u8>, Vec<u8>> {
    ::redis::cmd("HGETALL").arg(place.key(key)).query(connection).unwrap()
}

/// The fields that `changes` are of, as they are.
pub(super) fn seen(connection: &mut Connection, place: Place, changes: &[Change]) -> Vec<Compare> {
    let was = |it: &Change| Compare {
        key: it.key,
        field: it.field.clone(),
        was: ::redis::cmd("HGET").arg(place.key(it.key)).arg(&it.field).query(connection).unwrap(),
    };
    changes.iter().map(was).collect()
}

/// Makes decided events happen, compared with all that they change.
pub(super) fn happen(
    connection: &mut Connection,
    place: Place,
    now: At,
    events: &[Event],
) -> MoveReply {
    let changes = changes(place, Shard::ALONE, now, events, &mut About::default()).unwrap();
    assert!(changes.iter().all(|it| !matches!(it.op, Op::Delete | Op::Spend(_))));
    let compares = seen(connection, place, &changes);
    let mv = mv(place, 1, now, &compares, &changes, &body(events), None).unwrap();
    MoveReply::read(call(connection, &mv).unwrap()).unwrap()
}

/// The log from `next` on.
pub(super) fn log(connection: &mut Connection, place: Place, next: u64) -> Vec<Logged> {
    let answer = entry::range(place, next, 1_000_000).query(connection).unwrap();
    entry::read(place, next, answer).unwrap()
}
