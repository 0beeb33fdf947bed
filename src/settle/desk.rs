//! A batch from the books and the store: the ledger says what it settled, the store's rows are the lines. Pure.

use super::statement::Fault;
use super::{Batch, Due, Head, Line, PoolDue, What, make_batch};
use crate::books::{Book, Books, Payment};
use crate::domain::workdays::SettlementRules;
use crate::domain::{At, BatchNo, CampaignNo, Fen, MerchantNo, RedemptionId};
use crate::ledger::event::Standing;
use crate::store::{self, LogNo};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What batches of a campaign are made with.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The campaign's name.
    pub name: String,
    /// Its number in the ledger.
    pub campaign: CampaignNo,
    /// The zone of its clock times.
    pub zone: TimeZone,
    /// When merchants are paid.
    pub rules: SettlementRules,
    /// The merchants' names.
    pub names: BTreeMap<MerchantNo, String>,
    /// Order numbers, as far as they are known.
    pub orders: BTreeMap<RedemptionId, String>,
}

/// Why there is no batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmade {
    /// The ledger has no line of it.
    #[error("batch {} was not begun: the ledger has settled nothing in it", .0.0)]
    NotBegun(BatchNo),
    /// The ledger is still at it, or was interrupted.
    #[error("batch {}: merchant {} is due something and not in it yet: the decision is still being carried out",
        .0.0, .1.0)]
    Unfinished(BatchNo, MerchantNo),
    /// What the ledger settled is not what the store's lines make.
    #[error("batch {}: merchant {}: {fault}; nothing is written", batch.0, merchant.0)]
    Differs {
        /// The batch.
        batch: BatchNo,
        /// The merchant.
        merchant: MerchantNo,
        /// What is wrong.
        fault: Fault,
    },
    /// The calendar ends before the day of payment.
    #[error("the calendar has no day to pay it on")]
    NoDay,
}

/// How a merchant stands before the next batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Next {
    /// Its number.
    pub merchant: MerchantNo,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// The pool.
    pub pool: String,
    /// Redeemed and in no batch.
    pub due_fen: Fen,
    /// What it owes for refunds of what was settled.
    pub owed_fen: Fen,
    /// What the next batch would pay: nothing if it is held.
    pub payable_fen: Fen,
}

impl Terms {
    fn name_of(&self, merchant: MerchantNo) -> String {
        self.names.get(&merchant).cloned().unwrap_or_default()
    }

    /// The number that the next batch gets.
    pub fn next_batch(&self, books: &Books) -> BatchNo {
        BatchNo(books.last_batch(self.campaign).map_or(1, |last| last.0.saturating_add(1)))
    }

    /// What the next batch would hold, by merchant and pool. What one log has to take off comes off what it has to give.
    pub fn next(&self, books: &Books) -> Vec<Next> {
        let mut all: BTreeMap<_, Next> = BTreeMap::new();
        for (_, book) in books.of(self.campaign) {
            for ((merchant, pool), dues) in &book.dues {
                let standing = book.standing(*merchant, At(i64::MAX));
                let next = all.entry((*merchant, *pool)).or_insert_with(|| Next {
                    merchant: *merchant,
                    name: self.name_of(*merchant),
                    standing,
                    pool: book.pool(*pool).to_owned(),
                    due_fen: Fen::ZERO,
                    owed_fen: Fen::ZERO,
                    payable_fen: Fen::ZERO,
                });
                let paid = dues.due.checked_sub(dues.owed).filter(|_| standing.settles());
                for (sum, fen) in [
                    (&mut next.due_fen, dues.due),
                    (&mut next.owed_fen, dues.owed),
                    (&mut next.payable_fen, paid.unwrap_or(Fen::ZERO)),
                ] {
                    // Parts of one fund, which fits.
                    *sum = sum.checked_add(fen).unwrap_or(*sum);
                }
            }
        }
        let open = |it: &Next| (it.due_fen, it.owed_fen) != (Fen::ZERO, Fen::ZERO);
        all.into_values().filter(open).collect()
    }

    /// The batch, made of the store's `rows` and checked with what the ledger settled, merchant by merchant.
    pub fn batch(
        &self,
        batch: BatchNo,
        books: &Books,
        rows: &[store::Due],
    ) -> Result<Batch, Unmade> {
        let lines = books.lines(self.campaign).filter(|(_, line)| line.batch == batch);
        let made_at = lines.map(|(_, line)| line.at).max().ok_or(Unmade::NotBegun(batch))?;
        if let Some(merchant) = self.forgotten(batch, books, rows) {
            return Err(Unmade::Unfinished(batch, merchant));
        }
        let pay_on = self.rules.day_of(made_at, &self.zone).and_then(|day| self.rules.pay_day(day));
        let pay_on = pay_on.ok_or(Unmade::NoDay)?;
        let head = Head { campaign: self.name.clone(), batch, made_at, pay_on };
        let dues = self.dues(batch, made_at, books, rows);
        make_batch(head, dues).map_err(|(merchant, fault)| Unmade::Differs {
            batch,
            merchant,
            fault,
        })
    }

    /// A merchant that was due something when the batch was begun, and is not in it.
    fn forgotten(&self, batch: BatchNo, books: &Books, rows: &[store::Due]) -> Option<MerchantNo> {
        let lines = books.lines(self.campaign).map(|(_, line)| line);
        let of_batch: Vec<_> = lines.filter(|line| line.batch == batch).collect();
        let begun = of_batch.iter().map(|line| line.at).min()?;
        let ended = of_batch.iter().map(|line| line.at).max()?;
        // What a batch has paid it takes no more of.
        let paid = |no| of_batch.iter().any(|it| it.merchant == no && it.payment == Payment::Paid);
        let mut due: BTreeMap<_, i128> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.batch.is_none_or(|it| it > batch)) {
            let fen = i128::from(row.fen.get());
            let sum = due.entry((row.log, row.merchant, row.pool)).or_default();
            match row.refund {
                None if row.at < begun => *sum += fen,
                Some((_, false)) if row.at <= ended => *sum -= fen,
                _ => {}
            }
        }
        let books: BTreeMap<LogNo, &Book> = books.of(self.campaign).collect();
        let settles =
            |log: &LogNo, no| books.get(log).is_some_and(|book| book.standing(no, ended).settles());
        let mut forgotten = due
            .into_iter()
            .filter(|((log, no, _), fen)| *fen > 0 && settles(log, *no) && !paid(*no));
        forgotten.next().map(|((_, merchant, _), _)| merchant)
    }

    fn dues(&self, batch: BatchNo, made_at: At, books: &Books, rows: &[store::Due]) -> Vec<Due> {
        let mut dues: BTreeMap<(MerchantNo, LogNo), Due> = BTreeMap::new();
        let empty = |merchant, log, held| Due {
            merchant,
            log,
            name: self.name_of(merchant),
            held,
            lines: Vec::new(),
            settled: BTreeMap::new(),
        };
        for (log, line) in books.lines(self.campaign).filter(|(_, line)| line.batch == batch) {
            let key = (line.merchant, log);
            let due = dues.entry(key).or_insert_with(|| empty(line.merchant, log, false));
            let settled =
                PoolDue { owed_before: line.owed_before, consumed: line.consumed, kept: line.owed };
            due.settled.insert(line.pool, settled);
        }
        let settled: BTreeSet<MerchantNo> = dues.keys().map(|(merchant, _)| *merchant).collect();
        let kinds: BTreeMap<LogNo, &Book> = books.of(self.campaign).collect();
        for row in rows {
            let Some(book) = kinds.get(&row.log) else { continue };
            let waits = row.batch.is_none_or(|it| it > batch) && row.at <= made_at;
            let held = waits
                && !settled.contains(&row.merchant)
                && !book.standing(row.merchant, made_at).settles();
            if row.batch != Some(batch) && !held {
                continue;
            }
            let key = (row.merchant, row.log);
            let due = dues.entry(key).or_insert_with(|| empty(row.merchant, row.log, held));
            let kind = book.opened.kinds.get(usize::from(row.kind.0));
            due.lines.push(Line {
                at: row.at,
                what: match row.refund {
                    None => What::Redeemed,
                    Some((refund, false)) => What::TakenBack(refund),
                    Some((refund, true)) => What::Owed(refund),
                },
                redemption: row.redemption,
                order: self.orders.get(&row.redemption).cloned().unwrap_or_default(),
                pool: row.pool,
                kind: kind.map(|it| it.name.clone()).unwrap_or_default(),
                fen: row.fen,
            });
        }
        dues.into_values().collect()
    }
}

#[cfg(test)]
mod tests;
