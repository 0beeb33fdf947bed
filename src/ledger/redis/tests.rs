//! The scripts, held against a real server and against the machine.

mod headers;
mod node;
mod random;
mod refusals;
mod restore;
mod server;
mod shard;
mod sharing;
mod tills;
