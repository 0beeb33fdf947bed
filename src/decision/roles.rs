//! Who decides what: one table.

use crate::ledger::event::Subject;
use std::{fmt, str::FromStr};

/// What somebody is in the campaign (R-ROLE-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Issues the coupons.
    Operator,
    /// Looks at subsidies' documents.
    Verifier,
    /// Coordinates; approves subsidies and settlement.
    Bureau,
    /// Funds and pays out.
    Finance,
    /// Extends the campaign, moves money between pools.
    LeadingGroup,
    /// Reads everything.
    Auditor,
    /// Reads what is reconciled.
    CentralBank,
    /// The police.
    Police,
    /// Looks at prices.
    MarketSupervision,
    /// Publishes.
    Publisher,
}

use Role::{Bureau, Finance, LeadingGroup, Operator, Verifier};

impl Role {
    /// Every one of them.
    pub const ALL: [Role; 10] = [
        Operator,
        Verifier,
        Bureau,
        Finance,
        LeadingGroup,
        Role::Auditor,
        Role::CentralBank,
        Role::Police,
        Role::MarketSupervision,
        Role::Publisher,
    ];

    /// Its word, as a key's file has it.
    pub fn word(self) -> &'static str {
        match self {
            Operator => "operator",
            Verifier => "verifier",
            Bureau => "bureau",
            Finance => "finance",
            LeadingGroup => "leading_group",
            Role::Auditor => "auditor",
            Role::CentralBank => "central_bank",
            Role::Police => "police",
            Role::MarketSupervision => "market_supervision",
            Role::Publisher => "publisher",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// There is no such role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no role; there are operator, verifier, bureau, finance, leading_group, auditor, central_bank, police, \
         market_supervision and publisher"
)]
pub struct NoRole(String);

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(word: &str) -> Result<Role, NoRole> {
        let role = Role::ALL.into_iter().find(|role| role.word() == word);
        role.ok_or_else(|| NoRole(word.to_owned()))
    }
}

/// One person's place in a decision: somebody who has one of these roles.
pub type Seat = &'static [Role];

/// What a decision takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The rules that say so.
    pub rules: &'static str,
    /// One person for each.
    pub seats: &'static [Seat],
    /// How long it may be open.
    pub open_ms: i64,
}

const SOON_MS: i64 = 10 * 60_000;
const DAY_MS: i64 = 24 * 3_600_000;
const STOPS: Seat = &[Operator, Verifier, Bureau, Finance, LeadingGroup];
const RESUMES: Seat = &[Operator, Bureau];

impl Needs {
    /// What it takes to decide `what`.
    pub fn of(what: &Subject) -> Needs {
        let (rules, seats, open_ms): (_, &'static [Seat], _) = match what {
            Subject::Trip { .. } => ("R-RISK-3", &[STOPS], SOON_MS),
            Subject::Resume { .. } | Subject::Forget { .. } => {
                ("R-RISK-3, R-ROLE-1", &[RESUMES, RESUMES], SOON_MS)
            }
            Subject::Adjust { .. } => ("R-ADJ-1, R-ROLE-1", &[&[Bureau], &[Finance]], DAY_MS),
            Subject::Extend { .. } => ("R-ADJ-2, R-ROLE-1", &[&[Bureau], &[LeadingGroup]], DAY_MS),
            Subject::Standing { .. } | Subject::Admit { .. } => {
                ("R-MERCH-1, R-ROLE-1", &[&[Operator], &[Bureau]], DAY_MS)
            }
            Subject::Settle { .. } | Subject::Paid { .. } | Subject::Failed { .. } => {
                ("R-ROLE-1", &[&[Bureau], &[Finance]], DAY_MS)
            }
        };
        Needs { rules, seats, open_ms }
    }
}

/// A seat in words.
pub fn told(seat: Seat) -> String {
    seat.iter().map(|role| role.word()).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::event::decisions::subjects;

    #[test]
    fn r_role_1_the_table_of_who_decides_what() {
        let lines: Vec<String> = subjects()
            .iter()
            .map(|what| {
                let Needs { rules, seats, open_ms } = Needs::of(what);
                let seats: Vec<String> = seats.iter().map(|seat| told(seat)).collect();
                let minutes = open_ms / 60_000;
                format!("{}: {} ({minutes} min, {rules})", what.word(), seats.join(" + "))
            })
            .collect();
        assert_eq!(
            lines,
            [
                "trip: operator or verifier or bureau or finance or leading_group (10 min, R-RISK-3)",
                "resume: operator or bureau + operator or bureau (10 min, R-RISK-3, R-ROLE-1)",
                "forget: operator or bureau + operator or bureau (10 min, R-RISK-3, R-ROLE-1)",
                "adjust: bureau + finance (1440 min, R-ADJ-1, R-ROLE-1)",
                "standing: operator + bureau (1440 min, R-MERCH-1, R-ROLE-1)",
                "admit: operator + bureau (1440 min, R-MERCH-1, R-ROLE-1)",
                "settle: bureau + finance (1440 min, R-ROLE-1)",
                "paid: bureau + finance (1440 min, R-ROLE-1)",
                "failed: bureau + finance (1440 min, R-ROLE-1)",
                "extend: bureau + leading_group (1440 min, R-ADJ-2, R-ROLE-1)",
            ]
        );
    }

    #[test]
    fn a_role_is_read_as_it_is_told() {
        for role in Role::ALL {
            assert_eq!(role.word().parse(), Ok(role));
        }
        assert!("boss".parse::<Role>().unwrap_err().to_string().contains("\"boss\" is no role"));
    }
}
