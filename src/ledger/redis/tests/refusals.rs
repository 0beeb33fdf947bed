//! What the scripts do not do, and that nothing is half done then.

use super::super::NotSent;
use super::super::about::About;
use super::super::effects::{Change, Compare, Op, changes, number};
use super::super::keys::{Key, Place};
use super::super::scripts::{
    BindReply, Call, ClaimArgs, ClaimReply, LookReply, MoveReply, ReopenReply, RestoreReply, all,
    bind, claim, look, mv, reopen, restore,
};
use super::server::{DURABLE, Server};
use super::shard::{begin, call, get, happen, live, log, reopened, set};
use crate::domain::{
    At, CampaignNo, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId, PoolNo,
    ProofId, Refusal, RoundNo, Shard, Window,
};
use crate::funds::{Account, FundsRefusal, Posting};
use crate::ledger::event::{Armed, Bound, Event, KindTerms, Opened, Passed, What, codec};
use crate::ledger::machine::{Answer, Grant, No};
use ::redis::Connection;
use std::collections::BTreeMap;

const C: CampaignNo = CampaignNo(0);
const R: RoundNo = RoundNo(1);
const SHARD: Place = Place::shard(C, 0);
const IDENTITIES: Place = Place::identities(C);
const NOW: At = At(2_000);

fn event(what: What) -> Event {
    Event { campaign: C, what }
}

/// Pass, person, proofs and identifiers `who`.
fn bound(who: u8) -> Bound {
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

fn of(who: u8) -> ClaimArgs {
    let (person, pass) = (PersonId([who; 16]), PassNonce([who; 16]));
    let grant = Grant { campaign: C, round: R, kind: KindNo(0), person, pass };
    ClaimArgs { grant, pool: PoolNo(0), face: Fen::new(10) }
}

/// A campaign with an open round of three coupons, and the passes of persons 1 to 6.
fn campaign(connection: &mut Connection) {
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

fn claims(connection: &mut Connection, epoch: u64, who: &[u8]) -> ClaimReply {
    let claims: Vec<ClaimArgs> = who.iter().map(|who| of(*who)).collect();
    let claim = claim(SHARD, R, epoch, NOW, &claims).unwrap();
    ClaimReply::read(call(connection, &claim).unwrap(), &claims).unwrap()
}

fn told(reply: ClaimReply) -> Vec<Result<Answer, No>> {
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
fn dump(connection: &mut Connection) -> BTreeMap<String, Vec<u8>> {
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(connection).unwrap();
    let mut read = |key: &String| ::redis::cmd("DUMP").arg(key).query(connection).unwrap();
    keys.iter().map(|key| (key.clone(), read(key))).collect()
}

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
fn r_fund_2_i7_a_pass_pays_once_and_no_grant_is_without_money() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    // Neither can come of the rules; a grant that did not find it would be wrong all the same.
    let mut record = get(connection, SHARD, Key::Passes(R), &[1; 16]).unwrap();
    record[28] = 1;
    let mut cmd = ::redis::cmd("HSET");
    cmd.arg(SHARD.key(Key::Passes(R)))
        .arg([1_u8; 16].as_slice())
        .arg(record)
        .exec(connection)
        .unwrap();
    assert_eq!(told(claims(connection, 1, &[1])), [Err(Refusal::PassSpent.into())]);
    set(connection, SHARD, Key::Funds, "reserved:0", b"19");
    let told = told(claims(connection, 1, &[2, 3]));
    assert!(matches!(told[0], Ok(Answer::Granted(_))), "{told:?}");
    assert_eq!(told[1], Err(No::Funds(FundsRefusal::NotEnough)));
    assert_eq!(get(connection, SHARD, Key::Funds, b"reserved:0").unwrap(), b"9");
}

#[test]
fn r_cal_4_r_risk_1_limits_are_met_to_the_millisecond() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    let mut at = |now, who| {
        let claims = [of(who)];
        let reply = call(connection, &claim(SHARD, R, 1, At(now), &claims).unwrap()).unwrap();
        told(ClaimReply::read(reply, &claims).unwrap())[0]
    };
    let no = |refusal: Refusal| Err(No::Refused(refusal));
    assert_eq!(at(999, 1), no(Refusal::NotOpen { opens_in_ms: 1 }));
    assert!(matches!(at(1_000, 1), Ok(Answer::Granted(_))));
    assert!(matches!(at(4_999, 2), Ok(Answer::Granted(_))));
    assert_eq!(at(5_000, 3), no(Refusal::PassExpired));
    assert_eq!(at(8_999, 3), no(Refusal::PassExpired));
    assert_eq!(at(9_000, 3), no(Refusal::Closed));
    for (now, who, want) in
        [(4_999, 1, Ok(Answer::Bound(At(5_000)))), (5_000, 2, no(Refusal::ProofExpired))]
    {
        let reply = call(connection, &bind(C, 1, 1, At(now), &bound(who)).unwrap()).unwrap();
        let BindReply::Decided { told, .. } = BindReply::read(reply).unwrap() else { panic!() };
        assert_eq!(told, want);
    }
}

#[test]
fn r_risk_1_either_proof_makes_one_pass_of_one_person() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    let mut bind = |bound: &Bound| {
        let reply = call(connection, &bind(C, 1, 1, NOW, bound).unwrap()).unwrap();
        let BindReply::Decided { told, .. } = BindReply::read(reply).unwrap() else { panic!() };
        told
    };
    assert!(bind(&bound(1)).is_ok());
    let (one, two) = (bound(1), bound(2));
    let [slider, image] = one.proofs;
    for spent in [
        Bound { pass: one.pass, ..two.clone() },
        Bound { proofs: [slider, two.proofs[1]], ..two.clone() },
        Bound { proofs: [image, two.proofs[1]], ..two.clone() },
        Bound { proofs: [two.proofs[0], image], ..two.clone() },
        Bound { proofs: [two.proofs[0]; 2], ..two.clone() },
    ] {
        assert_eq!(bind(&spent), Err(Refusal::ProofSpent.into()), "{spent:?}");
    }
    assert_eq!(bind(&two), Ok(Answer::Bound(two.expires_at)));
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

#[test]
fn every_evaluation_is_counted() {
    let server = Server::start(&[]);
    let connection = &mut server.connect();
    campaign(connection);
    claims(connection, 1, &[1, 1, 2, 3, 4]);
    claims(connection, 1, &[5, 6]);
    // Granted, held, sold out.
    let evaluated = get(connection, SHARD, Key::Meta, b"evaluated");
    assert_eq!(evaluated, Some(number(7).unwrap()));
    assert_eq!(get(connection, SHARD, Key::Meta, b"asked"), Some(number(7).unwrap()), "moves");
    for who in [1, 1] {
        call(connection, &bind(C, 1, 1, NOW, &bound(who)).unwrap()).unwrap();
    }
    let asked = get(connection, IDENTITIES, Key::Meta, b"asked");
    assert_eq!(asked, Some(number(2).unwrap()));
}

#[test]
fn what_is_beyond_counting_is_not_sent() {
    let too_much = 1 << 53;
    let late = At(i64::try_from(too_much).unwrap());
    let face = |fen| ClaimArgs { face: Fen::new(fen), ..of(1) };
    assert!(claim(SHARD, R, too_much - 1, NOW, &[face(too_much - 1)]).is_ok());
    let mut bind_late = bound(1);
    bind_late.expires_at = late;
    let no = |call: Result<Call, NotSent>| call.unwrap_err();
    assert_eq!(no(claim(SHARD, R, 1, NOW, &[face(too_much)])), NotSent::Number);
    assert_eq!(no(claim(SHARD, R, 1, late, &[of(1)])), NotSent::Number);
    assert_eq!(no(claim(SHARD, R, 1, At(-late.0), &[of(1)])), NotSent::Number);
    assert_eq!(no(claim(SHARD, R, too_much, NOW, &[of(1)])), NotSent::Number);
    assert_eq!(no(bind(C, 1, 1, NOW, &bind_late)), NotSent::Number);
    assert_eq!(no(bind(C, 1, 1, late, &bound(1))), NotSent::Number);
    let add = Change { key: Key::Funds, field: b"x".to_vec(), op: Op::Add(late.0) };
    assert_eq!(no(mv(SHARD, 1, NOW, &[], &[add], b"", None)), NotSent::Number);
    assert_eq!(no(reopen(SHARD, 1, too_much, "")), NotSent::Number);
    assert_eq!(no(reopen(SHARD, 2, 2, "")), NotSent::Number);
    let posted = Posting {
        pool: PoolNo(0),
        from: Account::Treasury,
        to: Account::Available,
        fen: Fen::new(too_much),
    };
    let posted = [event(What::Posted(posted))];
    assert_eq!(
        changes(SHARD, Shard::ALONE, NOW, &posted, &mut About::default()),
        Err(NotSent::Number)
    );
}

#[test]
fn what_does_not_belong_together_is_not_sent() {
    let no = |claims: &[ClaimArgs]| claim(SHARD, R, 1, NOW, claims).unwrap_err();
    assert_eq!(no(&[]), NotSent::Batch(0));
    assert_eq!(no(&[of(1); 65]), NotSent::Batch(65));
    assert!(claim(SHARD, R, 1, NOW, &[of(1); 64]).is_ok());
    let other = |change: fn(&mut ClaimArgs)| {
        let mut it = of(2);
        change(&mut it);
        [of(1), it]
    };
    for wrong in [
        other(|it| it.grant.campaign = CampaignNo(1)),
        other(|it| it.grant.round = RoundNo(2)),
        other(|it| it.grant.kind = KindNo(32)),
        other(|it| it.face = Fen::new(11)),
    ] {
        assert_eq!(no(&wrong), NotSent::Misplaced, "{wrong:?}");
    }
    let of_round = |round| Compare { key: Key::Round(RoundNo(round)), field: vec![], was: None };
    let two = mv(SHARD, 1, NOW, &[of_round(1), of_round(2)], &[], b"", None);
    assert_eq!(two.unwrap_err(), NotSent::Rounds);
    let events = [event(What::Bound(bound(1)))];
    assert_eq!(
        changes(SHARD, Shard::ALONE, NOW, &events, &mut About::default()),
        Err(NotSent::Misplaced)
    );
    let events = [event(What::Passed(Passed::from(&bound(1))))];
    assert_eq!(
        changes(IDENTITIES, Shard::ALONE, NOW, &events, &mut About::default()),
        Err(NotSent::Misplaced)
    );
    let other = Place::shard(CampaignNo(1), 0);
    assert_eq!(
        changes(other, Shard::ALONE, NOW, &events, &mut About::default()),
        Err(NotSent::Misplaced)
    );
}

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
