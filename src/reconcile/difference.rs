//! One thing on which the ledger and another side differ, and how it is said to people.

use super::{Id, Key, Row, Side, State};
use jiff::tz::TimeZone;
use serde::Serialize;

/// How two sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The other side has it and the ledger has not.
    MissingHere,
    /// The ledger has it and the other side has not.
    MissingThere,
    /// The amounts differ.
    Amount,
    /// One side says that it is done, the other that it is not.
    State,
    /// A side has it more than once.
    Doubled,
    /// The instants are further apart than they may be.
    Late,
    /// The channel has the money, and the ledger let go of the coupon: its confirmation came too late, or never.
    PaidUnconfirmed,
}

/// A difference, with what both sides say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How they differ.
    pub kind: Kind,
    /// Who differs from the ledger.
    pub side: Side,
    /// What it is about.
    pub key: Key,
    /// What the ledger has.
    pub here: Vec<Row>,
    /// What the other side has.
    pub there: Vec<Row>,
}

impl Difference {
    /// In English, with instants on the clock of `zone`.
    pub fn en(&self, zone: &TimeZone) -> String {
        let what = match self.kind {
            Kind::MissingHere => "missing in the ledger",
            Kind::MissingThere => "missing there",
            Kind::Amount => "amounts differ",
            Kind::State => "states differ",
            Kind::Doubled => "there more than once",
            Kind::Late => "instants too far apart",
            Kind::PaidUnconfirmed => "paid there and not confirmed here",
        };
        let word = |state| match state {
            State::Open => "open",
            State::Done => "done",
            State::Undone => "undone",
        };
        let say = |rows: &[Row]| said(rows, zone, "nothing", " and ", word);
        let Key { merchant, id } = self.key;
        let (here, there, side) = (say(&self.here), say(&self.there), self.side.en());
        format!("{what}: {id} of merchant {}: ledger {here}; {side} {there}", merchant.0)
    }

    /// In Chinese, with instants on the clock of `zone`.
    pub fn zh(&self, zone: &TimeZone) -> String {
        let what = match self.kind {
            Kind::MissingHere => "账本缺少",
            Kind::MissingThere => "对方缺少",
            Kind::Amount => "金额不一致",
            Kind::State => "状态不一致",
            Kind::Doubled => "重复",
            Kind::Late => "时间相差过大",
            Kind::PaidUnconfirmed => "对方已支付而账本未确认",
        };
        let word = |state| match state {
            State::Open => "处理中",
            State::Done => "已完成",
            State::Undone => "未成功",
        };
        let say = |rows: &[Row]| said(rows, zone, "无记录", " 和 ", word);
        let Key { merchant, id } = self.key;
        let (kind, id) = match id {
            Id::Redemption(id) => ("核销", id.0),
            Id::Refund(id) => ("退款", id.0),
        };
        let id = u128::from_be_bytes(id);
        let (here, there, side) = (say(&self.here), say(&self.there), self.side.zh());
        format!("{what}：商户 {} {kind} {id:032x}：账本 {here}；{side} {there}", merchant.0)
    }
}

fn said(
    rows: &[Row],
    zone: &TimeZone,
    nothing: &str,
    and: &str,
    word: impl Fn(State) -> &'static str,
) -> String {
    let row = |row: &Row| format!("{} {} {}", row.fen, word(row.state), row.at.in_zone(zone));
    if rows.is_empty() {
        return nothing.to_owned();
    }
    rows.iter().map(row).collect::<Vec<_>>().join(and)
}

impl Side {
    /// Its name in English.
    pub const fn en(self) -> &'static str {
        match self {
            Side::Ledger => "ledger",
            Side::Store => "store",
            Side::Settlement => "settlement",
            Side::Channel => "payment channel",
        }
    }

    /// Its name in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Side::Ledger => "账本",
            Side::Store => "数据库",
            Side::Settlement => "结算批次",
            Side::Channel => "支付渠道",
        }
    }
}
