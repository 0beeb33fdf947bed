//! Reservations: an order is held by one shard at a time, and what merchants redeem counts over all shards.
//!
//! An order is reserved among the identities before a coupon is held for it. A reservation ends when its shard has
//! written that nothing is held under it: the order was released, or the shard has it that the turn is over, so that a
//! lock of that turn comes too late. Every step repeats safely, and what was interrupted is finished by the next who asks
//! for the order, or by [`Office::finish_unfinished`].

use super::super::about::About;
use super::super::effects::{Change, Compare, Op, of_merchant, to_lock, to_vacate};
use super::super::keys::Key;
use super::super::link::Item;
use super::super::place::Cell;
use super::super::records::{Slot, read_terms};
use super::super::scripts::mv;
use super::super::shared::Places;
use super::fetch::{Fetched, Want, damaged};
use super::{Cap, Draft, Fault, Office};
use crate::domain::{CampaignNo, Fen, MerchantNo, RedemptionId};
use crate::ledger::event::{Event, Reservation, What, codec};
use std::{collections::BTreeMap, sync::Arc};

/// Where an order stands among the identities.
pub(super) struct Reserved {
    fetched: Fetched,
    /// Its last reservation.
    last: Option<Reservation>,
    /// Whether that holds.
    holds: bool,
}

impl Reserved {
    /// The reservation that holds.
    pub(super) fn held(&self) -> Option<Reservation> {
        self.last.filter(|_| self.holds)
    }

    /// The shard that it was reserved for last.
    pub(super) fn shard(&self) -> Option<u8> {
        self.last.map(|last| last.shard)
    }
}

/// The order in that field of a shard; without any, a slot that was never used.
pub(super) fn slot_in(fetched: &Fetched, redemption: RedemptionId) -> Result<Slot, Fault> {
    let slot = fetched.get(Key::Orders, &redemption.0).map(Slot::decode);
    slot.unwrap_or_else(|| Some(Slot::default())).ok_or_else(|| damaged("an order"))
}

pub(super) fn shard(places: &Places, no: u8) -> Result<&Arc<Cell>, Fault> {
    let shard = places.shards.get(usize::from(no));
    shard.ok_or_else(|| Fault::Wrong(format!("there is no shard {no}")))
}

impl Office {
    /// Where an order stands, and the merchant's cap.
    pub(super) async fn reserved(
        &self,
        places: &Places,
        redemption: RedemptionId,
        merchant: Option<MerchantNo>,
    ) -> Result<Reserved, Fault> {
        let mut wants = vec![Want::Fields(Key::Orders, vec![redemption.0.to_vec()])];
        if let Some(merchant) = merchant {
            wants.push(Want::Fields(Key::Merchants, vec![of_merchant("terms", merchant)]));
        }
        let fetched = self.fetch(&places.identities, &wants).await?;
        let not = || damaged("a reservation");
        let (last, holds) = match fetched.get(Key::Orders, &redemption.0) {
            None => (None, false),
            Some(body) => match codec::decode(body).ok_or_else(not)?.first().map(|it| &it.what) {
                Some(What::Reserved(it)) => (Some(*it), true),
                Some(What::Vacated(it)) => (Some(*it), false),
                _ => return Err(not()),
            },
        };
        Ok(Reserved { fetched, last, holds })
    }

    /// Reserves an order, as nobody has it; `None` if somebody has by now. Its face counts against the merchant's cap.
    pub(super) async fn reserve(
        &self,
        places: &Places,
        before: &Reserved,
        (redemption, merchant): (RedemptionId, MerchantNo),
        (shard, face): (u8, Fen),
    ) -> Result<Option<Reservation>, Fault> {
        let cell = &places.identities;
        let turn = before.last.map_or(0, |last| last.turn);
        let turn = turn.checked_add(1).ok_or_else(|| Fault::Wrong("2^32 turns".to_owned()))?;
        let reservation = Reservation { redemption, merchant, shard, turn, face };
        let terms = of_merchant("terms", merchant);
        // Admitted here before it is in any shard.
        let admitted = before.fetched.get(Key::Merchants, &terms).ok_or(Fault::Unknown)?;
        let (_, cap) = read_terms(admitted).ok_or_else(|| damaged("a merchant's terms"))?;
        let cap =
            (cap > Fen::ZERO).then(|| Cap { field: of_merchant("redeemed", merchant), most: cap });
        let compares = vec![
            before.fetched.same(Key::Orders, redemption.0),
            before.fetched.same(Key::Merchants, terms),
        ];
        let events = vec![event(cell, What::Reserved(reservation))];
        let draft = Draft { events, compares, cap, ..Draft::default() };
        Ok(self.write(cell, draft).await?.then_some(reservation))
    }

    /// Ends a reservation under which nothing is held, in its shard and then among the identities. `false` if a coupon
    /// is held, or was used.
    pub(super) async fn vacate(&self, places: &Places, held: &Reservation) -> Result<bool, Fault> {
        let cell = shard(places, held.shard)?;
        loop {
            let order = Want::Fields(Key::Orders, vec![held.redemption.0.to_vec()]);
            let fetched = self.fetch(cell, &[order]).await?;
            let slot = slot_in(&fetched, held.redemption)?;
            if slot.turn >= held.turn {
                if slot.turn == held.turn && slot.lives() {
                    return Ok(false);
                }
                // Whoever wrote it may be gone: this node's acks must have it before anything rests on it.
                self.read_up_to(cell, fetched.seq, tokio::time::Instant::now()).await?;
                break;
            }
            let known =
                About { slots: BTreeMap::from([(held.redemption, slot)]), ..About::default() };
            let events = vec![event(cell, What::Vacated(*held))];
            let compares = vec![fetched.same(Key::Orders, held.redemption.0)];
            if self
                .write(cell, Draft { events, compares, about: known, ..Draft::default() })
                .await?
            {
                break;
            }
        }
        self.vacated(places, held).await?;
        Ok(true)
    }

    /// Ends a reservation among the identities, after its shard has it that nothing is held under it.
    pub(super) async fn vacated(&self, places: &Places, held: &Reservation) -> Result<(), Fault> {
        let cell = &places.identities;
        let said = codec::encode(&[event(cell, What::Reserved(*held))]);
        let field = held.redemption.0.to_vec();
        // Otherwise somebody has done it before.
        let same = Compare { key: Key::Orders, field, was: said };
        if !self.make(cell, &[event(cell, What::Vacated(*held))], &[same]).await? {
            self.fresh(cell, tokio::time::Instant::now()).await?;
        }
        let turn = held.turn.to_string().into_bytes();
        self.forget(shard(places, held.shard)?, to_vacate(held.redemption), Some(turn)).await;
        Ok(())
    }

    /// The lock that rests on a reservation is durable: nobody needs to look for it any more.
    pub(super) async fn locked(&self, places: &Places, held: &Reservation) {
        let turn = held.turn.to_string().into_bytes();
        self.forget(&places.identities, to_lock(held.redemption), Some(turn)).await;
    }

    /// Takes a field out of `transit`, if it is `was` or that does not matter. It is known to be finished by what is
    /// elsewhere, so it does no harm if this fails.
    pub(super) async fn forget(&self, cell: &Arc<Cell>, field: Vec<u8>, was: Option<Vec<u8>>) {
        let compare =
            was.map(|was| Compare { key: Key::Transit, field: field.clone(), was: Some(was) });
        let compares: Vec<Compare> = compare.into_iter().collect();
        let change = Change { key: Key::Transit, field, op: Op::Delete };
        let epoch = cell.seen().epoch;
        let now = self.shared.now();
        if let Ok(call) = mv(cell.place, epoch, now, &compares, &[change], b"", None) {
            self.one(cell, Item::script(call)).await;
        }
    }
}

pub(super) fn event(cell: &Cell, what: What) -> Event {
    let campaign: CampaignNo = cell.place.campaign;
    Event { campaign, what }
}
