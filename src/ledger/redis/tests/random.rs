//! Random commands to the machine and to the scripts: every answer must be the same, and so must what
//! stands in the keys after each story. `PROPTEST_CASES=10000` makes it more.

use super::super::about::About;
use super::super::effects::{Compare, account, changes, holder, of_kind};
use super::super::keys::{Key, Place};
use super::super::scripts::{BindReply, ClaimArgs, ClaimReply, MoveReply, bind, claim, mv};
use super::commands;
use super::restore::restored_as;
use super::server::Server;
use super::shard::{begin, body, call, happen, hash, log};
use crate::domain::{
    At, CampaignNo, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId, PoolNo,
    ProofId, Refusal, RoundNo, Shard,
};
use crate::funds::Account;
use crate::ledger::event::{Bound, Event, KindTerms, Opened, Passed, What, codec};
use crate::ledger::machine::{Answer, Command, Grant, Machine, No};
use ::redis::Connection;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

/// Every campaign is the first of its own machine.
const FIRST: CampaignNo = CampaignNo(0);

/// One campaign, as the rules have it and as Redis has it.
struct Campaign {
    name: String,
    kinds: Vec<KindTerms>,
    pools: usize,
    machine: Machine,
    /// The shard's log, folded.
    fold: Machine,
    seq: u64,
    evaluated: u64,
}

struct World<'a> {
    connection: &'a mut Connection,
    campaigns: Vec<Campaign>,
}

type Told = Result<Answer, No>;

impl World<'_> {
    /// Answers of the machine, and of the scripts, to commands at one instant.
    fn tell(&mut self, commands: &[Command], now: At) -> Vec<(Told, Told)> {
        if let [Command::Open { name, .. }] = commands {
            let no = self.campaigns.iter().position(|it| it.name == *name);
            return vec![match no {
                Some(no) => self.other(no, &commands[0], now),
                None => self.open(&commands[0], now),
            }];
        }
        let no = usize::from(campaign(&commands[0]).0);
        let there = no < self.campaigns.len();
        let (first, grant) = (commands[0].clone(), matches!(commands[0], Command::Grant(_)));
        match first {
            _ if grant => self.grants(no, commands, now),
            Command::Bind(_, bound) => vec![self.bind(no, &bound, now)],
            command if there => vec![self.other(no, &command, now)],
            _ => vec![(unknown(), unknown())],
        }
    }

    fn open(&mut self, command: &Command, now: At) -> (Told, Told) {
        let mut machine = Machine::default();
        let no = self.campaigns.len();
        let campaign = CampaignNo(u16::try_from(no).unwrap());
        let decision = match machine.execute(command, now) {
            Err(no) => return (Err(no), Err(no)),
            Ok(decision) => decision,
        };
        let events = numbered(&decision.events, campaign);
        let What::Opened(opened) = &events[0].what else { panic!("an opening comes first") };
        let Opened { name, pools, kinds, .. } = opened.clone();
        begin(self.connection, Place::shard(campaign, 0), now, &events);
        begin(self.connection, Place::identities(campaign), now, &events[..1]);
        let (pools, fold) = (pools.len(), Machine::default());
        self.campaigns.push(Campaign { name, kinds, pools, machine, fold, seq: 0, evaluated: 0 });
        self.follow(no);
        (Ok(decision.answer), Ok(Answer::Opened(FIRST)))
    }

    /// What the machine decides and `move` makes happen: decided on the fold of the log.
    fn other(&mut self, no: usize, command: &Command, now: At) -> (Told, Told) {
        let place = Place::shard(CampaignNo(u16::try_from(no).unwrap()), 0);
        let campaign = &mut self.campaigns[no];
        let command = renumbered(command);
        let machines = campaign.machine.execute(&command, now).map(|it| it.answer);
        let decided = campaign.fold.decide(&command, now.max(campaign.fold.last_at()));
        let Ok(decision) = decided else { return (machines, Err(decided.unwrap_err())) };
        if !decision.events.is_empty() {
            let events = numbered(&decision.events, place.campaign);
            let reply = happen(self.connection, place, now, &events);
            assert!(matches!(reply, MoveReply::Moved { .. }), "{reply:?}");
            self.campaigns[no].evaluated += 1;
            self.follow(no);
        }
        (machines, Ok(decision.answer))
    }

    fn bind(&mut self, no: usize, bound: &Bound, now: At) -> (Told, Told) {
        let number = CampaignNo(u16::try_from(no).unwrap());
        let Some(campaign) = self.campaigns.get_mut(no) else {
            let bind = bind(number, 1, 1, now, bound).unwrap();
            let reply = BindReply::read(call(self.connection, &bind).unwrap()).unwrap();
            assert_eq!(reply, BindReply::Absent);
            return (unknown(), unknown());
        };
        // Two logs, two times: where they meet, the later counts.
        let now = now.max(campaign.fold.last_at());
        let command = Command::Bind(FIRST, bound.clone());
        let machines = campaign.machine.execute(&command, now).map(|it| it.answer);
        let bind = bind(number, campaign.kinds.len(), 1, now, bound).unwrap();
        let reply = BindReply::read(call(self.connection, &bind).unwrap()).unwrap();
        let BindReply::Decided { told, epoch: 1, .. } = reply else { panic!("{reply:?}") };
        if let Ok(Answer::Bound(expires_at)) = told {
            let passed = Passed { expires_at, ..Passed::from(bound) };
            let events = [Event { campaign: number, what: What::Passed(passed) }];
            let place = Place::shard(number, 0);
            let changes =
                changes(place, Shard::ALONE, now, &events, &mut About::default()).unwrap();
            let field = bound.pass.0.to_vec();
            let new = Compare { key: Key::Passes(bound.round), field, was: None };
            let mv = mv(place, 1, now, &[new], &changes, &body(&events), None).unwrap();
            let reply = MoveReply::read(call(self.connection, &mv).unwrap()).unwrap();
            // Of a pass that is there already nothing happens again.
            let ok = matches!(reply, MoveReply::Moved { .. } | MoveReply::Changed { which: 0 });
            assert!(ok, "{reply:?}");
            self.campaigns[no].evaluated += 1;
            self.follow(no);
        }
        (machines, told)
    }

    fn grants(&mut self, no: usize, commands: &[Command], now: At) -> Vec<(Told, Told)> {
        let number = CampaignNo(u16::try_from(no).unwrap());
        let grants: Vec<Grant> = commands.iter().map(grant_of).collect();
        // Of a campaign that is not there Redis is asked all the same.
        let (pool, face, threshold) = (PoolNo(0), Fen::ZERO, Fen::ZERO);
        let any = vec![KindTerms { name: String::new(), pool, face, threshold }];
        let kinds = self.campaigns.get(no).map_or(any, |it| it.kinds.clone());
        let args = |grant: &Grant| {
            let terms = kinds.get(usize::from(grant.kind.0))?;
            Some(ClaimArgs { grant: *grant, pool: terms.pool, face: terms.face })
        };
        let claims: Vec<ClaimArgs> = grants.iter().filter_map(args).collect();
        let mut outcomes = vec![].into_iter();
        if !claims.is_empty() {
            let claim = claim(Place::shard(number, 0), grants[0].round, 1, now, &claims).unwrap();
            let reply = call(self.connection, &claim).unwrap();
            match ClaimReply::read(reply, &claims).unwrap() {
                ClaimReply::Decided { outcomes: told, epoch: 1, .. } => outcomes = told.into_iter(),
                reply => {
                    assert_eq!((reply, no < self.campaigns.len()), (ClaimReply::Absent, false));
                }
            }
        }
        let Some(campaign) = self.campaigns.get_mut(no) else {
            return grants.iter().map(|_| (unknown(), unknown())).collect();
        };
        campaign.evaluated += claims.len() as u64;
        let (mut told, mut seq) = (vec![], campaign.seq);
        for grant in &grants {
            let command = Command::Grant(Grant { campaign: FIRST, ..*grant });
            let machines = campaign.machine.execute(&command, now).map(|it| it.answer);
            let scripts = if usize::from(grant.kind.0) < kinds.len() {
                let outcome = outcomes.next().unwrap();
                let left = campaign.machine.left(FIRST, grant.round, grant.kind);
                assert_eq!(outcome.left, left.unwrap_or(0), "{grant:?}");
                if let Ok(Answer::Granted(_)) = outcome.told {
                    seq += 1;
                    assert_eq!(outcome.seq, Some(seq));
                } else {
                    assert_eq!(outcome.seq, None);
                }
                outcome.told
            } else {
                Err(Refusal::KindUnknown.into())
            };
            told.push((machines, scripts));
        }
        self.follow(no);
        assert_eq!(self.campaigns[no].seq, seq);
        told
    }

    /// Reads what is new in a shard's log.
    fn follow(&mut self, no: usize) {
        let place = Place::shard(CampaignNo(u16::try_from(no).unwrap()), 0);
        let campaign = &mut self.campaigns[no];
        for logged in log(self.connection, place, campaign.seq + 1) {
            for event in codec::decode(&logged.entry.body).unwrap() {
                campaign.fold.apply(&Event { campaign: FIRST, ..event }, logged.entry.at);
            }
            // An opening comes before the first epoch.
            assert_eq!(logged.epoch, u64::from(logged.entry.seq > 1));
            campaign.seq = logged.entry.seq;
        }
    }

    /// The keys are what the fold of the log is, and what the machine is.
    fn keys_are_the_fold(&mut self) {
        for (no, campaign) in (0..).zip(&self.campaigns) {
            let place = Place::shard(CampaignNo(no), 0);
            let mut read = |key| hash(self.connection, place, key);
            let number = |hash: &BTreeMap<Vec<u8>, Vec<u8>>, field: &[u8]| -> i64 {
                hash.get(field).map_or(0, |it| str::from_utf8(it).unwrap().parse().unwrap())
            };
            let fold = &campaign.fold;
            let (summary, meta) = (fold.summary(FIRST).unwrap(), read(Key::Meta));
            assert_eq!(summary, campaign.machine.summary(FIRST).unwrap());
            assert_eq!(number(&meta, b"tripped") == 1, summary.tripped);
            assert_eq!(number(&meta, b"at"), fold.last_at().0);
            assert_eq!(number(&meta, b"seq"), i64::try_from(campaign.seq).unwrap());
            let evaluated = number(&meta, b"evaluated") + number(&meta, b"asked");
            assert_eq!(evaluated, i64::try_from(campaign.evaluated).unwrap());
            let funds = read(Key::Funds);
            for pool in (0..campaign.pools).map(|pool| PoolNo(u8::try_from(pool).unwrap())) {
                let want = fold.funds(FIRST).unwrap().pool(pool).unwrap();
                let stands = |of| number(&funds, &account(of, pool));
                let is =
                    [Account::Treasury, Account::Available, Account::Reserved, Account::Frozen];
                let want = [want.budget, want.available, want.reserved, want.frozen];
                let want = want.map(|fen| i64::try_from(fen.get()).unwrap());
                assert_eq!(is.map(stands), want, "{pool:?}");
            }
            let (mut holders, mut passes) = (BTreeMap::new(), BTreeMap::new());
            for round in (1..=commands::ROUNDS).map(RoundNo) {
                let is = read(Key::Round(round));
                let armed = summary.round(round);
                assert_eq!(is.contains_key(b"from".as_slice()), armed.is_some());
                let it = format!("round:{}", round.0);
                assert_eq!(number(&meta, it.as_bytes()) == 1, armed.is_some());
                if let Some(armed) = armed {
                    let window = [number(&is, b"from"), number(&is, b"until")];
                    assert_eq!(window, [armed.window.from.0, armed.window.until.0]);
                    assert_eq!(number(&is, b"expired") == 1, armed.expired);
                    for (kind, level) in armed.stock.iter().enumerate() {
                        let is = ["left", "granted", "last"]
                            .map(|name| number(&is, &of_kind(name, kind)));
                        let want = [level.left(), level.granted, level.granted].map(i64::from);
                        assert_eq!(is, want);
                    }
                }
                holders
                    .extend(read(Key::Holders(round)).into_iter().map(|it| ((round, it.0), it.1)));
                passes.extend(read(Key::Passes(round)).into_iter().map(|it| ((round, it.0), it.1)));
            }
            assert_eq!(fold.holders().count(), holders.len());
            for (_, person, held) in fold.holders() {
                let record = &holders[&(held.coupon.round, holder(person, held.coupon.kind))];
                assert_eq!(record[..4], held.coupon.ordinal.to_le_bytes());
                assert_eq!(record[4..12], held.starts_at.0.to_le_bytes());
                assert_eq!(record[12..20], held.ends_at.0.to_le_bytes());
                assert_eq!(record.len(), 36);
            }
            assert_eq!(fold.passes(FIRST).count(), passes.len());
            for (passed, spent) in fold.passes(FIRST) {
                let record = &passes[&(passed.round, passed.pass.0.to_vec())];
                assert_eq!(record[..16], passed.person.0);
                assert_eq!(record[16..20], passed.kinds.0.to_le_bytes());
                assert_eq!(record[20..28], passed.expires_at.0.to_le_bytes());
                assert_eq!(record[28..], spent.0.to_le_bytes());
            }
        }
    }
}

fn unknown() -> Told {
    Err(Refusal::CampaignUnknown.into())
}

fn campaign(command: &Command) -> CampaignNo {
    match command {
        Command::Open { .. } => FIRST,
        Command::Arm(no, _)
        | Command::Bind(no, _)
        | Command::Expire(no, _)
        | Command::Trip(no)
        | Command::Resume(no) => *no,
        Command::Grant(grant) => grant.campaign,
        Command::Decided(it) => campaign(&it.1),
        other => unreachable!("no story redeems: {other:?}"),
    }
}

fn renumbered(command: &Command) -> Command {
    match command.clone() {
        Command::Arm(_, armed) => Command::Arm(FIRST, armed),
        Command::Expire(_, round) => Command::Expire(FIRST, round),
        Command::Trip(_) => Command::Trip(FIRST),
        Command::Resume(_) => Command::Resume(FIRST),
        other => other,
    }
}

fn numbered(events: &[Event], campaign: CampaignNo) -> Vec<Event> {
    events.iter().map(|event| Event { campaign, ..event.clone() }).collect()
}

fn grant_of(command: &Command) -> Grant {
    match command {
        Command::Grant(grant) => *grant,
        other => panic!("{other:?} is not a grant"),
    }
}

/// A story into which, after its opening and arming, a rush may come: passes for all, then claims of most
/// kinds at once.
fn story() -> impl Strategy<Value = Vec<(Command, i64)>> {
    let rush = prop::collection::vec((0..6_u8, 0..3_u8, prop::bool::weighted(0.1)), 1..60);
    (commands::story(), prop::option::of(rush)).prop_map(|(mut steps, rush)| {
        let rush = rush.into_iter().flat_map(|claims| {
            let binds = (0..6).map(|who| (Command::Bind(FIRST, pass(who)), 0));
            let claims = claims.into_iter().map(|(person, kind, strange)| {
                let pass = PassNonce([if strange { person ^ 1 } else { person }; 16]);
                let (person, kind) = (PersonId([person; 16]), KindNo(kind));
                (
                    Command::Grant(Grant {
                        campaign: FIRST,
                        round: RoundNo(1),
                        kind,
                        person,
                        pass,
                    }),
                    0,
                )
            });
            binds.chain([(Command::Resume(FIRST), 250)]).chain(claims).collect::<Vec<_>>()
        });
        let at = steps.len().min(2);
        steps.splice(at..at, rush);
        steps
    })
}

/// The pass of person `who` in round 1.
fn pass(who: u8) -> Bound {
    let hash = KeyedHash([who; 16]);
    Bound {
        round: RoundNo(1),
        person: PersonId([who; 16]),
        pass: PassNonce([who; 16]),
        kinds: KindSet(if who < 4 { 0b111 } else { 0b101 }),
        expires_at: At(if who == 3 { 100 } else { 5_000 }),
        proofs: [ProofId([who; 16]), ProofId([who | 0x80; 16])],
        identifiers: [
            (IdentifierKind::Account, hash),
            (IdentifierKind::Phone, hash),
            (IdentifierKind::Card, hash),
            (IdentifierKind::Device, hash),
        ],
    }
}

/// Most grants of one round that follow each other are one batch.
fn batches(steps: Vec<(Command, i64)>) -> Vec<(Vec<Command>, i64)> {
    let mut batches: Vec<(Vec<Command>, i64)> = vec![];
    for (nth, (command, passed)) in steps.into_iter().enumerate() {
        let same = |a: &Command, b: &Command| match (a, b) {
            (Command::Grant(a), Command::Grant(b)) => {
                (a.campaign, a.round) == (b.campaign, b.round)
            }
            _ => false,
        };
        match batches.last_mut() {
            Some((batch, before)) if nth % 16 != 0 && same(&batch[0], &command) => {
                batch.push(command);
                *before += passed;
            }
            _ => batches.push((vec![command], passed)),
        }
    }
    batches
}

#[test]
fn r_claim_1_i1_i2_i5_i7_the_scripts_answer_as_the_machine_does() {
    let (from, to) =
        (Server::start(&["--appendonly", "no"]), Server::start(&["--appendonly", "no"]));
    let connection = RefCell::new((from.connect(), to.connect()));
    let seen = RefCell::new(BTreeMap::<&str, u64>::new());
    let most = Cell::new(0);
    let config = Config { failure_persistence: None, ..Config::with_cases(cases()) };
    TestRunner::new(config)
        .run(&story(), |steps| {
            let (from, to) = &mut *connection.borrow_mut();
            ::redis::cmd("FLUSHALL").exec(from).unwrap();
            let mut world = World { connection: from, campaigns: vec![] };
            let mut now = 0;
            for (commands, passed) in batches(steps) {
                now += passed;
                let longest = commands.len().max(most.get());
                most.set(longest);
                for (machines, scripts) in world.tell(&commands, At(now)) {
                    prop_assert_eq!(&machines, &scripts, "{:?} at {}", commands, now);
                    *seen.borrow_mut().entry(commands::word(&machines)).or_default() += 1;
                }
            }
            world.keys_are_the_fold();
            let campaigns = u16::try_from(world.campaigns.len()).unwrap();
            for no in (0..campaigns).map(CampaignNo) {
                restored_as(from, to, Place::shard(no, 0), Shard::ALONE, commands::ROUNDS);
                restored_as(from, to, Place::identities(no), Shard::ALONE, commands::ROUNDS);
            }
            Ok(())
        })
        .unwrap_or_else(|why| panic!("{why}"));
    let (seen, most) = (seen.into_inner(), most.into_inner());
    println!("{} stories, up to {most} claims at once: {seen:?}", cases());
    for word in commands::WORDS {
        assert!(seen.contains_key(word), "no story got to {word:?}: {seen:?}");
    }
    assert!(most > 5, "no batch of some size");
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(200)
}
