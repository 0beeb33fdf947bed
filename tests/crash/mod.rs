//! The real server, killed, starved and cut off from power while a crowd rushes it.

pub(crate) mod cycle;
pub(crate) mod flips;
pub(crate) mod journal;
pub(crate) mod server;
pub(crate) mod shim;
pub(crate) mod tally;
pub(crate) mod world;
