use crate::domain::{
    At, IdentifierKind, KeyedHash, KindSet, PassNonce, PersonId, ProofId, RoundNo,
};
use serde::{Deserialize, Serialize};

/// A pass stands in the log of its person's shard, where it is spent.
///
/// Only in a ledger with a log of its own for identities, which has the [`Bound`] that comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The round the pass is for.
    pub round: RoundNo,
    /// The person it belongs to.
    pub person: PersonId,
    /// The pass.
    pub pass: PassNonce,
    /// The kinds the pass names.
    pub kinds: KindSet,
    /// The last instant of the pass, exclusive.
    pub expires_at: At,
}

impl From<&Bound> for Passed {
    fn from(bound: &Bound) -> Passed {
        let Bound { round, person, pass, kinds, expires_at, .. } = *bound;
        Passed { round, person, pass, kinds, expires_at }
    }
}

/// A pass was made: its proofs are spent and its identifiers belong to the person for the round
/// (R-WHO-3, R-RISK-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The round the pass is for.
    pub round: RoundNo,
    /// The person it belongs to.
    pub person: PersonId,
    /// The pass.
    pub pass: PassNonce,
    /// The kinds the pass names.
    pub kinds: KindSet,
    /// The last instant of the pass, exclusive.
    pub expires_at: At,
    /// The proofs that are spent by it: slider and image.
    pub proofs: [ProofId; 2],
    /// What is bound to the person by it.
    pub identifiers: [(IdentifierKind, KeyedHash); 4],
}
