//! Where the master of a slot is: one server, or what the nodes of a cluster say.
//!
//! A cluster is asked, never steered: each known node is asked for its view, and of all owners of a
//! slot the one with the highest configuration epoch is believed. So a master that was cut off from
//! the others and still thinks itself the owner is not believed once another node can be reached.

use super::connection::{self, Connection};
use futures_util::future::join_all;
use parking_lot::Mutex;
use std::{collections::BTreeSet, fmt, time::Duration};
use tokio::time::timeout;

/// How long a node of the cluster may take to say what it knows.
const VIEW_WITHIN: Duration = Duration::from_millis(500);

/// How to reach Redis: `redis://[user:password@]host:port[,host:port ..]`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// `user:password@`, or nothing.
    credentials: String,
    /// `host:port` of each server that was named.
    pub(super) servers: Vec<String>,
}

/// Why a URL can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is of another kind.
    #[error("a Redis URL begins with redis://")]
    Scheme,
    /// A server is not `host:port`.
    #[error("each server of a Redis URL is host:port")]
    Server,
}

impl std::str::FromStr for RedisUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<RedisUrl, UrlError> {
        let rest = text.strip_prefix("redis://").ok_or(UrlError::Scheme)?;
        let (credentials, servers) = match rest.rsplit_once('@') {
            Some((credentials, servers)) => (format!("{credentials}@"), servers),
            None => (String::new(), rest),
        };
        let servers: Vec<String> =
            servers.trim_end_matches('/').split(',').map(str::to_owned).collect();
        let whole = |server: &String| {
            let port = server.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
            matches!(port, Some((host, Ok(_))) if !host.is_empty())
        };
        servers
            .iter()
            .all(whole)
            .then_some(RedisUrl { credentials, servers })
            .ok_or(UrlError::Server)
    }
}

impl RedisUrl {
    /// The URL of one server, with the same credentials. It holds a secret.
    pub(super) fn of(&self, server: &str) -> String {
        format!("redis://{}{server}/", self.credentials)
    }
}

/// Shows no credentials.
impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis://{}", self.servers.join(","))
    }
}

/// A range of slots and the server that owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    first: u16,
    last: u16,
    epoch: u64,
    server: String,
}

/// Which server owns which slots, as far as it is known.
#[derive(Debug)]
pub(super) struct Topology {
    url: RedisUrl,
    clustered: bool,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    /// All masters and replicas that were ever heard of.
    servers: BTreeSet<String>,
    owners: Vec<Owner>,
}

impl Topology {
    /// Asks the servers of `url` whether they are a cluster, and who owns what.
    pub(super) async fn discover(url: &RedisUrl) -> Result<Topology, connection::Error> {
        let mut last = connection::Error::nobody();
        for server in &url.servers {
            match Connection::to(&url.of(server), server).await {
                Ok(mut connection) => {
                    let info = connection.text(&["INFO", "cluster"]).await?;
                    let clustered = info.contains("cluster_enabled:1");
                    let servers = url.servers.iter().cloned().collect();
                    let heard = Mutex::new(Heard { servers, owners: Vec::new() });
                    let topology = Topology { url: url.clone(), clustered, heard };
                    topology.refresh().await;
                    return Ok(topology);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Whether it is a cluster.
    pub(super) fn clustered(&self) -> bool {
        self.clustered
    }

    /// The URL of a server, which holds a secret.
    pub(super) fn url(&self, server: &str) -> String {
        self.url.of(server)
    }

    /// All servers that were ever heard of.
    pub(super) fn servers(&self) -> Vec<String> {
        self.heard.lock().servers.iter().cloned().collect()
    }

    /// The server that owns `slot`, and its URL, which holds a secret.
    pub(super) fn owner(&self, slot: u16) -> Option<(String, String)> {
        let server = if self.clustered {
            let heard = self.heard.lock();
            let owners = heard.owners.iter().filter(|it| (it.first..=it.last).contains(&slot));
            owners.max_by_key(|owner| owner.epoch)?.server.clone()
        } else {
            self.url.servers.first()?.clone()
        };
        let url = self.url.of(&server);
        Some((server, url))
    }

    /// Asks every server that was ever heard of for its view.
    pub(super) async fn refresh(&self) {
        if !self.clustered {
            return;
        }
        let asked = self.servers().into_iter().map(|server| async move {
            let url = self.url.of(&server);
            let view = async {
                let mut connection = Connection::to(&url, &server).await?;
                connection.text(&["CLUSTER", "NODES"]).await
            };
            timeout(VIEW_WITHIN, view).await.ok()?.ok()
        });
        let views = join_all(asked).await;
        let mut servers = BTreeSet::new();
        let mut owners: Vec<Owner> = Vec::new();
        for line in views.iter().flatten().flat_map(|view| view.lines()) {
            let Some((server, owned)) = node(line) else { continue };
            servers.insert(server);
            for owner in owned {
                if !owners.contains(&owner) {
                    owners.push(owner);
                }
            }
        }
        if !owners.is_empty() {
            let mut heard = self.heard.lock();
            heard.servers.extend(servers);
            heard.owners = owners;
        }
    }
}

/// A line of `CLUSTER NODES`: the server, and the ranges it owns if it is a master.
///
/// `<id> <ip:port@bus[,host]> <flags> <master> <ping> <pong> <epoch> <link> <slot> ..`
fn node(line: &str) -> Option<(String, Vec<Owner>)> {
    let mut fields = line.split_ascii_whitespace();
    let server = fields.nth(1)?.split(['@', ',']).next()?.to_owned();
    let flags = fields.next()?;
    if server.starts_with(':') || flags.split(',').any(|flag| flag == "noaddr") {
        return None;
    }
    let epoch = fields.nth(3)?.parse().ok()?;
    let slots = fields.skip(1);
    let owned = slots.filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        // `[slot->-id]` is a slot that moves: it still is this master's.
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        Some(Owner { first, last, epoch, server: server.clone() })
    });
    let owned = owned.collect();
    Some((server, owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_without_its_password() {
        let url: RedisUrl = "redis://quan:secret@10.0.0.1:6379,10.0.0.2:6380".parse().unwrap();
        assert_eq!(url.servers, ["10.0.0.1:6379", "10.0.0.2:6380"]);
        assert_eq!(url.of("h:1"), "redis://quan:secret@h:1/");
        assert_eq!(
            format!("{url} {url:?}"),
            "redis://10.0.0.1:6379,10.0.0.2:6380 ".repeat(2).trim_end()
        );
        assert_eq!("http://h:1".parse::<RedisUrl>(), Err(UrlError::Scheme));
        for bad in [
            "redis://h",
            "redis://:1",
            "redis://h:x",
            "redis://",
            "redis://h:1,",
            "redis://h:70000",
        ] {
            assert_eq!(bad.parse::<RedisUrl>(), Err(UrlError::Server), "{bad}");
        }
    }

    #[test]
    fn a_node_of_a_cluster_is_read_from_its_line() {
        let master = "07c37df 127.0.0.1:30004@31004,host myself,master - 0 1426238317239 4 connected 0-5460 [93->-292f8b] 6000";
        let (server, owned) = node(master).unwrap();
        assert_eq!(server, "127.0.0.1:30004");
        let ranges: Vec<_> = owned.iter().map(|it| (it.first, it.last, it.epoch)).collect();
        assert_eq!(ranges, [(0, 5460, 4), (6000, 6000, 4)]);
        let replica = "67ed2db 127.0.0.1:30002@31002 slave 07c37df 0 1426238316232 2 connected";
        assert_eq!(node(replica).unwrap().1, []);
        assert!(node("67ed2db :0@0 master,noaddr - 0 0 2 disconnected").is_none());
        assert!(node("").is_none());
    }
}
