//! What a place's hashes say, read as the scripts write them.

use super::effects;
use super::standing::Standing;
use crate::domain::{At, CouponId, CouponState, Fen, KindNo, PersonId, PoolNo, RoundNo, Window};
use crate::funds::{Account, Balances, Funds};
use crate::ledger::event::{Adjusted, Extended, What, codec};
use crate::ledger::machine::{Held, Level, RoundSummary};
use std::collections::BTreeMap;

/// A hash, by the names of its fields.
pub(super) type Fields = BTreeMap<String, Vec<u8>>;

/// The round that a field of `meta` says there is stock of, if it says so of one.
pub(super) fn round(field: &str) -> Option<RoundNo> {
    field.strip_prefix("round:")?.parse().ok().map(RoundNo)
}

fn number<T: std::str::FromStr>(hash: &Fields, name: &str) -> Option<T> {
    std::str::from_utf8(hash.get(name)?).ok()?.parse().ok()
}

/// The money of so many pools.
pub(super) fn funds(funds: &Fields, pools: usize) -> Option<Funds> {
    let account = |pool, which| {
        let field = String::from_utf8(effects::account(which, PoolNo(pool))).ok()?;
        Some(Fen::new(number(funds, &field).unwrap_or(0)))
    };
    let pools = (0..u8::try_from(pools).ok()?).map(|pool| {
        Some(Balances {
            budget: account(pool, Account::Treasury)?,
            available: account(pool, Account::Available)?,
            reserved: account(pool, Account::Reserved)?,
            frozen: account(pool, Account::Frozen)?,
            consumed: account(pool, Account::Consumed)?,
            payable: account(pool, Account::Payable)?,
            paid: account(pool, Account::Paid)?,
        })
    });
    Some(Funds::of(pools.collect::<Option<_>>()?))
}

/// A place as its hashes say; `None` if they are not what scripts write.
pub(super) fn standing<'a>(
    meta: &Fields,
    funds: Option<&Fields>,
    rounds: impl Iterator<Item = (&'a RoundNo, &'a Fields)>,
) -> Option<Standing> {
    let terms = codec::decode(meta.get("terms")?)?.into_iter().next()?;
    let What::Opened(opened) = terms.what else { return None };
    let funds = self::funds(funds?, opened.pools.len())?;
    let mut standing = Standing {
        seq: number(meta, "seq")?,
        at: number(meta, "at").map(At),
        funds,
        tripped: number::<u8>(meta, "tripped")? == 1,
        word_at: number(meta, "word").map(At),
        ..Standing::default()
    };
    for (name, value) in meta {
        let count = || std::str::from_utf8(value).ok()?.parse().ok();
        if let Some(peer) = name.strip_prefix("sent:") {
            standing.sent.insert(peer.parse().ok()?, count()?);
        } else if let Some(peer) = name.strip_prefix("received:") {
            standing.received.insert(peer.parse().ok()?, count()?);
        } else if let Some(round) = name.strip_prefix("adjusted:") {
            let adjusted = adjusted(RoundNo(round.parse().ok()?), value)?;
            standing.adjusted.insert(adjusted.round, adjusted);
        } else if name.starts_with("extended:") {
            let extended = extended(value)?;
            standing.extended.insert(extended.extension.first, extended);
        }
    }
    for (round, hash) in rounds {
        let kinds = 0..opened.kinds.len();
        let of = |what: &str, kind: usize| number::<u32>(hash, &format!("{what}:{kind}"));
        let stock = kinds.clone().map(|kind| {
            let granted = of("granted", kind).unwrap_or(0);
            let quantity = of("left", kind).unwrap_or(0).saturating_add(granted);
            let (used, locked) = (of("used", kind).unwrap_or(0), of("locked", kind).unwrap_or(0));
            Level { quantity, granted, used, locked }
        });
        let window = Window { from: At(number(hash, "from")?), until: At(number(hash, "until")?) };
        let expired = number::<u8>(hash, "expired").unwrap_or(0) == 1;
        let summary = RoundSummary { round: *round, window, expired, stock: stock.collect() };
        standing.rounds.insert(*round, summary);
        let armed: Option<Vec<u32>> = kinds.map(|kind| of("armed", kind)).collect();
        if let Some(armed) = armed {
            standing.armed.insert(*round, armed);
        }
    }
    standing.opened = Some(opened);
    Some(standing)
}

/// The further rounds that a field says were decided.
fn extended(body: &[u8]) -> Option<Extended> {
    match codec::decode(body)?.pop()?.what {
        What::Extended(it) => Some(it),
        _ => None,
    }
}

/// The quantities that a field says were decided for a round, after their version.
fn adjusted(round: RoundNo, text: &[u8]) -> Option<Adjusted> {
    let mut numbers = std::str::from_utf8(text).ok()?.split(' ');
    let version = numbers.next()?.parse().ok()?;
    let quantities = numbers.map(|units| units.parse().ok()).collect::<Option<_>>()?;
    Some(Adjusted { round, version, quantities })
}

/// A field of `holders`, and what it says.
pub(super) fn holder(round: RoundNo, field: &[u8], record: &[u8]) -> Option<(PersonId, Held)> {
    let (person, kind) = field.split_first_chunk::<16>()?;
    let [kind] = kind else { return None };
    let (ordinal, rest) = record.split_first_chunk()?;
    let (starts, rest) = rest.split_first_chunk()?;
    let (ends, _) = rest.split_first_chunk()?;
    let coupon = CouponId { round, kind: KindNo(*kind), ordinal: u32::from_le_bytes(*ordinal) };
    let (starts_at, ends_at) = (At(i64::from_le_bytes(*starts)), At(i64::from_le_bytes(*ends)));
    Some((PersonId(*person), Held { coupon, starts_at, ends_at, state: CouponState::Unused }))
}
