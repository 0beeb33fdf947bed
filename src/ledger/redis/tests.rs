//! The scripts, held against a real server and against the machine.

#[path = "../../../tests/model/commands.rs"]
mod commands;
#[path = "../../../tests/model/redeeming.rs"]
mod stories;

mod headers;
mod node;
mod random;
mod redeeming;
mod refusals;
mod restore;
mod server;
mod shard;
mod sharing;
mod tills;
