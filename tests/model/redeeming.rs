//! Random commands about orders, merchants and batches, few enough of each that they meet.

use super::commands::{self, ROUNDS};
use proptest::prelude::*;
use quan::domain::{
    At, BatchNo, CampaignNo, CouponId, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, MerchantNo,
    PassNonce, PersonId, PoolNo, PoolSet, ProofId, RedemptionId, RefundId, RoundNo, Window,
    calendar::Extension,
};
use quan::ledger::event::{
    Adjusted, Admitted, Armed, Bound, Extended, KindTerms, Standing, Stands,
};
use quan::ledger::machine::{Command, Grant, Lock, Recall, Refund, Settle};
use quan::redeem::{Case, Coupon, Money, Part, Policy, Side, Treatment};

const C: CampaignNo = CampaignNo(0);
const R: RoundNo = RoundNo(1);
/// All instants are whole ticks.
const TICK: i64 = 10;
/// When something happens in a story, after its beginning.
const MOMENTS: std::ops::Range<usize> = 0..120;
/// The merchant at which most happens.
const SHOP: u32 = 7;

/// Every word of an answer that stories of redeeming must get to, beside those of other stories.
pub(crate) const WORDS: [&str; 22] = [
    "redemption",
    "refunded",
    "settled",
    "left",
    "coupon_expired",
    "wrong_category",
    "below_threshold",
    "merchant_unknown",
    "merchant_suspended",
    "merchant_cap",
    "no_coupon",
    "coupon_used",
    "coupon_locked",
    "not_the_holder",
    "order_conflict",
    "order_unknown",
    "lock_expired",
    "refund_too_large",
    "refund_conflict",
    "funds_short",
    "not_confirmed",
    "code_dead",
];

/// A story in which people hold coupons soon, of pools that have little beyond them.
pub(crate) fn story() -> impl Strategy<Value = Vec<(Command, i64)>> {
    let quantities = prop::collection::vec(1..6_u32, 3);
    let slack = (0..25_u64, 0..10_u64);
    let visits = prop::collection::vec(visit(), 5..25);
    let steps = prop::collection::vec(step(), 10..80);
    (quantities, slack, 60..200_i64, visits, steps).prop_map(
        |(quantities, slack, length, visits, steps)| {
            let mut story = vec![
                (open(&quantities, slack), 0),
                (arm(1, quantities, length), 0),
                (admit(SHOP, 0b11, 0), 0),
            ];
            story.extend((0..5).map(|who| (Command::Bind(C, pass(who)), 0)));
            story.extend((0..5).flat_map(|who| (0..3).map(move |kind| (grant(who, kind), TICK))));
            // What people do goes on beside what others do.
            let mut rest: Vec<_> = visits.into_iter().flatten().chain(steps).collect();
            rest.sort_by_key(|(moment, ..)| *moment);
            story.extend(rest.into_iter().map(|(_, command, passed)| (command, passed)));
            story
        },
    )
}

fn open(quantities: &[u32], (p, q): (u64, u64)) -> Command {
    let kind = |name: &str, pool, face| KindTerms {
        name: name.into(),
        pool: PoolNo(pool),
        face: Fen::new(face),
        threshold: Fen::new(5 * face),
    };
    let [ten, twenty, seven] = [0, 1, 2].map(|kind| u64::from(quantities[kind]));
    Command::Open {
        name: "a".into(),
        pools: vec![
            ("p".to_owned(), Fen::new(10 * ten + 20 * twenty + p)),
            ("q".to_owned(), Fen::new(7 * seven + q)),
        ],
        kinds: vec![kind("ten", 0, 10), kind("twenty", 0, 20), kind("seven", 1, 7)],
    }
}

fn arm(round: u8, quantities: Vec<u32>, length: i64) -> Command {
    let window = Window { from: At(0), until: At(length * TICK) };
    Command::Arm(C, Armed { round: RoundNo(round), window, quantities })
}

fn pass(who: u8) -> Bound {
    let hash = KeyedHash([who; 16]);
    Bound {
        round: R,
        person: PersonId([who; 16]),
        pass: PassNonce([who; 16]),
        kinds: KindSet(0b111),
        expires_at: At(100_000),
        proofs: [ProofId([who; 16]), ProofId([who | 0x80; 16])],
        identifiers: [
            (IdentifierKind::Account, hash),
            (IdentifierKind::Phone, hash),
            (IdentifierKind::Card, hash),
            (IdentifierKind::Device, hash),
        ],
    }
}

fn grant(who: u8, kind: u8) -> Command {
    let (person, pass) = (PersonId([who; 16]), PassNonce([who; 16]));
    Command::Grant(Grant { campaign: C, round: R, kind: KindNo(kind), person, pass })
}

fn admit(merchant: u32, categories: u32, cap: u64) -> Command {
    let (merchant, categories) = (MerchantNo(merchant), PoolSet(categories));
    Command::Admit(C, Admitted { merchant, categories, cap: Fen::new(cap) })
}

/// When a command comes among the others of its story, and how far the clock goes before it.
type Step = (usize, Command, i64);

/// An order from its lock on, as far as it gets: confirmed, settled, paid back at once or in parts.
fn visit() -> impl Strategy<Value = Vec<Step>> {
    let amount = prop_oneof![1 => Just(50_u64), 3 => Just(100), 1 => Just(35)];
    let refunds = prop_oneof![
        3 => Just(vec![]),
        4 => Just(vec![100]),
        2 => prop::collection::vec(1..60_u64, 1..5),
    ];
    let begins = (MOMENTS, merchant(), 0..15_u8, 0..5_u8, amount);
    let goes_on = (prop::bool::weighted(0.9), prop::bool::weighted(0.4), 1..4_u32, refunds);
    let gaps = prop::collection::vec((0..8_usize, 0..2_i64), 9);
    (begins, goes_on, gaps).prop_map(
        |((begin, merchant, no, who, amount), (confirmed, settled, batch, refunds), gaps)| {
            let redemption = id(merchant, no);
            let mut commands = vec![Command::Lock(Lock {
                campaign: C,
                redemption,
                merchant,
                person: PersonId([who; 16]),
                amount: Fen::new(amount),
                choice: None,
                request: [who; 8],
                lock_ms: 300,
                at_once: false,
            })];
            if confirmed {
                commands.push(Command::Confirm(C, redemption));
            }
            if settled {
                commands.extend((0..2).map(|pool| {
                    let (batch, pool) = (BatchNo(batch), PoolNo(pool));
                    Command::Settle(Settle { campaign: C, batch, merchant, pool })
                }));
            }
            commands.extend((0..).zip(refunds).map(|(part, percent)| {
                let refund = RefundId([no + 50 * part; 16]);
                let (amount, policy) = (Fen::new(amount * percent / 100), policy(false));
                Command::Refund(Refund { campaign: C, redemption, refund, amount, policy })
            }));
            let mut moment = begin;
            let steps = commands.into_iter().zip(gaps).map(|(command, (gap, ticks))| {
                moment += gap;
                (moment, command, ticks * TICK)
            });
            steps.collect()
        },
    )
}

/// A command and how far the clock goes before it; it may go back.
fn step() -> impl Strategy<Value = Step> {
    let command = prop_oneof![
        30 => lock(),
        24 => (campaign(), order()).prop_map(|(no, id)| Command::Confirm(no, id)),
        8 => (campaign(), order()).prop_map(|(no, id)| Command::Release(no, id)),
        6 => recall(),
        20 => refund(),
        8 => settle(),
        4 => (campaign(), batch()).prop_map(|(no, batch)| Command::SettleDue(no, batch)),
        3 => (campaign(), batch(), merchant()).prop_map(|(no, it, who)| Command::Paid(no, it, who)),
        2 => (campaign(), batch(), merchant())
            .prop_map(|(no, it, who)| Command::PaymentFailed(no, it, who)),
        3 => campaign().prop_map(Command::Lapse),
        3 => prop_oneof![5 => Just(R), 1 => Just(RoundNo(2))]
            .prop_map(|round| Command::Expire(C, round)),
        4 => stand(),
        3 => admits(),
        3 => adjust(),
        3 => extend(),
        2 => (1..4_u8, prop::collection::vec(0..3_u32, 3), 60..300_i64)
            .prop_map(|(round, quantities, length)| arm(round, quantities, length)),
        4 => (0..5_u8, 0..3_u8).prop_map(|(who, kind)| grant(who, kind)),
        1 => prop_oneof![Just(Command::Trip(C)), Just(Command::Resume(C))],
        // Anything else that can be asked, in rounds without coupons.
        3 => commands::story().prop_filter_map("a step", |steps| steps.into_iter().next_back()
            .map(|(command, _)| command)),
    ];
    let passed = prop_oneof![30 => 0..3_i64, 3 => -6..0_i64, 1 => 10..60_i64];
    (MOMENTS, command, passed.prop_map(|tens| tens * TICK))
}

fn campaign() -> impl Strategy<Value = CampaignNo> {
    prop_oneof![40 => Just(C), 1 => Just(CampaignNo(2))]
}

fn merchant() -> impl Strategy<Value = MerchantNo> {
    prop_oneof![12 => Just(SHOP), 4 => Just(8), 1 => Just(9)].prop_map(MerchantNo)
}

fn batch() -> impl Strategy<Value = BatchNo> {
    prop_oneof![4 => Just(1), 3 => Just(2), 2 => Just(3)].prop_map(BatchNo)
}

/// The redemption of order `no` at a merchant.
fn id(MerchantNo(merchant): MerchantNo, no: u8) -> RedemptionId {
    let mut id = [no; 16];
    id[0] = u8::try_from(merchant).unwrap_or(0);
    RedemptionId(id)
}

fn order() -> impl Strategy<Value = RedemptionId> {
    (merchant(), 0..15_u8).prop_map(|(merchant, no)| id(merchant, no))
}

fn amount() -> impl Strategy<Value = Fen> {
    const AMOUNTS: [u64; 8] = [34, 35, 49, 50, 99, 100, 101, 150];
    prop_oneof![1 => Just(0), 20 => prop::sample::select(&AMOUNTS[..])].prop_map(Fen::new)
}

fn coupon() -> impl Strategy<Value = CouponId> {
    (prop_oneof![20 => Just(1_u8), 1 => Just(2)], 0..4_u8, 1..6_u32).prop_map(
        |(round, kind, ordinal)| CouponId { round: RoundNo(round), kind: KindNo(kind), ordinal },
    )
}

fn lock() -> impl Strategy<Value = Command> {
    let choice = prop::option::weighted(0.3, coupon());
    let who = prop_oneof![30 => 0..5_u8, 1 => Just(9)];
    let redemption = (merchant(), 0..15_u8);
    let at_once = prop::bool::weighted(0.3);
    (campaign(), redemption, who, amount(), choice, 0..30_u32, 0..3_u8, at_once).prop_map(
        |(campaign, (merchant, no), who, amount, choice, ticks, request, at_once)| {
            Command::Lock(Lock {
                campaign,
                redemption: id(merchant, no),
                merchant,
                person: PersonId([who; 16]),
                amount,
                choice,
                request: [request; 8],
                lock_ms: ticks * 10,
                at_once,
            })
        },
    )
}

fn recall() -> impl Strategy<Value = Command> {
    let request = prop::option::of((0..3_u8).prop_map(|request| [request; 8]));
    (campaign(), order(), request).prop_map(|(campaign, redemption, request)| {
        Command::Recall(Recall { campaign, redemption, request })
    })
}

fn refund() -> impl Strategy<Value = Command> {
    let part = prop_oneof![1 => Just(Fen::ZERO), 8 => (1..50_u64).prop_map(Fen::new)];
    let amount = prop_oneof![1 => part, 1 => amount()];
    (campaign(), order(), 0..60_u8, amount, prop::bool::weighted(0.2)).prop_map(
        |(campaign, redemption, refund, amount, stays)| {
            Command::Refund(Refund {
                campaign,
                redemption,
                refund: RefundId([refund; 16]),
                amount,
                policy: policy(stays),
            })
        },
    )
}

/// As the plan has it, or one by which coupons never come back.
fn policy(stays: bool) -> Policy {
    let row = |case: Case| {
        let back = case.part == Part::Full && !stays;
        let coupon = if back { Coupon::Back } else { Coupon::Stays };
        let money = match (case.settlement, case.end) {
            (Side::After, _) => Money::Owed,
            (Side::Before, Side::Before) if back => Money::Frozen,
            (Side::Before, _) => Money::Pool,
        };
        Some(Treatment { coupon, money })
    };
    Policy::of(row).unwrap()
}

fn settle() -> impl Strategy<Value = Command> {
    let pool = prop_oneof![6 => Just(0_u8), 3 => Just(1), 1 => Just(2)];
    (campaign(), batch(), merchant(), pool).prop_map(|(campaign, batch, merchant, pool)| {
        Command::Settle(Settle { campaign, batch, merchant, pool: PoolNo(pool) })
    })
}

fn stand() -> impl Strategy<Value = Command> {
    let standing = prop_oneof![
        5 => Just(Standing::Active),
        1 => Just(Standing::Suspended),
        1 => Just(Standing::Held),
        1 => Just(Standing::SuspendedAndHeld),
    ];
    (campaign(), merchant(), standing)
        .prop_map(|(no, merchant, standing)| Command::Stand(no, Stands { merchant, standing }))
}

fn admits() -> impl Strategy<Value = Command> {
    let merchant = prop_oneof![1 => Just(SHOP), 2 => Just(8)];
    let categories = prop_oneof![6 => 1..4_u32, 1 => Just(0), 1 => Just(0b100)];
    let cap = prop_oneof![1 => Just(0), 1 => 1..60_u64];
    (merchant, categories, cap)
        .prop_map(|(merchant, categories, cap)| admit(merchant, categories, cap))
}

fn adjust() -> impl Strategy<Value = Command> {
    let round = prop_oneof![1 => Just(1), 4 => Just(2), 2 => Just(ROUNDS)];
    let kinds = prop_oneof![12 => Just(3_usize), 1 => Just(2)];
    let quantities = kinds.prop_flat_map(|kinds| prop::collection::vec(0..5_u32, kinds));
    (campaign(), round, 0..4_u32, quantities).prop_map(|(no, round, version, quantities)| {
        Command::Adjust(no, Adjusted { round: RoundNo(round), version, quantities })
    })
}

/// Period ends are few, so that one extension meets the one before it.
fn extend() -> impl Strategy<Value = Command> {
    let rounds = prop_oneof![1 => Just(0), 8 => 1..3_i64];
    let quantities = prop::collection::vec(0..3_u32, 3);
    (campaign(), 1..6_u8, 1..4_i64, rounds, quantities, -1..3_i64).prop_map(
        |(no, first, ended, rounds, quantities, odd)| {
            let end = |of| At(60 * TICK * of);
            let window = |of| Window { from: end(of).plus_ms(odd * TICK), until: end(of + 1) };
            let windows = (ended..ended + rounds).map(window).collect();
            let (ended, ends) = (end(ended), end(ended + rounds));
            let extension = Extension { ended, ends, first: RoundNo(first), windows };
            Command::Extend(no, Extended { extension, quantities })
        },
    )
}
