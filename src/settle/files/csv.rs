//! Tables as CSV: UTF-8 with a byte order mark, so that office programs know the encoding; commas, CRLF and quotes as in
//! RFC 4180; amounts in yuan with two decimals; ids as hexadecimal digits.
//!
//! # Formulas
//!
//! Names and order numbers are other people's words, and an office program takes a cell that begins with `=` for a
//! formula. To refuse such a row would let one cashier stop a whole batch. So a text gets an apostrophe before it if its
//! first character that is no space is one of `= + - @` or their wide forms, or if it begins with an
//! apostrophe, a tab or a line's end. Reading takes the apostrophe off again; no other cell begins with any of these.
//!
//! # Reading back
//!
//! What was read is written once more and compared, so each table has one spelling, and no other is taken.

use super::rows::{Cell, Row};
use crate::domain::{At, Fen};
use jiff::{Timestamp, tz::TimeZone};
use std::str::FromStr;

/// What UTF-8 files begin with so that office programs know them.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Why a file is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// It does not begin as one.
    #[error("it does not begin with a byte order mark and the names of the columns")]
    Head,
    /// A cell can't be read.
    #[error("row {row}, column {column}: not what stands in this column")]
    Cell {
        /// The row, from 1, as an office program shows it.
        row: usize,
        /// The name of the column.
        column: &'static str,
    },
    /// It can be read, but is not written as it would be here.
    #[error("row {row}: altered")]
    Altered {
        /// The first row that is not as it would be written, from 1.
        row: usize,
    },
}

/// The table as CSV, with instants on the clock of `zone`.
pub(super) fn write<R: Row>(rows: &[R], zone: &TimeZone) -> Vec<u8> {
    let mut bytes = MARK.to_vec();
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .quote_style(csv::QuoteStyle::Necessary)
        .from_writer(&mut bytes);
    // Writing to memory can't fail, and all rows have the same length.
    let _ = writer.write_record(R::COLUMNS);
    for row in rows {
        let _ = writer.write_record(row.cells().iter().map(|cell| shown(cell, zone)));
    }
    let _ = writer.flush();
    drop(writer);
    bytes
}

/// Reads a table that was written here, and nothing else.
pub fn read<R: Row>(bytes: &[u8], zone: &TimeZone) -> Result<Vec<R>, ReadFault> {
    let body = bytes.strip_prefix(MARK).ok_or(ReadFault::Head)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(body);
    let mut records = reader.records();
    let head = records.next().and_then(Result::ok).ok_or(ReadFault::Head)?;
    if !head.iter().eq(R::COLUMNS.iter().copied()) {
        return Err(ReadFault::Head);
    }
    let mut rows: Vec<R> = Vec::new();
    for record in records {
        let row = rows.len() + 2;
        let cell = |no: usize| {
            let column = R::COLUMNS.get(no).copied().unwrap_or_default();
            ReadFault::Cell { row, column }
        };
        let record = record.map_err(|_| cell(0))?;
        let mut cells = Cells { record: &record, next: 0 };
        rows.push(R::read(&mut cells).ok_or(cell(cells.next.saturating_sub(1)))?);
    }
    if write(&rows, zone) == bytes { Ok(rows) } else { Err(altered(&rows, bytes, zone)) }
}

/// The first row of `bytes` that is not as it would be written.
fn altered<R: Row>(rows: &[R], bytes: &[u8], zone: &TimeZone) -> ReadFault {
    let same =
        |rows: usize, of: &[R]| bytes.starts_with(&write(of.get(..rows).unwrap_or(of), zone));
    let (mut good, mut bad) = (0, rows.len() + 1);
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if same(middle, rows) { good = middle } else { bad = middle }
    }
    ReadFault::Altered { row: if same(0, rows) { bad + 1 } else { 1 } }
}

fn shown(cell: &Cell, zone: &TimeZone) -> String {
    match cell {
        Cell::Text(text) => harmless(text),
        Cell::Plain(text) => text.clone(),
        Cell::Money(fen) => yuan(*fen),
        Cell::Moment(at) => at.in_zone(zone),
    }
}

/// The text, and never a formula.
pub(in crate::settle) fn harmless(text: &str) -> String {
    if is_risky(text) { format!("'{text}") } else { text.to_owned() }
}

/// Whether an office program might take the text for something else.
fn is_risky(text: &str) -> bool {
    let first = text.trim_start().chars().next();
    text.starts_with(['\'', '\t', '\r', '\n'])
        || first.is_some_and(|it| "=+-@＝＋－＠".contains(it))
}

/// An amount in yuan, as `12.34`.
pub(super) fn yuan(fen: Fen) -> String {
    format!("{}.{:02}", fen.get() / 100, fen.get() % 100)
}

/// The cells of a row that is read, one after the other.
pub struct Cells<'a> {
    record: &'a csv::StringRecord,
    next: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn plain(&mut self) -> Option<&'a str> {
        self.next += 1;
        self.record.get(self.next - 1)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let text = self.plain()?;
        Some(text.strip_prefix('\'').unwrap_or(text).to_owned())
    }

    pub(super) fn parsed<T: FromStr>(&mut self) -> Option<T> {
        self.plain()?.parse().ok()
    }

    pub(super) fn money(&mut self) -> Option<Fen> {
        let (yuan, fen) = self.plain()?.split_once('.')?;
        let fen: u64 = fen.parse().ok().filter(|it| *it < 100)?;
        yuan.parse::<u64>().ok()?.checked_mul(100)?.checked_add(fen).map(Fen::new)
    }

    pub(super) fn moment(&mut self) -> Option<At> {
        Some(At(self.parsed::<Timestamp>()?.as_millisecond()))
    }
}
