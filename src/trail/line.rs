//! A record, and how it stands in its line.

use super::Head;
use crate::domain::{At, Hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;

/// What a record's hash begins with: no other hash of this program does.
const PREFIX: &[u8] = b"quan trail 1";
/// What the first record follows.
pub(super) const NONE_BEFORE: Head = Head { seq: 0, hash: Hex([0; 32]) };

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Proposed a decision.
    Proposed,
    /// Signed a decision.
    Signed,
    /// Said no to a decision.
    Rejected,
    /// Took back a decision.
    Withdrawn,
    /// Signed what does not count.
    Refused,
    /// A server carried out a decision.
    CarriedOut,
    /// A server could not.
    Failed,
    /// A server was started.
    Started,
    /// A server was stopped.
    Stopped,
    /// The files of a settlement were made.
    Settled,
    /// Something was exported.
    Exported,
    /// Logs were looked at or recovered by hand.
    Recovered,
    /// Something was read that shows persons.
    Read,
    /// A torn end was cut off the trail.
    Mended,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number, from 1.
    pub seq: u64,
    #[serde(rename = "at_ms")]
    pub(super) at: At,
    /// Who did it.
    pub who: String,
    /// What was done.
    pub what: Deed,
    /// To what.
    pub object: String,
    /// The hash of the record before; of the first, zeros.
    pub previous: Hex<32>,
    /// SHA-256 of all else.
    pub hash: Hex<32>,
}

impl Record {
    pub(super) fn after(before: Head, at: At, who: &str, what: Deed, object: &str) -> Record {
        let mut record = Record {
            seq: before.seq.saturating_add(1),
            at,
            who: who.to_owned(),
            what,
            object: object.to_owned(),
            previous: before.hash,
            hash: Hex([0; 32]),
        };
        record.hash = record.sum();
        record
    }

    pub(super) fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }

    pub(super) fn line(&self) -> io::Result<String> {
        Ok(serde_json::to_string(self).map_err(io::Error::other)? + "\n")
    }

    fn sum(&self) -> Hex<32> {
        let mut sum = Sha256::new();
        sum.update(PREFIX);
        sum.update(self.seq.to_be_bytes());
        sum.update(self.at.0.to_be_bytes());
        sum.update(self.previous.0);
        let what = serde_json::to_string(&self.what).unwrap_or_default();
        for text in [&self.who, &what, &self.object] {
            sum.update((text.len() as u64).to_be_bytes());
            sum.update(text);
        }
        Hex(sum.finalize().into())
    }
}

pub(super) fn sha256(bytes: &[u8]) -> Hex<32> {
    Hex(Sha256::digest(bytes).into())
}

/// Lines that are read, each as the one before it demands.
pub(super) struct Lines<'a> {
    before: Head,
    rest: &'a [u8],
    sound: u64,
}

impl<'a> Lines<'a> {
    /// Those that come after a record.
    pub(super) fn after(head: Option<Head>, bytes: &'a [u8]) -> Lines<'a> {
        Lines { before: head.unwrap_or(NONE_BEFORE), rest: bytes, sound: 0 }
    }

    /// The next whole line; its number and what is wrong with it, if anything is.
    pub(super) fn next_line(&mut self) -> Option<Result<Record, (u64, String)>> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = self.rest.split_at_checked(end.saturating_add(1))?;
        // Each line has one record, so they have the same numbers.
        let no = self.before.seq.saturating_add(1);
        let read = self.read(line).map_err(|why| (no, why));
        if let Ok(record) = &read {
            self.rest = rest;
            self.sound += line.len() as u64;
            self.before = record.head();
        }
        Some(read)
    }

    fn read(&self, line: &[u8]) -> Result<Record, String> {
        let record: Record =
            serde_json::from_slice(line).map_err(|error| format!("no record: {error}"))?;
        if record.seq != self.before.seq.saturating_add(1) {
            return Err(format!("record {} stands here", record.seq));
        }
        if record.previous != self.before.hash {
            return Err("it does not follow from the one before".to_owned());
        }
        if record.hash != record.sum() {
            return Err("its hash is of something else".to_owned());
        }
        // There is one way to write a record, so no byte can be another.
        match record.line() {
            Ok(text) if text.as_bytes() == line => Ok(record),
            _ => Err("it is written otherwise than records are".to_owned()),
        }
    }

    /// How many bytes were sound lines.
    pub(super) fn sound(&self) -> u64 {
        self.sound
    }

    /// What is left when there is no whole line any more.
    pub(super) fn torn(&self) -> &'a [u8] {
        self.rest
    }
}
