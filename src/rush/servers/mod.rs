//! Private servers for a rush and for tests: on loopback, ended with whoever started them.
//!
//! # What always holds
//!
//! - A server's process ends when its handle is dropped, and when this process ends in any way.
//! - What Redis has acknowledged is on its disk (`appendfsync always`), unless a test asks otherwise.

mod cluster;
mod postgres;
mod process;
mod redis;

pub use cluster::{RedisCluster, Role};
pub use postgres::Postgres;
pub use redis::{RedisServer, Settings};

use anyhow::{Result, bail};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a server may take for what it is asked to do.
const DONE_WITHIN: Duration = Duration::from_mins(1);

/// Looks every few milliseconds until `look` finds something; `what` says what was waited for.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > DONE_WITHIN {
            bail!("waited {} s in vain until {what}", DONE_WITHIN.as_secs());
        }
        sleep(Duration::from_millis(20));
    }
}
