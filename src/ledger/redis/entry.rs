//! Entries of a stream, as [`journal::Entry`](crate::ledger::journal::Entry)s.

use super::keys::{Key, Place};
use crate::domain::At;
use crate::ledger::journal::Entry;
use ::redis::{Cmd, Value};
use sha1::{Digest, Sha1};

/// One entry of a log, and the epoch it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    /// The entry; of what was durable when it was written it says nothing.
    pub(crate) entry: Entry,
    /// The epoch.
    pub(crate) epoch: u64,
}

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// Entries are missing.
    #[error("log {log}: entry {seq} is missing, {found} follows")]
    Gap {
        /// The log.
        log: u32,
        /// The first that is missing.
        seq: u64,
        /// The one that is there instead.
        found: u64,
    },
    /// The check does not cover what is there.
    #[error("log {log}: entry {seq} does not fit its check")]
    Check {
        /// The log.
        log: u32,
        /// The entry.
        seq: u64,
    },
    /// Not an entry at all.
    #[error("log {log}: what follows entry {after} is not an entry")]
    Form {
        /// The log.
        log: u32,
        /// The last good one before it.
        after: u64,
    },
}

/// The check over an entry: the one checksum that scripts have natively.
pub(crate) fn check(log: u32, seq: u64, at: At, body: &[u8]) -> String {
    let mut sha = Sha1::new();
    sha.update(format!("{log}|{seq}|{}|", at.0));
    sha.update(body);
    let sha = sha.finalize();
    let (first, _) = sha.split_first_chunk().unwrap_or((&[0; 8], &[]));
    format!("{:016x}", u64::from_be_bytes(*first))
}

/// Asks for at most `most` entries of the log at `place` from `next` on.
pub(crate) fn range(place: Place, next: u64, most: usize) -> Cmd {
    let mut cmd = ::redis::cmd("XRANGE");
    cmd.arg(place.key(Key::Log)).arg(format!("{next}-0")).arg("+").arg("COUNT").arg(most);
    cmd
}

/// The seq of the first entry of an answer to [`range`]; what has no id of ours is entry 0, which is none.
pub(crate) fn first(answer: &Value) -> Option<u64> {
    let Value::Array(items) = answer else { return None };
    let Some(Value::Array(item)) = items.first() else { return None };
    let Some(Value::BulkString(id)) = item.first() else { return None };
    Some(id.strip_suffix(b"-0").and_then(number).unwrap_or(0))
}

/// The entries of an answer to [`range`]; the first must be `next`.
pub(crate) fn read(place: Place, mut next: u64, answer: Value) -> Result<Vec<Logged>, Damage> {
    let log = place.log();
    let not = |next: u64| Damage::Form { log, after: next.saturating_sub(1) };
    let Value::Array(items) = answer else { return Err(not(next)) };
    let mut entries = Vec::with_capacity(items.len());
    for item in items {
        let (seq, fields) = parts(item).ok_or(not(next))?;
        if seq != next {
            return Err(Damage::Gap { log, seq: next, found: seq });
        }
        entries.push(logged(log, seq, fields).ok_or(not(next))??);
        next = next.saturating_add(1);
    }
    Ok(entries)
}

/// Seq and fields of an item of a stream; `None` if it has no id of ours.
fn parts(item: Value) -> Option<(u64, Vec<Value>)> {
    let Value::Array(item) = item else { return None };
    let [Value::BulkString(id), Value::Array(fields)]: [Value; 2] = item.try_into().ok()? else {
        return None;
    };
    let seq = number(id.strip_suffix(b"-0")?)?;
    Some((seq, fields))
}

fn logged(log: u32, seq: u64, fields: Vec<Value>) -> Option<Result<Logged, Damage>> {
    let fields: [Value; 8] = fields.try_into().ok()?;
    let fields = fields.map(|field| match field {
        Value::BulkString(bytes) => bytes,
        _ => vec![],
    });
    let [t, at, e, epoch, b, body, c, told] = fields;
    ([t, e, b, c] == [b"t", b"e", b"b", b"c"]).then_some(())?;
    let (at, epoch) = (At(number(&at)?), number(&epoch)?);
    if check(log, seq, at, &body).as_bytes() != told {
        return Some(Err(Damage::Check { log, seq }));
    }
    Some(Ok(Logged { entry: Entry { seq, durable: 0, at, seal: false, body }, epoch }))
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CampaignNo;

    const PLACE: Place = Place::shard(CampaignNo(0), 0);

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn item(id: &str, body: &str, check: &str) -> Value {
        let fields = ["t", "-5", "e", "3", "b", body, "c", check].map(text).to_vec();
        Value::Array(vec![text(id), Value::Array(fields)])
    }

    fn good(seq: u64) -> Value {
        item(&format!("{seq}-0"), "body", &check(256, seq, At(-5), b"body"))
    }

    #[test]
    fn a_check_is_the_first_of_a_sha1() {
        // printf '256|1|-5|body' | sha1sum
        assert_eq!(check(256, 1, At(-5), b"body"), "9f7b48e32b832492");
    }

    #[test]
    fn what_is_in_a_log_is_read_in_order() {
        let logged = read(PLACE, 4, Value::Array(vec![good(4), good(5)])).unwrap();
        let at = At(-5);
        let entry = |seq| Entry { seq, durable: 0, at, seal: false, body: b"body".to_vec() };
        assert_eq!(logged, [4, 5].map(|seq| Logged { entry: entry(seq), epoch: 3 }));
    }

    #[test]
    fn damage_is_named_with_its_place() {
        let read = |items: Vec<Value>| read(PLACE, 4, Value::Array(items)).unwrap_err();
        let log = 256;
        assert_eq!(read(vec![good(4), good(6)]), Damage::Gap { log, seq: 5, found: 6 });
        assert_eq!(read(vec![good(3)]), Damage::Gap { log, seq: 4, found: 3 });
        let other = item("4-0", "bodY", &check(256, 4, At(-5), b"body"));
        assert_eq!(read(vec![other]), Damage::Check { log, seq: 4 });
        let moved = item("5-0", "body", &check(256, 4, At(-5), b"body"));
        assert_eq!(read(vec![good(4), moved]), Damage::Check { log, seq: 5 });
        for form in [text("no"), item("4-1", "body", ""), Value::Array(vec![text("4-0")])] {
            assert_eq!(read(vec![form]), Damage::Form { log, after: 3 });
        }
    }
}
