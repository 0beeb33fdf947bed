//! What becomes of the coupons that people hold: all shares in one place, and the fate of each coupon from the seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

/// Shares in thousandths, each of what is said before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// Of all coupons: nobody takes them to a shop, they expire.
    pub unused: u32,
    /// Of those unused: somebody shows them after their end all the same.
    pub too_late: u32,
    /// Of those used: on the day of the opening.
    pub on_opening: u32,
    /// Of those used: in the middle of the week; the rest in the last seconds.
    pub midweek: u32,
    /// Of those used: the shop or the customer does something wrong before.
    pub trouble: u32,
    /// Of those used: redeemed in one step instead of two.
    pub one_step: u32,
    /// Of those used: the till hears no answer in time and asks again.
    pub again: u32,
    /// Of those used: the till sends the order twice at once.
    pub at_once: u32,
    /// Of those used in two steps: the order comes to nothing and is released.
    pub released: u32,
    /// Of those used in two steps: the order is left to its deadline.
    pub left: u32,
    /// Of orders that were paid: paid back later.
    pub refunded: u32,
    /// Of those paid back: in parts.
    pub in_parts: u32,
    /// Of those paid back: after the coupon's end.
    pub after_end: u32,
    /// Of those paid back: after the settlement.
    pub after_settlement: u32,
    /// Of coupons that are their holder's again: used once more if there is time.
    pub once_more: u32,
}

/// The scenario of every played week.
pub const SCENARIO: Scenario = Scenario {
    unused: 150,
    too_late: 200,
    on_opening: 500,
    midweek: 350,
    trouble: 150,
    one_step: 400,
    again: 60,
    at_once: 40,
    released: 60,
    left: 60,
    refunded: 150,
    in_parts: 400,
    after_end: 250,
    after_settlement: 250,
    once_more: 500,
};

/// When something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Day {
    /// After the claims, on the same day.
    Opening,
    /// In the middle of the week.
    Midweek,
    /// In the last seconds before the coupons' end, and the first after it.
    End,
    /// When the settlement of the week was made.
    Settled,
}

/// What is done wrong before it is done right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    WrongCategory,
    BelowThreshold,
    DeadCode,
    ConsumerScan,
    NotTheHolder,
    TooFar,
    /// Afterwards: the same order with another amount, or the coupon once more.
    Twice,
}

const TROUBLES: [Trouble; 7] = [
    Trouble::WrongCategory,
    Trouble::BelowThreshold,
    Trouble::DeadCode,
    Trouble::ConsumerScan,
    Trouble::NotTheHolder,
    Trouble::TooFar,
    Trouble::Twice,
];

/// How an order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    OneStep,
    TwoSteps,
    Released,
    Left,
}

/// How often a till sends the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Once,
    Again,
    AtOnce,
}

/// How an order is paid back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Back {
    pub(crate) on: Day,
    /// At [`Day::End`]: whether after the coupon's end.
    pub(crate) parts: bool,
}

/// What becomes of a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// When it is used, if ever.
    pub(crate) used: Option<Day>,
    pub(crate) too_late: bool,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) ending: Ending,
    pub(crate) sent: Sent,
    pub(crate) back: Option<Back>,
    pub(crate) once_more: bool,
}

/// Draws fates.
pub(crate) struct Fates {
    of: Scenario,
    rng: StdRng,
}

impl Fates {
    pub(crate) fn new(of: Scenario, draw: u64) -> Fates {
        Fates { of, rng: StdRng::seed_from_u64(draw ^ 0x66_6174_6573) }
    }

    pub(crate) fn next(&mut self) -> Fate {
        let of = self.of;
        let used = !self.is(of.unused);
        let day = self.one_of(of.on_opening, Day::Opening, of.midweek, Day::Midweek, Day::End);
        let two = [Ending::Released, Ending::Left];
        let two = self.one_of(of.released, two[0], of.left, two[1], Ending::TwoSteps);
        let ending = if self.is(of.one_step) { Ending::OneStep } else { two };
        let sent = self.one_of(of.again, Sent::Again, of.at_once, Sent::AtOnce, Sent::Once);
        let on = self.one_of(
            of.after_end,
            Day::End,
            of.after_settlement,
            Day::Settled,
            // Before the end, if it is paid by then.
            if day == Day::End { Day::End } else { Day::Midweek },
        );
        let back = Back { on, parts: self.is(of.in_parts) };
        let trouble = self.is(of.trouble).then(|| self.rng.random_range(0..TROUBLES.len()));
        Fate {
            used: used.then_some(day),
            too_late: !used && self.is(of.too_late),
            trouble: trouble.and_then(|at| TROUBLES.get(at).copied()),
            ending,
            sent,
            back: self.is(of.refunded).then_some(back),
            once_more: self.is(of.once_more),
        }
    }

    fn is(&mut self, share: u32) -> bool {
        self.rng.random_range(0..1000) < share
    }

    fn one_of<T>(&mut self, share: u32, one: T, other_share: u32, other: T, rest: T) -> T {
        match self.rng.random_range(0..1000) {
            ticket if ticket < share => one,
            ticket if ticket < share.saturating_add(other_share) => other,
            _ => rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_fates_and_every_fate_comes() {
        let drawn = |draw| {
            let mut fates = Fates::new(SCENARIO, draw);
            (0..5000).map(|_| fates.next()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        let fates = drawn(1);
        let share = |is: &dyn Fn(&Fate) -> bool| fates.iter().filter(|fate| is(fate)).count();
        assert!((650..850).contains(&share(&|it| it.used.is_none())));
        for trouble in TROUBLES {
            assert!(share(&|it| it.trouble == Some(trouble)) > 20, "{trouble:?}");
        }
        for ending in [Ending::OneStep, Ending::TwoSteps, Ending::Released, Ending::Left] {
            assert!(share(&|it| it.ending == ending) > 20, "{ending:?}");
        }
        for on in [Day::Midweek, Day::End, Day::Settled] {
            for parts in [false, true] {
                assert!(share(&|it| it.back == Some(Back { on, parts })) > 20, "{on:?} {parts}");
            }
        }
    }
}
