//! A shard among several: what it receives, sends and grants.

use super::super::about::About;
use super::super::effects::changes;
use super::super::keys::{Key, Place, shard_of};
use super::super::scripts::{ClaimArgs, ClaimReply, MoveReply, claim, mv};
use super::node::{Site, person, wait_until};
use super::restore::restored_as;
use super::server::Server;
use super::shard::{begin_as, body, call, get, happen, log};
use crate::domain::{
    At, CampaignNo, Fen, KindNo, KindSet, PassNonce, PersonId, PoolNo, Refusal, RoundNo, Shard,
    Window,
};
use crate::funds::{Account, Posting};
use crate::ledger::embedded::Outcome;
use crate::ledger::event::{Armed, Event, KindTerms, Load, Opened, Passed, Transfer, What, codec};
use crate::ledger::machine::{Answer, Command, Grant, Machine, tests};
use crate::ledger::service::Ledger;
use ::redis::Connection;

const C: CampaignNo = CampaignNo(0);
const R: RoundNo = RoundNo(1);
const SHARD: Shard = Shard { no: 1, of: 3 };
const PLACE: Place = Place::shard(C, 1);

fn event(what: What) -> Event {
    Event { campaign: C, what }
}

fn post(from: Account, to: Account, fen: u64) -> Event {
    event(What::Posted(Posting { pool: PoolNo(0), from, to, fen: Fen::new(fen) }))
}

fn stock(number: u32, units: u32) -> Transfer {
    let window = Window { from: At(10), until: At(90) };
    let load = Load::Stock { round: R, window, kind: KindNo(0), units };
    Transfer { peer: 0, number, load }
}

/// Money goes to shard 2.
fn funds() -> Vec<Event> {
    let funds = Transfer { peer: 2, number: 1, load: Load::Funds { pool: PoolNo(0) } };
    vec![event(What::Sent(funds)), post(Account::Available, Account::Treasury, 5)]
}

fn passed(who: u8) -> Event {
    event(What::Passed(Passed {
        round: R,
        person: PersonId([who; 16]),
        pass: PassNonce([who; 16]),
        kinds: KindSet(1),
        expires_at: At(80),
    }))
}

/// Stock with its money comes twice, money and stock go on, and three persons come. An entry each.
fn story() -> Vec<Vec<Event>> {
    use Account::{Available, Reserved, Treasury};
    let kind = KindTerms {
        name: "ten".into(),
        pool: PoolNo(0),
        face: Fen::new(10),
        threshold: Fen::new(50),
    };
    let (name, pools, kinds) = ("a".into(), vec!["p".into()], vec![kind]);
    let received = |stock, money, reserved| {
        let money = post(Treasury, Available, money);
        vec![event(What::Received(stock)), money, post(Available, Reserved, reserved)]
    };
    let sent = event(What::Sent(stock(1, 2)));
    let mut story = vec![
        vec![event(What::Opened(Opened { name, pools, kinds, shard: SHARD }))],
        received(stock(1, 3), 30, 30),
        received(stock(2, 1), 17, 10),
        funds(),
        vec![sent, post(Reserved, Available, 20), post(Available, Treasury, 20)],
    ];
    story.extend((1..=3).map(|who| vec![passed(who)]));
    story
}

/// Makes the story happen, in Redis and in the machine.
fn told(connection: &mut Connection) -> Machine {
    let mut machine = Machine::default();
    for (at, events) in (1..).map(At).zip(story()) {
        for event in &events {
            machine.apply(event, at);
        }
        if let What::Opened(_) = events[0].what {
            begin_as(connection, PLACE, SHARD, at, &events);
            continue;
        }
        let changes = changes(PLACE, SHARD, at, &events, &mut About::default()).unwrap();
        let mv = mv(PLACE, 1, at, &[], &changes, &body(&events), None).unwrap();
        let reply = MoveReply::read(call(connection, &mv).unwrap()).unwrap();
        assert!(matches!(reply, MoveReply::Moved { .. }), "{reply:?}");
    }
    machine
}

#[test]
fn i1_a_shard_among_several_grants_in_its_turns_what_it_was_sent() {
    let (server, empty) = (Server::start(&[]), Server::start(&[]));
    let (connection, empty) = (&mut server.connect(), &mut empty.connect());
    let mut machine = told(connection);
    let claims: Vec<ClaimArgs> = (1..=3)
        .map(|who| {
            let (person, pass) = (PersonId([who; 16]), PassNonce([who; 16]));
            let grant = Grant { campaign: C, round: R, kind: KindNo(0), person, pass };
            ClaimArgs { grant, pool: PoolNo(0), face: Fen::new(10) }
        })
        .collect();
    let asked = claim(PLACE, R, 1, At(20), &claims).unwrap();
    let reply = ClaimReply::read(call(connection, &asked).unwrap(), &claims).unwrap();
    let ClaimReply::Decided { outcomes, .. } = reply else { panic!("{reply:?}") };
    for (claim, outcome) in claims.iter().zip(&outcomes) {
        let machines = machine.execute(&Command::Grant(claim.grant), At(20)).map(|it| it.answer);
        assert_eq!(outcome.told, machines);
    }
    let ordinals = outcomes.iter().map(|it| match it.told {
        Ok(Answer::Granted(held)) => held.coupon.ordinal,
        _ => 0,
    });
    assert_eq!(ordinals.collect::<Vec<_>>(), [2, 5, 0]);
    let pool = machine.funds(C).unwrap().pool(PoolNo(0)).unwrap();
    let fen = |fen: Fen| fen.get().to_string();
    for (key, field, want) in [
        (Key::Funds, "budget:0", fen(pool.budget)),
        (Key::Funds, "available:0", fen(pool.available)),
        (Key::Funds, "reserved:0", fen(pool.reserved)),
        (Key::Funds, "frozen:0", fen(pool.frozen)),
        (Key::Round(R), "left:0", "0".into()),
        (Key::Meta, "round:1", "1".into()),
        (Key::Meta, "received:0", "2".into()),
        (Key::Meta, "sent:0", "1".into()),
        (Key::Meta, "sent:2", "1".into()),
    ] {
        assert_eq!(get(connection, PLACE, key, field.as_bytes()).unwrap(), want.as_bytes());
    }
    let sent = get(connection, PLACE, Key::Transit, b"2:1").unwrap();
    assert_eq!(codec::decode(&sent).unwrap(), funds(), "what is sent is kept with its money");
    restored_as(connection, empty, PLACE, SHARD, 1);
}

#[test]
fn r_fund_2_i5_what_a_shard_receives_after_a_round_has_expired_there_gives_its_money_back() {
    let site = Site::start();
    let node = site.node("first", 3);
    site.granted(&node, tests::arm(&[6, 0]));
    let connection = &mut site.redis.connect().unwrap();
    let (first, last) = (Place::shard(C, 0), Place::shard(C, 2));
    let mut machine = Machine::default();
    for logged in log(connection, first, 1) {
        for event in codec::decode(&logged.entry.body).unwrap() {
            machine.apply(&event, logged.entry.at);
        }
    }
    // Another node has the round expire, and comes to the first shard before a third one, whose clock is behind, has the
    // last send a unit there.
    let ends = machine.summary(C).unwrap().rounds[0].window;
    let expired = machine.decide(&Command::Expire(C, R), ends.until).unwrap().events;
    let load = Load::Stock { round: R, window: ends, kind: KindNo(0), units: 1 };
    let sent = event(What::Sent(Transfer { peer: 0, number: 1, load }));
    let sent = [sent, post(Account::Reserved, Account::Treasury, 10)];
    for (place, events) in [(first, &expired[..]), (last, &sent)] {
        let reply = happen(connection, place, ends.until, events);
        assert!(matches!(reply, MoveReply::Moved { .. }), "{reply:?}");
    }
    let mut of_first = |key, field: &[u8]| get(connection, first, key, field);
    wait_until("it is received", || of_first(Key::Meta, b"received:2").is_some());
    assert_eq!(of_first(Key::Funds, b"reserved:0").unwrap(), b"0");
    assert_eq!(of_first(Key::Funds, b"available:0").unwrap(), b"70");
}

#[test]
fn r_claim_2_a_round_that_is_over_is_closed_in_a_shard_that_was_never_told_of_it() {
    let site = Site::start();
    let node = site.node("first", 3);
    // Armed by a node that died before it told the other shards; it is 1,000 here.
    let window = Window { from: At(10), until: At(900) };
    let armed = What::Armed(Armed { round: R, window, quantities: vec![6, 0] });
    let armed = [event(armed), post(Account::Available, Account::Reserved, 60)];
    let connection = &mut site.redis.connect().unwrap();
    let reply = happen(connection, Place::shard(C, 0), At(20), &armed);
    assert!(matches!(reply, MoveReply::Moved { .. }), "{reply:?}");
    let shows = || node.view().campaign(C).is_some_and(|it| it.round(R).is_some());
    wait_until("it is read", shows);
    let who = (1..=u8::MAX).find(|who| shard_of(person(*who), 3) != 0).unwrap();
    let told = site.told(&node, tests::grant(who, 0));
    assert_eq!(told, Outcome::No(Refusal::Closed.into()));
    site.granted(&node, Command::Trip(C));
    let told = site.told(&node, tests::grant(who, 0));
    assert_eq!(told, Outcome::No(Refusal::RiskControlDegraded.into()));
}
