use super::Lease;
use crate::domain::keyed::KeyedState;
use crate::domain::{
    At, CampaignNo, CouponId, CouponState, KindNo, PersonId, RedemptionId, RoundNo,
};
use crate::ledger::event::{Event, What};
use crate::ledger::machine::{Held, Machine, Summary};
use dashmap::DashMap;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Release},
    },
};

/// What is durable, for readers that don't wait for the writer.
pub struct View {
    durable: Arc<AtomicU64>,
    stopped: AtomicBool,
    lease: Lease,
    holders: DashMap<(CampaignNo, PersonId), Vec<Held>, KeyedState>,
    campaigns: RwLock<BTreeMap<CampaignNo, Arc<Summary>>>,
    /// What was asked for each order that was not released.
    requests: DashMap<(CampaignNo, RedemptionId), [u8; 8], KeyedState>,
}

impl View {
    pub(super) fn of(machine: &Machine, durable: u64) -> View {
        let view = View::empty();
        view.advance(durable);
        for (campaign, person, held) in machine.holders() {
            view.hold(campaign, person, held);
        }
        for (campaign, redemption, request) in machine.requests() {
            view.requests.insert((campaign, redemption), request);
        }
        view
    }

    /// Nothing is known yet.
    pub(in crate::ledger) fn empty() -> View {
        View {
            durable: Arc::default(),
            stopped: AtomicBool::new(false),
            lease: Lease::alone(),
            holders: DashMap::default(),
            campaigns: RwLock::default(),
            requests: DashMap::default(),
        }
    }

    /// The coupons of a person, in the order they were granted in (after a restart: in any order).
    pub fn coupons(&self, campaign: CampaignNo, person: PersonId) -> Vec<Held> {
        self.holders.get(&(campaign, person)).map_or_else(Vec::new, |held| held.clone())
    }

    /// Whether what is known here may be told: not after a sleep in which others may have gone on without this
    /// process, until that is known.
    pub fn tells(&self) -> bool {
        self.lease.tells()
    }

    pub(in crate::ledger) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The coupon of a person for this round and kind, if it may be told.
    pub fn held(
        &self,
        campaign: CampaignNo,
        person: PersonId,
        round: RoundNo,
        kind: KindNo,
    ) -> Option<Held> {
        let coupons = self.holders.get(&(campaign, person))?;
        let this = |held: &&Held| {
            let CouponId { round: of, kind: what, .. } = held.coupon;
            (of, what) == (round, kind)
        };
        coupons.iter().find(this).copied().filter(|_| self.tells())
    }

    /// What was asked for an order, if a coupon is held for it or was used.
    pub fn request(&self, campaign: CampaignNo, redemption: RedemptionId) -> Option<[u8; 8]> {
        self.requests.get(&(campaign, redemption)).map(|it| *it)
    }

    /// A campaign as it stands; `None` if it was never opened.
    pub fn campaign(&self, no: CampaignNo) -> Option<Arc<Summary>> {
        self.campaigns.read().get(&no).cloned()
    }

    /// The highest durable seq.
    pub fn durable(&self) -> u64 {
        self.durable.load(Acquire)
    }

    /// The same number, for somebody who follows the journal by itself.
    pub fn watermark(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.durable)
    }

    /// Whether nothing is written any more.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Acquire)
    }

    pub(in crate::ledger) fn stop(&self) {
        self.stopped.store(true, Release);
    }

    pub(in crate::ledger) fn advance(&self, durable: u64) {
        self.durable.store(durable, Release);
    }

    pub(in crate::ledger) fn event(&self, event: &Event, at: At) {
        match &event.what {
            What::Granted(granted) => {
                self.hold(event.campaign, granted.person, Held::of(granted, at));
            }
            What::Locked(locked) => {
                self.requests.insert((event.campaign, locked.redemption), locked.request);
            }
            What::Released(released) => {
                self.requests.remove(&(event.campaign, released.redemption));
            }
            _ => {}
        }
    }

    /// Shows how a coupon is now.
    pub(in crate::ledger) fn turn(
        &self,
        campaign: CampaignNo,
        person: PersonId,
        coupon: CouponId,
        state: CouponState,
    ) {
        if let Some(mut coupons) = self.holders.get_mut(&(campaign, person))
            && let Some(shown) = coupons.iter_mut().find(|it| it.coupon == coupon)
        {
            shown.state = state;
        }
    }

    /// What was asked for an order that was not released.
    pub(in crate::ledger) fn asked(&self, no: CampaignNo, it: RedemptionId, request: [u8; 8]) {
        self.requests.insert((no, it), request);
    }

    /// Shows what became of a coupon.
    pub(super) fn change(&self, campaign: CampaignNo, person: PersonId, held: Held) {
        if let Some(mut coupons) = self.holders.get_mut(&(campaign, person))
            && let Some(shown) = coupons.iter_mut().find(|it| it.coupon == held.coupon)
        {
            *shown = held;
        }
    }

    pub(in crate::ledger) fn show(&self, no: CampaignNo, summary: &Arc<Summary>) {
        self.campaigns.write().insert(no, Arc::clone(summary));
    }

    pub(in crate::ledger) fn hold(&self, campaign: CampaignNo, person: PersonId, held: Held) {
        let mut coupons = self.holders.entry((campaign, person)).or_default();
        // With several nodes a grant is seen when it is answered and again in the log.
        if !coupons.iter().any(|it| it.coupon == held.coupon) {
            coupons.push(held);
        }
    }

    /// The coupons that are shown of a campaign's persons whom `these` picks.
    pub(in crate::ledger) fn shown(
        &self,
        campaign: CampaignNo,
        these: impl Fn(PersonId) -> bool,
    ) -> Vec<(PersonId, Held)> {
        let picked = self.holders.iter().filter(|it| it.key().0 == campaign && these(it.key().1));
        picked
            .flat_map(|it| it.value().iter().map(|held| (it.key().1, *held)).collect::<Vec<_>>())
            .collect()
    }

    /// Shows a coupon no more: its log does not have it.
    pub(in crate::ledger) fn forget(
        &self,
        campaign: CampaignNo,
        person: PersonId,
        coupon: CouponId,
    ) {
        if let Some(mut coupons) = self.holders.get_mut(&(campaign, person)) {
            coupons.retain(|it| it.coupon != coupon);
        }
    }
}
