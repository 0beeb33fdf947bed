use super::{Drain, Error, MOST, Source, Step};
use std::{future::Future, pin::pin, time::Duration};
use tokio::time::sleep;

/// How long a drain waits for more when less than a full batch was there: rows that come together
/// share pages, transactions and syncs, and nobody waits for the store.
const GATHER: Duration = Duration::from_millis(200);
/// How long it waits after the first failure; twice as long after each further one.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The longest it waits.
const MOST_BACK_OFF: Duration = Duration::from_secs(10);

impl<S: Source> Drain<S> {
    /// Moves batches until `stop` comes, or until an error that does not pass.
    ///
    /// `stop` takes effect between two batches; what is durable by then stays for the next run.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let mut stop = pin!(stop);
        loop {
            let pause = match self.step().await {
                Ok(done) => {
                    self.status.went_well();
                    match done {
                        Step::Moved(MOST) => Duration::ZERO,
                        Step::Moved(_) | Step::Empty => GATHER,
                    }
                }
                Err(error) if error.may_pass() => {
                    let failures = self.status.failed();
                    tracing::warn!(%error, failures, "the drain tries again");
                    back_off(failures)
                }
                Err(error) => {
                    tracing::error!(%error, "the drain has stopped");
                    return Err(error);
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = sleep(pause) => {}
            }
        }
    }
}

fn back_off(failures: u64) -> Duration {
    let doubled = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (BACK_OFF * (1 << doubled)).min(MOST_BACK_OFF)
}
