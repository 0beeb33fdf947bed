//! I2: one coupon per person, kind and round.

use super::book::StockNo;
use super::{Book, Check, Look, Seen, Spot};
use crate::domain::PersonId;
use crate::ledger::event::What;
use std::collections::HashMap;

pub(super) struct Holders {
    check: Check,
    /// Where each holder's grant is.
    held: HashMap<(StockNo, PersonId), Spot>,
}

impl Default for Holders {
    fn default() -> Holders {
        let what = "at most one grant per person, kind and round";
        Holders { check: Check::new("I2", what), held: HashMap::new() }
    }
}

impl Look for Holders {
    fn look(&mut self, entry: &Seen, _: &Book) {
        for event in &entry.events {
            let What::Granted(granted) = &event.what else { continue };
            self.check.row();
            let (coupon, person) = (granted.coupon, granted.person);
            let stock = (event.campaign, coupon.round, coupon.kind);
            if let Some(before) = self.held.insert((stock, person), entry.spot) {
                let spot = entry.spot;
                self.check.find(format!(
                    "{spot}: coupon {coupon} goes to {person:?}, who got one of these at {before}"
                ));
            }
        }
    }

    fn done(self: Box<Self>, _: &Book) -> Check {
        self.check
    }
}
