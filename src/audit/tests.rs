//! Every check is broken alone, by a log that is sound but for one thing.

mod agreement;
mod client;
mod decisions;
mod elsewhere;
mod events;
mod journal;
mod log;
mod redeeming;
mod shards;
