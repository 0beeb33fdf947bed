//! Plan files. Of what is taken, the sums are made once more.

use super::Target;
use super::fence;
use quan::plan::Plan;
use std::io;

const SHIPPED: &str = include_str!("../../../config/xiangning-2023.toml");

pub(crate) fn target() -> Target {
    let look = |input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        let beside = |file: &str| match file {
            "fences/linfen.geojson" => Ok(fence::SHIPPED.to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        match Plan::from_toml(&text, beside) {
            Ok((plan, warnings)) => {
                sound(&plan);
                format!("good {} {}", plan.rounds.len(), warnings.len())
            }
            Err(faulty) => {
                assert!(!faulty.errors.is_empty(), "refused without a reason");
                let lines = text.lines().count().max(1);
                assert!(faulty.errors.iter().all(|it| (1..=lines + 1).contains(&it.line)));
                let mut told: Vec<&str> = faulty.errors.iter().map(|it| &*it.fault).collect();
                told.truncate(3);
                told.concat().chars().filter(char::is_ascii_lowercase).collect()
            }
        }
    };
    Target { seeds: vec![SHIPPED.into()], look: Box::new(look) }
}

/// Money is whole, rounds fit their pools, and no round is empty or before the one before it.
fn sound(plan: &Plan) {
    let fen = |amount: quan::domain::Fen| u128::from(amount.get());
    let pools: u128 = plan.pools.iter().map(|pool| fen(pool.budget)).sum();
    assert_eq!(pools, fen(plan.fund), "the pools are not the fund");
    for (no, pool) in plan.pools.iter().enumerate() {
        let kinds = plan.kinds.iter().filter(|kind| usize::from(kind.pool.0) == no);
        let round: u128 = kinds.map(|it| fen(it.face) * u128::from(it.units_per_round)).sum();
        assert!(
            round * plan.rounds.len() as u128 <= fen(pool.budget),
            "pool {} is overdrawn",
            pool.name
        );
    }
    for kind in &plan.kinds {
        assert!(usize::from(kind.pool.0) < plan.pools.len());
        assert!(fen(kind.face) > 0 && kind.threshold >= kind.face && kind.units_per_round > 0);
    }
    for pair in plan.rounds.windows(2) {
        assert!(pair[0].no < pair[1].no && pair[0].window.from < pair[1].window.from);
    }
    assert!(!plan.rounds.is_empty() && plan.kinds.len() <= 32);
    for round in &plan.rounds {
        assert!(round.window.from < round.window.until, "an empty round");
        assert!(plan.period.has(round.window.from), "a round opens outside the period");
        assert!(plan.books_close >= round.window.until);
    }
}
