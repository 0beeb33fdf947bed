//! The plan file as it is written: every key is known, every value has its type, nothing is checked beyond that.

use super::Finding;
use crate::domain::Fen;
use crate::redeem::{Coupon, Money, Part, Side};
use jiff::civil::{Date, DateTime, Time, Weekday};
use serde::Deserialize;
use std::{
    num::{NonZeroU8, NonZeroU32},
    ops::Range,
};
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) campaign: Campaign,
    pub(super) fund: Fund,
    pub(super) pool: Vec<Pool>,
    pub(super) calendar: Calendar,
    pub(super) validity: Validity,
    pub(super) kind: Vec<Kind>,
    pub(super) limit: Spanned<Vec<Spanned<Limit>>>,
    pub(super) allocation: Allocation,
    pub(super) leftover: Leftover,
    pub(super) pass: PassTable,
    pub(super) fence: FenceFile,
    pub(super) fix: Fix,
    pub(super) redeem: Redeem,
    pub(super) refund: Spanned<Vec<Spanned<Refund>>>,
    pub(super) rates: RateRules,
    pub(super) clock: ClockRules,
    pub(super) settlement: Settlement,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Campaign {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) zone: Spanned<String>,
    pub(super) starts: Spanned<DateTime>,
    pub(super) ends: Spanned<DateTime>,
    pub(super) books_close_after_days: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fund {
    pub(super) total_fen: Spanned<Fen>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub(super) name: Spanned<String>,
    pub(super) budget_fen: Spanned<Fen>,
    pub(super) ring_fenced: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Calendar {
    pub(super) first: Spanned<Date>,
    pub(super) weekday: Spanned<Day>,
    pub(super) rounds: Spanned<u8>,
    pub(super) opens_at: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Validity {
    pub(super) ends_on: Day,
    pub(super) ends_at: Time,
    pub(super) cut_at_period_end: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    pub(super) name: Spanned<String>,
    pub(super) pool: Spanned<String>,
    pub(super) face_fen: Spanned<Fen>,
    pub(super) threshold_fen: Spanned<Fen>,
    pub(super) units_per_round: Spanned<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Weekday {
        match day {
            Day::Monday => Weekday::Monday,
            Day::Tuesday => Weekday::Tuesday,
            Day::Wednesday => Weekday::Wednesday,
            Day::Thursday => Weekday::Thursday,
            Day::Friday => Weekday::Friday,
            Day::Saturday => Weekday::Saturday,
            Day::Sunday => Weekday::Sunday,
        }
    }
}

/// One limit on what a person may get (R-WHO-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Whose coupons are counted together.
    pub of: LimitOf,
    /// Over what time they are counted.
    pub per: Per,
    /// How many a person may get.
    pub most: NonZeroU32,
}

/// Whose coupons a limit counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitOf {
    /// Each kind for itself.
    Kind,
    /// All kinds of a pool.
    Pool,
    /// All kinds.
    All,
}

/// The time over which a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// One round.
    Round,
    /// One day of the campaign's zone.
    Day,
    /// One week from Monday in the campaign's zone.
    Week,
    /// The whole campaign.
    Campaign,
}

/// Who gets a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Allocation {
    /// Who comes first, in the order the server decides (R-CLAIM-1).
    FirstCome {},
}

/// What happens to the money of coupons that nobody took or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Leftover {
    /// It is available again in the pool it came from (R-FUND-2).
    BackToPool {},
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PassTable {
    pub(super) solve_before_opening_s: u32,
    pub(super) valid_s: NonZeroU32,
    pub(super) one_kind_per_pass: bool,
    pub(super) bound_for: Spanned<BoundFor>,
}

/// How long identifiers stay bound to a person (R-WHO-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundFor {
    /// For one round.
    Round,
    /// For the whole campaign.
    Campaign,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FenceFile {
    pub(super) file: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fix {
    pub(super) oldest_s: NonZeroU32,
    pub(super) ahead_at_most_s: u32,
    pub(super) accuracy_at_most_m: Spanned<NonZeroU32>,
    pub(super) fence_at_use: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redeem {
    pub(super) lock_s: Spanned<NonZeroU32>,
    pub(super) far_m: NonZeroU32,
    pub(super) code_rotate_s: Spanned<NonZeroU32>,
    pub(super) code_life_s: Spanned<NonZeroU32>,
    pub(super) wrong_tries: Spanned<NonZeroU32>,
    pub(super) wrong_per_s: NonZeroU32,
    pub(super) signed_within_s: Spanned<NonZeroU32>,
    pub(super) terminal_requests: Spanned<NonZeroU32>,
}

/// What is done about one case of a refund (R-REDEEM-5).
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refund {
    pub(super) order: Part,
    pub(super) end: Side,
    pub(super) settlement: Side,
    pub(super) coupon: Coupon,
    pub(super) money: Money,
}

/// How often one person, device or address may ask (R-RISK-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRules {
    /// Requests a second of one person in the long run.
    pub person_per_s: NonZeroU32,
    /// Requests a person may make at once.
    pub person_burst: NonZeroU32,
    /// Requests a second of one device in the long run.
    pub device_per_s: NonZeroU32,
    /// Requests a device may make at once.
    pub device_burst: NonZeroU32,
    /// Requests a second of one address in the long run.
    pub address_per_s: NonZeroU32,
    /// Requests an address may make at once.
    pub address_burst: NonZeroU32,
}

/// The rules of the server's clock (R-RISK-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRules {
    /// The jump beyond which the clock is unhealthy.
    pub jump_at_most_ms: NonZeroU32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settlement {
    pub(super) cut_at: Time,
    pub(super) pay_after_days: Spanned<NonZeroU8>,
    pub(super) holidays: Vec<Spanned<Date>>,
    pub(super) worked: Vec<Spanned<Date>>,
}

/// Reads the file; the error is the first thing that can't be read.
pub(super) fn read(text: &str) -> Result<File, Finding> {
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let fault = error.message().to_owned();
        let remedy = match fault.split_once(' ') {
            Some(("unknown", rest)) if rest.starts_with("variant") => {
                "write one of the expected names; anything else is not built yet"
            }
            Some(("unknown", _)) => "remove it, or write one of the expected names",
            Some(("missing", _)) => "add the key to this table",
            Some(("invalid", _)) => "write a value of the expected type and range",
            _ => "write it as TOML and as the key's comment says",
        };
        finding(text, &span, fault, remedy.to_owned())
    })
}

/// A finding at a place of the file; its value is what stands there, as far as the line goes.
pub(super) fn finding(text: &str, span: &Range<usize>, fault: String, remedy: String) -> Finding {
    let line = text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
    let value = text.get(span.clone()).and_then(|it| it.lines().next()).unwrap_or_default();
    Finding { line, value: value.to_owned(), fault, remedy }
}
