//! What the logs have said of terms so far. It judges nothing: of a campaign and its rounds what was said first counts.

use super::{Seen, Spot};
use crate::domain::{CampaignNo, KindNo, MerchantNo, RoundNo, Shard, Window};
use crate::ledger::event::{Admitted, Armed, KindTerms, Opened, Standing, What};
use crate::store::LogNo;
use std::collections::BTreeMap;

/// Stock of one kind in one round of one campaign.
pub(super) type StockNo = (CampaignNo, RoundNo, KindNo);

#[derive(Default)]
pub(super) struct Book {
    campaigns: BTreeMap<CampaignNo, Opened>,
    rounds: BTreeMap<(CampaignNo, RoundNo), Armed>,
    /// What each log opened, and where.
    openings: BTreeMap<(CampaignNo, LogNo), (Opened, Spot)>,
    /// Each merchant as it is now: of its terms those that were said last.
    merchants: BTreeMap<(LogNo, CampaignNo, MerchantNo), Merchant>,
}

/// What a merchant may do, in a log.
pub(super) struct Merchant {
    pub(super) terms: Admitted,
    pub(super) standing: Standing,
}

impl Book {
    pub(super) fn take(&mut self, entry: &Seen) {
        for event in &entry.events {
            match &event.what {
                What::Opened(opened) => {
                    self.campaigns.entry(event.campaign).or_insert_with(|| opened.clone());
                    self.openings
                        .entry((event.campaign, entry.spot.log))
                        .or_insert_with(|| (opened.clone(), entry.spot));
                }
                What::Armed(armed) => {
                    let round = (event.campaign, armed.round);
                    self.rounds.entry(round).or_insert_with(|| armed.clone());
                }
                What::Admitted(terms) => {
                    let no = (entry.spot.log, event.campaign, terms.merchant);
                    let new = Merchant { terms: *terms, standing: Standing::Active };
                    self.merchants.entry(no).or_insert(new).terms = *terms;
                }
                What::Stands(stands) => {
                    let no = (entry.spot.log, event.campaign, stands.merchant);
                    if let Some(merchant) = self.merchants.get_mut(&no) {
                        merchant.standing = stands.standing;
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn name(&self, campaign: CampaignNo) -> Option<&str> {
        self.campaigns.get(&campaign).map(|opened| opened.name.as_str())
    }

    pub(super) fn kinds(&self, campaign: CampaignNo) -> &[KindTerms] {
        self.campaigns.get(&campaign).map_or(&[], |opened| &opened.kinds)
    }

    pub(super) fn kind(&self, campaign: CampaignNo, kind: KindNo) -> Option<&KindTerms> {
        self.kinds(campaign).get(usize::from(kind.0))
    }

    /// The merchant, if it was admitted.
    pub(super) fn merchant(
        &self,
        log: LogNo,
        campaign: CampaignNo,
        merchant: MerchantNo,
    ) -> Option<&Merchant> {
        self.merchants.get(&(log, campaign, merchant))
    }

    pub(super) fn pools(&self, campaign: CampaignNo) -> usize {
        self.campaigns.get(&campaign).map_or(0, |opened| opened.pools.len())
    }

    /// Every campaign, and what its logs opened.
    pub(super) fn openings(
        &self,
    ) -> impl Iterator<Item = (CampaignNo, &Opened, Vec<&(Opened, Spot)>)> {
        self.campaigns.iter().map(|(no, opened)| {
            let logs = (*no, LogNo(0))..=(*no, LogNo(u32::MAX));
            (*no, opened, self.openings.range(logs).map(|(_, opening)| opening).collect())
        })
    }

    /// Which shard of the campaign a log is of.
    pub(super) fn shard(&self, campaign: CampaignNo, log: LogNo) -> Shard {
        self.openings.get(&(campaign, log)).map_or(Shard::ALONE, |(opened, _)| opened.shard)
    }

    pub(super) fn rounds(&self) -> impl Iterator<Item = (CampaignNo, RoundNo)> {
        self.rounds.keys().copied()
    }

    pub(super) fn armed(&self, campaign: CampaignNo, round: RoundNo) -> Option<&Armed> {
        self.rounds.get(&(campaign, round))
    }

    pub(super) fn window(&self, campaign: CampaignNo, round: RoundNo) -> Option<Window> {
        self.armed(campaign, round).map(|armed| armed.window)
    }

    /// How much was put out over all shards; 0 for a round that was not armed or a kind that it does not have.
    pub(super) fn quantity(&self, (campaign, round, kind): StockNo) -> u32 {
        let quantities = self.armed(campaign, round).map(|armed| &armed.quantities);
        quantities.and_then(|all| all.get(usize::from(kind.0))).copied().unwrap_or(0)
    }
}
