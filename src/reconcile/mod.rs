//! Whether ledger, store, settlement and payment channel say the same of every redemption and refund (R-AUDIT-1).
//!
//! The ledger is *here*; each of the others is compared with it, row by row, and each difference has a type and both
//! sides' values. Nothing is mended: a difference of money is for people.
//!
//! # What always holds
//!
//! - A row is known by its merchant and its id, so money that goes to another merchant is missing here and there.
//! - What is done must be known on both sides. What is not done (a lock, a payment that failed) only ledger and store
//!   must both know: the others may never have heard of it.
//! - What happened at or after [`Bounds::until`] may still be on its way: it is counted as awaited, not as missing.
//!
//! # Not here
//!
//! All sides are plain rows. The ledger's come from the [books](crate::books), the store's from its tables of redemptions
//! and refunds, the settlement's from the files of its batches ([`crate::settle`]), the channel's from its file
//! ([`channel`]); [`sides`] makes them.

pub mod channel;
pub mod close;
mod difference;
pub mod round;
pub mod sides;
#[cfg(test)]
mod tests;

pub use difference::{Difference, Kind};

use crate::domain::{At, Fen, MerchantNo, RedemptionId, RefundId};
use serde::{Deserialize, Serialize, Serializer};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    /// A redemption.
    Redemption(RedemptionId),
    /// A refund.
    Refund(RefundId),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, bytes) = match self {
            Id::Redemption(id) => ("redemption", id.0),
            Id::Refund(id) => ("refund", id.0),
        };
        write!(f, "{word} {:032x}", u128::from_be_bytes(bytes))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// What a row is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Key {
    /// Whose order it is.
    pub merchant: MerchantNo,
    /// What it is about.
    pub id: Id,
}

/// What a side says of a redemption or refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Row {
    /// What it is known by.
    pub key: Key,
    /// The coupon's face, or what of it is taken back.
    pub fen: Fen,
    /// How far it is.
    pub state: State,
    /// When this side had it so.
    pub at: At,
}

/// How far a redemption or refund is, in words of all sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Locked; pending.
    Open,
    /// Confirmed; refunded; settled; paid.
    Done,
    /// Released; failed.
    Undone,
}

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The ledger: what counts.
    Ledger,
    /// The SQL store.
    Store,
    /// The batches.
    Settlement,
    /// Whoever moved the consumer's money.
    Channel,
}

impl Side {
    /// All but the ledger.
    pub const OTHERS: [Side; 3] = [Side::Store, Side::Settlement, Side::Channel];

    /// Whether it knows what is not done, too.
    const fn knows_all(self) -> bool {
        matches!(self, Side::Ledger | Side::Store)
    }
}

/// All rows that each side has. `None`: it said nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// The ledger's.
    pub ledger: Vec<Row>,
    /// The store's.
    pub store: Option<Vec<Row>>,
    /// The batches'.
    pub settlement: Option<Vec<Row>>,
    /// The payment channel's.
    pub channel: Option<Vec<Row>>,
}

impl Sides {
    fn of(&self, side: Side) -> Option<&[Row]> {
        match side {
            Side::Ledger => Some(&self.ledger),
            Side::Store => self.store.as_deref(),
            Side::Settlement => self.settlement.as_deref(),
            Side::Channel => self.channel.as_deref(),
        }
    }
}

/// From where on something is a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What happened at or after this instant may still be on its way.
    pub until: At,
    /// How far the store's instants may be from the ledger's.
    pub store_ms: u64,
    /// The settlement's.
    pub settlement_ms: u64,
    /// The channel's.
    pub channel_ms: u64,
    /// Whose settlement is stopped: what the batches have not of theirs is counted as held.
    pub held: BTreeSet<MerchantNo>,
    /// What no batch could have yet: it came after the last one, or nothing was due with it.
    pub unsettled: BTreeSet<Key>,
}

impl Bounds {
    fn apart_ms(&self, side: Side) -> u64 {
        match side {
            Side::Ledger => 0,
            Side::Store => self.store_ms,
            Side::Settlement => self.settlement_ms,
            Side::Channel => self.channel_ms,
        }
    }
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many rows each side has that said anything, the ledger first.
    pub rows: BTreeMap<Side, usize>,
    /// Who said nothing.
    pub silent: Vec<Side>,
    /// In the order of sides and keys.
    pub differences: Vec<Difference>,
    /// How many may still be on their way.
    pub awaited: u64,
    /// How many are in no batch since the merchant's settlement is stopped.
    pub held: u64,
}

impl Report {
    /// Whether every side was compared and nothing differs.
    pub fn is_clean(&self) -> bool {
        self.silent.is_empty() && self.differences.is_empty()
    }
}

/// Compares every side with the ledger.
pub fn reconcile(sides: &Sides, bounds: &Bounds) -> Report {
    let mut report = Report {
        rows: BTreeMap::new(),
        silent: Vec::new(),
        differences: Vec::new(),
        awaited: 0,
        held: 0,
    };
    let ledger = by_key(&sides.ledger);
    report.rows.insert(Side::Ledger, sides.ledger.len());
    for side in Side::OTHERS {
        let Some(rows) = sides.of(side) else {
            report.silent.push(side);
            continue;
        };
        report.rows.insert(side, rows.len());
        let there = by_key(rows);
        let mut keys: Vec<Key> = ledger.keys().chain(there.keys()).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let none = Vec::new();
            let (here, there) =
                (ledger.get(&key).unwrap_or(&none), there.get(&key).unwrap_or(&none));
            let pair = Pair { side, key, here, there };
            pair.compare(bounds, &mut report);
        }
    }
    report
}

fn by_key(rows: &[Row]) -> BTreeMap<Key, Vec<Row>> {
    let mut map: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
    for row in rows {
        map.entry(row.key).or_default().push(*row);
    }
    for rows in map.values_mut() {
        rows.sort_unstable();
    }
    map
}

fn apart_ms(a: &Row, b: &Row) -> u64 {
    a.at.0.abs_diff(b.at.0)
}

/// What ledger and another side say of one key.
struct Pair<'a> {
    side: Side,
    key: Key,
    here: &'a [Row],
    there: &'a [Row],
}

impl Pair<'_> {
    fn compare(&self, bounds: &Bounds, report: &mut Report) {
        let mut kinds = match (self.closest(), self.here, self.there) {
            (Some((here, there)), ..) => self.differ(here, there, bounds, report),
            (None, [row, ..], _) => self.missing(row, Kind::MissingThere, bounds, report),
            (None, _, [row, ..]) => self.missing(row, Kind::MissingHere, bounds, report),
            (None, [], []) => Vec::new(),
        };
        if self.here.len() > 1 || self.there.len() > 1 {
            kinds.push(Kind::Doubled);
        }
        report.differences.extend(kinds.into_iter().map(|kind| self.difference(kind)));
    }

    /// The row of each side to compare: of those that are there twice, the ones that differ least.
    fn closest(&self) -> Option<(&Row, &Row)> {
        let both =
            self.here.iter().flat_map(|here| self.there.iter().map(move |there| (here, there)));
        both.min_by_key(|(here, there)| {
            (here.fen != there.fen, here.state != there.state, apart_ms(here, there))
        })
    }

    fn differ(&self, here: &Row, there: &Row, bounds: &Bounds, report: &mut Report) -> Vec<Kind> {
        let mut kinds = Vec::new();
        if here.fen != there.fen {
            kinds.push(Kind::Amount);
        }
        let young = here.at.max(there.at) >= bounds.until;
        match (here.state, there.state) {
            (a, b) if a == b => {}
            (State::Open, _) | (_, State::Open) if young => report.awaited += 1,
            (_, State::Done) if self.side == Side::Channel => kinds.push(Kind::PaidUnconfirmed),
            _ => kinds.push(Kind::State),
        }
        if apart_ms(here, there) > bounds.apart_ms(self.side) {
            kinds.push(Kind::Late);
        }
        kinds
    }

    /// What it is that only one side has `row`.
    fn missing(&self, row: &Row, kind: Kind, bounds: &Bounds, report: &mut Report) -> Vec<Kind> {
        if row.state != State::Done && !self.side.knows_all() {
            return Vec::new();
        }
        // What moved no money the channel has no row of.
        if self.side == Side::Channel && row.fen == Fen::ZERO {
            return Vec::new();
        }
        let unsettled = self.side == Side::Settlement && kind == Kind::MissingThere;
        if row.at >= bounds.until || (unsettled && bounds.unsettled.contains(&row.key)) {
            report.awaited += 1;
            return Vec::new();
        }
        if unsettled && bounds.held.contains(&row.key.merchant) {
            report.held += 1;
            return Vec::new();
        }
        vec![kind]
    }

    fn difference(&self, kind: Kind) -> Difference {
        let Pair { side, key, here, there } = *self;
        Difference { kind, side, key, here: here.to_vec(), there: there.to_vec() }
    }
}
