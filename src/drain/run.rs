use super::{Drain, Error, MOST_ENTRIES, Source, Step};
use std::{future::Future, pin::pin, time::Duration};
use tokio::time::sleep;

/// How long a drain waits for more when less than a full batch was there: rows that come together
/// share pages, transactions and syncs, and nobody waits for the store.
const GATHER: Duration = Duration::from_millis(200);
/// So many new entries in that time are a rush: the store waits, since people want the cores.
const RUSH: u64 = 100;
/// How long it waits for a rush to pass; then it takes its share until it has caught up.
const MOST_RUSH: Duration = Duration::from_secs(20);
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
        let mut rush = Rush::default();
        loop {
            let pause = if rush.goes_on(self.source.end()) {
                self.status.ahead(self.source.end());
                GATHER
            } else {
                match self.step().await {
                    Ok(Step::Moved(MOST_ENTRIES)) => {
                        self.status.went_well();
                        Duration::ZERO
                    }
                    Ok(Step::Moved(_) | Step::Empty) => {
                        self.status.went_well();
                        rush.caught_up();
                        GATHER
                    }
                    Err(error) if error.may_pass() => {
                        let failures = self.status.failed();
                        tracing::warn!(%error, failures, "the drain tries again");
                        back_off(failures)
                    }
                    Err(error) => {
                        let log = self.cursor.log;
                        // Somebody else carries it: nobody needs to look.
                        if !error.is_lost() && !error.is_elsewhere() {
                            tracing::error!(%error, %log, "the drain has stopped");
                        }
                        return Err(error);
                    }
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

/// Whether people rush, as the drain sees it: entries come faster than on any other day.
#[derive(Debug, Default)]
struct Rush {
    /// The last entry when it was looked last; nothing is known before.
    end: Option<u64>,
    waited: Duration,
}

impl Rush {
    /// Looks again, [`GATHER`] after the last time.
    fn goes_on(&mut self, end: u64) -> bool {
        let before = self.end.replace(end).unwrap_or(end);
        let rush = end.saturating_sub(before) > RUSH && self.waited < MOST_RUSH;
        if rush {
            self.waited += GATHER;
        }
        rush
    }

    fn caught_up(&mut self) {
        self.waited = Duration::ZERO;
    }
}

fn back_off(failures: u64) -> Duration {
    let doubled = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (BACK_OFF * (1 << doubled)).min(MOST_BACK_OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_is_waited_for_and_not_for_ever() {
        let mut rush = Rush::default();
        assert!(!rush.goes_on(1_000_000), "how fast they came is not known at a start");
        let waited =
            (1..=1_000).take_while(|look| rush.goes_on(1_000_000 + look * (RUSH + 1))).count();
        assert_eq!(GATHER * u32::try_from(waited).unwrap(), MOST_RUSH);
        assert!(!rush.goes_on(3_000_000), "it goes on until it has caught up");
        rush.caught_up();
        assert!(rush.goes_on(4_000_000));
        assert!(!rush.goes_on(4_000_000 + RUSH), "that few are no rush");
    }
}
