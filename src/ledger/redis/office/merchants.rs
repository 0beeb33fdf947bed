//! Merchants: admitted and standing in every shard's log, as the interlock is; their caps among the identities.

use super::super::effects::of_merchant;
use super::super::keys::Key;
use super::super::place::Cell;
use super::super::records::{read_roll, read_terms};
use super::fetch::{self, Want, damaged, of_a_merchant};
use super::{Draft, Fault, Office};
use crate::domain::{CampaignNo, MerchantNo};
use crate::ledger::machine::{Answer, Command};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::time::Instant;

/// The folder of merchants that is in force.
const ROLL: &[u8] = b"roll";

impl Office {
    /// Admits a merchant: among the identities first, so that whoever finds it in a shard finds its cap.
    pub(super) async fn admit(
        &self,
        no: CampaignNo,
        merchant: MerchantNo,
        command: &Command,
    ) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        self.merchant_in(&places.identities, no, merchant, command).await?;
        self.stand(no, merchant, command).await
    }

    /// Says in every shard what a merchant may do there.
    pub(super) async fn stand(
        &self,
        no: CampaignNo,
        merchant: MerchantNo,
        command: &Command,
    ) -> Result<Answer, Fault> {
        let places = self.places(no)?;
        // All at once: that one shard can't be reached keeps none of the others from it.
        let shards = places.shards.iter();
        let done = join_all(shards.map(|cell| self.merchant_in(cell, no, merchant, command))).await;
        done.into_iter().collect::<Result<Vec<()>, Fault>>()?;
        Ok(Answer::Done)
    }

    async fn merchant_in(
        &self,
        cell: &Arc<Cell>,
        no: CampaignNo,
        merchant: MerchantNo,
        command: &Command,
    ) -> Result<(), Fault> {
        let start = Instant::now();
        loop {
            let wants = [
                Want::Fields(Key::Merchants, of_a_merchant(merchant, 0)),
                Want::Fields(Key::Meta, vec![ROLL.to_vec()]),
            ];
            let fetched = self.fetch(cell, &wants).await?;
            let mut sketch = fetch::sketch(cell, &fetched)?;
            if let Some(roll) = fetched.get(Key::Meta, ROLL) {
                sketch.roll = Some(read_roll(roll).ok_or_else(|| damaged("a folder's digest"))?);
            }
            let terms = of_merchant("terms", merchant);
            if let Some(mut known) = fetched.merchant(merchant, 0)? {
                let said = fetched.get(Key::Merchants, &terms).and_then(read_terms);
                known.cap = said.ok_or_else(|| damaged("a merchant's terms"))?.1;
                sketch.merchants.push((merchant, known));
            }
            let events = self.decide(no, sketch, command)?.events;
            if events.is_empty() {
                return self.read_up_to(cell, fetched.seq, start).await;
            }
            let compares = vec![
                fetched.same(Key::Merchants, terms),
                fetched.same(Key::Merchants, of_merchant("standing", merchant)),
                fetched.same(Key::Merchants, of_merchant("word", merchant)),
                fetched.same(Key::Meta, ROLL),
            ];
            if self.write(cell, Draft { events, compares, ..Draft::default() }).await? {
                return Ok(());
            }
            self.patience(start).await?;
        }
    }
}
