//! The scripts, held against a real server and against the machine.

#[path = "../../../tests/model/commands.rs"]
mod commands;
#[path = "../../../tests/model/redeeming.rs"]
mod stories;

mod campaign;
mod fences;
mod headers;
mod limits;
mod moving;
mod node;
mod not_sent;
mod random;
mod redeeming;
mod refusals;
mod restore;
mod server;
mod shard;
mod sharing;
mod tills;
