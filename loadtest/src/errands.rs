//! What somebody does with a coupon on one day, step by step.

use crate::scenario::{Back, Day, Ending, Fate, Sent, Trouble};

/// One request, or a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The phone asks for its next payment code.
    Code,
    /// A till scans it for a new order.
    Redeem { one_step: bool, at_once: bool },
    /// A till sends the order that stands once more.
    Again,
    /// A till tries what must be refused.
    Wrong(Wrong),
    /// The order was paid.
    Confirm,
    /// The order is confirmed after its deadline, which must be refused.
    ConfirmLate,
    /// The order came to nothing.
    Release,
    /// A part of the order is paid back; which of so many.
    Refund { nth: u8, of: u8 },
    /// The last refund is sent once more.
    RefundAgain,
    /// More is paid back than there is, which must be refused.
    RefundTooMuch,
    /// Nothing, until the coupons have ended.
    AfterEnd,
}

/// What must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Category,
    BelowThreshold,
    DeadCode,
    ConsumerScan,
    NotTheHolder,
    TooFar,
    /// The coupon is held for another order, or used.
    Taken,
    /// The order that stands, with another amount.
    OtherAmount,
    Expired,
}

impl Wrong {
    /// The name of the refusal; `held` if an order of the coupon is not paid yet.
    pub(crate) fn refusal(self, held: bool) -> &'static str {
        match self {
            Wrong::Category => "wrong_category",
            Wrong::BelowThreshold => "below_threshold",
            Wrong::DeadCode => "code_dead",
            Wrong::ConsumerScan => "wrong_scan_direction",
            Wrong::NotTheHolder => "not_the_holder",
            Wrong::TooFar => "too_far_from_shop",
            Wrong::Taken if held => "coupon_locked",
            Wrong::Taken => "coupon_used",
            Wrong::OtherAmount => "order_conflict",
            Wrong::Expired => "coupon_expired",
        }
    }
}

const AT_ONCE_MORE: [Step; 2] = [Step::Code, Step::Redeem { one_step: true, at_once: false }];

/// What is done with a coupon of this fate on `day`; `stands` if an order of it was left locked before.
pub(crate) fn errand(fate: Fate, day: Day, stands: bool) -> Vec<Step> {
    let mut steps = vec![];
    if fate.used == Some(day) {
        purchase(fate, day, &mut steps);
    } else if stands && day == Day::Midweek {
        steps.push(Step::ConfirmLate);
        if fate.once_more {
            steps.extend(AT_ONCE_MORE);
        }
    }
    let paid = fate.used.is_some_and(|used| used <= day)
        && matches!(fate.ending, Ending::OneStep | Ending::TwoSteps);
    if let Some(back) = fate.back.filter(|back| paid && back.on == day) {
        refund(fate, back, &mut steps);
    }
    if fate.too_late && day == Day::End {
        steps.extend([Step::AfterEnd, Step::Code, Step::Wrong(Wrong::Expired)]);
    }
    steps
}

fn purchase(fate: Fate, day: Day, steps: &mut Vec<Step>) {
    before(fate.trouble, steps);
    let one_step = fate.ending == Ending::OneStep;
    let at_once = fate.sent == Sent::AtOnce;
    steps.extend([Step::Code, Step::Redeem { one_step, at_once }]);
    if fate.sent == Sent::Again {
        steps.push(Step::Again);
    }
    if fate.trouble == Some(Trouble::Twice) {
        let wrong = if one_step { Wrong::OtherAmount } else { Wrong::Taken };
        steps.extend([Step::Code, Step::Wrong(wrong)]);
    }
    match fate.ending {
        Ending::OneStep | Ending::Left => {}
        Ending::TwoSteps => {
            if day == Day::End {
                steps.push(Step::AfterEnd);
            }
            steps.push(Step::Confirm);
        }
        Ending::Released => {
            steps.push(Step::Release);
            if fate.once_more {
                steps.extend(AT_ONCE_MORE);
            }
        }
    }
}

fn before(trouble: Option<Trouble>, steps: &mut Vec<Step>) {
    let wrong = match trouble {
        Some(Trouble::WrongCategory) => Wrong::Category,
        Some(Trouble::BelowThreshold) => Wrong::BelowThreshold,
        Some(Trouble::DeadCode) => {
            // The second makes the first dead.
            steps.push(Step::Code);
            Wrong::DeadCode
        }
        Some(Trouble::ConsumerScan) => Wrong::ConsumerScan,
        Some(Trouble::NotTheHolder) => Wrong::NotTheHolder,
        Some(Trouble::TooFar) => Wrong::TooFar,
        Some(Trouble::Twice) | None => return,
    };
    steps.extend([Step::Code, Step::Wrong(wrong)]);
}

fn refund(fate: Fate, back: Back, steps: &mut Vec<Step>) {
    if back.on == Day::End {
        steps.push(Step::AfterEnd);
    }
    if !back.parts {
        steps.push(Step::Refund { nth: 1, of: 1 });
        steps.push(Step::RefundAgain);
        if back.on == Day::Midweek && fate.once_more {
            steps.extend(AT_ONCE_MORE);
        }
        return;
    }
    steps.push(Step::Refund { nth: 1, of: 3 });
    steps.push(Step::RefundTooMuch);
    steps.push(Step::Refund { nth: 2, of: 3 });
    // Some orders are paid back wholly in the end, others are not.
    if fate.once_more {
        steps.push(Step::Refund { nth: 3, of: 3 });
    }
}

/// How much of the face is to be taken back for a part of an order: half-up to the fen, never more than is left, and
/// what completes the order takes the rest (R-REDEEM-5).
pub(crate) fn share(amount: u64, face: u64, before: (u64, u64), part: u64) -> Option<u64> {
    let (refunded, back) = before;
    let rest = face.checked_sub(back)?;
    if refunded.checked_add(part)? == amount {
        return Some(rest);
    }
    let product = u128::from(face).checked_mul(u128::from(part))?.checked_mul(2)?;
    let half_up = product.checked_add(u128::from(amount))?.checked_div(u128::from(amount) * 2)?;
    Some(u64::try_from(half_up).ok()?.min(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Fates, SCENARIO};

    #[test]
    fn r_redeem_5_parts_take_back_half_up_shares_and_the_last_the_rest() {
        let mut sums = (0, 0);
        for (part, want) in [(3_333, 667), (3_333, 667), (3_334, 666)] {
            let back = share(10_000, 2_000, sums, part).unwrap();
            assert_eq!(back, want);
            sums = (sums.0 + part, sums.1 + back);
        }
        assert_eq!(share(18_000, 4_000, (0, 0), 9), Some(2));
        assert_eq!(share(18_000, 4_000, (0, 0), 2), Some(0));
    }

    #[test]
    fn every_purchase_begins_with_a_code_and_no_step_needs_what_was_not_done() {
        let mut fates = Fates::new(SCENARIO, 7);
        for fate in (0..2000).map(|_| fates.next()) {
            let mut locked = false;
            for day in [Day::Opening, Day::Midweek, Day::End, Day::Settled] {
                let mut code = false;
                let left = locked;
                for step in errand(fate, day, left) {
                    match step {
                        Step::Code => code = true,
                        Step::Redeem { one_step, .. } => {
                            assert!(code, "{fate:?}");
                            locked = !one_step;
                        }
                        Step::Wrong(wrong) => {
                            // A scan in the wrong direction is refused before the code is looked at.
                            assert!(code, "{fate:?}");
                            assert_ne!(wrong.refusal(locked), "");
                        }
                        Step::Confirm | Step::ConfirmLate | Step::Release => {
                            assert!(locked, "{fate:?}");
                            locked = false;
                        }
                        Step::Refund { nth, of } => assert!(!locked && nth <= of, "{fate:?}"),
                        Step::Again | Step::RefundAgain | Step::RefundTooMuch | Step::AfterEnd => {}
                    }
                }
            }
        }
    }
}
