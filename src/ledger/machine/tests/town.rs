//! Stories of redeeming, told line by line: `at verb args -> what is told`.
//!
//! Whatever a story is about, each line is also looked at for what always holds: a refusal leaves nothing behind, the
//! money balances, the state is the fold of the events, and the events are read back as they were written.

use super::*;
use crate::ledger::event::{Admitted, Aftermath, KindTerms, Release, Standing, Stands, codec};
use crate::ledger::machine::{Lock, Recall, Refund, Settle, Status};
use crate::redeem::{self, Policy};

/// How long a coupon is held in stories.
const LOCK_MS: u32 = 600;

/// The pools `retail` and `catering`; `ten` and `twenty` are of the first, `meal` is of the second.
pub(super) fn two_categories() -> Command {
    let kind = |name: &str, pool, face| KindTerms {
        name: name.into(),
        pool: PoolNo(pool),
        face: Fen::new(face),
        threshold: Fen::new(5 * face),
    };
    Command::Open {
        name: "test".into(),
        pools: vec![("retail".into(), Fen::new(100)), ("catering".into(), Fen::new(50))],
        kinds: vec![kind("ten", 0, 10), kind("twenty", 0, 20), kind("meal", 1, 20)],
    }
}

fn shipped() -> Policy {
    crate::plan::tests::shipped().redeem.refunds
}

pub(super) fn order(merchant: u32, name: &str) -> RedemptionId {
    redeem::redemption("test", MerchantNo(merchant), name)
}

/// A story's town: its ledger, and whose order each is.
pub(crate) struct Town {
    pub(crate) machine: Machine,
    fold: Machine,
    at: At,
    pub(super) policy: Policy,
}

impl Town {
    pub(super) fn open(command: &Command) -> Town {
        let (machine, fold) = (Machine::default(), Machine::default());
        let mut town = Town { machine, fold, at: At(0), policy: shipped() };
        town.ask(command).unwrap();
        town
    }

    /// Persons 1 to 4 have passes; round 1 is armed with three tens, two twenties and a meal.
    pub(crate) fn new() -> Town {
        let mut town = Town::open(&two_categories());
        town.ask(&Command::Arm(C, armed(1, &[3, 2, 1]))).unwrap();
        for who in 1..=4 {
            let Command::Bind(_, mut bound) = bind(who, who) else { unreachable!() };
            bound.kinds = KindSet(0b111);
            town.ask(&Command::Bind(C, bound)).unwrap();
        }
        town
    }

    /// So many persons with a ten each, of a pool of 10,000.
    pub(super) fn of_many(people: u8) -> Town {
        let Command::Open { name, mut pools, kinds } = two_categories() else { unreachable!() };
        pools[0].1 = Fen::new(10_000);
        let mut town = Town::open(&Command::Open { name, pools, kinds });
        town.ask(&Command::Arm(C, armed(1, &[people.into(), 0, 0]))).unwrap();
        town.at = At(1_000);
        for who in 1..=people {
            town.ask(&bind(who, who)).unwrap();
            town.ask(&grant(who, 0)).unwrap();
        }
        town
    }

    pub(crate) fn decide(&self, command: &Command) -> Result<Decision, No> {
        self.machine.decide(command, self.at)
    }

    pub(crate) fn ask(&mut self, command: &Command) -> Result<Answer, No> {
        let before = self.machine.clone();
        let done = self.machine.execute(command, self.at);
        match &done {
            Err(_) => assert_eq!(self.machine, before, "a refusal leaves nothing behind"),
            Ok(decision) => {
                let read = decision.events.is_empty()
                    || codec::decode(&codec::encode(&decision.events).unwrap()).unwrap()
                        == decision.events;
                assert!(read, "{decision:?}");
                assert!(decision.events.len() <= 256, "an entry's lines are numbered by a byte");
                for event in &decision.events {
                    self.fold.apply(event, self.machine.last_at());
                }
                assert_eq!(self.machine, self.fold, "{command:?}");
            }
        }
        self.sound();
        done.map(|it| it.answer)
    }

    /// What is frozen is what coupons that are out are worth, and what is due to merchants is consumed.
    fn sound(&self) {
        let Ok(summary) = self.machine.summary(C) else { return };
        assert!(summary.funds.balanced());
        let faces = [10, 20, 20];
        let mut frozen = [0; 2];
        for round in &summary.rounds {
            for (kind, level) in round.stock.iter().enumerate() {
                let unused = if round.expired { 0 } else { level.unused() };
                frozen[kind / 2] += u64::from(unused + level.locked) * faces[kind];
            }
        }
        let stands = |pool| summary.funds.pool(PoolNo(pool)).unwrap().frozen.get();
        assert_eq!([stands(0), stands(1)], frozen, "frozen");
    }

    fn coupon(&self, who: u8, kind: u8) -> CouponId {
        let mut held = self.machine.holders();
        let mine =
            held.find(|(_, it, held)| it.0[0] == who && held.coupon.kind == KindNo(kind)).unwrap();
        mine.2.coupon
    }

    fn money(&self, pool: u8) -> [u64; 6] {
        let it = *self.machine.funds(C).unwrap().pool(PoolNo(pool)).unwrap();
        [it.available, it.reserved, it.frozen, it.consumed, it.payable, it.paid].map(Fen::get)
    }

    /// One line without its instant.
    fn tell(&mut self, words: &[&str]) -> String {
        let number = |at: usize| words[at].parse::<u32>().unwrap();
        let small = |at: usize| words[at].parse::<u8>().unwrap();
        let fen = |at: usize| Fen::new(words[at].parse().unwrap());
        let merchant = |at: usize| MerchantNo(number(at));
        let command = match words[0] {
            "claim" => grant(small(1), small(2)),
            "expire" => Command::Expire(C, R),
            "trip" => Command::Trip(C),
            "lapse" => Command::Lapse(C),
            "admit" => {
                let categories = PoolSet(u32::from_str_radix(words[2], 2).unwrap());
                Command::Admit(C, Admitted { merchant: merchant(1), categories, cap: fen(3) })
            }
            "stand" => {
                let standing = match words[2] {
                    "active" => Standing::Active,
                    "suspended" => Standing::Suspended,
                    "held" => Standing::Held,
                    other => panic!("{other}"),
                };
                Command::Stand(C, Stands { merchant: merchant(1), standing })
            }
            // order, merchant, person, amount, and perhaps the person and kind of the coupon that is chosen;
            // paid at once, if it is
            "lock" | "pay" => Command::Lock(Lock {
                campaign: C,
                redemption: order(number(2), words[1]),
                merchant: merchant(2),
                person: PersonId([small(3); 16]),
                amount: fen(4),
                choice: (words.len() > 5).then(|| self.coupon(small(5), small(6))),
                request: [small(3); 8],
                lock_ms: LOCK_MS,
                at_once: words[0] == "pay",
            }),
            // order, merchant, and perhaps the request
            "recall" => Command::Recall(Recall {
                campaign: C,
                redemption: order(number(2), words[1]),
                request: (words.len() > 3).then(|| [small(3); 8]),
            }),
            "confirm" => Command::Confirm(C, order(number(2), words[1])),
            "release" => Command::Release(C, order(number(2), words[1])),
            // order, merchant, amount, number of the refund
            "refund" => {
                let redemption = order(number(2), words[1]);
                let refund = redeem::refund_id(order(1, "any"), words[4]);
                let (amount, policy) = (fen(3), self.policy);
                Command::Refund(Refund { campaign: C, redemption, refund, amount, policy })
            }
            "settle" => {
                let (batch, pool) = (BatchNo(number(1)), PoolNo(small(3)));
                Command::Settle(Settle { campaign: C, batch, merchant: merchant(2), pool })
            }
            "settle_due" => Command::SettleDue(C, BatchNo(number(1))),
            "paid" => Command::Paid(C, BatchNo(number(1)), merchant(2)),
            "failed" => Command::PaymentFailed(C, BatchNo(number(1)), merchant(2)),
            "money" => return self.money(small(1)).map(|it| it.to_string()).join(" "),
            "coupon" => {
                let coupon = self.coupon(small(1), small(2));
                let holders = self.machine.holders();
                let held = holders.into_iter().find(|it| it.2.coupon == coupon).unwrap().2;
                return format!("{:?}", held.state).to_lowercase();
            }
            verb => panic!("not a verb: {verb}"),
        };
        match self.ask(&command) {
            Ok(Answer::Granted(_)) => "granted".into(),
            Ok(Answer::Redemption(it)) => {
                let status = match it.status {
                    Status::Locked { until } => format!("locked until {}", until.0),
                    Status::Confirmed { at } => format!("confirmed at {}", at.0),
                    Status::Released { at, why: Release::ByTill } => {
                        format!("released at {} by the till", at.0)
                    }
                    Status::Released { at, why: Release::AtDeadline } => {
                        format!("released at {} at its deadline", at.0)
                    }
                };
                let back = match it.refunded.get() {
                    0 => String::new(),
                    refunded => format!(", {refunded} paid back, {} taken back", it.back.get()),
                };
                format!(
                    "{} {status}{back}",
                    ["ten", "twenty", "meal"][usize::from(it.coupon.kind.0)]
                )
            }
            Ok(Answer::Refunded(it)) => {
                let coupon = match it.coupon {
                    Aftermath::Used => "used",
                    Aftermath::Issued => "issued",
                    Aftermath::Returned => "returned",
                };
                format!("{} back, {coupon}{}", it.back.get(), if it.owed { ", owed" } else { "" })
            }
            Ok(Answer::Settled(it)) => format!("{} due less {}", it.consumed.get(), it.owed.get()),
            Ok(Answer::Left(left)) => format!("{left} left"),
            Ok(_) => "done".into(),
            Err(No::Refused(refusal)) => refusal.code().into(),
            Err(No::Funds(refusal)) => format!("{refusal:?}"),
            Err(No::Conflict(why)) => why.into(),
        }
    }

    /// Runs a story. An instant of `.` is the one before.
    #[track_caller]
    pub(crate) fn check(&mut self, story: &str) {
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (words, want) = line.split_once(" -> ").unwrap();
            let words: Vec<&str> = words.split_whitespace().collect();
            if words[0] != "." {
                self.at = At(words[0].parse().unwrap());
            }
            assert_eq!(self.tell(&words[1..]), want, "{line}");
        }
    }
}

pub(super) fn armed(round: u8, quantities: &[u32]) -> Armed {
    Armed { round: RoundNo(round), window: WINDOW, quantities: quantities.to_vec() }
}

#[track_caller]
pub(super) fn check(story: &str) {
    Town::new().check(story);
}
