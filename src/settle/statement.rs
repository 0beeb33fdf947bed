//! What a batch holds for each merchant, line by line and in sums that agree with the ledger.

use crate::domain::{At, BatchNo, Fen, MerchantNo, PoolNo, RedemptionId, RefundId};
use crate::store::LogNo;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that happened at a merchant since its last batch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// When.
    pub at: At,
    /// What.
    pub what: What,
    /// The redemption it is about.
    pub redemption: RedemptionId,
    /// The merchant's order number; empty if it is not known, since the ledger has but a digest of it.
    pub order: String,
    /// The pool whose money it is.
    pub pool: PoolNo,
    /// The coupon's kind.
    pub kind: String,
    /// The coupon's face, or how much of it a refund takes back.
    pub fen: Fen,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A coupon was redeemed.
    Redeemed,
    /// Of a redemption in this batch, something is taken back.
    TakenBack(RefundId),
    /// Of a redemption that was settled before, something is taken back: the merchant owes it.
    Owed(RefundId),
}

/// What may be due to a merchant of a log, as the store has it and as the ledger settled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The merchant.
    pub merchant: MerchantNo,
    /// The log: what one has to take off comes off what it has to give.
    pub log: LogNo,
    /// Its name.
    pub name: String,
    /// Whether its settlement is stopped (R-MERCH-2): then the ledger settled nothing for it.
    pub held: bool,
    /// Everything since its last batch.
    pub lines: Vec<Line>,
    /// What the ledger settled, by pool.
    pub settled: BTreeMap<PoolNo, PoolDue>,
}

/// What the ledger says of a merchant and pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolDue {
    /// What the merchant owed after its last batch.
    pub owed_before: Fen,
    /// What was due: redeemed and not taken back.
    pub consumed: Fen,
    /// What of it is kept for what the merchant owes.
    pub kept: Fen,
}

/// Sums of a statement, of one pool or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Faces of the coupons redeemed.
    pub redeemed: Fen,
    /// What of those was taken back.
    pub taken_back: Fen,
    /// What the merchant owed before.
    pub owed_before: Fen,
    /// What it owes for refunds of what was settled before.
    pub owed_new: Fen,
    /// What of all that is kept from this payment.
    pub kept: Fen,
    /// What is to be paid.
    pub payable: Fen,
    /// What it owes still.
    pub owed_after: Fen,
}

/// What a batch holds for one merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The merchant.
    pub merchant: MerchantNo,
    /// Its name.
    pub name: String,
    /// In the order of their instants.
    pub lines: Vec<Line>,
    /// The sums of each pool.
    pub pools: BTreeMap<PoolNo, Totals>,
    /// The sums of all pools.
    pub total: Totals,
}

/// What a batch leaves out since the merchant's settlement is stopped. It stays due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// The merchant.
    pub merchant: MerchantNo,
    /// Its name.
    pub name: String,
    /// Redeemed and not taken back.
    pub due: Fen,
}

/// What a batch is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The campaign.
    pub campaign: String,
    /// The batch.
    pub batch: BatchNo,
    /// When it was made.
    pub made_at: At,
    /// The day on which it is paid.
    pub pay_on: Date,
}

/// One settlement batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What it is known by.
    pub head: Head,
    /// In the order of the merchants' numbers.
    pub statements: Vec<Statement>,
    /// In the order of the merchants' numbers.
    pub held: Vec<HeldBack>,
    /// The sums of all statements.
    pub total: Totals,
}

/// Why there is no statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A merchant is there twice, of the same log.
    #[error("it is in the batch twice")]
    MerchantTwice,
    /// A redemption or refund is there twice.
    #[error("{0:?} is in the batch twice")]
    LineTwice(RedemptionId),
    /// Something is taken back of a redemption that is not in the batch.
    #[error("something is taken back of {0:?}, which is not in the batch")]
    NotInBatch(RedemptionId),
    /// Something is owed for a redemption that was in no batch before.
    #[error("something is owed for {0:?}, which is settled only now")]
    OwedInBatch(RedemptionId),
    /// More is taken back than the coupon was worth, or of another pool.
    #[error("more is taken back of {0:?} than it brought")]
    BackBeyondFace(RedemptionId),
    /// The lines are not what the ledger settled.
    #[error("pool {}: the lines make {lines}, the ledger settled {ledger}", .pool.0)]
    Consumed {
        /// The pool.
        pool: PoolNo,
        /// Of the lines.
        lines: Fen,
        /// Of the ledger.
        ledger: Fen,
    },
    /// What is kept is not what the merchant owes, as far as it is due so much.
    #[error("pool {}: {lines} is to be kept for what is owed, the ledger kept {ledger}", .pool.0)]
    Kept {
        /// The pool.
        pool: PoolNo,
        /// Of the lines.
        lines: Fen,
        /// Of the ledger.
        ledger: Fen,
    },
    /// The ledger settled something for a merchant whose settlement is stopped.
    #[error("the ledger settled something though its settlement is stopped")]
    SettledThoughHeld,
    /// A sum leaves the range of amounts.
    #[error("a sum is beyond any amount of money")]
    TooMuch,
}

/// The batch of all that is due, or the first merchant with which something is wrong, and what.
///
/// A merchant's statement is the sum of what its logs say, each of which has to agree with the ledger for itself.
pub fn make_batch(head: Head, mut dues: Vec<Due>) -> Result<Batch, (MerchantNo, Fault)> {
    dues.sort_by_key(|due| (due.merchant, due.log));
    let mut batch =
        Batch { head, statements: Vec::new(), held: Vec::new(), total: Totals::default() };
    for shares in dues.chunk_by(|a, b| a.merchant == b.merchant) {
        let Some(merchant) = shares.first().map(|due| due.merchant) else { continue };
        let of = |fault| (merchant, fault);
        if shares.windows(2).any(|two| matches!(two, [a, b] if a.log == b.log)) {
            return Err(of(Fault::MerchantTwice));
        }
        let (waits, settled): (Vec<Due>, Vec<Due>) = shares.iter().cloned().partition(|it| it.held);
        if !waits.is_empty() {
            batch.held.push(held_back(waits).map_err(of)?);
        }
        if !settled.is_empty() {
            let statement = Statement::of_all(settled).map_err(of)?;
            batch.total = batch.total.plus(&statement.total).ok_or(of(Fault::TooMuch))?;
            batch.statements.push(statement);
        }
    }
    Ok(batch)
}

impl Statement {
    /// The statement of what is due to a merchant, if its lines are what the ledger settled.
    pub fn of(due: Due) -> Result<Statement, Fault> {
        let Due { merchant, name, mut lines, settled, .. } = due;
        lines.sort();
        check(&lines)?;
        let mut pools: BTreeMap<PoolNo, Totals> = BTreeMap::new();
        for (pool, it) in &settled {
            pools.insert(*pool, Totals { owed_before: it.owed_before, ..Totals::default() });
        }
        for line in &lines {
            pools.entry(line.pool).or_default().add(line)?;
        }
        let mut total = Totals::default();
        for (pool, totals) in &mut pools {
            let ledger = settled.get(pool).copied().unwrap_or_default();
            totals.close(*pool, &ledger)?;
            total = total.plus(totals).ok_or(Fault::TooMuch)?;
        }
        Ok(Statement { merchant, name, lines, pools, total })
    }

    /// The statement of a merchant's shares of several logs.
    fn of_all(shares: Vec<Due>) -> Result<Statement, Fault> {
        let mut shares = shares.into_iter();
        let mut all = Statement::of(shares.next().ok_or(Fault::TooMuch)?)?;
        for share in shares {
            let share = Statement::of(share)?;
            all.lines.extend(share.lines);
            for (pool, totals) in &share.pools {
                let sum = all.pools.entry(*pool).or_default();
                *sum = sum.plus(totals).ok_or(Fault::TooMuch)?;
            }
            all.total = all.total.plus(&share.total).ok_or(Fault::TooMuch)?;
        }
        all.lines.sort();
        check(&all.lines)?;
        Ok(all)
    }
}

/// No line is there twice, and nothing is taken back that the batch does not bring.
fn check(lines: &[Line]) -> Result<(), Fault> {
    let mut left: BTreeMap<RedemptionId, (PoolNo, Fen)> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.what == What::Redeemed) {
        if left.insert(line.redemption, (line.pool, line.fen)).is_some() {
            return Err(Fault::LineTwice(line.redemption));
        }
    }
    let mut refunds = BTreeSet::new();
    for line in lines {
        let (What::TakenBack(refund) | What::Owed(refund)) = line.what else { continue };
        if !refunds.insert(refund) {
            return Err(Fault::LineTwice(line.redemption));
        }
        let brought = left.get_mut(&line.redemption);
        if line.what == What::Owed(refund) {
            if brought.is_some() {
                return Err(Fault::OwedInBatch(line.redemption));
            }
            continue;
        }
        let brought = brought.ok_or(Fault::NotInBatch(line.redemption))?;
        let rest = brought.1.checked_sub(line.fen).filter(|_| brought.0 == line.pool);
        brought.1 = rest.ok_or(Fault::BackBeyondFace(line.redemption))?;
    }
    Ok(())
}

fn held_back(shares: Vec<Due>) -> Result<HeldBack, Fault> {
    let first = shares.first().ok_or(Fault::TooMuch)?;
    let mut all = HeldBack { merchant: first.merchant, name: first.name.clone(), due: Fen::ZERO };
    for Due { lines, settled, .. } in shares {
        check(&lines)?;
        if settled.values().any(|it| (it.consumed, it.kept) != (Fen::ZERO, Fen::ZERO)) {
            return Err(Fault::SettledThoughHeld);
        }
        let mut totals = Totals::default();
        lines.iter().try_for_each(|line| totals.add(line))?;
        // Of no redemption more is taken back than it brought.
        let due = totals.redeemed.checked_sub(totals.taken_back).ok_or(Fault::TooMuch)?;
        all.due = all.due.checked_add(due).ok_or(Fault::TooMuch)?;
    }
    Ok(all)
}

impl Totals {
    fn add(&mut self, line: &Line) -> Result<(), Fault> {
        let sum = match line.what {
            What::Redeemed => &mut self.redeemed,
            What::TakenBack(_) => &mut self.taken_back,
            What::Owed(_) => &mut self.owed_new,
        };
        *sum = sum.checked_add(line.fen).ok_or(Fault::TooMuch)?;
        Ok(())
    }

    /// Takes off what is owed, and compares with the ledger.
    fn close(&mut self, pool: PoolNo, ledger: &PoolDue) -> Result<(), Fault> {
        let consumed = self.redeemed.checked_sub(self.taken_back).ok_or(Fault::TooMuch)?;
        if consumed != ledger.consumed {
            return Err(Fault::Consumed { pool, lines: consumed, ledger: ledger.consumed });
        }
        let owed = self.owed_before.checked_add(self.owed_new).ok_or(Fault::TooMuch)?;
        self.kept = owed.min(consumed);
        if self.kept != ledger.kept {
            return Err(Fault::Kept { pool, lines: self.kept, ledger: ledger.kept });
        }
        // What is kept is part of both.
        self.payable = consumed.checked_sub(self.kept).ok_or(Fault::TooMuch)?;
        self.owed_after = owed.checked_sub(self.kept).ok_or(Fault::TooMuch)?;
        Ok(())
    }

    /// Both together; `None` beyond the range of amounts.
    fn plus(&self, other: &Totals) -> Option<Totals> {
        Some(Totals {
            redeemed: self.redeemed.checked_add(other.redeemed)?,
            taken_back: self.taken_back.checked_add(other.taken_back)?,
            owed_before: self.owed_before.checked_add(other.owed_before)?,
            owed_new: self.owed_new.checked_add(other.owed_new)?,
            kept: self.kept.checked_add(other.kept)?,
            payable: self.payable.checked_add(other.payable)?,
            owed_after: self.owed_after.checked_add(other.owed_after)?,
        })
    }
}

#[cfg(test)]
mod tests;
