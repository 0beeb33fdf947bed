//! Bringing a log back that is under another master: what was told is put back, and the next epoch begins.
//!
//! # What always holds
//!
//! - An epoch goes on only after every node that may have told something of it has closed it, has handed over
//!   what it told, and tells nothing of it any more.
//! - What anybody was told is in the log afterwards. An entry that nobody has was never told; an entry without events
//!   stands in its place.
//! - Two different entries of one seq are never resolved here: the log stays shut and says so.
//!
//! Every step repeats safely, so whoever finds a recovery unfinished goes on with it.

mod closing;
mod left_out;
mod restoring;

use super::keys::Place;
use super::link::{Fate, Item, Link};
use super::place::Cell;
use super::scripts::{LookReply, look};
use super::shared::Shared;
use crate::store::{self, LogNo, Recovery, Store};
use futures_util::future::join;
use left_out::LeftOut;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How often what is to be recovered is looked for.
const LOOK: Duration = Duration::from_millis(200);
/// How often this node says that it is there, and forgets what the store has.
const SEEN: Duration = Duration::from_secs(2);
/// A recovery that its asker has not finished by then is anybody's.
const ABANDONED_MS: i64 = 5_000;
/// So long after it was given up a node knows it, by [`SEEN`] or because it slept (see
/// [`Lease`](crate::ledger::service)), and tells nothing any more.
const GIVEN_UP_MS: i64 = 5_000;
/// Entries that are read at once.
const ENTRIES: usize = 5_000;

/// Why a recovery does not go on.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error("the store: {0}")]
    Store(#[from] store::Error),
    #[error("waiting for node {0} to close the epoch")]
    Node(String),
    #[error("node {0} was given up a moment ago: it may not know it yet")]
    GivenUp(String),
    #[error("Redis: {0}")]
    Redis(String),
    #[error("what this node told can't be read: {0}")]
    Acks(String),
    #[error("two different entries of seq {seq}: {who}")]
    Conflict { seq: u64, who: String },
}

/// Closes epochs on behalf of this node, and recovers logs.
pub(crate) struct Custodian {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Store,
    pub(super) node: String,
    /// Whether it may tell people something, so that others wait for it.
    pub(super) registered: bool,
    /// What this node told in epochs that were recovered without it, of each log, until the store says what is there
    /// instead.
    pub(super) left_out: Mutex<BTreeMap<LogNo, LeftOut>>,
}

impl Custodian {
    /// Works until it is dropped: on recoveries, which may take long, and beside them on being known.
    pub(crate) async fn run(self) {
        join(self.recoveries(), self.presence()).await;
    }

    async fn recoveries(&self) {
        let mut said = BTreeMap::new();
        loop {
            if let Err(error) = self.look(&mut said).await {
                tracing::warn!(%error, "recoveries can't be looked for");
            }
            sleep(LOOK).await;
        }
    }

    /// Says that this node is there, and hears within [`GIVEN_UP_MS`] if it was given up.
    async fn presence(&self) {
        let mut seen = Instant::now();
        loop {
            let (_, doubted) = self.shared.view.lease().doubts();
            if seen.elapsed() > SEEN || doubted {
                seen = Instant::now();
                if let Err(error) = self.tidy().await {
                    tracing::warn!(%error, "the store does not hear of this node");
                }
            }
            sleep(LOOK).await;
        }
    }

    async fn tidy(&self) -> Result<(), store::Error> {
        let lease = self.shared.view.lease();
        let (doubts, _) = lease.doubts();
        if !self.registered || self.store.seen(&self.node).await? {
            lease.answer(doubts);
        } else {
            lease.give_up();
            // Nobody waits for what this node tells any more, so it tells nothing.
            for cell in self.cells() {
                cell.seen().closed = u64::MAX;
            }
            tracing::error!(
                "this node was given up: nothing is issued here until it is started again"
            );
        }
        let stored = self.store.logs().await?.into_iter().map(|(log, seq)| (log.0, seq));
        self.shared.acks.forget(stored.collect());
        self.look_at_left_out().await
    }

    fn cells(&self) -> Vec<Arc<Cell>> {
        let campaigns = self.shared.campaigns();
        campaigns.iter().flat_map(|(_, places)| places.all().cloned().collect::<Vec<_>>()).collect()
    }

    async fn look(&self, said: &mut BTreeMap<LogNo, String>) -> Result<(), store::Error> {
        let cells = self.cells();
        let asked = self.store.open_recoveries().await?;
        for cell in &cells {
            let (epoch, fenced) = {
                let seen = cell.seen();
                (seen.epoch, seen.was_fenced())
            };
            let log = LogNo(cell.place.log());
            if fenced
                && !asked.iter().any(|recovery| recovery.log == log)
                && let Some(epoch) = self.to_close(cell.place, epoch).await?
                && self.store.ask_recovery(log, epoch, &self.node).await?
            {
                let place = cell.place;
                tracing::warn!(
                    ?place,
                    epoch,
                    "a log is under another master, or gone: to be recovered"
                );
            }
        }
        let open = self.store.open_recoveries().await?;
        self.shared.stuck.lock().retain(|log, _| open.iter().any(|it| it.log.0 == *log));
        for recovery in open {
            let cell = cells.iter().find(|cell| cell.place.log() == recovery.log.0);
            let done = async {
                self.close(&recovery, cell.map(AsRef::as_ref)).await?;
                let told = self.all_closed(&recovery).await?;
                match cell {
                    Some(cell) if self.is_ours(&recovery) => {
                        self.recover(&recovery, cell, told).await
                    }
                    _ => Ok(()),
                }
            };
            match done.await {
                Ok(()) => {
                    said.remove(&recovery.log);
                    self.shared.stuck.lock().remove(&recovery.log.0);
                }
                Err(stuck) => {
                    let why = stuck.to_string();
                    self.shared.stuck.lock().insert(recovery.log.0, why.clone());
                    // Who asked for it says it.
                    if self.is_ours(&recovery) && said.get(&recovery.log) != Some(&why) {
                        tracing::error!(log = %recovery.log, epoch = recovery.epoch, why, "a log stays shut");
                    }
                    said.insert(recovery.log, why);
                }
            }
        }
        Ok(())
    }

    /// The epoch that is to be closed of a log that was fenced in `epoch`; `None` if it goes on already.
    ///
    /// A log that comes back in an epoch that was recovered before, or not at all, has lost the later ones: what may
    /// have been told since is of the epoch that was opened last.
    async fn to_close(&self, place: Place, epoch: u64) -> Result<Option<u64>, store::Error> {
        let recovered = self.store.recovered(LogNo(place.log())).await?;
        if epoch > recovered {
            return Ok(Some(epoch));
        }
        // Or it is this node that has not seen yet that another one has recovered it.
        Ok(match self.looked(&mut self.link(place)).await {
            Ok(LookReply::Seen { open: false, epoch, .. }) if epoch > recovered => Some(epoch),
            Ok(LookReply::Seen { open: false, .. } | LookReply::Absent { .. }) => {
                Some(recovered.saturating_add(1))
            }
            Ok(LookReply::Seen { .. }) | Err(_) => None,
        })
    }

    fn link(&self, place: Place) -> Link {
        let (topology, touch) = (Arc::clone(&self.shared.topology), Item::script(look(place)));
        Link::to(topology, place.slot(), self.shared.replicas, touch)
    }

    /// Whether it is for this node to go on with it.
    fn is_ours(&self, recovery: &Recovery) -> bool {
        recovery.asked_by == self.node || recovery.asked_ms_ago > ABANDONED_MS
    }

    async fn looked(&self, link: &mut Link) -> Result<LookReply, Stuck> {
        match link.read(&[]).await.1 {
            Fate::Done(value) => {
                LookReply::read(value).map_err(|error| Stuck::Redis(error.to_string()))
            }
            Fate::NotDone(why) => Err(Stuck::Redis(why)),
            Fate::Unknown => Err(Stuck::Redis("no answer".to_owned())),
        }
    }
}
