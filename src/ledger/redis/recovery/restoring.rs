//! What a log lacks is put back, and the next epoch begins.

use super::{Custodian, ENTRIES, Stuck};
use crate::domain::{At, RedemptionId};
use crate::ledger::event::{Settled, What, codec};
use crate::ledger::journal::Entry;
use crate::ledger::redis::about::About;
use crate::ledger::redis::effects::changes;
use crate::ledger::redis::entry::{self, Logged};
use crate::ledger::redis::keys::{Key, Part, Place};
use crate::ledger::redis::link::{Fate, Item, Link};
use crate::ledger::redis::place::Cell;
use crate::ledger::redis::records::{Slot, read_line, settlements};
use crate::ledger::redis::scripts::{LookReply, ReopenReply, RestoreReply, reopen, restore};
use crate::store::{LogNo, Record, Recovery};
use redis::{Cmd, Value, cmd};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// Entries that are restored at once.
const RESTORED: usize = 256;

/// What Redis lacks of a log.
struct Missing {
    /// The last entry it has, and its instant.
    after: (u64, At),
    /// The last entry that anybody may have been told of.
    last: u64,
    /// What is known of those in between; of the others nobody was told.
    evidence: BTreeMap<u64, Record>,
}

impl Custodian {
    /// Puts back what is missing and opens the next epoch; every node has closed this one, and told up to `told`.
    pub(super) async fn recover(
        &self,
        recovery: &Recovery,
        cell: &Cell,
        told: u64,
    ) -> Result<(), Stuck> {
        let start = Instant::now();
        let Recovery { log, epoch, .. } = *recovery;
        let place = cell.place;
        let mut link = self.link(place);
        let (last_at, end, live) = match self.looked(&mut link).await? {
            // Somebody opened a later one. If it is under another master by now, that is a recovery of its own.
            LookReply::Seen { epoch: there, .. } if there > epoch => {
                self.store.finish_recovery(log, epoch).await?;
                return Ok(());
            }
            LookReply::Seen { at, seq, live, .. } => (at, seq, live),
            LookReply::Absent { live, .. } => (At(0), 0, live),
        };
        // Nobody else writes its rows now: every node has closed the epoch, so nobody takes this cursor back to
        // write of the old master's.
        let cursor = self.store.take(log, &self.node).await?;
        let evidence = self.evidence(recovery, cursor.seq, end).await?;
        self.agrees(&mut link, place, end, &evidence).await?;
        let last = told.max(cursor.seq).max(evidence.keys().next_back().copied().unwrap_or(0));
        let missing = Missing { after: (end, last_at), last, evidence };
        let restored = self.restore(&mut link, cell, epoch, &missing).await?;
        // Before anybody decides in the next epoch: a crash in between is a recovery of the next one, while this one,
        // gone on with later, would know nothing of what was told in the next.
        self.store.finish_recovery(log, epoch).await?;
        self.reopen(&mut link, place, epoch, &live).await?;
        self.store.release(cursor).await?;
        cell.kick.notify_one();
        tracing::warn!(
            ?place,
            epoch,
            end,
            last,
            restored,
            ms = start.elapsed().as_millis(),
            "a log is recovered"
        );
        Ok(())
    }

    /// What is known of the log outside Redis: what nodes told, and beyond its end in Redis what the store has.
    async fn evidence(
        &self,
        recovery: &Recovery,
        stored: u64,
        end: u64,
    ) -> Result<BTreeMap<u64, Record>, Stuck> {
        let mut all: BTreeMap<u64, Record> = BTreeMap::new();
        let mut from_store = Vec::new();
        let mut after = end;
        while after < stored {
            let some = self.store.events_after(recovery.log, after, ENTRIES).await?;
            let Some(last) = some.last() else { break };
            after = last.seq;
            from_store.extend(some);
        }
        let told = self.store.evidence(recovery.log, recovery.epoch).await?;
        for record in from_store.into_iter().chain(told.into_iter().map(|it| it.record)) {
            if let Some(before) = all.get(&record.seq)
                && *before != record
            {
                return Err(Stuck::Conflict { seq: record.seq, who: "nodes and store".to_owned() });
            }
            all.insert(record.seq, record);
        }
        Ok(all)
    }

    /// What Redis still has must be what was told, and what the store has: a master that was left behind may come back
    /// with a tail of its own.
    async fn agrees(
        &self,
        link: &mut Link,
        place: Place,
        end: u64,
        evidence: &BTreeMap<u64, Record>,
    ) -> Result<(), Stuck> {
        // What was trimmed is in the store.
        let first = entry::first(&self.range(link, place, 0, 1).await?);
        let mut next = first.unwrap_or(1);
        while next <= end {
            let value = self.range(link, place, next, ENTRIES).await?;
            let log = LogNo(place.log());
            let stored = self.store.events_after(log, next.saturating_sub(1), ENTRIES).await?;
            let stored: BTreeMap<u64, Record> = stored.into_iter().map(|it| (it.seq, it)).collect();
            if matches!(&value, Value::Array(none) if none.is_empty()) {
                return Err(Stuck::Redis(format!("entry {next} of the stream is missing")));
            }
            let entries =
                entry::read(place, next, value).map_err(|error| Stuck::Redis(error.to_string()))?;
            for Logged { entry, .. } in entries {
                next = entry.seq.saturating_add(1);
                let record = Record { seq: entry.seq, at: entry.at, body: entry.body };
                for (known, who) in [(evidence, "nodes and stream"), (&stored, "store and stream")]
                {
                    if known.get(&record.seq).is_some_and(|told| *told != record) {
                        return Err(Stuck::Conflict { seq: record.seq, who: who.to_owned() });
                    }
                }
            }
        }
        Ok(())
    }

    async fn range(
        &self,
        link: &mut Link,
        place: Place,
        next: u64,
        most: usize,
    ) -> Result<Value, Stuck> {
        let (mut told, _) = link.read(&[Item::plain(entry::range(place, next, most))]).await;
        match told.pop() {
            Some(Fate::Done(value)) => Ok(value),
            _ => Err(Stuck::Redis("no answer".to_owned())),
        }
    }

    /// Opens the next epoch under the master `live`, which was reconciled, unless somebody did. One that came since
    /// may lack what was put back: that is the next recovery.
    async fn reopen(
        &self,
        link: &mut Link,
        place: Place,
        closed: u64,
        live: &str,
    ) -> Result<(), Stuck> {
        let from = match self.looked(link).await? {
            LookReply::Seen { epoch, .. } if epoch > closed => return Ok(()),
            LookReply::Seen { epoch, .. } => epoch,
            LookReply::Absent { .. } => return Err(Stuck::Redis("it is gone again".to_owned())),
        };
        let again = reopen(place, from, closed.saturating_add(1), live);
        let again = again.map_err(|error| Stuck::Redis(error.to_string()))?;
        match link.run(&[Item::script(again)]).await.pop() {
            Some(Fate::Done(value)) => match ReopenReply::read(value) {
                Ok(ReopenReply::Reopened { .. }) => Ok(()),
                // If it was somebody else, the next look finds it open.
                other => Err(Stuck::Redis(format!("{other:?}"))),
            },
            other => Err(Stuck::Redis(format!("{other:?}"))),
        }
    }

    /// What the entries that are missing depend on, as the place has it before them.
    async fn known(
        &self,
        link: &mut Link,
        place: Place,
        missing: &Missing,
    ) -> Result<About, Stuck> {
        let bodies = missing.evidence.range(missing.after.0.saturating_add(1)..);
        let events = bodies.flat_map(|(_, it)| codec::decode(&it.body).unwrap_or_default());
        let mut orders = BTreeSet::new();
        let mut batches = false;
        for event in events {
            match &event.what {
                What::Reserved(it) | What::Vacated(it) => drop(orders.insert(it.redemption)),
                What::Paid(_) | What::PaymentFailed(_) | What::Settled(_) => batches = true,
                other => orders.extend(other.redemption()),
            }
        }
        let not = || Stuck::Redis("its keys are not what scripts write".to_owned());
        let mut known = About::default();
        // Without its terms the place begins with the first of these entries.
        let terms = cmd("HGET").arg(place.key(Key::Meta)).arg("terms").to_owned();
        if let Value::BulkString(terms) = self.value(link, terms).await? {
            for event in codec::decode(&terms).ok_or_else(not)? {
                if let What::Opened(opened) = event.what {
                    known.kinds = opened.kinds;
                }
            }
        }
        if place.part == Part::Identities {
            return Ok(known);
        }
        let orders: Vec<RedemptionId> = orders.into_iter().collect();
        for some in orders.chunks(RESTORED) {
            let names: Vec<&[u8]> = some.iter().map(|it| it.0.as_slice()).collect();
            let asked = cmd("HMGET").arg(place.key(Key::Orders)).arg(&names).to_owned();
            let Value::Array(slots) = self.value(link, asked).await? else { return Err(not()) };
            for (redemption, slot) in some.iter().zip(slots) {
                if let Value::BulkString(slot) = slot {
                    known.slots.insert(*redemption, Slot::decode(&slot).ok_or_else(not)?);
                }
            }
        }
        if !orders.is_empty() || batches {
            let all = cmd("HGETALL").arg(place.key(Key::Merchants)).to_owned();
            let Value::Array(all) = self.value(link, all).await? else { return Err(not()) };
            for pair in all.chunks_exact(2) {
                let [Value::BulkString(name), Value::BulkString(value)] = pair else {
                    return Err(not());
                };
                known.settlements.extend(settlements(name, value));
            }
        }
        if batches {
            let all = cmd("HGETALL").arg(place.key(Key::Lines)).to_owned();
            let Value::Array(all) = self.value(link, all).await? else { return Err(not()) };
            for pair in all.chunks_exact(2) {
                let [Value::BulkString(name), Value::BulkString(value)] = pair else {
                    return Err(not());
                };
                let of_batch = read_line(name, value).ok_or_else(not)?;
                let Settled { batch, merchant, pool, .. } = of_batch.settled;
                known.lines.insert((batch, merchant, pool), of_batch);
            }
        }
        Ok(known)
    }

    async fn value(&self, link: &mut Link, asked: Cmd) -> Result<Value, Stuck> {
        match link.read(&[Item::plain(asked)]).await.0.pop() {
            Some(Fate::Done(value)) => Ok(value),
            _ => Err(Stuck::Redis("no answer".to_owned())),
        }
    }

    /// Puts back what is missing, in order; how many entries that were.
    async fn restore(
        &self,
        link: &mut Link,
        cell: &Cell,
        epoch: u64,
        missing: &Missing,
    ) -> Result<u64, Stuck> {
        let place = cell.place;
        let (end, mut at) = missing.after;
        let nothing = codec::encode(&[]).unwrap_or_default();
        let mut items = Vec::with_capacity(RESTORED);
        let mut known = self.known(link, place, missing).await?;
        for seq in end.saturating_add(1)..=missing.last {
            let unknown = || Record { seq, at, body: nothing.clone() };
            let record = missing.evidence.get(&seq).cloned().unwrap_or_else(unknown);
            at = record.at;
            let fault = |why: String| Stuck::Redis(format!("entry {seq} can't be restored: {why}"));
            let events = codec::decode(&record.body)
                .ok_or_else(|| fault("not in words known here".to_owned()))?;
            let changes = changes(place, cell.shard, at, &events, &mut known)
                .map_err(|error| fault(error.to_string()))?;
            let entry = Entry { seq, durable: 0, at, seal: false, body: record.body };
            let put = restore(place, epoch, &entry, &changes);
            items.push(Item::script(put.map_err(|error| fault(error.to_string()))?));
            if items.len() == RESTORED || seq == missing.last {
                for fate in link.run(&items).await {
                    match fate {
                        Fate::Done(value) => match RestoreReply::read(value) {
                            Ok(RestoreReply::Restored | RestoreReply::There) => {}
                            other => return Err(fault(format!("{other:?}"))),
                        },
                        other => return Err(fault(format!("{other:?}"))),
                    }
                }
                items.clear();
            }
        }
        Ok(missing.last.saturating_sub(end))
    }
}
