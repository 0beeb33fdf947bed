use super::decided::Roll;
use super::merchants::Merchants;
use super::orders::Orders;
use super::summary::Level;
use super::{Held, Status};
use crate::domain::keyed::KeyedMap;
use crate::domain::{
    At, CampaignNo, CouponId, CouponState, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce,
    PersonId, ProofId, RoundNo, Shard, Window,
};
use crate::funds::Funds;
use crate::ledger::event::{
    Adjusted, Aftermath, Bound, Confirmed, Event, Extended, Granted, Interlock, KindTerms, Load,
    Locked, Passed, Refunded, Released, Transfer, What,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything the ledger knows.
///
/// Its serialized form is the body of a [snapshot](crate::ledger::snapshot): a change of any field
/// here is a new snapshot version there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub(super) campaigns: Vec<Campaign>,
    last_at: At0,
}

/// The instant of the last event; before any event, the beginning of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct At0(At);

impl Default for At0 {
    fn default() -> At0 {
        At0(At(i64::MIN))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Campaign {
    pub(super) name: String,
    pub(super) shard: Shard,
    pub(super) pools: Vec<String>,
    pub(super) kinds: Vec<KindTerms>,
    pub(super) funds: Funds,
    pub(super) tripped: bool,
    /// The latest that a decision on the interlock was proposed.
    pub(super) word_at: Option<At>,
    /// The folder of merchants that was decided last.
    pub(super) roll: Option<Roll>,
    pub(super) rounds: BTreeMap<RoundNo, Round>,
    /// What was decided of further rounds, in order.
    pub(super) extended: Vec<Extended>,
    pub(super) merchants: Merchants,
    pub(super) orders: Orders,
}

/// A round from its first pass, its first adjustment or its arming on, whichever comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) adjusted: Option<Adjusted>,
    pub(super) armed: Option<ArmedRound>,
    pub(super) expired: bool,
    pub(super) holders: KeyedMap<(PersonId, KindNo), Held>,
    pub(super) passes: KeyedMap<PassNonce, Pass>,
    pub(super) proofs: KeyedMap<ProofId, PassNonce>,
    pub(super) bindings: KeyedMap<(IdentifierKind, KeyedHash), PersonId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArmedRound {
    pub(super) window: Window,
    /// Quantity and grants of each kind.
    pub(super) stock: Vec<Level>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pass {
    pub(super) passed: Passed,
    pub(super) spent: KindSet,
}

impl Machine {
    /// The instant of the last event.
    pub fn last_at(&self) -> At {
        self.last_at.0
    }

    pub(super) fn of(campaign: Campaign, last_at: At) -> Machine {
        Machine { campaigns: vec![campaign], last_at: At0(last_at) }
    }

    /// The funds of a campaign.
    pub fn funds(&self, campaign: CampaignNo) -> Option<&Funds> {
        self.campaign(campaign).map(|campaign| &campaign.funds)
    }

    /// The kinds of a campaign.
    pub fn kinds(&self, campaign: CampaignNo) -> Option<&[KindTerms]> {
        self.campaign(campaign).map(|campaign| campaign.kinds.as_slice())
    }

    pub(super) fn campaign(&self, campaign: CampaignNo) -> Option<&Campaign> {
        self.campaigns.get(usize::from(campaign.0))
    }

    /// Takes `event` in. Only events that [`Machine::decide`] made, in their order, may come.
    ///
    /// # Panics
    ///
    /// If an event contradicts the state: going on would be wrong, and wrong is worse than down.
    pub fn apply(&mut self, event: &Event, at: At) {
        self.last_at = At0(at);
        if let What::Opened(opened) = &event.what {
            assert_eq!(
                usize::from(event.campaign.0),
                self.campaigns.len(),
                "campaigns open in order"
            );
            self.campaigns.push(Campaign {
                name: opened.name.clone(),
                shard: opened.shard,
                pools: opened.pools.clone(),
                kinds: opened.kinds.clone(),
                funds: Funds::new(opened.pools.len()),
                tripped: false,
                word_at: None,
                roll: None,
                rounds: BTreeMap::new(),
                extended: Vec::new(),
                merchants: Merchants::default(),
                orders: Orders::default(),
            });
            return;
        }
        self.campaigns
            .get_mut(usize::from(event.campaign.0))
            .expect("an event of a campaign comes after its opening")
            .apply(&event.what, at);
    }
}

impl Campaign {
    pub(super) fn kind(&self, kind: KindNo) -> Option<&KindTerms> {
        self.kinds.get(usize::from(kind.0))
    }

    fn apply(&mut self, what: &What, at: At) {
        match what {
            What::Opened(_) => unreachable!("the machine takes openings in itself"),
            What::Posted(posting) => {
                self.funds.post(posting).expect("a decided posting fits the balances");
                assert!(self.funds.balanced(), "funds out of balance after {posting:?}");
            }
            What::Armed(armed) => {
                let level = |&quantity| Level { quantity, ..Level::default() };
                let stock = armed.quantities.iter().map(level);
                self.rounds.entry(armed.round).or_default().armed =
                    Some(ArmedRound { window: armed.window, stock: stock.collect() });
            }
            What::Expired(expired) => {
                self.rounds.entry(expired.round).or_default().expired = true;
            }
            What::Bound(bound) => self.rounds.entry(bound.round).or_default().bind(bound),
            What::Granted(granted) => {
                self.rounds.entry(granted.coupon.round).or_default().grant(self.shard, granted, at);
            }
            What::Interlock(interlock) => self.tripped = *interlock == Interlock::Tripped,
            What::Decided(decided) => self.hear(decided),
            What::Passed(passed) => self.rounds.entry(passed.round).or_default().pass(*passed),
            What::Sent(transfer) => self.send(transfer),
            What::Received(transfer) => self.receive(transfer),
            What::Adjusted(adjusted) => {
                self.rounds.entry(adjusted.round).or_default().adjusted = Some(adjusted.clone());
            }
            What::Extended(extended) => {
                for it in extended.adjusted() {
                    let round = self.rounds.entry(it.round).or_default();
                    round.adjusted = Some(it);
                }
                self.extended.push(extended.clone());
            }
            What::Admitted(admitted) => self.merchants.admit(admitted),
            What::Stands(stands) => self.merchants.stand(*stands),
            What::Locked(locked) => self.hold(locked),
            What::Confirmed(Confirmed { redemption }) => {
                let order = self.orders.close(*redemption, Status::Confirmed { at });
                let (who, coupon, merchant) = (order.person, order.coupon, order.merchant);
                let terms = terms_of(&self.kinds, coupon.kind);
                let merchant = self.merchants.get_mut(merchant);
                order.settlements = merchant.confirm(terms.pool, terms.face);
                self.becomes(who, coupon, CouponState::Used);
            }
            What::Released(Released { redemption, why }) => {
                let order = self.orders.close(*redemption, Status::Released { at, why: *why });
                let (who, coupon, merchant) = (order.person, order.coupon, order.merchant);
                let face = terms_of(&self.kinds, coupon.kind).face;
                self.merchants.get_mut(merchant).release(face);
                self.becomes(who, coupon, CouponState::Unused);
            }
            What::Refunded(refunded) => self.pay_back(refunded),
            What::Settled(settled) => self.merchants.settle(settled),
            What::Paid(paid) => self.merchants.pay(paid),
            What::PaymentFailed(failed) => self.merchants.fail(*failed),
            // Where there are several logs; here an order stands in one place and caps are counted with it.
            What::Reserved(_) | What::Vacated(_) | What::GivenBack(_) => {}
        }
    }

    fn hold(&mut self, locked: &Locked) {
        let face = terms_of(&self.kinds, locked.coupon.kind).face;
        self.orders.lock(locked);
        self.merchants.get_mut(locked.merchant).lock(face);
        self.becomes(locked.person, locked.coupon, CouponState::Locked);
    }

    fn pay_back(&mut self, refunded: &Refunded) {
        let order = self.orders.pay_back(refunded);
        let (who, coupon, merchant) = (order.person, order.coupon, order.merchant);
        let pool = terms_of(&self.kinds, coupon.kind).pool;
        self.merchants.get_mut(merchant).take_back(pool, refunded.back, refunded.owed);
        match refunded.coupon {
            Aftermath::Used => {}
            Aftermath::Issued => self.becomes(who, coupon, CouponState::Unused),
            Aftermath::Returned => self.becomes(who, coupon, CouponState::Returned),
        }
    }

    /// What becomes of a coupon, which its round counts.
    fn becomes(&mut self, who: PersonId, coupon: CouponId, state: CouponState) {
        let round = self.rounds.get_mut(&coupon.round).expect("a coupon's round is there");
        let stock =
            round.armed.as_mut().and_then(|it| it.stock.get_mut(usize::from(coupon.kind.0)));
        let stock = stock.expect("a coupon comes after its round's arming");
        let held = round.holders.get_mut(&(who, coupon.kind)).expect("a coupon has a holder");
        assert_eq!(held.coupon, coupon, "a coupon stays with its holder (R-WHO-4)");
        match (held.state, state) {
            (CouponState::Unused, CouponState::Locked) => stock.locked += 1,
            (CouponState::Locked, CouponState::Unused) => stock.locked -= 1,
            (CouponState::Locked, CouponState::Used) => {
                stock.locked -= 1;
                stock.used += 1;
            }
            (CouponState::Used, CouponState::Unused) => stock.used -= 1,
            // No money is frozen for it: it counts as used.
            (CouponState::Used, CouponState::Returned) => {}
            (before, after) => panic!("a coupon that is {before:?} does not become {after:?}"),
        }
        held.state = state;
    }

    /// The money of a transfer is a posting of its own.
    fn send(&mut self, transfer: &Transfer) {
        if let Load::Stock { round, kind, units, .. } = transfer.load {
            let stock = self
                .rounds
                .get_mut(&round)
                .and_then(|round| round.armed.as_mut())
                .and_then(|armed| armed.stock.get_mut(usize::from(kind.0)))
                .expect("what is sent was there");
            assert!(units <= stock.left(), "no more is sent than is left (I1)");
            stock.quantity -= units;
        }
    }

    fn receive(&mut self, transfer: &Transfer) {
        if let Load::Stock { round, window, kind, units } = transfer.load {
            let none = vec![Level::default(); self.kinds.len()];
            let armed = &mut self.rounds.entry(round).or_default().armed;
            let armed = armed.get_or_insert(ArmedRound { window, stock: none });
            let stock = armed.stock.get_mut(usize::from(kind.0)).expect("its kind was opened");
            stock.quantity = stock.quantity.checked_add(units).expect("stock is below 2^24");
        }
    }
}

fn terms_of(kinds: &[KindTerms], kind: KindNo) -> &KindTerms {
    kinds.get(usize::from(kind.0)).expect("a coupon's kind was opened")
}

impl Round {
    fn pass(&mut self, passed: Passed) {
        self.passes.insert(passed.pass, Pass { passed, spent: KindSet::default() });
    }

    fn bind(&mut self, bound: &Bound) {
        for proof in bound.proofs {
            self.proofs.insert(proof, bound.pass);
        }
        for identifier in bound.identifiers {
            self.bindings.insert(identifier, bound.person);
        }
        self.pass(Passed::from(bound));
    }

    fn grant(&mut self, shard: Shard, granted: &Granted, at: At) {
        let CouponId { kind, ordinal, .. } = granted.coupon;
        let stock = self
            .armed
            .as_mut()
            .and_then(|armed| armed.stock.get_mut(usize::from(kind.0)))
            .expect("a grant comes after its round's arming");
        assert_eq!(ordinal, shard.ordinal(stock.granted + 1), "ordinals have no gaps");
        stock.granted += 1;
        assert!(stock.granted <= stock.quantity, "never more grants than stock (I1)");
        let before = self.holders.insert((granted.person, kind), Held::of(granted, at));
        assert!(before.is_none(), "one coupon per person, kind and round (I2)");
        let pass = self.passes.get_mut(&granted.pass).expect("a grant comes after its pass (I7)");
        pass.spent = pass.spent.with(kind);
    }
}
