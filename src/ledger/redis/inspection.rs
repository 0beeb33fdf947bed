//! What stands in Redis, read as it is: nothing is written, not even a look.

use super::connection::{Connection, Error, Said, text};
use super::entry::{self, Damage, Logged};
use super::keys::{DIRECTORY, DIRECTORY_TAG, Key, Place, slot};
use super::topology::{RedisUrl, Topology};
use crate::domain::CampaignNo;
use redis::{Cmd, Value, cmd};
use std::collections::{BTreeMap, BTreeSet};

/// Fields, keys or entries that are read at once.
const AT_ONCE: usize = 1_000;

/// A hash in Redis.
pub(crate) type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

/// The ways to the masters.
pub(crate) struct Inspection {
    topology: Topology,
    connections: BTreeMap<String, Connection>,
}

impl Inspection {
    /// Finds the servers.
    pub(crate) async fn connect(url: &RedisUrl) -> Result<Inspection, Error> {
        let topology = Topology::discover(url).await?;
        Ok(Inspection { topology, connections: BTreeMap::new() })
    }

    /// The places of every campaign that was opened.
    pub(crate) async fn places(&mut self) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        for number in self.hash_of(slot(DIRECTORY_TAG), DIRECTORY).await?.values() {
            let Some(campaign) = number_of(number).map(CampaignNo) else { continue };
            let meta = self.hash(Place::shard(campaign, 0), Key::Meta).await?;
            // Without it there is one to be missed.
            let of = meta.get(b"of".as_slice()).and_then(|of| number_of(of)).unwrap_or(1);
            places.extend((0..of).map(|shard| Place::shard(campaign, shard)));
            places.push(Place::identities(campaign));
        }
        Ok(places)
    }

    /// The seq of the last entry, as the place itself says; `None` if it is not there.
    pub(crate) async fn seq(&mut self, place: Place) -> Result<Option<u64>, Error> {
        let command = cmd("HGET").arg(place.key(Key::Meta)).arg("seq").to_owned();
        let value = self.ask(place.slot(), command).await?;
        Ok(text(&value).and_then(|seq| seq.parse().ok()))
    }

    /// The first entry that the stream still has.
    pub(crate) async fn first(&mut self, place: Place) -> Result<Option<u64>, Error> {
        let value = self.ask(place.slot(), entry::range(place, 0, 1)).await?;
        // What has no id of ours is read, and said to be damage, as entry 0.
        Ok(entry::first(&value))
    }

    /// Some entries of the stream from `next` on, none if it ends there.
    pub(crate) async fn entries(
        &mut self,
        place: Place,
        next: u64,
    ) -> Result<Result<Vec<Logged>, Damage>, Error> {
        let value = self.ask(place.slot(), entry::range(place, next, AT_ONCE)).await?;
        Ok(entry::read(place, next, value))
    }

    /// All fields of a key; none if it is not there.
    pub(crate) async fn hash(&mut self, place: Place, key: Key) -> Result<Hash, Error> {
        self.hash_of(place.slot(), &place.key(key)).await
    }

    /// The names of all keys of a place.
    pub(crate) async fn names(&mut self, place: Place) -> Result<BTreeSet<String>, Error> {
        let pattern = format!("quan:{{{}}}:*", place.tag());
        let mut names = BTreeSet::new();
        let scan = |cursor: &str| {
            cmd("SCAN").arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(AT_ONCE).to_owned()
        };
        self.scan(place.slot(), scan, |items| {
            names.extend(items.iter().filter_map(text));
        })
        .await?;
        Ok(names)
    }

    async fn hash_of(&mut self, slot: u16, name: &str) -> Result<Hash, Error> {
        let mut hash = Hash::new();
        let scan =
            |cursor: &str| cmd("HSCAN").arg(name).arg(cursor).arg("COUNT").arg(AT_ONCE).to_owned();
        self.scan(slot, scan, |items| {
            for pair in items.chunks_exact(2) {
                if let [Value::BulkString(field), Value::BulkString(value)] = pair {
                    hash.insert(field.clone(), value.clone());
                }
            }
        })
        .await?;
        Ok(hash)
    }

    /// Reads on until the cursor is back at 0.
    async fn scan(
        &mut self,
        slot: u16,
        command: impl Fn(&str) -> Cmd,
        mut take: impl FnMut(&[Value]),
    ) -> Result<(), Error> {
        let mut cursor = "0".to_owned();
        loop {
            let value = self.ask(slot, command(&cursor)).await?;
            let Value::Array(answer) = &value else { return Err(otherwise("a scan")) };
            let [next, Value::Array(items)] = answer.as_slice() else {
                return Err(otherwise("a scan"));
            };
            take(items);
            cursor = text(next).ok_or_else(|| otherwise("a scan"))?;
            if cursor == "0" {
                return Ok(());
            }
        }
    }

    async fn ask(&mut self, slot: u16, command: Cmd) -> Result<Value, Error> {
        let owner = self.topology.owner(slot);
        let (server, url) =
            owner.ok_or_else(|| Error::text("cluster", format!("nobody owns slot {slot}")))?;
        if !self.connections.contains_key(&server) {
            let connection = Connection::to(&url, &server).await?;
            self.connections.insert(server.clone(), connection);
        }
        let connection = self.connections.get_mut(&server).ok_or_else(Error::nobody)?;
        match connection.all(&[command]).await?.pop() {
            Some(Said::Value(value)) => Ok(value),
            Some(Said::Error(code, rest)) => Err(Error::text(&server, format!("{code} {rest}"))),
            None => Err(Error::text(&server, "no answer")),
        }
    }
}

fn otherwise(what: &str) -> Error {
    Error::text("", format!("{what} is answered otherwise"))
}

fn number_of<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
