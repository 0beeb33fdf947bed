//! The drain beside a server: its own thread, which opens the store and carries the journal on.

use super::{Drain, Error, Following, Status, Step};
use crate::data::DataFolder;
use crate::ledger::journal::Folder;
use crate::store::{LogNo, Store, StoreUrl};
use metrics::Histogram;
use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

/// How long a server that stops waits for the store to catch up; the next start carries on.
const CATCH_UP: Duration = Duration::from_mins(1);

/// How long a store that does not open is left alone.
const AGAIN: Duration = Duration::from_secs(1);

/// People's requests come first on a core that this thread wants too; the store's own threads take that over. Refused,
/// it stays as it is.
pub(crate) fn people_first() {
    const BEHIND: i32 = 10;
    let _ = rustix::process::nice(BEHIND);
}

/// A drain at work.
#[derive(Debug)]
pub struct DrainThread {
    stop: watch::Sender<bool>,
    progress: Progress,
    thread: JoinHandle<()>,
}

/// How far a server's drains are, as others see them.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    statuses: OnceLock<Vec<Arc<Status>>>,
    ended: AtomicBool,
}

impl Progress {
    /// The numbers of each drain; none while the store is not open.
    pub fn statuses(&self) -> &[Arc<Status>] {
        self.0.statuses.get().map_or(&[], Vec::as_slice)
    }

    /// Whether something is not carried on any more, for good.
    pub fn stopped(&self) -> bool {
        self.0.ended.load(Relaxed)
    }

    /// The store is open, and these carry the logs on.
    pub(crate) fn opened(&self, statuses: Vec<Arc<Status>>) {
        // They stay the same as long as the server runs.
        let _ = self.0.statuses.set(statuses);
    }

    /// Something is not carried on any more.
    pub(crate) fn ended(&self) {
        self.0.ended.store(true, Relaxed);
    }
}

impl DrainThread {
    /// Starts to carry the journal in `data`, durable up to `durable`, to the store beside it;
    /// `timing` is told how long each batch takes.
    pub fn start(
        data: DataFolder,
        durable: Arc<AtomicU64>,
        timing: Histogram,
    ) -> io::Result<DrainThread> {
        let (stop, stopped) = watch::channel(false);
        let progress = Progress::default();
        let shown = progress.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("drain".into());
        let thread = thread.spawn(move || {
            people_first();
            if let Err(error) = runtime.block_on(work(&data, durable, timing, &shown, stopped)) {
                tracing::error!(%error, "the store is not carried on; claims go on without it");
            }
            shown.ended();
        })?;
        Ok(DrainThread { stop, progress, thread })
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Carries on what is durable by now and ends.
    pub fn stop(self) {
        self.stop.send_replace(true);
        // A thread that panicked has said so.
        let _ = self.thread.join();
    }
}

/// A drain that owns the log's cursor, when it can be had; `None` if told to stop before.
async fn opened(
    store: &mut Option<Store>,
    data: &DataFolder,
    durable: &Arc<AtomicU64>,
    status: &Arc<Status>,
    stopped: &mut watch::Receiver<bool>,
) -> Result<Option<Drain<Following<Folder>>>, Error> {
    loop {
        match open(store, data, durable, status).await {
            Ok(drain) => return Ok(Some(drain)),
            Err(error) if error.may_pass() => tracing::warn!(%error, "the store is tried again"),
            Err(error) => return Err(error),
        }
        if timeout(AGAIN, stopped.wait_for(|stop| *stop)).await.is_ok() {
            return Ok(None);
        }
    }
}

async fn open(
    store: &mut Option<Store>,
    data: &DataFolder,
    durable: &Arc<AtomicU64>,
    status: &Arc<Status>,
) -> Result<Drain<Following<Folder>>, Error> {
    let disk = Folder::open(&data.journal()).map_err(Error::folder)?;
    let opened = match store {
        Some(store) => store,
        None => {
            store.insert(Store::open(&StoreUrl::File(data.store())).await.map_err(Error::opening)?)
        }
    };
    let cursor = opened.take(LogNo::EMBEDDED, "").await.map_err(Error::opening)?;
    let source = Following::new(disk, cursor.seq, Arc::clone(durable));
    Drain::with(opened.clone(), cursor, source, Arc::clone(status)).await
}

async fn work(
    data: &DataFolder,
    durable: Arc<AtomicU64>,
    timing: Histogram,
    progress: &Progress,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Error> {
    let mut store = None;
    let status = Arc::<Status>::default();
    let mut drain = loop {
        let Some(drain) = opened(&mut store, data, &durable, &status, &mut stopped).await? else {
            return Ok(());
        };
        let mut drain = drain.timed(timing.clone());
        progress.opened(vec![Arc::clone(&status)]);
        let stop = async { drop(stopped.wait_for(|stop| *stop).await) };
        match drain.run(stop).await {
            Ok(()) => break drain,
            Err(error) if error.is_elsewhere() => {
                let failures = status.failed();
                tracing::error!(%error, failures, "taken anew");
                if timeout(AGAIN, stopped.wait_for(|stop| *stop)).await.is_ok() {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    };
    let rest = async {
        while drain.step().await? != Step::Empty {}
        Ok(())
    };
    let rest = timeout(CATCH_UP, rest).await.unwrap_or(Ok(()));
    drop(drain);
    if let Some(store) = store {
        store.close().await;
    }
    rest
}
