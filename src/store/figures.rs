//! What a proposal of quantities is made of (R-ADJ-1), as far as the logs have come into the store.

use super::{Error, Store, Value, sql::Tx};
use crate::domain::{Fen, RoundNo};
use crate::plan::Plan;
use crate::planner::{Figures, KindFigures, PoolFigures};
use std::collections::BTreeMap;

impl Store {
    /// The figures of a plan's campaign; `None` if it was never opened in a log that is here.
    ///
    /// Money and coupons are those of all its logs. A round counts as ended in a log that has given its money back.
    pub async fn figures(&self, plan: &Plan) -> Result<Option<Figures>, Error> {
        let mut tx = self.db.begin().await?;
        let named = "SELECT campaign FROM campaigns WHERE name = $1";
        let rows = tx.fetch(named, &[plan.id.as_str().into()]).await?;
        let Some(campaign) = rows.first().and_then(|row| row.first()).map(Value::number) else {
            return Ok(None);
        };
        let available = "SELECT pool, CAST(SUM(available_fen) AS BIGINT) FROM pools
                         WHERE campaign = $1 GROUP BY pool";
        let available = by_number(&mut tx, available, &[campaign.into()]).await?;
        let armed = "SELECT 0, COALESCE(MAX(round), 0) FROM rounds WHERE campaign = $1";
        let armed = by_number(&mut tx, armed, &[campaign.into()]).await?;
        let armed = armed.get(&0).copied().unwrap_or_default();
        let ended = |of: &str| {
            format!(
                "SELECT s.kind, CAST(SUM(s.{of}) AS BIGINT) FROM stock s JOIN rounds r
                     ON r.log = s.log AND r.campaign = s.campaign AND r.round = s.round
                 WHERE s.campaign = $1 AND r.expired = 1 GROUP BY s.kind"
            )
        };
        let granted = by_number(&mut tx, &ended("granted"), &[campaign.into()]).await?;
        let redeemed = by_number(&mut tx, &ended("used"), &[campaign.into()]).await?;
        let further = "SELECT 0, COALESCE(MAX(round), 0) FROM extensions WHERE campaign = $1";
        let further = by_number(&mut tx, further, &[campaign.into()]).await?;
        let planned = plan.rounds.last().map_or(0, |round| u64::from(round.no.0));
        let last = planned.max(further.get(&0).copied().unwrap_or_default());
        let next = RoundNo(u8::try_from(armed.saturating_add(1)).unwrap_or(u8::MAX));
        let rounds_left = last.saturating_sub(armed);
        let of_next = [campaign.into(), next.0.into()];
        let version = "SELECT 0, COALESCE(MAX(version), 0) FROM adjustments
                       WHERE campaign = $1 AND round = $2";
        let version = by_number(&mut tx, version, &of_next).await?;
        let version = version.get(&0).copied().unwrap_or_default();
        let adjusted = "SELECT kind, CAST(quantity AS BIGINT) FROM adjustments
                        WHERE campaign = $1 AND round = $2 ORDER BY version";
        let adjusted = by_number(&mut tx, adjusted, &of_next).await?;
        let of = |all: &BTreeMap<u64, u64>, no: usize| {
            all.get(&(no as u64)).copied().unwrap_or_default()
        };
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let pools = plan.pools.iter().enumerate().map(|(no, pool)| PoolFigures {
            name: pool.name.clone(),
            available: Fen::new(of(&available, no)),
        });
        let kinds = plan.kinds.iter().enumerate().map(|(no, kind)| KindFigures {
            name: kind.name.clone(),
            pool: kind.pool,
            face: kind.face,
            usual: kind.units_per_round,
            before: adjusted.get(&(no as u64)).map_or(kind.units_per_round, |it| small(*it)),
            granted: of(&granted, no),
            redeemed: of(&redeemed, no),
        });
        Ok(Some(Figures {
            campaign: plan.id.clone(),
            next,
            rounds_left: u8::try_from(rounds_left).unwrap_or(u8::MAX),
            version: small(version),
            pools: pools.collect(),
            kinds: kinds.collect(),
        }))
    }
}

/// A number of each; of several of one, the last.
async fn by_number(tx: &mut Tx, sql: &str, values: &[Value]) -> Result<BTreeMap<u64, u64>, Error> {
    let rows = tx.fetch(sql, values).await?;
    let whole = |value: &Value| u64::try_from(value.number()).unwrap_or_default();
    let pair = |row: &Vec<Value>| match row.as_slice() {
        [no, number] => Some((whole(no), whole(number))),
        _ => None,
    };
    Ok(rows.iter().filter_map(pair).collect())
}
