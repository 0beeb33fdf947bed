//! What tills ask: decided in the coupon's shard, on what was read of it; see [`super::reservations`] for what is unique
//! across shards.

use super::super::about::About;
use super::super::effects::{holder, of_merchant, of_pool};
use super::super::keys::{Key, shard_of};
use super::super::place::Cell;
use super::super::records::Slot;
use super::super::shared::Places;
use super::fetch::{self, Fetched, Want, known_of, of_a_merchant};
use super::reservations::{event, shard, slot_in};
use super::{AGAIN, Draft, Fault, Office};
use crate::domain::{At, CampaignNo, Fen, KindNo, RedemptionId, RefundId, Refusal, RoundNo};
use crate::funds::Funds;
use crate::ledger::event::{Event, Refunded, Reservation, What, codec};
use crate::ledger::machine::{
    Answer, Command, Decision, Lock, No, Order, Recall, Redemption, Refund, Sketch, Status,
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::{Instant, sleep};

/// How often somebody else's lock that is under way is waited for before it is made too late.
const WAITS: u32 = 5;

/// An order as it stands in its shard, and what a decision on it needs.
struct Scene {
    cell: Arc<Cell>,
    fetched: Fetched,
    slot: Slot,
    sketch: Sketch,
    known: About,
    /// When it is decided on.
    now: At,
}

impl Office {
    /// Holds a coupon for an order, or uses it at once: here in two entries, of which the first may be left alone by a
    /// node that dies. Then it is a lock like others, and the same request again confirms it.
    pub(super) async fn lock_or_use(&self, ask: &Lock) -> Result<Answer, Fault> {
        let answer = self.lock(&Lock { at_once: false, ..*ask }).await?;
        let held = |it: &Redemption| matches!(it.status, Status::Locked { .. });
        if !ask.at_once || !matches!(&answer, Answer::Redemption(it) if held(it)) {
            return Ok(answer);
        }
        let confirm = Command::Confirm(CampaignNo(0), ask.redemption);
        self.order(ask.campaign, ask.redemption, &confirm).await
    }

    /// Holds a coupon for an order: reserved among the identities, then locked in its holder's shard.
    pub(super) async fn lock(&self, ask: &Lock) -> Result<Answer, Fault> {
        let places = self.places(ask.campaign)?;
        let no = shard_of(ask.person, places.of());
        let cell = shard(&places, no)?.clone();
        let (start, mut waits, mut mine) = (Instant::now(), 0, None);
        loop {
            let reserved = self.reserved(&places, ask.redemption, Some(ask.merchant)).await?;
            if let Some(held) = reserved.held().filter(|held| held.shard != no) {
                if self.is_held(&places, &held, &mut waits).await? {
                    return Err(No::from(Refusal::OrderConflict).into());
                }
                continue;
            }
            let scene = self.scene_of_lock(&cell, ask).await?;
            let asked = Command::Lock(Lock { campaign: CampaignNo(0), ..*ask });
            let decision =
                match fetch::decide_at(ask.campaign, scene.sketch.clone(), scene.now, &asked) {
                    Ok(decision) if !decision.events.is_empty() => decision,
                    told => {
                        if self.is_news(&cell, scene.fetched.seq, start).await? {
                            continue;
                        }
                        // Nobody locks under what this request reserved.
                        if let Some(mine) = mine.filter(|_| told.is_err()) {
                            self.vacate(&places, &mine).await?;
                        }
                        return told.map(|decision| decision.answer);
                    }
                };
            let Answer::Redemption(order) = decision.answer else {
                return Err(Fault::Wrong("a lock is answered otherwise".to_owned()));
            };
            let held = match reserved.held() {
                // Under way, by this request or one like it: one of them locks.
                Some(held)
                    if held.turn > scene.slot.turn
                        && (held.face, held.merchant) == (order.face, ask.merchant) =>
                {
                    held
                }
                Some(held) => {
                    self.vacate(&places, &held).await?;
                    continue;
                }
                None => {
                    let order_of = (ask.redemption, ask.merchant);
                    match self.reserve(&places, &reserved, order_of, (no, order.face)).await? {
                        Some(held) => held,
                        None => continue,
                    }
                }
            };
            mine = Some(held);
            if self.lock_in(scene, ask, &held, decision).await? {
                let (office, places) = (self.clone(), places.clone());
                drop(tokio::spawn(async move { office.locked(&places, &held).await }));
                return Ok(Answer::Redemption(order));
            }
            self.patience(start).await?;
        }
    }

    /// Writes a lock that rests on a reservation; `false` if something is not as it was seen.
    async fn lock_in(
        &self,
        scene: Scene,
        ask: &Lock,
        held: &Reservation,
        decision: Decision,
    ) -> Result<bool, Fault> {
        let Scene { cell, fetched, known, .. } = scene;
        let locked = decision.events.iter().find_map(|event| match event.what {
            What::Locked(locked) => Some(locked),
            _ => None,
        });
        let locked = locked.ok_or_else(|| Fault::Wrong("a lock is no event".to_owned()))?;
        let (round, field) = (locked.coupon.round, holder(ask.person, locked.coupon.kind));
        let compares = vec![
            fetched.same(Key::Orders, ask.redemption.0),
            fetched.same(Key::Holders(round), field.clone()),
            fetched.same(Key::States(round), field.clone()),
            fetched.same(Key::Merchants, of_merchant("terms", ask.merchant)),
            fetched.same(Key::Merchants, of_merchant("standing", ask.merchant)),
        ];
        let person = scene.sketch.holders.iter().find(|(_, it)| it.coupon == locked.coupon);
        let late = person.map(|(_, it)| it.ends_at.min(locked.until));
        let mut events = vec![event(&cell, What::Reserved(*held))];
        events.extend(decision.events);
        self.write(&cell, Draft { events, compares, about: known, late, cap: None }).await
    }

    /// Whether another shard holds a coupon for the order, or used one. A lock that is under way is waited for, and then
    /// made too late.
    async fn is_held(
        &self,
        places: &Places,
        held: &Reservation,
        waits: &mut u32,
    ) -> Result<bool, Fault> {
        let cell = shard(places, held.shard)?;
        let order = Want::Fields(Key::Orders, vec![held.redemption.0.to_vec()]);
        let fetched = self.fetch(cell, &[order]).await?;
        let slot = slot_in(&fetched, held.redemption)?;
        if slot.lives() && slot.turn == held.turn {
            self.read_up_to(cell, fetched.seq, Instant::now()).await?;
            return Ok(true);
        }
        if slot.turn < held.turn && *waits < WAITS {
            *waits = waits.saturating_add(1);
            sleep(AGAIN).await;
            return Ok(false);
        }
        self.vacate(places, held).await.map(|vacated| !vacated)
    }

    /// What a lock is decided on.
    async fn scene_of_lock(&self, cell: &Arc<Cell>, ask: &Lock) -> Result<Scene, Fault> {
        let (rounds, kinds, pools) = {
            let seen = cell.seen();
            let opened = seen.standing.opened.as_ref().ok_or(Fault::Unknown)?;
            let rounds: BTreeSet<RoundNo> = seen.standing.rounds.keys().copied().collect();
            (rounds, opened.kinds.len(), opened.pools.len())
        };
        let kinds: Vec<KindNo> =
            (0..kinds).filter_map(|kind| u8::try_from(kind).ok().map(KindNo)).collect();
        let fields: Vec<Vec<u8>> = kinds.iter().map(|kind| holder(ask.person, *kind)).collect();
        let mut wants = vec![
            Want::Fields(Key::Orders, vec![ask.redemption.0.to_vec()]),
            Want::Fields(Key::Merchants, of_a_merchant(ask.merchant, pools)),
        ];
        for round in &rounds {
            wants.push(Want::Fields(Key::Holders(*round), fields.clone()));
            wants.push(Want::Fields(Key::States(*round), fields.clone()));
        }
        let fetched = self.fetch(cell, &wants).await?;
        let mut sketch = fetch::sketch(cell, &fetched)?;
        let mut known = known_of(&sketch.opened);
        for round in rounds {
            for kind in &kinds {
                let held = fetched.held(round, ask.person, *kind)?;
                sketch.holders.extend(held.map(|held| (ask.person, held)));
            }
        }
        let merchant = fetched.merchant(ask.merchant, pools)?;
        sketch.merchants.extend(merchant.map(|it| (ask.merchant, it)));
        let slot = slot_in(&fetched, ask.redemption)?;
        sketch.orders.extend(slot.order.clone().map(|order| (ask.redemption, order)));
        known.slots.insert(ask.redemption, slot.clone());
        let now = self.shared.now().max(sketch.last_at);
        Ok(Scene { cell: cell.clone(), fetched, slot, sketch, known, now })
    }

    /// Reads the log up to `seq`, on which an answer rests; whether that brought a round that was not known.
    async fn is_news(&self, cell: &Cell, seq: u64, start: Instant) -> Result<bool, Fault> {
        let rounds = |cell: &Cell| cell.seen().standing.rounds.len();
        let before = rounds(cell);
        self.read_up_to(cell, seq, start).await?;
        Ok(rounds(cell) > before)
    }

    /// Confirms, releases or looks at an order.
    pub(super) async fn order(
        &self,
        no: CampaignNo,
        redemption: RedemptionId,
        command: &Command,
    ) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        let start = Instant::now();
        loop {
            let scene = self.scene(&places, redemption, None).await?;
            let decision = fetch::decide_at(no, scene.sketch.clone(), scene.now, command);
            let decision = match decision {
                Ok(decision) if !decision.events.is_empty() => decision,
                told => {
                    self.read_up_to(&scene.cell, scene.fetched.seq, start).await?;
                    return told.map(|decision| decision.answer);
                }
            };
            let mut answer = decision.answer;
            let cell = Arc::clone(&scene.cell);
            let draft = scene.draft(redemption, decision.events);
            if let Some(written) = self.write_at(&cell, draft).await? {
                if let Answer::Redemption(order) = &mut answer
                    && let Status::Confirmed { at } | Status::Released { at, .. } =
                        &mut order.status
                {
                    *at = written;
                    if matches!(order.status, Status::Released { .. }) {
                        self.soon(self.finish_release(&places, &cell, redemption)).await;
                    }
                }
                return Ok(answer);
            }
            self.patience(start).await?;
        }
    }

    /// Tells what became of an order.
    pub(super) async fn recall(&self, ask: &Recall) -> Result<Answer, Fault> {
        let command = Command::Recall(Recall { campaign: CampaignNo(0), ..*ask });
        self.order(ask.campaign, ask.redemption, &command).await
    }

    /// Pays an order back.
    pub(super) async fn refund(&self, ask: &Refund) -> Result<Answer, Fault> {
        let places = self.places(ask.campaign)?;
        let command = Command::Refund(Refund { campaign: CampaignNo(0), ..*ask });
        let start = Instant::now();
        let mut lent = false;
        loop {
            let scene = self.scene(&places, ask.redemption, Some(ask.refund)).await?;
            let cell = Arc::clone(&scene.cell);
            let decision =
                match fetch::decide_at(ask.campaign, scene.sketch.clone(), scene.now, &command) {
                    // The money may be in another shard.
                    Err(Fault::No(No::Refused(Refusal::FundsShort))) if !lent => {
                        lent = true;
                        self.lend(&places, &scene).await?;
                        continue;
                    }
                    Ok(decision) if !decision.events.is_empty() => decision,
                    told => {
                        self.read_up_to(&cell, scene.fetched.seq, start).await?;
                        if told.is_ok() {
                            self.soon(self.finish_refund(&places, &cell, ask.refund)).await;
                        }
                        return told.map(|decision| decision.answer);
                    }
                };
            let answer = decision.answer;
            match self.write(&cell, scene.draft(ask.redemption, decision.events)).await {
                Ok(true) => {
                    self.soon(self.finish_refund(&places, &cell, ask.refund)).await;
                    return Ok(answer);
                }
                // What it was lent was spent on something else meanwhile.
                Err(Fault::No(No::Funds(_))) | Ok(false) => {}
                Err(error) => return Err(error),
            }
            self.patience(start).await?;
        }
    }

    /// Sends a shard what it lacks of one coupon's face, for one that comes back before its money does.
    async fn lend(&self, places: &Places, scene: &Scene) -> Result<(), Fault> {
        let Some(order) = &scene.slot.order else { return Ok(()) };
        let terms = scene.known.terms(order.coupon.kind)?;
        let (pool, face) = (terms.pool, terms.face);
        let available = |funds: &Funds| funds.pool(pool).map_or(Fen::ZERO, |it| it.available);
        let mut lacks = face.checked_sub(available(&scene.sketch.funds)).unwrap_or(Fen::ZERO);
        let to = (0..).zip(&places.shards).find(|(_, it)| it.place == scene.cell.place);
        let Some((to, _)) = to else { return Ok(()) };
        for (from, cell) in (0..).zip(&places.shards).filter(|(from, _)| *from != to) {
            self.fresh(cell, Instant::now()).await?;
            let some = available(&cell.seen().standing.funds).min(lacks);
            if some > Fen::ZERO && self.transfer_money(places, from, to, (pool, some)).await? {
                lacks = lacks.checked_sub(some).unwrap_or(Fen::ZERO);
            }
        }
        Ok(())
    }

    /// An order in its shard. One that is nowhere is in none: then it is looked for in the first.
    async fn scene(
        &self,
        places: &Places,
        redemption: RedemptionId,
        refund: Option<RefundId>,
    ) -> Result<Scene, Fault> {
        // A lock that lives is in one shard only; what is read there says whether it still does.
        let known = places.shards.iter().find_map(|cell| {
            let order = cell.seen().book.order(redemption).cloned()?;
            (!order.is_released()).then_some((cell, order))
        });
        if let Some((cell, order)) = known {
            let scene = self.scene_in(cell, redemption, refund, Some(order)).await?;
            if scene.slot.lives() {
                return Ok(scene);
            }
        }
        let reserved = self.reserved(places, redemption, None).await?;
        let cell = shard(places, reserved.shard().unwrap_or(0))?;
        let guess = cell.seen().book.order(redemption).cloned();
        self.scene_in(cell, redemption, refund, guess).await
    }

    /// An order as it stands in a shard; `guess` is what it was a moment ago.
    async fn scene_in(
        &self,
        cell: &Arc<Cell>,
        redemption: RedemptionId,
        refund: Option<RefundId>,
        mut guess: Option<Order>,
    ) -> Result<Scene, Fault> {
        let pools = {
            let seen = cell.seen();
            seen.standing.opened.as_ref().ok_or(Fault::Unknown)?.pools.len()
        };
        loop {
            let mut wants =
                vec![Want::Fields(Key::Orders, vec![redemption.0.to_vec()]), Want::All(Key::Funds)];
            if let Some(refund) = refund {
                wants.push(Want::Fields(Key::Refunds, vec![refund.0.to_vec()]));
            }
            if let Some(Order { merchant, person, coupon, .. }) = &guess {
                let field = vec![holder(*person, coupon.kind)];
                wants.push(Want::Fields(Key::Merchants, of_a_merchant(*merchant, pools)));
                wants.push(Want::Fields(Key::Holders(coupon.round), field.clone()));
                wants.push(Want::Fields(Key::States(coupon.round), field));
                wants.push(Want::Fields(Key::Round(coupon.round), vec![b"expired".to_vec()]));
            }
            let fetched = self.fetch(cell, &wants).await?;
            let slot = slot_in(&fetched, redemption)?;
            let of = |it: &Option<Order>| it.as_ref().map(|it| (it.merchant, it.person, it.coupon));
            if slot.order.is_some() && of(&slot.order) != of(&guess) {
                guess.clone_from(&slot.order);
                continue;
            }
            let mut sketch = fetch::sketch(cell, &fetched)?;
            let mut known = known_of(&sketch.opened);
            if let Some(order) = &slot.order {
                let Order { merchant, person, coupon, .. } = *order;
                sketch.orders.push((redemption, order.clone()));
                let held = fetched.held(coupon.round, person, coupon.kind)?;
                sketch.holders.extend(held.map(|held| (person, held)));
                let stands = fetched.merchant(merchant, pools)?;
                sketch.merchants.extend(stands.map(|it| (merchant, it)));
                let pool = known.terms(coupon.kind)?.pool;
                let settlements = fetched.settlements(merchant, pool);
                known.settlements.insert((merchant, pool), settlements);
                sketch.expired.push(fetched.expired(coupon.round));
            }
            if let Some(refund) = refund {
                sketch.refunds.extend(refund_in(&fetched, refund));
            }
            known.slots.insert(redemption, slot.clone());
            let now = self.shared.now().max(sketch.last_at);
            sketch.last_at = now;
            return Ok(Scene { cell: cell.clone(), fetched, slot, sketch, known, now });
        }
    }
}

impl Scene {
    /// What is to be written of what was decided on it.
    fn draft(self, redemption: RedemptionId, events: Vec<Event>) -> Draft {
        let Scene { fetched, slot, sketch, known, now, .. } = self;
        let mut compares = vec![fetched.same(Key::Orders, redemption.0)];
        let mut late = None;
        if let Some(order) = slot.order {
            let coupon = order.coupon;
            let field = holder(order.person, coupon.kind);
            compares.push(fetched.same(Key::Holders(coupon.round), field.clone()));
            compares.push(fetched.same(Key::States(coupon.round), field));
            compares.push(fetched.same(Key::Round(coupon.round), b"expired".as_slice()));
            // Which batches it is in.
            if let Ok(terms) = known.terms(coupon.kind) {
                let settlements = of_pool("settlements", order.merchant, terms.pool);
                compares.push(fetched.same(Key::Merchants, settlements));
            }
            let ends = sketch.holders.first().map(|(_, held)| held.ends_at);
            late = events.iter().find_map(|event| match event.what {
                What::Confirmed(_) => match order.status {
                    Status::Locked { until } => Some(until),
                    _ => None,
                },
                // What becomes of a coupon depends on whether its end has come.
                What::Refunded(_) => ends.filter(|ends| now < *ends),
                _ => None,
            });
        }
        for event in &events {
            if let What::Refunded(it) = event.what {
                compares.push(fetched.same(Key::Refunds, it.refund.0));
            }
        }
        Draft { events, compares, about: known, late, cap: None }
    }
}

fn refund_in(fetched: &Fetched, refund: RefundId) -> Option<Refunded> {
    let body = fetched.get(Key::Refunds, &refund.0)?;
    codec::decode(body)?.into_iter().find_map(|event| match event.what {
        What::Refunded(it) => Some(it),
        _ => None,
    })
}
