//! What concerns a whole shard: how it stands, and how it comes back.

use super::super::effects::Change;
use super::super::keys::{Key, Place};
use super::super::{NotSent, count, ms};
use super::reply::Parts;
use super::{BadReply, Call, LOOK, REOPEN, RESTORE, round_of};
use crate::domain::At;
use crate::ledger::journal::Entry;
use ::redis::Value;

/// Asks how a shard stands, and writes that somebody looked.
pub(crate) fn look(place: Place) -> Call {
    Call::new(&LOOK, place, &[Key::Meta])
}

/// What came of a call of [`look`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LookReply {
    /// The shard is there.
    Seen {
        /// Whether it decides: its lineage is this master's.
        open: bool,
        /// Its epoch.
        epoch: u64,
        /// The log's last seq.
        seq: u64,
        /// The log's last instant.
        at: At,
        /// The master's clock.
        now: At,
        /// The master's replication id.
        live: String,
    },
    /// No such shard there.
    Absent {
        /// The master's clock.
        now: At,
        /// The master's replication id.
        live: String,
    },
}

impl LookReply {
    /// Reads the answer.
    pub(crate) fn read(value: Value) -> Result<LookReply, BadReply> {
        let mut parts = Parts::of(LOOK.name, value)?;
        let open = match parts.text()?.as_str() {
            "open" => true,
            "fenced" => false,
            "absent" => {
                return Ok(LookReply::Absent { now: At(parts.number()?), live: parts.text()? });
            }
            _ => return Err(parts.bad()),
        };
        Ok(LookReply::Seen {
            open,
            epoch: parts.number()?,
            seq: parts.number()?,
            at: At(parts.number()?),
            now: At(parts.number()?),
            live: parts.text()?,
        })
    }
}

/// Puts `entry`, which was written in `epoch` and does `changes`, back into a fenced shard's log; with
/// entry 1 a shard begins.
pub(crate) fn restore(
    place: Place,
    epoch: u64,
    entry: &Entry,
    changes: &[Change],
) -> Result<Call, NotSent> {
    let round = round_of(changes.iter().map(|it| it.key))?;
    let keys = [
        Key::Meta,
        Key::Funds,
        Key::Round(round),
        Key::Holders(round),
        Key::Passes(round),
        Key::Transit,
        Key::Proofs(round),
        Key::Bindings(round),
        Key::States(round),
        Key::Orders,
        Key::Refunds,
        Key::Merchants,
        Key::Lines,
        Key::Log,
    ];
    let mut call = Call::new(&RESTORE, place, &keys);
    call.text(place.log());
    call.text(count(entry.seq)?);
    call.text(ms(entry.at)?);
    call.text(count(epoch)?);
    call.arg(entry.body.clone());
    call.text(changes.len());
    for change in changes {
        call.change(&keys, change)?;
    }
    Ok(call)
}

/// What came of a call of [`restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RestoreReply {
    /// It is there now.
    Restored,
    /// It was there already.
    There,
    /// Another is there.
    Conflict {
        /// Its check; empty if there is none, though the shard is past it.
        check: String,
    },
    /// The one before it is missing.
    Gap {
        /// The log's last seq.
        seq: u64,
    },
    /// It contradicts what is there: nothing was changed.
    Misfit {
        /// Which of the changes, from 0.
        which: usize,
    },
    /// The shard is not fenced.
    Open {
        /// Its epoch.
        epoch: u64,
        /// The log's last seq.
        seq: u64,
    },
}

impl RestoreReply {
    /// Reads the answer.
    pub(crate) fn read(value: Value) -> Result<RestoreReply, BadReply> {
        let mut parts = Parts::of(RESTORE.name, value)?;
        let (word, first) = (parts.text()?, parts.number()?);
        Ok(match word.as_str() {
            "restored" => RestoreReply::Restored,
            "there" => RestoreReply::There,
            "conflict" => RestoreReply::Conflict { check: parts.text()? },
            "gap" => RestoreReply::Gap { seq: first },
            "misfit" => RestoreReply::Misfit { which: parts.place()? },
            "open" => RestoreReply::Open { epoch: first, seq: parts.number()? },
            _ => return Err(parts.bad()),
        })
    }
}

/// Opens a shard that was reconciled in epoch `from` under the master `live`, in epoch `to`.
pub(crate) fn reopen(place: Place, from: u64, to: u64, live: &str) -> Result<Call, NotSent> {
    if to <= from {
        return Err(NotSent::Number);
    }
    let mut call = Call::new(&REOPEN, place, &[Key::Meta]);
    call.text(count(from)?);
    call.text(count(to)?);
    call.text(live);
    Ok(call)
}

/// What came of a call of [`reopen`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReopenReply {
    /// It decides again.
    Reopened {
        /// Its epoch.
        epoch: u64,
        /// The log's last seq.
        seq: u64,
        /// The log's last instant.
        at: At,
        /// The master's replication id.
        live: String,
    },
    /// It is in another epoch, or under another master, than was reconciled.
    Taken {
        /// Its epoch.
        epoch: u64,
        /// The log's last seq.
        seq: u64,
    },
    /// No such shard there.
    Absent,
}

impl ReopenReply {
    /// Reads the answer.
    pub(crate) fn read(value: Value) -> Result<ReopenReply, BadReply> {
        let mut parts = Parts::of(REOPEN.name, value)?;
        Ok(match parts.text()?.as_str() {
            "absent" => ReopenReply::Absent,
            "taken" => ReopenReply::Taken { epoch: parts.number()?, seq: parts.number()? },
            "reopened" => ReopenReply::Reopened {
                epoch: parts.number()?,
                seq: parts.number()?,
                at: At(parts.number()?),
                live: parts.text()?,
            },
            _ => return Err(parts.bad()),
        })
    }
}
