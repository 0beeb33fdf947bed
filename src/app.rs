//! The composition root: makes every part once and joins them.

use crate::campaign::{Campaign, OVERSHOOT, OVERSHOOT_EACH};
use crate::clock::{Clock, wall};
use crate::config::{self, Config};
use crate::data::DataFolder;
use crate::decision::{Away, Decisions, Refused};
use crate::domain::{At, CampaignNo, Hex, KindNo, RoundNo};
use crate::drain::{DrainThread, Progress};
use crate::gate::{Gate, Outage, Reason, Verdict};
use crate::http::body::{BodyLimits, HasBodyLimits};
use crate::ledger::embedded::{Embedded, Outcome};
use crate::ledger::event::What;
use crate::ledger::journal::{Folder, Options};
use crate::ledger::machine::{Answer, Command, Redemption, Summary};
use crate::ledger::redis::{self, Known, Opening, RedisLedger};
use crate::ledger::service::{BatchStats, Ledger, LocalLedger, Watcher, told};
use crate::ledger::snapshot::{self, thread::SnapshotThread};
use crate::merchant::Folders;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::pass::{Desk, Keyring};
use crate::plan::Plan;
use crate::steward;
use crate::store::{Store, StoreUrl};
use crate::till::Till;
use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use std::{collections::BTreeMap, ops::Deref, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// How far the journal may be ahead of the clock at a start: what time synchronization corrects.
const MOST_AHEAD_MS: i64 = 60_000;

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
    /// The campaigns' merchants.
    pub folders: Folders,
    body: BodyLimits,
    beside: Mutex<Option<Beside>>,
    /// Decisions of staff.
    pub decisions: Decisions,
    outages: Mutex<BTreeMap<CampaignNo, Outage>>,
}

/// The app as one worker's requests hold it. Each worker has its own: if all held the same, each
/// request would wait for the others' caches twice for every hand-over.
pub struct Local {
    app: Arc<App>,
    campaigns: BTreeMap<String, Here>,
}

impl Local {
    /// Another worker's.
    pub fn of(app: &Arc<App>) -> Arc<Local> {
        let named = app.campaigns().map(|campaign| (campaign.plan.id.clone(), campaign));
        let campaigns = named.map(|(id, campaign)| (id, Here(Arc::new(Arc::clone(campaign)))));
        Arc::new(Local { app: Arc::clone(app), campaigns: campaigns.collect() })
    }

    /// The campaign of that id.
    pub fn campaign(&self, id: &str) -> Option<&Here> {
        self.campaigns.get(id)
    }
}

impl Deref for Local {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

/// A campaign as one worker's requests hold it.
#[expect(clippy::redundant_allocation, reason = "the outer count is the worker's own")]
#[derive(Clone)]
pub struct Here(Arc<Arc<Campaign>>);

impl Deref for Here {
    type Target = Campaign;

    fn deref(&self) -> &Campaign {
        &self.0
    }
}

/// The campaigns that are served, by their ids.
struct Campaigns(BTreeMap<String, Arc<Campaign>>);

impl Campaigns {
    fn by_no(&self, no: CampaignNo) -> Option<&Arc<Campaign>> {
        self.0.values().find(|campaign| campaign.no == no)
    }
}

impl App {
    /// Opens the data folder, replays its journal, which must reach `at_least`, and starts the
    /// ledger and what works beside it.
    pub fn open(config: &Config, at_least: u64, clock: Arc<Clock>) -> Result<App> {
        let data = DataFolder::at(&config.data.folder);
        let (mut plans, mut folders) = (Vec::new(), Folders::new(data.merchants()));
        for campaign in &config.campaign {
            let plan = plan(campaign)?;
            if let Some(folder) = &campaign.merchants {
                let pools = plan.pools.iter().map(|pool| pool.name.clone()).collect();
                folders.add(&plan.id, folder, pools);
            }
            plans.push(plan);
        }
        let metrics = Arc::new(Metrics::start()?);
        let keys = &config.keys.folder;
        let keys = Keyring::load(keys).context("no usable keys; `quan keys FOLDER` makes a set")?;
        let keys = Arc::new(keys);
        let store = config.store.as_ref().map_or(StoreUrl::File(data.store()), |it| it.url.clone());
        let mut home = match &config.ledger {
            None => Home::Here(Box::new(here(config, &data, at_least, clock.now())?)),
            Some(ledger) => Home::Redis(Box::new(elsewhere(ledger, &store, &data, clock.now())?)),
        };
        let mut campaigns = BTreeMap::new();
        for plan in plans {
            let no = home.open_campaign(&plan, clock.now())?;
            let till = home.redeems().then(|| Till::new(&plan.redeem, &keys.terminals));
            if let (Some(till), Some(decided)) = (&till, home.roll(no, &store)?) {
                match folders.with(&plan.id, decided) {
                    Ok(merchants) => till.take(merchants),
                    Err(why) => {
                        tracing::error!(why, "the merchants that were decided are not here")
                    }
                }
            }
            let (id, gate) = (plan.id.clone(), Gate::new(no, &plan, Arc::clone(&keys)));
            let campaign = Campaign::new(no, plan, gate, till, home.overshoot());
            let before = campaigns.insert(id.clone(), Arc::new(campaign));
            ensure!(before.is_none(), "two plans have the campaign id {id}");
        }
        let campaigns = Arc::new(Campaigns(campaigns));
        let (board, time) = (Arc::clone(&campaigns), Arc::clone(&clock));
        let shared = matches!(home, Home::Redis(_));
        let watcher =
            Board { shared, campaigns: board, metrics: Arc::clone(&metrics), clock: time };
        let time = Arc::clone(&clock);
        let (ledger, beside): (Box<dyn Ledger>, _) = match home {
            Home::Here(embedded) => {
                metrics.recovered(embedded.recovered());
                let ledger = LocalLedger::start(*embedded, move || time.now(), Box::new(watcher))?;
                let watermark = ledger.view().watermark();
                let drain = DrainThread::start(data.clone(), watermark, metrics.db_write())?;
                (Box::new(ledger), Beside::Here(drain, SnapshotThread::start(&data)?))
            }
            Home::Redis(opening) => {
                let ledger = RedisLedger::start(*opening, move || time.now(), Box::new(watcher))?;
                let node = Node::start_timed(&ledger, &store, &data, metrics.db_write())?;
                ledger.wait_until_read();
                (Box::new(ledger), Beside::Node(node))
            }
        };
        let patience = Duration::from_millis(config.public.request_ms);
        let body = BodyLimits { bytes: config.public.body_bytes, patience };
        let drain = beside.progress();
        let beside = Mutex::new(Some(beside));
        let decisions = Decisions::of(keys.staff.clone(), data.decisions())?;
        let outages = Mutex::default();
        Ok(App {
            clock,
            ledger,
            keys,
            drain,
            metrics,
            data,
            campaigns,
            folders,
            body,
            beside,
            decisions,
            outages,
        })
    }

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
    pub fn take_merchants(&self, campaign: &Campaign, decided: Hex<32>) -> Result<(), String> {
        let Ok(till) = campaign.till() else { return Ok(()) };
        let merchants = self.folders.with(&campaign.plan.id, decided)?;
        // Without a copy it is in force all the same, as long as its folder stays as it is.
        if let Err(error) = self.folders.keep(&merchants) {
            tracing::error!(%error, "no copy is kept of the merchants that were decided");
        }
        till.take(merchants);
        Ok(())
    }

    /// Folders of merchants that are not in force here.
    pub fn undecided(&self) -> Vec<String> {
        let differs = |campaign: &Arc<Campaign>| {
            let till = campaign.till().ok()?;
            let why = self.folders.differs(&campaign.plan.id, till.in_force())?;
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

impl HasBodyLimits for Local {
    fn body_limits(&self) -> BodyLimits {
        self.body
    }
}

impl HasBodyLimits for Arc<Local> {
    fn body_limits(&self) -> BodyLimits {
        self.body
    }
}

fn plan(campaign: &crate::config::Campaign) -> Result<Plan> {
    let file = &campaign.plan;
    let shown = file.display();
    match Plan::load(file).with_context(|| format!("{shown}"))? {
        Ok((plan, _)) => Ok(plan),
        Err(faulty) => {
            let first = faulty.errors.first().map(ToString::to_string).unwrap_or_default();
            bail!(
                "{shown}: {first} ({} errors; `quan check {shown}` lists them)",
                faulty.errors.len()
            )
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

/// What works beside the ledger.
enum Beside {
    Here(DrainThread, SnapshotThread),
    Node(Node),
}

impl Beside {
    fn progress(&self) -> Progress {
        match self {
            Beside::Here(drain, _) => drain.progress(),
            Beside::Node(node) => node.progress(),
        }
    }

    fn stop(self) {
        match self {
            Beside::Here(drain, snapshots) => {
                drain.stop();
                snapshots.stop();
            }
            Beside::Node(node) => node.stop(),
        }
    }
}

/// Where the ledger is, campaigns being opened.
enum Home {
    Here(Box<Embedded<Folder>>),
    Redis(Box<Opening>),
}

impl Home {
    /// How many takes a shield lets through beyond what is left.
    fn overshoot(&self) -> u32 {
        match self {
            Home::Here(_) => OVERSHOOT,
            Home::Redis(_) => OVERSHOOT_EACH,
        }
    }

    /// Whether coupons are redeemed with this ledger.
    fn redeems(&self) -> bool {
        matches!(self, Home::Here(_))
    }

    /// The digest of the folder of merchants that was decided last.
    fn roll(&self, no: CampaignNo, store: &StoreUrl) -> Result<Option<Hex<32>>> {
        match self {
            Home::Here(embedded) => Ok(embedded.machine().roll(no).map(|roll| roll.sha256)),
            Home::Redis(_) => waiting()?.block_on(async {
                let store = Store::open(store).await?;
                let roll = store.roll(no).await;
                store.close().await;
                Ok(roll?)
            }),
        }
    }

    /// Opens the campaign in the ledger, or finds it opened before on the same terms.
    fn open_campaign(&mut self, plan: &Plan, now: At) -> Result<CampaignNo> {
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

/// Passes on what becomes durable to the shields, the interlocks and the metrics.
struct Board {
    /// Whether other nodes grant as well.
    shared: bool,
    campaigns: Arc<Campaigns>,
    metrics: Arc<Metrics>,
    clock: Arc<Clock>,
}

impl Watcher for Board {
    fn campaign(&mut self, seq: u64, no: CampaignNo, summary: &Summary) {
        if let Some(campaign) = self.campaigns.by_no(no) {
            campaign.note(seq, summary);
            let now_ms = self.clock.now().0;
            if self.shared {
                campaign.counts.note_shared(summary, now_ms);
            } else {
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
