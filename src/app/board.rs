//! Who hears what becomes durable.

use super::Campaigns;
use crate::clock::Clock;
use crate::domain::{CampaignNo, KindNo, RoundNo};
use crate::ledger::event::What;
use crate::ledger::machine::{Redemption, Summary};
use crate::ledger::service::{BatchStats, Watcher};
use crate::metrics::Metrics;
use std::sync::Arc;

/// Passes on what becomes durable to the shields, the interlocks and the metrics.
pub(super) struct Board {
    /// Whether other nodes grant as well.
    pub(super) shared: bool,
    pub(super) campaigns: Arc<Campaigns>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<Clock>,
}

impl Watcher for Board {
    fn campaign(&mut self, seq: u64, no: CampaignNo, summary: &Summary) {
        if let Some(campaign) = self.campaigns.by_no(no) {
            campaign.note(seq, summary);
            let now_ms = self.clock.now().0;
            if self.shared {
                campaign.counts.note_shared(summary, now_ms);
            } else {
                campaign.check_books(seq, summary);
                campaign.counts.note(summary, now_ms);
            }
        }
    }

    fn granted(&mut self, no: CampaignNo, round: RoundNo, kind: KindNo) {
        if let Some(campaign) = self.campaigns.by_no(no) {
            campaign.counts.granted(round, kind);
        }
    }

    fn redemption(&mut self, no: CampaignNo, what: &What, order: &Redemption) {
        if let Some(campaign) = self.campaigns.by_no(no) {
            campaign.counts.redeeming.note(what, order);
        }
    }

    fn batch(&mut self, stats: &BatchStats) {
        self.metrics.batch(stats);
    }
}
