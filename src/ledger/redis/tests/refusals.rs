//! What the scripts do not do, and that nothing is half done then.

use super::super::about::About;
use super::super::effects::changes;
use super::super::keys::{Key, Place};
use super::super::scripts::{
    BindReply, ClaimReply, LookReply, MoveReply, ReopenReply, all, claim, look, reopen, restore,
};
use super::campaign::{
    C, IDENTITIES, NOW, R, SHARD, bound, campaign, claims, deciding, dump, event, of, told,
};
use super::server::Server;
use super::shard::{call, reopened, set};
use crate::domain::{At, CampaignNo, Shard};
use crate::ledger::event::{What, codec};
use crate::ledger::machine::Answer;
use ::redis::Connection;

#[test]
fn no_key_is_not_no_stock() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    assert_eq!(claims(connection, 1, &[1]), ClaimReply::Absent);
    for (name, it) in deciding() {
        let reply = call(connection, &it).unwrap();
        match name {
            "claim" => assert_eq!(ClaimReply::read(reply, &[of(1)]), Ok(ClaimReply::Absent)),
            "bind" => assert_eq!(BindReply::read(reply), Ok(BindReply::Absent)),
            _ => assert_eq!(MoveReply::read(reply), Ok(MoveReply::Absent)),
        }
    }
    let looked = LookReply::read(call(connection, &look(SHARD)).unwrap()).unwrap();
    assert!(matches!(looked, LookReply::Absent { now, .. } if now > At(1_700_000_000_000)));
    assert_eq!(reopened(connection, SHARD, 0, 1), ReopenReply::Absent);
    assert!(dump(connection).is_empty());
}

#[test]
fn a_script_that_redis_forgot_is_sent_again() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    for script in all() {
        let sha: String = script.load_cmd().query(connection).unwrap();
        assert_eq!(sha, script.sha(), "{}", script.name);
    }
    campaign(connection);
    for (name, it) in deciding() {
        it.script.load_cmd().exec(connection).unwrap();
        it.cmd().exec(connection).unwrap();
        ::redis::cmd("SCRIPT").arg("FLUSH").exec(connection).unwrap();
        let before = dump(connection);
        let forgot = it.cmd().exec(connection).unwrap_err();
        assert_eq!(forgot.code(), Some("NOSCRIPT"), "{name}");
        assert_eq!(dump(connection), before, "{name}");
        it.eval_cmd().exec(connection).unwrap();
        it.cmd().exec(connection).unwrap();
    }
}

#[test]
fn i3_a_key_of_another_type_leaves_nothing_half_done() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    let granted = event(What::Bound(bound(1)));
    let (again, at) = (vec![granted], At(1));
    let restored = changes(IDENTITIES, Shard::ALONE, at, &again, &mut About::default()).unwrap();
    let body = codec::encode(&again).unwrap();
    let entry = |seq| crate::ledger::journal::Entry {
        seq,
        durable: 0,
        at,
        seal: false,
        body: body.clone(),
    };
    let mut calls = deciding();
    calls.push(("restore", restore(IDENTITIES, 1, &entry(2), &restored).unwrap()));
    calls.push(("look", look(SHARD)));
    calls.push(("reopen", reopen(SHARD, 1, 2, "").unwrap()));
    for (name, it) in calls {
        // A move reads and writes what its changes are of.
        let of = |key: &String| match name {
            "move" => key.ends_with("meta") || key.ends_with("log"),
            "restore" => {
                let others = [
                    "funds",
                    "round:1",
                    "holders:1",
                    "transit",
                    "states:1",
                    "orders",
                    "refunds",
                    "merchants",
                    "lines",
                ];
                !others.iter().any(|end| key.ends_with(end))
            }
            _ => true,
        };
        for key in it.keys.iter().filter(|key| of(key)) {
            ::redis::cmd("FLUSHALL").exec(connection).unwrap();
            campaign(connection);
            if name == "restore" {
                set(connection, IDENTITIES, Key::Meta, "lineage", b"another");
            }
            ::redis::cmd("SET").arg(key).arg("text").exec(connection).unwrap();
            let before = dump(connection);
            let error = call(connection, &it).unwrap_err();
            assert!(error.to_string().contains("WRONGTYPE"), "{name} {key}: {error}");
            assert_eq!(dump(connection), before, "{name} {key}");
        }
    }
}

#[test]
fn i3_a_record_that_is_not_one_leaves_nothing_half_done() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    let mut cmd = ::redis::cmd("HSET");
    cmd.arg(SHARD.key(Key::Passes(R))).arg([2_u8; 16].as_slice()).arg("xyzzy");
    cmd.exec(connection).unwrap();
    let before = dump(connection);
    // The first of the two could be granted.
    let claim = claim(SHARD, R, 1, NOW, &[of(1), of(2)]).unwrap();
    let error = call(connection, &claim).unwrap_err();
    assert!(!error.to_string().contains("xyzzy"), "{error}");
    assert_eq!(dump(connection), before);
    // An entry that the log can't take is noticed before anything else is written.
    set(connection, SHARD, Key::Meta, "seq", b"1");
    let before = dump(connection);
    assert!(call(connection, &deciding()[2].1).is_err());
    assert_eq!(dump(connection), before);
}

#[test]
fn a_full_or_lonely_server_refuses_up_front() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    for script in all() {
        assert!(script.text().starts_with("#!lua\n"), "{}", script.name);
        script.load_cmd().exec(connection).unwrap();
    }
    for (option, value, back, want) in
        [("maxmemory", "1", "0", "OOM"), ("min-replicas-to-write", "1", "0", "NOREPLICAS")]
    {
        let mut config = |value: &str| {
            let mut cmd = ::redis::cmd("CONFIG");
            cmd.arg("SET").arg(option).arg(value).exec(connection).unwrap();
        };
        config(value);
        let before = dump(connection);
        for (name, it) in deciding() {
            let error = it.cmd().exec(connection).unwrap_err();
            assert_eq!(error.code(), Some(want), "{name}: {error}");
        }
        assert_eq!(dump(connection), before);
        let mut cmd = ::redis::cmd("CONFIG");
        cmd.arg("SET").arg(option).arg(back).exec(connection).unwrap();
    }
    assert!(matches!(told(claims(connection, 1, &[1]))[0], Ok(Answer::Granted(_))));
}

#[test]
fn the_keys_of_a_place_stand_in_one_slot_of_a_cluster() {
    let free = [(), ()].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [port, bus] = free.map(|it| it.local_addr().unwrap().port().to_string());
    let cluster = ["--cluster-enabled", "yes", "--bind", "127.0.0.1"];
    let server =
        Server::start(&[&cluster[..], &["--port", &port, "--cluster-port", &bus]].concat());
    let connection = &mut server.connect();
    let ask = |connection: &mut Connection, words: &[&str]| -> ::redis::Value {
        ::redis::cmd("CLUSTER").arg(words).query(connection).unwrap()
    };
    ask(connection, &["ADDSLOTSRANGE", "0", "16383"]);
    for _ in 0..500 {
        let info: String = ::redis::cmd("CLUSTER").arg("INFO").query(connection).unwrap();
        if info.contains("cluster_state:ok") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    campaign(connection);
    assert!(matches!(told(claims(connection, 1, &[1]))[0], Ok(Answer::Granted(_))));
    for place in [SHARD, IDENTITIES, Place::shard(CampaignNo(65_535), 254)] {
        for key in [Key::Meta, Key::Funds, Key::Holders(R), Key::Log, Key::Proofs(R)] {
            let slot = ask(connection, &["KEYSLOT", &place.key(key)]);
            assert_eq!(slot, ::redis::Value::Int(place.slot().into()), "{key:?} of {place:?}");
        }
    }
    let mut two = deciding().remove(0).1;
    two.keys[1] = Place::shard(C, 1).key(Key::Funds);
    let error = two.eval_cmd().exec(connection).unwrap_err();
    assert!(error.to_string().contains("slot"), "{error}");
}
