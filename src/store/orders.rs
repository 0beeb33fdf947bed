//! What the store has of orders and refunds, as a side that is compared with the ledger.

use super::settlements::{exactly, number, sixteen};
use super::{Error, Store};
use crate::domain::{At, Fen, MerchantNo, RedemptionId, RefundId};
use crate::reconcile::{Id, Key, Row, State};
use std::collections::BTreeMap;

/// In the order of their locks, so that an order's last one comes last.
const ORDERS: &str = "SELECT redemption, merchant, fen, state, COALESCE(ended_at_ms, locked_at_ms)
    FROM redemptions WHERE campaign = (SELECT campaign FROM campaigns WHERE name = $1)
    ORDER BY log, seq";
const REFUNDS: &str = "SELECT refund, redemption, back_fen, at_ms FROM refunds
    WHERE campaign = (SELECT campaign FROM campaigns WHERE name = $1)";
/// Whose a refund is without its redemption: nobody has this number.
const NOBODY: MerchantNo = MerchantNo(0);

impl Store {
    /// Every order and refund of a campaign: of an order that was released and locked anew, what became of it last.
    /// None of one that is not here.
    pub async fn sides(&self, campaign: &str) -> Result<Vec<Row>, Error> {
        let mut orders: BTreeMap<RedemptionId, Vec<Row>> = BTreeMap::new();
        for row in self.query(ORDERS, &[campaign.into()]).await? {
            let [id, merchant, fen, state, at] = exactly(row)?;
            let state = match state.text().as_str() {
                "confirmed" => State::Done,
                "released" => State::Undone,
                _ => State::Open,
            };
            let id = RedemptionId(sixteen(id.bytes())?);
            let key = Key { merchant: MerchantNo(number(&merchant)?), id: Id::Redemption(id) };
            let row = Row { key, fen: Fen::new(number(&fen)?), state, at: At(at.number()) };
            let known = orders.entry(id).or_default();
            known.retain(|before| before.state != State::Undone);
            if known.is_empty() || state != State::Undone {
                known.push(row);
            }
        }
        let mut refunds = Vec::new();
        for row in self.query(REFUNDS, &[campaign.into()]).await? {
            let [id, of, back, at] = exactly(row)?;
            let id = Id::Refund(RefundId(sixteen(id.bytes())?));
            let of = orders.get(&RedemptionId(sixteen(of.bytes())?));
            let merchant = of.and_then(|rows| rows.last()).map_or(NOBODY, |row| row.key.merchant);
            let key = Key { merchant, id };
            let (fen, at) = (Fen::new(number(&back)?), At(at.number()));
            refunds.push(Row { key, fen, state: State::Done, at });
        }
        let mut rows: Vec<Row> = orders.into_values().flatten().collect();
        rows.append(&mut refunds);
        Ok(rows)
    }
}
