//! Random stories of redeeming in one shard: what the machine decides on what stands in the keys is what it decides on the
//! fold of the log. `PROPTEST_CASES=10000` makes it more.

use super::super::about::About;
use super::super::effects::{changes, of_merchant, of_pool};
use super::super::fields::{self, Fields};
use super::super::keys::{Key, Place};
use super::super::records::{Slot, read_line, read_roll, read_state, read_terms};
use super::super::scripts::{ClaimArgs, ClaimReply, MoveReply, claim, mv};
use super::commands;
use super::restore::restored_as;
use super::server::Server;
use super::shard::{begin, body, call, log, seen};
use super::stories;
use crate::domain::{
    At, CampaignNo, CouponState, Fen, MerchantNo, PersonId, PoolNo, RedemptionId, RoundNo, Shard,
};
use crate::ledger::event::{Admitted, Event, Passed, Refunded, Standing as MayDo, What, codec};
use crate::ledger::machine::{
    Answer, Command, Decision, Dues, Grant, Held, Line, Machine, Merchant, No, Order, Sketch,
};
use ::redis::Connection;
use proptest::test_runner::{Config, TestRunner};
use std::{cell::RefCell, collections::BTreeMap};

const C: CampaignNo = CampaignNo(0);
const SHARD: Place = Place::shard(C, 0);

type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

fn text(hash: &Hash) -> Fields {
    hash.iter().map(|(name, it)| (String::from_utf8(name.clone()).unwrap(), it.clone())).collect()
}

/// What stands in the keys of the shard.
struct Keys {
    /// `meta`, `funds`, `orders`, `refunds`, `merchants`, `lines`.
    all: [Hash; 6],
    /// By round: itself, its holders, their coupons' states.
    rounds: BTreeMap<RoundNo, [Hash; 3]>,
}

impl Keys {
    fn read(connection: &mut Connection) -> Keys {
        let mut pipe = ::redis::pipe();
        for key in [Key::Meta, Key::Funds, Key::Orders, Key::Refunds, Key::Merchants, Key::Lines] {
            pipe.hgetall(SHARD.key(key));
        }
        let all: [Hash; 6] = pipe.query(connection).unwrap();
        let meta = text(&all[0]);
        let rounds = meta.keys().filter_map(|name| fields::round(name)).map(|round| {
            let mut pipe = ::redis::pipe();
            for key in [Key::Round(round), Key::Holders(round), Key::States(round)] {
                pipe.hgetall(SHARD.key(key));
            }
            (round, pipe.query(connection).unwrap())
        });
        Keys { rounds: rounds.collect(), all }
    }

    fn number<T: std::str::FromStr>(hash: &Hash, field: &[u8]) -> Option<T> {
        str::from_utf8(hash.get(field)?).unwrap().parse().ok()
    }

    fn holders(&self) -> Vec<(PersonId, Held)> {
        let mut holders = vec![];
        for (round, [_, records, states]) in &self.rounds {
            for (field, record) in records {
                let (person, held) = fields::holder(*round, field, record).unwrap();
                let state = read_state(states.get(field).map(Vec::as_slice)).unwrap();
                holders.push((person, Held { state, ..held }));
            }
        }
        holders
    }

    fn merchants(&self, pools: usize) -> Vec<(MerchantNo, Merchant)> {
        let all = &self.all[4];
        let number = |field: &[u8]| Keys::number::<u64>(all, field).unwrap_or(0);
        let pools = u8::try_from(pools).unwrap();
        let named = |name: &[u8]| -> Option<MerchantNo> {
            Some(MerchantNo(str::from_utf8(name).ok()?.strip_prefix("terms:")?.parse().ok()?))
        };
        let of = |(no, terms): (MerchantNo, &Vec<u8>)| {
            let (categories, cap) = read_terms(terms).unwrap();
            let standing = Keys::number(all, &of_merchant("standing", no));
            let pools = (0..pools).map(PoolNo).map(|pool| {
                let [due, owed, settlements] =
                    ["due", "owed", "settlements"].map(|name| number(&of_pool(name, no, pool)));
                let settlements = u32::try_from(settlements).unwrap();
                (pool, Dues { due: Fen::new(due), owed: Fen::new(owed), settlements })
            });
            let merchant = Merchant {
                categories,
                cap,
                standing: standing.map_or_else(MayDo::default, |it| MayDo::of(it).unwrap()),
                word_at: Keys::number(all, &of_merchant("word", no)).map(At),
                redeemed: Fen::ZERO,
                pools: pools.collect(),
            };
            (no, merchant)
        };
        all.iter().filter_map(|(name, terms)| Some((named(name)?, terms))).map(of).collect()
    }

    fn orders(&self) -> Vec<(RedemptionId, Order)> {
        let order = |(field, slot): (&Vec<u8>, &Vec<u8>)| {
            let no = RedemptionId(field.as_slice().try_into().unwrap());
            (no, Slot::decode(slot).unwrap().order.unwrap())
        };
        self.all[2].iter().map(order).collect()
    }

    fn refunds(&self) -> Vec<Refunded> {
        let refund = |said: &Vec<u8>| match codec::decode(said).unwrap()[0].what {
            What::Refunded(it) => it,
            ref other => panic!("{other:?}"),
        };
        self.all[3].values().map(refund).collect()
    }

    fn lines(&self) -> Vec<Line> {
        self.all[5].iter().map(|(name, line)| read_line(name, line).unwrap()).collect()
    }

    /// A machine that knows of the campaign what the keys say.
    fn sketch(&self) -> Sketch {
        let rounds: BTreeMap<RoundNo, Fields> =
            self.rounds.iter().map(|(no, [round, ..])| (*no, text(round))).collect();
        let [meta, funds] = [0, 1].map(|at| text(&self.all[at]));
        let standing = fields::standing(&meta, Some(&funds), rounds.iter()).unwrap();
        let opened = standing.opened.unwrap();
        let unarmed = standing.adjusted.values().filter(|it| !rounds.contains_key(&it.round));
        Sketch {
            adjusted: unarmed.cloned().collect(),
            extended: standing.extended.values().cloned().collect(),
            funds: standing.funds,
            tripped: standing.tripped,
            word_at: standing.word_at,
            roll: meta.get("roll").map(|roll| read_roll(roll).unwrap()),
            rounds: standing.rounds.into_values().collect(),
            expired: vec![],
            last_at: standing.at.unwrap(),
            holders: self.holders(),
            merchants: self.merchants(opened.pools.len()),
            opened,
            lines: self.lines(),
            latest: None,
            orders: self.orders(),
            refunds: self.refunds(),
        }
    }
}

/// One shard, and the fold of its log.
struct World<'a> {
    connection: &'a mut Connection,
    machine: Machine,
    about: About,
    seq: u64,
}

impl World<'_> {
    fn open<'a>(connection: &'a mut Connection, open: &Command) -> World<'a> {
        let events = Machine::default().decide(open, At(0)).unwrap().events;
        begin(connection, SHARD, At(0), &events);
        let (machine, about) = (Machine::default(), About::default());
        let mut world = World { connection, machine, about, seq: 0 };
        world.follow();
        world
    }

    /// Reads what is new in the log.
    fn follow(&mut self) {
        for logged in log(self.connection, SHARD, self.seq + 1) {
            for event in codec::decode(&logged.entry.body).unwrap() {
                self.machine.apply(&event, logged.entry.at);
                let _ = self.about.take(&event.what, logged.entry.at);
            }
            self.seq = logged.entry.seq;
        }
    }

    /// What is decided on a command, by the keys as by the fold, and made.
    fn tell(&mut self, command: &Command, now: At) -> Result<Answer, No> {
        let now = now.max(self.machine.last_at());
        match command {
            Command::Grant(grant) => return self.grant(grant, now),
            // The log of the identities has proofs and identifiers; this one has the pass.
            Command::Bind(C, bound) => {
                let decided = self.machine.decide(command, now)?;
                let passed = What::Passed(Passed::from(bound));
                let event = Event { campaign: C, what: passed };
                self.make(
                    if decided.events.is_empty() { &[] } else { std::slice::from_ref(&event) },
                    now,
                );
                return Ok(decided.answer);
            }
            _ => {}
        }
        let sketch = Keys::read(self.connection).sketch();
        let by_keys = Machine::from(sketch).decide(command, now);
        let decided = self.machine.decide(command, now);
        assert_eq!(by_keys, decided, "{command:?} at {now:?}");
        let Decision { events, answer } = decided?;
        self.make(&events, now);
        Ok(answer)
    }

    fn make(&mut self, events: &[Event], now: At) {
        if events.is_empty() {
            return;
        }
        let changes = changes(SHARD, Shard::ALONE, now, events, &mut self.about.clone()).unwrap();
        let compares = seen(self.connection, SHARD, &changes);
        let Ok(call_of) = mv(SHARD, 1, now, &compares, &changes, &body(events), None) else {
            // A script is about one round; who lapses orders of two makes two entries of it.
            assert!(events.iter().all(|it| matches!(it.what, What::Released(_) | What::Posted(_))));
            return;
        };
        let reply = MoveReply::read(call(self.connection, &call_of).unwrap()).unwrap();
        assert!(matches!(reply, MoveReply::Moved { .. }), "{events:?}: {reply:?}");
        self.follow();
    }

    fn grant(&mut self, grant: &Grant, now: At) -> Result<Answer, No> {
        let told = self.machine.decide(&Command::Grant(*grant), now).map(|it| it.answer);
        let terms = self.machine.kinds(grant.campaign);
        let terms = terms.and_then(|kinds| kinds.get(usize::from(grant.kind.0)));
        if let Some(terms) = terms {
            let claims = [ClaimArgs { grant: *grant, pool: terms.pool, face: terms.face }];
            let call_of = claim(SHARD, grant.round, 1, now, &claims).unwrap();
            let reply = call(self.connection, &call_of).unwrap();
            let ClaimReply::Decided { outcomes, .. } = ClaimReply::read(reply, &claims).unwrap()
            else {
                panic!("{grant:?} is not decided")
            };
            // A coupon that is held is shown without what became of it, which stands elsewhere.
            let unused = |told: &Result<Answer, No>| match *told {
                Ok(Answer::AlreadyHeld(held)) => {
                    Ok(Answer::AlreadyHeld(Held { state: CouponState::default(), ..held }))
                }
                other => other,
            };
            assert_eq!(unused(&outcomes[0].told), unused(&told), "{grant:?} at {now:?}");
            self.follow();
        }
        told
    }
}

/// A merchant's cap is counted among the identities: here there is none.
fn without_cap(command: &Command) -> Command {
    match command {
        Command::Admit(no, it) => Command::Admit(*no, Admitted { cap: Fen::ZERO, ..*it }),
        other => other.clone(),
    }
}

#[test]
fn r_redeem_4_r_redeem_5_i4_i5_i6_the_keys_say_what_the_machine_knows() {
    let (from, to) =
        (Server::start(&["--appendonly", "no"]), Server::start(&["--appendonly", "no"]));
    let connection = RefCell::new((from.connect(), to.connect()));
    let words = RefCell::new(BTreeMap::<&str, u64>::new());
    let cases = std::env::var("PROPTEST_CASES").map_or(100, |it| it.parse().unwrap());
    let config =
        Config { failure_persistence: None, max_shrink_iters: 200, ..Config::with_cases(cases) };
    TestRunner::new(config)
        .run(&stories::story(), |steps| {
            let (from, to) = &mut *connection.borrow_mut();
            ::redis::cmd("FLUSHALL").exec(from).unwrap();
            let mut world = World::open(from, &steps[0].0);
            let mut now = 0;
            for (command, passed) in &steps[1..] {
                now += passed;
                if matches!(command, Command::Open { .. }) {
                    continue;
                }
                let told = world.tell(&without_cap(command), At(now));
                *words.borrow_mut().entry(commands::word(&told)).or_default() += 1;
            }
            restored_as(from, to, SHARD, Shard::ALONE, commands::ROUNDS);
            Ok(())
        })
        .unwrap_or_else(|why| panic!("{why}"));
    let words = words.into_inner();
    println!("{cases} stories: {words:?}");
    for word in stories::WORDS.into_iter().filter(|it| *it != "merchant_cap") {
        assert!(words.contains_key(word), "no story got to {word:?}: {words:?}");
    }
}
