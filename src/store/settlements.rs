//! What of the store's rows came into a batch: between a batch's line and the line before it of the same log, merchant
//! and pool lie the redemptions confirmed and the refunds made that are in it.

use super::{Error, LogNo, Store, Value, Values};
use crate::domain::{
    At, BatchNo, CampaignNo, Fen, KindNo, MerchantNo, PoolNo, RedemptionId, RefundId,
};
use std::collections::BTreeMap;

/// A redemption or refund that is due, or in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The log.
    pub log: LogNo,
    /// The entry.
    pub seq: u64,
    /// The merchant.
    pub merchant: MerchantNo,
    /// The pool.
    pub pool: PoolNo,
    /// The coupon's kind.
    pub kind: KindNo,
    /// The redemption.
    pub redemption: RedemptionId,
    /// The refund, if it is one, and whether the merchant owes it.
    pub refund: Option<(RefundId, bool)>,
    /// The coupon's face, or what of it is taken back.
    pub fen: Fen,
    /// When it was confirmed or refunded.
    pub at: At,
    /// The batch that it is in; `None` if in none yet.
    pub batch: Option<BatchNo>,
}

/// What a batch takes in: of these the log's entries up to that seq.
type Windows = BTreeMap<(LogNo, MerchantNo, PoolNo), Vec<(u64, BatchNo)>>;

const REDEEMED: &str =
    "SELECT log, ended_seq, merchant, pool, kind, redemption, NULL, 0, fen, ended_at_ms
    FROM redemptions WHERE campaign = $1 AND state = 'confirmed'";
const TAKEN_BACK: &str =
    "SELECT f.log, f.seq, r.merchant, r.pool, r.kind, f.redemption, f.refund, f.owed, f.back_fen, f.at_ms
    FROM refunds f JOIN redemptions r ON r.campaign = f.campaign AND r.redemption = f.redemption
        AND r.log = f.log AND r.state <> 'released'
    WHERE f.campaign = $1";

impl Store {
    /// All that was redeemed and refunded in a campaign, each with the batch that it is in, log by log and in the
    /// order of their entries.
    pub async fn dues(&self, campaign: CampaignNo) -> Result<Vec<Due>, Error> {
        let windows = self.windows(campaign).await?;
        let mut all = Vec::new();
        for sql in [REDEEMED, TAKEN_BACK] {
            for row in self.query(sql, &[campaign.0.into()]).await? {
                let mut due = read(row)?;
                let lines = windows.get(&(due.log, due.merchant, due.pool));
                let line = lines.and_then(|lines| lines.iter().find(|(seq, _)| *seq > due.seq));
                due.batch = line.map(|(_, batch)| *batch);
                all.push(due);
            }
        }
        all.sort_by_key(|due| (due.log, due.seq));
        Ok(all)
    }

    async fn windows(&self, campaign: CampaignNo) -> Result<Windows, Error> {
        let lines = "SELECT log, merchant, pool, seq, batch FROM settlements WHERE campaign = $1 ORDER BY seq";
        let mut windows = Windows::new();
        for row in self.query(lines, &[campaign.0.into()]).await? {
            let [log, merchant, pool, seq, batch] = exactly(row)?;
            let key = (LogNo::read(&log)?, MerchantNo(number(&merchant)?), PoolNo(number(&pool)?));
            let line = (super::cursor::unsigned(seq.number())?, BatchNo(number(&batch)?));
            windows.entry(key).or_default().push(line);
        }
        Ok(windows)
    }
}

fn read(row: Values) -> Result<Due, Error> {
    let [log, seq, merchant, pool, kind, redemption, refund, owed, fen, at] = exactly(row)?;
    let refund = match refund {
        Value::Bytes(id) => Some((RefundId(sixteen(id)?), owed.number() != 0)),
        _ => None,
    };
    Ok(Due {
        log: LogNo::read(&log)?,
        seq: super::cursor::unsigned(seq.number())?,
        merchant: MerchantNo(number(&merchant)?),
        pool: PoolNo(number(&pool)?),
        kind: KindNo(number(&kind)?),
        redemption: RedemptionId(sixteen(redemption.bytes())?),
        refund,
        fen: Fen::new(number(&fen)?),
        at: At(at.number()),
        batch: None,
    })
}

pub(super) fn exactly<const N: usize>(row: Values) -> Result<[Value; N], Error> {
    row.try_into().map_err(|_| strange())
}

pub(super) fn number<T: TryFrom<i64>>(value: &Value) -> Result<T, Error> {
    value.number().try_into().map_err(|_| strange())
}

pub(super) fn sixteen(bytes: Vec<u8>) -> Result<[u8; 16], Error> {
    bytes.try_into().map_err(|_| strange())
}

fn strange() -> Error {
    let why = "a value is not of its column".to_owned();
    Error::Contradiction { table: "redemptions", why }
}
