//! A day of shopping against the nodes that serve it.

use crate::crowd;
use crate::link::{Link, Parked};
use crate::options::Options;
use crate::progress::Progress;
use crate::run::on_own_thread;
use crate::scenario::Day;
use crate::shoppers::{Shoppers, Terms};
use crate::shopping::Visit;
use crate::world;
use anyhow::{Context, ensure};
use serde::Deserialize;

const SECOND_US: i64 = 1_000_000;
/// After the last first step, what follows has this long.
const WITHIN_US: i64 = 150 * SECOND_US;
/// Source addresses that the connections are spread over when the server is on this machine.
const ADDRESSES: u16 = 128;

#[derive(Deserialize)]
struct About {
    kinds: Vec<KindTerms>,
    rounds: Vec<RoundTimes>,
}

#[derive(Deserialize)]
struct KindTerms {
    kind: String,
    pool: String,
    face_fen: u64,
    threshold_fen: u64,
}

#[derive(Deserialize)]
struct RoundTimes {
    round: u8,
    ends_at: String,
}

impl Shoppers {
    /// Everybody does what they do on `day`, and everything is answered before this ends.
    pub async fn shop(
        self,
        day: Day,
        urls: Vec<String>,
        progress: Progress,
    ) -> anyhow::Result<Shoppers> {
        on_own_thread(move || shopping(self, day, urls, progress)).await
    }
}

async fn shopping(
    mut shoppers: Shoppers,
    day: Day,
    urls: Vec<String>,
    progress: Progress,
) -> anyhow::Result<Shoppers> {
    let nodes = urls.iter().map(|url| world::target(url)).collect::<Result<Vec<_>, _>>()?;
    ensure!(!nodes.is_empty(), "there is no node");
    let (hosts, targets): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
    let connections = shoppers.market.connections.max(targets.len());
    let mut links = (0..connections)
        .zip(targets.iter().enumerate().cycle())
        .map(|(number, (node, target))| Parked::new(node, *target, number, ADDRESSES).wake())
        .collect::<Result<Vec<Link>, _>>()?;
    let options = Options {
        campaign: shoppers.market.campaign.clone(),
        round: shoppers.round,
        ..Options::default()
    };
    let clock = world::look(&options, hosts.clone(), &mut links).await?.clock;
    let path = shoppers.path();
    let (host, link) = hosts.first().zip(links.first_mut()).context("there is no node")?;
    let about: About = world::get(link, host, &path).await?;
    let round = about.rounds.iter().find(|it| it.round == shoppers.round);
    let ends_at = &round.with_context(|| format!("there is no round {}", shoppers.round))?.ends_at;
    shoppers.ends_at_ms = ends_at.parse::<jiff::Timestamp>()?.as_millisecond();
    let terms = |it: KindTerms| {
        let KindTerms { kind, pool, face_fen: face, threshold_fen: threshold } = it;
        Terms { kind, pool, face, threshold }
    };
    shoppers.terms = about.kinds.into_iter().map(terms).collect();
    let span = shoppers.span_ms(day).saturating_mul(1000);
    let scripts = shoppers.scripts(day);
    let mut visit =
        Visit { shoppers, scripts, hosts, progress, failed: None, now_ms: 0, answered: 0, done: 0 };
    let now = clock.now_us();
    let first = visit.first(now, span);
    let ends = visit.shoppers.ends_at_ms.saturating_mul(1000);
    let last = now.saturating_add(span).max(if day == Day::End { ends } else { now });
    let until = last.saturating_add(WITHIN_US);
    let (visit, _links) = crowd::run(visit, first, links, clock, until).await;
    let visit = visit.context("the day was not played")?;
    let Visit { mut shoppers, failed, .. } = visit;
    if let Some(error) = failed {
        return Err(error.context("a request could not be written"));
    }
    shoppers.record.flush()?;
    Ok(shoppers)
}
