//! What a shard that is not as it was left decides: nothing.

use super::super::keys::Key;
use super::super::scripts::{
    BindReply, ClaimReply, LookReply, MoveReply, ReopenReply, RestoreReply, look, reopen, restore,
};
use super::campaign::{IDENTITIES, SHARD, campaign, claims, deciding, dump, of, told};
use super::server::{DURABLE, Server};
use super::shard::{call, get, live, reopened, set};
use crate::domain::At;
use crate::ledger::event::codec;
use crate::ledger::machine::Answer;

#[test]
fn i3_another_lineage_or_epoch_decides_nothing_and_changes_nothing() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    let lineage = get(connection, SHARD, Key::Meta, b"lineage").unwrap();
    let other = [b'0'; 40];
    for (field, value) in [("lineage", other.as_slice()), ("epoch", b"2"), ("epoch", b"01")] {
        for place in [SHARD, IDENTITIES] {
            set(connection, place, Key::Meta, field, value);
        }
        let before = dump(connection);
        for (name, it) in deciding() {
            let reply = call(connection, &it).unwrap();
            let fenced = match name {
                "claim" => {
                    matches!(ClaimReply::read(reply, &[of(1)]), Ok(ClaimReply::Fenced { .. }))
                }
                "bind" => matches!(BindReply::read(reply), Ok(BindReply::Fenced { .. })),
                _ => matches!(MoveReply::read(reply), Ok(MoveReply::Fenced { .. })),
            };
            assert!(fenced, "{name} with {field}");
        }
        assert_eq!(dump(connection), before, "{field}");
        for place in [SHARD, IDENTITIES] {
            set(connection, place, Key::Meta, "lineage", &lineage);
            set(connection, place, Key::Meta, "epoch", b"1");
        }
    }
    assert!(matches!(told(claims(connection, 1, &[1]))[0], Ok(Answer::Granted(_))));
}

#[test]
fn i3_a_restarted_master_sells_nothing_until_it_was_reconciled() {
    let mut server = Server::start(DURABLE);
    let connection = &mut server.connect();
    campaign(connection);
    let granted = told(claims(connection, 1, &[1, 2]));
    let open = |reply: &LookReply| match reply {
        LookReply::Seen { open, epoch, .. } => Some((*open, *epoch)),
        LookReply::Absent { .. } => None,
    };
    let looked = LookReply::read(call(connection, &look(SHARD)).unwrap()).unwrap();
    assert_eq!(open(&looked), Some((true, 1)));

    server.restart();
    let connection = &mut server.connect();
    let looked = LookReply::read(call(connection, &look(SHARD)).unwrap()).unwrap();
    assert_eq!(open(&looked), Some((false, 1)));
    assert!(matches!(claims(connection, 1, &[3]), ClaimReply::Fenced { epoch: 1, .. }));
    assert!(matches!(reopened(connection, SHARD, 0, 3), ReopenReply::Taken { epoch: 1, .. }));
    assert!(matches!(reopened(connection, SHARD, 1, 2), ReopenReply::Reopened { epoch: 2, .. }));
    assert!(matches!(reopened(connection, SHARD, 1, 2), ReopenReply::Taken { epoch: 2, .. }));
    assert!(matches!(claims(connection, 1, &[3]), ClaimReply::Fenced { epoch: 2, .. }));
    for (told, was) in told(claims(connection, 2, &[1, 2])).into_iter().zip(granted) {
        let Ok(Answer::Granted(held)) = was else { panic!("{was:?}") };
        assert_eq!(told, Ok(Answer::AlreadyHeld(held)));
    }
}

#[test]
fn i3_a_master_that_came_after_the_one_that_was_reconciled_sells_nothing() {
    let mut server = Server::start(DURABLE);
    let connection = &mut server.connect();
    campaign(connection);
    let reconciled = live(connection, SHARD);
    server.restart();
    let connection = &mut server.connect();
    let again = reopen(SHARD, 1, 2, &reconciled).unwrap();
    let reply = ReopenReply::read(call(connection, &again).unwrap());
    assert!(matches!(reply, Ok(ReopenReply::Taken { epoch: 1, .. })), "{reply:?}");
    assert!(matches!(claims(connection, 1, &[1]), ClaimReply::Fenced { epoch: 1, .. }));
    let reply = reopened(connection, SHARD, 1, 2);
    assert!(matches!(reply, ReopenReply::Reopened { epoch: 2, .. }), "{reply:?}");
}

#[test]
fn i3_a_restored_shard_is_fenced_until_it_is_reopened() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    let entry = crate::ledger::journal::Entry {
        seq: 1,
        durable: 0,
        at: At(0),
        seal: false,
        body: codec::encode(&[]).unwrap(),
    };
    let first = restore(SHARD, 0, &entry, &[]).unwrap();
    call(connection, &first).unwrap();
    assert_eq!(claims(connection, 0, &[1]), ClaimReply::Fenced { epoch: 0, seq: 1 });
    reopened(connection, SHARD, 0, 1);
    assert_eq!(claims(connection, 0, &[1]), ClaimReply::Fenced { epoch: 1, seq: 1 });
    let again = RestoreReply::read(call(connection, &first).unwrap()).unwrap();
    assert_eq!(again, RestoreReply::Open { epoch: 1, seq: 1 });
}
