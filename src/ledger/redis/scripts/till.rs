//! What phones and tills share: payment codes, and the nonces of tills' requests. None of it is in a log.

use super::super::NotSent;
use super::super::count;
use super::super::keys::{Key, Place};
use super::reply::Parts;
use super::{BadReply, Call, NONCE, SHOW, TAKE};
use ::redis::Value;

/// The keys of a code and its person; all but `meta` are gone by themselves.
pub(crate) struct CodeKeys<'a> {
    /// The shard.
    pub(crate) place: Place,
    /// What the person has.
    pub(crate) shown: &'a str,
    /// What the code leads to.
    pub(crate) code: &'a str,
}

impl CodeKeys<'_> {
    fn call(&self, script: &'static super::Script) -> Call {
        let keys = vec![self.place.key(Key::Meta), self.shown.to_owned(), self.code.to_owned()];
        Call { script, keys, args: vec![] }
    }
}

/// Gives a person a code, which is forgotten after `life_ms`.
pub(crate) fn show(
    keys: &CodeKeys,
    epoch: u64,
    life_ms: u64,
    shown: Vec<u8>,
    leads_to: Vec<u8>,
) -> Result<Call, NotSent> {
    let mut call = keys.call(&SHOW);
    call.text(count(epoch)?);
    call.text(count(life_ms)?);
    call.arg(shown);
    call.arg(leads_to);
    Ok(call)
}

/// Takes a code that was seen to lead to a person, whose own begins with `mark`.
pub(crate) fn take(
    keys: &CodeKeys,
    epoch: u64,
    seen: Vec<u8>,
    mark: Vec<u8>,
    leads_to: Vec<u8>,
) -> Result<Call, NotSent> {
    let mut call = keys.call(&TAKE);
    call.text(count(epoch)?);
    call.arg(seen);
    call.arg(mark);
    call.arg(leads_to);
    Ok(call)
}

/// Notes the nonce of that key at the identities, for so long.
pub(crate) fn nonce(place: Place, key: String, epoch: u64, kept_ms: u64) -> Result<Call, NotSent> {
    let mut call = Call { script: &NONCE, keys: vec![place.key(Key::Meta), key], args: vec![] };
    call.text(count(epoch)?);
    call.text(count(kept_ms)?);
    Ok(call)
}

/// What came of a call of [`show`], [`take`] or [`nonce`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TillReply {
    /// The code is the person's.
    Shown,
    /// Somebody has that code.
    There,
    /// The code is taken; what the person had.
    Taken(Vec<u8>),
    /// What the code leads to instead.
    Gone(Vec<u8>),
    /// The nonce came for the first time.
    First,
    /// It came before.
    Again,
    /// No such log there.
    Absent,
    /// The master's lineage is another, or the epoch.
    Fenced {
        /// The log's epoch.
        epoch: u64,
    },
}

impl TillReply {
    /// Reads the answer.
    pub(crate) fn read(value: Value) -> Result<TillReply, BadReply> {
        let mut parts = Parts::of("a script of the tills", value)?;
        Ok(match parts.text()?.as_str() {
            "shown" => TillReply::Shown,
            "there" => TillReply::There,
            "taken" => TillReply::Taken(parts.bytes()?),
            "gone" => TillReply::Gone(parts.bytes()?),
            "first" => TillReply::First,
            "again" => TillReply::Again,
            "absent" => TillReply::Absent,
            "fenced" => TillReply::Fenced { epoch: parts.number()? },
            _ => return Err(parts.bad()),
        })
    }
}
