//! Where a pool's money stands. Funds know reservations only: a pool, an amount, a reference.
//!
//! # What always holds
//!
//! - Money moves by [`Posting`]s alone, each from one account of a pool to another account of the
//!   same pool, so postings sum to zero by construction and a pool's money never leaves it (I5).
//! - No account but the treasury's goes below zero: a posting that would is refused whole.
//! - Treasury out = available + reserved + frozen + consumed + payable + paid, for every pool, after every
//!   posting.

use crate::domain::{Fen, PoolNo};
use serde::{Deserialize, Serialize};

/// The accounts of one pool (R-FUND-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Account {
    /// The county treasury, outside the pool: the one account that may owe.
    Treasury,
    /// Not promised to anybody.
    Available,
    /// Set aside for a round that is armed.
    Reserved,
    /// In coupons that people hold.
    Frozen,
    /// Of coupons that were redeemed, in no settlement yet.
    Consumed,
    /// In a settlement batch, for a merchant.
    Payable,
    /// With merchants.
    Paid,
}

impl Account {
    /// What it is called in the store and in Redis.
    pub const fn name(self) -> &'static str {
        match self {
            Account::Treasury => "treasury",
            Account::Available => "available",
            Account::Reserved => "reserved",
            Account::Frozen => "frozen",
            Account::Consumed => "consumed",
            Account::Payable => "payable",
            Account::Paid => "paid",
        }
    }
}

/// One movement of money inside one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// The pool whose money moves.
    pub pool: PoolNo,
    /// The account it leaves.
    pub from: Account,
    /// The account it enters.
    pub to: Account,
    /// How much.
    pub fen: Fen,
}

/// Why a posting can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FundsRefusal {
    /// The campaign has no such pool.
    PoolUnknown,
    /// The account holds less than the posting takes.
    NotEnough,
}

/// The balances of one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    /// What the treasury has put in.
    pub budget: Fen,
    /// Not promised to anybody.
    pub available: Fen,
    /// Set aside for armed rounds.
    pub reserved: Fen,
    /// In coupons that people hold.
    pub frozen: Fen,
    /// Of coupons that were redeemed, in no settlement yet.
    pub consumed: Fen,
    /// In settlement batches, for merchants.
    pub payable: Fen,
    /// With merchants.
    pub paid: Fen,
}

impl Balances {
    /// These balances after `posting`, or why it can't be made.
    pub fn after(mut self, posting: &Posting) -> Result<Balances, FundsRefusal> {
        use FundsRefusal::NotEnough;
        let source = self.account(posting.from);
        *source = match posting.from {
            Account::Treasury => source.checked_add(posting.fen).ok_or(NotEnough)?,
            _ => source.checked_sub(posting.fen).ok_or(NotEnough)?,
        };
        let target = self.account(posting.to);
        *target = match posting.to {
            Account::Treasury => target.checked_sub(posting.fen).ok_or(NotEnough)?,
            _ => target.checked_add(posting.fen).ok_or(NotEnough)?,
        };
        Ok(self)
    }

    /// Whether what the treasury put in is what stands in the accounts.
    pub fn balanced(&self) -> bool {
        let held = [self.reserved, self.frozen, self.consumed, self.payable, self.paid];
        let sum = held.into_iter().try_fold(self.available, Fen::checked_add);
        sum == Some(self.budget)
    }

    fn plus(&self, other: &Balances) -> Balances {
        // Sums of one budget, which fits.
        let sum = |a: Fen, b: Fen| a.checked_add(b).unwrap_or(a);
        Balances {
            budget: sum(self.budget, other.budget),
            available: sum(self.available, other.available),
            reserved: sum(self.reserved, other.reserved),
            frozen: sum(self.frozen, other.frozen),
            consumed: sum(self.consumed, other.consumed),
            payable: sum(self.payable, other.payable),
            paid: sum(self.paid, other.paid),
        }
    }

    fn account(&mut self, account: Account) -> &mut Fen {
        match account {
            Account::Treasury => &mut self.budget,
            Account::Available => &mut self.available,
            Account::Reserved => &mut self.reserved,
            Account::Frozen => &mut self.frozen,
            Account::Consumed => &mut self.consumed,
            Account::Payable => &mut self.payable,
            Account::Paid => &mut self.paid,
        }
    }
}

/// The pools of one campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funds {
    pools: Vec<Balances>,
}

impl Funds {
    /// `pools` empty pools.
    pub fn new(pools: usize) -> Funds {
        Funds { pools: vec![Balances::default(); pools] }
    }

    /// The balances of `pool`.
    pub fn pool(&self, pool: PoolNo) -> Option<&Balances> {
        self.pools.get(usize::from(pool.0))
    }

    /// Both together, pool by pool.
    #[must_use]
    pub fn plus(&self, other: &Funds) -> Funds {
        let none = Balances::default();
        let pools = (0..self.pools.len().max(other.pools.len())).map(|pool| {
            let (a, b) =
                (self.pools.get(pool).unwrap_or(&none), other.pools.get(pool).unwrap_or(&none));
            a.plus(b)
        });
        Funds { pools: pools.collect() }
    }

    /// Funds that stand so.
    pub fn of(pools: Vec<Balances>) -> Funds {
        Funds { pools }
    }

    /// What `posting` would make of its pool, or why it is refused.
    pub fn after(&self, posting: &Posting) -> Result<Balances, FundsRefusal> {
        self.pool(posting.pool).ok_or(FundsRefusal::PoolUnknown)?.after(posting)
    }

    /// Makes `posting`, or refuses it and changes nothing.
    pub fn post(&mut self, posting: &Posting) -> Result<(), FundsRefusal> {
        let after = self.after(posting)?;
        if let Some(balances) = self.pools.get_mut(usize::from(posting.pool.0)) {
            *balances = after;
        }
        Ok(())
    }

    /// Whether every pool is balanced.
    pub fn balanced(&self) -> bool {
        self.pools.iter().all(Balances::balanced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting(from: Account, to: Account, fen: u64) -> Posting {
        Posting { pool: PoolNo(0), from, to, fen: Fen::new(fen) }
    }

    #[test]
    fn r_fund_2_a_pool_never_promises_more_than_it_has() {
        let mut funds = Funds::new(1);
        funds.post(&posting(Account::Treasury, Account::Available, 100)).unwrap();
        funds.post(&posting(Account::Available, Account::Reserved, 60)).unwrap();
        let before = funds.clone();
        let refused = funds.post(&posting(Account::Available, Account::Reserved, 41));
        assert_eq!(refused, Err(FundsRefusal::NotEnough));
        assert_eq!(funds, before, "a refused posting changes nothing");
        assert!(funds.balanced());
    }

    #[test]
    fn r_fund_2_a_fen_stands_in_one_account_from_the_treasury_to_the_merchant() {
        use Account::{Available, Consumed, Frozen, Paid, Payable, Reserved, Treasury};
        let way = [Treasury, Available, Reserved, Frozen, Consumed, Payable, Paid];
        let mut funds = Funds::new(1);
        for step in way.windows(2) {
            funds.post(&posting(step[0], step[1], 7)).unwrap();
            assert!(funds.balanced(), "{step:?}");
        }
        assert_eq!(funds.pool(PoolNo(0)).unwrap().paid, Fen::new(7));
        for account in [Available, Reserved, Frozen, Consumed, Payable] {
            let refused = funds.post(&posting(account, Available, 1));
            assert_eq!(refused, Err(FundsRefusal::NotEnough), "{account:?} is empty");
        }
    }

    #[test]
    fn a_pool_that_is_not_there_is_named() {
        let refused = Funds::new(0).post(&posting(Account::Treasury, Account::Available, 1));
        assert_eq!(refused, Err(FundsRefusal::PoolUnknown));
    }
}
