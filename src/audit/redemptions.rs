//! I6: a coupon pays for an order of its holder, in time, at a merchant that may take it, and no refund takes back more
//! or less of it than its share.
//!
//! That a coupon pays for one order at a time, and an order is paid once, is I4's; where the money goes is I5's.

use super::reservations::Reservations;
use super::{Book, Check, Look, Seen, Spot};
use crate::domain::{
    At, CampaignNo, CouponId, Fen, MerchantNo, PersonId, RedemptionId, RefundId, Window,
};
use crate::ledger::event::{Aftermath, Granted, Locked, Refunded, Release, What};
use crate::store::LogNo;
use std::collections::{BTreeMap, HashMap};

/// No plan holds a coupon for longer than a day.
const LONGEST_LOCK_MS: i64 = 86_400_000;

pub(super) struct Redemptions {
    check: Check,
    /// Whose each coupon is, and when it can be used.
    coupons: HashMap<(CampaignNo, CouponId), (PersonId, Window)>,
    orders: HashMap<(LogNo, CampaignNo, RedemptionId), Order>,
    /// Where each refund was made.
    refunds: HashMap<(CampaignNo, RefundId), Spot>,
    /// Faces that each merchant took and did not give back; signed, so that whatever happened can be counted.
    taken: BTreeMap<(LogNo, CampaignNo, MerchantNo), i128>,
    reservations: Reservations,
}

struct Order {
    merchant: MerchantNo,
    amount: u64,
    face: u64,
    until: At,
    refunded: u128,
    back: u128,
}

impl Default for Redemptions {
    fn default() -> Redemptions {
        let what =
            "redeemed by the holder, in time, where and for what it may be; refunded pro rata";
        Redemptions {
            check: Check::new("I6", what),
            coupons: HashMap::new(),
            orders: HashMap::new(),
            refunds: HashMap::new(),
            taken: BTreeMap::new(),
            reservations: Reservations::default(),
        }
    }
}

impl Look for Redemptions {
    fn look(&mut self, entry: &Seen, book: &Book) {
        let (spot, at) = (entry.spot, entry.at);
        self.reservations.look(entry, book, &mut self.check);
        for event in &entry.events {
            let campaign = event.campaign;
            match &event.what {
                What::Granted(Granted { coupon, person, ends_at, .. }) => {
                    let valid = Window { from: at, until: *ends_at };
                    self.coupons.entry((campaign, *coupon)).or_insert((*person, valid));
                }
                What::Locked(locked) => self.lock(entry, campaign, locked, book),
                What::Confirmed(it) => {
                    self.check.row();
                    let order = self.orders.get(&(spot.log, campaign, it.redemption));
                    if let Some(order) = order.filter(|order| at >= order.until) {
                        let (it, until) = (it.redemption, order.until);
                        let text =
                            format!("{it:?} is confirmed at {at:?}, was held until {until:?}");
                        self.check.find(format!("{spot}: {text}"));
                    }
                }
                What::Released(it) => {
                    self.check.row();
                    let Some(order) = self.orders.get(&(spot.log, campaign, it.redemption)) else {
                        continue;
                    };
                    let taken = self.taken.entry((spot.log, campaign, order.merchant)).or_default();
                    *taken -= i128::from(order.face);
                    if it.why == Release::AtDeadline && at < order.until {
                        let (it, until) = (it.redemption, order.until);
                        let text = format!("{it:?} is released at {at:?}, is held until {until:?}");
                        self.check.find(format!("{spot}: {text}"));
                    }
                }
                What::Refunded(refunded) => self.refund(spot, campaign, refunded),
                _ => {}
            }
        }
    }

    fn done(mut self: Box<Self>, _: &Book) -> Check {
        self.reservations.done(&mut self.check);
        self.check
    }
}

impl Redemptions {
    fn lock(&mut self, entry: &Seen, campaign: CampaignNo, locked: &Locked, book: &Book) {
        self.check.row();
        let spot = entry.spot;
        let Locked { redemption, merchant, coupon, amount, until, .. } = *locked;
        let face = book.kind(campaign, coupon.kind).map_or(Fen::ZERO, |terms| terms.face).get();
        let taken = self.taken.entry((spot.log, campaign, merchant)).or_default();
        *taken += i128::from(face);
        let cap = book.merchant(spot.log, campaign, merchant).map_or(0, |it| it.terms.cap.get());
        // Of several logs all count, and the identities' says how much.
        let alone = spot.log == LogNo::EMBEDDED;
        let beyond = (alone && cap > 0 && *taken > i128::from(cap))
            .then(|| format!("{merchant:?} has taken {taken} fen, of at most {cap}"));
        let order = Order { merchant, amount: amount.get(), face, until, refunded: 0, back: 0 };
        self.orders.insert((spot.log, campaign, redemption), order);
        let doubts = self.of_coupon(entry.at, campaign, locked).into_iter();
        let doubts = doubts.chain(of_terms(spot, campaign, locked, book)).chain(beyond);
        for why in doubts.collect::<Vec<_>>() {
            self.check.find(format!("{spot}: coupon {coupon} for {redemption:?}: {why}"));
        }
    }

    /// What is wrong with who locks the coupon, and when.
    fn of_coupon(&self, at: At, campaign: CampaignNo, locked: &Locked) -> Vec<String> {
        let Locked { person, coupon, until, .. } = *locked;
        let mut doubts = Vec::new();
        // One that was never issued is I4's.
        if let Some((holder, valid)) = self.coupons.get(&(campaign, coupon)) {
            if *holder != person {
                doubts.push(format!("{person:?} is not its holder, {holder:?} is"));
            }
            if !valid.has(at) {
                let Window { from, until } = valid;
                doubts.push(format!("at {at:?} it is not valid, but from {from:?} to {until:?}"));
            }
        }
        if until <= at || at.plus_ms(LONGEST_LOCK_MS) < until {
            doubts.push(format!("it is held from {at:?} until {until:?}"));
        }
        doubts
    }

    fn refund(&mut self, spot: Spot, campaign: CampaignNo, refunded: &Refunded) {
        self.check.row();
        let Refunded { redemption, refund, amount, back, coupon, .. } = *refunded;
        if let Some(before) = self.refunds.insert((campaign, refund), spot) {
            self.check.find(format!("{spot}: {refund:?} was made before, at {before}"));
        }
        let Some(order) = self.orders.get_mut(&(spot.log, campaign, redemption)) else { return };
        let (whole, part) = (u128::from(order.amount), u128::from(amount.get()));
        let mut doubts = Vec::new();
        let right = order.share(part);
        if right.is_none() {
            let left = whole.saturating_sub(order.refunded);
            doubts.push(format!("{part} fen are paid back of {left}"));
        }
        if let Some(right) = right.filter(|right| *right != u128::from(back.get())) {
            let back = back.get();
            doubts.push(format!("{back} fen of the face are taken back where {right} were due"));
        }
        if coupon != Aftermath::Used && (part != whole || order.refunded > 0) {
            doubts.push("the coupon is given back for a part of the order".to_owned());
        }
        order.refunded = order.refunded.saturating_add(part);
        order.back = order.back.saturating_add(u128::from(back.get()));
        let taken = self.taken.entry((spot.log, campaign, order.merchant)).or_default();
        *taken -= i128::from(back.get());
        for why in doubts {
            self.check.find(format!("{spot}: {refund:?} of {redemption:?}: {why}"));
        }
    }
}

/// What is wrong with where the coupon is used, and for what (R-REDEEM-6).
fn of_terms(spot: Spot, campaign: CampaignNo, locked: &Locked, book: &Book) -> Vec<String> {
    let Locked { merchant, coupon, amount, .. } = *locked;
    let mut doubts = Vec::new();
    let terms = book.kind(campaign, coupon.kind);
    match book.merchant(spot.log, campaign, merchant) {
        None => doubts.push(format!("{merchant:?} was not admitted")),
        Some(known) => {
            if !known.standing.redeems() {
                doubts.push(format!("{merchant:?} is {:?}", known.standing));
            }
            if terms.is_some_and(|terms| !known.terms.categories.has(terms.pool)) {
                doubts.push(format!("{merchant:?} does not take its category"));
            }
        }
    }
    if let Some(least) = terms.map(|terms| terms.threshold).filter(|least| amount < *least) {
        let (amount, least) = (amount.get(), least.get());
        doubts.push(format!("an order of {amount} fen, where {least} is the least"));
    }
    doubts
}

impl Order {
    /// How much of the face is to be taken back for this part of the order; `None` if it has not so much left, or it
    /// is no money.
    ///
    /// Half a fen is rounded up; what completes the order takes the rest.
    fn share(&self, part: u128) -> Option<u128> {
        let (whole, face) = (u128::from(self.amount), u128::from(self.face));
        let left = whole.checked_sub(self.refunded)?.checked_sub(part)?;
        let rest = face.saturating_sub(self.back);
        let product = face.checked_mul(part).filter(|_| part > 0)?;
        let (fen, over) = (product.checked_div(whole)?, product.checked_rem(whole)?);
        let rounded = if over.saturating_mul(2) >= whole { fen.saturating_add(1) } else { fen };
        Some(if left == 0 { rest } else { rounded.min(rest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken back of the face for these parts of the order, one after the other.
    fn shares(amount: u64, face: u64, parts: &[u128]) -> Vec<Option<u128>> {
        let merchant = MerchantNo(7);
        let mut order = Order { merchant, amount, face, until: At(0), refunded: 0, back: 0 };
        let share = |part: &u128| {
            let share = order.share(*part)?;
            order.refunded += part;
            order.back += share;
            Some(share)
        };
        parts.iter().map(share).collect()
    }

    #[test]
    fn r_redeem_5_the_audit_has_its_own_word_on_what_is_taken_back() {
        let all = |shares: &[u128]| shares.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(shares(18_000, 4_000, &[18_000]), all(&[4_000]));
        assert_eq!(shares(18_000, 4_000, &[9_000]), all(&[2_000]));
        assert_eq!(shares(18_000, 4_000, &[1]), all(&[0]));
        assert_eq!(shares(10_000, 2_000, &[3_333, 3_333, 3_334]), all(&[667, 667, 666]));
        assert_eq!(shares(20_000, 5_000, &[2]), all(&[1]), "half a fen is rounded up");
        let parts = [714, 714, 714, 714, 714, 714, 717];
        assert_eq!(shares(5_001, 1_000, &parts), all(&[143, 143, 143, 143, 143, 143, 142]));
        // Rounded up each time, the face is gone before the order is.
        assert_eq!(shares(4, 2, &[1, 1, 1, 1]), all(&[1, 1, 0, 0]));
        assert_eq!(shares(100, 10, &[60, 41, 40, 1]), [Some(6), None, Some(4), None]);
        let most = u64::MAX;
        assert_eq!(shares(most, most, &[1, u128::from(most) - 1]), all(&[1, u128::from(most) - 1]));
        assert_eq!(shares(0, 10, &[0, 1]), [None, None]);
        assert_eq!(shares(1, 10, &[0]), [None], "nothing is no part");
    }
}
