//! I3: every yes that a client was told is in the journal, or in one of the logs.

use super::record::{Pass, Said, Yes};
use super::{Book, Check, Look, Record, Seen, Spot};
use crate::domain::{CampaignNo, CouponId};
use crate::ledger::event::{Granted, What};
use std::collections::HashMap;

pub(super) struct Acknowledged<'a> {
    check: Check,
    record: &'a Record,
    /// All grants of a coupon's number, with their places: a broken journal may hold several.
    granted: HashMap<(CampaignNo, CouponId), Vec<(Spot, Granted)>>,
}

impl<'a> Acknowledged<'a> {
    pub(super) fn of(record: &'a Record) -> Acknowledged<'a> {
        let what = "every yes in the client's record is in the journal, for the same pass";
        Acknowledged { check: Check::new("I3", what), record, granted: HashMap::new() }
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
}

/// Whether the grant is what this pass was told. A repeat may come with another pass of the holder.
fn theirs(granted: &Granted, pass: &Pass, replayed: bool) -> bool {
    granted.pass == pass.nonce || (replayed && granted.person == pass.person)
}

impl Look for Acknowledged<'_> {
    fn look(&mut self, entry: &Seen, _: &Book) {
        for event in &entry.events {
            let What::Granted(granted) = event.what else { continue };
            let coupon = (event.campaign, granted.coupon);
            self.granted.entry(coupon).or_default().push((entry.spot, granted));
        }
    }

    fn done(mut self: Box<Self>, book: &Book) -> Check {
        for (line, said) in self.record.numbered() {
            let Said::Yes(yes) = said else { continue };
            self.check.row();
            if let Some(doubt) = self.doubt(yes, book) {
                self.check.find(format!("record line {line}: coupon {}: {doubt}", yes.coupon));
            }
        }
        self.check
    }
}
