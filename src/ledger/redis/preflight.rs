//! Before anything is served: can these servers keep what is told?
//!
//! A master that syncs once a second loses what it acknowledged in every power cut; one that evicts
//! forgets holders; one whose replicas are not in step can't be replaced. Such servers are refused, with the
//! setting that is to be changed.

use super::connection::{Connection, Error};
use super::topology::{RedisUrl, Topology};
use std::{collections::BTreeMap, fmt};

/// The oldest version whose scripts, streams and append-only files do what is relied on here.
const LEAST_VERSION: (u32, u32) = (7, 0);

/// What a setting must be.
const SETTINGS: [(&str, &str, &str); 4] = [
    ("appendonly", "yes", "nothing would survive a restart"),
    ("appendfsync", "always", "a power cut would take what was told"),
    ("no-appendfsync-on-rewrite", "no", "a rewrite would suspend syncs"),
    ("maxmemory-policy", "noeviction", "a full server would forget holders"),
];

/// Why servers are refused.
#[derive(Debug)]
pub enum Unfit {
    /// A server can't be asked.
    Unreachable(Error),
    /// A setting can't keep what is told.
    Setting {
        /// The server.
        server: String,
        /// The setting.
        name: &'static str,
        /// What it is.
        is: String,
        /// What it must be.
        must: &'static str,
        /// Otherwise.
        why: &'static str,
    },
    /// The version is too old.
    Version {
        /// The server.
        server: String,
        /// Its version.
        is: String,
    },
    /// It follows another server.
    Replica {
        /// The server.
        server: String,
    },
    /// A replica is not in step yet, or there are too few.
    Replicas {
        /// The master.
        server: String,
        /// What is the matter.
        why: String,
    },
    /// Slots without an owner.
    Slots {
        /// The first of them.
        slot: u16,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Unreachable(error) => error.fmt(f),
            Unfit::Setting { server, name, is, must, why } => write!(
                f,
                "Redis {server}: {name} is {is:?}, set it to {must:?} (CONFIG SET {name} {must}, and in its \
                 configuration file): otherwise {why}"
            ),
            Unfit::Version { server, is } => {
                let (major, minor) = LEAST_VERSION;
                write!(f, "Redis {server}: version {is}, {major}.{minor} or later is needed")
            }
            Unfit::Replica { server } => {
                write!(f, "Redis {server} is a replica: name its master, or run a cluster")
            }
            Unfit::Replicas { server, why } => write!(f, "Redis {server}: {why}"),
            Unfit::Slots { slot } => write!(f, "no master owns slot {slot} of the cluster"),
        }
    }
}

impl std::error::Error for Unfit {}

impl From<Error> for Unfit {
    fn from(error: Error) -> Unfit {
        Unfit::Unreachable(error)
    }
}

/// Looks at every master; each must have `replicas` that are in step.
pub(super) async fn check(url: &RedisUrl, topology: &Topology, replicas: u32) -> Result<(), Unfit> {
    let mut servers = Vec::new();
    for slot in 0..super::keys::SLOTS {
        let (server, _) = topology.owner(slot).ok_or(Unfit::Slots { slot })?;
        if !servers.contains(&server) {
            servers.push(server);
        }
        if !topology.clustered() {
            break;
        }
    }
    for server in servers {
        let mut connection = Connection::to(&url.of(&server), &server).await?;
        let followers = master(&mut connection, replicas).await?;
        for follower in followers {
            // A replica that is promoted has to keep the promises as well.
            let mut connection = Connection::to(&url.of(&follower), &follower).await?;
            settings(&mut connection).await?;
        }
    }
    Ok(())
}

/// Checks a master and gives its replicas.
async fn master(connection: &mut Connection, replicas: u32) -> Result<Vec<String>, Unfit> {
    let server = connection.server().to_owned();
    let info = fields(&connection.text(&["INFO", "server"]).await?);
    let version = info.get("redis_version").cloned().unwrap_or_default();
    if !new_enough(&version) {
        return Err(Unfit::Version { server, is: version });
    }
    settings(connection).await?;
    let info = fields(&connection.text(&["INFO", "replication"]).await?);
    if info.get("role").is_some_and(|role| role != "master") {
        return Err(Unfit::Replica { server });
    }
    let followers: Vec<Follower> = info
        .iter()
        .filter(|(name, _)| is_follower(name))
        .filter_map(|(_, line)| follower(line))
        .collect();
    if let Some(behind) = followers.iter().find(|follower| !follower.online) {
        let why = format!("replica {} has not finished its first sync; wait for it", behind.server);
        return Err(Unfit::Replicas { server, why });
    }
    if followers.len() < replicas as usize {
        let why = format!("{} replicas, {replicas} must receive what is told", followers.len());
        return Err(Unfit::Replicas { server, why });
    }
    if replicas == 0 && !followers.is_empty() {
        let why = "it has replicas: set ledger.replicas to 1 or more, or a promoted one may lack what was told";
        return Err(Unfit::Replicas { server, why: why.to_owned() });
    }
    Ok(followers.into_iter().map(|follower| follower.server).collect())
}

async fn settings(connection: &mut Connection) -> Result<(), Unfit> {
    for (name, must, why) in SETTINGS {
        let is = connection.setting(name).await?;
        if is != must {
            let server = connection.server().to_owned();
            return Err(Unfit::Setting { server, name, is, must, why });
        }
    }
    Ok(())
}

fn new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let have = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    have >= LEAST_VERSION
}

/// The lines of `INFO`, `name:value` each.
fn fields(info: &str) -> BTreeMap<String, String> {
    let lines = info.lines().filter_map(|line| line.trim().split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Follower {
    server: String,
    online: bool,
}

fn is_follower(name: &str) -> bool {
    name.strip_prefix("slave").is_some_and(|number| number.parse::<u32>().is_ok())
}

/// `ip=127.0.0.1,port=6380,state=online,offset=14,lag=0`
fn follower(line: &str) -> Option<Follower> {
    let parts: BTreeMap<&str, &str> =
        line.split(',').filter_map(|part| part.split_once('=')).collect();
    let server = format!("{}:{}", parts.get("ip")?, parts.get("port")?);
    Some(Follower { server, online: parts.get("state") == Some(&"online") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        for (version, fits) in
            [("7.0.15", true), ("7.2", true), ("10.0.0", true), ("6.2.14", false), ("", false)]
        {
            assert_eq!(new_enough(version), fits, "{version:?}");
        }
    }

    #[test]
    fn replicas_are_read_from_info() {
        let info = "# Replication\r\nrole:master\r\nslave0:ip=127.0.0.2,port=7,state=online,offset=1,lag=0\r\n\
                    slave1:ip=127.0.0.3,port=7,state=wait_bgsave,offset=0,lag=1\r\nslave_repl_offset:5\r\n";
        let fields = fields(info);
        let found: Vec<_> = fields
            .iter()
            .filter(|(name, _)| is_follower(name))
            .filter_map(|(_, line)| follower(line))
            .collect();
        let [one, two] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.server.as_str(), one.online), ("127.0.0.2:7", true));
        assert_eq!((two.server.as_str(), two.online), ("127.0.0.3:7", false));
        assert_eq!(fields["role"], "master");
    }
}
