//! Where a command finds a campaign's logs, store, plan and merchants: the configuration, and what is said instead.

use anyhow::{Result, bail};
use quan::{
    books::Source, config::Config, domain::MerchantNo, ledger::redis::RedisUrl,
    merchant::Merchants, plan::Plan, store::StoreUrl,
};
use std::{collections::BTreeMap, path::PathBuf};

#[derive(clap::Args)]
pub(super) struct Site {
    /// The configuration file, with the campaign's plan and merchants.
    #[arg(long, default_value = "config/quan.toml")]
    config: PathBuf,
    /// The campaign's id; not needed if the configuration has but one.
    #[arg(long)]
    campaign: Option<String>,
    /// The data folder, instead of the configuration's.
    #[arg(long, conflicts_with_all = ["ledger", "store"])]
    data: Option<PathBuf>,
    /// The ledger that several nodes share, instead of the configuration's.
    #[arg(long, value_name = "URL", requires = "store")]
    ledger: Option<RedisUrl>,
    /// The store that several nodes share, instead of the configuration's; without a ledger what it has is all.
    #[arg(long, value_name = "URL")]
    store: Option<StoreUrl>,
}

/// A campaign, and where its logs are.
pub(super) struct Found {
    pub(super) source: Source,
    pub(super) plan: Plan,
    /// The merchants' names.
    pub(super) names: BTreeMap<MerchantNo, String>,
}

impl Site {
    pub(super) fn found(&self) -> Result<Found> {
        let config = Config::load(&self.config)?;
        let mut plans = Vec::new();
        for campaign in &config.campaign {
            let plan = Plan::usable(&campaign.plan)?;
            plans.push((plan, campaign.merchants.as_deref()));
        }
        let ids = plans.iter().map(|(plan, _)| plan.id.clone()).collect::<Vec<_>>().join(", ");
        let asked = |plan: &Plan| self.campaign.as_ref().is_none_or(|it| *it == plan.id);
        let mut asked = plans.into_iter().filter(|(plan, _)| asked(plan));
        let (Some((plan, merchants)), None) = (asked.next(), asked.next()) else {
            bail!("--campaign is one of {ids}")
        };
        let pools: Vec<&str> = plan.pools.iter().map(|pool| pool.name.as_str()).collect();
        let names = match merchants {
            Some(folder) => {
                let registry = Merchants::load(folder, &pools)?.registry;
                registry.merchants().map(|it| (MerchantNo(it.number), it.name.clone())).collect()
            }
            None => BTreeMap::new(),
        };
        Ok(Found { source: self.source(config), plan, names })
    }

    fn source(&self, config: Config) -> Source {
        let store = self.store.clone().or(config.store.map(|it| it.url));
        match (&self.data, self.store.is_some(), store, config.ledger) {
            (Some(data), ..) => Source::Folder(data.clone()),
            (None, true, Some(store), _) => {
                Source::Elsewhere { ledger: self.ledger.clone(), store }
            }
            (None, false, Some(store), Some(ledger)) => {
                Source::Elsewhere { ledger: Some(ledger.url), store }
            }
            _ => Source::Folder(config.data.folder),
        }
    }
}
