//! Stories: `at verb args -> outcome`, a line each.

use crate::persons::{self, KINDS};
use crate::redeem;
use crate::stores::Stored;
use quan::domain::{
    At, CampaignNo, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId, PoolNo,
    ProofId, RoundNo, Window,
};
use quan::ledger::embedded::Outcome;
use quan::ledger::event::{Armed, Bound, KindTerms};
use quan::ledger::machine::{Answer, Command, Grant, Held, Machine, No};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

pub(crate) const R: RoundNo = RoundNo(1);

/// What a pool has, in fen.
pub(crate) const BUDGET: u64 = 100;

/// How long somebody asks again who is told to.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a ledger may live.
pub(crate) trait Home {
    /// The number that the campaign has here.
    fn campaign(&self) -> CampaignNo;
    /// What it is called here.
    fn name(&self) -> &str;
    /// Opens the campaign with that budget.
    fn open(&mut self, now: At, budget: u64) -> Outcome;
    /// Asks a node.
    fn told(&mut self, node: usize, now: At, command: Command) -> Outcome;
    /// A person's coupons as a node has them now.
    fn coupons(&mut self, node: usize, person: PersonId) -> Vec<Held>;
    /// Units of a kind that a node shows as left; a moment is given to it until it is `want`.
    fn left(&mut self, node: usize, kind: KindNo, want: u32) -> u32;
    /// Restarts something.
    fn interrupt(&mut self, _now: At) {}
    /// Whether coupons are numbered by shards.
    fn sharded(&self) -> bool {
        false
    }
    /// Ends it; what the store has then.
    fn end(&mut self) -> Option<Stored>;
}

/// What came of a step, and how long it took.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) word: String,
    pub(crate) ms: u128,
}

/// Somebody; neighbours in number are none in shards.
pub(crate) fn person(who: u8) -> PersonId {
    let mut id = [who; 16];
    id[0] = who.wrapping_mul(97);
    PersonId(id)
}

/// The opening on these terms.
pub(crate) fn opening(name: &str, budget: u64) -> Command {
    let kind = |name: &str, face| KindTerms {
        name: name.into(),
        pool: PoolNo(0),
        face: Fen::new(face),
        threshold: Fen::new(5 * face),
    };
    Command::Open {
        name: name.into(),
        pools: vec![("retail".into(), Fen::new(budget))],
        kinds: KINDS.into_iter().zip([10, 20]).map(|(name, face)| kind(name, face)).collect(),
    }
}

fn arm(no: CampaignNo, round: u8, quantities: [u8; 2]) -> Command {
    let start = if round == 1 { 0 } else { 10_000 };
    let window = Window { from: At(start + 1_000), until: At(start + 9_000) };
    let quantities = quantities.map(u32::from).to_vec();
    Command::Arm(no, Armed { round: RoundNo(round), window, quantities })
}

fn bind(no: CampaignNo, who: u8, phone: u8) -> Command {
    let hash = |label: u8, value: u8| KeyedHash([label ^ value.wrapping_mul(31); 16]);
    let bound = Bound {
        round: R,
        person: person(who),
        pass: PassNonce([who; 16]),
        kinds: KindSet(0b11),
        expires_at: At(5_000),
        proofs: [ProofId([who; 16]), ProofId([who ^ 0x80; 16])],
        identifiers: [
            (IdentifierKind::Account, hash(1, who)),
            (IdentifierKind::Phone, hash(2, phone)),
            (IdentifierKind::Card, hash(3, who)),
            (IdentifierKind::Device, hash(4, who)),
        ],
    };
    Command::Bind(no, bound)
}

fn grant(campaign: CampaignNo, who: u8, kind: u8, pass: u8) -> Command {
    let (person, pass) = (person(who), PassNonce([pass; 16]));
    Command::Grant(Grant { campaign, round: R, kind: KindNo(kind), person, pass })
}

/// An outcome in a word, and a coupon's ordinal.
pub(crate) fn word(outcome: Outcome) -> String {
    match outcome {
        Outcome::Yes(Answer::Granted(held)) => format!("granted {}", held.coupon.ordinal),
        Outcome::Yes(Answer::AlreadyHeld(held)) => format!("already_held {}", held.coupon.ordinal),
        Outcome::Yes(answer) => redeem::told(&answer).unwrap_or_else(|| "done".into()),
        Outcome::No(No::Refused(refusal)) => refusal.code().into(),
        Outcome::No(No::Funds(_)) => "not_enough".into(),
        Outcome::No(No::Conflict(_)) => "conflict".into(),
        Outcome::Unknown => "unknown".into(),
    }
}

/// What a line asks for: instant, verb, node, arguments.
fn read(line: &str) -> (At, &str, usize, Vec<&str>) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (verb, node) = words[1].split_once('@').unwrap_or((words[1], "0"));
    (At(words[0].parse().unwrap()), verb, node.parse().unwrap(), words[2..].to_vec())
}

/// The command of a line, if it is one.
pub(crate) fn command(no: CampaignNo, name: &str, line: &str) -> Option<(At, usize, Command)> {
    let (at, verb, node, args) = read(line);
    let number = |index: usize| args[index].parse::<u8>().unwrap();
    let command = match verb {
        "arm" => arm(no, 1, [number(0), number(1)]),
        "arm_2" => arm(no, 2, [number(0), number(1)]),
        "arm_3" => arm(no, 3, [number(0), number(1)]),
        "bind" => bind(no, number(0), number(1)),
        "claim" => grant(no, number(0), number(1), number(0)),
        // Kind 0 with the pass of another.
        "steal" => grant(no, number(0), 0, number(1)),
        "expire" => Command::Expire(no, R),
        "trip" => Command::Trip(no),
        "resume" => Command::Resume(no),
        _ => redeem::command(no, verb, &args)?,
    };
    Some((at, node, persons::decided(command, name, KINDS, at)))
}

/// The steps of a story; `people N` are N persons with a pass, each of whom is granted a ten at 1,000, by two nodes.
fn lines(steps: &str) -> Vec<String> {
    let mut lines = vec![];
    for line in steps.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some(people) = line.strip_prefix("people ") else {
            lines.push(line.to_owned());
            continue;
        };
        let people = 1..=people.parse::<u8>().unwrap();
        lines.extend(people.clone().map(|who| format!("10 bind {who} {who} -> done")));
        let claim = |who| format!("1000 claim@{} {who} 0 -> granted {who}", (who + 1) % 2);
        lines.extend(people.map(claim));
    }
    lines
}

/// Makes one step.
pub(crate) fn step(home: &mut dyn Home, line: &str) -> Told {
    let start = Instant::now();
    let word = if let Some((at, node, command)) = command(home.campaign(), home.name(), line) {
        word(home.told(node, at, command))
    } else {
        let (at, verb, node, args) = read(line);
        let number = |index: usize| args[index].parse::<u8>().unwrap();
        match verb {
            "open" => word(home.open(at, BUDGET + u64::from(!args.is_empty()))),
            "coupons" => home.coupons(node, person(number(0))).len().to_string(),
            "left" => home.left(node, KindNo(number(0)), number(1).into()).to_string(),
            "restart" => {
                home.interrupt(at);
                String::new()
            }
            verb => panic!("not a verb: {verb}"),
        }
    };
    Told { word, ms: start.elapsed().as_millis() }
}

/// Tells a story, with something restarted after each step if `often`; what is there at the end must be what the
/// machine has.
#[track_caller]
pub(crate) fn check(home: &mut dyn Home, name: &str, steps: &str, often: bool) {
    // What nodes warn of stands with a failure.
    let _ = tracing_subscriber::fmt().with_test_writer().try_init();
    let mut machine = Machine::default();
    machine.execute(&opening("test", BUDGET), At(0)).unwrap();
    assert_eq!(word(home.open(At(0), BUDGET)), "done");
    for line in &lines(steps) {
        let (asked, want) = line.split_once(" -> ").unwrap_or((line, ""));
        if let Some((at, _, command)) = command(CampaignNo(0), "test", asked) {
            let outcome = machine.execute(&command, at);
            let outcome = outcome.map_or_else(Outcome::No, |it| Outcome::Yes(it.answer));
            assert_eq!(word(outcome), want, "{name}, the machine: {line}");
        }
        let mut told = step(home, asked);
        // After a restart issuing is stopped until the logs are recovered; what is not known in time is known later.
        let (start, mut was_unknown) = (Instant::now(), false);
        let passes = |word: &str| matches!(word, "risk_control_degraded" | "unknown");
        while passes(&told.word) && told.word != want && start.elapsed() < PATIENCE {
            was_unknown |= told.word == "unknown";
            sleep(Duration::from_millis(50));
            told = step(home, asked);
        }
        if was_unknown && want.starts_with("granted") {
            told.word = told.word.replace("already_held", "granted");
        }
        let short = |word: &str| word.split(' ').next().unwrap_or_default().to_owned();
        let numbered = want.starts_with("granted") || want.starts_with("already_held");
        let (is, want) = if home.sharded() && numbered {
            (short(&told.word), short(want))
        } else {
            (told.word, want.to_owned())
        };
        assert_eq!(is, want, "{name}: {line}, after {} ms", told.ms);
        if often {
            home.interrupt(read(asked).0);
        }
    }
    let known = |held: &Held| {
        let state = format!("{:?}", held.state);
        (held.coupon.round, held.coupon.kind, held.starts_at, held.ends_at, state)
    };
    for who in (0..10).map(person) {
        let mut is: Vec<_> = home.coupons(0, who).iter().map(known).collect();
        let mine = machine.holders().filter(|(_, person, _)| *person == who);
        let mut want: Vec<_> = mine.map(|(.., held)| known(&held)).collect();
        is.sort_unstable();
        want.sort_unstable();
        assert_eq!(is, want, "{name}: coupons of {who:?}");
    }
    if let Some(stored) = home.end() {
        stored.is_a_fold();
        stored.has_what(&machine);
    }
}
