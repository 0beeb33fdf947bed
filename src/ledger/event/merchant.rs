use crate::domain::{Fen, MerchantNo, PoolSet};
use serde::{Deserialize, Serialize};

/// A merchant may redeem, on these terms (R-MERCH-1, R-KIND-4). Admitted again, the terms are these from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// The merchant.
    pub merchant: MerchantNo,
    /// Its categories: the pools whose coupons it takes.
    pub categories: PoolSet,
    /// The face value that it may redeem in all; zero if there is no limit.
    pub cap: Fen,
}

/// A merchant may do something from now on, or may not (R-MERCH-1, R-MERCH-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// The merchant.
    pub merchant: MerchantNo,
    /// What it may do.
    pub standing: Standing,
}

/// What a merchant may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Standing {
    /// Redeem, and be paid.
    #[default]
    Active = 1,
    /// Be paid for what was redeemed before.
    Suspended = 2,
    /// Redeem; its settlement stops.
    Held = 3,
    /// Neither.
    SuspendedAndHeld = 4,
}

impl Standing {
    /// The standing of that number.
    pub const fn of(number: u8) -> Option<Standing> {
        match number {
            1 => Some(Standing::Active),
            2 => Some(Standing::Suspended),
            3 => Some(Standing::Held),
            4 => Some(Standing::SuspendedAndHeld),
            _ => None,
        }
    }

    /// Whether coupons are redeemed there.
    pub const fn redeems(self) -> bool {
        matches!(self, Standing::Active | Standing::Held)
    }

    /// Whether what was redeemed there is settled.
    pub const fn settles(self) -> bool {
        matches!(self, Standing::Active | Standing::Suspended)
    }
}
