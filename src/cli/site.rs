//! Where a command finds a campaign's logs, store, plan and merchants: the configuration, and what is said instead.

use anyhow::{Context, Result, bail};
use quan::{
    books::{Books, Source},
    config::Config,
    data::DataFolder,
    domain::MerchantNo,
    ledger::redis::RedisUrl,
    merchant::Folders,
    plan::Plan,
    store::StoreUrl,
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
    /// The folder of merchants, and where copies of those are that were decided.
    merchants: Option<(PathBuf, PathBuf)>,
}

impl Found {
    /// The merchants' names, of the folder that was decided last: the one that is here is but a proposal (R-MERCH-1).
    pub(super) fn names(&self, books: &Books) -> Result<BTreeMap<MerchantNo, String>> {
        let id = &self.plan.id;
        let decided = books.campaign(id).and_then(|no| books.roll(no));
        let (Some((folder, kept)), Some(decided)) = (&self.merchants, decided) else {
            return Ok(BTreeMap::new());
        };
        let mut folders = Folders::new(kept.clone());
        folders.add(id, folder, self.plan.pools.iter().map(|pool| pool.name.clone()).collect());
        let merchants = folders.with(id, decided.sha256).map_err(anyhow::Error::msg);
        let merchants = merchants.context("the merchants that were decided are not here")?;
        let named = merchants.registry.merchants();
        Ok(named.map(|it| (MerchantNo(it.number), it.name.clone())).collect())
    }
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
        let data = self.data.as_ref().unwrap_or(&config.data.folder);
        let kept = DataFolder::at(data).merchants();
        let merchants = merchants.map(|folder| (folder.to_owned(), kept));
        Ok(Found { source: self.source(config), plan, merchants })
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
