//! What a client wrote down of the answers it got: one JSON object a line.

use crate::domain::{At, CampaignNo, Fen, MerchantNo, PassNonce, PersonId, RoundNo};
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
    Order(Order),
    Refund(Refund),
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
    /// In which round; in any, if it is not said.
    #[serde(default)]
    pub(super) round: Option<u8>,
}

/// A till was told of an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) campaign: String,
    pub(super) merchant: MerchantNo,
    #[serde(rename = "order")]
    pub(super) number: String,
    pub(super) told: Told,
    pub(super) coupon: String,
    #[serde(rename = "amount_fen")]
    pub(super) amount: Fen,
    /// What the coupon was said to take off.
    #[serde(rename = "face_fen")]
    pub(super) face: Fen,
    /// True whenever it was told.
    #[serde(rename = "at_ms")]
    pub(super) at: At,
}

/// What a till was told of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// A coupon is held for it.
    Locked,
    /// It is paid with the coupon.
    Confirmed,
    /// The coupon is not held for it any more.
    Released,
    /// No coupon was ever held for it.
    Refused,
    /// It can't be confirmed any more.
    TooLate,
}

/// A till was told of a refund.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refund {
    pub(super) campaign: String,
    pub(super) merchant: MerchantNo,
    pub(super) order: String,
    #[serde(rename = "refund")]
    pub(super) number: String,
    /// Whether it was refused, so that nothing was paid back.
    pub(super) refused: bool,
    #[serde(rename = "amount_fen")]
    pub(super) amount: Fen,
    #[serde(rename = "taken_back_fen")]
    pub(super) back: Fen,
    /// True whenever it was told.
    #[serde(rename = "at_ms")]
    pub(super) at: At,
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
    fn a_line_that_is_none_of_these_is_an_error_with_its_number() {
        let good = r#"{"unanswered":"ten"}"#;
        for bad in ["", "{}", r#"{"sold_out":"ten"}"#, r#"{"unanswered":"ten","at_ms":1}"#] {
            let read = format!("{good}\n{bad}\n{good}\n").parse::<Record>();
            assert_eq!(read.unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let text = r#"{"pass":"AA","coupon":"0101000000017","kind":"ten","replayed":false,"at_ms":5}
{"sold_out":"ten","at_ms":7}
{"unanswered":"ten"}
{"sold_out_told":"ten","times":4}
{"unanswered":"ten","round":3}
{"campaign":"c","merchant":1,"order":"A","told":"too_late","coupon":"x","amount_fen":5,"face_fen":1,"at_ms":8}
{"campaign":"c","merchant":1,"order":"A","refund":"r","refused":false,"amount_fen":5,"taken_back_fen":1,"at_ms":9}
"#;
        let record: Record = text.parse().unwrap();
        let [
            Said::Yes(yes),
            Said::SoldOut(sold_out),
            Said::Unanswered(unanswered),
            Said::SoldOutTimes(told),
            Said::Unanswered(third),
            Said::Order(order),
            Said::Refund(refund),
        ] = record.lines.as_slice()
        else {
            panic!("{record:?}")
        };
        assert_eq!((yes.coupon.as_str(), yes.replayed), ("0101000000017", false));
        assert_eq!((sold_out.kind.as_str(), sold_out.at), ("ten", At(7)));
        assert_eq!(
            (unanswered.kind.as_str(), unanswered.round, third.round),
            ("ten", None, Some(3))
        );
        assert_eq!(
            (order.told, order.amount, order.face),
            (Told::TooLate, Fen::new(5), Fen::new(1))
        );
        assert_eq!((refund.refused, refund.back), (false, Fen::new(1)));
        assert_eq!((order.at, refund.at), (At(8), At(9)));
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
