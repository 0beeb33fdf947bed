//! The edge: connections, the router as a table of contents, and the public error contract.

pub mod accept;
pub mod body;
pub mod error;

pub use accept::Peer;
pub use error::Problem;
