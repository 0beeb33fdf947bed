//! Whether a round is open at an instant (R-CAL-1, R-CAL-4).

use crate::domain::{At, Refusal, Window};

/// Whether claims are taken at `now`; before the opening, how long it is until then.
pub fn open(window: Window, now: At) -> Result<(), Refusal> {
    if now < window.from {
        return Err(Refusal::NotOpen { opens_in_ms: window.from.ms_since(now) });
    }
    if now >= window.until {
        return Err(Refusal::Closed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_cal_4_claims_are_taken_from_the_opening_until_the_coupons_end() {
        let window = Window { from: At(1_000), until: At(2_000) };
        assert_eq!(open(window, At(400)), Err(Refusal::NotOpen { opens_in_ms: 600 }));
        assert_eq!(open(window, At(999)), Err(Refusal::NotOpen { opens_in_ms: 1 }));
        assert_eq!(open(window, At(1_000)), Ok(()));
        assert_eq!(open(window, At(1_999)), Ok(()));
        assert_eq!(open(window, At(2_000)), Err(Refusal::Closed));
        assert_eq!(open(window, At(i64::MAX)), Err(Refusal::Closed));
    }
}
