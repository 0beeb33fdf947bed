//! The edge under attack: the real server, hostile peers on raw sockets, and honest ones in between.
//!
//! `QUAN_HOSTILE_REQUESTS` says how many hostile requests are sent, `QUAN_HOSTILE_SEED` which.

#![expect(clippy::indexing_slicing, reason = "a test that reaches beyond an end should fail")]

#[path = "common"]
mod common {
    pub(crate) mod host;
    pub(crate) mod plan;
    pub(crate) mod server;
}
#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/assault.rs"]
mod assault;
#[path = "hostile/attacks.rs"]
mod attacks;
#[path = "hostile/contract.rs"]
mod contract;
#[path = "hostile/patience.rs"]
mod patience;
#[path = "hostile/person.rs"]
mod person;
#[path = "hostile/places.rs"]
mod places;
#[path = "hostile/server.rs"]
mod server;
#[path = "hostile/stop.rs"]
mod stop;
#[path = "hostile/two.rs"]
mod two;
#[path = "hostile/wire.rs"]
mod wire;

use std::time::Duration;

/// What a busy machine may add to a limit.
const MARGIN: Duration = Duration::from_secs(3);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[track_caller]
fn within(took: Duration, limit: Duration) {
    assert!(took + ms(5) >= limit && took < limit + MARGIN, "{took:?} where {limit:?} are allowed");
}
