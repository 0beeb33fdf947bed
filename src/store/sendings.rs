//! From which folder the payments of a batch are sent. No part of the fold.

use super::{Error, Store};
use crate::domain::{BatchNo, CampaignNo, Hex};

impl Store {
    /// Takes it on to send a batch's payments from a folder; `false` if they are sent from another one. Repeats safely.
    pub async fn sends_from(
        &self,
        campaign: CampaignNo,
        batch: BatchNo,
        folder: Hex<16>,
    ) -> Result<bool, Error> {
        let take = "INSERT INTO sendings (campaign, batch, folder) VALUES ($1, $2, $3)
                    ON CONFLICT (campaign, batch) DO NOTHING";
        let of = [campaign.0.into(), batch.0.into()];
        self.db.execute(take, &[&of[..], &[folder.0[..].into()]].concat()).await?;
        let from = "SELECT folder FROM sendings WHERE campaign = $1 AND batch = $2";
        let from = self.all(from, &of, |[folder]| Ok(folder.bytes())).await?;
        Ok(from.first().is_some_and(|it| *it == folder.0))
    }
}
