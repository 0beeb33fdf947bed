use crate::domain::{RoundNo, Window, calendar::Extension};
use serde::{Deserialize, Serialize};

/// A round got its stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// The round.
    pub round: RoundNo,
    /// From its opening until its coupons end: claimable in between (R-CAL-4).
    pub window: Window,
    /// Coupons of each kind, in the order of the kinds' numbers.
    pub quantities: Vec<u32>,
}

/// A round's coupons ran out: what was not used went back to its pools (R-FUND-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// The round.
    pub round: RoundNo,
}

/// The quantities of a round that is not armed yet were changed (R-ADJ-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjusted {
    /// The round.
    pub round: RoundNo,
    /// How often its quantities were changed, with this time.
    pub version: u32,
    /// Coupons of each kind, in the order of the kinds' numbers.
    pub quantities: Vec<u32>,
}

/// The campaign goes on for further rounds (R-ADJ-2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extended {
    /// The rounds, and until when the period goes.
    pub extension: Extension,
    /// Coupons of each kind in each of them, in the order of the kinds' numbers.
    pub quantities: Vec<u32>,
}

impl Extended {
    /// The first version of the quantities of each of its rounds.
    pub fn adjusted(&self) -> impl Iterator<Item = Adjusted> + '_ {
        self.extension.rounds().map(|round| Adjusted {
            round: round.no,
            version: 1,
            quantities: self.quantities.clone(),
        })
    }
}
