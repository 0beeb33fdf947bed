//! What played weeks came to: every round's claims, everything that tills were told, and where the money went.

pub use super::weeks_page::html;

use super::{Audit, BROKEN, Report as Claims, SATURATED};
use crate::scenario::Scenario;
use crate::shoppers::Shopping;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that played weeks came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The campaign's id.
    pub campaign: String,
    /// People who came in each round.
    pub people: u32,
    /// The seed.
    pub seed: u64,
    /// The shares of what becomes of coupons.
    pub scenario: Scenario,
    /// The weeks, each with its round.
    pub weeks: Vec<Week>,
    /// What phones and tills were told in all weeks.
    pub shopping: Shopping,
    /// The ledger's money, by pool.
    pub pools: Vec<Pool>,
    /// The ledger's coupons, by kind.
    pub kinds: Vec<Kind>,
    /// Whether people, tills and ledger have the same coupons and the same money.
    pub books: Audit,
    /// The audit of the logs.
    pub audit: Audit,
}

/// A round and the week after it.
#[derive(Clone, Debug, Serialize)]
pub struct Week {
    /// The claims.
    pub claims: Claims,
}

/// A pool's money in fen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// Its name.
    pub pool: String,
    /// Everything that was ever moved from one account to another.
    pub flows: Vec<Flow>,
    /// What stands in each account at the end; the treasury's side is below zero.
    pub accounts: BTreeMap<String, i128>,
}

/// Money that was moved from an account to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// From.
    pub from: String,
    /// To.
    pub to: String,
    /// Fen in all.
    pub fen: i128,
}

/// What became of a kind's coupons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Its name.
    pub kind: String,
    /// Its pool's name.
    pub pool: String,
    /// What one is worth, in fen.
    pub face_fen: u64,
    /// Granted in all: the sum of the five after it.
    pub granted: u64,
    /// Used, and not given back since.
    pub used: u64,
    /// Paid back after their end.
    pub returned: u64,
    /// Never used before their end.
    pub expired: u64,
    /// Held for an order.
    pub held: u64,
    /// Still to be used.
    pub unused: u64,
    /// Orders that were left to their deadline.
    pub lapsed: u64,
    /// Parts of faces that refunds took back, in fen.
    pub taken_back_fen: i128,
}

impl Pool {
    /// What was ever moved from one account to another, in fen.
    pub fn flow(&self, from: &str, to: &str) -> i128 {
        let moved = self.flows.iter().filter(|it| it.from == from && it.to == to);
        moved.map(|it| it.fen).fold(0, i128::saturating_add)
    }

    /// What stands in an account, in fen.
    pub fn account(&self, name: &str) -> i128 {
        self.accounts.get(name).copied().unwrap_or(0)
    }
}

impl Report {
    /// The exit code of a program that ends with this report: 0, [`BROKEN`] or [`SATURATED`].
    pub fn exit_code(&self) -> u8 {
        let own = [&self.books, &self.audit, &self.shopping.client];
        let clean = own.iter().all(|audit| audit.clean);
        let claims = || self.weeks.iter().map(|week| week.claims.exit_code());
        match () {
            () if !clean || claims().any(|code| code == BROKEN) => BROKEN,
            () if claims().any(|code| code == SATURATED) => SATURATED,
            () => 0,
        }
    }
}

/// The report as JSON with line breaks.
pub fn json(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}

/// Fen as yuan, for people.
pub fn yuan(fen: i128) -> String {
    let (sign, fen) = (if fen < 0 { "-" } else { "" }, fen.unsigned_abs());
    let digits = (fen / 100).to_string();
    let mut grouped = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}.{:02}", fen % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_told_in_yuan_to_the_fen() {
        for (fen, want) in [
            (0, "0.00"),
            (5, "0.05"),
            (99_999, "999.99"),
            (100_000, "1,000.00"),
            (-600_000_000, "-6,000,000.00"),
        ] {
            assert_eq!(yuan(fen), want);
        }
    }
}
