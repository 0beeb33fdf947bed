use super::*;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Nothing is young.
const BOUNDS: Bounds = Bounds {
    until: At(i64::MAX),
    store_ms: 0,
    settlement_ms: 86_400_000,
    channel_ms: 5_000,
    held: BTreeSet::new(),
    unsettled: BTreeSet::new(),
};

fn key(no: u8) -> Key {
    let id = [no; 16];
    let merchant = MerchantNo(u32::from(no % 5));
    let id = if no % 4 == 3 { Id::Refund(RefundId(id)) } else { Id::Redemption(RedemptionId(id)) };
    Key { merchant, id }
}

fn row(no: u8, state: State) -> Row {
    Row { key: key(no), fen: Fen::new(4_000), state, at: At(1_693_533_600_000 + i64::from(no)) }
}

fn only(side: Side, rows: Vec<Row>) -> Sides {
    let (store, settlement, channel) = match side {
        Side::Store => (Some(rows), None, None),
        Side::Settlement => (None, Some(rows), None),
        Side::Ledger | Side::Channel => (None, None, Some(rows)),
    };
    Sides { ledger: Vec::new(), store, settlement, channel }
}

/// What comes of a comparison of these with this other side.
fn found(side: Side, here: &[Row], there: &[Row], bounds: &Bounds) -> (Vec<Kind>, u64) {
    let sides = Sides { ledger: here.to_vec(), ..only(side, there.to_vec()) };
    let report = reconcile(&sides, bounds);
    (report.differences.iter().map(|it| it.kind).collect(), report.awaited)
}

#[test]
fn r_audit_1_a_difference_is_told_with_both_sides_values() {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let here = row(2, State::Done);
    let there = Row { fen: Fen::new(3_999), ..here };
    let sides = Sides { ledger: vec![here], ..only(Side::Channel, vec![there]) };
    let report = reconcile(&sides, &BOUNDS);
    let [difference] = report.differences.as_slice() else { panic!("{report:?}") };
    let id = "02".repeat(16);
    assert_eq!(
        difference.en(&zone),
        format!(
            "amounts differ: redemption {id} of merchant 2: ledger ¥40.00 done \
             2023-09-01T10:00:00.002+08:00; payment channel ¥39.99 done 2023-09-01T10:00:00.002+08:00"
        )
    );
    assert_eq!(
        difference.zh(&zone),
        format!(
            "金额不一致：商户 2 核销 {id}：账本 ¥40.00 已完成 2023-09-01T10:00:00.002+08:00；\
             支付渠道 ¥39.99 已完成 2023-09-01T10:00:00.002+08:00"
        )
    );
    assert_eq!(report.silent, [Side::Store, Side::Settlement]);
    assert!(!report.is_clean());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["differences"][0]["kind"], "amount");
    assert_eq!(json["differences"][0]["key"]["id"], format!("redemption {id}"));
}

#[test]
fn r_audit_1_money_that_went_to_another_merchant_is_missing_here_and_there() {
    let here = row(1, State::Done);
    let mut there = here;
    there.key.merchant = MerchantNo(99);
    let (kinds, _) = found(Side::Settlement, &[here], &[there], &BOUNDS);
    assert_eq!(kinds, [Kind::MissingThere, Kind::MissingHere]);
}

#[test]
fn what_is_not_done_only_ledger_and_store_must_know() {
    for state in [State::Open, State::Undone] {
        let it = row(1, state);
        for (side, kinds) in [(Side::Store, 1), (Side::Settlement, 0), (Side::Channel, 0)] {
            assert_eq!(found(side, &[it], &[], &BOUNDS).0.len(), kinds, "{side:?}");
            assert_eq!(found(side, &[], &[it], &BOUNDS).0.len(), kinds, "{side:?}");
        }
        // But if both know it, they must agree.
        let (kinds, _) = found(Side::Channel, &[it], &[row(1, State::Done)], &BOUNDS);
        assert_eq!(kinds, [Kind::PaidUnconfirmed]);
        let (kinds, _) = found(Side::Store, &[it], &[row(1, State::Done)], &BOUNDS);
        assert_eq!(kinds, [Kind::State]);
    }
}

#[test]
fn what_is_young_may_still_be_on_its_way() {
    let old = row(1, State::Done);
    let young = Row { at: At(old.at.0 + 1_000), ..row(2, State::Done) };
    let bounds = Bounds { until: young.at, ..BOUNDS };
    let missing = [Kind::MissingThere].to_vec();
    assert_eq!(found(Side::Channel, &[old, young], &[], &bounds), (missing, 1));
    assert_eq!(found(Side::Channel, &[], &[young], &bounds), (Vec::new(), 1));
    let open = Row { state: State::Open, ..young };
    assert_eq!(found(Side::Channel, &[open], &[young], &bounds), (Vec::new(), 1));
    // Not when both have ended, and not for ever.
    let undone = Row { state: State::Undone, ..young };
    assert_eq!(
        found(Side::Channel, &[undone], &[young], &bounds),
        (vec![Kind::PaidUnconfirmed], 0)
    );
    assert_eq!(found(Side::Channel, &[open], &[young], &BOUNDS), (vec![Kind::PaidUnconfirmed], 0));
}

#[test]
fn what_is_held_is_counted_apart_and_only_as_long_as_it_is_in_no_batch() {
    let it = row(1, State::Done);
    let bounds = Bounds { held: BTreeSet::from([it.key.merchant]), ..BOUNDS };
    let sides = Sides { ledger: vec![it, row(2, State::Done)], ..only(Side::Settlement, vec![]) };
    let report = reconcile(&sides, &bounds);
    let keys: Vec<Key> = report.differences.iter().map(|it| it.key).collect();
    assert_eq!((keys, report.held, report.awaited), (vec![key(2)], 1, 0));
    assert_eq!(found(Side::Store, &[it], &[], &bounds).0, [Kind::MissingThere]);
    assert_eq!(found(Side::Settlement, &[], &[it], &bounds).0, [Kind::MissingHere]);
}

#[test]
fn what_no_batch_could_have_yet_is_awaited_there_and_nowhere_else() {
    let it = row(1, State::Done);
    let bounds = Bounds { unsettled: BTreeSet::from([it.key]), ..BOUNDS };
    assert_eq!(found(Side::Settlement, &[it], &[], &bounds), (Vec::new(), 1));
    assert_eq!(found(Side::Settlement, &[], &[it], &bounds).0, [Kind::MissingHere]);
    assert_eq!(found(Side::Channel, &[it], &[], &bounds).0, [Kind::MissingThere]);
}

#[test]
fn a_refund_that_takes_nothing_back_is_no_row_of_the_channel() {
    let it = Row { fen: Fen::ZERO, ..row(3, State::Done) };
    assert_eq!(found(Side::Channel, &[it], &[], &BOUNDS), (Vec::new(), 0));
    assert_eq!(found(Side::Store, &[it], &[], &BOUNDS).0, [Kind::MissingThere]);
}

#[test]
fn instants_may_be_apart_by_the_bound_and_no_more() {
    let here = row(1, State::Done);
    for (apart, late) in [(5_000, false), (5_001, true), (-5_000, false), (-5_001, true)] {
        let there = Row { at: here.at.plus_ms(apart), ..here };
        let (kinds, _) = found(Side::Channel, &[here], &[there], &BOUNDS);
        assert_eq!(kinds == [Kind::Late], late, "{apart}");
        assert_eq!(kinds.is_empty(), !late, "{apart}");
    }
}

#[test]
fn a_row_that_is_there_twice_is_compared_with_the_one_that_fits() {
    let good = row(1, State::Done);
    let other = Row { fen: Fen::new(1), ..good };
    assert_eq!(found(Side::Store, &[good], &[other, good], &BOUNDS).0, [Kind::Doubled]);
    assert_eq!(found(Side::Store, &[good, good], &[good], &BOUNDS).0, [Kind::Doubled]);
    let both = found(Side::Store, &[good], &[other, other], &BOUNDS).0;
    assert_eq!(both, [Kind::Amount, Kind::Doubled]);
    // Though no two are the same.
    let [near, far] = [40, 30].map(|ms| Row { at: good.at.plus_ms(ms), ..good });
    let one_wrong = [Row { fen: Fen::new(1), ..far }, near];
    assert_eq!(found(Side::Channel, &[good], &one_wrong, &BOUNDS).0, [Kind::Doubled]);
}

/// A ledger, and what the others say of it when all is well: the store just that, the settlement what is done, the
/// channel what is done and some of what failed, a little earlier or later.
fn clean() -> impl Strategy<Value = Sides> {
    let state =
        prop_oneof![6 => Just(State::Done), 1 => Just(State::Undone), 1 => Just(State::Open)];
    let one = (state, 1..60_000_u64, 0..600_000_000_i64, 0..80_000_000_i64, -4_000..4_000_i64);
    prop::collection::vec(one, 30..80).prop_map(|ones| {
        let mut sides = Sides { ledger: Vec::new(), ..Sides::default() };
        let (mut settlement, mut channel) = (Vec::new(), Vec::new());
        for (no, (state, fen, at, batch_ms, jitter_ms)) in (0..).zip(ones) {
            let at = At(1_693_533_600_000 + at);
            let row = Row { key: key(no), fen: Fen::new(fen), state, at };
            sides.ledger.push(row);
            if state == State::Done {
                settlement.push(Row { at: at.plus_ms(batch_ms), ..row });
            }
            if state == State::Done || no % 2 == 0 {
                channel.push(Row { at: at.plus_ms(jitter_ms), ..row });
            }
        }
        sides.store = Some(sides.ledger.iter().rev().copied().collect());
        (sides.settlement, sides.channel) = (Some(settlement), Some(channel));
        sides
    })
}

/// What can happen to a row.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Dropped,
    Amount,
    Doubled,
    State,
    Late,
}

fn fault() -> impl Strategy<Value = (Side, Fault)> {
    let side =
        prop::sample::select(vec![Side::Ledger, Side::Store, Side::Settlement, Side::Channel]);
    let faults = [Fault::Dropped, Fault::Amount, Fault::Doubled, Fault::State, Fault::Late];
    (side, prop::sample::select(faults.to_vec()))
}

/// Does it to the row of `key` on that side.
fn inject(sides: &mut Sides, side: Side, fault: Fault, key: Key, by: u64) {
    let rows = match side {
        Side::Ledger => &mut sides.ledger,
        Side::Store => sides.store.as_mut().unwrap(),
        Side::Settlement => sides.settlement.as_mut().unwrap(),
        Side::Channel => sides.channel.as_mut().unwrap(),
    };
    let place = rows.iter().position(|row| row.key == key).unwrap();
    let twin = rows[place];
    let row = &mut rows[place];
    match fault {
        Fault::Dropped => drop(rows.remove(place)),
        Fault::Amount => row.fen = Fen::new(row.fen.get() + 1 + by),
        Fault::Doubled => rows.push(twin),
        Fault::State => row.state = if by.is_multiple_of(2) { State::Undone } else { State::Open },
        // Beyond all bounds together.
        Fault::Late => row.at = row.at.plus_ms(200_000_000 + i64::try_from(by).unwrap()),
    }
}

/// What must be found of it: by whom, and how it is typed.
fn expected(side: Side, fault: Fault) -> BTreeSet<(Side, Kind)> {
    let kind = match fault {
        Fault::Dropped if side == Side::Ledger => Kind::MissingHere,
        Fault::Dropped => Kind::MissingThere,
        Fault::Amount => Kind::Amount,
        Fault::Doubled => Kind::Doubled,
        Fault::State => Kind::State,
        Fault::Late => Kind::Late,
    };
    let others = Side::OTHERS.into_iter().filter(|it| side == Side::Ledger || *it == side);
    let unconfirmed = |it| kind == Kind::State && side == Side::Ledger && it == Side::Channel;
    let kind_of = |it| if unconfirmed(it) { Kind::PaidUnconfirmed } else { kind };
    others.map(|it| (it, kind_of(it))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// A thousand faults, one at a time: each is found with the right type, at the right row, and nothing else; and
    /// nothing is found before.
    #[test]
    fn r_audit_1_each_of_a_thousand_differences_is_found_and_typed(
        sides in clean(),
        (side, fault) in fault(),
        which in any::<prop::sample::Index>(),
        by in 0..1_000_u64,
    ) {
        let report = reconcile(&sides, &BOUNDS);
        prop_assert!(report.is_clean() && report.awaited == 0, "{report:?}");
        let done: Vec<Key> =
            sides.ledger.iter().filter(|it| it.state == State::Done).map(|it| it.key).collect();
        prop_assume!(!done.is_empty());
        let key = done[which.index(done.len())];
        let mut faulty = sides.clone();
        inject(&mut faulty, side, fault, key, by);
        let report = reconcile(&faulty, &BOUNDS);
        prop_assert!(report.differences.iter().all(|it| it.key == key), "{report:?}");
        let found: BTreeSet<(Side, Kind)> =
            report.differences.iter().map(|it| (it.side, it.kind)).collect();
        prop_assert_eq!(found.len(), report.differences.len());
        prop_assert_eq!(found, expected(side, fault), "{:?} {:?}", side, fault);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Many at once, at different rows, are found each for itself.
    #[test]
    fn r_audit_1_many_differences_do_not_hide_each_other(
        sides in clean(),
        faults in prop::collection::vec((fault(), any::<prop::sample::Index>()), 1..12),
    ) {
        let mut done: Vec<Key> =
            sides.ledger.iter().filter(|it| it.state == State::Done).map(|it| it.key).collect();
        let mut faulty = sides.clone();
        let mut wanted = BTreeSet::new();
        for ((side, fault), which) in faults {
            if done.is_empty() {
                break;
            }
            let key = done.swap_remove(which.index(done.len()));
            inject(&mut faulty, side, fault, key, 7);
            wanted.extend(expected(side, fault).into_iter().map(|(side, kind)| (side, key, kind)));
        }
        let report = reconcile(&faulty, &BOUNDS);
        let found: BTreeSet<(Side, Key, Kind)> =
            report.differences.iter().map(|it| (it.side, it.key, it.kind)).collect();
        prop_assert_eq!(found, wanted);
    }
}
