//! I4: what a coupon goes through, and the orders that move it.
//!
//! Issued, held for an order, used; issued again if the order is released or paid back in time, returned if it is paid
//! back later. One that is issued when its round expires is gone; one that is held then is not issued again.

use super::{Book, Check, Look, Seen, Spot};
use crate::domain::{At, CampaignNo, CouponId, RedemptionId, RoundNo};
use crate::ledger::event::{Aftermath, Granted, Locked, Refunded, What};
use crate::store::LogNo;
use std::collections::{BTreeMap, HashMap};

pub(super) struct Coupons {
    check: Check,
    /// Where each round expired, in each log.
    expired: BTreeMap<(LogNo, CampaignNo, RoundNo), Spot>,
    issued: HashMap<(CampaignNo, CouponId), Coupon>,
    orders: HashMap<(LogNo, CampaignNo, RedemptionId), Order>,
}

struct Coupon {
    ends_at: At,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Issued,
    Held(RedemptionId),
    Used(RedemptionId),
    Returned,
}

struct Order {
    coupon: CouponId,
    stage: Stage,
    /// Where it came there.
    since: Spot,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Confirmed,
    Released,
}

impl Default for Coupons {
    fn default() -> Coupons {
        let what =
            "issued -> held -> used, or back; expired once, at the end that every grant names";
        Coupons {
            check: Check::new("I4", what),
            expired: BTreeMap::new(),
            issued: HashMap::new(),
            orders: HashMap::new(),
        }
    }
}

impl Look for Coupons {
    fn look(&mut self, entry: &Seen, book: &Book) {
        let spot = entry.spot;
        for event in &entry.events {
            let campaign = event.campaign;
            match &event.what {
                What::Granted(granted) => self.grant(spot, campaign, granted, book),
                What::Expired(expired) => self.expire(entry, campaign, expired.round, book),
                What::Locked(locked) => self.lock(spot, campaign, locked),
                What::Confirmed(it) => {
                    self.end(spot, campaign, it.redemption, Stage::Confirmed);
                }
                What::Released(it) => self.end(spot, campaign, it.redemption, Stage::Released),
                What::Refunded(refunded) => self.refund(entry, campaign, refunded),
                _ => {}
            }
        }
    }

    fn done(self: Box<Self>, _: &Book) -> Check {
        self.check
    }
}

impl Coupons {
    fn grant(&mut self, spot: Spot, campaign: CampaignNo, granted: &Granted, book: &Book) {
        self.check.row();
        let Granted { coupon, ends_at, .. } = *granted;
        // Granted twice is I1's and I2's.
        self.issued.entry((campaign, coupon)).or_insert(Coupon { ends_at, state: State::Issued });
        if let Some(before) = self.expired.get(&(spot.log, campaign, coupon.round)) {
            self.check.find(format!(
                "{spot}: coupon {coupon} is issued after its round's expiry at {before}"
            ));
        }
        let window = book.window(campaign, coupon.round);
        if let Some(window) = window.filter(|window| window.until != ends_at) {
            let until = window.until;
            self.check.find(format!(
                "{spot}: coupon {coupon} ends at {ends_at:?}, its round at {until:?}"
            ));
        }
    }

    fn expire(&mut self, entry: &Seen, campaign: CampaignNo, round: RoundNo, book: &Book) {
        self.check.row();
        let (spot, at, no) = (entry.spot, entry.at, round.0);
        match book.window(campaign, round) {
            None => self.check.find(format!("{spot}: round {no} expires without a stock")),
            Some(window) if at < window.until => {
                let until = window.until;
                self.check.find(format!("{spot}: round {no} expires at {at:?}, before {until:?}"));
            }
            Some(_) => {}
        }
        if let Some(before) = self.expired.insert((spot.log, campaign, round), spot) {
            self.check.find(format!("{spot}: round {no} expired already at {before}"));
        }
    }

    fn lock(&mut self, spot: Spot, campaign: CampaignNo, locked: &Locked) {
        self.check.row();
        let Locked { coupon, redemption, .. } = *locked;
        let order = Order { coupon, stage: Stage::Open, since: spot };
        let before = self.orders.insert((spot.log, campaign, redemption), order);
        if let Some(before) = before.filter(|it| it.stage != Stage::Released) {
            let (is, since) = (before.told(), before.since);
            self.check.find(format!("{spot}: {redemption:?} is locked, but was {is} at {since}"));
        }
        let expired = self.expired.get(&(spot.log, campaign, coupon.round));
        let known = self.issued.get_mut(&(campaign, coupon));
        let why = match (known.as_ref().map(|it| it.state), expired) {
            (None, _) => Some("was never issued".to_owned()),
            (Some(State::Held(by)), _) => Some(format!("is held for {by:?}")),
            (Some(State::Used(by)), _) => Some(format!("was used for {by:?}")),
            (Some(State::Returned), _) => Some("was returned after its end".to_owned()),
            (Some(State::Issued), Some(before)) => Some(format!("expired at {before}")),
            (Some(State::Issued), None) => None,
        };
        if let Some(known) = known {
            known.state = State::Held(redemption);
        }
        if let Some(why) = why {
            let text = format!("coupon {coupon} is locked for {redemption:?}, but {why}");
            self.check.find(format!("{spot}: {text}"));
        }
    }

    /// What is held is used or issued again.
    fn end(&mut self, spot: Spot, campaign: CampaignNo, redemption: RedemptionId, stage: Stage) {
        self.check.row();
        let Some(order) = self.stage(spot, campaign, redemption, Stage::Open, stage) else {
            return;
        };
        let coupon = order.coupon;
        (order.stage, order.since) = (stage, spot);
        let becomes =
            if stage == Stage::Confirmed { State::Used(redemption) } else { State::Issued };
        if let Some(known) = self.issued.get_mut(&(campaign, coupon))
            && known.state == State::Held(redemption)
        {
            known.state = becomes;
        }
    }

    fn refund(&mut self, entry: &Seen, campaign: CampaignNo, refunded: &Refunded) {
        self.check.row();
        let (spot, at) = (entry.spot, entry.at);
        let redemption = refunded.redemption;
        let paid = Stage::Confirmed;
        let Some(order) = self.stage(spot, campaign, redemption, paid, paid) else { return };
        let coupon = order.coupon;
        let Some(known) = self.issued.get_mut(&(campaign, coupon)) else { return };
        let ends_at = known.ends_at;
        let wrong = match refunded.coupon {
            _ if known.state != State::Used(redemption) => Some("is not used for it".to_owned()),
            Aftermath::Issued if at >= ends_at => {
                Some(format!("is issued again after its end {ends_at:?}"))
            }
            Aftermath::Returned if at < ends_at => {
                Some(format!("is returned before its end {ends_at:?}"))
            }
            _ => None,
        };
        match refunded.coupon {
            Aftermath::Used => {}
            Aftermath::Issued => known.state = State::Issued,
            Aftermath::Returned => known.state = State::Returned,
        }
        if let Some(why) = wrong {
            self.check
                .find(format!("{spot}: {redemption:?} is paid back, but coupon {coupon} {why}"));
        }
    }

    /// The order, which has to be in this stage to come to the other.
    fn stage(
        &mut self,
        spot: Spot,
        campaign: CampaignNo,
        redemption: RedemptionId,
        from: Stage,
        to: Stage,
    ) -> Option<&mut Order> {
        let order = self.orders.get_mut(&(spot.log, campaign, redemption));
        let wrong = match &order {
            None => Some("was never locked".to_owned()),
            Some(order) if order.stage != from => {
                Some(format!("was {} at {}", order.told(), order.since))
            }
            Some(_) => None,
        };
        if let Some(why) = wrong {
            let what = match (from, to) {
                (Stage::Open, Stage::Confirmed) => "confirmed",
                (Stage::Open, _) => "released",
                _ => "paid back",
            };
            self.check.find(format!("{spot}: {redemption:?} is {what}, but {why}"));
            return None;
        }
        order
    }
}

impl Order {
    fn told(&self) -> &'static str {
        match self.stage {
            Stage::Open => "locked",
            Stage::Confirmed => "confirmed",
            Stage::Released => "released",
        }
    }
}
