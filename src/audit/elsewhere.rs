//! An audit of a ledger that is not in a data folder: its logs in a store, and in Redis.

use super::folder::{read_record, read_staff};
use super::redis::{Redis, Stream};
use super::{Audit, AuditError, Auditor, Check, Record};
use crate::decision::Staff;
use crate::drain;
use crate::ledger::journal::Entry;
use crate::ledger::redis::inspection::Inspection;
use crate::ledger::redis::keys::Place;
use crate::ledger::redis::{RedisUrl, Unreachable};
use crate::store::{self, LogNo, ReplayError, Store, check::CheckError, check_events};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

/// Entries read from a store at a time.
const PAGE: usize = 5_000;
/// How often a ledger is tried that goes on meanwhile, and how long between.
const TRIES: u32 = 10;
const AGAIN: Duration = Duration::from_millis(300);

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub enum ElsewhereError {
    /// The record can't be read.
    #[error(transparent)]
    Record(#[from] AuditError),
    /// There is no such file.
    #[error("{}: there is no store here", .0.display())]
    NoStore(PathBuf),
    /// Neither the store nor Redis has a log: an audit of nothing would be clean.
    #[error("there are no logs of shards here")]
    NoLogs,
    /// The store is a copy of a journal, and that is what is to be audited.
    #[error("this store is a data folder's; `quan audit FOLDER` audits its journal")]
    Embedded,
    /// The store can't be read.
    #[error("the store: {0}")]
    Store(#[from] store::Error),
    /// The store can't be compared.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Redis can't be read.
    #[error(transparent)]
    Redis(#[from] Unreachable),
    /// The logs grow while they are read.
    #[error("the ledger is not at rest: its logs grew each of {TRIES} times they were read")]
    Moving,
}

/// Audits the logs in a store, with a client's record and the public keys in a folder of those who decide, if they are
/// given, and the store itself (I8).
///
/// Nobody may be writing the store.
pub async fn audit_store(
    url: &store::StoreUrl,
    record: Option<&Path>,
    keys: Option<&Path>,
) -> Result<Audit, ElsewhereError> {
    let record = record.map(read_record).transpose()?;
    let staff = keys.map(read_staff).transpose()?;
    let store = open(url).await?;
    let audit = at_rest(&store, None, (record.as_ref(), staff.as_ref())).await;
    store.close().await;
    audit
}

/// As [`audit_store`], with what the Redis at `ledger` has beyond the store, and Redis itself (R1).
///
/// It writes nothing in Redis. Nodes may run, as long as nothing is decided meanwhile.
pub async fn audit_elsewhere(
    ledger: &RedisUrl,
    url: &store::StoreUrl,
    record: Option<&Path>,
    keys: Option<&Path>,
) -> Result<Audit, ElsewhereError> {
    let record = record.map(read_record).transpose()?;
    let staff = keys.map(read_staff).transpose()?;
    let mut redis = Inspection::connect(ledger).await?;
    let store = open(url).await?;
    let audit = at_rest(&store, Some(&mut redis), (record.as_ref(), staff.as_ref())).await;
    store.close().await;
    audit
}

async fn open(url: &store::StoreUrl) -> Result<Store, ElsewhereError> {
    match url {
        store::StoreUrl::File(file) if !file.exists() => Err(ElsewhereError::NoStore(file.clone())),
        url => Ok(Store::open(url).await?),
    }
}

/// How far each log is: in the store, and in Redis if it is there.
type Marks = BTreeMap<LogNo, (u64, Option<u64>)>;

/// Audits what does not grow meanwhile.
async fn at_rest(
    store: &Store,
    mut redis: Option<&mut Inspection>,
    beside: (Option<&Record>, Option<&Staff>),
) -> Result<Audit, ElsewhereError> {
    for _ in 0..TRIES {
        let before = marks(store, redis.as_deref_mut()).await?;
        let audit = once(store, redis.as_deref_mut(), beside, &before).await;
        if marks(store, redis.as_deref_mut()).await? == before {
            return audit;
        }
        sleep(AGAIN).await;
    }
    Err(ElsewhereError::Moving)
}

async fn marks(store: &Store, redis: Option<&mut Inspection>) -> Result<Marks, ElsewhereError> {
    let logs = store.logs().await?;
    let mut marks: Marks = logs.into_iter().map(|(log, seq)| (log, (seq, None))).collect();
    if let Some(redis) = redis {
        for place in redis.places().await? {
            marks.entry(LogNo(place.log())).or_default();
        }
        for (log, mark) in &mut marks {
            if let Some(place) = Place::of(log.0) {
                mark.1 = redis.seq(place).await?;
            }
        }
    }
    match marks.keys().next() {
        None => Err(ElsewhereError::NoLogs),
        Some(&LogNo::EMBEDDED) => Err(ElsewhereError::Embedded),
        Some(_) => Ok(marks),
    }
}

async fn once(
    store: &Store,
    mut redis: Option<&mut Inspection>,
    beside: (Option<&Record>, Option<&Staff>),
    marks: &Marks,
) -> Result<Audit, ElsewhereError> {
    let mut auditor = Auditor::of_logs(beside.0, beside.1);
    let mut kept = Redis::new();
    for (log, (stored, seq)) in marks {
        let place = Place::of(log.0);
        let stream = match (redis.as_deref_mut(), place) {
            (Some(redis), Some(place)) => kept.stream(redis, place, (*seq, *stored)).await?,
            _ => Stream { logged: BTreeMap::new() },
        };
        let mut last = 0;
        loop {
            let page = store.events_after(*log, last, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for record in page {
                last = record.seq;
                if let Some(place) = place {
                    kept.stored(place, &record, &stream);
                }
                let store::Record { seq, at, body } = record;
                auditor.take(*log, Ok(Entry { seq, durable: 0, at, seal: false, body }));
            }
        }
        if last != *stored {
            auditor.unreadable(*log, &format!("the store says that it has {stored} entries"));
        }
        for (seq, logged) in stream.logged.range(last.saturating_add(1)..) {
            if let Some(place) = place {
                kept.take(place, *seq, logged.entry.at, &logged.entry.body);
            }
            auditor.take(*log, Ok(logged.entry.clone()));
        }
    }
    let mut audit = auditor.done();
    audit.add(i8(store).await?);
    if let Some(redis) = redis {
        for place in marks.iter().filter(|(_, (_, seq))| seq.is_some()).map(|(log, _)| log.0) {
            if let Some(place) = Place::of(place) {
                kept.compare(redis, place).await?;
            }
        }
        audit.add(kept.done());
    }
    Ok(audit)
}

/// I8, also of a store whose entries make no rows.
async fn i8(store: &Store) -> Result<Check, ElsewhereError> {
    match check_events(store).await {
        Err(CheckError::Replay(ReplayError::Drain(error))) if is_of_entries(&error) => {
            let mut check =
                Check::new("I8", "the store equals one made again from its own entries");
            check.row();
            check.find(format!("no store can be made from its entries: {error}"));
            Ok(check)
        }
        other => Ok(other?),
    }
}

fn is_of_entries(error: &drain::Error) -> bool {
    match error {
        drain::Error::Entry { .. } => true,
        drain::Error::Store { source, .. } => matches!(source, store::Error::Contradiction { .. }),
        drain::Error::Source(_) => false,
    }
}
