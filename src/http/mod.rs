//! The edge: connections, the router as a table of contents, and the public error contract.

pub mod accept;
pub mod body;
pub mod error;
pub mod measured;
pub mod openapi;
pub mod ops;
mod patience;
pub mod router;

pub use accept::Peer;
pub use body::{Json, JsonText};
pub use error::Problem;

use axum::http::{HeaderMap, header};

/// The token of `Authorization: Bearer`, if one came.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
