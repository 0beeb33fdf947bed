use serde::{Deserialize, Serialize};

/// Issuing stopped or went on (R-RISK-3, I7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interlock {
    /// Nothing is granted from here on.
    Tripped,
    /// Granting goes on.
    Resumed,
}
