//! The campaign and its round as anybody can read them.

use crate::clock::{Clock, Look};
use crate::link::Link;
use crate::options::Options;
use crate::wire;
use anyhow::{Context, anyhow, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Instant;

/// Looks at a node's clock; the quickest counts.
const LOOKS: usize = 15;
/// How far the nodes' clocks may be apart, in microseconds.
const APART_US: i64 = 250_000;

/// A kind and how many of it the round has.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KindOf {
    pub(crate) kind: String,
    pub(crate) quantity: u32,
}

#[derive(Deserialize)]
struct Round {
    opens_at_ms: i64,
    kinds: Vec<KindOf>,
}

#[derive(Deserialize)]
struct Time {
    now_ms: i64,
}

/// What is known before anybody asks.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The nodes.
    pub(crate) hosts: Vec<String>,
    pub(crate) kinds: Vec<KindOf>,
    pub(crate) opens_at_us: i64,
    pub(crate) clock: Clock,
}

/// Host and address of `http://host:port`.
pub(crate) fn target(url: &str) -> anyhow::Result<(String, SocketAddr)> {
    let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let host = host.filter(|host| !host.is_empty() && !host.contains('/'));
    let host = host.with_context(|| format!("{url}: write http://host:port"))?;
    let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut found =
        with_port.to_socket_addrs().with_context(|| format!("{host} has no address"))?;
    let address = found.next().ok_or_else(|| anyhow!("{host} has no address"))?;
    Ok((host.to_owned(), address))
}

/// Looks at the nodes' clocks and at the round, over the first link of each node.
pub(crate) async fn look(
    options: &Options,
    hosts: Vec<String>,
    links: &mut [Link],
) -> anyhow::Result<World> {
    let mut clocks = vec![];
    for (host, link) in hosts.iter().zip(&mut *links) {
        clocks.push(clock(host, link).await?);
    }
    let clock = *clocks.first().context("there is no node")?;
    for (host, other) in hosts.iter().zip(&clocks) {
        let apart_us = other.now_us().saturating_sub(clock.now_us());
        ensure!(
            apart_us.abs() <= APART_US,
            "the clock of {host} is {} ms from the first's",
            apart_us / 1000
        );
    }
    let (host, link) = hosts.first().zip(links.first_mut()).context("there is no node")?;
    let path = format!("/v1/campaigns/{}/rounds/{}", options.campaign, options.round);
    let round: Round = get(link, host, &path).await?;
    ensure!(!round.kinds.is_empty(), "the round has no kinds");
    ensure!(round.kinds.len() <= 32, "the round has more than 32 kinds");
    Ok(World {
        hosts,
        kinds: round.kinds,
        opens_at_us: round.opens_at_ms.saturating_mul(1000),
        clock,
    })
}

async fn clock(host: &str, link: &mut Link) -> anyhow::Result<Clock> {
    let mut looks = vec![];
    for _ in 0..LOOKS {
        let sent = Instant::now();
        let Time { now_ms } = get(link, host, "/v1/time").await?;
        looks.push(Look { sent, received: Instant::now(), shown_ms: now_ms });
    }
    Clock::from_looks(&looks).context("the server's clock was not read")
}

pub(crate) async fn get<T: DeserializeOwned>(
    link: &mut Link,
    host: &str,
    path: &str,
) -> anyhow::Result<T> {
    link.out = wire::get(path, host);
    let response = link.exchange().await.map_err(|lost| anyhow!("GET {path}: {}", lost.name()))?;
    ensure!(response.status == 200, "GET {path} answered {}", response.status);
    serde_json::from_slice(&response.body)
        .with_context(|| format!("GET {path} is outside the contract"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_host_and_port() {
        assert_eq!(target("http://127.0.0.1:99/").unwrap().0, "127.0.0.1:99");
        assert_eq!(target("http://127.0.0.1").unwrap().1.port(), 80);
        for bad in ["https://127.0.0.1:1", "127.0.0.1:1", "http://", "http://127.0.0.1:1/path"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
