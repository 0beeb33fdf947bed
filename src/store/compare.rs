//! What differs between two stores, table by table and row by row.

use super::{Error, Store, Value, Values};
use std::{cmp::Ordering, fmt};

/// Every table that is a fold of the logs, what its rows are known by, and what else is compared.
/// The cursor's owner is not: it says who writes, not what was written.
pub(super) const TABLES: [(&str, &[&str], &[&str]); 22] = [
    ("cursor", &["log"], &["seq"]),
    ("events", &["log", "seq"], &["at_ms", "body"]),
    ("campaigns", &["campaign"], &["name"]),
    ("kinds", &["campaign", "kind"], &["name", "pool", "face_fen", "threshold_fen"]),
    ("openings", &["log", "campaign"], &["shard", "shards"]),
    (
        "pools",
        &["log", "campaign", "pool"],
        &[
            "name",
            "budget_fen",
            "available_fen",
            "reserved_fen",
            "frozen_fen",
            "consumed_fen",
            "payable_fen",
            "paid_fen",
        ],
    ),
    ("rounds", &["log", "campaign", "round"], &["opens_at_ms", "ends_at_ms", "expired"]),
    (
        "stock",
        &["log", "campaign", "round", "kind"],
        &["quantity", "granted", "last", "locked", "used"],
    ),
    (
        "passes",
        &["campaign", "round", "pass"],
        &["log", "person", "kinds", "bound_at_ms", "expires_at_ms"],
    ),
    ("proofs", &["campaign", "round", "proof"], &["pass"]),
    ("bindings", &["campaign", "round", "identifier_kind", "identifier"], &["person"]),
    (
        "coupons",
        &["campaign", "round", "kind", "ordinal"],
        &[
            "log",
            "number",
            "person",
            "pass",
            "pool",
            "fen",
            "granted_at_ms",
            "ends_at_ms",
            "state",
            "redemption",
        ],
    ),
    ("postings", &["log", "seq", "line"], &["campaign", "pool", "source", "target", "fen"]),
    (
        "transfers",
        &["log", "seq", "line"],
        &["campaign", "direction", "peer", "number", "round", "kind", "units", "pool"],
    ),
    ("interlock", &["log", "seq", "line"], &["campaign", "change", "at_ms"]),
    ("merchants", &["log", "campaign", "merchant"], &["categories", "cap_fen", "standing"]),
    (
        "redemptions",
        &["log", "seq", "line"],
        &[
            "campaign",
            "redemption",
            "merchant",
            "person",
            "round",
            "kind",
            "ordinal",
            "pool",
            "fen",
            "amount_fen",
            "request",
            "locked_at_ms",
            "until_ms",
            "state",
            "ended_seq",
            "ended_at_ms",
            "refunded_fen",
            "back_fen",
        ],
    ),
    (
        "refunds",
        &["campaign", "refund"],
        &["log", "seq", "line", "redemption", "amount_fen", "back_fen", "coupon", "owed", "at_ms"],
    ),
    (
        "settlements",
        &["log", "campaign", "batch", "merchant", "pool"],
        &[
            "seq",
            "consumed_fen",
            "owed_fen",
            "state",
            "failures",
            "settled_at_ms",
            "answered_at_ms",
        ],
    ),
    (
        "adjustments",
        &["log", "campaign", "round", "version", "kind"],
        &["quantity", "follows", "at_ms"],
    ),
    (
        "extensions",
        &["log", "campaign", "round"],
        &["opens_at_ms", "ends_at_ms", "period_ended_ms", "period_ends_ms", "at_ms"],
    ),
    ("decided", &["log", "seq", "line"], &["campaign", "decision", "subject", "persons"]),
];

/// Rows read at a time.
const PAGE: u32 = 5_000;

/// What came of comparing two stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Rows looked at; one that is in both stores counts once.
    pub rows: u64,
    /// The rows that differ.
    pub differences: Vec<Difference>,
}

/// One row that is not the same in both stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// What the row is known by, as `column=value`; of a hash the first four digits.
    pub key: String,
    /// How it differs.
    pub how: How,
}

/// How a row differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It is in the first store only.
    OnlyInFirst,
    /// It is in the second store only.
    OnlyInSecond,
    /// These columns differ.
    Columns(Vec<String>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.table, self.key)?;
        match &self.how {
            How::OnlyInFirst => write!(f, "only in the first"),
            How::OnlyInSecond => write!(f, "only in the second"),
            How::Columns(columns) => write!(f, "{} differ", columns.join(", ")),
        }
    }
}

/// Everything that differs between two stores that nobody is writing, of whatever kind each is, in
/// the order of tables and keys.
pub async fn compare(first: &Store, second: &Store) -> Result<Compared, Error> {
    let mut compared = Compared::default();
    for (table, key, rest) in TABLES {
        let mut a = Pages::new(first, table, key, rest);
        let mut b = Pages::new(second, table, key, rest);
        loop {
            let (left, right) = (a.peek().await?, b.peek().await?);
            let order = match (left, right) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => {
                    left.iter().take(key.len()).cmp(right.iter().take(key.len()))
                }
            };
            let (row, how) = match order {
                Ordering::Less => (a.take(), Some(How::OnlyInFirst)),
                Ordering::Greater => (b.take(), Some(How::OnlyInSecond)),
                Ordering::Equal => {
                    let (row, other) = (a.take(), b.take());
                    let how = differing(&row, &other, key, rest);
                    (row, how)
                }
            };
            let key = described(&row, key);
            compared.rows += 1;
            compared.differences.extend(how.map(|how| Difference { table, key, how }));
        }
    }
    Ok(compared)
}

fn differing(a: &[Value], b: &[Value], key: &[&str], rest: &[&str]) -> Option<How> {
    let names = key.iter().chain(rest);
    let differ = names.zip(a.iter().zip(b)).filter(|(_, (a, b))| a != b);
    let columns: Vec<String> = differ.map(|(name, _)| (*name).to_owned()).collect();
    (!columns.is_empty()).then_some(How::Columns(columns))
}

fn described(row: &[Value], key: &[&str]) -> String {
    let parts = key.iter().zip(row).map(|(name, value)| match value {
        Value::Null => format!("{name}=none"),
        Value::Number(number) => format!("{name}={number}"),
        Value::Text(text) => format!("{name}={text}"),
        Value::Bytes(bytes) => match bytes.as_slice() {
            [a, b, ..] => format!("{name}={a:02x}{b:02x}.."),
            _ => format!("{name}=.."),
        },
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// The rows of a table in the order of its key.
struct Pages<'a> {
    store: &'a Store,
    table: &'static str,
    key: &'static [&'static str],
    rest: &'static [&'static str],
    page: std::vec::IntoIter<Values>,
    next: Option<Values>,
    after: Option<Values>,
    done: bool,
}

impl<'a> Pages<'a> {
    fn new(
        store: &'a Store,
        table: &'static str,
        key: &'static [&'static str],
        rest: &'static [&'static str],
    ) -> Pages<'a> {
        let page = Vec::new().into_iter();
        Pages { store, table, key, rest, page, next: None, after: None, done: false }
    }

    /// The next row, without taking it.
    async fn peek(&mut self) -> Result<Option<&Values>, Error> {
        if self.next.is_none() {
            self.next = self.page.next();
        }
        if self.next.is_none() && !self.done {
            let page = self.read().await?;
            self.done = page.len() < PAGE as usize;
            self.after = page.last().map(|row| row.iter().take(self.key.len()).cloned().collect());
            self.page = page.into_iter();
            self.next = self.page.next();
        }
        Ok(self.next.as_ref())
    }

    fn take(&mut self) -> Values {
        self.next.take().unwrap_or_default()
    }

    async fn read(&self) -> Result<Vec<Values>, Error> {
        let (table, key) = (self.table, self.key.join(", "));
        let columns = [self.key, self.rest].concat().join(", ");
        let after = self.after.as_deref().unwrap_or_default();
        let places: Vec<String> = (1..=after.len()).map(|no| format!("${no}")).collect();
        let from = match after {
            [] => String::new(),
            _ => format!("WHERE ({key}) > ({})", places.join(", ")),
        };
        let sql = format!("SELECT {columns} FROM {table} {from} ORDER BY {key} LIMIT {PAGE}");
        self.store.query(&sql, after).await
    }
}
