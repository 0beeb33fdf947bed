//! How many coupons the rounds that are left could put out: a proposal, for people to decide (R-ADJ-1).
//!
//! # What always holds
//!
//! - A proposal is made of its [`Figures`] alone: the same figures make the same proposal, anywhere.
//! - Of each pool, what a round would put out is at most what is available divided by the rounds left, so all of
//!   them together promise no more than there is (R-FUND-2).
//! - All is counted in whole numbers of any size; nothing is rounded but the units, and those down.
//!
//! # Not here
//!
//! A proposal changes nothing. Two persons decide on it, or on other numbers, and the ledger then compares its
//! version and its money. Available money comes from the ledger's funds, the counts of ended rounds from its levels:
//! whoever asks fills [`Figures`] from both at one entry of the log.

mod simulate;
mod svg;
mod table;
#[cfg(test)]
mod tests;

pub use simulate::{
    Assumed, Course, KindAssumed, NotARate, PoolCourse, Rate, Simulation, Step, simulate,
};
pub use svg::svg;
pub use table::table;

use crate::domain::{Fen, MOST_UNITS, PoolNo, RoundNo};
use num_bigint::BigUint;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a proposal is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// The campaign.
    pub campaign: String,
    /// The first round that is not armed.
    pub next: RoundNo,
    /// That round and those after it.
    pub rounds_left: u8,
    /// The version of the quantities that stand now.
    pub version: u32,
    /// The pools, in the order of their numbers.
    pub pools: Vec<PoolFigures>,
    /// The kinds, in the order of their numbers.
    pub kinds: Vec<KindFigures>,
}

/// What is known of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolFigures {
    /// Its name.
    pub name: String,
    /// What is promised to nobody.
    pub available: Fen,
}

/// What is known of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindFigures {
    /// Its name.
    pub name: String,
    /// The pool it is paid from.
    pub pool: PoolNo,
    /// What one costs the pool.
    pub face: Fen,
    /// How many the plan puts out in a round (R-QTY-1).
    pub usual: u32,
    /// How many the next round would put out as things stand.
    pub before: u32,
    /// How many were granted in the rounds that ended.
    pub granted: u64,
    /// How many of those were redeemed.
    pub redeemed: u64,
}

/// What the engine proposes for each of the rounds left. It is made anew when more is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The campaign.
    pub campaign: String,
    /// The first round it is for.
    pub next: RoundNo,
    /// That round and those after it.
    pub rounds_left: u8,
    /// The version of the quantities that it would replace: if another one stands by then, it is void.
    pub version: u32,
    /// Why it was asked for, in the words of whoever did.
    pub reason: String,
    /// What it does to each pool.
    pub pools: Vec<PoolShare>,
    /// What it proposes for each kind.
    pub kinds: Vec<KindProposal>,
}

/// What a proposal takes of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolShare {
    /// The pool's name.
    pub name: String,
    /// What is promised to nobody.
    pub available: Fen,
    /// What a round may put out: the available money divided by the rounds left, rounded down.
    pub a_round: Fen,
    /// What a round would put out.
    pub put_out: Fen,
}

/// What a proposal says of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindProposal {
    /// The kind's name.
    pub name: String,
    /// The pool it is paid from.
    pub pool: PoolNo,
    /// What one costs the pool.
    pub face: Fen,
    /// How many the next round would put out as things stand.
    pub before: u32,
    /// How many each round would put out.
    pub proposed: u32,
    /// Why that many.
    pub why: Why,
}

/// The figures behind a kind's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// How many the plan puts out in a round.
    pub usual: u32,
    /// How many were granted in the rounds that ended.
    pub granted: u64,
    /// How many of those were redeemed.
    pub redeemed: u64,
    /// What the kind has of its pool, in millionths, rounded down.
    pub share_ppm: u32,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Why { usual, granted, redeemed, share_ppm } = self;
        let (whole, rest) = (share_ppm / 10_000, share_ppm % 10_000 / 100);
        write!(
            f,
            "{redeemed} of {granted} granted were redeemed, the plan puts out {usual}: \
             {whole}.{rest:02} % of the pool"
        )
    }
}

/// Why there is no proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody says why.
    #[error("a proposal needs a reason")]
    NoReason,
    /// Every round is armed.
    #[error("no round is left that is not armed")]
    NoRoundLeft,
    /// A kind is paid from a pool that is not there.
    #[error("kind {0}: there is no such pool")]
    PoolUnknown(String),
    /// A kind costs nothing.
    #[error("kind {0}: a coupon is worth nothing")]
    Worthless(String),
    /// The counts contradict each other.
    #[error("kind {0}: more are redeemed than were granted")]
    RedeemedUngranted(String),
}

impl Proposal {
    /// Whether this is what `figures` make: one that came from elsewhere may have been altered, or be of yesterday.
    pub fn is_of(&self, figures: &Figures) -> bool {
        propose(figures, &self.reason).as_ref() == Ok(self)
    }
}

/// Proposes quantities for the rounds left: of kind k, available / rounds left x `w_k` / face, rounded down.
///
/// `w_k` is usual x face x (redeemed + 1) / (granted + 2), as a part of its sum over the pool: what the plan gives the
/// kind, weighed by how many of those granted are used. The one and the two stand for what is not known
/// while few were granted.
pub fn propose(figures: &Figures, reason: &str) -> Result<Proposal, Fault> {
    if reason.trim().is_empty() {
        return Err(Fault::NoReason);
    }
    if figures.rounds_left == 0 {
        return Err(Fault::NoRoundLeft);
    }
    for kind in &figures.kinds {
        check(kind, figures.pools.len())?;
    }
    let kinds: Vec<KindProposal> =
        figures.kinds.iter().enumerate().map(|(no, kind)| one(no, kind, figures)).collect();
    let pools = (0..).zip(&figures.pools).map(|(no, pool)| {
        let a_round = Fen::new(pool.available.get() / u64::from(figures.rounds_left));
        let mine = kinds.iter().filter(|kind| usize::from(kind.pool.0) == no);
        let put_out = mine.map(|it| it.face.get().saturating_mul(it.proposed.into()));
        let put_out = Fen::new(put_out.fold(0, u64::saturating_add));
        PoolShare { name: pool.name.clone(), available: pool.available, a_round, put_out }
    });
    Ok(Proposal {
        campaign: figures.campaign.clone(),
        next: figures.next,
        rounds_left: figures.rounds_left,
        version: figures.version,
        reason: reason.to_owned(),
        pools: pools.collect(),
        kinds,
    })
}

fn check(kind: &KindFigures, pools: usize) -> Result<(), Fault> {
    let name = || kind.name.clone();
    if usize::from(kind.pool.0) >= pools {
        return Err(Fault::PoolUnknown(name()));
    }
    if kind.face == Fen::ZERO {
        return Err(Fault::Worthless(name()));
    }
    if kind.redeemed > kind.granted {
        return Err(Fault::RedeemedUngranted(name()));
    }
    Ok(())
}

fn one(no: usize, kind: &KindFigures, figures: &Figures) -> KindProposal {
    let KindFigures { pool, face, usual, before, granted, redeemed, .. } = *kind;
    let available = figures.pools.get(usize::from(pool.0)).map_or(Fen::ZERO, |it| it.available);
    let (mut weight, mut all) = (BigUint::ZERO, BigUint::ZERO);
    for (it, its) in weights(pool, &figures.kinds) {
        all += &its;
        if it == no {
            weight = its;
        }
    }
    let part = |amount: BigUint, parts: BigUint| {
        if all == BigUint::ZERO { BigUint::ZERO } else { amount * &weight / (parts * &all) }
    };
    let units = part(available.get().into(), BigUint::from(figures.rounds_left) * face.get());
    let proposed = u32::try_from(units).unwrap_or(MOST_UNITS).min(MOST_UNITS);
    // A part of a whole is at most a million millionths.
    let share_ppm = u32::try_from(part(1_000_000_u32.into(), 1_u32.into())).unwrap_or(1_000_000);
    let why = Why { usual, granted, redeemed, share_ppm };
    KindProposal { name: kind.name.clone(), pool, face, before, proposed, why }
}

/// The weights of a pool's kinds, all times the product of their (granted + 2), so that they are whole.
fn weights(pool: PoolNo, kinds: &[KindFigures]) -> Vec<(usize, BigUint)> {
    let mine = || kinds.iter().enumerate().filter(|(_, kind)| kind.pool == pool);
    let weigh = |(no, kind): (usize, &KindFigures)| {
        let redeemed = BigUint::from(kind.redeemed) + 1_u32;
        let own = redeemed * kind.face.get() * kind.usual;
        let others = mine().filter(|(other, _)| *other != no);
        let granted = others.map(|(_, other)| BigUint::from(other.granted) + 2_u32);
        (no, granted.fold(own, |product, factor| product * factor))
    };
    mine().map(weigh).collect()
}
