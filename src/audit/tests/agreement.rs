//! The machine, the audit and the store are three opinions; on what the machine does by itself they agree.

use super::log::*;
use crate::audit::exit_code;
use crate::domain::calendar::Extension;
use crate::domain::*;
use crate::drain::{Drain, Handed, Step, tests::Scratch};
use crate::ledger::event::{Adjusted, Admitted, Extended, Standing, Stands, What, codec};
use crate::ledger::machine::tests::{arm, bind, decided, grant, resume};
use crate::ledger::machine::{Command, Lock, Machine, Refund, Settle};
use crate::store::{LogNo, Store, StoreUrl, Value, check_events};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;

/// Commands, each with how far the clock goes before it.
type Steps = Vec<(Command, i64)>;

/// Few, so that something happens to each.
const ORDERS: u8 = 6;

fn order(no: u8) -> RedemptionId {
    RedemptionId([no; 16])
}

/// One that most go to, and another.
fn merchant() -> impl Strategy<Value = MerchantNo> {
    prop_oneof![4 => Just(MerchantNo(7)), 1 => Just(MerchantNo(8))]
}

fn lock() -> impl Strategy<Value = Command> {
    let amount = prop_oneof![1 => Just(49), 1 => Just(50), 4 => Just(100), 1 => Just(500)];
    let choice = prop::option::of((1..5_u32, 0..2_u8));
    let lock = (0..ORDERS, merchant(), 1..5_u8, amount, choice, 1..600_u32, any::<bool>());
    lock.prop_map(|(no, merchant, who, amount, choice, lock_ms, at_once)| {
        let choice =
            choice.map(|(ordinal, kind)| CouponId { round: R, kind: KindNo(kind), ordinal });
        let (person, amount) = (PersonId([who; 16]), Fen::new(amount));
        Command::Lock(Lock { merchant, person, amount, choice, lock_ms, at_once, ..of_order(no) })
    })
}

/// Person 1's order.
fn of_order(no: u8) -> Lock {
    Lock {
        campaign: C,
        redemption: order(no),
        merchant: MerchantNo(7),
        person: PersonId([1; 16]),
        amount: Fen::new(100),
        choice: None,
        request: [no; 8],
        lock_ms: 500,
        at_once: false,
    }
}

fn refund() -> impl Strategy<Value = Command> {
    let policy = crate::plan::tests::shipped().redeem.refunds;
    let amount =
        prop_oneof![1 => Just(1), 1 => Just(25), 1 => Just(50), 5 => Just(100), 1 => Just(500)];
    (0..ORDERS, 0..40_u8, amount).prop_map(move |(no, refund, amount)| {
        let (redemption, refund) = (order(no), RefundId([refund; 16]));
        let amount = Fen::new(amount);
        Command::Refund(Refund { campaign: C, redemption, refund, amount, policy })
    })
}

/// Of merchants and of what they are paid.
fn business() -> impl Strategy<Value = Command> {
    let standings =
        [Standing::Active, Standing::Suspended, Standing::Held, Standing::SuspendedAndHeld];
    let stand = (merchant(), 0..8_usize).prop_map(move |(merchant, standing)| {
        let standing = standings.get(standing).copied().unwrap_or_default();
        Command::Stand(C, Stands { merchant, standing })
    });
    let cap = prop_oneof![Just(0), Just(0), Just(30)];
    let admit = (merchant(), cap, 1..4_u32).prop_map(|(merchant, cap, categories)| {
        let (categories, cap) = (PoolSet(categories), Fen::new(cap));
        Command::Admit(C, Admitted { merchant, categories, cap })
    });
    let batch = || (1..6_u32).prop_map(BatchNo);
    let settle = (batch(), merchant()).prop_map(|(batch, merchant)| {
        Command::Settle(Settle { campaign: C, batch, merchant, pool: PoolNo(0) })
    });
    prop_oneof![
        1 => stand,
        1 => admit,
        6 => settle,
        3 => (batch(), merchant()).prop_map(|(batch, who)| Command::Paid(C, batch, who)),
        2 => (batch(), merchant()).prop_map(|(batch, who)| Command::PaymentFailed(C, batch, who)),
    ]
}

fn step() -> impl Strategy<Value = (Command, i64)> {
    let arming = (1..3_u8, 0..4_u32, 0..3_u32).prop_map(|(round, ten, twenty)| {
        let Command::Arm(campaign, mut armed) = arm(&[ten, twenty]) else { unreachable!() };
        armed.round = RoundNo(round);
        Command::Arm(campaign, armed)
    });
    let adjust = (1..4_u32, 0..3_u32, 0..2_u32).prop_map(|(version, ten, twenty)| {
        let (round, quantities) = (RoundNo(2), vec![ten, twenty]);
        Command::Adjust(C, Adjusted { round, version, quantities })
    });
    let extend = (2..5_u8, 0..3_i64, 1..3_i64, 0..2_u32).prop_map(|(first, ended, rounds, ten)| {
        let end = |of: i64| At(10_000 * (of + 1));
        let window = |of| Window { from: end(of).plus_ms(500), until: end(of).plus_ms(9_000) };
        let windows = (ended..ended + rounds).map(window).collect();
        let (ended, ends) = (end(ended), end(ended + rounds));
        let extension = Extension { ended, ends, first: RoundNo(first), windows };
        Command::Extend(C, Extended { extension, quantities: vec![ten, 1] })
    });
    let command = prop_oneof![
        2 => arming,
        2 => adjust,
        2 => extend,
        4 => (0..6_u8, 0..6_u8).prop_map(|(who, phone)| bind(who, phone)),
        8 => (0..6_u8, 0..3_u8).prop_map(|(who, kind)| grant(who, kind)),
        1 => (1..3_u8).prop_map(|round| Command::Expire(C, RoundNo(round))),
        1 => Just(Command::Trip(C)),
        1 => (0..20_i64).prop_map(|at| decided(Command::Trip(C), "test", at)),
        3 => (0..20_i64).prop_map(resume),
        12 => lock(),
        10 => (0..ORDERS).prop_map(|no| Command::Confirm(C, order(no))),
        2 => (0..ORDERS).prop_map(|no| Command::Release(C, order(no))),
        1 => Just(Command::Lapse(C)),
        8 => refund(),
        8 => business(),
    ];
    (command, 0..250_i64)
}

/// From nothing, from where coupons are out and merchants admitted, or from where an order is settled.
fn steps() -> impl Strategy<Value = Steps> {
    let admit = |merchant| {
        let (categories, cap) = (PoolSet(0b1), Fen::ZERO);
        Command::Admit(C, Admitted { merchant: MerchantNo(merchant), categories, cap })
    };
    let mut begun: Steps = vec![(arm(&[4, 2]), 0), (admit(7), 0), (admit(8), 0)];
    begun.extend((1..5).map(|who| (bind(who, who), 0)));
    begun.push((grant(1, 0), 1_000));
    begun.extend([(2, 0), (3, 0), (4, 0), (1, 1), (2, 1)].map(|(who, kind)| (grant(who, kind), 1)));
    let mut settled = begun.clone();
    let (campaign, batch, merchant) = (C, BatchNo(1), MerchantNo(7));
    settled.extend([
        (Command::Lock(of_order(0)), 1),
        (Command::Confirm(C, order(0)), 1),
        (Command::Settle(Settle { campaign, batch, merchant, pool: PoolNo(0) }), 1),
    ]);
    let begun = prop_oneof![1 => Just(vec![]), 3 => Just(begun), 3 => Just(settled)];
    (begun, prop::collection::vec(step(), 1..120)).prop_map(|(begun, more)| [begun, more].concat())
}

/// The log of what the machine does of these, and how many grants.
fn played(steps: Steps) -> (Log, u64) {
    let mut log = Log::opened();
    let (mut now, mut grants) = (0, 0);
    for (command, passed) in steps {
        now += passed;
        grants += u64::from(log.attempt(now, &command));
    }
    (log, grants)
}

proptest! {
    #[test]
    fn whatever_the_machine_does_is_found_clean(steps in steps()) {
        let (log, grants) = played(steps);
        let audit = log.audit(None);
        prop_assert!(audit.clean, "{audit}");
        prop_assert_eq!((audit.checks[1].name, exit_code(&audit)), ("I1", 0));
        prop_assert_eq!(audit.checks[2].rows, grants);
    }
}

/// Logs that are always the same.
fn logs(count: usize) -> Vec<Log> {
    let mut runner = TestRunner::deterministic();
    let steps = steps();
    let log = |_| played(steps.new_tree(&mut runner).unwrap().current()).0;
    (0..count).map(log).collect()
}

#[test]
fn all_that_the_machine_can_do_is_among_it() {
    let mut seen = BTreeSet::new();
    for log in logs(400) {
        for entry in log.entries {
            for event in codec::decode(&entry.unwrap().body).unwrap() {
                let name = format!("{:?}", event.what);
                let name = name.split('(').next().unwrap().to_owned();
                seen.insert(match event.what {
                    What::Refunded(it) if it.owed => format!("{:?} and owed", it.coupon),
                    What::Refunded(it) => format!("{:?}", it.coupon),
                    What::Settled(it) if it.owed > Fen::ZERO => "Settled with something off".into(),
                    What::Released(it) => format!("{:?}", it.why),
                    _ => name,
                });
            }
        }
    }
    let all = [
        "Adjusted",
        "Admitted",
        "Armed",
        "AtDeadline",
        "Bound",
        "ByTill",
        "Confirmed",
        "Expired",
        "Extended",
        "Granted",
        "Interlock",
        "Issued",
        "Issued and owed",
        "Locked",
        "Opened",
        "Paid",
        "PaymentFailed",
        "Posted",
        "Returned",
        "Settled",
        "Settled with something off",
        "Stands",
        "Used",
        "Used and owed",
    ];
    let missing: Vec<_> = all.iter().filter(|name| !seen.contains(**name)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}, but {seen:?}");
}

/// What the machine says of money and stock, as the store does.
fn of_machine(machine: &Machine) -> (Vec<i64>, Vec<Vec<i64>>) {
    let pool = machine.funds(C).unwrap().pool(PoolNo(0)).unwrap();
    let money = [
        pool.budget,
        pool.available,
        pool.reserved,
        pool.frozen,
        pool.consumed,
        pool.payable,
        pool.paid,
    ];
    let stock = machine.summary(C).unwrap().rounds.into_iter().flat_map(|round| {
        let no = i64::from(round.round.0);
        let levels = (0..).zip(round.stock);
        levels.map(move |(kind, level)| {
            let counts = [level.quantity, level.granted, level.locked, level.used];
            [no, kind].into_iter().chain(counts.map(i64::from)).collect()
        })
    });
    (money.map(|fen| fen.get().cast_signed()).to_vec(), stock.collect())
}

#[tokio::test]
async fn i8_whatever_the_machine_does_has_rows_that_are_as_it_says() {
    let scratch = Scratch::new("agreement");
    for (no, log) in logs(40).into_iter().enumerate() {
        let place = StoreUrl::File(scratch.file(&format!("{no}.sqlite")));
        let store = Store::open(&place).await.unwrap();
        let source = |_| Ok(Handed::default());
        let mut drain = Drain::open(store.clone(), LogNo::EMBEDDED, source).await.unwrap();
        for entry in &log.entries {
            drain.source.push(entry.clone().unwrap());
        }
        while drain.step().await.unwrap() != Step::Empty {}
        let numbers = |row: Vec<Value>| row.iter().map(Value::number).collect::<Vec<_>>();
        let money = "SELECT budget_fen, available_fen, reserved_fen, frozen_fen, consumed_fen,
                     payable_fen, paid_fen FROM pools";
        let money = numbers(store.query(money, &[]).await.unwrap().remove(0));
        let stock = "SELECT round, kind, quantity, granted, locked, used FROM stock ORDER BY 1, 2";
        let stock = store.query(stock, &[]).await.unwrap().into_iter().map(numbers).collect();
        assert_eq!((money, stock), of_machine(log.machine()), "log {no}");
        let check = check_events(&store).await.unwrap();
        assert!(check.clean, "log {no}: {check:?}");
        store.close().await;
    }
}
