//! What people are told of a round: its state, and what is left in coarse steps.

use crate::domain::{At, Window};
use crate::ledger::machine::{Level, RoundSummary};
use serde::Serialize;
use utoipa::ToSchema;

/// Where a round stands (R-CLAIM-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its stock is not set aside yet.
    Planned,
    /// Its stock is set aside; it opens later.
    Armed,
    /// Coupons can be claimed.
    Open,
    /// Every coupon of every kind is granted (R-CAL-4).
    SoldOut,
    /// Its coupons have ended.
    Closed,
    /// Issuing is stopped for now (R-RISK-3).
    Paused,
}

/// How many coupons of a kind are left, so coarse that watching it tells nothing worth a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remaining {
    /// More than half.
    Plenty,
    /// More than a tenth.
    Some,
    /// At least one.
    Few,
    /// None.
    None,
}

impl Remaining {
    /// The step of a level.
    pub fn of(level: Level) -> Remaining {
        let (left, all) = (u64::from(level.left()), u64::from(level.quantity));
        match left {
            0 => Remaining::None,
            _ if left * 2 > all => Remaining::Plenty,
            _ if left * 10 > all => Remaining::Some,
            _ => Remaining::Few,
        }
    }
}

/// Where a round of this window stands at `now`.
pub fn state(window: Window, armed: Option<&RoundSummary>, paused: bool, now: At) -> State {
    let Some(armed) = armed.filter(|_| now < window.until) else {
        return if now < window.until { State::Planned } else { State::Closed };
    };
    let sold_out = armed.stock.iter().all(|level| level.left() == 0);
    match () {
        () if sold_out => State::SoldOut,
        () if paused => State::Paused,
        () if now < window.from => State::Armed,
        () => State::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RoundNo;

    const WINDOW: Window = Window { from: At(1_000), until: At(9_000) };

    fn armed(granted: u32) -> RoundSummary {
        let stock = vec![Level { quantity: 10, granted, ..Level::default() }];
        RoundSummary { round: RoundNo(1), window: WINDOW, expired: false, stock }
    }

    #[test]
    fn r_claim_3_a_round_is_told_as_it_stands() {
        let told =
            |armed: Option<&RoundSummary>, paused, now| state(WINDOW, armed, paused, At(now));
        assert_eq!(told(None, false, 0), State::Planned);
        assert_eq!(told(Some(&armed(0)), false, 999), State::Armed);
        assert_eq!(told(Some(&armed(9)), false, 1_000), State::Open);
        assert_eq!(told(Some(&armed(9)), true, 1_000), State::Paused);
        assert_eq!(told(Some(&armed(10)), true, 1_000), State::SoldOut);
        assert_eq!(told(Some(&armed(10)), false, 9_000), State::Closed);
        assert_eq!(told(None, false, 9_000), State::Closed);
    }

    #[test]
    fn what_is_left_is_told_in_four_steps() {
        let told = |granted| Remaining::of(Level { quantity: 100, granted, ..Level::default() });
        let steps = [(0, Remaining::Plenty), (49, Remaining::Plenty), (50, Remaining::Some)];
        let last = [(89, Remaining::Some), (90, Remaining::Few), (99, Remaining::Few)];
        for (granted, step) in steps.into_iter().chain(last).chain([(100, Remaining::None)]) {
            assert_eq!(told(granted), step, "{granted}");
        }
    }
}
