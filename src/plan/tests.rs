//! The shipped plan, for tests of other parts.

use super::Plan;

/// The plan in `config/`.
pub(crate) fn shipped() -> Plan {
    Plan::from_toml(include_str!("../../config/xiangning-2023.toml")).unwrap().0
}
