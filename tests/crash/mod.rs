//! The real server, killed, starved and cut off from power while a crowd rushes it.

pub(crate) mod book;
pub(crate) mod crowd;
pub(crate) mod cycle;
pub(crate) mod flips;
pub(crate) mod journal;
pub(crate) mod link;
pub(crate) mod server;
pub(crate) mod shim;
pub(crate) mod tally;
pub(crate) mod world;

use std::{
    env,
    fmt::Display,
    io::{self, Write},
    time::{Duration, Instant},
};

/// A number from the environment.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().expect("a whole number"))
}

/// Tells people what they must see; the test harness would hide what `println!` says.
pub(crate) fn tell(what: impl Display) {
    let _ = writeln!(io::stderr(), "{what}");
}

/// Waits until `done`, not for ever.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}
