//! What became of a coupon.

use serde::{Deserialize, Serialize};

/// What became of a coupon that somebody holds. Its end is no state: past it, one that is unused can't be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CouponState {
    /// It can be used.
    #[default]
    Unused,
    /// It is held for an order (R-REDEEM-4).
    Locked,
    /// An order was paid with it.
    Used,
    /// The order was paid back after its end, so it can't be used again (R-REDEEM-5).
    Returned,
}
