//! The scripts, held against a real server and against the machine.

mod campaign;
mod fences;
mod headers;
mod limits;
mod moving;
mod node;
mod not_sent;
mod random;
mod refusals;
mod restore;
mod server;
mod shard;
mod sharing;
mod tills;
