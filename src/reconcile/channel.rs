//! The payment channel's file: what it moved for us on a day.
//!
//! # The format
//!
//! CSV as in RFC 4180: UTF-8 (a byte order mark may stand before it), commas, one row a line. The first row names the
//! columns, exactly and in this order:
//!
//! | column | what |
//! |---|---|
//! | `merchant` | the merchant's number in the campaign, decimal |
//! | `order` | the merchant's order number, 1 to 64 characters, none of them a control character |
//! | `type` | `payment` or `refund` |
//! | `refund` | the refund's number, as `order`; empty in a payment |
//! | `fen` | the coupon's part of it in fen, a whole number of at least 1 |
//! | `status` | `success`, `failed` or `pending` |
//! | `at` | when, RFC 3339 with the offset from UTC: `2023-09-01T10:00:05+08:00` |
//!
//! A row that is not so is named and left out; the others are read. A file that is no such table at all is refused.

use super::{Id, Key, Row, State};
use crate::domain::{At, Fen, MerchantNo, RedemptionId, RefundId};
use jiff::Timestamp;
use std::fmt;

/// The names of the columns.
pub const COLUMNS: [&str; 7] = ["merchant", "order", "type", "refund", "fen", "status", "at"];
/// Characters of an order's or refund's number at most.
const LONGEST: usize = 64;

/// A row of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRow {
    /// The merchant.
    pub merchant: MerchantNo,
    /// Its order number.
    pub order: String,
    /// The refund's number; `None` in a payment.
    pub refund: Option<String>,
    /// The coupon's part.
    pub fen: Fen,
    /// How far it is.
    pub state: State,
    /// When.
    pub at: At,
}

impl ChannelRow {
    /// The row to compare, with the ids that the campaign makes of a merchant's order and of a refund of it.
    pub fn row(
        &self,
        redemption: impl Fn(MerchantNo, &str) -> RedemptionId,
        refund: impl Fn(RedemptionId, &str) -> RefundId,
    ) -> Row {
        let of = redemption(self.merchant, &self.order);
        let id = match &self.refund {
            Some(number) => Id::Refund(refund(of, number)),
            None => Id::Redemption(of),
        };
        Row {
            key: Key { merchant: self.merchant, id },
            fen: self.fen,
            state: self.state,
            at: self.at,
        }
    }
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelFile {
    /// The good rows.
    pub rows: Vec<ChannelRow>,
    /// The others.
    pub bad: Vec<BadRow>,
}

/// A row that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The line it begins on, from 1.
    pub line: usize,
    /// The column; `None` if the row has not as many cells as there are columns.
    pub column: Option<&'static str>,
    /// What stands there, as far as the first characters go.
    pub value: String,
    /// What should.
    pub remedy: &'static str,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadRow { line, column, value, remedy } = self;
        write!(f, "line {line}, {}: `{value}`: {remedy}", column.unwrap_or("the row"))
    }
}

/// Why a file is no such table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not UTF-8.
    #[error("it is not UTF-8, perhaps GB18030: ask for it in UTF-8, or convert it")]
    NotUtf8,
    /// It does not name the columns.
    #[error("its first row must be `merchant,order,type,refund,fen,status,at`")]
    NoColumns,
}

/// Reads a file.
pub fn read(bytes: &[u8]) -> Result<ChannelFile, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records();
    let head = records.next().and_then(Result::ok).ok_or(Unreadable::NoColumns)?;
    if !head.iter().eq(COLUMNS) {
        return Err(Unreadable::NoColumns);
    }
    let mut file = ChannelFile::default();
    let mut lines = Lines { text, at: 0, line: 1 };
    // The text is UTF-8 and lies in memory, so every record can be had.
    for record in records.flatten() {
        let line = lines.of(record.position());
        match row(&record) {
            Ok(row) => file.rows.push(row),
            Err((column, value, remedy)) => {
                // It is shown on terminals, which take control characters for commands.
                let shown =
                    |it: char| if it.is_control() { char::REPLACEMENT_CHARACTER } else { it };
                let value = value.chars().take(LONGEST).map(shown).collect();
                file.bad.push(BadRow { line, column, value, remedy });
            }
        }
    }
    Ok(file)
}

/// Counts lines, which end as rows do: with LF, CRLF or CR.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line that a record begins on, which lies behind the one asked for before.
    fn of(&mut self, position: Option<&csv::Position>) -> usize {
        let begins = position.and_then(|it| usize::try_from(it.byte()).ok()).unwrap_or(self.at);
        let bytes = self.text.as_bytes();
        // What ended the line before, and empty lines, may still stand before it.
        let rest = bytes.get(begins..).unwrap_or_default();
        let blank = rest.iter().take_while(|it| matches!(it, b'\r' | b'\n')).count();
        let passed = bytes.get(self.at..begins + blank).unwrap_or_default();
        let crlf = passed.windows(2).filter(|it| it == b"\r\n").count();
        self.line += passed.iter().filter(|it| matches!(it, b'\r' | b'\n')).count() - crlf;
        self.at = begins + blank;
        self.line
    }
}

type Bad<'a> = (Option<&'static str>, &'a str, &'static str);

fn row(record: &csv::StringRecord) -> Result<ChannelRow, Bad<'_>> {
    let cells: Vec<&str> = record.iter().collect();
    let &[merchant, order, kind, refund, fen, status, at] = cells.as_slice() else {
        let first = cells.first().copied().unwrap_or_default();
        return Err((None, first, "a row has seven cells"));
    };
    let number = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    let bad = |column, value, remedy| (Some(column), value, remedy);
    let merchant = merchant.parse().ok().filter(|_| number(merchant)).map(MerchantNo);
    let merchant = merchant.ok_or(bad(
        "merchant",
        cells.first().copied().unwrap_or_default(),
        "a merchant's number in digits",
    ))?;
    let order = name(order).ok_or(bad("order", order, "an order number of 1 to 64 characters"))?;
    let refund = match (kind, refund) {
        ("payment", "") => None,
        ("payment", other) => return Err(bad("refund", other, "a payment has no refund number")),
        ("refund", it) => {
            Some(name(it).ok_or(bad("refund", it, "a refund's number of 1 to 64 characters"))?)
        }
        (other, _) => return Err(bad("type", other, "`payment` or `refund`")),
    };
    let amount = fen.parse().ok().filter(|it| number(fen) && *it > 0).map(Fen::new);
    let fen = amount.ok_or(bad("fen", fen, "a whole number of fen, at least 1"))?;
    let state = match status {
        "success" => State::Done,
        "failed" => State::Undone,
        "pending" => State::Open,
        other => return Err(bad("status", other, "`success`, `failed` or `pending`")),
    };
    let instant: Result<Timestamp, _> = at.parse();
    let instant = instant.map_err(|_| bad("at", at, "an instant as 2023-09-01T10:00:05+08:00"))?;
    Ok(ChannelRow { merchant, order, refund, fen, state, at: At(instant.as_millisecond()) })
}

fn name(text: &str) -> Option<String> {
    let length = text.chars().count();
    let good = (1..=LONGEST).contains(&length) && !text.chars().any(char::is_control);
    (good && !text.trim().is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "merchant,order,type,refund,fen,status,at\n";
    const GOOD: &str = "41,A-1,payment,,4000,success,2023-09-01T10:00:05+08:00\n";

    fn of(rows: &str) -> ChannelFile {
        read(format!("{HEAD}{rows}").as_bytes()).unwrap()
    }

    #[test]
    fn a_good_file_is_read() {
        let refund = "41,\"A,1\",refund,R-1,1333,pending,2023-09-02T00:00:00Z\n";
        let failed = "7,订单,payment,,1,failed,2023-09-01T10:00:05.250+08:00\n";
        let file = of(&format!("{GOOD}{refund}{failed}"));
        assert_eq!(file.bad, []);
        let at = At(1_693_533_605_000);
        let first = ChannelRow {
            merchant: MerchantNo(41),
            order: "A-1".to_owned(),
            refund: None,
            fen: Fen::new(4_000),
            state: State::Done,
            at,
        };
        assert_eq!(file.rows[0], first);
        assert_eq!((&*file.rows[1].order, file.rows[1].refund.as_deref()), ("A,1", Some("R-1")));
        assert_eq!(file.rows[1].state, State::Open);
        assert_eq!((file.rows[2].state, file.rows[2].at), (State::Undone, at.plus_ms(250)));
    }

    #[test]
    fn each_bad_row_is_told_with_its_line_and_the_others_are_read() {
        let bad = |from: &str, to: &str, column: Option<&str>| {
            let row = GOOD.replacen(from, to, 1);
            // A blank line, and a cell of two lines, and both ways to end a line.
            let text = format!("\n{GOOD}7,\"a\r\nb\",payment,,1,success,x\r\n\r\n{row}{GOOD}");
            let file = of(&text);
            assert_eq!(file.rows.len(), 2, "{to}");
            let lines: Vec<usize> = file.bad.iter().map(|it| it.line).collect();
            assert_eq!(lines, [4, 7], "{to}");
            assert_eq!(file.bad[0].column, Some("order"));
            assert_eq!(file.bad[1].column, column, "{to}: {}", file.bad[1]);
        };
        bad("41,", "+41,", Some("merchant"));
        bad("41,", "4294967296,", Some("merchant"));
        bad("41,", ",", Some("merchant"));
        bad("A-1", "", Some("order"));
        bad("A-1", " ", Some("order"));
        bad("A-1", &"x".repeat(65), Some("order"));
        bad("payment", "Payment", Some("type"));
        bad("payment,,", "payment,R,", Some("refund"));
        bad("payment", "refund", Some("refund"));
        bad("4000", "40.00", Some("fen"));
        bad("4000", "0", Some("fen"));
        bad("4000", "-1", Some("fen"));
        bad("4000", "18446744073709551616", Some("fen"));
        bad("success", "SUCCESS", Some("status"));
        bad("+08:00", "", Some("at"));
        bad("2023-09-01T10:00:05+08:00", "1693533605", Some("at"));
        bad("success,", "success,,", None);
        bad("success,", "", None);
        let shown = of(&GOOD.replacen("4000", "40.00", 1)).bad[0].to_string();
        assert_eq!(shown, "line 2, fen: `40.00`: a whole number of fen, at least 1");
        let loud = of(&GOOD.replacen("4000", "\u{1b}[2J40\u{7}", 1)).bad[0].to_string();
        assert!(!loud.contains(char::is_control), "{loud:?}");
    }

    #[test]
    fn what_is_no_table_is_refused_whole() {
        assert_eq!(read("\u{feff}".as_bytes()), Err(Unreadable::NoColumns));
        assert_eq!(read(GOOD.as_bytes()), Err(Unreadable::NoColumns));
        assert_eq!(read(b""), Err(Unreadable::NoColumns));
        assert_eq!(read(&HEAD.replace("fen", "yuan").into_bytes()), Err(Unreadable::NoColumns));
        // The word for an order in GB18030.
        let chinese = [HEAD.as_bytes(), b"7,\xb6\xa9\xb5\xa5,payment,,1,success,x\n"].concat();
        assert_eq!(read(&chinese), Err(Unreadable::NotUtf8));
        let marked = format!("\u{feff}{HEAD}{GOOD}");
        assert_eq!(read(marked.as_bytes()).unwrap().rows.len(), 1);
    }

    #[test]
    fn a_row_has_the_ids_of_the_campaign() {
        let redemption = |merchant: MerchantNo, order: &str| {
            assert_eq!((merchant, order), (MerchantNo(41), "A-1"));
            RedemptionId([1; 16])
        };
        let refund = |of: RedemptionId, number: &str| {
            assert_eq!((of, number), (RedemptionId([1; 16]), "R-1"));
            RefundId([2; 16])
        };
        let both = GOOD.to_owned() + &GOOD.replacen("payment,", "refund,R-1", 1);
        let rows = of(&both).rows;
        let ids: Vec<Id> = rows.iter().map(|it| it.row(redemption, refund).key.id).collect();
        assert_eq!(ids, [Id::Redemption(RedemptionId([1; 16])), Id::Refund(RefundId([2; 16]))]);
    }
}
