//! The books: what the logs say of money, orders and rounds, folded up to any entry or instant (R-AUDIT-1).
//!
//! # What always holds
//!
//! - A fold of the logs and of nothing else: who folds the same entries has the same books.
//! - Each log has books of its own; the whole is the sum over logs.
//! - An entry that contradicts those before it is named with its place, and nothing after it is taken in.
//!
//! # Not here
//!
//! Whether the rules were kept: the [audit](crate::audit) says that. Where entries come from: [`read`].

mod fold;
pub mod read;
#[cfg(test)]
mod tests;

pub use read::{Cut, ReadError, Source};

use crate::domain::{
    At, BatchNo, CampaignNo, Fen, KindNo, MerchantNo, PoolNo, RedemptionId, RefundId, RoundNo,
    Window,
};
use crate::funds::Funds;
use crate::ledger::event::{Opened, Release, Standing};
use crate::ledger::machine::{Level, Roll};
use crate::store::LogNo;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The books of all logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    logs: BTreeMap<(CampaignNo, LogNo), Book>,
    /// The last entry of each log.
    ends: BTreeMap<LogNo, (u64, At)>,
}

/// What a log says of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// Its pools, kinds, and which shard it is.
    pub opened: Opened,
    /// What stands in each account of each pool.
    pub funds: Funds,
    /// What was sent to other shards less what was received from them, a pool; in fen.
    pub sent: BTreeMap<PoolNo, i128>,
    /// Each order as it stands: of one that was locked anew, as it was locked last.
    pub orders: BTreeMap<RedemptionId, Order>,
    /// Each refund.
    pub refunds: BTreeMap<RefundId, Refund>,
    /// What batches have, in the order of the log.
    pub lines: Vec<Line>,
    /// What stands between each merchant and pool.
    pub dues: BTreeMap<(MerchantNo, PoolNo), Dues>,
    /// The folder of merchants that was decided last.
    pub roll: Option<Roll>,
    /// How each merchant stood, since when.
    pub standings: BTreeMap<MerchantNo, Vec<(At, Standing)>>,
    /// The rounds that have stock here.
    pub rounds: BTreeMap<RoundNo, Round>,
}

/// An order that a coupon was held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whose order it is.
    pub merchant: MerchantNo,
    /// The round of its coupon.
    pub round: RoundNo,
    /// The coupon's kind.
    pub kind: KindNo,
    /// Whose money it is.
    pub pool: PoolNo,
    /// The coupon's face.
    pub face: Fen,
    /// How it stands.
    pub status: Status,
    /// The entry that made it so.
    pub seq: u64,
    /// When.
    pub at: At,
}

/// How an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its coupon is held until then.
    Locked(At),
    /// It was paid.
    Confirmed,
    /// It came to nothing.
    Released(Release),
}

/// A refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refund {
    /// What of.
    pub redemption: RedemptionId,
    /// Whose order it is.
    pub merchant: MerchantNo,
    /// Whose money it is.
    pub pool: PoolNo,
    /// What of the face is taken back.
    pub back: Fen,
    /// Whether the merchant owes it.
    pub owed: bool,
    /// The entry.
    pub seq: u64,
    /// When.
    pub at: At,
}

/// What a batch has for a merchant of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
    /// The pool.
    pub pool: PoolNo,
    /// What was due.
    pub consumed: Fen,
    /// What the merchant owed after its line before this one.
    pub owed_before: Fen,
    /// What is kept of what was due.
    pub owed: Fen,
    /// Whether it is paid.
    pub payment: Payment,
    /// The entry.
    pub seq: u64,
    /// When.
    pub at: At,
}

/// How far a line's payment is in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// To be made.
    Payable,
    /// It did not arrive.
    Failed,
    /// It was made.
    Paid,
}

/// What stands between a merchant and a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dues {
    /// Redeemed and in no batch.
    pub due: Fen,
    /// Taken back after it was settled, and not taken off a batch.
    pub owed: Fen,
    /// What was owed after the last line.
    owed_after_line: Fen,
    /// In batches, and not paid.
    pub payable: Fen,
    /// Paid.
    pub paid: Fen,
}

/// A round's stock in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// From its opening until its coupons end.
    pub window: Window,
    /// Whether its money has gone back.
    pub expired: bool,
    /// By kind.
    pub stock: Vec<Level>,
}

/// An entry that contradicts those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Contradiction {
    /// The log.
    pub log: LogNo,
    /// The entry.
    pub seq: u64,
    /// How.
    pub why: &'static str,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log {}, seq {}: {}", self.log, self.seq, self.why)
    }
}

impl Line {
    /// What is to be paid.
    pub fn payable(&self) -> Fen {
        self.consumed.checked_sub(self.owed).unwrap_or(Fen::ZERO)
    }
}

impl Book {
    /// How a merchant stood at an instant; as a new one does, if nothing was said.
    pub fn standing(&self, merchant: MerchantNo, at: At) -> Standing {
        let said = self.standings.get(&merchant).into_iter().flatten();
        said.take_while(|(since, _)| *since <= at).last().map_or(Standing::Active, |(_, it)| *it)
    }

    /// The last line of a merchant and pool.
    pub fn last_line(&self, merchant: MerchantNo, pool: PoolNo) -> Option<&Line> {
        self.lines.iter().rev().find(|it| (it.merchant, it.pool) == (merchant, pool))
    }
}

impl Books {
    /// The campaign of that name.
    pub fn campaign(&self, name: &str) -> Option<CampaignNo> {
        self.logs.iter().find(|(_, book)| book.opened.name == name).map(|((no, _), _)| *no)
    }

    /// Every campaign.
    pub fn campaigns(&self) -> Vec<CampaignNo> {
        let mut all: Vec<CampaignNo> = self.logs.keys().map(|(no, _)| *no).collect();
        all.dedup();
        all
    }

    /// The books of a campaign, log by log.
    pub fn of(&self, campaign: CampaignNo) -> impl Iterator<Item = (LogNo, &Book)> {
        let logs = (campaign, LogNo(0))..=(campaign, LogNo(u32::MAX));
        self.logs.range(logs).map(|((_, log), book)| (*log, book))
    }

    /// The last entry of each log, and when it was made.
    pub fn ends(&self) -> &BTreeMap<LogNo, (u64, At)> {
        &self.ends
    }

    /// What batches have, log by log.
    pub fn lines(&self, campaign: CampaignNo) -> impl Iterator<Item = (LogNo, &Line)> {
        self.of(campaign).flat_map(|(log, book)| book.lines.iter().map(move |it| (log, it)))
    }

    /// The merchants that are not settled as they stood at an instant, in whichever log.
    pub fn held(&self, campaign: CampaignNo, at: At) -> BTreeSet<MerchantNo> {
        let mut held = BTreeSet::new();
        for (_, book) in self.of(campaign) {
            let stops = |no: &&MerchantNo| !book.standing(**no, at).settles();
            held.extend(book.standings.keys().filter(stops));
        }
        held
    }

    /// The folder of merchants that was decided last; `None` if none was.
    pub fn roll(&self, campaign: CampaignNo) -> Option<Roll> {
        self.of(campaign).filter_map(|(_, book)| book.roll).max_by_key(|roll| roll.at)
    }

    /// The batch that was begun last; `None` before the first.
    pub fn last_batch(&self, campaign: CampaignNo) -> Option<BatchNo> {
        self.lines(campaign).map(|(_, line)| line.batch).max()
    }
}
