//! A log that several nodes may carry: one at a time does, the others wait.

use super::{Drain, Error, Source, SourceError, Status};
use crate::store::{self, Cursor, LogNo, Store};
use metrics::Histogram;
use std::{future::Future, pin::pin, sync::Arc, time::Duration};
use tokio::time::sleep;

/// On whose behalf a log is carried.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The log.
    pub log: LogNo,
    /// The node's id.
    pub node: String,
    /// After so long without a word from its owner the log is anybody's.
    pub stale: Duration,
}

/// Carries a log on whenever this node may, until `stop` comes or an error does not pass.
///
/// `source` is made to begin after the seq it is told, each time the node gets the log. A node
/// that lost it goes back to waiting.
pub async fn share<S: Source>(
    store: &Store,
    owner: &Owner,
    mut source: impl FnMut(u64) -> Result<S, SourceError>,
    status: &Arc<Status>,
    timing: &Histogram,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut stop = pin!(stop);
    loop {
        let held = store.try_take(owner.log, &owner.node, owner.stale).await;
        let ended = match held.map_err(Error::opening) {
            Ok(Some(cursor)) => {
                let carried = async {
                    let source = source(cursor.seq).map_err(Error::Source)?;
                    let status = Arc::clone(status);
                    let mut drain = Drain::with(store.clone(), cursor, source, status).await?;
                    drain = drain.timed(timing.clone());
                    tokio::select! {
                        ran = drain.run(&mut stop) => ran,
                        lost = renewing(store, cursor, owner.stale / 3) => Err(lost),
                    }
                };
                let ended = carried.await;
                if ended.as_ref().err().is_none_or(Error::is_lost) {
                    // Somebody else carries it: what waits there is not for this node to say.
                    status.left();
                }
                if ended.is_ok() {
                    return store.release(cursor).await.map_err(Error::opening);
                }
                ended
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match ended {
            Err(error) if error.is_lost() => tracing::info!(log = %owner.log, %error, "waiting"),
            Err(error) if error.is_elsewhere() => {
                let failures = status.failed();
                tracing::error!(log = %owner.log, %error, failures, "taken anew");
            }
            Err(error) if error.may_pass() => tracing::warn!(log = %owner.log, %error, "again"),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            () = sleep(owner.stale / 3) => {}
        }
    }
}

/// Says now and then that the owner is alive; ends when it is not the owner any more.
async fn renewing(store: &Store, cursor: Cursor, every: Duration) -> Error {
    loop {
        sleep(every).await;
        match store.renew(cursor).await {
            Err(error @ store::Error::Lost { .. }) => return Error::opening(error),
            // Its writes fail if it lost the log meanwhile.
            Err(error) => tracing::warn!(log = %cursor.log, %error, "the cursor is not renewed"),
            Ok(()) => {}
        }
    }
}
