//! What all events add up to: where each pool's money went and stands, and what became of each kind's coupons. It judges
//! nothing; a report does.

use super::{Book, Seen};
use crate::domain::{CampaignNo, CouponId, KindNo, PoolNo, RedemptionId, RoundNo};
use crate::funds::{Account, Posting};
use crate::ledger::event::{Aftermath, Release, What};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A campaign, added up over all its logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Its id.
    pub campaign: String,
    /// Its pools, in their order.
    pub pools: Vec<PoolTotals>,
    /// Its kinds, in their order.
    pub kinds: Vec<KindTotals>,
}

/// A pool's money in fen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PoolTotals {
    /// Its name.
    pub pool: String,
    /// Everything that was ever moved from one account to another. Moves between shards are none.
    pub flows: Vec<Flow>,
    /// What stands in each account at the end; the treasury's side is below zero.
    pub accounts: BTreeMap<&'static str, i128>,
}

/// Money that was moved from an account to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// From.
    pub from: &'static str,
    /// To.
    pub to: &'static str,
    /// Fen in all.
    pub fen: i128,
}

/// What became of a kind's coupons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KindTotals {
    /// Its name.
    pub kind: String,
    /// Its pool's name.
    pub pool: String,
    /// What one is worth, in fen.
    pub face_fen: u64,
    /// Granted in all.
    pub granted: u64,
    /// Of those: used, and not given back since.
    pub used: u64,
    /// Of those: held for an order.
    pub held: u64,
    /// Of those: their holder's, to be used.
    pub unused: u64,
    /// Of those: paid back after their end.
    pub returned: u64,
    /// Of those: never used before their end.
    pub expired: u64,
    /// Orders that were ever confirmed.
    pub confirmations: u64,
    /// Orders that were ever let go at their deadline.
    pub lapsed: u64,
    /// Refunds.
    pub refunds: u64,
    /// What these took back, in fen.
    pub taken_back_fen: i128,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unused,
    Held,
    Used,
    Returned,
}

#[derive(Default)]
struct Pool {
    flows: BTreeMap<(&'static str, &'static str), i128>,
    accounts: BTreeMap<&'static str, i128>,
}

/// Adds up.
#[derive(Default)]
pub(super) struct Adding {
    pools: BTreeMap<(CampaignNo, PoolNo), Pool>,
    kinds: BTreeMap<(CampaignNo, KindNo), KindTotals>,
    coupons: HashMap<(CampaignNo, CouponId), State>,
    orders: HashMap<(CampaignNo, RedemptionId), CouponId>,
    /// Rounds that have ended, in any log: each log ends its own people's, and all at the same instant.
    ended: BTreeSet<(CampaignNo, RoundNo)>,
}

impl Adding {
    pub(super) fn look(&mut self, entry: &Seen) {
        let moved =
            entry.events.iter().any(|it| matches!(it.what, What::Sent(_) | What::Received(_)));
        for event in &entry.events {
            let campaign = event.campaign;
            match &event.what {
                // What goes to another shard comes in there.
                What::Posted(it) if moved && [it.from, it.to].contains(&Account::Treasury) => {}
                What::Posted(posting) => self.post(campaign, posting),
                What::Granted(it) => {
                    self.kind(campaign, it.coupon).granted += 1;
                    self.coupons.insert((campaign, it.coupon), State::Unused);
                }
                What::Locked(it) => {
                    self.orders.insert((campaign, it.redemption), it.coupon);
                    self.coupons.insert((campaign, it.coupon), State::Held);
                }
                What::Confirmed(it) => self.order(campaign, it.redemption, State::Used, |kind| {
                    kind.confirmations += 1;
                }),
                What::Released(it) => {
                    let by_deadline = it.why == Release::AtDeadline;
                    self.order(campaign, it.redemption, State::Unused, |kind| {
                        kind.lapsed += u64::from(by_deadline);
                    });
                }
                What::Refunded(it) => {
                    let to = match it.coupon {
                        Aftermath::Used => State::Used,
                        Aftermath::Issued => State::Unused,
                        Aftermath::Returned => State::Returned,
                    };
                    self.order(campaign, it.redemption, to, |kind| {
                        kind.refunds += 1;
                        kind.taken_back_fen += i128::from(it.back.get());
                    });
                }
                What::Expired(it) => {
                    self.ended.insert((campaign, it.round));
                }
                _ => {}
            }
        }
    }

    fn kind(&mut self, campaign: CampaignNo, coupon: CouponId) -> &mut KindTotals {
        self.kinds.entry((campaign, coupon.kind)).or_default()
    }

    fn order(
        &mut self,
        campaign: CampaignNo,
        redemption: RedemptionId,
        to: State,
        count: impl FnOnce(&mut KindTotals),
    ) {
        let Some(coupon) = self.orders.get(&(campaign, redemption)).copied() else { return };
        self.coupons.insert((campaign, coupon), to);
        count(self.kind(campaign, coupon));
    }

    fn post(&mut self, campaign: CampaignNo, posting: &Posting) {
        let Posting { pool, from, to, fen } = *posting;
        let pool = self.pools.entry((campaign, pool)).or_default();
        *pool.flows.entry((from.name(), to.name())).or_default() += i128::from(fen.get());
        *pool.accounts.entry(from.name()).or_default() -= i128::from(fen.get());
        *pool.accounts.entry(to.name()).or_default() += i128::from(fen.get());
    }

    pub(super) fn done(mut self, book: &Book) -> Vec<Totals> {
        for ((campaign, coupon), state) in std::mem::take(&mut self.coupons) {
            let ended = self.ended.contains(&(campaign, coupon.round));
            let kind = self.kind(campaign, coupon);
            let count = match state {
                State::Unused if ended => &mut kind.expired,
                State::Unused => &mut kind.unused,
                State::Held => &mut kind.held,
                State::Used => &mut kind.used,
                State::Returned => &mut kind.returned,
            };
            *count += 1;
        }
        let campaigns = book.openings().map(|(no, opened, _)| Totals {
            campaign: opened.name.clone(),
            pools: (0..=u8::MAX)
                .zip(&opened.pools)
                .map(|(pool, name)| pool_totals(name, self.pools.get(&(no, PoolNo(pool)))))
                .collect(),
            kinds: (0..=u8::MAX)
                .zip(&opened.kinds)
                .map(|(kind, terms)| KindTotals {
                    kind: terms.name.clone(),
                    pool: opened.pools.get(usize::from(terms.pool.0)).cloned().unwrap_or_default(),
                    face_fen: terms.face.get(),
                    ..self.kinds.get(&(no, KindNo(kind))).cloned().unwrap_or_default()
                })
                .collect(),
        });
        campaigns.collect()
    }
}

fn pool_totals(name: &str, pool: Option<&Pool>) -> PoolTotals {
    let nothing = Pool::default();
    let Pool { flows, accounts } = pool.unwrap_or(&nothing);
    let flow =
        |((from, to), fen): (&(&'static str, &'static str), &i128)| Flow { from, to, fen: *fen };
    PoolTotals {
        pool: name.to_owned(),
        flows: flows.iter().map(flow).collect(),
        accounts: accounts.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::audit;
    use crate::ledger::made::redeeming::{entries, story};

    #[test]
    fn a_story_adds_up_by_hand() {
        let totals = audit(entries(story()).into_iter().map(Ok), None).totals;
        let [campaign] = totals.as_slice() else { panic!("{totals:?}") };
        let [ten, twenty] = campaign.kinds.as_slice() else { panic!("{campaign:?}") };
        let coupons = |it: &super::KindTotals| {
            [it.granted, it.used, it.held, it.unused, it.returned, it.expired]
        };
        // Orders 1 and 5 are paid; 2 was paid back after the settlement and then ended, 6 after its end.
        assert_eq!(coupons(ten), [4, 2, 0, 0, 1, 1]);
        assert_eq!(coupons(twenty), [1, 1, 0, 0, 0, 0]);
        assert_eq!((ten.confirmations, ten.refunds, ten.taken_back_fen), (4, 3, 25));
        let pool = &campaign.pools[0];
        assert_eq!(pool.accounts.values().sum::<i128>(), 0);
        assert_eq!((pool.accounts["treasury"], pool.accounts["paid"]), (-200, 35));
        let flow = |from, to| pool.flows.iter().find(|it| (it.from, it.to) == (from, to)).unwrap();
        assert_eq!(flow("frozen", "consumed").fen, 80);
        assert_eq!(flow("consumed", "available").fen, 25);
    }
}
