//! What a till asks: to hold a coupon for an order, to confirm or release it, to pay it back.

use super::decide::{events, post};
use super::orders::Order;
use super::state::{Campaign, Round};
use super::{Answer, Decision, Held, Lock, No, Recall, Redemption, Refund, Status};
use crate::domain::{At, CampaignNo, CouponId, Fen, KindNo, PersonId, RedemptionId, Refusal};
use crate::funds::{Account, Funds, Posting};
use crate::ledger::event::{
    Aftermath, Confirmed, KindTerms, Locked, Refunded, Release, Released, What,
};
use crate::redeem::{self, Candidate, Case, Coupon, Money, Purchase, Side};

/// So many orders lapse in one entry: two events each, of at most 256.
const LAPSES: usize = 100;

impl Campaign {
    /// Holds a coupon for an order, or uses it at once. The same order again is answered as it stands, unless it was
    /// released: then it begins anew.
    pub(super) fn lock(&self, ask: &Lock, now: At) -> Result<Decision, No> {
        if let Some(order) = self.orders.get(ask.redemption).filter(|it| !it.is_released()) {
            if !order.is(ask) {
                return Err(Refusal::OrderConflict.into());
            }
            if ask.at_once && matches!(order.status, Status::Locked { .. }) {
                return self.confirm(ask.campaign, ask.redemption, now);
            }
            return self.told(ask.redemption, order);
        }
        let merchant = self.merchants.get(ask.merchant)?;
        if !merchant.standing.redeems() {
            return Err(Refusal::MerchantSuspended.into());
        }
        let purchase = Purchase { at: now, amount: ask.amount, categories: merchant.categories };
        let picked = match ask.choice {
            None => self.picked(ask.person, &purchase)?,
            Some(choice) => {
                let it = self.coupon(ask.person, choice).ok_or(Refusal::NotTheHolder)?;
                redeem::fits(&it, &purchase)?;
                it
            }
        };
        if picked.threshold == Fen::ZERO {
            return Err(No::Conflict("the campaign was opened without its kinds' thresholds"));
        }
        if !merchant.may_redeem(picked.face) {
            return Err(Refusal::MerchantCap.into());
        }
        let until = now.plus_ms(i64::from(ask.lock_ms));
        let Lock { campaign, redemption, merchant, person, amount, request, .. } = *ask;
        let coupon = picked.coupon;
        let locked = Locked { redemption, merchant, person, coupon, amount, request, until };
        let redemption = Redemption {
            redemption,
            merchant,
            coupon,
            amount,
            face: picked.face,
            status: if ask.at_once {
                Status::Confirmed { at: now }
            } else {
                Status::Locked { until }
            },
            refunded: Fen::ZERO,
            back: Fen::ZERO,
        };
        let mut whats = vec![What::Locked(locked)];
        if ask.at_once {
            self.uses(&mut whats, ask.redemption, coupon.kind)?;
        }
        Ok(Decision { events: events(campaign, whats), answer: Answer::Redemption(redemption) })
    }

    /// Tells what became of an order; to whoever shows a dead payment code only if it was the order's own.
    pub(super) fn recall(&self, ask: &Recall) -> Result<Decision, No> {
        let order = self.orders.get(ask.redemption);
        match (order, ask.request) {
            (None, None) => Err(Refusal::OrderUnknown.into()),
            (None, Some(_)) => Err(Refusal::CodeDead.into()),
            (Some(order), Some(request)) if order.request != request => {
                Err(Refusal::CodeDead.into())
            }
            (Some(order), _) => self.told(ask.redemption, order),
        }
    }

    /// The order was paid: its coupon is used. Not at the deadline or later, whoever has released it by then or not.
    pub(super) fn confirm(
        &self,
        campaign: CampaignNo,
        redemption: RedemptionId,
        now: At,
    ) -> Result<Decision, No> {
        let order = self.orders.get(redemption).ok_or(Refusal::OrderUnknown)?;
        match order.status {
            Status::Confirmed { .. } => self.told(redemption, order),
            Status::Released { .. } => Err(Refusal::LockExpired.into()),
            Status::Locked { until } if now >= until => Err(Refusal::LockExpired.into()),
            Status::Locked { .. } => {
                let mut whats = vec![];
                self.uses(&mut whats, redemption, order.coupon.kind)?;
                let order = Order { status: Status::Confirmed { at: now }, ..order.clone() };
                self.made(campaign, whats, redemption, &order)
            }
        }
    }

    /// The coupon is used, and its money consumed.
    fn uses(
        &self,
        whats: &mut Vec<What>,
        redemption: RedemptionId,
        kind: KindNo,
    ) -> Result<(), No> {
        let KindTerms { pool, face, .. } = *self.terms(kind)?;
        whats.push(What::Confirmed(Confirmed { redemption }));
        if face > Fen::ZERO {
            let (from, to) = (Account::Frozen, Account::Consumed);
            let consumed = Posting { pool, from, to, fen: face };
            self.funds.after(&consumed)?;
            whats.push(What::Posted(consumed));
        }
        Ok(())
    }

    /// The order came to nothing.
    pub(super) fn release(
        &self,
        campaign: CampaignNo,
        redemption: RedemptionId,
        now: At,
    ) -> Result<Decision, No> {
        let order = self.orders.get(redemption).ok_or(Refusal::OrderUnknown)?;
        match order.status {
            Status::Released { .. } => self.told(redemption, order),
            // Its coupon is used: it can be paid back.
            Status::Confirmed { .. } => Err(Refusal::OrderConflict.into()),
            Status::Locked { .. } => {
                let why = Release::ByTill;
                let mut whats = Vec::new();
                self.lets_go(&mut whats, &mut self.funds.clone(), redemption, order, why)?;
                let order = Order { status: Status::Released { at: now, why }, ..order.clone() };
                self.made(campaign, whats, redemption, &order)
            }
        }
    }

    /// Releases what is held past its deadline.
    pub(super) fn lapse(&self, now: At) -> Result<Vec<What>, No> {
        let (mut whats, mut funds) = (Vec::new(), self.funds.clone());
        for (redemption, order) in self.orders.lapsed(now).take(LAPSES) {
            let why = Release::AtDeadline;
            self.lets_go(&mut whats, &mut funds, redemption, order, why)?;
        }
        Ok(whats)
    }

    /// The coupon is its holder's again; once its round has expired, its money is the pool's.
    fn lets_go(
        &self,
        whats: &mut Vec<What>,
        funds: &mut Funds,
        redemption: RedemptionId,
        order: &Order,
        why: Release,
    ) -> Result<(), No> {
        whats.push(What::Released(Released { redemption, why }));
        if self.rounds.get(&order.coupon.round).is_some_and(|round| round.expired) {
            let KindTerms { pool, face, .. } = *self.terms(order.coupon.kind)?;
            post(whats, funds, pool, Account::Frozen, Account::Available, face)?;
        }
        Ok(())
    }

    /// Pays an order back. The same refund again is answered as it was made.
    pub(super) fn refund(&self, ask: &Refund, now: At) -> Result<Decision, No> {
        let Refund { campaign, redemption, refund, amount, policy } = *ask;
        if let Some(made) = self.orders.refund(refund) {
            if (made.redemption, made.amount) != (redemption, amount) {
                return Err(Refusal::RefundConflict.into());
            }
            return Ok(Decision { events: vec![], answer: Answer::Refunded(*made) });
        }
        let order = self.orders.get(redemption).ok_or(Refusal::OrderUnknown)?;
        if !matches!(order.status, Status::Confirmed { .. }) {
            return Err(Refusal::NotConfirmed.into());
        }
        if amount == Fen::ZERO {
            return Err(No::Conflict("nothing is paid back"));
        }
        let terms = self.terms(order.coupon.kind)?;
        let held = self.holding(order.person, order.coupon).ok_or(Refusal::NotTheHolder)?;
        let dues = self.merchants.get(order.merchant)?.dues(terms.pool);
        let Order { amount: whole, refunded, back, .. } = *order;
        let left = redeem::Order { amount: whole, face: terms.face, refunded, back };
        let back = left.taken_back(amount).ok_or(Refusal::RefundTooLarge)?;
        let after = |is: bool| if is { Side::After } else { Side::Before };
        let case = Case {
            part: left.part(amount),
            end: after(now >= held.ends_at),
            settlement: after(dues.settlements > order.settlements),
        };
        let treatment = policy.treatment(case);
        let coupon = match (treatment.coupon, case.end) {
            (Coupon::Stays, _) => Aftermath::Used,
            (Coupon::Back, Side::Before) => Aftermath::Issued,
            (Coupon::Back, Side::After) => Aftermath::Returned,
        };
        let owed = treatment.money == Money::Owed;
        let made = Refunded { redemption, refund, amount, back, coupon, owed };
        let mut whats = vec![What::Refunded(made)];
        let money = match (treatment.money, coupon) {
            (Money::Frozen, _) => Some((Account::Consumed, Account::Frozen)),
            (Money::Pool, _) => Some((Account::Consumed, Account::Available)),
            // The merchant has the money; until it is taken off, the pool lends it to the coupon.
            (Money::Owed, Aftermath::Issued) => Some((Account::Available, Account::Frozen)),
            (Money::Owed, _) => None,
        };
        if let Some((from, to)) = money {
            let posted = post(&mut whats, &mut self.funds.clone(), terms.pool, from, to, back);
            posted.map_err(|no| if owed { Refusal::FundsShort.into() } else { no })?;
        }
        let events = events(campaign, whats);
        Ok(Decision { events, answer: Answer::Refunded(made) })
    }

    /// A person's coupon as it is now, if it is theirs.
    pub(super) fn holding(&self, person: PersonId, coupon: CouponId) -> Option<&Held> {
        let held = self.rounds.get(&coupon.round)?.holders.get(&(person, coupon.kind))?;
        (held.coupon == coupon).then_some(held)
    }

    fn coupon(&self, person: PersonId, coupon: CouponId) -> Option<Candidate> {
        let held = self.holding(person, coupon)?;
        Some(candidate(held, self.kind(coupon.kind)?))
    }

    /// The person's coupon that pays. Looked for are those of kinds that suit the purchase, of rounds that are not
    /// over, the largest discount first, which wins: so most redemptions look for few. Only one that is refused looks
    /// at all there are, for the reason.
    fn picked(&self, person: PersonId, purchase: &Purchase) -> Result<Candidate, Refusal> {
        let suits = |it: &KindTerms| redeem::suits(it.pool, it.threshold, purchase).is_ok();
        let mut face = self.largest(suits);
        while let Some(of) = face {
            let best = |it: &KindTerms| it.face == of && suits(it);
            let found = self.coupons(person, |round| !round.expired, best);
            if let Ok(it) = redeem::pick(found, purchase) {
                return Ok(it);
            }
            face = self.largest(|it| it.face < of && suits(it));
        }
        redeem::pick(self.coupons(person, |_| true, |_| true), purchase)
    }

    /// The largest face of these kinds.
    fn largest(&self, of: impl Fn(&KindTerms) -> bool) -> Option<Fen> {
        self.kinds.iter().filter(|it| of(it)).map(|it| it.face).max()
    }

    /// A person's coupons of these rounds and kinds.
    fn coupons(
        &self,
        person: PersonId,
        of: impl Fn(&Round) -> bool,
        like: impl Fn(&KindTerms) -> bool + Copy,
    ) -> impl Iterator<Item = Candidate> {
        self.rounds.values().filter(move |round| of(round)).flat_map(move |round| {
            let kinds = (0..).map(KindNo).zip(&self.kinds).filter(move |(_, terms)| like(terms));
            kinds.filter_map(move |(kind, terms)| {
                Some(candidate(round.holders.get(&(person, kind))?, terms))
            })
        })
    }

    fn terms(&self, kind: KindNo) -> Result<&KindTerms, Refusal> {
        self.kind(kind).ok_or(Refusal::KindUnknown)
    }

    /// The order as it stands.
    fn told(&self, redemption: RedemptionId, order: &Order) -> Result<Decision, No> {
        Ok(Decision { events: vec![], answer: self.answer(redemption, order)? })
    }

    fn made(
        &self,
        campaign: CampaignNo,
        whats: Vec<What>,
        redemption: RedemptionId,
        order: &Order,
    ) -> Result<Decision, No> {
        let answer = self.answer(redemption, order)?;
        Ok(Decision { events: events(campaign, whats), answer })
    }

    /// An order as it stands.
    pub(super) fn redemption(&self, redemption: RedemptionId) -> Option<Redemption> {
        self.shown(redemption, self.orders.get(redemption)?).ok()
    }

    fn answer(&self, redemption: RedemptionId, order: &Order) -> Result<Answer, No> {
        Ok(Answer::Redemption(self.shown(redemption, order)?))
    }

    fn shown(&self, redemption: RedemptionId, order: &Order) -> Result<Redemption, Refusal> {
        let face = self.terms(order.coupon.kind)?.face;
        Ok(order.shown(redemption, face))
    }
}

fn candidate(held: &Held, terms: &KindTerms) -> Candidate {
    Candidate {
        coupon: held.coupon,
        state: held.state,
        starts_at: held.starts_at,
        ends_at: held.ends_at,
        face: terms.face,
        threshold: terms.threshold,
        pool: terms.pool,
    }
}

impl Order {
    /// Whether this is what is asked for, with whatever payment code of the same person.
    fn is(&self, ask: &Lock) -> bool {
        (self.merchant, self.person, self.amount) == (ask.merchant, ask.person, ask.amount)
            && ask.choice.is_none_or(|it| it == self.coupon)
    }
}
