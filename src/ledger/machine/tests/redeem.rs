//! Stories of redeeming, told line by line: `at verb args -> what is told`.
//!
//! Whatever a story is about, each line is also looked at for what always holds: a refusal leaves nothing behind, the
//! money balances, the state is the fold of the events, and the events are read back as they were written.

use super::*;
use crate::domain::CouponState;
use crate::funds::FundsRefusal;
use crate::ledger::event::{
    Adjusted, Admitted, Aftermath, KindTerms, Release, Standing, Stands, codec,
};
use crate::ledger::machine::{Lock, Recall, Refund, Settle, Status};
use crate::redeem::{self, Policy};

/// How long a coupon is held in stories.
const LOCK_MS: u32 = 600;

/// The pools `retail` and `catering`; `ten` and `twenty` are of the first, `meal` is of the second.
fn two_categories() -> Command {
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

fn order(merchant: u32, name: &str) -> RedemptionId {
    redeem::redemption("test", MerchantNo(merchant), name)
}

/// A story's town: its ledger, and whose order each is.
pub(crate) struct Town {
    pub(crate) machine: Machine,
    fold: Machine,
    at: At,
    policy: Policy,
}

impl Town {
    fn open(command: &Command) -> Town {
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
    fn of_many(people: u8) -> Town {
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
            // order, merchant, person, amount, and perhaps the person and kind of the coupon that is chosen
            "lock" => Command::Lock(Lock {
                campaign: C,
                redemption: order(number(2), words[1]),
                merchant: merchant(2),
                person: PersonId([small(3); 16]),
                amount: fen(4),
                choice: (words.len() > 5).then(|| self.coupon(small(5), small(6))),
                request: [small(3); 8],
                lock_ms: LOCK_MS,
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

fn armed(round: u8, quantities: &[u32]) -> Armed {
    Armed { round: RoundNo(round), window: WINDOW, quantities: quantities.to_vec() }
}

#[track_caller]
fn check(story: &str) {
    Town::new().check(story);
}

#[test]
fn r_redeem_4_money_goes_from_frozen_to_the_merchant_by_way_of_lock_confirm_batch_and_payment() {
    check(
        "
        1000 claim 1 0          -> granted
        .    money 0            -> 30 60 10 0 0 0
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    coupon 1 0         -> locked
        .    money 0            -> 30 60 10 0 0 0
        2100 confirm a 7        -> ten confirmed at 2100
        .    coupon 1 0         -> used
        .    money 0            -> 30 60 0 10 0 0
        .    settle 1 7 0       -> 10 due less 0
        .    money 0            -> 30 60 0 0 10 0
        .    paid 1 7           -> done
        .    money 0            -> 30 60 0 0 0 10
        9000 expire             -> done
        .    money 0            -> 90 0 0 0 0 10
        ",
    );
}

#[test]
fn r_redeem_4_asking_again_changes_nothing_and_is_told_the_same() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 1          -> granted
        .    admit 7 01 0       -> done
        .    admit 7 01 0       -> done
        2000 lock a 7 1 100     -> twenty locked until 2600
        2300 lock a 7 1 100     -> twenty locked until 2600
        .    lock a 7 1 100 1 1 -> twenty locked until 2600
        2400 confirm a 7        -> twenty confirmed at 2400
        2500 confirm a 7        -> twenty confirmed at 2400
        2600 lock a 7 1 100     -> twenty confirmed at 2400
        .    release a 7        -> order_conflict
        3000 lock b 7 1 50      -> ten locked until 3600
        3100 release b 7        -> ten released at 3100 by the till
        3200 release b 7        -> ten released at 3100 by the till
        .    confirm b 7        -> lock_expired
        .    recall b 7         -> ten released at 3100 by the till
        .    coupon 1 0         -> unused
        .    money 0            -> 30 40 10 20 0 0
        ",
    );
}

#[test]
fn r_redeem_4_an_order_of_another_amount_choice_or_person_is_in_conflict_unless_it_was_released() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 1          -> granted
        .    claim 2 0          -> granted
        .    admit 7 01 0       -> done
        .    admit 8 01 0       -> done
        2000 lock a 7 1 100     -> twenty locked until 2600
        .    lock a 7 1 101     -> order_conflict
        .    lock a 7 1 100 1 0 -> order_conflict
        .    lock a 7 2 100     -> order_conflict
        .    lock a 8 2 100     -> ten locked until 2600
        2100 release a 7        -> twenty released at 2100 by the till
        2200 lock a 7 1 101 1 0 -> ten locked until 2800
        2300 confirm a 7        -> ten confirmed at 2300
        ",
    );
}

#[test]
fn r_redeem_4_a_lock_may_be_confirmed_until_its_deadline_and_not_at_it() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    lock b 7 2 50      -> ten locked until 2600
        2599 lapse              -> done
        .    confirm a 7        -> ten confirmed at 2599
        2600 confirm b 7        -> lock_expired
        .    coupon 2 0         -> locked
        .    lapse              -> done
        .    coupon 2 0         -> unused
        .    confirm b 7        -> lock_expired
        .    recall b 7         -> ten released at 2600 at its deadline
        .    release b 7        -> ten released at 2600 at its deadline
        .    confirm a 7        -> ten confirmed at 2599
        2700 lock b 7 2 50      -> ten locked until 3300
        ",
    );
}

#[test]
fn r_redeem_4_r_cal_2_a_lock_of_before_the_end_is_confirmed_after_it_and_none_is_made_at_it() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    admit 7 01 0       -> done
        8999 lock a 7 1 50      -> ten locked until 9599
        9000 lock b 7 2 50      -> coupon_expired
        .    lock b 7 2 50 2 0  -> coupon_expired
        9598 confirm a 7        -> ten confirmed at 9598
        .    money 0            -> 30 50 10 10 0 0
        .    expire             -> done
        .    money 0            -> 90 0 0 10 0 0
        ",
    );
}

#[test]
fn r_redeem_4_r_fund_2_what_is_locked_when_its_round_expires_moves_its_own_money() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    claim 3 0          -> granted
        .    claim 1 1          -> granted
        .    admit 7 01 0       -> done
        8900 lock a 7 1 50 1 0  -> ten locked until 9500
        .    lock b 7 2 50      -> ten locked until 9500
        .    lock c 7 1 100     -> twenty locked until 9500
        8950 release c 7        -> twenty released at 8950 by the till
        9000 lock d 7 1 100     -> coupon_locked
        .    money 0            -> 30 20 50 0 0 0
        .    expire             -> done
        .    money 0            -> 80 0 20 0 0 0
        .    expire             -> done
        .    money 0            -> 80 0 20 0 0 0
        9100 confirm a 7        -> ten confirmed at 9100
        .    money 0            -> 80 0 10 10 0 0
        9200 release b 7        -> ten released at 9200 by the till
        .    money 0            -> 90 0 0 10 0 0
        .    coupon 2 0         -> unused
        .    lock b 7 2 50      -> coupon_expired
        ",
    );
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        8999 lock a 7 1 50      -> ten locked until 9599
        9000 expire             -> done
        9599 confirm a 7        -> lock_expired
        .    money 0            -> 90 0 10 0 0 0
        .    lapse              -> done
        .    money 0            -> 100 0 0 0 0 0
        .    lapse              -> done
        ",
    );
    // Released before its round has expired, though past its end: the expiry gives its money back.
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        8999 lock a 7 1 50      -> ten locked until 9599
        9001 release a 7        -> ten released at 9001 by the till
        .    money 0            -> 30 60 10 0 0 0
        .    expire             -> done
        .    money 0            -> 100 0 0 0 0 0
        ",
    );
}

#[test]
fn r_kind_2_an_order_of_exactly_the_threshold_is_enough() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 49      -> below_threshold
        .    lock a 7 1 49 1 0  -> below_threshold
        .    lock a 7 1 50      -> ten locked until 1600
        ",
    );
}

#[test]
fn r_kind_3_one_coupon_pays_for_one_order() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 1          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 200     -> twenty locked until 2600
        .    lock b 7 1 200 1 1 -> coupon_locked
        .    confirm a 7        -> twenty confirmed at 2000
        .    lock b 7 1 200 1 1 -> coupon_used
        .    lock b 7 1 200     -> ten locked until 2600
        .    lock c 7 1 200     -> coupon_locked
        .    confirm b 7        -> ten confirmed at 2000
        .    lock c 7 1 200     -> coupon_used
        ",
    );
}

#[test]
fn r_kind_4_a_coupon_is_redeemed_under_its_own_category() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 2          -> granted
        .    admit 7 01 0       -> done
        .    admit 8 10 0       -> done
        .    admit 9 11 0       -> done
        .    admit 5 100 0      -> a merchant has one or more of the campaign's categories
        .    admit 5 0 0        -> a merchant has one or more of the campaign's categories
        2000 lock a 7 1 100 1 2 -> wrong_category
        .    lock a 7 1 100     -> ten locked until 2600
        .    lock a 8 1 49      -> below_threshold
        .    lock b 8 1 100 1 0 -> coupon_locked
        .    lock b 8 1 100     -> meal locked until 2600
        .    release b 8        -> meal released at 2000 by the till
        .    release a 7        -> ten released at 2000 by the till
        .    admit 8 01 0       -> done
        .    lock c 8 1 100     -> ten locked until 2600
        ",
    );
}

#[test]
fn r_redeem_3_the_largest_that_fits_is_picked_or_the_one_that_was_chosen() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 1          -> granted
        .    claim 1 2          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 99      -> ten locked until 2600
        .    release a 7        -> ten released at 2000 by the till
        .    lock a 7 1 100     -> twenty locked until 2600
        .    release a 7        -> twenty released at 2000 by the till
        .    lock a 7 1 100 1 0 -> ten locked until 2600
        ",
    );
}

#[test]
fn r_redeem_6_r_who_4_who_has_no_coupon_or_anothers_is_told_so() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 2 50      -> no_coupon
        .    lock a 7 2 50 1 0  -> not_the_holder
        .    lock a 7 2 1 1 0   -> not_the_holder
        .    claim 2 0          -> granted
        .    lock a 7 2 50 1 0  -> not_the_holder
        .    confirm a 7        -> order_unknown
        .    release a 7        -> order_unknown
        .    refund a 7 1 x     -> order_unknown
        .    recall a 7         -> order_unknown
        ",
    );
}

#[test]
fn r_merch_1_a_suspended_merchant_redeems_no_more_and_is_settled_for_what_was_before() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    claim 3 0          -> granted
        .    lock a 7 1 50      -> merchant_unknown
        .    stand 7 suspended  -> merchant_unknown
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 2 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    stand 7 suspended  -> done
        .    stand 7 suspended  -> done
        .    lock c 7 3 50      -> merchant_suspended
        .    lock a 7 1 50      -> ten confirmed at 1000
        .    admit 7 11 0       -> done
        .    lock c 7 3 50      -> merchant_suspended
        .    confirm b 7        -> ten confirmed at 1000
        .    settle 1 7 0       -> 20 due less 0
        .    stand 7 active     -> done
        .    lock c 7 3 50      -> ten locked until 1600
        ",
    );
}

#[test]
fn r_merch_2_a_held_merchant_redeems_and_is_not_settled_until_it_is_let_go() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    stand 7 held       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    settle 1 7 0       -> the merchant is held: it is not settled
        .    money 0            -> 30 60 0 10 0 0
        .    stand 7 active     -> done
        .    settle 1 7 0       -> 10 due less 0
        .    stand 7 held       -> done
        .    settle 1 7 0       -> 10 due less 0
        .    settle 2 7 0       -> the merchant is held: it is not settled
        ",
    );
}

#[test]
fn r_merch_1_a_merchants_cap_counts_what_is_locked_and_confirmed_less_what_was_taken_back() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    claim 3 1          -> granted
        .    admit 7 01 29      -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 3 100     -> merchant_cap
        .    lock b 7 2 50      -> ten locked until 1600
        .    release a 7        -> ten released at 1000 by the till
        .    lock c 7 3 100     -> merchant_cap
        .    confirm b 7        -> ten confirmed at 1000
        .    lock c 7 3 100     -> merchant_cap
        .    refund b 7 5 x     -> 1 back, used
        .    lock c 7 3 100     -> twenty locked until 1600
        .    lock a 7 1 50      -> merchant_cap
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        ",
    );
}

#[test]
fn r_redeem_5_a_full_refund_before_the_end_gives_the_coupon_back_with_its_end() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    refund a 7 50 x    -> not_confirmed
        .    confirm a 7        -> ten confirmed at 2000
        .    refund a 7 51 x    -> refund_too_large
        8999 refund a 7 50 x    -> 10 back, issued
        .    coupon 1 0         -> unused
        .    money 0            -> 30 60 10 0 0 0
        .    refund a 7 50 x    -> 10 back, issued
        .    refund a 7 49 x    -> refund_conflict
        .    refund a 7 1 y     -> refund_too_large
        .    recall a 7         -> ten confirmed at 2000, 50 paid back, 10 taken back
        .    lock a 7 1 50      -> ten confirmed at 2000, 50 paid back, 10 taken back
        .    settle 1 7 0       -> 0 due less 0
        .    lock b 7 1 50      -> ten locked until 9599
        9000 expire             -> done
        9001 confirm b 7        -> ten confirmed at 9001
        .    money 0            -> 90 0 0 10 0 0
        ",
    );
}

#[test]
fn r_redeem_5_a_full_refund_after_the_end_gives_the_money_to_the_pool_and_the_coupon_stays_expired()
{
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    confirm a 7        -> ten confirmed at 2000
        9000 refund a 7 50 x    -> 10 back, returned
        .    coupon 1 0         -> returned
        .    money 0            -> 40 60 0 0 0 0
        .    lock b 7 1 50      -> coupon_expired
        .    expire             -> done
        .    money 0            -> 100 0 0 0 0 0
        ",
    );
}

#[test]
fn r_redeem_5_fifty_parts_that_add_up_take_back_exactly_the_face_and_the_coupon_stays_used() {
    let mut town = Town::new();
    town.check(
        "
        1000 claim 1 1          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 150     -> twenty locked until 2600
        .    confirm a 7        -> twenty confirmed at 2000
        .    money 0            -> 30 50 0 20 0 0
        ",
    );
    for part in 1..=50 {
        // 3 of 150 is two fifths of a fen: nothing each time, and the last takes all.
        let back = if part == 50 { 20 } else { 0 };
        town.check(&format!("{} refund a 7 3 {part} -> {back} back, used", 2_000 + part));
    }
    town.check(
        "
        3000 refund a 7 1 more  -> refund_too_large
        .    coupon 1 1         -> used
        .    money 0            -> 50 50 0 0 0 0
        .    recall a 7         -> twenty confirmed at 2000, 150 paid back, 20 taken back
        ",
    );
}

#[test]
fn r_redeem_5_a_refund_of_one_fen_is_a_part_and_takes_back_half_up() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        2000 lock a 7 1 50      -> ten locked until 2600
        .    confirm a 7        -> ten confirmed at 2000
        .    refund a 7 0 x     -> nothing is paid back
        .    refund a 7 1 x     -> 0 back, used
        .    money 0            -> 30 60 0 10 0 0
        .    refund a 7 2 y     -> 0 back, used
        .    refund a 7 3 z     -> 1 back, used
        .    money 0            -> 31 60 0 9 0 0
        ",
    );
}

#[test]
fn r_redeem_5_a_refund_after_settlement_is_owed_and_the_next_batch_takes_it_off() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 1          -> granted
        .    claim 3 1          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 2 100     -> twenty locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    confirm b 7        -> twenty confirmed at 1000
        2000 settle 1 7 0       -> 30 due less 0
        .    paid 1 7           -> done
        .    money 0            -> 30 20 20 0 0 30
        .    refund b 7 50 x    -> 10 back, used, owed
        .    money 0            -> 30 20 20 0 0 30
        .    settle 2 7 0       -> 0 due less 0
        3000 lock c 7 3 100     -> twenty locked until 3600
        .    confirm c 7        -> twenty confirmed at 3000
        .    settle 2 7 0       -> 20 due less 10
        .    money 0            -> 40 20 0 0 10 30
        .    paid 2 7           -> done
        .    money 0            -> 40 20 0 0 0 40
        ",
    );
}

#[test]
fn r_redeem_5_what_is_owed_beyond_what_is_due_is_taken_off_later() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 1          -> granted
        .    claim 3 0          -> granted
        .    claim 4 1          -> granted
        .    admit 7 01 0       -> done
        .    lock b 7 2 100     -> twenty locked until 1600
        .    confirm b 7        -> twenty confirmed at 1000
        .    settle 1 7 0       -> 20 due less 0
        .    refund b 7 100 x   -> 20 back, issued, owed
        .    coupon 2 1         -> unused
        .    money 0            -> 10 10 60 0 20 0
        .    lock c 7 3 50      -> ten locked until 1600
        .    confirm c 7        -> ten confirmed at 1000
        .    settle 2 7 0       -> 10 due less 10
        .    money 0            -> 20 10 50 0 20 0
        .    paid 2 7           -> the batch has nothing to pay to the merchant
        .    lock d 7 4 100     -> twenty locked until 1600
        .    confirm d 7        -> twenty confirmed at 1000
        .    settle 3 7 0       -> 20 due less 10
        .    money 0            -> 30 10 30 0 30 0
        ",
    );
}

#[test]
fn r_redeem_5_r_fund_2_a_settled_coupon_comes_back_only_if_the_pool_can_freeze_its_face() {
    let mut town = Town::open(&two_categories());
    // 5 tens and 2 twenties are 90 of the pool's 100.
    town.ask(&Command::Arm(C, armed(1, &[5, 2, 1]))).unwrap();
    for who in 1..=2 {
        town.ask(&bind(who, who)).unwrap();
    }
    town.check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 1          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 2 100     -> twenty locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    confirm b 7        -> twenty confirmed at 1000
        .    settle 1 7 0       -> 30 due less 0
        .    money 0            -> 10 60 0 0 30 0
        .    refund b 7 100 x   -> funds_short
        .    coupon 2 1         -> used
        .    refund a 7 50 y    -> 10 back, issued, owed
        .    money 0            -> 0 60 10 0 30 0
        9000 expire             -> done
        .    refund b 7 100 x   -> 20 back, returned, owed
        .    money 0            -> 70 0 0 0 30 0
        ",
    );
}

#[test]
fn r_redeem_5_a_refund_number_is_one_refund_of_one_order() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    lock b 7 2 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    confirm b 7        -> ten confirmed at 1000
        .    refund a 7 25 x    -> 5 back, used
        .    refund b 7 25 x    -> refund_conflict
        .    refund a 7 25 x    -> 5 back, used
        .    refund a 7 25 y    -> 5 back, used
        .    coupon 1 0         -> used
        .    money 0            -> 40 50 0 10 0 0
        ",
    );
}

#[test]
fn r_redeem_5_the_plan_decides_what_becomes_of_the_coupon() {
    use crate::redeem::{Case, Coupon, Money, Side, Treatment};
    let mut town = Town::new();
    town.policy = Policy::of(|case: Case| {
        let owed = case.settlement == Side::After;
        let money = if owed { Money::Owed } else { Money::Pool };
        Some(Treatment { coupon: Coupon::Stays, money })
    })
    .unwrap();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    refund a 7 50 x    -> 10 back, used
        .    money 0            -> 40 60 0 0 0 0
        .    coupon 1 0         -> used
        9000 expire             -> done
        .    money 0            -> 100 0 0 0 0 0
        ",
    );
}

#[test]
fn r_redeem_4_a_dead_code_is_answered_only_if_it_was_the_orders_own() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    recall a 7 1       -> code_dead
        .    lock a 7 1 50      -> ten locked until 1600
        .    recall a 7 1       -> ten locked until 1600
        .    recall a 7 2       -> code_dead
        .    recall a 8 1       -> code_dead
        .    recall a 7         -> ten locked until 1600
        ",
    );
}

#[test]
fn r_risk_3_redeeming_is_not_stopped_when_issuing_is() {
    check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    trip               -> done
        .    claim 2 0          -> risk_control_degraded
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        ",
    );
}

#[test]
fn r_merch_1_a_batch_takes_what_is_due_once_and_pays_a_merchant_once() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 2          -> granted
        .    claim 2 0          -> granted
        .    settle 1 7 0       -> merchant_unknown
        .    admit 7 11 0       -> done
        .    settle 1 7 2       -> no such pool
        .    paid 1 7           -> the batch has nothing to pay to the merchant
        .    failed 1 7         -> the batch has nothing to pay to the merchant
        .    lock a 7 1 50 1 0  -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    lock b 7 1 100     -> meal locked until 1600
        .    confirm b 7        -> meal confirmed at 1000
        .    settle 2 7 0       -> 10 due less 0
        .    settle 2 7 0       -> 10 due less 0
        .    settle 1 7 1       -> a later batch was begun
        .    settle 2 7 1       -> 20 due less 0
        .    lock c 7 2 50      -> ten locked until 1600
        .    confirm c 7        -> ten confirmed at 1000
        .    settle 2 7 0       -> 10 due less 0
        .    money 0            -> 30 50 0 10 10 0
        .    money 1            -> 30 0 0 0 20 0
        .    failed 2 7         -> done
        .    failed 2 7         -> done
        .    money 1            -> 30 0 0 0 20 0
        .    paid 2 7           -> done
        .    money 0            -> 30 50 0 10 0 10
        .    money 1            -> 30 0 0 0 0 20
        .    paid 2 7           -> done
        .    money 1            -> 30 0 0 0 0 20
        .    failed 2 7         -> the batch has paid the merchant
        .    money 1            -> 30 0 0 0 0 20
        .    settle 3 7 0       -> 10 due less 0
        .    paid 3 7           -> done
        .    money 0            -> 30 50 0 0 0 20
        ",
    );
}

#[test]
fn r_merch_1_a_batch_takes_what_all_are_due_but_those_that_are_held() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 2 0          -> granted
        .    claim 3 0          -> granted
        .    claim 1 2          -> granted
        .    settle_due 1       -> 0 left
        .    admit 6 01 0       -> done
        .    admit 7 11 0       -> done
        .    admit 8 01 0       -> done
        .    lock a 6 1 50 1 0  -> ten locked until 1600
        .    lock b 7 2 50      -> ten locked until 1600
        .    lock c 8 3 50      -> ten locked until 1600
        .    lock d 7 1 100     -> meal locked until 1600
        .    confirm a 6        -> ten confirmed at 1000
        .    confirm b 7        -> ten confirmed at 1000
        .    confirm c 8        -> ten confirmed at 1000
        .    stand 6 held       -> done
        .    stand 8 suspended  -> done
        .    settle_due 1       -> 0 left
        .    money 0            -> 30 40 0 10 20 0
        .    confirm d 7        -> meal confirmed at 1000
        .    settle_due 1       -> 0 left
        .    money 1            -> 30 0 0 0 20 0
        .    settle_due 1       -> 0 left
        .    stand 6 active     -> done
        .    settle_due 2       -> 0 left
        .    money 0            -> 30 40 0 0 30 0
        .    settle_due 1       -> a later batch was begun
        ",
    );
}

#[test]
fn r_merch_1_a_batch_of_many_merchants_is_taken_entry_by_entry() {
    let mut town = Town::of_many(70);
    town.check("1000 admit 7 01 0 -> done");
    for who in 1..=70 {
        town.check(&format!(". admit {who} 01 0 -> done"));
        town.check(&format!(". lock a {who} {who} 50 -> ten locked until 1600"));
        town.check(&format!(". confirm a {who} -> ten confirmed at 1000"));
    }
    town.check(
        "
        .    settle_due 1       -> 10 left
        .    money 0            -> 9300 0 0 100 600 0
        .    settle_due 1       -> 0 left
        .    money 0            -> 9300 0 0 0 700 0
        ",
    );
}

#[test]
fn r_merch_1_nothing_is_added_to_a_batch_after_it_has_paid_the_merchant() {
    check(
        "
        1000 claim 1 0          -> granted
        .    claim 1 2          -> granted
        .    admit 7 11 0       -> done
        .    lock a 7 1 50 1 0  -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        .    lock b 7 1 100     -> meal locked until 1600
        .    confirm b 7        -> meal confirmed at 1000
        .    settle 1 7 0       -> 10 due less 0
        .    paid 1 7           -> done
        .    settle 1 7 1       -> the batch has paid the merchant
        .    settle 2 7 1       -> 20 due less 0
        ",
    );
}

#[test]
fn r_redeem_4_many_that_lapse_at_once_are_let_go_entry_by_entry() {
    let mut town = Town::of_many(120);
    town.check("1000 admit 7 01 0 -> done");
    for who in 1..=120 {
        town.check(&format!("8900 lock {who} 7 {who} 50 -> ten locked until 9500"));
    }
    town.check("9000 expire -> done");
    town.check(". money 0 -> 8800 0 1200 0 0 0");
    assert_eq!(town.machine.summary(C).unwrap().lapses_at, Some(At(9_500)));
    for left in [200, 0, 0] {
        town.check("9500 lapse -> done");
        town.check(&format!(". money 0 -> {} 0 {left} 0 0 0", 10_000 - left));
    }
    assert_eq!(town.machine.summary(C).unwrap().lapses_at, None);
}

#[test]
fn r_adj_1_quantities_are_decided_from_the_version_that_was_seen_and_before_the_round_is_armed() {
    let mut town = Town::open(&two_categories());
    let adjust = |town: &mut Town, version, quantities: &[u32]| {
        let quantities = quantities.to_vec();
        match town.ask(&Command::Adjust(C, Adjusted { round: R, version, quantities })) {
            Ok(answer) => format!("{answer:?}"),
            Err(No::Conflict(why)) => why.to_owned(),
            Err(other) => format!("{other:?}"),
        }
    };
    let meanwhile = "the round was adjusted meanwhile: look at it again";
    assert_eq!(adjust(&mut town, 0, &[1, 1, 1]), meanwhile);
    assert_eq!(adjust(&mut town, 2, &[1, 1, 1]), meanwhile);
    assert_eq!(adjust(&mut town, 1, &[1, 1, 1]), "Done");
    assert_eq!(adjust(&mut town, 1, &[1, 1, 1]), "Done", "the same again");
    assert_eq!(adjust(&mut town, 1, &[2, 1, 1]), meanwhile);
    assert_eq!(adjust(&mut town, 2, &[2, 1]), "a round has a quantity for each kind");
    assert_eq!(
        adjust(&mut town, 2, &[1 << 24, 0, 0]),
        "a round has fewer than 2^24 coupons of a kind"
    );
    assert_eq!(adjust(&mut town, 2, &[11, 0, 0]), "Funds(NotEnough)");
    assert_eq!(adjust(&mut town, 2, &[0, 0, 3]), "Funds(NotEnough)", "of its own pool");
    assert_eq!(adjust(&mut town, 2, &[10, 0, 2]), "Done");
    let seen = town.machine.summary(C).unwrap().adjusted;
    assert_eq!(seen, [Adjusted { round: R, version: 2, quantities: vec![10, 0, 2] }]);
    let planned = town.ask(&Command::Arm(C, armed(1, &[3, 2, 1])));
    assert_eq!(planned, Err(No::Conflict("the round's quantities were adjusted")));
    assert_eq!(town.ask(&Command::Arm(C, armed(1, &[10, 0, 2]))), Ok(Answer::Done));
    assert_eq!(adjust(&mut town, 3, &[1, 1, 1]), "the round is armed: its quantities stay");
    assert_eq!(adjust(&mut town, 2, &[10, 0, 2]), "Done", "it comes again, and was done");
    assert!(town.machine.summary(C).unwrap().adjusted.is_empty(), "nothing is left to decide");
}

#[test]
fn r_adj_1_r_fund_2_what_was_redeemed_is_in_no_later_rounds_quantities() {
    let mut town = Town::new();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        ",
    );
    let adjust = |quantities: [u32; 3]| {
        let (round, quantities) = (RoundNo(2), quantities.to_vec());
        Command::Adjust(C, Adjusted { round, version: 1, quantities })
    };
    let short = Err(No::Funds(FundsRefusal::NotEnough));
    assert_eq!(town.ask(&adjust([10, 0, 0])), short, "ten of a hundred are redeemed");
    assert_eq!(town.ask(&adjust([9, 0, 0])), Ok(Answer::Done), "what is reserved may come back");
}

#[test]
fn r_kind_2_a_campaign_of_old_goes_on_and_redeems_nothing_without_its_thresholds() {
    let Command::Open { name, pools, kinds } = two_categories() else { unreachable!() };
    let old = |it: &KindTerms| KindTerms { threshold: Fen::ZERO, ..it.clone() };
    let without = Command::Open {
        name: name.clone(),
        pools: pools.clone(),
        kinds: kinds.iter().map(old).collect(),
    };
    let mut town = Town::open(&without);
    assert_eq!(town.ask(&two_categories()), Ok(Answer::Opened(C)), "it is the plan's campaign");
    town.ask(&Command::Arm(C, armed(1, &[3, 2, 1]))).unwrap();
    town.ask(&bind(1, 1)).unwrap();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 500     -> the campaign was opened without its kinds' thresholds
        ",
    );
    let mut other = kinds;
    other[0].threshold = Fen::new(51);
    let other = Command::Open { name, pools, kinds: other };
    assert!(Town::open(&two_categories()).ask(&other).is_err(), "thresholds stay");
    assert!(Town::open(&two_categories()).ask(&without).is_err());
}

#[test]
fn r_wallet_1_the_ledger_tells_whose_coupon_an_order_has_and_what_became_of_it() {
    let mut town = Town::new();
    town.check(
        "
        1000 claim 1 0          -> granted
        .    admit 7 01 0       -> done
        .    lock a 7 1 50      -> ten locked until 1600
        ",
    );
    let state = |town: &Town| {
        let (who, held) = town.machine.paid_with(C, order(7, "a")).unwrap();
        (who.0[0], held.state)
    };
    assert_eq!(state(&town), (1, CouponState::Locked));
    town.check(". confirm a 7 -> ten confirmed at 1000");
    assert_eq!(state(&town), (1, CouponState::Used));
    assert!(town.machine.paid_with(C, order(7, "b")).is_none());
}
