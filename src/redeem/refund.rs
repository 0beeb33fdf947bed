//! What a refund takes back, and where it goes.

use crate::domain::Fen;
use serde::Deserialize;

/// An order, and what was paid back of it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its amount.
    pub amount: Fen,
    /// What the coupon took off.
    pub face: Fen,
    /// How much of the amount was paid back.
    pub refunded: Fen,
    /// How much of the face was taken back for it.
    pub back: Fen,
}

impl Order {
    /// How much of the face is taken back when `amount` is paid back; `None` if the order has not so much left.
    ///
    /// Pro rata, half-up to the fen, never more than is left of the face; the part that completes the order takes the
    /// rest, so parts that add up to it take back exactly the face (R-REDEEM-5).
    pub fn taken_back(&self, amount: Fen) -> Option<Fen> {
        let left = self.amount.checked_sub(self.refunded)?.checked_sub(amount)?;
        let rest = self.face.checked_sub(self.back)?;
        if left == Fen::ZERO {
            return Some(rest);
        }
        // The product of two u64 and half of one more fit.
        let (face, part) = (u128::from(self.face.get()), u128::from(amount.get()));
        let whole = u128::from(self.amount.get());
        let share = face.checked_mul(part)?.checked_add(whole / 2)?.checked_div(whole)?;
        u64::try_from(share).ok().map(|share| rest.min(Fen::new(share)))
    }

    /// Whether paying back `amount` pays back the whole order at once, not the rest of one.
    pub fn part(&self, amount: Fen) -> Part {
        if amount == self.amount && self.refunded == Fen::ZERO { Part::Full } else { Part::Partial }
    }
}

/// Whether the whole order is paid back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// At once.
    Full,
    /// A part of it, also the last one.
    Partial,
}

/// On which side of an event a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Before it.
    Before,
    /// At it or later.
    After,
}

/// What a refund is, as far as its treatment depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whether it is of the whole order.
    pub part: Part,
    /// Before or after the coupon's end.
    pub end: Side,
    /// Before or after the order came into a settlement.
    pub settlement: Side,
}

impl Case {
    /// All there are, in the order of [`Policy`].
    pub fn all() -> impl Iterator<Item = Case> {
        [Part::Full, Part::Partial].into_iter().flat_map(|part| {
            [Side::Before, Side::After].into_iter().flat_map(move |end| {
                let cases = [Side::Before, Side::After].into_iter();
                cases.map(move |settlement| Case { part, end, settlement })
            })
        })
    }
}

/// What becomes of the coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coupon {
    /// It is its holder's again, as it was: to be used until its end, or expired.
    Back,
    /// It stays used.
    Stays,
}

/// Where the money goes that is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Money {
    /// Into the coupon that its holder has again.
    Frozen,
    /// Into the pool.
    Pool,
    /// The merchant has it and owes it; the next settlement takes it off.
    Owed,
}

/// What is done about a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// About the coupon.
    pub coupon: Coupon,
    /// About the money.
    pub money: Money,
}

impl Treatment {
    /// Why it can't be done in this case, and what could be.
    pub fn impossible(self, case: Case) -> Option<(&'static str, &'static str)> {
        let back = self.coupon == Coupon::Back;
        let usable = back && case.end == Side::Before;
        if back && case.part == Part::Partial {
            return Some(("a part of an order gives no coupon back", "write coupon = \"stays\""));
        }
        match (case.settlement, self.money) {
            (Side::After, Money::Frozen | Money::Pool) => {
                Some(("what was settled is with the merchant", "write money = \"owed\""))
            }
            (Side::Before, Money::Owed) => Some((
                "nothing is owed before it is settled",
                "write money = \"pool\", or \"frozen\" if the coupon can be used again",
            )),
            (Side::Before, Money::Frozen) if !usable => Some((
                "money is frozen only for a coupon that can be used again",
                "write money = \"pool\"",
            )),
            (Side::Before, Money::Pool) if usable => Some((
                "a coupon that can be used again needs its money",
                "write money = \"frozen\", or coupon = \"stays\"",
            )),
            _ => None,
        }
    }
}

/// What is done about every refund there can be (R-REDEEM-5), in the order of [`Case::all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy([Treatment; 8]);

impl Policy {
    /// What `treatment` says of each case; `None` if it is missing or can't be done in one.
    pub fn of(treatment: impl Fn(Case) -> Option<Treatment>) -> Option<Policy> {
        let mut rows = [Treatment { coupon: Coupon::Stays, money: Money::Pool }; 8];
        for (row, case) in rows.iter_mut().zip(Case::all()) {
            *row = treatment(case).filter(|it| it.impossible(case).is_none())?;
        }
        Some(Policy(rows))
    }

    /// What is done in this case.
    pub fn treatment(&self, case: Case) -> Treatment {
        use Part::{Full, Partial};
        use Side::{After, Before};
        let [full, full_settled, late, late_settled, part, part_settled, rest, rest_settled] =
            self.0;
        match (case.part, case.end, case.settlement) {
            (Full, Before, Before) => full,
            (Full, Before, After) => full_settled,
            (Full, After, Before) => late,
            (Full, After, After) => late_settled,
            (Partial, Before, Before) => part,
            (Partial, Before, After) => part_settled,
            (Partial, After, Before) => rest,
            (Partial, After, After) => rest_settled,
        }
    }
}
