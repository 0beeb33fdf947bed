use crate::domain::{KindNo, PoolNo, RoundNo, Window};
use serde::{Deserialize, Serialize};

/// Something moves from one shard of a campaign to another: sent in one log, received in the other.
///
/// `number` counts from 1 for each pair, and a shard receives them in that order: so a transfer whose
/// middle was interrupted can be told from a finished one, and done once by whoever finds it. The money
/// that goes with it is a posting of the same entry, out to and in from the treasury's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The other shard: where it goes, or where it comes from.
    pub peer: u8,
    /// Its number among those of this pair, from 1.
    pub number: u32,
    /// What moves.
    pub load: Load,
}

/// What moves between shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Load {
    /// Units that nobody claimed yet, with the money set aside for them.
    Stock {
        /// The round.
        round: RoundNo,
        /// Its window, for a shard that has nothing of the round yet.
        window: Window,
        /// The kind.
        kind: KindNo,
        /// How many.
        units: u32,
    },
    /// Money that is not promised to anybody.
    Funds {
        /// Its pool.
        pool: PoolNo,
    },
}
