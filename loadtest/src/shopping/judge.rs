//! Whether a till or a phone was told what it had to be told.

use super::{Ask, MS, Visit, index};
use crate::crowd::Timing;
use crate::errands::{Step, share};
use crate::shoppers::State;
use crate::told::{self, OrderNow, RefundMade};

/// How far the clocks may be apart when something is told to be too late.
const CLOCK_ERROR_MS: i64 = 20;

/// What an answer means for its customer.
pub(super) enum Verdict {
    /// On to the next step.
    Done,
    /// The same once more, after some milliseconds if that was said.
    Again(Option<u64>),
    /// Nothing more on this day.
    Over,
}

impl Visit {
    pub(super) fn judge(
        &mut self,
        ask: Ask,
        (customer, coupon, step): (usize, usize, Step),
        timing: Timing,
        told: told::Told<'_>,
    ) -> Verdict {
        let received_ms = timing.received.div_euclid(MS);
        self.now_ms = received_ms;
        match (step, told) {
            (_, told::Told::Lost(lost)) => {
                self.shoppers.counts.error(lost.name());
                Verdict::Again(None)
            }
            (_, told::Told::Strange(status)) => {
                self.shoppers.counts.error(&format!("status_{status}"));
                if status >= 500 {
                    return Verdict::Again(None);
                }
                self.surprise(coupon, step, &format!("status {status}"))
            }
            (Step::Code, told::Told::Code(code)) => {
                if let Some(customer) = self.shoppers.customers.get_mut(customer) {
                    customer.before = std::mem::replace(&mut customer.code, code);
                }
                Verdict::Done
            }
            (Step::Redeem { .. } | Step::Again, told::Told::Order(now, replayed)) => {
                self.redeemed(ask, coupon, step, &now, replayed)
            }
            (Step::Confirm, told::Told::Order(now, _)) => self.confirmed(coupon, step, &now),
            (Step::Release, told::Told::Order(now, _)) => self.released(coupon, step, &now),
            (Step::Refund { .. } | Step::RefundAgain, told::Told::Refund(made)) => {
                self.refunded(coupon, step, &made, timing)
            }
            (_, told::Told::No(no)) => {
                self.shoppers.counts.refused(&no.code);
                if no.is_passing() {
                    return Verdict::Again(no.retry_after_ms);
                }
                self.refused(ask, coupon, step, &no.code, received_ms)
            }
            (step, told) => self.surprise(coupon, step, &format!("{told:?}")),
        }
    }

    fn refused(
        &mut self,
        ask: Ask,
        coupon: usize,
        step: Step,
        code: &str,
        received_ms: i64,
    ) -> Verdict {
        let late = |at_ms: i64| received_ms.saturating_add(CLOCK_ERROR_MS) >= at_ms;
        let over = late(self.shoppers.ends_at_ms);
        match step {
            Step::Wrong(wrong) => {
                let held = self.order(coupon).is_some_and(|it| it.state == State::Locked);
                let ended = over && code == "coupon_expired";
                // A code that was dead is dead, whatever was to be wrong beside it.
                if code != wrong.refusal(held) && !ended {
                    return self.surprise(coupon, step, code);
                }
                self.left_nothing(coupon, step);
                Verdict::Done
            }
            Step::RefundTooMuch if code == "refund_too_large" => {
                self.left_nothing(coupon, step);
                Verdict::Done
            }
            Step::ConfirmLate if code == "lock_expired" => {
                self.too_late(coupon);
                Verdict::Done
            }
            // Its twin has the code: for nothing, or it is not shown yet what for.
            Step::Redeem { at_once: true, .. } if code == "code_dead" => {
                let over = self.order(coupon).is_some_and(|it| it.state == State::Over);
                if over { Verdict::Done } else { Verdict::Again(None) }
            }
            // Sent again after no answer, and the code died meanwhile.
            Step::Redeem { .. } if code == "code_dead" && ask.tries > 0 => self.missed(coupon),
            Step::Redeem { .. } if code == "coupon_expired" && over => self.missed(coupon),
            Step::Confirm | Step::Again
                if code == "lock_expired"
                    && self.order(coupon).is_some_and(|it| late(it.until_ms)) =>
            {
                self.too_late(coupon);
                self.missed(coupon)
            }
            step => self.surprise(coupon, step, code),
        }
    }

    /// Something came too late by the clock, and that was told.
    fn missed(&mut self, coupon: usize) -> Verdict {
        self.shoppers.counts.missed = self.shoppers.counts.missed.saturating_add(1);
        if let Some(order) = self.order_mut(coupon) {
            order.state = State::Over;
        }
        Verdict::Done
    }

    fn surprise(&mut self, coupon: usize, step: Step, told: &str) -> Verdict {
        let name = self.about(coupon, step).map_or(String::new(), |it| it.name.clone());
        self.shoppers.counts.surprise(format!("order {name:?}, {step:?}: {told}"));
        if let Some(order) = self.order_mut(coupon) {
            order.state = State::Over;
        }
        Verdict::Over
    }

    fn redeemed(
        &mut self,
        ask: Ask,
        coupon: usize,
        step: Step,
        now: &OrderNow,
        replayed: bool,
    ) -> Verdict {
        let Some(terms) = self.terms(coupon) else { return Verdict::Over };
        let Some(held) = self.shoppers.coupons.get(coupon) else { return Verdict::Over };
        let Some(order) = held.order.as_ref() else { return Verdict::Over };
        let one_step = matches!(step, Step::Redeem { one_step: true, .. })
            || (step == Step::Again && order.state == State::Confirmed);
        let want = OrderNow {
            order: order.name.clone(),
            state: if one_step { "confirmed" } else { "locked" }.to_owned(),
            coupon: held.number.clone(),
            face_fen: terms.face,
            amount_fen: order.amount,
            to_pay_fen: order.amount.saturating_sub(terms.face),
            locked_until_ms: now.locked_until_ms,
            refunded_fen: 0,
            taken_back_fen: 0,
        };
        let fits = *now == want && now.locked_until_ms.is_some() != one_step;
        if !fits || (step == Step::Again && !replayed) {
            return self.surprise(coupon, step, &format!("{now:?}, replayed {replayed}"));
        }
        if let Some(script) = self.scripts.get_mut(index(ask.script)) {
            script.news = script.news.saturating_add(u8::from(!replayed));
            if script.news > 1 {
                return self.surprise(coupon, step, "called new twice");
            }
        }
        let first = self.order(coupon).is_some_and(|it| it.state == State::Asked);
        if let Some(order) = self.order_mut(coupon).filter(|_| first) {
            order.state = if one_step { State::Confirmed } else { State::Locked };
            order.until_ms = now.locked_until_ms.unwrap_or(0);
        }
        if first {
            self.first_yes(coupon, one_step, terms.face);
        }
        Verdict::Done
    }

    fn confirmed(&mut self, coupon: usize, step: Step, now: &OrderNow) -> Verdict {
        let Some(order) = self.order_mut(coupon) else { return Verdict::Over };
        if (now.state.as_str(), &now.order) != ("confirmed", &order.name) {
            return self.surprise(coupon, step, &format!("{now:?}"));
        }
        order.state = State::Confirmed;
        self.paid(coupon);
        Verdict::Done
    }

    fn released(&mut self, coupon: usize, step: Step, now: &OrderNow) -> Verdict {
        let Some(order) = self.order_mut(coupon) else { return Verdict::Over };
        if (now.state.as_str(), &now.order) != ("released", &order.name) {
            return self.surprise(coupon, step, &format!("{now:?}"));
        }
        order.state = State::Over;
        self.let_go(coupon);
        Verdict::Done
    }

    fn refunded(
        &mut self,
        coupon: usize,
        step: Step,
        made: &RefundMade,
        timing: Timing,
    ) -> Verdict {
        let Some(terms) = self.terms(coupon) else { return Verdict::Over };
        let Some(order) = self.order(coupon).cloned() else { return Verdict::Over };
        let again = step == Step::RefundAgain;
        let (amount, before) = order.last;
        let right = if again {
            Some(before)
        } else {
            share(order.amount, terms.face, (order.refunded, order.back), amount)
        };
        let whole = amount == order.amount;
        let ends = self.shoppers.ends_at_ms;
        let (sent, received) = (timing.sent.div_euclid(MS), timing.received.div_euclid(MS));
        let back = match made.coupon.as_str() {
            "used" => !whole,
            // As it was made, whenever it is asked again.
            "unused" => whole && (again || sent.saturating_sub(CLOCK_ERROR_MS) < ends),
            "expired" => whole && (again || received.saturating_add(CLOCK_ERROR_MS) >= ends),
            _ => false,
        };
        let customer = amount.checked_sub(made.taken_back_fen);
        let fits = (Some(made.taken_back_fen), made.amount_fen) == (right, amount)
            && made.refund == format!("r{}", order.refunds)
            && customer == Some(made.to_customer_fen)
            && back;
        if !fits {
            return self.surprise(coupon, step, &format!("{made:?}, expected {right:?}"));
        }
        if !again {
            self.paid_back(coupon, made);
        }
        Verdict::Done
    }
}
