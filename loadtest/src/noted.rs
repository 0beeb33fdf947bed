//! What tills were told is counted and goes on record.

use crate::errands::{Step, Wrong};
use crate::record::{Line, Told};
use crate::shoppers::{State, Sums};
use crate::shopping::Visit;
use crate::told::RefundMade;

impl Visit {
    /// A coupon is held for the order that stands, or paid for it.
    pub(crate) fn first_yes(&mut self, coupon: usize, one_step: bool, face: u64) {
        self.note(coupon, Told::Locked, face);
        self.add(coupon, |sums| &mut sums.locked, 1);
        if one_step {
            self.paid(coupon);
        }
    }

    /// The order was paid with the coupon.
    pub(crate) fn paid(&mut self, coupon: usize) {
        let face = self.face(coupon);
        self.note(coupon, Told::Confirmed, face);
        self.add(coupon, |sums| &mut sums.redeemed, 1);
        self.add(coupon, |sums| &mut sums.redeemed_fen, face);
    }

    /// The order came to nothing.
    pub(crate) fn let_go(&mut self, coupon: usize) {
        let face = self.face(coupon);
        self.note(coupon, Told::Released, face);
        self.add(coupon, |sums| &mut sums.released, 1);
    }

    /// The order can't be confirmed any more.
    pub(crate) fn too_late(&mut self, coupon: usize) {
        let face = self.face(coupon);
        self.note(coupon, Told::TooLate, face);
        if let Some(order) = self.order_mut(coupon) {
            order.state = State::Over;
        }
    }

    /// What was refused must have left nothing.
    pub(crate) fn left_nothing(&mut self, coupon: usize, step: Step) {
        let Step::Wrong(wrong) = step else {
            return self.note_refund(coupon, "more", true, 0);
        };
        // The order that stands is one of a yes, whatever was refused about it.
        if wrong == Wrong::OtherAmount {
            return;
        }
        let Some(order) = self.about(coupon, step).cloned() else { return };
        let number = self.number(coupon);
        let (merchant, at_ms) = (self.merchant(order.till), self.now_ms);
        self.shoppers.record.write(&Line::Order {
            campaign: &self.shoppers.market.campaign,
            merchant,
            order: &order.name,
            told: Told::Refused,
            coupon: &number,
            amount_fen: order.amount,
            face_fen: 0,
            at_ms,
        });
    }

    /// A part of the order was paid back.
    pub(crate) fn paid_back(&mut self, coupon: usize, made: &RefundMade) {
        let back = made.taken_back_fen;
        if let Some(order) = self.order_mut(coupon) {
            order.refunded = order.refunded.saturating_add(made.amount_fen);
            order.back = order.back.saturating_add(back);
            order.last = (made.amount_fen, back);
        }
        self.note_refund(coupon, &made.refund, false, back);
        self.add(coupon, |sums| &mut sums.refunds, 1);
        self.add(coupon, |sums| &mut sums.taken_back_fen, back);
        if made.taken_off_next_settlement {
            self.add(coupon, |sums| &mut sums.owed_fen, back);
        }
        match made.coupon.as_str() {
            "unused" => self.add(coupon, |sums| &mut sums.given_back, 1),
            "expired" => self.add(coupon, |sums| &mut sums.returned, 1),
            _ => {}
        }
    }

    fn note(&mut self, coupon: usize, told: Told, face_fen: u64) {
        let Some(order) = self.order(coupon).cloned() else { return };
        let (number, merchant) = (self.number(coupon), self.merchant(order.till));
        let at_ms = self.now_ms;
        self.shoppers.record.write(&Line::Order {
            campaign: &self.shoppers.market.campaign,
            merchant,
            order: &order.name,
            told,
            coupon: &number,
            amount_fen: order.amount,
            face_fen,
            at_ms,
        });
    }

    fn note_refund(&mut self, coupon: usize, refund: &str, refused: bool, back: u64) {
        let Some(order) = self.order(coupon).cloned() else { return };
        let (merchant, at_ms) = (self.merchant(order.till), self.now_ms);
        self.shoppers.record.write(&Line::Refund {
            campaign: &self.shoppers.market.campaign,
            merchant,
            order: &order.name,
            refund,
            refused,
            amount_fen: order.last.0,
            taken_back_fen: back,
            at_ms,
        });
    }

    fn add(&mut self, coupon: usize, of: fn(&mut Sums) -> &mut u64, more: u64) {
        if let Some(sum) = self.sums(coupon).map(of) {
            *sum = sum.saturating_add(more);
        }
    }

    fn number(&self, coupon: usize) -> String {
        self.shoppers.coupons.get(coupon).map_or(String::new(), |it| it.number.clone())
    }

    fn face(&self, coupon: usize) -> u64 {
        self.terms(coupon).map_or(0, |terms| terms.face)
    }

    fn merchant(&self, till: usize) -> u32 {
        self.shoppers.tills.get(till).map_or(0, |it| it.till.merchant)
    }
}
