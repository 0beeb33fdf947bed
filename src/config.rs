//! What a server is told on start: addresses, folders, limits, plans. Secrets are files in the
//! keys folder, never values here.

use crate::domain::Hex;
use crate::ledger::redis::RedisUrl;
use crate::store::StoreUrl;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

/// The server's configuration, as in `config/quan.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The port people and host apps reach.
    pub public: Public,
    /// The port only the engineers reach.
    pub ops: Ops,
    /// Where the journal and the store are.
    pub data: Data,
    /// Where the key files are.
    pub keys: Keys,
    /// Where the store is, if not in the data folder.
    #[serde(default)]
    pub store: Option<Store>,
    /// Where the ledger is, if not in the data folder.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// The campaigns, at least one.
    pub campaign: Vec<Campaign>,
    /// SHA-256 of the file that it was read from.
    #[serde(skip)]
    pub sha256: Option<Hex<32>>,
}

/// The public port and its limits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Public {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Addresses of the fronts that say in `x-forwarded-for` where a request came from; without one
    /// here all people behind a front are one address to the rates.
    #[serde(default)]
    pub front: Vec<IpAddr>,
    /// Threads that serve; 0 is one a core.
    pub workers: usize,
    /// Connections at once; one more is closed at once.
    pub connections: usize,
    /// Milliseconds for a request's headers, and for a peer that takes no answer.
    pub header_ms: u64,
    /// Milliseconds that a connection may wait for its next request; fewer when places run short.
    pub idle_ms: u64,
    /// Milliseconds for a request's body to arrive.
    pub request_ms: u64,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Milliseconds for requests in flight when the server is told to stop.
    pub grace_ms: u64,
}

/// The ops port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ops {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// The data folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The folder, relative to the configuration file.
    pub folder: PathBuf,
    /// The size of a journal segment in MiB.
    pub segment_mib: usize,
}

/// A store that several nodes share.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `postgres://user:password@host:port/database`, `sqlite:///path`, or a path.
    #[serde(deserialize_with = "from_text")]
    pub url: StoreUrl,
}

/// A ledger that several nodes share.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// `redis://[user:password@]host:port[,host:port ..]`: one server, or some of a cluster's.
    #[serde(deserialize_with = "from_text")]
    pub url: RedisUrl,
    /// Shards that campaigns are opened with, and keep, 1 to 128; 1 on a single server.
    #[serde(default = "one")]
    pub shards: u8,
    /// Replicas that must have received what is told; in a cluster at least 1.
    #[serde(default)]
    pub replicas: u32,
}

impl Ledger {
    /// The ledger at `url`, in all else as `otherwise` says.
    pub fn at(url: RedisUrl, shards: Option<u8>, otherwise: Option<&Ledger>) -> Ledger {
        let shards = shards.or(otherwise.map(|it| it.shards)).unwrap_or_else(one);
        Ledger { url, shards, replicas: otherwise.map_or(0, |it| it.replicas) }
    }
}

fn one() -> u8 {
    1
}

fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// The keys folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The folder, relative to the configuration file.
    pub folder: PathBuf,
}

/// A campaign.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// Its plan file, relative to the configuration file.
    pub plan: PathBuf,
    /// The folder of its merchants' files, relative to the configuration file; without it nobody redeems.
    #[serde(default)]
    pub merchants: Option<PathBuf>,
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{file}: {source}", file = file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a configuration.
    #[error("{file}: {source}", file = file.display())]
    Parse {
        /// The file.
        file: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A number is out of its range.
    #[error("{file}: {key} is {value}: take {least} to {most}", file = file.display())]
    Range {
        /// The file.
        file: PathBuf,
        /// Which.
        key: &'static str,
        /// What it is.
        value: u64,
        /// The least it may be.
        least: u64,
        /// The most.
        most: u64,
    },
    /// No campaign is named.
    #[error("{file}: no campaign: add a [[campaign]] table that names a plan", file = file.display())]
    NoCampaign {
        /// The file.
        file: PathBuf,
    },
}

impl Config {
    /// Reads the file; its relative paths become relative to its folder.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        let read = |source| ConfigError::Read { file: file.to_owned(), source };
        let text = fs::read_to_string(file).map_err(read)?;
        let parse = |source| ConfigError::Parse { file: file.to_owned(), source: Box::new(source) };
        let mut config: Config = toml::from_str(&text).map_err(parse)?;
        if config.campaign.is_empty() {
            return Err(ConfigError::NoCampaign { file: file.to_owned() });
        }
        config.in_range(file)?;
        config.sha256 = Some(Hex(Sha256::digest(&text).into()));
        let folder = file.parent().unwrap_or(Path::new(""));
        let paths = [&mut config.data.folder, &mut config.keys.folder];
        let campaigns = config.campaign.iter_mut();
        let campaigns =
            campaigns.flat_map(|it| [&mut it.plan].into_iter().chain(&mut it.merchants));
        for path in paths.into_iter().chain(campaigns) {
            *path = folder.join(&*path);
        }
        Ok(config)
    }

    fn in_range(&self, file: &Path) -> Result<(), ConfigError> {
        let Config { public, data, .. } = self;
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        for (key, value, least, most) in [
            ("public.workers", number(public.workers), 0, 1_024),
            ("public.connections", number(public.connections), 1, 1_000_000),
            ("public.header_ms", public.header_ms, 10, 600_000),
            ("public.idle_ms", public.idle_ms, 10, 3_600_000),
            ("public.request_ms", public.request_ms, 10, 600_000),
            ("public.body_bytes", number(public.body_bytes), 1_024, 1 << 20),
            ("public.grace_ms", public.grace_ms, 0, 600_000),
            (
                "ledger.shards",
                self.ledger.as_ref().map_or(1, |ledger| u64::from(ledger.shards)),
                1,
                128,
            ),
            // 0 makes a segment of each batch, which tests are after.
            ("data.segment_mib", number(data.segment_mib), 0, 4_096),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::Range { file: file.to_owned(), key, value, least, most });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_configuration_is_read_and_its_paths_are_beside_it() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/quan.toml");
        let config = Config::load(&file).unwrap();
        assert!(config.campaign[0].plan.is_file(), "{config:?}");
        assert_eq!(config.data.segment_mib, 64);
    }

    #[test]
    fn a_number_out_of_its_range_is_named() {
        let folder = std::env::temp_dir().join(format!("quan-range-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("quan.toml");
        let shipped = include_str!("../config/quan.toml");
        let wrong = [("segment_mib = 64", "segment_mib = 17592186044416", "data.segment_mib is")];
        let zero = [("connections = 8_192", "connections = 0", "public.connections is 0")];
        for (from, to, says) in wrong.into_iter().chain(zero) {
            assert!(shipped.contains(from));
            fs::write(&file, shipped.replace(from, to)).unwrap();
            let error = Config::load(&file).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_key_that_is_not_known_is_named_with_its_line() {
        let folder = std::env::temp_dir().join(format!("quan-config-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("quan.toml");
        fs::write(&file, "[publik]\n").unwrap();
        let error = Config::load(&file).unwrap_err().to_string();
        assert!(error.contains("publik") && error.contains("line 1"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }
}
