//! Somebody who counts in Redis, and what they were told.

use redis::{Connection, RedisResult, cmd, pipe};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
};

/// The key that is counted up.
pub(crate) const KEY: &str = "counted";
/// Milliseconds that one WAIT takes at most.
const WAIT_MS: u32 = 50;

/// A thread that counts until its connection or its server fails it.
pub(crate) struct Counter {
    told: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Counter {
    /// Counts, and takes a number for told when that many replicas have it.
    pub(crate) fn start(mut connection: Connection, replicas: u32) -> Counter {
        let told = Arc::new(AtomicI64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (noted, over) = (Arc::clone(&told), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !over.load(SeqCst) {
                match count(&mut connection, replicas) {
                    Ok((number, having)) if having >= replicas => noted.store(number, SeqCst),
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        Counter { told, stop, thread }
    }

    /// The last number that it was told.
    pub(crate) fn told(&self) -> i64 {
        self.told.load(SeqCst)
    }

    /// Whether it was failed.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it; the last number that it was told.
    pub(crate) fn end(self) -> i64 {
        self.stop.store(true, SeqCst);
        self.thread.join().expect("it only counts");
        self.told.load(SeqCst)
    }
}

fn count(connection: &mut Connection, replicas: u32) -> RedisResult<(i64, u32)> {
    if replicas == 0 {
        return Ok((cmd("INCR").arg(KEY).query(connection)?, 0));
    }
    let mut both = pipe();
    both.cmd("INCR").arg(KEY).cmd("WAIT").arg(replicas).arg(WAIT_MS);
    both.query(connection)
}
