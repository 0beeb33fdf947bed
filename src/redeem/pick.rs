//! Which coupon pays for an order.

use crate::domain::{At, CouponId, CouponState, Fen, PoolNo, PoolSet, Refusal};
use std::cmp::Reverse;

/// A coupon of whoever pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The coupon.
    pub coupon: CouponId,
    /// What became of it.
    pub state: CouponState,
    /// The first instant of its validity.
    pub starts_at: At,
    /// The first instant after it.
    pub ends_at: At,
    /// What it takes off.
    pub face: Fen,
    /// The least order amount, inclusive.
    pub threshold: Fen,
    /// The pool that pays for it: the category that it is for.
    pub pool: PoolNo,
}

/// What is to be paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// When.
    pub at: At,
    /// The order's amount, before the coupon and after the merchant's own discount.
    pub amount: Fen,
    /// The merchant's categories.
    pub categories: PoolSet,
}

/// Whether the coupon can pay, or the first reason against it (R-REDEEM-6): that it is gone, that it is not its
/// time, the wrong shop, too little in the basket.
pub fn fits(it: &Candidate, purchase: &Purchase) -> Result<(), Refusal> {
    match it.state {
        CouponState::Used => return Err(Refusal::CouponUsed),
        CouponState::Returned => return Err(Refusal::CouponExpired),
        CouponState::Locked => return Err(Refusal::CouponLocked),
        CouponState::Unused => {}
    }
    if purchase.at >= it.ends_at {
        return Err(Refusal::CouponExpired);
    }
    if purchase.at < it.starts_at {
        return Err(Refusal::CouponNotYetValid);
    }
    suits(it.pool, it.threshold, purchase)
}

/// Whether coupons of a kind are for such a purchase, whoever has them and whenever.
pub fn suits(pool: PoolNo, threshold: Fen, purchase: &Purchase) -> Result<(), Refusal> {
    if !purchase.categories.has(pool) {
        return Err(Refusal::WrongCategory);
    }
    if purchase.amount < threshold {
        return Err(Refusal::BelowThreshold);
    }
    Ok(())
}

/// The coupon with the largest discount, of those the one that ends first (R-REDEEM-3).
///
/// If none fits, the reason of the one that came nearest; if there is none at all, `no_coupon`.
pub fn pick(
    coupons: impl IntoIterator<Item = Candidate>,
    purchase: &Purchase,
) -> Result<Candidate, Refusal> {
    let mut best: Option<Candidate> = None;
    let mut nearest = Refusal::NoCoupon;
    for it in coupons {
        match fits(&it, purchase) {
            Ok(()) if best.is_none_or(|best| worth(&it) > worth(&best)) => best = Some(it),
            Err(why) if distance(why) < distance(nearest) => nearest = why,
            Ok(()) | Err(_) => {}
        }
    }
    best.ok_or(nearest)
}

/// Larger is better. The face comes first: the machine stops at the largest face of which one fits. The last part only
/// makes it the same one each time.
fn worth(it: &Candidate) -> (Fen, Reverse<(At, CouponId)>) {
    (it.face, Reverse((it.ends_at, it.coupon)))
}

/// How far a coupon that was refused for this is from being used.
fn distance(why: Refusal) -> u8 {
    match why {
        Refusal::BelowThreshold => 0,
        Refusal::WrongCategory => 1,
        Refusal::CouponLocked => 2,
        Refusal::CouponNotYetValid => 3,
        Refusal::CouponUsed => 4,
        Refusal::CouponExpired => 5,
        _ => u8::MAX,
    }
}
