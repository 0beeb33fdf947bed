use super::*;
use crate::plan::tests::shipped;
use proptest::prelude::*;

/// The shipped plan's figures after some rounds: granted and redeemed of each kind.
fn figures(rounds_left: u8, counts: [(u64, u64); 6]) -> Figures {
    let plan = shipped();
    let pools = plan.pools.iter();
    let kinds = plan.kinds.iter().zip(counts).map(|(it, (granted, redeemed))| KindFigures {
        name: it.name.clone(),
        pool: it.pool,
        face: it.face,
        usual: it.units_per_round,
        before: it.units_per_round,
        granted,
        redeemed,
    });
    Figures {
        campaign: plan.id.clone(),
        next: RoundNo(16 - rounds_left),
        rounds_left,
        version: 3,
        pools: pools
            .map(|it| PoolFigures { name: it.name.clone(), available: it.budget })
            .collect(),
        kinds: kinds.collect(),
    }
}

fn proposed(figures: &Figures) -> Vec<u32> {
    propose(figures, "as redeemed").unwrap().kinds.iter().map(|it| it.proposed).collect()
}

#[test]
fn r_adj_1_before_anything_is_known_the_whole_pool_is_placed_in_the_plans_proportion() {
    // 3,000,000 yuan in 15 rounds are 200,000: of 160,000 a round the plan gives 40,000 and 120,000.
    assert_eq!(proposed(&figures(15, [(0, 0); 6])), [5_000, 3_750, 750, 200, 1_060, 509]);
}

#[test]
fn r_adj_1_a_kind_that_is_used_more_gets_more() {
    // Of 60,000 retail-10 all but one are used, of 45,000 retail-40 a half.
    let used = figures(8, [(60_000, 59_999), (45_000, 22_499), (0, 0), (0, 0), (0, 0), (0, 0)]);
    // 375,000 yuan a round; 40,000 x 60,000 / 60,002 and 120,000 x 22,500 / 45,002: two to three.
    let proposal = propose(&used, "as redeemed").unwrap();
    let [ten, forty] = [&proposal.kinds[0], &proposal.kinds[1]];
    assert_eq!((ten.proposed, forty.proposed), (15_000, 5_624));
    assert_eq!((ten.before, forty.before), (4_000, 3_000));
    let why = "59999 of 60000 granted were redeemed, the plan puts out 4000: 40.00 % of the pool";
    assert_eq!(ten.why.to_string(), why);
    assert_eq!((proposal.version, proposal.next, proposal.rounds_left), (3, RoundNo(8), 8));
    let retail = &proposal.pools[1];
    assert_eq!(retail.a_round, Fen::new(37_500_000));
    assert_eq!(retail.put_out, Fen::new(15_000 * 1_000 + 5_624 * 4_000));
    let car = &proposal.pools[0];
    assert_eq!((car.available, car.put_out), (Fen::new(50_000_000), Fen::ZERO));
}

#[test]
fn r_adj_1_an_altered_proposal_is_not_what_the_figures_make() {
    let now = figures(8, [(10, 5); 6]);
    let proposal = propose(&now, "as redeemed").unwrap();
    let carried = serde_json::to_string(&proposal).unwrap();
    let read: Proposal = serde_json::from_str(&carried).unwrap();
    assert!(read.is_of(&now));
    let mut more = read.clone();
    more.kinds[0].proposed += 1;
    assert!(!more.is_of(&now));
    assert!(!read.is_of(&Figures { version: 4, ..now.clone() }));
    assert!(!read.is_of(&figures(7, [(10, 5); 6])));
    let odd = carried.replacen('{', "{\"also\":1,", 1);
    assert!(serde_json::from_str::<Proposal>(&odd).is_err());
}

#[test]
fn r_adj_1_what_can_not_be_is_named() {
    let good = figures(8, [(10, 5); 6]);
    assert_eq!(propose(&good, " \n"), Err(Fault::NoReason));
    assert_eq!(propose(&Figures { rounds_left: 0, ..good.clone() }, "x"), Err(Fault::NoRoundLeft));
    let fault = |change: fn(&mut KindFigures)| {
        let mut bad = good.clone();
        change(&mut bad.kinds[2]);
        propose(&bad, "x").unwrap_err()
    };
    let name = || "appliance-80".to_owned();
    assert_eq!(fault(|it| it.pool = PoolNo(4)), Fault::PoolUnknown(name()));
    assert_eq!(fault(|it| it.face = Fen::ZERO), Fault::Worthless(name()));
    assert_eq!(fault(|it| it.redeemed = 11), Fault::RedeemedUngranted(name()));
}

#[test]
fn r_adj_1_a_pool_whose_kinds_put_out_nothing_usually_gets_nothing_and_divides_by_nothing() {
    let mut none = figures(8, [(10, 5); 6]);
    none.kinds.iter_mut().for_each(|kind| kind.usual = 0);
    assert_eq!(proposed(&none), [0; 6]);
}

/// Any figures that are not contradictory, also at the ends of their ranges.
fn any_figures() -> impl Strategy<Value = Figures> {
    let amount = prop_oneof![0..1_000_000_000_u64, 0..=u64::MAX, Just(u64::MAX), Just(0)];
    let count = || prop_oneof![0..100_000_u64, 0..=u64::MAX, Just(u64::MAX), Just(0)];
    let face = prop_oneof![1..100_000_u64, 1..=u64::MAX, Just(u64::MAX), Just(1)];
    let usual = prop_oneof![0..10_000_u32, 0..=u32::MAX, Just(u32::MAX)];
    let pools = prop::collection::vec(amount, 1..4);
    pools.prop_flat_map(move |pools| {
        let kind = (0..pools.len(), face.clone(), usual.clone(), count(), count());
        let kinds = prop::collection::vec(kind, 0..32);
        (Just(pools), kinds, 1..=u8::MAX).prop_map(|(pools, kinds, rounds_left)| Figures {
            campaign: "any".to_owned(),
            next: RoundNo(1),
            rounds_left,
            version: 0,
            pools: pools
                .into_iter()
                .map(|it| PoolFigures { name: "pool".to_owned(), available: Fen::new(it) })
                .collect(),
            kinds: kinds
                .into_iter()
                .map(|(pool, face, usual, a, b)| KindFigures {
                    // All of one name: a kind is known by its place.
                    name: "kind".to_owned(),
                    pool: PoolNo(u8::try_from(pool).unwrap()),
                    face: Fen::new(face),
                    usual,
                    before: 0,
                    granted: a.max(b),
                    redeemed: a.min(b),
                })
                .collect(),
        })
    })
}

proptest! {
    /// R-ADJ-1, R-FUND-2: no proposal promises more in a round than the pool has for one, so never more than it has.
    #[test]
    fn r_fund_2_a_round_never_puts_out_more_than_its_part_of_the_pool(figures in any_figures()) {
        let proposal = propose(&figures, "any").unwrap();
        for (no, pool) in figures.pools.iter().enumerate() {
            let mine = || proposal.kinds.iter().filter(|kind| usize::from(kind.pool.0) == no);
            let put_out: u128 =
                mine().map(|it| u128::from(it.face.get()) * u128::from(it.proposed)).sum();
            let (available, rounds) = (u128::from(pool.available.get()), u128::from(figures.rounds_left));
            prop_assert!(put_out * rounds <= available, "{put_out} x {rounds} > {available}");
            prop_assert_eq!(u128::from(proposal.pools[no].put_out.get()), put_out);
            let parts: u64 = mine().map(|it| u64::from(it.why.share_ppm)).sum();
            prop_assert!(parts <= 1_000_000);
        }
        prop_assert!(proposal.kinds.iter().all(|kind| kind.proposed <= MOST_UNITS));
        prop_assert!(proposal.is_of(&figures));
    }

    /// R-ADJ-1: with small numbers, where floats and plain fractions are exact enough, the formula as it is written.
    #[test]
    fn r_adj_1_units_are_the_formulas(
        available in 0..1_000_000_u64,
        rounds_left in 1..16_u8,
        kinds in prop::collection::vec((1..100_u64, 1..50_u32, 0..30_u64, 0..30_u64), 1..4),
    ) {
        let mut figures = figures(rounds_left, [(0, 0); 6]);
        figures.pools[1].available = Fen::new(available);
        let spare = figures.kinds[0].clone();
        figures.kinds = kinds
            .iter()
            .map(|(face, usual, a, b)| KindFigures {
                face: Fen::new(*face),
                usual: *usual,
                granted: *a.max(b),
                redeemed: *a.min(b),
                ..spare.clone()
            })
            .collect();
        // Over the product of all (granted + 2), which is small here.
        let below: u128 = figures.kinds.iter().map(|it| u128::from(it.granted + 2)).product();
        let weight = |it: &KindFigures| {
            let above = u128::from(it.face.get() * u64::from(it.usual) * (it.redeemed + 1));
            above * below / u128::from(it.granted + 2)
        };
        let all: u128 = figures.kinds.iter().map(weight).sum();
        for (kind, proposed) in figures.kinds.iter().zip(proposed(&figures)) {
            // The most units that cost no more than the kind's part.
            let costs = |units: u128| units * u128::from(kind.face.get()) * u128::from(rounds_left) * all;
            let part = u128::from(available) * weight(kind);
            prop_assert!(costs(proposed.into()) <= part);
            prop_assert!(costs(u128::from(proposed) + 1) > part);
        }
    }
}

#[test]
fn a_rate_is_read_as_it_is_shown_and_nothing_else_is() {
    for (text, shown) in [("70%", "70%"), ("62.5%", "62.50%"), ("0.05%", "0.05%"), ("100%", "100%")]
    {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), shown);
    }
    for bad in ["", "%", "70", "0.7", "-1%", "+1%", "100.01%", "1e1%", "7.123%", "7.%", "99999%"] {
        assert_eq!(bad.parse::<Rate>(), Err(NotARate), "{bad}");
    }
}

fn simulated(rounds_left: u8, redeemed: &str) -> Simulation {
    let redeemed = vec![redeemed.parse().unwrap(); 6];
    simulate(&shipped(), &Assumed { rounds_left, redeemed }).unwrap()
}

#[test]
fn r_qty_1_without_the_planner_a_pool_keeps_what_no_round_places_and_what_is_not_redeemed() {
    let all = simulated(15, "100%");
    let ends: Vec<_> = all.pools.iter().map(|it| it.without.last().unwrap().left.get()).collect();
    // As the plan's check says: in no round's plan.
    assert_eq!(ends, [60_000_000, 36_000_000, 4_000_000]);
    let none = simulated(15, "0%");
    for pool in &none.pools {
        assert!(pool.without.iter().chain(&pool.with).all(|step| step.left == pool.available));
    }
}

#[test]
fn r_adj_1_with_the_planner_all_money_is_placed_by_the_last_round() {
    let all = simulated(15, "100%");
    for pool in &all.pools {
        let left = pool.with.last().unwrap().left;
        assert!(left < Fen::new(30_000), "less than the dearest coupon is left of {}", pool.name);
    }
    let most = simulated(15, "70%");
    let retail = &most.pools[0];
    let last = retail.with.last().unwrap();
    assert_eq!(last.round, 15);
    // The last round puts out all there is but a rest, and 30 % of it comes back.
    let before = retail.with[13].left;
    assert!(before.checked_sub(last.put_out).unwrap() < Fen::new(5_000));
    assert!(retail.with.last().unwrap().left < retail.without.last().unwrap().left);
}

#[test]
fn r_adj_2_an_extension_runs_until_the_pool_can_not_pay_a_round_as_planned() {
    let long = simulated(30, "100%");
    let retail = &long.pools[0];
    assert_eq!(retail.without.first().unwrap().round, 1);
    // 3,000,000 yuan are 18 rounds of 160,000 and 120,000 more.
    let put_out = |round: usize| retail.without[round - 1].put_out.get();
    assert_eq!((put_out(18), put_out(19)), (16_000_000, 0));
    assert_eq!(retail.without[29].left, Fen::new(12_000_000));
    assert!(retail.with.iter().all(|step| step.put_out > Fen::ZERO));
}

#[test]
fn fewer_rounds_are_the_last_ones() {
    let few = simulated(2, "70%");
    assert_eq!(few.pools[0].with.iter().map(|it| it.round).collect::<Vec<_>>(), [14, 15]);
    let none = Assumed { rounds_left: 0, redeemed: Vec::new() };
    assert_eq!(simulate(&shipped(), &none), Err(Fault::NoRoundLeft));
}

#[test]
fn the_table_says_what_is_assumed_and_how_each_round_ends() {
    let text = table(&simulated(2, "70%"));
    assert!(text.contains("2 rounds left"), "{text}");
    assert!(
        text.contains("retail-10           ¥10.00      70%, 4000 a round by the plan"),
        "{text}"
    );
    let row = text.lines().find(|line| line.starts_with("   15")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    // 3,000,000 - 2 x 0.7 x 160,000.
    assert_eq!(&cells[..2], ["15", "¥2776000.00"], "{text}");
    assert_eq!(cells.len(), 7);
}

#[test]
fn the_picture_is_one_file_that_needs_nothing_and_says_what_it_shows() {
    let mut simulation = simulated(15, "70%");
    let text = svg(&simulation);
    assert!(text.starts_with("<svg xmlns=") && text.ends_with("</svg>\n"));
    for part in
        ["<title id=\"title\">", "<desc id=\"desc\">", "role=\"img\"", "lang=\"zh-CN\"", "万元"]
    {
        assert!(text.contains(part), "{part}");
    }
    assert_eq!(text.matches("<polyline").count(), 2 + 2 * 3, "two lines a pool, and the legend's");
    assert_eq!(text.matches("http").count(), 1, "but for the name of its format it points nowhere");
    simulation.title = "<script>\"&".to_owned();
    simulation.pools[0].name = "<b>".to_owned();
    let text = svg(&simulation);
    assert!(!text.contains("<script") && !text.contains("<b>"), "{text}");
}

#[test]
fn a_hundred_rounds_find_room_and_none_at_all_is_drawn_too() {
    let long = svg(&simulated(99, "70%"));
    assert!(long.matches("text-anchor=\"middle\"").count() <= 3 * 21);
    let mut empty = simulated(1, "70%");
    empty.pools.iter_mut().for_each(|pool| {
        (pool.without, pool.with, pool.available) = (Course::new(), Course::new(), Fen::ZERO);
    });
    assert!(svg(&empty).ends_with("</svg>\n"));
}
