//! Moves and restored entries: made whole, or not at all.

use super::super::effects::{Change, Compare, Op, number};
use super::super::keys::Key;
use super::super::scripts::{MoveReply, RestoreReply, mv, restore};
use super::campaign::{NOW, R, SHARD, campaign, dump};
use super::server::Server;
use super::shard::{call, get, log, set};
use crate::domain::{At, KindSet};
use ::redis::Connection;

#[test]
fn a_move_is_made_whole_or_not_at_all() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    let last = log(connection, SHARD, 1).len() as u64;
    let field = b"available:0".to_vec();
    let was = |was: &[u8]| Compare { key: Key::Funds, field: field.clone(), was: Some(was.into()) };
    let add = |more| Change { key: Key::Funds, field: field.clone(), op: Op::Add(more) };
    let note = |op| Change { key: Key::Transit, field: b"1:1".to_vec(), op };
    let mut make = |compares: &[Compare], changes: &[Change], body: &[u8]| {
        let mv = mv(SHARD, 1, NOW, compares, changes, body, None).unwrap();
        let reply = MoveReply::read(call(connection, &mv).unwrap()).unwrap();
        (reply, get(connection, SHARD, Key::Transit, b"1:1"))
    };
    let set = || note(Op::Set(b"x".to_vec()));
    let empty = Compare { key: Key::Transit, field: b"1:1".to_vec(), was: None };
    let two = [was(b"70"), was(b"71")];
    assert_eq!(make(&two, &[set()], b"\x01"), (MoveReply::Changed { which: 1 }, None));
    let less = [set(), add(-71)];
    assert_eq!(make(&[], &less, b"\x01"), (MoveReply::Misfit { which: 1 }, None));
    let more = [set(), add((1 << 53) - 1)];
    assert_eq!(make(&[], &more, b"\x01"), (MoveReply::Misfit { which: 1 }, None));
    // A change that is no event leaves the log alone, seq and instant.
    let moved = MoveReply::Moved { epoch: 1, seq: last, at: At(10) };
    let there = Some(b"x".to_vec());
    assert_eq!(make(&[was(b"70"), empty.clone()], &[set()], b""), (moved, there.clone()));
    assert_eq!(make(&[empty], &[], b""), (MoveReply::Changed { which: 0 }, there));
    let moved = MoveReply::Moved { epoch: 1, seq: last + 1, at: NOW };
    assert_eq!(make(&[], &[note(Op::Delete), add(-70)], b"\x01"), (moved, None));
    assert_eq!(get(connection, SHARD, Key::Funds, b"available:0").unwrap(), b"0");
    let logged = log(connection, SHARD, last + 1);
    assert_eq!((logged[0].entry.body.as_slice(), logged[0].entry.at), (b"\x01".as_slice(), NOW));
    let asked = get(connection, SHARD, Key::Meta, b"asked").unwrap();
    assert_eq!(asked, number(7 + 6).unwrap(), "every evaluation writes");
}

#[test]
fn restoring_says_what_stands_against_it() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    let entries = log(connection, SHARD, 1);
    let put = |connection: &mut Connection, seq: u64, body: &[u8], changes: &[Change]| {
        let at = NOW;
        let entry =
            crate::ledger::journal::Entry { seq, durable: 0, at, seal: false, body: body.into() };
        let restore = restore(SHARD, 1, &entry, changes).unwrap();
        RestoreReply::read(call(connection, &restore).unwrap()).unwrap()
    };
    let last = entries.len() as u64;
    let open = RestoreReply::Open { epoch: 1, seq: last };
    assert_eq!(put(connection, last + 1, b"\x01", &[]), open);
    set(connection, SHARD, Key::Meta, "lineage", b"another");
    let before = dump(connection);
    assert_eq!(put(connection, last + 2, b"\x01", &[]), RestoreReply::Gap { seq: last });
    let check =
        super::super::entry::check(SHARD.log(), 3, entries[2].entry.at, &entries[2].entry.body);
    assert_eq!(put(connection, 3, b"\x01", &[]), RestoreReply::Conflict { check });
    let spend = Change { key: Key::Passes(R), field: vec![9; 16], op: Op::Spend(KindSet(1)) };
    assert_eq!(put(connection, last + 1, b"\x01", &[spend]), RestoreReply::Misfit { which: 0 });
    assert_eq!(dump(connection), before);
    assert_eq!(put(connection, last + 1, b"\x01", &[]), RestoreReply::Restored);
    assert_eq!(put(connection, last + 1, b"\x01", &[]), RestoreReply::There);
    let stream = SHARD.key(Key::Log);
    ::redis::cmd("XDEL").arg(stream).arg("3-0").exec(connection).unwrap();
    let gone = RestoreReply::Conflict { check: String::new() };
    assert_eq!(put(connection, 3, b"\x01", &[]), gone);
}
