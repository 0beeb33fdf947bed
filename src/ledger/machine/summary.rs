use super::decided::Roll;
use super::state::{Campaign, Machine};
use super::{Held, No, Redemption};
use crate::domain::{
    At, CampaignNo, Fen, KindNo, MerchantNo, PersonId, PoolNo, RedemptionId, RoundNo, Window,
};
use crate::funds::{Account, Funds};
use crate::ledger::event::{Adjusted, Extended, Standing};
use serde::{Deserialize, Serialize};

/// What can be said of a campaign without looking at a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whether issuing is stopped.
    pub tripped: bool,
    /// Where the pools' money stands.
    pub funds: Funds,
    /// The rounds that are armed, in order.
    pub rounds: Vec<RoundSummary>,
    /// The quantities that were decided for rounds that are not armed.
    pub adjusted: Vec<Adjusted>,
    /// What was decided of further rounds, in order.
    pub extended: Vec<Extended>,
    /// When the first of the coupons that are held for orders is held no more.
    pub lapses_at: Option<At>,
}

/// What can be said of an armed round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundSummary {
    /// Its number.
    pub round: RoundNo,
    /// From its opening until its coupons end.
    pub window: Window,
    /// Whether its money has gone back.
    pub expired: bool,
    /// Quantity and grants by kind.
    pub stock: Vec<Level>,
}

/// The stock of one kind in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// How many the round puts out.
    pub quantity: u32,
    /// How many are granted.
    pub granted: u32,
    /// Of those, how many an order was paid with, so that no money is frozen for them any more.
    pub used: u32,
    /// Of those, how many are held for an order.
    pub locked: u32,
}

impl Level {
    /// How many are left.
    pub fn left(self) -> u32 {
        self.quantity.saturating_sub(self.granted)
    }

    /// How many are granted, not used and not held for an order.
    pub fn unused(self) -> u32 {
        self.granted.saturating_sub(self.used).saturating_sub(self.locked)
    }
}

/// An account that is not what coupons and stock make it (I5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool {}: {} holds {has}, and its coupons make {makes}", .pool.0, .account.name())]
pub struct Imbalance {
    /// Its pool.
    pub pool: PoolNo,
    /// The account.
    pub account: Account,
    /// What is in it.
    pub has: Fen,
    /// What should be.
    pub makes: Fen,
}

impl Summary {
    /// The first account that is not what it should be, of kinds with these pools and faces: what is reserved is for
    /// what is left of rounds that have not ended, what is frozen is for coupons that are neither used nor over, and a
    /// pool's accounts are its budget. A few sums for each round, so it can be asked after every batch.
    pub fn imbalance(&self, kinds: &[(PoolNo, Fen)]) -> Option<Imbalance> {
        let sum = |pool: PoolNo, units: fn(&RoundSummary, &Level) -> u32| {
            let levels = self
                .rounds
                .iter()
                .flat_map(|it| it.stock.iter().map(move |level| (it, level)).zip(kinds));
            let of_pool = levels.filter(|(_, (of, _))| *of == pool);
            let fen = of_pool.map(|((round, level), (_, face))| {
                u128::from(units(round, level)) * u128::from(face.get())
            });
            Fen::new(u64::try_from(fen.sum::<u128>()).unwrap_or(u64::MAX))
        };
        let pools = (0..=u8::MAX).map(PoolNo).map_while(|no| Some((no, self.funds.pool(no)?)));
        pools.into_iter().find_map(|(pool, it)| {
            let reserved = sum(pool, |round, level| if round.expired { 0 } else { level.left() });
            let frozen = sum(pool, |round, level| {
                let unused = if round.expired { 0 } else { level.unused() };
                unused.saturating_add(level.locked)
            });
            let held = [it.reserved, it.frozen, it.consumed, it.payable, it.paid];
            let rest = held.into_iter().try_fold(it.budget, Fen::checked_sub).unwrap_or(Fen::ZERO);
            let accounts = [
                (Account::Reserved, it.reserved, reserved),
                (Account::Frozen, it.frozen, frozen),
                (Account::Available, it.available, rest),
            ];
            let wrong = accounts.into_iter().find(|(_, has, makes)| has != makes);
            wrong.map(|(account, has, makes)| Imbalance { pool, account, has, makes })
        })
    }

    /// The quantities that were decided for a round that is not armed; `None` if it is the plan that says them.
    pub fn adjusted(&self, round: RoundNo) -> Option<&Adjusted> {
        self.adjusted.iter().find(|it| it.round == round)
    }

    /// The armed round of that number.
    pub fn round(&self, round: RoundNo) -> Option<&RoundSummary> {
        self.rounds.iter().find(|it| it.round == round)
    }
}

impl Machine {
    /// How many campaigns were ever opened.
    pub fn campaigns(&self) -> u16 {
        u16::try_from(self.campaigns.len()).unwrap_or(u16::MAX)
    }

    /// The summary of a campaign.
    pub fn summary(&self, campaign: CampaignNo) -> Result<Summary, No> {
        Ok(self.known(campaign)?.summary())
    }

    /// Every coupon and its holder.
    pub fn holders(&self) -> impl Iterator<Item = (CampaignNo, PersonId, Held)> + '_ {
        (0..self.campaigns()).map(CampaignNo).flat_map(|no| {
            let rounds = self.campaign(no).into_iter().flat_map(|it| it.rounds.values());
            rounds.flat_map(move |round| {
                round.holders.iter().map(move |((person, _), held)| (no, *person, *held))
            })
        })
    }

    /// What was asked for each order that was not released.
    pub fn requests(&self) -> impl Iterator<Item = (CampaignNo, RedemptionId, [u8; 8])> + '_ {
        (0..self.campaigns()).map(CampaignNo).flat_map(|no| {
            let orders = self.campaign(no).into_iter().flat_map(|it| it.orders.requests());
            orders.map(move |(redemption, request)| (no, redemption, request))
        })
    }

    /// An order as it stands.
    pub fn redemption(&self, campaign: CampaignNo, it: RedemptionId) -> Option<Redemption> {
        self.campaign(campaign)?.redemption(it)
    }

    /// The folder of merchants that was decided last.
    pub fn roll(&self, campaign: CampaignNo) -> Option<Roll> {
        self.campaign(campaign)?.roll
    }

    /// What a merchant may do; `None` if it is not admitted.
    pub fn standing(&self, campaign: CampaignNo, merchant: MerchantNo) -> Option<Standing> {
        Some(self.campaign(campaign)?.merchants.get(merchant).ok()?.standing)
    }

    /// The coupon of an order and its holder, as they are now.
    pub fn paid_with(&self, campaign: CampaignNo, it: RedemptionId) -> Option<(PersonId, Held)> {
        let campaign = self.campaign(campaign)?;
        let order = campaign.orders.get(it)?;
        Some((order.person, *campaign.holding(order.person, order.coupon)?))
    }

    /// Every pass of a campaign, and the kinds it was spent for.
    #[cfg(test)]
    pub(crate) fn passes(
        &self,
        campaign: CampaignNo,
    ) -> impl Iterator<Item = (crate::ledger::event::Passed, crate::domain::KindSet)> + '_ {
        let rounds = self.campaign(campaign).into_iter().flat_map(|it| it.rounds.values());
        rounds.flat_map(|round| round.passes.values().map(|pass| (pass.passed, pass.spent)))
    }

    /// Units of a kind that a round has left; `None` before it is armed.
    pub fn left(&self, campaign: CampaignNo, round: RoundNo, kind: KindNo) -> Option<u32> {
        let armed = self.campaign(campaign)?.rounds.get(&round)?.armed.as_ref()?;
        armed.stock.get(usize::from(kind.0)).map(|stock| stock.left())
    }
}

impl Campaign {
    fn summary(&self) -> Summary {
        let rounds = self.rounds.iter().filter_map(|(no, round)| {
            let armed = round.armed.as_ref()?;
            Some(RoundSummary {
                round: *no,
                window: armed.window,
                expired: round.expired,
                stock: armed.stock.clone(),
            })
        });
        let unarmed = self.rounds.iter().filter(|(_, round)| round.armed.is_none());
        Summary {
            tripped: self.tripped,
            funds: self.funds.clone(),
            rounds: rounds.collect(),
            adjusted: unarmed.filter_map(|(_, round)| round.adjusted.clone()).collect(),
            extended: self.extended.clone(),
            lapses_at: self.orders.next_deadline(),
        }
    }
}
