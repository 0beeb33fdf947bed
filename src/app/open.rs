//! Making every part once, and joining them.

use super::beside::Beside;
use super::board::Board;
use super::home::Home;
use super::{App, Campaigns};
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::config::Config;
use crate::data::DataFolder;
use crate::decision::Decisions;
use crate::domain::{At, CampaignNo};
use crate::drain::DrainThread;
use crate::gate::Gate;
use crate::http::body::BodyLimits;
use crate::ledger::embedded::Embedded;
use crate::ledger::event::Decided;
use crate::ledger::journal::Folder;
use crate::ledger::machine::Roll;
use crate::ledger::redis::{Opening, RedisLedger};
use crate::ledger::service::{Ledger, LocalLedger};
use crate::ledger::snapshot::thread::SnapshotThread;
use crate::merchant::Folders;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::pass::Keyring;
use crate::plan::{Plan, RedeemRules};
use crate::store::StoreUrl;
use crate::till::Till;
use crate::trail::Trail;
use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A campaign that is served, and the folder of merchants that was decided for it last.
type Served = (Arc<Campaign>, Option<Roll>);

impl App {
    /// Opens the data folder, replays its journal, which must reach `at_least`, and starts the
    /// ledger and what works beside it.
    pub fn open(config: &Config, at_least: u64, clock: Arc<Clock>) -> Result<App> {
        let data = DataFolder::at(&config.data.folder);
        let (plans, folders) = plans(config, &data)?;
        let metrics = Arc::new(Metrics::start()?);
        let keys = &config.keys.folder;
        let keys = Keyring::load(keys).context("no usable keys; `quan keys FOLDER` makes a set")?;
        let keys = Arc::new(keys);
        let store = config.store.as_ref().map_or(StoreUrl::File(data.store()), |it| it.url.clone());
        let mut home = Home::open(config, &data, at_least, &store, clock.now())?;
        let served = serve(plans, &mut home, &store, &keys, &clock)?;
        let campaigns = Arc::new(by_id(&served)?);
        let start = Start {
            data: &data,
            store: &store,
            keys: &keys,
            folders: &folders,
            served: &served,
            campaigns: &campaigns,
            metrics: &metrics,
            clock: &clock,
        };
        let (ledger, beside) = match home {
            Home::Here(embedded) => start.here(*embedded)?,
            Home::Redis(opening) => start.redis(*opening)?,
        };
        let patience = Duration::from_millis(config.public.request_ms);
        let trail = Trail::open(&data.trail())?;
        let decisions = Decisions::of(keys.staff.clone(), data.decisions())?;
        Ok(App {
            clock,
            ledger,
            keys,
            drain: beside.progress(),
            metrics,
            data,
            campaigns,
            trail,
            folders,
            body: BodyLimits { bytes: config.public.body_bytes, patience },
            beside: Mutex::new(Some(beside)),
            decisions,
            outages: Mutex::default(),
        })
    }
}

/// The plans of all campaigns, and their folders of merchants.
fn plans(config: &Config, data: &DataFolder) -> Result<(Vec<Plan>, Folders)> {
    let (mut plans, mut folders) = (Vec::new(), Folders::new(data.merchants()));
    for campaign in &config.campaign {
        let plan = Plan::usable(&campaign.plan)?;
        if let Some(folder) = &campaign.merchants {
            let pools = plan.pools.iter().map(|pool| pool.name.clone()).collect();
            folders.add(&plan.id, folder, pools);
        }
        plans.push(plan);
    }
    Ok((plans, folders))
}

/// Opens each plan's campaign in the ledger.
fn serve(
    plans: Vec<Plan>,
    home: &mut Home,
    store: &StoreUrl,
    keys: &Arc<Keyring>,
    clock: &Clock,
) -> Result<Vec<Served>> {
    let mut served = Vec::new();
    for plan in plans {
        let no = home.open_campaign(&plan, clock.now())?;
        let counts = |decided: &Decided| keys.staff.has_decided(decided, &plan.id);
        let decided = home.roll(no, store, counts)?;
        let gate = Gate::new(no, &plan, Arc::clone(keys));
        served.push((Arc::new(Campaign::new(no, plan, gate, home.overshoot())), decided));
    }
    Ok(served)
}

fn by_id(served: &[Served]) -> Result<Campaigns> {
    let mut campaigns = BTreeMap::new();
    for (campaign, _) in served {
        let id = &campaign.plan.id;
        let before = campaigns.insert(id.clone(), Arc::clone(campaign));
        ensure!(before.is_none(), "two plans have the campaign id {id}");
    }
    Ok(Campaigns(campaigns))
}

/// What a ledger starts with.
struct Start<'a> {
    data: &'a DataFolder,
    store: &'a StoreUrl,
    keys: &'a Keyring,
    folders: &'a Folders,
    served: &'a [Served],
    campaigns: &'a Arc<Campaigns>,
    metrics: &'a Arc<Metrics>,
    clock: &'a Arc<Clock>,
}

/// A ledger that decides, and what works beside it.
type Started = (Box<dyn Ledger>, Beside);

impl Start<'_> {
    fn here(&self, embedded: Embedded<Folder>) -> Result<Started> {
        self.hear_tills(|rules, _| Till::new(rules, &self.keys.terminals));
        self.metrics.recovered(embedded.recovered());
        let ledger = LocalLedger::start(embedded, self.time(), Box::new(self.watcher(false)))?;
        let watermark = ledger.view().watermark();
        let drain = DrainThread::start(self.data.clone(), watermark, self.metrics.db_write())?;
        Ok((Box::new(ledger), Beside::Here(drain, SnapshotThread::start(self.data)?)))
    }

    fn redis(&self, opening: Opening) -> Result<Started> {
        let ledger = RedisLedger::start(opening, self.time(), Box::new(self.watcher(true)))?;
        let db_write = self.metrics.db_write();
        let node = Node::start_timed(&ledger, self.store, self.data, db_write)?;
        ledger.wait_until_read();
        self.hear_tills(|rules, no| {
            Till::shared(rules, &self.keys.terminals, Arc::new(ledger.tills(no)))
        });
        Ok((Box::new(ledger), Beside::Node(node)))
    }

    fn time(&self) -> impl Fn() -> At + Send + 'static + use<> {
        let clock = Arc::clone(self.clock);
        move || clock.now()
    }

    /// Who hears what becomes durable; `shared`, if other nodes grant as well.
    fn watcher(&self, shared: bool) -> Board {
        let (campaigns, metrics) = (Arc::clone(self.campaigns), Arc::clone(self.metrics));
        Board { shared, campaigns, metrics, clock: Arc::clone(self.clock) }
    }

    /// Hears all campaigns' tills from now on; with the merchants of the folder that was decided, if it is here.
    fn hear_tills(&self, till: impl Fn(&RedeemRules, CampaignNo) -> Till) {
        for (campaign, decided) in self.served {
            let till = till(&campaign.plan.redeem, campaign.no);
            if let Some(decided) = decided {
                match self.folders.with(&campaign.plan.id, decided.sha256) {
                    Ok(merchants) => till.take(merchants, decided.at),
                    Err(why) => {
                        tracing::error!(why, "the merchants that were decided are not here");
                    }
                }
            }
            campaign.redeems(till);
        }
    }
}
