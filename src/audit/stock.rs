//! I1: never more than the stock.

use super::book::StockNo;
use super::{Book, Check, Look, Seen};
use crate::domain::{CampaignNo, RoundNo};
use crate::ledger::event::{Armed, Granted, What};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Stock {
    check: Check,
    armed: BTreeSet<(CampaignNo, RoundNo)>,
    given: BTreeMap<StockNo, Given>,
}

/// What was granted of one stock.
#[derive(Clone, Copy, Default)]
struct Given {
    coupons: u32,
    last_ordinal: u32,
}

impl Default for Stock {
    fn default() -> Stock {
        let what = "granted <= stock; ordinals 1, 2, 3 .. without gaps";
        Stock { check: Check::new("I1", what), armed: BTreeSet::new(), given: BTreeMap::new() }
    }
}

impl Look for Stock {
    fn look(&mut self, entry: &Seen, book: &Book) {
        for event in &entry.events {
            match &event.what {
                What::Armed(armed) => self.arm(entry.seq, event.campaign, armed, book),
                What::Granted(granted) => self.grant(entry.seq, event.campaign, granted, book),
                _ => {}
            }
        }
    }

    fn done(self: Box<Self>, _: &Book) -> Check {
        self.check
    }
}

impl Stock {
    fn arm(&mut self, seq: u64, campaign: CampaignNo, armed: &Armed, book: &Book) {
        let round = armed.round;
        if !self.armed.insert((campaign, round)) {
            self.check.find(format!("seq {seq}: round {} got its stock before", round.0));
        }
        let (stocks, kinds) = (armed.quantities.len(), book.kinds(campaign).len());
        if stocks != kinds {
            let text = format!("round {} has {stocks} stocks for {kinds} kinds", round.0);
            self.check.find(format!("seq {seq}: {text}"));
        }
    }

    fn grant(&mut self, seq: u64, campaign: CampaignNo, granted: &Granted, book: &Book) {
        self.check.row();
        let coupon = granted.coupon;
        let stock = (campaign, coupon.round, coupon.kind);
        let given = self.given.entry(stock).or_default();
        let expected = given.last_ordinal.saturating_add(1);
        given.coupons = given.coupons.saturating_add(1);
        given.last_ordinal = coupon.ordinal;
        let quantity = book.quantity(stock);
        if coupon.ordinal != expected {
            let ordinal = coupon.ordinal;
            self.check.find(format!(
                "seq {seq}: coupon {coupon} has ordinal {ordinal} where {expected} was next"
            ));
        }
        if given.coupons > quantity {
            let nth = given.coupons;
            self.check.find(format!(
                "seq {seq}: coupon {coupon} is grant {nth} of a stock of {quantity}"
            ));
        }
    }
}
