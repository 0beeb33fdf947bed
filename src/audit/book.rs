//! What the journal has said of terms so far. It judges nothing: what was said first counts.

use super::Seen;
use crate::domain::{CampaignNo, KindNo, RoundNo, Window};
use crate::ledger::event::{Armed, KindTerms, Opened, What};
use std::collections::BTreeMap;

/// Stock of one kind in one round of one campaign.
pub(super) type StockNo = (CampaignNo, RoundNo, KindNo);

#[derive(Default)]
pub(super) struct Book {
    campaigns: BTreeMap<CampaignNo, Opened>,
    rounds: BTreeMap<(CampaignNo, RoundNo), Armed>,
}

impl Book {
    pub(super) fn take(&mut self, entry: &Seen) {
        for event in &entry.events {
            match &event.what {
                What::Opened(opened) => {
                    self.campaigns.entry(event.campaign).or_insert_with(|| opened.clone());
                }
                What::Armed(armed) => {
                    let round = (event.campaign, armed.round);
                    self.rounds.entry(round).or_insert_with(|| armed.clone());
                }
                _ => {}
            }
        }
    }

    pub(super) fn kinds(&self, campaign: CampaignNo) -> &[KindTerms] {
        self.campaigns.get(&campaign).map_or(&[], |opened| &opened.kinds)
    }

    pub(super) fn kind(&self, campaign: CampaignNo, kind: KindNo) -> Option<&KindTerms> {
        self.kinds(campaign).get(usize::from(kind.0))
    }

    pub(super) fn pools(&self, campaign: CampaignNo) -> usize {
        self.campaigns.get(&campaign).map_or(0, |opened| opened.pools.len())
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

    /// How much was put out; 0 for a round that was not armed or a kind that it does not have.
    pub(super) fn quantity(&self, (campaign, round, kind): StockNo) -> u32 {
        let quantities = self.armed(campaign, round).map(|armed| &armed.quantities);
        quantities.and_then(|all| all.get(usize::from(kind.0))).copied().unwrap_or(0)
    }
}
