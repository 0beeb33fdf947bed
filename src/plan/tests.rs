//! The shipped plan, for tests of other parts.

use super::Plan;
use std::path::Path;

/// The plan in `config/`.
pub(crate) fn shipped() -> Plan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/xiangning-2023.toml");
    Plan::load(&file).unwrap().unwrap().0
}
