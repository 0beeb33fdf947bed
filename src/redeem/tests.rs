use super::*;
use crate::domain::*;
use proptest::prelude::*;

const NOW: At = At(1_000);

/// A coupon that fits [`PURCHASE`]; `no` is its round.
fn coupon(no: u8, face: u64, ends_at: i64) -> Candidate {
    Candidate {
        coupon: CouponId { round: RoundNo(no), kind: KindNo(0), ordinal: 1 },
        state: CouponState::Unused,
        starts_at: At(0),
        ends_at: At(ends_at),
        face: Fen::new(face),
        threshold: Fen::new(5_000),
        pool: PoolNo(1),
    }
}

const PURCHASE: Purchase =
    Purchase { at: NOW, amount: Fen::new(5_000), categories: PoolSet(0b110) };

fn picked(coupons: impl IntoIterator<Item = Candidate>) -> Result<u8, &'static str> {
    pick(coupons, &PURCHASE).map(|it| it.coupon.round.0).map_err(Refusal::code)
}

#[test]
fn r_redeem_3_the_largest_discount_pays_and_of_those_the_one_that_ends_first() {
    let (small, large) = (coupon(1, 1_000, 2_000), coupon(2, 4_000, 3_000));
    let (sooner, later) = (coupon(3, 4_000, 2_999), coupon(4, 4_000, 3_001));
    assert_eq!(picked([small, large]), Ok(2));
    assert_eq!(picked([large, small]), Ok(2));
    assert_eq!(picked([small, later, sooner, large]), Ok(3));
    assert_eq!(picked([later, large]), Ok(2));
    let dear = Candidate { threshold: Fen::new(5_001), ..large };
    assert_eq!(picked([dear, small]), Ok(1), "what does not fit is passed over");
    let twin = coupon(9, 4_000, 3_000);
    assert_eq!((picked([twin, large]), picked([large, twin])), (Ok(2), Ok(2)), "always the same");
}

#[test]
fn r_redeem_6_a_coupon_that_does_not_fit_has_its_own_reason() {
    let it = coupon(1, 1_000, 2_000);
    let state = |state| Candidate { state, ..it };
    for (candidate, why) in [
        (it, "fits"),
        (Candidate { threshold: Fen::new(5_001), ..it }, "below_threshold"),
        (Candidate { pool: PoolNo(0), ..it }, "wrong_category"),
        (Candidate { pool: PoolNo(200), ..it }, "wrong_category"),
        (Candidate { ends_at: NOW, ..it }, "coupon_expired"),
        (Candidate { ends_at: NOW.plus_ms(1), ..it }, "fits"),
        (Candidate { starts_at: NOW.plus_ms(1), ..it }, "coupon_not_yet_valid"),
        (Candidate { starts_at: NOW, ..it }, "fits"),
        (state(CouponState::Used), "coupon_used"),
        (state(CouponState::Locked), "coupon_locked"),
        (state(CouponState::Returned), "coupon_expired"),
    ] {
        let told = fits(&candidate, &PURCHASE).map_or_else(Refusal::code, |()| "fits");
        assert_eq!(told, why, "{candidate:?}");
    }
}

#[test]
fn r_redeem_6_the_reason_told_is_of_the_coupon_that_came_nearest() {
    assert_eq!(picked([]), Err("no_coupon"));
    let it = coupon(1, 1_000, 2_000);
    let worse_and_worse = [
        Candidate { threshold: Fen::new(5_001), ..it },
        Candidate { pool: PoolNo(0), ..it },
        Candidate { state: CouponState::Locked, ..it },
        Candidate { starts_at: NOW.plus_ms(1), ..it },
        Candidate { state: CouponState::Used, ..it },
        Candidate { ends_at: NOW, ..it },
    ];
    for (at, nearest) in worse_and_worse.iter().enumerate() {
        let why = Err(fits(nearest, &PURCHASE).unwrap_err().code());
        assert_eq!(picked(worse_and_worse[at..].iter().copied()), why);
        assert_eq!(picked(worse_and_worse[at..].iter().rev().copied()), why);
    }
}

/// The parts of an order paid back one after the other, and what is taken back for each.
fn taken_back(amount: u64, face: u64, parts: &[u64]) -> Vec<Option<u64>> {
    let zero = Fen::ZERO;
    let (amount, face) = (Fen::new(amount), Fen::new(face));
    let mut order = Order { amount, face, refunded: zero, back: zero };
    let part = |part: &u64| {
        let back = order.taken_back(Fen::new(*part))?;
        order.refunded = order.refunded.checked_add(Fen::new(*part))?;
        order.back = order.back.checked_add(back)?;
        Some(back.get())
    };
    parts.iter().map(part).collect()
}

#[test]
fn r_redeem_5_refunds_are_those_of_the_table() {
    let policy = crate::plan::tests::shipped().refunds;
    for line in include_str!("vectors/refunds.csv").lines().skip(1) {
        let row: Vec<&str> = line.split(',').collect();
        let [story, amount, face, parts, end, coupon, back, money] = row[..] else {
            panic!("{line}")
        };
        let numbers =
            |list: &str| list.split(';').map(|it| it.parse().unwrap()).collect::<Vec<u64>>();
        let (amount, parts) = (numbers(amount)[0], numbers(parts));
        let back: Vec<_> = numbers(back).into_iter().map(Some).collect();
        assert_eq!(taken_back(amount, numbers(face)[0], &parts), back, "{story}");
        let [zero, amount] = [0, amount].map(Fen::new);
        let order = Order { amount, face: zero, refunded: zero, back: zero };
        let end = if end == "before" { Side::Before } else { Side::After };
        let part = order.part(Fen::new(parts[0]));
        let done = policy.treatment(Case { part, end, settlement: Side::Before });
        let becomes = match (done.coupon, end) {
            (Coupon::Stays, _) => "used",
            (Coupon::Back, Side::Before) => "unused",
            (Coupon::Back, Side::After) => "expired",
        };
        assert_eq!((becomes, format!("{:?}", done.money).to_lowercase()), (coupon, money.into()));
    }
}

#[test]
fn r_redeem_5_the_last_part_is_a_part_and_more_than_is_left_is_none() {
    assert_eq!(taken_back(100, 10, &[60, 41, 40, 1]), [Some(6), None, Some(4), None]);
    let [amount, face, refunded, back] = [100, 10, 60, 6].map(Fen::new);
    let order = Order { amount, face, refunded, back };
    assert_eq!(order.part(Fen::new(40)), Part::Partial);
    assert_eq!(order.part(amount), Part::Partial);
    let whole = Order { refunded: Fen::ZERO, back: Fen::ZERO, ..order };
    assert_eq!(whole.part(amount), Part::Full);
    assert_eq!(whole.part(Fen::new(99)), Part::Partial);
}

#[test]
fn r_redeem_5_what_can_t_be_done_about_a_refund_is_in_no_policy() {
    let stays = |money| Treatment { coupon: Coupon::Stays, money };
    let back = |money| Treatment { coupon: Coupon::Back, money };
    let all = [Money::Frozen, Money::Pool, Money::Owed];
    let all: Vec<_> = all.into_iter().flat_map(|money| [stays(money), back(money)]).collect();
    for case in Case::all() {
        let possible: Vec<_> =
            all.iter().copied().filter(|it| it.impossible(case).is_none()).collect();
        let expected = match (case.part, case.end, case.settlement) {
            (Part::Full, Side::Before, Side::Before) => {
                vec![back(Money::Frozen), stays(Money::Pool)]
            }
            (Part::Full, Side::After, Side::Before) => {
                vec![stays(Money::Pool), back(Money::Pool)]
            }
            (Part::Full, _, Side::After) => vec![stays(Money::Owed), back(Money::Owed)],
            (Part::Partial, _, Side::Before) => vec![stays(Money::Pool)],
            (Part::Partial, _, Side::After) => vec![stays(Money::Owed)],
        };
        assert_eq!(possible, expected, "{case:?}");
    }
    assert!(Policy::of(|_| Some(stays(Money::Pool))).is_none(), "what is settled is owed");
    assert!(Policy::of(|case| (case.end == Side::Before).then_some(stays(Money::Pool))).is_none());
}

#[test]
fn r_redeem_5_a_policy_says_of_each_case_what_it_was_made_of() {
    let rows = |case: Case| Treatment {
        coupon: if case.part == Part::Full && case.end == Side::After {
            Coupon::Back
        } else {
            Coupon::Stays
        },
        money: if case.settlement == Side::After { Money::Owed } else { Money::Pool },
    };
    let policy = Policy::of(|case| Some(rows(case))).unwrap();
    assert_eq!(Case::all().count(), 8);
    for case in Case::all() {
        assert_eq!(policy.treatment(case), rows(case), "{case:?}");
    }
}

#[test]
fn r_redeem_4_an_order_is_one_redemption_and_its_parts_can_t_run_together() {
    let id = |campaign, merchant, order| redemption(campaign, MerchantNo(merchant), order);
    let this = id("c", 1, "7");
    assert_eq!(this, id("c", 1, "7"));
    for other in
        [id("c", 2, "7"), id("c", 1, "8"), id("d", 1, "7"), id("c1", 1, "7"), id("", 1, "7")]
    {
        assert_ne!(this, other);
    }
    assert_eq!(refund_id(this, "1"), refund_id(this, "1"));
    assert_ne!(refund_id(this, "1"), refund_id(this, "2"));
    assert_ne!(refund_id(this, "1"), refund_id(id("c", 2, "7"), "1"));
    assert_ne!(refund_id(this, "").0, this.0, "a refund is no redemption");
    let choice = coupon(1, 1, 1).coupon;
    let asked = request("620", Fen::new(1), None);
    assert_eq!(asked, request("620", Fen::new(1), None));
    for other in [
        request("621", Fen::new(1), None),
        request("620", Fen::new(2), None),
        request("620", Fen::new(1), Some(choice)),
    ] {
        assert_ne!(asked, other);
    }
}

#[test]
fn r_redeem_4_what_an_order_is_called_stays_as_it_is_written_down() {
    let bytes = |id: [u8; 16]| format!("{:032x}", u128::from_be_bytes(id));
    let this = redemption("xiangning-2023", MerchantNo(17), "A-1");
    assert_eq!(bytes(this.0), "2aad2c82d2ab4250ed5f90fcdf95335e");
    assert_eq!(bytes(refund_id(this, "R-1").0), "3dbb5c5ddbeb272df4b55b51ebb703d4");
}

/// Amounts over the whole range, and at its edges.
fn fen() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => any::<u64>(),
        4 => 0..20_000_u64,
        1 => Just(0),
        1 => Just(1),
        1 => Just(u64::MAX),
        1 => Just(u64::MAX - 1),
        1 => Just(u64::MAX / 2),
    ]
}

proptest! {
    #[test]
    fn r_redeem_5_parts_that_add_up_take_back_exactly_the_face(
        amount in 1..=u64::MAX, face in fen(), cuts in prop::collection::vec(any::<u64>(), 0..60),
    ) {
        let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| cut % amount).collect();
        cuts.push(0);
        cuts.push(amount);
        cuts.sort_unstable();
        let parts: Vec<u64> = cuts.windows(2).map(|it| it[1] - it[0]).filter(|it| *it > 0).collect();
        let back = taken_back(amount, face, &parts);
        let sum: u128 = back.iter().map(|it| u128::from(it.unwrap())).sum();
        prop_assert_eq!(sum, u128::from(face));
    }

    #[test]
    fn r_redeem_5_never_more_than_is_left_of_the_face_and_pro_rata_to_half_a_fen(
        amount in fen(), face in fen(), refunded in fen(), back in fen(), part in fen(),
    ) {
        let [amount, face, refunded, back, part] = [amount, face, refunded, back, part].map(Fen::new);
        let order = Order { amount, face, refunded, back };
        let _ = order.part(part);
        let Some(taken) = order.taken_back(part) else {
            let left = amount.checked_sub(refunded).and_then(|left| left.checked_sub(part));
            prop_assert!(left.is_none() || back > face);
            return Ok(());
        };
        prop_assert!(taken.get() <= face.get() - back.get());
        let whole = amount.get() - refunded.get() == part.get();
        if whole {
            prop_assert_eq!(taken.get(), face.get() - back.get());
        } else if taken.get() < face.get() - back.get() {
            // |taken x amount - face x part| <= amount / 2
            let product = |a: Fen, b: Fen| u128::from(a.get()) * u128::from(b.get());
            let off = product(taken, amount).abs_diff(product(face, part));
            prop_assert!(off <= u128::from(amount.get()).div_ceil(2));
        }
    }

    #[test]
    fn r_redeem_3_the_one_picked_fits_and_none_that_fits_is_worth_more(
        coupons in prop::collection::vec((0..5_u64, 900..1_100_i64, 0..3_u8, 0..4_u8, 4_999..5_002_u64), 0..9),
    ) {
        let coupons: Vec<Candidate> = (1..).zip(coupons).map(|(no, (face, ends, pool, state, least))| {
            let states =
                [CouponState::Unused, CouponState::Locked, CouponState::Used, CouponState::Returned];
            Candidate {
                pool: PoolNo(pool),
                state: states[usize::from(state)],
                threshold: Fen::new(least),
                ..coupon(no, face, ends)
            }
        }).collect();
        let fitting: Vec<_> = coupons.iter().filter(|it| fits(it, &PURCHASE).is_ok()).collect();
        match pick(coupons.iter().copied(), &PURCHASE) {
            Err(_) => prop_assert!(fitting.is_empty()),
            Ok(best) => {
                prop_assert!(fitting.contains(&&best));
                for other in fitting {
                    let better = other.face > best.face;
                    let sooner = other.face == best.face && other.ends_at < best.ends_at;
                    prop_assert!(!better && !sooner, "{other:?} beside {best:?}");
                }
            }
        }
    }
}
