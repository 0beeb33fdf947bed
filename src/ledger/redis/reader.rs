//! Reading a place's log on, and knowing how it stands: ten looks a second.
//!
//! A look writes, so that what is read with it is known to be durable; it tells whether the place decides, and
//! what time it is there.

use super::acks::Ack;
use super::book::Book;
use super::effects::holder;
use super::entry::Logged;
use super::fields::Fields;
use super::keys::{Key, Part, shard_of};
use super::link::{Fate, Item, Link};
use super::place::Cell;
use super::records::{Slot, read_state};
use super::scripts::{LookReply, look};
use super::shared::Shared;
use super::standing::Standing;
use super::{entry, fields};
use crate::domain::{PersonId, RedemptionId, RoundNo};
use crate::ledger::event::codec;
use crate::ledger::journal::Entry;
use redis::{Value, cmd};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::timeout;

/// How often a place is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Entries that are read at once.
const ENTRIES: usize = 1_000;
/// Fields of a hash that are read at once.
const FIELDS: usize = 1_000;

/// Why a place can't be read just now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It can't be reached, or is closed.
    #[error("{0}")]
    Unavailable(String),
    /// What is there is not what the scripts write.
    #[error("{0}")]
    Damaged(String),
}

/// The task of a place that reads.
pub(super) struct Reader {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    link: Link,
    loaded: bool,
    /// Up to here this node has written down all that the store may lack.
    witnessed: u64,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, cell: Arc<Cell>) -> Reader {
        let place = cell.place;
        let touch = Item::script(look(place));
        let link = Link::to(Arc::clone(&shared.topology), place.slot(), shared.replicas, touch);
        Reader { shared, cell, link, loaded: false, witnessed: 0 }
    }

    /// Looks and reads on until the ledger ends.
    pub(super) async fn run(mut self) {
        let mut failed = false;
        loop {
            match self.step().await {
                Ok(()) => failed = false,
                Err(error) if failed => tracing::debug!(place = ?self.cell.place, %error, "still"),
                Err(error) => {
                    failed = true;
                    tracing::warn!(place = ?self.cell.place, %error, "a place can't be read");
                }
            }
            // Whoever is told to come sooner comes sooner.
            let _ = timeout(LOOK, self.cell.kick.notified()).await;
        }
    }

    /// One look, and what there is to be read since the last.
    pub(super) async fn step(&mut self) -> Result<(), Fault> {
        let (_, touch) = self.link.read(&[]).await;
        let (open, epoch, seq) = match looked(touch)? {
            LookReply::Seen { open, epoch, seq, now, .. } => {
                self.cell.seen().ahead_ms = now.ms_since(crate::clock::wall());
                (open, epoch, seq)
            }
            // It was there when this node started, or in the store: Redis lost it.
            LookReply::Absent { .. } => {
                self.cell.seen().gone();
                self.loaded = false;
                return Err(Fault::Unavailable("gone: to be recovered".to_owned()));
            }
        };
        let later = self.cell.seen().look(epoch, open);
        self.shared.epoch(later);
        if !open {
            // What was read and told by nobody may be something else afterwards.
            self.loaded = false;
            return Err(Fault::Unavailable("fenced: to be recovered".to_owned()));
        }
        if !self.loaded {
            self.load().await?;
        }
        self.read_on(seq).await
    }

    /// Reads the log up to `seq`, which is durable.
    async fn read_on(&mut self, seq: u64) -> Result<(), Fault> {
        let place = self.cell.place;
        let mut news = false;
        loop {
            let next = self.cell.seen().standing.seq.saturating_add(1);
            if next > seq {
                break;
            }
            let value = self.ask(entry::range(place, next, ENTRIES)).await?;
            let entries = match entry::read(place, next, value) {
                Ok(entries) => entries,
                // Older ones are in the store and were trimmed here: what stands in the keys is the same.
                Err(entry::Damage::Gap { .. }) => return self.load().await,
                Err(error) => return Err(Fault::Damaged(error.to_string())),
            };
            if entries.is_empty() {
                return self.load().await;
            }
            self.witness(&entries, seq).await?;
            for logged in entries.into_iter().filter(|it| it.entry.seq <= seq) {
                let entry = logged.entry;
                let events = codec::decode(&entry.body).ok_or_else(|| {
                    Fault::Damaged(format!("entry {} is not in words known here", entry.seq))
                })?;
                for event in &events {
                    self.shared.view.event(event, entry.at);
                }
                let turned = self.cell.seen().take(entry.seq, entry.at, &events);
                for it in turned {
                    self.shared.view.turn(place.campaign, it.person, it.coupon, it.to);
                }
                news = true;
            }
        }
        if news {
            self.cell.seen().read_on();
            self.shared.publish(place.campaign);
        }
        Ok(())
    }

    /// Writes down what was read: holders are told of it, perhaps after the node that granted it is gone.
    async fn witness(&mut self, entries: &[Logged], durable: u64) -> Result<(), Fault> {
        let acks: Vec<Ack> = {
            let seen = self.cell.seen();
            let (log, epoch) = (self.cell.place.log(), seen.epoch);
            let read = entries.iter().map(|it| &it.entry).filter(|it| it.seq <= durable);
            let others = read.filter(|it| !seen.is_own(it.seq));
            let ack = |it: &Entry| Some((it.at, it.body.clone()));
            others.map(|it| Ack { log, epoch, seq: it.seq, entry: ack(it) }).collect()
        };
        if acks.is_empty() || self.shared.acks.write(acks).await {
            let last = entries.last().map_or(0, |it| it.entry.seq.min(durable));
            self.witnessed = self.witnessed.max(last);
            return Ok(());
        }
        Err(Fault::Unavailable(
            "what was read can't be written down, or its epoch is closed".to_owned(),
        ))
    }

    /// Reads how the place stands from its keys: at a start, after a recovery, and when the log was trimmed beyond
    /// what was read.
    async fn load(&mut self) -> Result<(), Fault> {
        let place = self.cell.place;
        let shown = self.shared.view.shown(place.campaign, |person| self.is_here(person));
        // Before the standing: which coupon an event of an order is about, the order says as it was then.
        let (from, orders) = self.orders().await?;
        let standing = loop {
            if let Some(standing) = self.standing().await? {
                break standing;
            }
        };
        let kinds = standing.opened.as_ref().map_or(&[][..], |opened| &opened.kinds);
        let mut book = Book::of(kinds, orders);
        self.catch_up(&mut book, from, standing.seq).await?;
        let mut holders = Vec::new();
        for round in standing.rounds.keys() {
            let mut states = BTreeMap::new();
            let found = holders.len();
            self.scan(place.key(Key::Holders(*round)), |_, field, record| {
                holders.push(fields::holder(*round, field, record)?);
                Some(())
            })
            .await?;
            self.scan(place.key(Key::States(*round)), |_, field, word| {
                states.insert(field.to_vec(), read_state(Some(word))?);
                Some(())
            })
            .await?;
            for (person, held) in holders.iter_mut().skip(found) {
                let state = states.get(&holder(*person, held.coupon.kind));
                held.state = state.copied().unwrap_or_default();
            }
        }
        // Holders may be newer than the standing, but not than this.
        let end = self.end().await?;
        self.witness_all(end).await?;
        // A recovery without this node may have lost what it showed.
        let there: HashSet<_> =
            holders.iter().map(|(person, held)| (*person, held.coupon)).collect();
        for (person, held) in shown.into_iter().filter(|it| !there.contains(&(it.0, it.1.coupon))) {
            self.shared.view.forget(place.campaign, person, held.coupon);
        }
        for (person, held) in holders {
            self.shared.view.hold(place.campaign, person, held);
            self.shared.view.turn(place.campaign, person, held.coupon, held.state);
        }
        for (redemption, request) in book.requests() {
            self.shared.view.asked(place.campaign, redemption, request);
        }
        {
            let mut seen = self.cell.seen();
            (seen.standing, seen.book) = (standing, book);
            seen.read_on();
        }
        self.loaded = true;
        self.shared.publish(place.campaign);
        Ok(())
    }

    /// Whether what a person holds is in this log.
    fn is_here(&self, person: PersonId) -> bool {
        let Cell { place, shard, .. } = &*self.cell;
        place.part == Part::Shard(shard_of(person, shard.of))
    }

    /// The last seq, durable, of the epoch that this node believes in.
    async fn end(&mut self) -> Result<u64, Fault> {
        let believed = self.cell.seen().epoch;
        match looked(self.link.read(&[]).await.1)? {
            LookReply::Seen { open: true, epoch, seq, .. } if epoch == believed => Ok(seq),
            _ => Err(Fault::Unavailable("fenced while it was read".to_owned())),
        }
    }

    /// Writes down what the log has up to `end`, which is durable: holders that are read from the keys rest on it. What
    /// was trimmed is in the store.
    async fn witness_all(&mut self, end: u64) -> Result<(), Fault> {
        let place = self.cell.place;
        let first = entry::first(&self.ask(entry::range(place, 0, 1)).await?);
        let mut next = first.unwrap_or(1).max(self.witnessed.saturating_add(1));
        while next <= end {
            let value = self.ask(entry::range(place, next, ENTRIES)).await?;
            let entries = entry::read(place, next, value);
            let entries = entries.map_err(|error| Fault::Damaged(error.to_string()))?;
            if entries.is_empty() {
                return Err(Fault::Damaged(format!("its log ends before entry {end}")));
            }
            self.witness(&entries, end).await?;
            next = self.witnessed.saturating_add(1);
        }
        Ok(())
    }

    /// How the place stands; `None` if that changed while it was read.
    async fn standing(&mut self) -> Result<Option<Standing>, Fault> {
        let place = self.cell.place;
        let key = |key| Item::plain(cmd("HGETALL").arg(place.key(key)).to_owned());
        let meta = self.fields(key(Key::Meta)).await?;
        let rounds: Vec<RoundNo> = meta.keys().filter_map(|name| fields::round(name)).collect();
        let mut items = vec![key(Key::Meta), key(Key::Funds)];
        items.extend(rounds.iter().map(|round| key(Key::Round(*round))));
        items.push(key(Key::Meta));
        let (fates, _) = self.link.read(&items).await;
        let mut hashes = Vec::new();
        for fate in fates {
            hashes.push(hash(done(fate)?)?);
        }
        let (Some(meta), Some(after)) = (hashes.first(), hashes.last()) else { return Ok(None) };
        let known = meta.keys().filter(|name| name.starts_with("round:")).count();
        if meta.get("seq") != after.get("seq") || known != rounds.len() {
            return Ok(None);
        }
        let standing =
            fields::standing(meta, hashes.get(1), rounds.iter().zip(hashes.iter().skip(2)));
        standing
            .map(Some)
            .ok_or_else(|| Fault::Damaged("its keys are not what scripts write".to_owned()))
    }

    /// Reads the orders of a shard, each as it is after an entry that stands with it; and the entry before the first
    /// of them.
    async fn orders(&mut self) -> Result<(u64, BTreeMap<RedemptionId, (u64, Slot)>), Fault> {
        let place = self.cell.place;
        let mut orders = BTreeMap::new();
        let from = self.end().await?;
        if place.part != Part::Identities {
            self.scan(place.key(Key::Orders), |seq, field, slot| {
                orders.insert(RedemptionId(field.try_into().ok()?), (seq, Slot::decode(slot)?));
                Some(())
            })
            .await?;
        }
        Ok((from, orders))
    }

    /// Takes in what orders became by the entries after `from`, up to `end`.
    async fn catch_up(&mut self, book: &mut Book, from: u64, end: u64) -> Result<(), Fault> {
        let place = self.cell.place;
        let mut next = from.saturating_add(1);
        while next <= end {
            let value = self.ask(entry::range(place, next, ENTRIES)).await?;
            let entries = entry::read(place, next, value);
            let entries = entries.map_err(|error| Fault::Damaged(error.to_string()))?;
            if entries.is_empty() {
                return Err(Fault::Damaged(format!("its log ends before entry {end}")));
            }
            for Logged { entry, .. } in entries.into_iter().filter(|it| it.entry.seq <= end) {
                next = entry.seq.saturating_add(1);
                let events = codec::decode(&entry.body).ok_or_else(|| {
                    Fault::Damaged(format!("entry {} is not in words known here", entry.seq))
                })?;
                for event in events {
                    book.take(&event.what, (entry.seq, entry.at));
                }
            }
        }
        book.caught_up();
        Ok(())
    }

    /// Reads every field of a hash, each as it is after an entry; `take` says `None` of what scripts don't write.
    async fn scan(
        &mut self,
        key: String,
        mut take: impl FnMut(u64, &[u8], &[u8]) -> Option<()>,
    ) -> Result<(), Fault> {
        let mut cursor = "0".to_owned();
        loop {
            let scan = cmd("HSCAN").arg(&key).arg(&cursor).arg("COUNT").arg(FIELDS).to_owned();
            let not = || Fault::Damaged("HSCAN is answered otherwise".to_owned());
            // Something may be written between the two, which is then read again.
            let Some((seq, answer)) = self.at_a_seq(scan).await? else { continue };
            let Value::Array(answer) = answer else { return Err(not()) };
            let [Value::BulkString(next), Value::Array(fields)] = answer.as_slice() else {
                return Err(not());
            };
            for pair in fields.chunks_exact(2) {
                let [Value::BulkString(field), Value::BulkString(record)] = pair else {
                    return Err(not());
                };
                take(seq, field, record).ok_or_else(not)?;
            }
            cursor = String::from_utf8_lossy(next).into_owned();
            if cursor == "0" {
                return Ok(());
            }
        }
    }

    async fn fields(&mut self, item: Item) -> Result<Fields, Fault> {
        let (mut fates, _) = self.link.read(&[item]).await;
        hash(done(fates.pop().unwrap_or(Fate::Unknown))?)
    }

    /// What `command` is answered after an entry, and which that is; `None` if another was written meanwhile.
    async fn at_a_seq(&mut self, command: redis::Cmd) -> Result<Option<(u64, Value)>, Fault> {
        let seq =
            || Item::plain(cmd("HGET").arg(self.cell.place.key(Key::Meta)).arg("seq").to_owned());
        let items = [seq(), Item::plain(command), seq()];
        let (fates, _) = self.link.read(&items).await;
        let answers = fates.into_iter().map(done).collect::<Result<Vec<Value>, Fault>>()?;
        let Ok([before, answer, after]) = <[Value; 3]>::try_from(answers) else {
            return Err(Fault::Unavailable("no answer".to_owned()));
        };
        let text = super::connection::text(&before).and_then(|seq| seq.parse().ok());
        let seq = text.ok_or_else(|| Fault::Damaged("its seq is no number".to_owned()))?;
        Ok((before == after).then_some((seq, answer)))
    }

    async fn ask(&mut self, command: redis::Cmd) -> Result<Value, Fault> {
        let (mut fates, _) = self.link.read(&[Item::plain(command)]).await;
        done(fates.pop().unwrap_or(Fate::Unknown))
    }
}

fn looked(fate: Fate) -> Result<LookReply, Fault> {
    match fate {
        Fate::Done(value) => {
            LookReply::read(value).map_err(|error| Fault::Damaged(error.to_string()))
        }
        Fate::NotDone(why) => Err(Fault::Unavailable(why)),
        Fate::Unknown => Err(Fault::Unavailable("no answer".to_owned())),
    }
}

fn done(fate: Fate) -> Result<Value, Fault> {
    match fate {
        Fate::Done(value) => Ok(value),
        Fate::NotDone(why) => Err(Fault::Unavailable(why)),
        Fate::Unknown => Err(Fault::Unavailable("no answer".to_owned())),
    }
}

fn hash(value: Value) -> Result<Fields, Fault> {
    let not = || Fault::Damaged("not a hash".to_owned());
    let Value::Array(items) = value else { return Err(not()) };
    let pairs = items.chunks_exact(2).map(|pair| match pair {
        [Value::BulkString(name), Value::BulkString(value)] => {
            Ok((String::from_utf8(name.clone()).map_err(|_| not())?, value.clone()))
        }
        _ => Err(not()),
    });
    pairs.collect()
}
