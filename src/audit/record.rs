//! What a client wrote down of the answers it got: one JSON object a line.

use crate::domain::{At, CampaignNo, PassNonce, PersonId, RoundNo};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use std::str::FromStr;

/// How far a client's clock may be off the server's, unless it is stated otherwise.
const CLOCK_ERROR_MS: i64 = 100;
/// The bytes of a pass.
const PASS_BYTES: usize = 97;

/// A client's own record of its answers.
#[derive(Clone, Debug)]
pub struct Record {
    /// By how much an instant in the record may differ from the server's clock, in milliseconds.
    ///
    /// "Sold out" told this much before the last grant is still taken as told after it, so it
    /// should be no more than the clocks really differ: 100 unless set otherwise.
    pub clock_error_ms: i64,
    pub(super) lines: Vec<Said>,
}

/// One line. `place` is its index, so the line's number less 1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Said {
    Yes(Yes),
    SoldOut(SoldOut),
    SoldOutTimes(SoldOutTimes),
    Unanswered(Unanswered),
}

/// A yes was told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Yes {
    pub(super) pass: String,
    pub(super) coupon: String,
    pub(super) kind: String,
    pub(super) replayed: bool,
    /// A yes is true whenever it was told: nothing is asked of this.
    #[serde(rename = "at_ms")]
    pub(super) at: At,
}

/// "Sold out" was told for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SoldOut {
    #[serde(rename = "sold_out")]
    pub(super) kind: String,
    #[serde(rename = "at_ms")]
    pub(super) at: At,
}

/// How often "sold out" was told in all, the first time included.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SoldOutTimes {
    #[serde(rename = "sold_out_told")]
    pub(super) kind: String,
    pub(super) times: u64,
}

/// Somebody gave up without an answer that ends the matter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unanswered {
    #[serde(rename = "unanswered")]
    pub(super) kind: String,
}

/// A line that is none of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct RecordError {
    /// The line, from 1.
    pub line: usize,
    /// What is the matter with it.
    pub why: String,
}

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Record, RecordError> {
        let line = |(index, line)| {
            serde_json::from_str(line).map_err(|error: serde_json::Error| RecordError {
                line: index + 1,
                why: error.to_string(),
            })
        };
        let lines = text.lines().enumerate().map(line).collect::<Result<_, _>>()?;
        Ok(Record { clock_error_ms: CLOCK_ERROR_MS, lines })
    }
}

impl Record {
    /// Every line with its number, from 1.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Said)> {
        self.lines.iter().enumerate().map(|(index, said)| (index + 1, said))
    }

    /// The passes of all yeses that can be read.
    pub(super) fn passes(&self) -> impl Iterator<Item = Pass> {
        self.lines.iter().filter_map(|said| match said {
            Said::Yes(yes) => Pass::read(&yes.pass),
            _ => None,
        })
    }
}

/// What a pass says, read without its key: whether it is genuine was the gate's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    pub(super) campaign: CampaignNo,
    pub(super) round: RoundNo,
    pub(super) nonce: PassNonce,
    pub(super) person: PersonId,
}

impl Pass {
    pub(super) fn read(token: &str) -> Option<Pass> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        if bytes.len() != PASS_BYTES || bytes.first() != Some(&1) {
            return None;
        }
        Some(Pass {
            campaign: CampaignNo(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            round: RoundNo(*bytes.get(4)?),
            nonce: PassNonce(bytes.get(17..33)?.try_into().ok()?),
            person: PersonId(bytes.get(33..49)?.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_none_of_the_four_is_an_error_with_its_number() {
        let good = r#"{"unanswered":"ten"}"#;
        for bad in ["", "{}", r#"{"sold_out":"ten"}"#, r#"{"unanswered":"ten","at_ms":1}"#] {
            let read = format!("{good}\n{bad}\n{good}\n").parse::<Record>();
            assert_eq!(read.unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn the_four_kinds_of_line_are_read() {
        let text = r#"{"pass":"AA","coupon":"0101000000017","kind":"ten","replayed":false,"at_ms":5}
{"sold_out":"ten","at_ms":7}
{"unanswered":"ten"}
{"sold_out_told":"ten","times":4}
"#;
        let record: Record = text.parse().unwrap();
        let [
            Said::Yes(yes),
            Said::SoldOut(sold_out),
            Said::Unanswered(unanswered),
            Said::SoldOutTimes(told),
        ] = record.lines.as_slice()
        else {
            panic!("{record:?}")
        };
        assert_eq!((yes.coupon.as_str(), yes.replayed), ("0101000000017", false));
        assert_eq!((sold_out.kind.as_str(), sold_out.at), ("ten", At(7)));
        assert_eq!(unanswered.kind, "ten");
        assert_eq!((told.kind.as_str(), told.times), ("ten", 4));
    }

    #[test]
    fn a_pass_is_read_at_its_places_and_nothing_else_is_a_pass() {
        let mut bytes = [0_u8; PASS_BYTES];
        bytes[0] = 1;
        bytes[2..5].copy_from_slice(&[1, 2, 3]);
        bytes[17..33].fill(4);
        bytes[33..49].fill(5);
        let pass = Pass::read(&BASE64_URL_SAFE_NO_PAD.encode(bytes)).unwrap();
        assert_eq!((pass.campaign, pass.round), (CampaignNo(258), RoundNo(3)));
        assert_eq!((pass.nonce, pass.person), (PassNonce([4; 16]), PersonId([5; 16])));
        assert_eq!(Pass::read(&BASE64_URL_SAFE_NO_PAD.encode(&bytes[1..])), None);
        assert_eq!(Pass::read("not base64!"), None);
    }
}
