//! This process as one of several nodes: it makes itself known in the store, recovers logs, and carries those
//! that nobody else carries.
//!
//! # What always holds
//!
//! - A node is registered, and has closed what was ever to be closed, before it tells anybody anything.
//! - It leaves only when the store has everything that it told; otherwise it stays registered, and a recovery waits
//!   for its return.

use crate::data::DataFolder;
use crate::drain::{Owner, Progress, Status, people_first, share};
use crate::ledger::redis::{Log, RedisLedger};
use crate::store::{Store, StoreUrl};
use anyhow::{Context, Result};
use futures_util::future::join_all;
use metrics::Histogram;
use std::{
    fs, io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    runtime::Runtime,
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// After so long without a word from whoever carries a log, another node does.
const STALE: Duration = Duration::from_secs(3);
/// How long a node that stops waits until the store has what it told.
const CATCH_UP: Duration = Duration::from_secs(30);

/// The threads of a node.
#[must_use = "a node that is not stopped stays registered"]
pub struct Node {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    progress: Progress,
    url: StoreUrl,
}

impl Node {
    /// Makes this node known in the store at `url` and starts what works for all.
    pub fn start(ledger: &RedisLedger, url: &StoreUrl, data: &DataFolder) -> Result<Node> {
        Node::start_timed(ledger, url, data, Histogram::noop())
    }

    /// The same; `timing` is told how long each batch takes in the store.
    pub fn start_timed(
        ledger: &RedisLedger,
        url: &StoreUrl,
        data: &DataFolder,
        timing: Histogram,
    ) -> Result<Node> {
        let node = id(&data.node())?;
        let (stop, stopped) = watch::channel(false);
        let recoveries = recoveries(ledger, url, node.clone(), true, stopped.clone())?;
        let logs = ledger.logs();
        let progress = Progress::default();
        let (shown, shared, url) = (progress.clone(), url.clone(), url.clone());
        let drains = spawn("drain", self::runtime()?, async move {
            people_first();
            carry(&url, &node, logs, (&shown, &timing), stopped).await;
        })?;
        Ok(Node { stop, threads: vec![recoveries, drains], progress, url: shared })
    }

    /// Starts what recovers logs, for a process that tells nobody anything: it carries no log, and since nothing would
    /// be missed that it told, it is not registered. So wherever it ends, nobody waits for it.
    pub fn start_idle(ledger: &RedisLedger, url: &StoreUrl) -> Result<Node> {
        let node = format!("recover-{:016x}", rand::random::<u64>());
        let (stop, stopped) = watch::channel(false);
        let threads = vec![recoveries(ledger, url, node, false, stopped)?];
        Ok(Node { stop, threads, progress: Progress::default(), url: url.clone() })
    }

    /// Where the nodes' store is.
    pub(crate) fn store(&self) -> StoreUrl {
        self.url.clone()
    }

    /// How far the logs that it carries are.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Waits until the store has what it told, leaves, and ends.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Starts the thread that makes a process known as `node`, if it is `registered`, and recovers logs. It ends when
/// `until` says so and the store has what was told.
fn recoveries(
    ledger: &RedisLedger,
    url: &StoreUrl,
    node: String,
    registered: bool,
    mut until: watch::Receiver<bool>,
) -> Result<JoinHandle<()>> {
    let runtime = runtime()?;
    let custodian = runtime.block_on(async {
        let store = Store::open(url).await?;
        if registered {
            store.register(&node).await?;
        }
        let custodian = ledger.custodian(store.clone(), node.clone(), registered);
        custodian.remember().await?;
        Ok::<_, crate::store::Error>((custodian, store))
    });
    let (custodian, store) = custodian.with_context(|| format!("the store at {url}"))?;
    let told = ledger.logs();
    let thread = spawn("node", runtime, async move {
        let work = tokio::spawn(custodian.run());
        let _ = until.wait_for(|stop| *stop).await;
        if registered {
            leave(&store, &node, &told).await;
        }
        work.abort();
        store.close().await;
    })?;
    Ok(thread)
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn spawn(
    name: &str,
    runtime: Runtime,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(move || runtime.block_on(work))
}

/// Leaves once the store has everything that this node told.
async fn leave(store: &Store, node: &str, logs: &[Log]) {
    let start = Instant::now();
    while start.elapsed() < CATCH_UP {
        let mut behind = false;
        for log in logs {
            behind |= !store.seq(log.no()).await.is_ok_and(|seq| seq >= log.replied());
        }
        if !behind {
            if let Err(error) = store.leave(node).await {
                tracing::warn!(%error, "this node stays registered");
            }
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    tracing::warn!("the store lacks what this node told: it stays registered, start it again");
}

/// Carries the logs until told to stop, and then what is left of them for a moment.
async fn carry(
    url: &StoreUrl,
    node: &str,
    logs: Vec<Log>,
    (shown, timing): (&Progress, &Histogram),
    stopped: watch::Receiver<bool>,
) {
    let store = loop {
        match Store::open(url).await {
            Ok(store) => break store,
            Err(error) => tracing::warn!(%error, "the store is tried again"),
        }
        let mut stopped = stopped.clone();
        if timeout(Duration::from_secs(1), stopped.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    };
    let statuses: Vec<Arc<Status>> = logs.iter().map(|_| Arc::default()).collect();
    shown.opened(statuses.clone());
    let drains = logs.iter().zip(&statuses).map(|(log, status)| {
        let (store, mut stopped) = (&store, stopped.clone());
        async move {
            let owner = Owner { log: log.no(), node: node.to_owned(), stale: STALE };
            let stop = async {
                drop(stopped.wait_for(|stop| *stop).await);
                let start = Instant::now();
                while start.elapsed() < CATCH_UP
                    && store.seq(log.no()).await.is_ok_and(|seq| seq < log.replied())
                {
                    sleep(Duration::from_millis(50)).await;
                }
            };
            if let Err(error) = share(store, &owner, |seq| Ok(log.after(seq)), status, timing, stop).await {
                tracing::error!(log = %log.no(), %error, "a log is not carried on; claims go on without it");
                shown.ended();
            }
        }
    });
    join_all(drains).await;
    store.close().await;
}

/// The node's id: made once, kept with what it told.
fn id(file: &Path) -> Result<String> {
    match fs::read_to_string(file) {
        Ok(id) => Ok(id.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = format!("{:016x}", rand::random::<u64>());
            let fresh = file.with_extension("fresh");
            fs::write(&fresh, &id)?;
            fs::File::open(&fresh)?.sync_all()?;
            fs::rename(&fresh, file)?;
            fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(id)
        }
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}
