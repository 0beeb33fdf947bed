//! The plan of a campaign: read from one TOML file, checked as a whole, resolved to instants and numbers.
//!
//! A plan with any error is refused; a warning is something a person should know and may want.

mod check;
mod extending;
mod parse;
#[cfg(test)]
pub(crate) mod tests;

pub use extending::{Calendar, rounds};
pub use parse::{Allocation, BoundFor, ClockRules, Leftover, Limit, LimitOf, Per, RateRules};

use crate::code::CodeRules;
use crate::domain::{
    At, Fen, PoolNo, Window, calendar::Round, fence::FixRules, workdays::SettlementRules,
};
use crate::merchant::terminal::TerminalRules;
use crate::redeem::Policy;
use jiff::tz::TimeZone;
use std::{fmt, fs, io, num::NonZeroU32, path::Path, path::PathBuf};

/// A plan without errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The campaign's name in addresses and reports.
    pub id: String,
    /// The title people see.
    pub title: String,
    /// The zone of its clock times.
    pub zone: TimeZone,
    /// The campaign period (R-CAMP-1).
    pub period: Window,
    /// When the books close (R-CAMP-1).
    pub books_close: At,
    /// The whole fund: the sum of the pools (R-FUND-1).
    pub fund: Fen,
    /// The pools, in the order of their numbers.
    pub pools: Vec<Pool>,
    /// The coupon kinds, in the order of their numbers.
    pub kinds: Vec<Kind>,
    /// The rounds, in order (R-CAL-1).
    pub rounds: Vec<Round>,
    /// What its rounds are made of, and those after them.
    pub calendar: Calendar,
    /// How many coupons a person may get (R-WHO-3).
    pub limits: Vec<Limit>,
    /// Who gets a coupon (R-CLAIM-1).
    pub allocation: Allocation,
    /// What happens to what nobody took (R-FUND-2).
    pub leftover: Leftover,
    /// The rules of a pass (R-RISK-1).
    pub pass: PassRules,
    /// The rules of a position fix, the fence among them (R-WHO-1).
    pub fix: FixRules,
    /// Whether the fence is checked again when a payment code is made (R-WHO-1).
    pub fence_at_use: bool,
    /// The rules of redeeming (R-REDEEM).
    pub redeem: RedeemRules,
    /// How often a person, device or address may ask (R-RISK-4).
    pub rates: RateRules,
    /// The rules of the server's clock (R-RISK-3).
    pub clock: ClockRules,
    /// When merchants are paid (R-CAL-1).
    pub settlement: SettlementRules,
}

/// One pool of the fund (R-FUND-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its hard limit.
    pub budget: Fen,
    /// Whether money never moves in or out of it (R-FUND-3).
    pub ring_fenced: bool,
}

/// One coupon kind (R-KIND-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: String,
    /// The pool it is paid from.
    pub pool: PoolNo,
    /// What the fund pays for one.
    pub face: Fen,
    /// The least order amount, inclusive (R-KIND-2).
    pub threshold: Fen,
    /// How many every round puts out (R-QTY-1).
    pub units_per_round: u32,
}

/// The rules of a pass (R-RISK-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassRules {
    /// How long before the opening captchas may be solved.
    pub solve_before_opening_s: u32,
    /// How long a pass lives.
    pub valid_s: NonZeroU32,
    /// Whether a pass names one kind only.
    pub one_kind_per_pass: bool,
    /// How long identifiers stay bound to a person (R-WHO-3).
    pub bound_for: BoundFor,
}

/// The rules of redeeming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedeemRules {
    /// How long a coupon is held for an order (R-REDEEM-4).
    pub lock_ms: u32,
    /// How far from the shop a payment code may have been made, in metres (R-REDEEM-2).
    pub far_m: u32,
    /// The rules of payment codes (R-REDEEM-2).
    pub codes: CodeRules,
    /// The rules of tills' signatures.
    pub terminals: TerminalRules,
    /// What is done about refunds (R-REDEEM-5).
    pub refunds: Policy,
}

/// Something to say about one line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub value: String,
    /// What is the matter with it.
    pub fault: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { line, value, fault, remedy } = self;
        write!(f, "line {line}: `{value}`: {fault}; {remedy}")
    }
}

/// Why a file is not a plan, and what else was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// At least one; in the order of the lines.
    pub errors: Vec<Finding>,
    /// In the order of the lines.
    pub warnings: Vec<Finding>,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.errors.first().map_or(Ok(()), |first| write!(f, "{first}"))?;
        write!(f, " (errors: {})", self.errors.len())
    }
}

/// Why a file's plan can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is no plan.
    #[error("{}: {faulty}; `quan check {}` lists them all", path.display(), path.display())]
    Faulty {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        faulty: Faulty,
    },
}

/// A plan and what a person should know about it, in the order of the lines.
pub type Checked = (Plan, Vec<Finding>);

impl Plan {
    /// Reads and checks the plan file at `path` and the fence file it names; the error is the plan file's own.
    pub fn load(path: &Path) -> io::Result<Result<Checked, Faulty>> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let text = fs::read_to_string(path)?;
        Ok(Plan::from_toml(&text, |file| fs::read_to_string(folder.join(file))))
    }

    /// The plan of the file at `path`, for whoever can go on only with one that has no errors.
    pub fn usable(path: &Path) -> Result<Plan, Unusable> {
        let checked = Plan::load(path);
        let path = path.to_owned();
        match checked {
            Ok(Ok((plan, _))) => Ok(plan),
            Ok(Err(faulty)) => Err(Unusable::Faulty { path, faulty }),
            Err(error) => Err(Unusable::Io { path, error }),
        }
    }

    /// Reads and checks the text of a plan file; `fence` reads the file of that name beside it.
    ///
    /// What can't be read at all (syntax, an unknown or missing key, a wrong type) is reported alone;
    /// otherwise every error is reported at once.
    pub fn from_toml(
        text: &str,
        fence: impl Fn(&str) -> io::Result<String>,
    ) -> Result<Checked, Faulty> {
        let raw = parse::read(text)
            .map_err(|error| Faulty { errors: vec![error], warnings: Vec::new() })?;
        check::check(raw, text, fence)
    }
}
