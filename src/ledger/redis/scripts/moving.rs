use super::super::effects::{Change, Compare};
use super::super::keys::{Key, Place};
use super::super::{NotSent, count, ms};
use super::reply::Parts;
use super::{BadReply, Call, MOVE, place_of, round_of};
use crate::domain::At;
use ::redis::Value;

/// Makes `changes` and writes `body` if all of `compares` are as they say, and by the log's time it is before `late`.
/// Without a body it is a change that is no event, and no entry is written.
pub(crate) fn mv(
    place: Place,
    epoch: u64,
    now: At,
    compares: &[Compare],
    changes: &[Change],
    body: &[u8],
    late: Option<At>,
) -> Result<Call, NotSent> {
    let of = compares.iter().map(|it| it.key).chain(changes.iter().map(|it| it.key));
    let round = round_of(of)?;
    let keys = [
        Key::Meta,
        Key::Funds,
        Key::Round(round),
        Key::Holders(round),
        Key::Passes(round),
        Key::Transit,
        Key::States(round),
        Key::Orders,
        Key::Refunds,
        Key::Merchants,
        Key::Lines,
        Key::Log,
    ];
    let mut call = Call::new(&MOVE, place, &keys);
    call.text(count(epoch)?);
    call.text(ms(now)?);
    call.text(place.log());
    call.arg(body);
    call.text(late.map(ms).transpose()?.map_or_else(String::new, |at| at.to_string()));
    call.text(compares.len());
    call.text(changes.len());
    for compare in compares {
        call.text(place_of(compare.key, &keys)?);
        call.arg(compare.field.clone());
        call.arg(compare.was.clone().unwrap_or_default());
    }
    for change in changes {
        call.change(&keys, change)?;
    }
    Ok(call)
}

/// What came of a call of [`mv`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MoveReply {
    /// All changes were made.
    Moved {
        /// The shard's epoch.
        epoch: u64,
        /// The log's last seq: the entry's, if there is one.
        seq: u64,
        /// The log's last instant: the entry's, if there is one.
        at: At,
    },
    /// Something is not as it was seen: nothing was changed. To be decided anew.
    Changed {
        /// Which of the compares, from 0.
        which: usize,
    },
    /// A sum would leave 0 to 2^53, or be above its limit: nothing was changed.
    Misfit {
        /// Which of the changes, from 0.
        which: usize,
    },
    /// By the log's time it is too late: nothing was changed.
    Late {
        /// That time.
        at: At,
    },
    /// No such shard there.
    Absent,
    /// The master's lineage is another, or the epoch.
    Fenced {
        /// The shard's epoch.
        epoch: u64,
        /// The log's last seq.
        seq: u64,
    },
}

impl MoveReply {
    /// Reads the answer.
    pub(crate) fn read(value: Value) -> Result<MoveReply, BadReply> {
        let mut parts = Parts::of(MOVE.name, value)?;
        let word = parts.text()?;
        if word == "absent" {
            return Ok(MoveReply::Absent);
        }
        let (epoch, seq) = (parts.number()?, parts.number()?);
        if word == "fenced" {
            return Ok(MoveReply::Fenced { epoch, seq });
        }
        let at = At(parts.number()?);
        match word.as_str() {
            "moved" => Ok(MoveReply::Moved { epoch, seq, at }),
            "late" => Ok(MoveReply::Late { at }),
            "changed" => Ok(MoveReply::Changed { which: parts.place()? }),
            "misfit" => Ok(MoveReply::Misfit { which: parts.place()? }),
            _ => Err(parts.bad()),
        }
    }
}
