//! The drain beside a server: its own thread, which opens the store and carries the journal on.

use super::{Drain, Error, Following, Status, Step};
use crate::data::DataFolder;
use crate::ledger::journal::Folder;
use crate::store::{SHARD, Store};
use metrics::Histogram;
use std::{
    io,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

/// How long a server that stops waits for the store to catch up; the next start carries on.
const CATCH_UP: Duration = Duration::from_mins(1);

/// How long a store that does not open is left alone.
const AGAIN: Duration = Duration::from_secs(1);

/// A drain at work.
#[derive(Debug)]
pub struct DrainThread {
    stop: watch::Sender<bool>,
    progress: Progress,
    thread: JoinHandle<()>,
}

/// How far a drain is, as others see it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<OnceLock<Arc<Status>>>);

impl Progress {
    /// The drain's numbers; `None` while the store is not open.
    pub fn status(&self) -> Option<&Status> {
        self.0.get().map(AsRef::as_ref)
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
            if let Err(error) = runtime.block_on(work(&data, durable, timing, &shown, stopped)) {
                tracing::error!(%error, "the store is not carried on; claims go on without it");
            }
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

/// The store, when it opens; `None` if told to stop before.
async fn opened(
    data: &DataFolder,
    stopped: &mut watch::Receiver<bool>,
) -> Result<Option<Store>, Error> {
    loop {
        match Store::open(&data.store()).await.map_err(Error::opening) {
            Ok(store) => return Ok(Some(store)),
            Err(error) if error.may_pass() => tracing::warn!(%error, "the store is tried again"),
            Err(error) => return Err(error),
        }
        if timeout(AGAIN, stopped.wait_for(|stop| *stop)).await.is_ok() {
            return Ok(None);
        }
    }
}

async fn work(
    data: &DataFolder,
    durable: Arc<AtomicU64>,
    timing: Histogram,
    progress: &Progress,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Error> {
    let Some(store) = opened(data, &mut stopped).await? else { return Ok(()) };
    let disk = Folder::open(&data.journal()).map_err(Error::folder)?;
    let source = |seq| Ok(Following::new(disk, seq, durable));
    let mut drain = Drain::open(store.clone(), SHARD, source).await?.timed(timing);
    let _ = progress.0.set(drain.status());
    let stop = async { drop(stopped.wait_for(|stop| *stop).await) };
    drain.run(stop).await?;
    let rest = async {
        while drain.step().await? != Step::Empty {}
        Ok(())
    };
    let rest = timeout(CATCH_UP, rest).await.unwrap_or(Ok(()));
    drop(drain);
    store.close().await;
    rest
}
