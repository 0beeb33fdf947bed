//! Making every part once, and joining them.

use super::beside::Beside;
use super::board::Board;
use super::home::{Home, elsewhere, here};
use super::{App, Campaigns};
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::config::Config;
use crate::data::DataFolder;
use crate::decision::Decisions;
use crate::domain::Hex;
use crate::drain::DrainThread;
use crate::gate::Gate;
use crate::http::body::BodyLimits;
use crate::ledger::redis::RedisLedger;
use crate::ledger::service::{Ledger, LocalLedger};
use crate::ledger::snapshot::thread::SnapshotThread;
use crate::merchant::Folders;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::pass::Keyring;
use crate::plan::Plan;
use crate::store::StoreUrl;
use crate::till::Till;
use crate::trail::Trail;
use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
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
        let (mut campaigns, mut tills) = (BTreeMap::new(), Vec::new());
        for plan in plans {
            let no = home.open_campaign(&plan, clock.now())?;
            let decided = home.roll(no, &store)?;
            let (id, gate) = (plan.id.clone(), Gate::new(no, &plan, Arc::clone(&keys)));
            let redeem = plan.redeem;
            let campaign = Arc::new(Campaign::new(no, plan, gate, home.overshoot()));
            tills.push((Arc::clone(&campaign), redeem, decided));
            let before = campaigns.insert(id.clone(), campaign);
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
                for (campaign, rules, decided) in tills {
                    let till = Till::new(&rules, &keys.terminals);
                    redeems(&campaign, till, &folders, decided);
                }
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
                for (campaign, rules, decided) in tills {
                    let shared = Arc::new(ledger.tills(campaign.no));
                    let till = Till::shared(&rules, &keys.terminals, shared);
                    redeems(&campaign, till, &folders, decided);
                }
                (Box::new(ledger), Beside::Node(node))
            }
        };
        let patience = Duration::from_millis(config.public.request_ms);
        let body = BodyLimits { bytes: config.public.body_bytes, patience };
        let drain = beside.progress();
        let beside = Mutex::new(Some(beside));
        let trail = Trail::open(&data.trail())?;
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
            trail,
            folders,
            body,
            beside,
            decisions,
            outages,
        })
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

/// Hears a campaign's tills from now on; with the merchants of the folder that was decided, if it is here.
fn redeems(campaign: &Campaign, till: Till, folders: &Folders, decided: Option<Hex<32>>) {
    match decided.map(|decided| folders.with(&campaign.plan.id, decided)) {
        Some(Ok(merchants)) => till.take(merchants),
        Some(Err(why)) => tracing::error!(why, "the merchants that were decided are not here"),
        None => {}
    }
    campaign.redeems(till);
}
