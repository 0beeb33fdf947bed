//! What merchants are due, for I5: what was redeemed comes into one batch, what is owed is taken off once, and a batch
//! pays once.

use super::{Book, Check, Spot};
use crate::domain::{BatchNo, CampaignNo, MerchantNo, PoolNo};
use crate::ledger::event::{Paid, PaymentFailed, Settled};
use crate::store::LogNo;
use std::collections::BTreeMap;

/// A merchant and a pool, in a log.
pub(super) type DueNo = (LogNo, CampaignNo, MerchantNo, PoolNo);

#[derive(Default)]
pub(super) struct Dues {
    owing: BTreeMap<DueNo, Owing>,
    lines: BTreeMap<(LogNo, CampaignNo, BatchNo, MerchantNo), BTreeMap<PoolNo, Line>>,
    /// The latest batch of a log.
    latest: BTreeMap<(LogNo, CampaignNo), BatchNo>,
}

/// What stands between a merchant and a pool; wide and signed, so that whatever happened can be counted.
#[derive(Clone, Copy, Default)]
struct Owing {
    /// Redeemed and in no batch.
    due: i128,
    /// Owed by the merchant for what was paid back later.
    owed: i128,
    /// The last entry that took it into a batch.
    settled: Option<u64>,
}

/// What a batch has for a merchant of a pool.
struct Line {
    spot: Spot,
    fen: i128,
    paid: Option<Spot>,
}

impl Dues {
    pub(super) fn confirm(&mut self, no: DueNo, face: u64) {
        self.owing.entry(no).or_default().due += i128::from(face);
    }

    /// Whether what was confirmed in this entry has come into a batch.
    pub(super) fn is_settled(&self, no: DueNo, confirmed: u64) -> bool {
        let settled = self.owing.get(&no).and_then(|owing| owing.settled);
        settled.is_some_and(|settled| settled > confirmed)
    }

    pub(super) fn take_back(&mut self, no: DueNo, back: u64, owed: bool) {
        let owing = self.owing.entry(no).or_default();
        if owed {
            owing.owed += i128::from(back);
        } else {
            owing.due -= i128::from(back);
        }
    }

    pub(super) fn settle(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        settled: &Settled,
        book: &Book,
        check: &mut Check,
    ) {
        check.row();
        let Settled { batch, merchant, pool, consumed, owed } = *settled;
        let line = format!("{merchant:?} of pool {} in batch {}", pool.0, batch.0);
        let owing = self.owing.entry((spot.log, campaign, merchant, pool)).or_default();
        let (consumed, owed) = (i128::from(consumed.get()), i128::from(owed.get()));
        let (due, off) = (owing.due, owing.owed.min(owing.due));
        if (consumed, owed) != (due, off) {
            let text = format!("{consumed} fen and {owed} off, where {due} and {off} were due");
            check.find(format!("{spot}: {line}: {text}"));
        }
        (owing.due, owing.owed, owing.settled) = (0, owing.owed - off, Some(spot.seq));
        let known = book.merchant(spot.log, campaign, merchant);
        if known.is_some_and(|known| !known.standing.settles()) {
            check.find(format!("{spot}: {line}: its settlement is stopped"));
        }
        let latest = self.latest.entry((spot.log, campaign)).or_insert(batch);
        if batch < *latest {
            check.find(format!("{spot}: {line}: batch {} was begun before", latest.0));
        }
        *latest = batch.max(*latest);
        let lines = self.lines.entry((spot.log, campaign, batch, merchant)).or_default();
        let new = Line { spot, fen: consumed - owed, paid: None };
        if let Some(before) = lines.insert(pool, new) {
            check.find(format!("{spot}: {line}: it is there since {}", before.spot));
        }
    }

    pub(super) fn pay(&mut self, spot: Spot, campaign: CampaignNo, paid: &Paid, check: &mut Check) {
        check.row();
        let Paid { batch, merchant, pool, fen } = *paid;
        let text = format!("{merchant:?} of pool {} in batch {}", pool.0, batch.0);
        let lines = self.lines.get_mut(&(spot.log, campaign, batch, merchant));
        let Some(line) = lines.and_then(|lines| lines.get_mut(&pool)) else {
            check.find(format!("{spot}: {text}: it is paid and was never settled"));
            return;
        };
        if let Some(before) = line.paid.replace(spot) {
            check.find(format!("{spot}: {text}: it was paid at {before}"));
        }
        if line.fen != i128::from(fen.get()) {
            let (fen, payable) = (fen.get(), line.fen);
            check.find(format!("{spot}: {text}: {fen} fen are paid where {payable} were payable"));
        }
    }

    /// A payment that failed is of what was not paid.
    pub(super) fn fail(
        &self,
        spot: Spot,
        campaign: CampaignNo,
        failed: PaymentFailed,
        check: &mut Check,
    ) {
        check.row();
        let PaymentFailed { batch, merchant } = failed;
        let lines = self.lines.get(&(spot.log, campaign, batch, merchant));
        if !lines.is_some_and(|lines| lines.values().any(|line| line.paid.is_none())) {
            let text = "a payment failed and there was none to be made";
            check.find(format!("{spot}: {merchant:?} in batch {}: {text}", batch.0));
        }
    }
}
