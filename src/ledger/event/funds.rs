use crate::domain::{Fen, PoolNo, Shard};
use serde::{Deserialize, Serialize};

/// A campaign was opened. Its kinds and pools keep these numbers for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The campaign's name in its plan and in every path.
    pub name: String,
    /// Its pools by name, in the order of their numbers.
    pub pools: Vec<String>,
    /// Its kinds, in the order of their numbers.
    pub kinds: Vec<KindTerms>,
    /// Whose log this is: each shard's begins with the same opening, and the budget stands in the first's.
    pub shard: Shard,
}

/// What the ledger has to know of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindTerms {
    /// The kind's name in the plan.
    pub name: String,
    /// The pool that pays for it.
    pub pool: PoolNo,
    /// What one coupon costs the pool (R-FUND-4).
    pub face: Fen,
    /// The least order amount, inclusive (R-KIND-2); zero if it was not written down when the campaign was opened.
    pub threshold: Fen,
}

impl KindTerms {
    /// Whether a campaign that was opened with these is the one of a plan with `planned`: openings of old did not
    /// write thresholds down.
    pub fn are(&self, planned: &KindTerms) -> bool {
        let old = KindTerms { threshold: Fen::ZERO, ..planned.clone() };
        *self == *planned || *self == old
    }
}

impl Opened {
    /// Whether it is this opening, thresholds apart if it did not write them down.
    pub fn is(&self, planned: &Opened) -> bool {
        let kinds = self.kinds.len() == planned.kinds.len()
            && self.kinds.iter().zip(&planned.kinds).all(|(kind, planned)| kind.are(planned));
        let Opened { name, pools, kinds: _, shard } = self;
        kinds && (name, pools, shard) == (&planned.name, &planned.pools, &planned.shard)
    }
}
