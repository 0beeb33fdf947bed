//! R1: what stands in Redis is what the entries make, field by field.
//!
//! What an entry does to the keys is said by [`effects`], as for a log that is restored; here it is folded in maps.

use super::{Check, Spot};
use crate::domain::{At, Hex, Shard};
use crate::ledger::event::{Event, Reservation, What, codec};
use crate::ledger::redis::about::About;
use crate::ledger::redis::effects::{Change, Op, changes};
use crate::ledger::redis::inspection::{Hash, Inspection};
use crate::ledger::redis::keys::{Key, Part, Place};
use crate::ledger::redis::records::Slot;
use crate::ledger::redis::{Damage, Logged};
use crate::store::{LogNo, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Fields of `meta` that no entry sets.
const APART: [&[u8]; 5] = [b"lineage", b"epoch", b"evaluated", b"asked", b"looked"];

/// The check of all places.
pub(super) struct Redis {
    check: Check,
    places: BTreeMap<Place, Keys>,
    /// What is no more in `transit`, and what it was: it must be finished elsewhere.
    forgotten: Vec<(Place, String, Vec<u8>)>,
}

/// The keys of a place, as the entries make them.
#[derive(Default)]
struct Keys {
    hashes: BTreeMap<Key, Hash>,
    known: About,
    shard: Option<Shard>,
}

/// What a place has of its log.
pub(super) struct Stream {
    /// The entries that are there, in order, as far as they are sound.
    pub(super) logged: BTreeMap<u64, Logged>,
}

impl Redis {
    pub(super) fn new() -> Redis {
        let what = "the streams in Redis are the entries, and the keys what they make";
        Redis { check: Check::new("R1", what), places: BTreeMap::new(), forgotten: Vec::new() }
    }

    /// Reads the stream of `place`, whose last entry is said to be `seq`, with `stored` entries in the store.
    pub(super) async fn stream(
        &mut self,
        inspection: &mut Inspection,
        place: Place,
        (seq, stored): (Option<u64>, u64),
    ) -> Result<Stream, crate::ledger::redis::Unreachable> {
        let log = place.log();
        let mut logged = BTreeMap::new();
        let Some(seq) = seq else {
            self.check.find(format!("log {log}: it is not in Redis"));
            return Ok(Stream { logged });
        };
        if seq < stored {
            self.check.find(format!("log {log}: it ends at {seq}, the store has {stored} entries"));
        }
        let first = inspection.first(place).await?;
        if let Some(first) = first.filter(|first| *first > stored.saturating_add(1)) {
            let last = first.saturating_sub(1);
            let missing = format!("{}..{last}", stored.saturating_add(1));
            self.check
                .find(format!("log {log}: entries {missing} are neither in the store nor there"));
        }
        let mut next = first.unwrap_or(1);
        loop {
            match inspection.entries(place, next).await? {
                Ok(entries) if entries.is_empty() => break,
                Ok(entries) => {
                    for entry in entries {
                        next = entry.entry.seq.saturating_add(1);
                        logged.insert(entry.entry.seq, entry);
                    }
                }
                // One entry that is not sound hides those behind it in the same answer.
                Err(damage) => {
                    self.check.find(damage.to_string());
                    let at = match damage {
                        Damage::Gap { found, .. } => found,
                        Damage::Check { seq, .. } => seq.saturating_add(1),
                        Damage::Form { .. } => break,
                    };
                    if at <= next {
                        break;
                    }
                    next = at;
                }
            }
        }
        let end = next.saturating_sub(1);
        if end != seq {
            self.check.find(format!("log {log}: the stream ends at {end}, its meta says {seq}"));
        }
        Ok(Stream { logged })
    }

    /// Takes the next entry of the store, and compares it with the stream's if that still has it.
    pub(super) fn stored(&mut self, place: Place, record: &Record, stream: &Stream) {
        if let Some(Logged { entry, .. }) = stream.logged.get(&record.seq) {
            self.check.row();
            if (entry.at, &entry.body) != (record.at, &record.body) {
                let spot = Spot { log: LogNo(place.log()), seq: record.seq };
                self.check.find(format!("{spot}: the stream has another entry than the store"));
            }
        }
        self.take(place, record.seq, record.at, &record.body);
    }

    /// Does what an entry does.
    pub(super) fn take(&mut self, place: Place, seq: u64, at: At, body: &[u8]) {
        let spot = Spot { log: LogNo(place.log()), seq };
        let done = self.places.entry(place).or_default().take(place, seq, at, body);
        if let Err(why) = done {
            self.check.find(format!("{spot}: {why}"));
        }
    }

    /// Compares the keys of `place` with what its entries make.
    pub(super) async fn compare(
        &mut self,
        inspection: &mut Inspection,
        place: Place,
    ) -> Result<(), crate::ledger::redis::Unreachable> {
        let mut names = inspection.names(place).await?;
        names.remove(&place.key(Key::Log));
        // Payment codes and nonces: no entry makes them, and they go by themselves.
        let passing = place.passing();
        names.retain(|name| !name.starts_with(&passing));
        let hashes = self.places.entry(place).or_default().hashes.clone();
        for (key, mut made) in hashes {
            let mut there = inspection.hash(place, key).await?;
            names.remove(&place.key(key));
            if key == Key::Meta {
                there.retain(|field, _| !APART.contains(&field.as_slice()));
            }
            if key == Key::Transit {
                self.forgotten(place, &there, &mut made);
            }
            self.same(&place.key(key), &there, &made);
        }
        for name in names {
            self.check.row();
            self.check.find(format!("{name} is there, and no entry makes it"));
        }
        Ok(())
    }

    /// Takes off what was begun and is not in `transit` any more.
    fn forgotten(&mut self, place: Place, there: &Hash, made: &mut Hash) {
        made.retain(|field, value| match std::str::from_utf8(field) {
            Ok(name) if !there.contains_key(field) => {
                self.forgotten.push((place, name.to_owned(), value.clone()));
                false
            }
            _ => true,
        });
    }

    fn same(&mut self, name: &str, there: &Hash, made: &Hash) {
        let fields: BTreeSet<&Vec<u8>> = there.keys().chain(made.keys()).collect();
        for field in fields {
            self.check.row();
            let (there, made) = (there.get(field), made.get(field));
            if there != made {
                let value =
                    |value: Option<&Vec<u8>>| value.map_or("nothing".into(), |it| short(it));
                let (field, there, made) = (short(field), value(there), value(made));
                self.check
                    .find(format!("{name} {field}: {there} is there, the entries make {made}"));
            }
        }
    }

    /// Says what it found, when every place was compared.
    pub(super) fn done(mut self) -> Check {
        for (place, field, value) in &self.forgotten {
            let name = place.key(Key::Transit);
            match self.is_finished(*place, field, value) {
                Some(true) => {}
                Some(false) => {
                    self.check.find(format!("{name}: {field} is forgotten and not received"));
                }
                None => self.check.find(format!("{name}: {field} is no name of what is begun")),
            }
        }
        self.check
    }

    /// Whether what was begun at a place was finished elsewhere; `None` of what nobody begins.
    fn is_finished(&self, place: Place, field: &str, value: &[u8]) -> Option<bool> {
        let (what, number) = field.split_once(':')?;
        let identities = Place::identities(place.campaign);
        let hex = || number.parse::<Hex<16>>().ok().map(|hex| hex.0);
        let text = std::str::from_utf8(value).ok();
        let turn = || text.and_then(|text| text.parse::<u32>().ok());
        Some(match what {
            // A lock of that turn, or that there will be none.
            "lock" => {
                let held = self.reservation(identities, &hex()?);
                let shard = held.map(|it| Place::shard(place.campaign, it.shard));
                let slot = shard.and_then(|shard| self.field(shard, Key::Orders, &hex()?));
                slot.and_then(Slot::decode)
                    .is_some_and(|slot| slot.turn >= turn().unwrap_or(u32::MAX))
            }
            "vacate" => {
                let held = self.reservation(identities, &hex()?);
                held.is_none_or(|it| it.turn > turn().unwrap_or(u32::MAX))
            }
            "give_back" => self.field(identities, Key::Refunds, &hex()?).is_some(),
            peer => {
                let (peer, number) = (peer.parse().ok()?, number.parse::<u32>().ok()?);
                let Part::Shard(me) = place.part else { return None };
                let peer = Place::shard(place.campaign, peer);
                let received = self.field(peer, Key::Meta, format!("received:{me}").as_bytes());
                let received =
                    received.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                received.unwrap_or(0) >= number
            }
        })
    }

    fn field(&self, place: Place, key: Key, field: &[u8]) -> Option<&[u8]> {
        let hash = self.places.get(&place)?.hashes.get(&key)?;
        hash.get(field).map(Vec::as_slice)
    }

    /// The reservation of an order that holds.
    fn reservation(&self, identities: Place, redemption: &[u8]) -> Option<Reservation> {
        let said = codec::decode(self.field(identities, Key::Orders, redemption)?)?;
        said.into_iter().find_map(|event| match event.what {
            What::Reserved(it) => Some(it),
            _ => None,
        })
    }
}

impl Keys {
    fn take(&mut self, place: Place, seq: u64, at: At, body: &[u8]) -> Result<(), String> {
        let events = codec::decode(body).ok_or("not in a format known here")?;
        let opened = events.iter().find_map(|event: &Event| match &event.what {
            What::Opened(opened) => Some(opened.shard),
            _ => None,
        });
        self.shard = self.shard.or(opened);
        let changes =
            changes(place, self.shard.unwrap_or(Shard::ALONE), at, &events, &mut self.known);
        for change in changes.map_err(|error| error.to_string())? {
            self.make(change, seq)?;
        }
        for (field, number) in [("seq", seq.to_string()), ("at", at.0.to_string())] {
            self.hash(Key::Meta).insert(field.into(), number.into());
        }
        Ok(())
    }

    fn hash(&mut self, key: Key) -> &mut Hash {
        self.hashes.entry(key).or_default()
    }

    fn make(&mut self, Change { key, field, op }: Change, seq: u64) -> Result<(), String> {
        let hash = self.hash(key);
        let name = short(&field);
        let value = match op {
            // It was made at the entry's instant.
            Op::Set(value) | Op::Stamp(value) => value,
            Op::Seq => seq.to_string().into(),
            Op::Delete => {
                hash.remove(&field);
                return Ok(());
            }
            Op::Add(more) => {
                let was = hash.get(&field).map_or(Some(0), |was| number(was));
                let sum = was.and_then(|was| was.checked_add(more)).filter(|sum| *sum >= 0);
                sum.ok_or_else(|| format!("{name} would be below zero"))?.to_string().into()
            }
            Op::UpTo(..) => return Err(format!("{name} has a limit, which no event has")),
            Op::Max(least) => {
                let was = hash.get(&field).and_then(|was| number(was));
                was.map_or(least, |was| was.max(least)).to_string().into()
            }
            Op::Spend(kinds) => {
                let record = hash.get(&field).and_then(|it| it.split_last_chunk::<4>());
                let (head, spent) = record.ok_or_else(|| format!("pass {name} is not there"))?;
                let spent = u32::from_le_bytes(*spent) | kinds.0;
                [head, &spent.to_le_bytes()].concat()
            }
        };
        hash.insert(field, value);
        Ok(())
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A text as it is; of anything else, which may be of a person, the first four digits.
fn short(bytes: &[u8]) -> String {
    if bytes.len() <= 32 && bytes.iter().all(u8::is_ascii_graphic) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut out = String::new();
    for byte in bytes.iter().take(2) {
        // Writing to a text does not fail.
        let _ = write!(out, "{byte:02x}");
    }
    out + ".."
}
