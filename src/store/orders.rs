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
/// Without its redemption, a refund is nobody's: merchant 0 is none.
const REFUNDS: &str = "SELECT f.refund, f.back_fen, f.at_ms, COALESCE(
        (SELECT MAX(r.merchant) FROM redemptions r WHERE r.campaign = f.campaign AND r.redemption = f.redemption), 0)
    FROM refunds f WHERE f.campaign = (SELECT campaign FROM campaigns WHERE name = $1)";

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
        let mut rows: Vec<Row> = orders.into_values().flatten().collect();
        for row in self.query(REFUNDS, &[campaign.into()]).await? {
            let [id, back, at, merchant] = exactly(row)?;
            let id = Id::Refund(RefundId(sixteen(id.bytes())?));
            let key = Key { merchant: MerchantNo(number(&merchant)?), id };
            let (fen, at) = (Fen::new(number(&back)?), At(at.number()));
            rows.push(Row { key, fen, state: State::Done, at });
        }
        Ok(rows)
    }
}
