//! I4: a coupon goes from issued to expired and nowhere else.

use super::{Book, Check, Look, Seen};
use crate::domain::{CampaignNo, RoundNo};
use crate::ledger::event::{Granted, What};
use std::collections::BTreeMap;

pub(super) struct Coupons {
    check: Check,
    /// The seq of each round's expiry.
    expired: BTreeMap<(CampaignNo, RoundNo), u64>,
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
                What::Granted(granted) => self.grant(entry.seq, event.campaign, granted, book),
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
    fn grant(&mut self, seq: u64, campaign: CampaignNo, granted: &Granted, book: &Book) {
        self.check.row();
        let coupon = granted.coupon;
        if let Some(before) = self.expired.get(&(campaign, coupon.round)) {
            self.check.find(format!(
                "seq {seq}: coupon {coupon} is issued after its round's expiry at seq {before}"
            ));
        }
        let window = book.window(campaign, coupon.round);
        if let Some(window) = window.filter(|window| window.until != granted.ends_at) {
            let (ends, until) = (granted.ends_at, window.until);
            self.check.find(format!(
                "seq {seq}: coupon {coupon} ends at {ends:?}, its round at {until:?}"
            ));
        }
    }

    fn expire(&mut self, entry: &Seen, campaign: CampaignNo, round: RoundNo, book: &Book) {
        self.check.row();
        let (seq, at, no) = (entry.seq, entry.at, round.0);
        match book.window(campaign, round) {
            None => self.check.find(format!("seq {seq}: round {no} expires without a stock")),
            Some(window) if at < window.until => {
                let until = window.until;
                self.check
                    .find(format!("seq {seq}: round {no} expires at {at:?}, before {until:?}"));
            }
            Some(_) => {}
        }
        if let Some(before) = self.expired.insert((campaign, round), seq) {
            self.check.find(format!("seq {seq}: round {no} expired already at seq {before}"));
        }
    }
}
