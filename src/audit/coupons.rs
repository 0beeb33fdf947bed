//! I4: a coupon goes from issued to expired and nowhere else.

use super::{Book, Check, Look, Seen, Spot};
use crate::domain::{CampaignNo, RoundNo};
use crate::ledger::event::{Granted, What};
use crate::store::LogNo;
use std::collections::BTreeMap;

pub(super) struct Coupons {
    check: Check,
    /// Where each round expired, in each log.
    expired: BTreeMap<(LogNo, CampaignNo, RoundNo), Spot>,
}

impl Default for Coupons {
    fn default() -> Coupons {
        let what = "issued -> expired only; expired once, at the end that every grant names";
        Coupons { check: Check::new("I4", what), expired: BTreeMap::new() }
    }
}

impl Look for Coupons {
    fn look(&mut self, entry: &Seen, book: &Book) {
        for event in &entry.events {
            match &event.what {
                What::Granted(granted) => self.grant(entry.spot, event.campaign, granted, book),
                What::Expired(expired) => self.expire(entry, event.campaign, expired.round, book),
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
        let coupon = granted.coupon;
        if let Some(before) = self.expired.get(&(spot.log, campaign, coupon.round)) {
            self.check.find(format!(
                "{spot}: coupon {coupon} is issued after its round's expiry at {before}"
            ));
        }
        let window = book.window(campaign, coupon.round);
        if let Some(window) = window.filter(|window| window.until != granted.ends_at) {
            let (ends, until) = (granted.ends_at, window.until);
            self.check
                .find(format!("{spot}: coupon {coupon} ends at {ends:?}, its round at {until:?}"));
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
}
