//! Finishing what was begun in one log and belongs in another: it stands in `transit` until it is known to be done.

use super::super::about::About;
use super::super::effects::{holder, to_give_back, to_vacate};
use super::super::keys::{Key, Part};
use super::super::place::Cell;
use super::super::shared::Places;
use super::fetch::{self, Want, damaged, known_of};
use super::reservations::{shard, slot_in};
use super::{Draft, Fault, Office};
use crate::domain::{CampaignNo, Hex, RedemptionId, RefundId};
use crate::ledger::event::codec;
use crate::ledger::machine::{Answer, Command, Order};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// How long whoever began it is given to finish it.
const BEGUN: Duration = Duration::from_secs(10);
/// How long somebody who asks waits for what can be finished later.
const SOON: Duration = Duration::from_secs(1);
/// Orders that lapse in one entry at most.
const LAPSES: usize = 100;

impl Office {
    /// Does what may as well be done later, if it can be done now.
    pub(super) async fn soon(&self, what: impl Future<Output = Result<(), Fault>>) {
        match timeout(SOON, what).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "to be finished later"),
            Err(_) => tracing::warn!("to be finished later"),
        }
    }

    /// A released order's reservation ends, so that it counts against its merchant's cap no more.
    pub(super) async fn finish_release(
        &self,
        places: &Places,
        cell: &Arc<Cell>,
        redemption: RedemptionId,
    ) -> Result<(), Fault> {
        let reserved = self.reserved(places, redemption, None).await?;
        let here = |no: u8| cell.place.part == Part::Shard(no);
        if let Some(held) = reserved.held().filter(|held| here(held.shard)) {
            self.vacate(places, &held).await?;
        } else {
            let order = Want::Fields(Key::Orders, vec![redemption.0.to_vec()]);
            let turn = slot_in(&self.fetch(cell, &[order]).await?, redemption)?.turn;
            let turn = turn.to_string().into_bytes();
            self.forget(cell, to_vacate(redemption), Some(turn)).await;
        }
        Ok(())
    }

    /// What a refund took back counts against its merchant's cap no more.
    pub(super) async fn finish_refund(
        &self,
        places: &Places,
        cell: &Arc<Cell>,
        refund: RefundId,
    ) -> Result<(), Fault> {
        let field = to_give_back(refund);
        let wanted = Want::Fields(Key::Transit, vec![field.clone()]);
        let fetched = self.fetch(cell, &[wanted]).await?;
        let Some(body) = fetched.get(Key::Transit, &field) else { return Ok(()) };
        let events = codec::decode(body).ok_or_else(|| damaged("what is to be given back"))?;
        let done = Want::Fields(Key::Refunds, vec![refund.0.to_vec()]);
        let there = self.fetch(&places.identities, &[done]).await?;
        if there.get(Key::Refunds, &refund.0).is_none() {
            let absent = there.same(Key::Refunds, refund.0);
            // Otherwise somebody has given it back meanwhile.
            let _ = self.make(&places.identities, &events, &[absent]).await?;
        }
        self.fresh(&places.identities, Instant::now()).await?;
        self.forget(cell, field, None).await;
        Ok(())
    }

    /// A lock that was reserved and is not known: it is, or it will never be.
    async fn finish_lock(&self, places: &Places, redemption: RedemptionId) -> Result<(), Fault> {
        let Some(held) = self.reserved(places, redemption, None).await?.held() else {
            return Ok(());
        };
        if !self.vacate(places, &held).await? {
            self.fresh(shard(places, held.shard)?, Instant::now()).await?;
            self.locked(places, &held).await;
        }
        Ok(())
    }

    /// Finishes what was begun a while ago and was interrupted.
    pub(in crate::ledger::redis) async fn finish_unfinished(
        &self,
        places: &Places,
    ) -> Result<(), Fault> {
        let mut done = Ok(());
        for cell in places.all() {
            if !cell.seen().healthy() {
                continue;
            }
            let fetched = self.fetch(cell, &[Want::All(Key::Transit)]).await?;
            let there: Vec<Vec<u8>> =
                fetched.all(Key::Transit).map(|(field, _)| field.to_vec()).collect();
            let due: Vec<Vec<u8>> = {
                let mut seen = cell.seen();
                seen.unfinished.retain(|field, _| there.contains(field));
                for field in there {
                    seen.unfinished.entry(field).or_insert_with(Instant::now);
                }
                let due = seen.unfinished.iter().filter(|(_, since)| since.elapsed() >= BEGUN);
                due.map(|(field, _)| field.clone()).collect()
            };
            for field in due {
                done = done.and(self.finish_one(places, cell, &field).await);
            }
        }
        done
    }

    async fn finish_one(
        &self,
        places: &Places,
        cell: &Arc<Cell>,
        field: &[u8],
    ) -> Result<(), Fault> {
        let named = std::str::from_utf8(field).ok().and_then(|it| it.split_once(':'));
        let Some((what, number)) = named else { return Ok(()) };
        let Ok(Hex(number)) = number.parse::<Hex<16>>() else {
            self.forget_received(places, cell, field, (what, number)).await;
            return Ok(());
        };
        match what {
            "lock" => self.finish_lock(places, RedemptionId(number)).await,
            "vacate" => self.finish_release(places, cell, RedemptionId(number)).await,
            "give_back" => self.finish_refund(places, cell, RefundId(number)).await,
            _ => Ok(()),
        }
    }

    /// A transfer that was received is kept no longer: a recovery brings back what was forgotten. One that was not is
    /// received by [`Office::finish`].
    async fn forget_received(
        &self,
        places: &Places,
        cell: &Arc<Cell>,
        field: &[u8],
        (peer, number): (&str, &str),
    ) {
        let (Part::Shard(me), Ok(peer), Ok(number)) =
            (cell.place.part, peer.parse::<u8>(), number.parse::<u32>())
        else {
            return;
        };
        let Ok(peer) = shard(places, peer) else { return };
        let received = peer.seen().standing.received.get(&me).copied().unwrap_or(0);
        if received >= number {
            self.forget(cell, field.to_vec(), None).await;
        }
    }

    /// Releases what is held past its deadline, in every shard.
    pub(super) async fn lapse(&self, no: CampaignNo) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        for cell in &places.shards {
            let start = Instant::now();
            self.fresh(cell, start).await?;
            loop {
                let lapsed = cell.seen().book.lapsed(self.shared.now());
                let Some(released) = self.lapse_some(no, cell, lapsed).await? else { break };
                for redemption in released {
                    self.soon(self.finish_release(&places, cell, redemption)).await;
                }
                if start.elapsed() > super::TRIED_FOR {
                    return Err(Fault::Unknown);
                }
            }
        }
        Ok(Answer::Done)
    }

    /// Releases what of these is held past its deadline, of one round; which they were. `None` if none is.
    async fn lapse_some(
        &self,
        no: CampaignNo,
        cell: &Arc<Cell>,
        lapsed: Vec<RedemptionId>,
    ) -> Result<Option<Vec<RedemptionId>>, Fault> {
        let mut orders: Vec<(RedemptionId, Order)> = {
            let seen = cell.seen();
            let order = |it: RedemptionId| Some((it, seen.book.order(it)?.clone()));
            lapsed.into_iter().filter_map(order).collect()
        };
        // A script is about one round.
        let Some(round) = orders.first().map(|(_, order)| order.coupon.round) else {
            return Ok(None);
        };
        orders.retain(|(_, order)| order.coupon.round == round);
        orders.truncate(LAPSES);
        let coupon = |(_, it): &(RedemptionId, Order)| holder(it.person, it.coupon.kind);
        let coupons: Vec<Vec<u8>> = orders.iter().map(coupon).collect();
        let wants = [
            Want::Fields(Key::Orders, orders.iter().map(|(it, _)| it.0.to_vec()).collect()),
            Want::Fields(Key::Holders(round), coupons.clone()),
            Want::Fields(Key::Round(round), vec![b"expired".to_vec()]),
            Want::All(Key::Funds),
        ];
        let fetched = self.fetch(cell, &wants).await?;
        let mut sketch = fetch::sketch(cell, &fetched)?;
        let mut known: About = known_of(&sketch.opened);
        let mut compares = vec![fetched.same(Key::Round(round), b"expired".as_slice())];
        sketch.expired.push(fetched.expired(round));
        compares.extend(coupons.into_iter().map(|it| fetched.same(Key::Holders(round), it)));
        let mut slots = BTreeMap::new();
        for (redemption, _) in orders {
            let slot = slot_in(&fetched, redemption)?;
            sketch.orders.extend(slot.order.clone().map(|order| (redemption, order)));
            compares.push(fetched.same(Key::Orders, redemption.0));
            slots.insert(redemption, slot);
        }
        known.slots = slots;
        let decision = self.decide(no, sketch, &Command::Lapse(CampaignNo(0)))?;
        if decision.events.is_empty() {
            // Others have released them, and this node is about to read that.
            self.read_up_to(cell, fetched.seq, Instant::now()).await?;
            return Ok(Some(Vec::new()));
        }
        let released = decision.events.iter().filter_map(|event| event.what.redemption());
        let released: Vec<RedemptionId> = released.collect();
        let draft = Draft { events: decision.events, compares, about: known, ..Draft::default() };
        Ok(Some(if self.write(cell, draft).await? { released } else { Vec::new() }))
    }
}
