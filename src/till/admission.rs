//! Tills are heard once the ledger knows the merchants.
//!
//! A ledger that is in this process knows them before anything else happens. One that nodes share may be shut when this
//! node starts, perhaps until this node helps it to be recovered; so the node starts all the same, and tills hear
//! `unavailable` until every merchant is admitted and everybody on the dishonesty list is suspended (R-MERCH-1).

use super::Till;
use crate::campaign::Campaign;
use crate::ledger::machine::Command;
use crate::ledger::redis::Start;
use parking_lot::Mutex;
use std::sync::Arc;

/// A campaign whose tills are not heard yet.
pub struct Admission {
    campaign: Arc<Campaign>,
    /// What the ledger is asked for first, in this order.
    first: Vec<Vec<Command>>,
    till: Mutex<Option<Till>>,
    start: Start,
}

impl Admission {
    /// Tills are heard once all of `first` is done.
    pub fn new(
        campaign: Arc<Campaign>,
        first: Vec<Vec<Command>>,
        till: Till,
        start: Start,
    ) -> Admission {
        Admission { campaign, first, till: Mutex::new(Some(till)), start }
    }

    /// Has it done, if that was not done before and can be done now; or what could not be done.
    pub async fn done(&self) -> Result<(), String> {
        if self.till.lock().is_none() {
            return Ok(());
        }
        for commands in &self.first {
            self.start.done(commands).await?;
        }
        if let Some(till) = self.till.lock().take() {
            self.campaign.redeems(till);
        }
        Ok(())
    }
}
