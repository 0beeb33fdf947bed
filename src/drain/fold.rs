//! Entries as rows. Decides nothing: what does not follow from what came before is a misfit.

use crate::domain::{At, CampaignNo, KindNo};
use crate::ledger::event::{Armed, Bound, Event, What, codec};
use crate::ledger::journal::Entry;
use crate::store::Rows;
use std::{collections::btree_map, fmt};

/// Why there is no row for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is not in a format known here.
    Foreign,
    /// It holds a number or a list that is larger than the store's.
    TooLarge,
    /// It grants a coupon that does not follow the one before it (I1).
    NotNext,
    /// It binds an identifier that belongs to somebody else (R-WHO-3).
    BoundToAnother,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misfit::Foreign => "not in a format known here; run the version that wrote it",
            Misfit::TooLarge => "a number or list is larger than the store can hold",
            Misfit::NotNext => "a coupon does not follow the one before it",
            Misfit::BoundToAnother => "an identifier belongs to somebody else",
        })
    }
}

/// The rows of `entries`, or the first seq that has none.
pub(super) fn rows(entries: &[Entry]) -> Result<Rows, (u64, Misfit)> {
    let mut rows = Rows::default();
    for entry in entries.iter().filter(|entry| !entry.seal) {
        add(&mut rows, entry).map_err(|misfit| (entry.seq, misfit))?;
    }
    Ok(rows)
}

fn add(rows: &mut Rows, entry: &Entry) -> Result<(), Misfit> {
    let seq = i64::try_from(entry.seq).map_err(|_| Misfit::TooLarge)?;
    let events = codec::decode(&entry.body).ok_or(Misfit::Foreign)?;
    for (line, event) in events.iter().enumerate() {
        let line = u8::try_from(line).map_err(|_| Misfit::TooLarge)?;
        add_event(rows, seq, line, entry.at, event)?;
    }
    rows.events.push((seq, entry.at, entry.body.clone()));
    Ok(())
}

fn add_event(rows: &mut Rows, seq: i64, line: u8, at: At, event: &Event) -> Result<(), Misfit> {
    let campaign = event.campaign;
    match &event.what {
        What::Opened(opened) => rows.open(campaign, opened).ok_or(Misfit::TooLarge),
        What::Posted(posting) => rows.post(seq, line, campaign, *posting).ok_or(Misfit::TooLarge),
        What::Armed(armed) => arm(rows, campaign, armed),
        What::Expired(expired) => {
            rows.expired.push((campaign, expired.round));
            Ok(())
        }
        What::Bound(bound) => bind(rows, campaign, at, bound),
        What::Granted(granted) => {
            rows.coupons.push((campaign, at, *granted));
            rows.count(campaign, granted.coupon).ok_or(Misfit::NotNext)
        }
        What::Passed(_) | What::Sent(_) | What::Received(_) => Err(Misfit::Foreign),
        What::Interlock(change) => {
            rows.interlock.push((seq, line, campaign, *change, at));
            Ok(())
        }
    }
}

fn arm(rows: &mut Rows, campaign: CampaignNo, armed: &Armed) -> Result<(), Misfit> {
    rows.rounds.push((campaign, armed.round, armed.window.from, armed.window.until));
    for (kind, quantity) in armed.quantities.iter().enumerate() {
        let kind = u8::try_from(kind).map(KindNo).map_err(|_| Misfit::TooLarge)?;
        rows.stock.push((campaign, armed.round, kind, *quantity));
    }
    Ok(())
}

fn bind(rows: &mut Rows, campaign: CampaignNo, at: At, bound: &Bound) -> Result<(), Misfit> {
    for proof in bound.proofs {
        rows.proofs.push((campaign, bound.round, proof, bound.pass));
    }
    for (kind, identifier) in bound.identifiers {
        match rows.bindings.entry((campaign, bound.round, kind, identifier)) {
            btree_map::Entry::Vacant(free) => drop(free.insert(bound.person)),
            btree_map::Entry::Occupied(taken) if *taken.get() == bound.person => {}
            btree_map::Entry::Occupied(_) => return Err(Misfit::BoundToAnother),
        }
    }
    rows.passes.push((campaign, at, bound.clone()));
    Ok(())
}
