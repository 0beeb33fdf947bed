//! Where the ledger is, and how it is opened.

use crate::campaign::{OVERSHOOT, OVERSHOOT_EACH};
use crate::config::{self, Config};
use crate::data::DataFolder;
use crate::domain::{At, CampaignNo};
use crate::ledger::embedded::{Embedded, Outcome};
use crate::ledger::event::Decided;
use crate::ledger::journal::{Folder, Options};
use crate::ledger::machine::{Answer, Command, Roll};
use crate::ledger::redis::{self, Known, Opening};
use crate::ledger::snapshot;
use crate::plan::Plan;
use crate::steward;
use crate::store::{Store, StoreUrl};
use anyhow::{Context, Result, bail, ensure};

/// How far the journal may be ahead of the clock at a start: what time synchronization corrects.
const MOST_AHEAD_MS: i64 = 60_000;

/// Where the ledger is, campaigns being opened.
pub(super) enum Home {
    Here(Box<Embedded<Folder>>),
    Redis(Box<Opening>),
}

impl Home {
    /// The ledger that is configured, as it was left; `at_least` is what its journal must reach.
    pub(super) fn open(
        config: &Config,
        data: &DataFolder,
        at_least: u64,
        store: &StoreUrl,
        now: At,
    ) -> Result<Home> {
        Ok(match &config.ledger {
            None => Home::Here(Box::new(here(config, data, at_least, now)?)),
            Some(ledger) => Home::Redis(Box::new(elsewhere(ledger, store, data, now)?)),
        })
    }

    /// How many takes a shield lets through beyond what is left.
    pub(super) fn overshoot(&self) -> u32 {
        match self {
            Home::Here(_) => OVERSHOOT,
            Home::Redis(_) => OVERSHOOT_EACH,
        }
    }

    /// The folder of merchants that was decided last, by what `counts` if a store says so.
    pub(super) fn roll(
        &self,
        no: CampaignNo,
        store: &StoreUrl,
        counts: impl Fn(&Decided) -> bool,
    ) -> Result<Option<Roll>> {
        match self {
            Home::Here(embedded) => Ok(embedded.machine().roll(no)),
            Home::Redis(_) => waiting()?.block_on(async {
                let store = Store::open(store).await?;
                let roll = store.roll(no, counts).await;
                store.close().await;
                Ok(roll?)
            }),
        }
    }

    /// Opens the campaign in the ledger, or finds it opened before on the same terms.
    pub(super) fn open_campaign(&mut self, plan: &Plan, now: At) -> Result<CampaignNo> {
        let Command::Open { name, pools, kinds } = steward::opening(plan) else {
            bail!("the steward opens campaigns otherwise")
        };
        match self {
            Home::Here(embedded) => {
                let opening = Command::Open { name, pools, kinds };
                let batch = embedded.decide_all([opening].iter(), now);
                match embedded.commit(batch).outcomes.as_slice() {
                    [Outcome::Yes(Answer::Opened(no))] => Ok(*no),
                    other => bail!("campaign {} does not open in the ledger: {other:?}", plan.id),
                }
            }
            Home::Redis(opening) => {
                Ok(waiting()?.block_on(opening.open(&name, &pools, &kinds, now))?)
            }
        }
    }
}

fn open_ledger(
    config: &Config,
    data: &DataFolder,
    at_least: u64,
    now: At,
) -> Result<Embedded<Folder>> {
    let folder = data.journal();
    let shown = folder.display();
    let disk = Folder::open(&folder).with_context(|| format!("data folder {shown}"))?;
    let segment_bytes = config.data.segment_mib << 20;
    let options = Options { segment_bytes, at_least, ..Options::default() };
    let (start, passed_over) = snapshot::newest(&Folder::open(&data.snapshots())?, 0)?;
    for warning in passed_over {
        tracing::warn!(%warning, "a snapshot");
    }
    Embedded::open_from(disk, options, start, now).with_context(|| format!("journal in {shown}"))
}

/// Refuses a ledger that has been further than this clock is: its time never goes back, so it would
/// grant nothing until then.
fn not_ahead(last: At, now: At) -> Result<()> {
    let ahead_ms = last.ms_since(now);
    ensure!(
        ahead_ms <= MOST_AHEAD_MS,
        "the journal's last entry is of {last:?}, this clock shows {now:?}: set the clock right, or take \
         another data folder (a rehearsal's must never be the real one)"
    );
    Ok(())
}

fn here(config: &Config, data: &DataFolder, at_least: u64, now: At) -> Result<Embedded<Folder>> {
    let embedded = open_ledger(config, data, at_least, now)?;
    not_ahead(embedded.machine().last_at(), now)?;
    Ok(embedded)
}

fn elsewhere(
    ledger: &config::Ledger,
    store: &StoreUrl,
    data: &DataFolder,
    now: At,
) -> Result<Opening> {
    let config::Ledger { url, shards, replicas } = ledger.clone();
    let options = redis::Options { url, shards, replicas, acks: data.acks() };
    // The store may be in it, and what this node tells is.
    Folder::open(data.path()).with_context(|| format!("data folder {}", data.path().display()))?;
    waiting()?.block_on(async {
        let known = async {
            let store = Store::open(store).await?;
            let known = Known::of(&store).await?;
            store.close().await;
            Ok::<_, crate::store::Error>(known)
        };
        let known = known.await.with_context(|| format!("the store at {store}"))?;
        Ok(Opening::connect(options, known, now).await?)
    })
}

/// For what a start has to wait for.
fn waiting() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_risk_3_a_journal_that_is_ahead_of_the_clock_is_not_opened() {
        assert!(not_ahead(At(60_000), At(0)).is_ok());
        assert!(not_ahead(At(i64::MIN), At(0)).is_ok(), "an empty journal is ahead of nothing");
        let error = not_ahead(At(60_001), At(0)).unwrap_err().to_string();
        assert!(error.contains("set the clock right"), "{error}");
    }
}
