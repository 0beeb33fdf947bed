//! I3: every yes that a client was told is in the journal, or in one of the logs, and what was refused left nothing.

use super::record::{self, Pass, Said, Told, Yes};
use super::{Book, Check, Look, Record, Seen, Spot};
use crate::domain::{CampaignNo, CouponId, Fen, RedemptionId, RefundId};
use crate::ledger::event::{Granted, What};
use crate::redeem;
use std::collections::HashMap;

pub(super) struct Acknowledged<'a> {
    check: Check,
    record: &'a Record,
    /// All grants of a coupon's number, with their places: a broken journal may hold several.
    granted: HashMap<(CampaignNo, CouponId), Vec<(Spot, Granted)>>,
    orders: HashMap<RedemptionId, Order>,
    /// What was paid back of an order, and taken back of its coupon's face.
    refunds: HashMap<RefundId, (Fen, Fen)>,
}

/// What the logs have of an order.
#[derive(Default)]
struct Order {
    coupon: Option<(CampaignNo, CouponId)>,
    amount: Fen,
    confirmed: bool,
    released: bool,
}

impl<'a> Acknowledged<'a> {
    pub(super) fn of(record: &'a Record) -> Acknowledged<'a> {
        let what =
            "every yes in the client's record is in the journal, and no order that was refused";
        Acknowledged {
            check: Check::new("I3", what),
            record,
            granted: HashMap::new(),
            orders: HashMap::new(),
            refunds: HashMap::new(),
        }
    }

    /// Why the journal does not bear out this yes.
    fn doubt(&self, yes: &Yes, book: &Book) -> Option<String> {
        let Some(pass) = Pass::read(&yes.pass) else {
            return Some("its pass can't be read".to_owned());
        };
        let coupon = match yes.coupon.parse::<CouponId>() {
            Ok(coupon) => coupon,
            Err(error) => return Some(error.to_string()),
        };
        let Some(granted) = self.granted.get(&(pass.campaign, coupon)) else {
            return Some("the journal has no such grant".to_owned());
        };
        let kind = book.kind(pass.campaign, coupon.kind).map(|terms| terms.name.as_str());
        if kind != Some(yes.kind.as_str()) {
            return Some(format!("it was told as {:?}, the journal has {kind:?}", yes.kind));
        }
        if granted.iter().any(|(_, granted)| theirs(granted, &pass, yes.replayed)) {
            return None;
        }
        let spots: Vec<String> = granted.iter().map(|(spot, _)| spot.to_string()).collect();
        Some(format!("it was granted for another pass, at {}", spots.join(", ")))
    }

    /// Why the journal does not bear out what a till was told of an order.
    fn doubt_order(&self, said: &record::Order, book: &Book) -> Option<String> {
        let name = redeem::redemption(&said.campaign, said.merchant, &said.number);
        let Some(order) = self.orders.get(&name) else {
            let nothing = said.told == Told::Refused;
            return (!nothing).then(|| "the journal has no such order".to_owned());
        };
        let kept = match said.told {
            Told::Refused => Err("it was refused, and the journal holds a coupon for it"),
            Told::Locked => Ok(true),
            Told::Confirmed => Ok(order.confirmed),
            Told::Released => Ok(order.released),
            Told::TooLate => Ok(!order.confirmed),
        };
        let kept = match kept {
            Ok(kept) => kept,
            Err(why) => return Some(why.to_owned()),
        };
        let (campaign, coupon) = order.coupon?;
        let face = book.kind(campaign, coupon.kind).map(|terms| terms.face);
        let told = (said.coupon.clone(), said.amount, Some(said.face));
        if told != (coupon.to_string(), order.amount, face) {
            return Some(format!("the journal has {coupon}, {:?} and {face:?}", order.amount));
        }
        (!kept).then(|| format!("it was told {:?}, and the journal does not say so", said.told))
    }

    /// The same of a refund.
    fn doubt_refund(&self, said: &record::Refund) -> Option<String> {
        let order = redeem::redemption(&said.campaign, said.merchant, &said.order);
        let made = self.refunds.get(&redeem::refund_id(order, &said.number));
        match (said.refused, made) {
            (true, None) => None,
            (true, Some(_)) => Some("it was refused, and the journal has it".to_owned()),
            (false, None) => Some("the journal has no such refund".to_owned()),
            (false, Some(made)) if *made == (said.amount, said.back) => None,
            (false, Some(made)) => Some(format!("the journal has it as {made:?}")),
        }
    }
}

/// Whether the grant is what this pass was told. A repeat may come with another pass of the holder.
fn theirs(granted: &Granted, pass: &Pass, replayed: bool) -> bool {
    granted.pass == pass.nonce || (replayed && granted.person == pass.person)
}

impl Look for Acknowledged<'_> {
    fn look(&mut self, entry: &Seen, _: &Book) {
        for event in &entry.events {
            match event.what {
                What::Granted(granted) => {
                    let coupon = (event.campaign, granted.coupon);
                    self.granted.entry(coupon).or_default().push((entry.spot, granted));
                }
                What::Locked(it) => {
                    // An order that was released may be locked anew; it was released all the same.
                    let order = self.orders.entry(it.redemption).or_default();
                    order.coupon = Some((event.campaign, it.coupon));
                    order.amount = it.amount;
                }
                What::Confirmed(it) => {
                    self.orders.entry(it.redemption).or_default().confirmed = true;
                }
                What::Released(it) => {
                    self.orders.entry(it.redemption).or_default().released = true;
                }
                What::Refunded(it) => {
                    self.refunds.insert(it.refund, (it.amount, it.back));
                }
                _ => {}
            }
        }
    }

    fn done(mut self: Box<Self>, book: &Book) -> Check {
        for (line, said) in self.record.numbered() {
            let (what, doubt) = match said {
                Said::Yes(yes) => (format!("coupon {}", yes.coupon), self.doubt(yes, book)),
                Said::Order(it) => (format!("order {:?}", it.number), self.doubt_order(it, book)),
                Said::Refund(it) => {
                    (format!("refund {:?} of {:?}", it.number, it.order), self.doubt_refund(it))
                }
                Said::SoldOut(_) | Said::SoldOutTimes(_) | Said::Unanswered(_) => continue,
            };
            self.check.row();
            if let Some(doubt) = doubt {
                self.check.find(format!("record line {line}: {what}: {doubt}"));
            }
        }
        self.check
    }
}
