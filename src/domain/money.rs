//! Money is whole fen, never a float.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of money in fen (1 yuan = 100 fen). Never negative, never a float.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fen(u64);

impl Fen {
    /// No money.
    pub const ZERO: Fen = Fen(0);
    /// The largest amount that an order or a cap may be: ten billion yuan. A store's number would hold no much higher one.
    pub const MOST: Fen = Fen(1_000_000_000_000);

    /// `Fen::new(1_234)` is ¥12.34.
    pub const fn new(fen: u64) -> Fen {
        Fen(fen)
    }

    /// The number of fen.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum; `None` beyond `u64`.
    pub const fn checked_add(self, other: Fen) -> Option<Fen> {
        match self.0.checked_add(other.0) {
            Some(fen) => Some(Fen(fen)),
            None => None,
        }
    }

    /// What is left after `other` is taken away; `None` if `other` is larger.
    pub const fn checked_sub(self, other: Fen) -> Option<Fen> {
        match self.0.checked_sub(other.0) {
            Some(fen) => Some(Fen(fen)),
            None => None,
        }
    }

    /// This amount `units` times; `None` beyond `u64`.
    pub const fn checked_mul(self, units: u64) -> Option<Fen> {
        match self.0.checked_mul(units) {
            Some(fen) => Some(Fen(fen)),
            None => None,
        }
    }
}

impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "¥{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::Fen;

    #[test]
    fn more_than_there_is_cannot_be_taken() {
        assert_eq!(Fen::new(500).checked_sub(Fen::new(501)), None);
    }

    #[test]
    fn money_prints_as_people_read_it() {
        assert_eq!(Fen::new(600_000_005).to_string(), "¥6000000.05");
    }
}
