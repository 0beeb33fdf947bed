//! My coupons: what a person holds, as three states (R-WALLET-1).

/// `GET .../coupons`.
pub mod handler;

use crate::campaign::Campaign;
use crate::domain::{At, CouponId, CouponState};
use crate::ledger::machine::Held;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use utoipa::ToSchema;

/// The three states a person sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// 未使用.
    Unused,
    /// 已使用.
    Used,
    /// 已过期.
    Expired,
}

/// What there is to say beside the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// It is held for an order that is being paid.
    Locked,
    /// Its order was paid back after its end.
    Returned,
}

/// A coupon as its holder sees it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Coupon<'a> {
    /// 13 digits: round, kind, ordinal, check digit.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub number: CouponId,
    /// The round it was granted in.
    pub round: u8,
    /// Its kind.
    pub kind: &'a str,
    /// What it takes off, in fen.
    pub face_fen: u64,
    /// The least order amount, in fen, inclusive.
    pub threshold_fen: u64,
    /// Its state.
    pub state: Seen,
    /// What else there is to say, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// The first instant of its validity.
    #[schema(format = DateTime)]
    pub starts_at: String,
    /// The first instant after its validity.
    #[schema(format = DateTime, value_type = String)]
    pub ends_at: Cow<'a, str>,
}

/// A coupon's number as people are told it.
pub fn as_text<S: Serializer>(number: &CouponId, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(number)
}

/// The coupon as its holder sees it at `now`; `None` if its kind is not in the plan.
pub fn coupon<'a>(campaign: &'a Campaign, held: &Held, now: At) -> Option<Coupon<'a>> {
    let terms = campaign.terms(held.coupon.kind)?;
    let (state, note) = seen(held, now);
    Some(Coupon {
        number: held.coupon,
        round: held.coupon.round.0,
        kind: &terms.name,
        face_fen: terms.face.get(),
        threshold_fen: terms.threshold.get(),
        state,
        note,
        starts_at: held.starts_at.in_zone(&campaign.plan.zone),
        ends_at: campaign.told(held.coupon.round, held.ends_at),
    })
}

/// A coupon past its end is expired without anybody writing so (R-CAL-2), but for one that is being paid with: that
/// one is not decided yet (R-REDEEM-4).
fn seen(held: &Held, now: At) -> (Seen, Option<Note>) {
    match held.state {
        CouponState::Used => (Seen::Used, None),
        CouponState::Locked => (Seen::Unused, Some(Note::Locked)),
        CouponState::Returned => (Seen::Expired, Some(Note::Returned)),
        CouponState::Unused if now < held.ends_at => (Seen::Unused, None),
        CouponState::Unused => (Seen::Expired, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{KindNo, RoundNo};

    #[test]
    fn r_wallet_1_a_coupon_is_expired_from_its_end_on() {
        let coupon = CouponId { round: RoundNo(1), kind: KindNo(0), ordinal: 1 };
        let held = Held { coupon, starts_at: At(10), ends_at: At(20), state: CouponState::Unused };
        assert_eq!(seen(&held, At(19)), (Seen::Unused, None));
        assert_eq!(seen(&held, At(20)), (Seen::Expired, None));
    }

    #[test]
    fn r_wallet_1_what_became_of_a_coupon_is_one_of_three_states_and_a_note() {
        let coupon = CouponId { round: RoundNo(1), kind: KindNo(0), ordinal: 1 };
        for (state, before, after) in [
            (CouponState::Used, (Seen::Used, None), (Seen::Used, None)),
            (
                CouponState::Locked,
                (Seen::Unused, Some(Note::Locked)),
                (Seen::Unused, Some(Note::Locked)),
            ),
            (
                CouponState::Returned,
                (Seen::Expired, Some(Note::Returned)),
                (Seen::Expired, Some(Note::Returned)),
            ),
        ] {
            let held = Held { coupon, starts_at: At(10), ends_at: At(20), state };
            assert_eq!((seen(&held, At(19)), seen(&held, At(20))), (before, after), "{state:?}");
        }
    }
}
