//! The next round's quantities, as the planner proposes them of what the ledger's books say (R-ADJ-1).

use crate::books::Books;
use crate::domain::{Fen, KindNo, PoolNo, RoundNo};
use crate::ledger::event::Subject;
use crate::plan::Plan;
use crate::planner::{Figures, KindFigures, PoolFigures, propose};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

const WHY: &str = "what the ended rounds granted and redeemed";

/// What is to be decided of the first round that is not armed; `None` if there is none, or it is decided already.
pub(super) fn adjustment(plan: &Plan, books: &Books) -> Result<Option<Subject>> {
    let Some(figures) = figures(plan, books)? else { return Ok(None) };
    let proposal = propose(&figures, WHY)?;
    let quantities: BTreeMap<_, _> =
        proposal.kinds.iter().map(|kind| (kind.name.clone(), kind.proposed)).collect();
    let (campaign, round) = (plan.id.clone(), proposal.next);
    Ok(Some(Subject::Adjust { campaign, round, version: 1, quantities }))
}

fn figures(plan: &Plan, books: &Books) -> Result<Option<Figures>> {
    let no = books.campaign(&plan.id).context("the ledger has no such campaign")?;
    let logs: Vec<_> = books.of(no).map(|(_, book)| book).collect();
    let armed = logs.iter().flat_map(|book| book.rounds.keys()).max().copied();
    let next = plan.rounds.iter().find(|round| armed.is_none_or(|armed| armed < round.no));
    let Some(RoundNo(next)) = next.map(|round| round.no) else { return Ok(None) };
    let left = plan.rounds.iter().filter(|round| round.no.0 >= next).count();
    let sum = |of: &dyn Fn(&crate::books::Book) -> Option<u64>| {
        logs.iter().filter_map(|book| of(book)).fold(0_u64, u64::saturating_add)
    };
    let pools = (0..=u8::MAX).map(PoolNo).zip(&plan.pools).map(|(pool, it)| {
        let available = sum(&|book| Some(book.funds.pool(pool)?.available.get()));
        PoolFigures { name: it.name.clone(), available: Fen::new(available) }
    });
    let kinds = (0..=u8::MAX).map(KindNo).zip(&plan.kinds).map(|(kind, it)| {
        let ended = |of: fn(&crate::ledger::machine::Level) -> u32| {
            sum(&|book| {
                let rounds = book.rounds.values().filter(|round| round.expired);
                let levels = rounds.filter_map(|round| round.stock.get(usize::from(kind.0)));
                Some(levels.map(|level| u64::from(of(level))).sum())
            })
        };
        KindFigures {
            name: it.name.clone(),
            pool: it.pool,
            face: it.face,
            usual: it.units_per_round,
            before: it.units_per_round,
            granted: ended(|level| level.granted),
            redeemed: ended(|level| level.used),
        }
    });
    Ok(Some(Figures {
        campaign: plan.id.clone(),
        next: RoundNo(next),
        rounds_left: u8::try_from(left)?,
        version: 0,
        pools: pools.collect(),
        kinds: kinds.collect(),
    }))
}
