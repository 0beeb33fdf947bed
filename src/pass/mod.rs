//! What a person must show before a claim is looked at.

pub mod fix;

pub use fix::{FixKeyError, FixKeys};
