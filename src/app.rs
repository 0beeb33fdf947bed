//! The composition root: makes every part once and joins them.

mod beside;
mod board;
mod home;
mod local;
mod open;

pub use local::{Here, Local};

use crate::campaign::Campaign;
use crate::clock::{Clock, wall};
use crate::data::DataFolder;
use crate::decision::{Away, Decisions, Refused};
use crate::domain::CampaignNo;
use crate::drain::Progress;
use crate::gate::{Outage, Reason, Verdict};
use crate::http::body::BodyLimits;
use crate::ledger::embedded::Outcome;
use crate::ledger::machine::Roll;
use crate::ledger::service::{Ledger, told};
use crate::merchant::Folders;
use crate::metrics::Metrics;
use crate::pass::{Desk, Keyring};
use crate::steward;
use crate::store::{Store, StoreUrl};
use crate::trail::Trail;
use beside::Beside;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// How long somebody who needs the store waits until it is open, after a start.
const OPENED: Duration = Duration::from_secs(5);

/// Everything a request needs.
pub struct App {
    /// The clock.
    pub clock: Arc<Clock>,
    /// The ledger.
    pub ledger: Box<dyn Ledger>,
    /// The keys.
    pub keys: Arc<Keyring>,
    /// How far the store is.
    pub drain: Progress,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The data folder.
    pub data: DataFolder,
    campaigns: Arc<Campaigns>,
    /// What staff does and reads.
    pub trail: Trail,
    /// The campaigns' merchants.
    pub folders: Folders,
    body: BodyLimits,
    beside: Mutex<Option<Beside>>,
    /// Decisions of staff.
    pub decisions: Decisions,
    outages: Mutex<BTreeMap<CampaignNo, Outage>>,
}

/// The campaigns that are served, by their ids.
struct Campaigns(BTreeMap<String, Arc<Campaign>>);

impl Campaigns {
    fn by_no(&self, no: CampaignNo) -> Option<&Arc<Campaign>> {
        self.0.values().find(|campaign| campaign.no == no)
    }
}

impl App {
    /// All campaigns, by their ids.
    pub fn campaigns(&self) -> impl Iterator<Item = &Arc<Campaign>> {
        self.campaigns.0.values()
    }

    /// Where the passes of `campaign` are made.
    pub fn desk<'a>(&'a self, campaign: &'a Campaign) -> Desk<'a> {
        Desk { keys: &self.keys, plan: &campaign.plan, campaign: campaign.no }
    }

    /// Does what the calendar asks for now; gives what could not be done.
    pub async fn keep_calendar(&self) -> Vec<String> {
        let mut undone = Vec::new();
        for campaign in self.campaigns() {
            let Some(summary) = self.ledger.view().campaign(campaign.no) else { continue };
            for command in steward::due(campaign.no, &campaign.plan, &summary, self.clock.now()) {
                let what = format!("{command:?}");
                match told(&*self.ledger, command).await {
                    Ok(Outcome::Yes(_)) => tracing::info!(command = what, "the calendar was kept"),
                    other => undone.push(format!("{what}: {other:?}")),
                }
            }
        }
        undone
    }

    /// Puts the merchants in force here that were decided for a campaign, if it has them.
    pub fn take_merchants(&self, campaign: &Campaign, decided: Roll) -> Result<(), String> {
        let Ok(till) = campaign.till() else { return Ok(()) };
        let merchants = self.folders.with(&campaign.plan.id, decided.sha256)?;
        // Without a copy it is in force all the same, as long as its folder stays as it is.
        if let Err(error) = self.folders.keep(&merchants) {
            tracing::error!(%error, "no copy is kept of the merchants that were decided");
        }
        till.take(merchants, decided.at);
        Ok(())
    }

    /// Folders of merchants that are not in force here.
    pub fn undecided(&self) -> Vec<String> {
        let differs = |campaign: &Arc<Campaign>| {
            let till = campaign.till().ok()?;
            let why =
                self.folders.differs(&campaign.plan.id, till.in_force().map(|roll| roll.sha256))?;
            Some(format!("{}: {why}", campaign.plan.id))
        };
        self.campaigns().filter_map(differs).collect()
    }

    /// Two persons say that issuing may go on here.
    pub fn resume(&self, campaign: CampaignNo) {
        self.outages.lock().entry(campaign).or_default().resume();
    }

    /// Where the nodes' store is, if this is one of several.
    fn nodes_store(&self) -> Option<StoreUrl> {
        match &*self.beside.lock() {
            Some(Beside::Node(of)) => Some(of.store()),
            _ => None,
        }
    }

    /// The store, opened anew: what is read there no other part of this process may hold up.
    pub async fn store(&self) -> Result<Store, String> {
        let url = self.nodes_store().unwrap_or_else(|| StoreUrl::File(self.data.store()));
        // A file is made by whoever carries the journal there, so that nobody else changes its schema meanwhile.
        let open = async {
            while self.drain.statuses().is_empty() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(OPENED, open).await.map_err(|_| "the store is not open yet".to_owned())?;
        Store::open(&url).await.map_err(|error| error.to_string())
    }

    /// Whether a node of that id was ever registered.
    pub async fn knows_node(&self, node: &str) -> Result<bool, Away> {
        if self.nodes_store().is_none() {
            return Err(Refused::NotHere("this server has no other nodes".to_owned()).into());
        }
        let store = self.store().await.map_err(Away::Store)?;
        let nodes = store.nodes().await;
        store.close().await;
        Ok(nodes?.iter().any(|it| it.node == node))
    }

    /// Recovers logs without that node from here on.
    pub async fn forget(&self, node: &str) -> Result<(), Away> {
        let store = self.store().await.map_err(Away::Store)?;
        let done = store.give_up(node).await;
        store.close().await;
        Ok(done?)
    }

    /// Ends the ledger after what waits is answered, and then what works beside it.
    pub fn close(&self) {
        self.ledger.close();
        if let Some(beside) = self.beside.lock().take() {
            beside.stop();
        }
    }

    /// Tells every gate whether the clock and the ledger can be relied on.
    pub fn keep_watch(&self) {
        let ledger_stopped = self.ledger.fault().is_some();
        // One clock, one look: the strictest plan decides for all.
        let bounds = self.campaigns().map(|campaign| campaign.plan.clock.jump_at_most_ms.get());
        let bound = bounds.min().map_or(i64::MAX, i64::from);
        self.clock.check(bound);
        let apart = self.ledger.clock_ahead_ms().saturating_abs() > bound;
        for campaign in self.campaigns() {
            campaign.gate.interlock.set(Reason::Clock, apart || !self.clock.healthy());
            campaign.gate.interlock.set(Reason::Disk, ledger_stopped);
            let well = ledger_stopped || self.ledger.issues(campaign.no);
            let mut outages = self.outages.lock();
            let verdict = outages.entry(campaign.no).or_default().look(self.clock.run_ms(), well);
            campaign.gate.interlock.set(Reason::Unreachable, verdict != Verdict::Open);
            campaign.gate.interlock.set(Reason::People, verdict == Verdict::People);
            let view = self.ledger.view().campaign(campaign.no);
            let stopped = verdict == Verdict::People || view.is_some_and(|it| it.tripped);
            self.decisions.stopped(&campaign.plan.id, stopped, wall());
        }
    }
}
