//! A batch as a workbook: amounts are numbers, everything else is text and never a formula.

use super::super::{Batch, HeldBack};
use super::Unwritable;
use super::csv::yuan;
use super::rows::{Cell, LineRow, PaymentRow, Row};
use crate::domain::Fen;
use jiff::tz::TimeZone;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

/// A workbook's numbers have fifteen digits.
const MOST: Fen = Fen::new(999_999_999_999_999);

/// The workbook's bytes: the same for the same batch, since its one instant is the batch's.
pub(super) fn write(
    batch: &Batch,
    payments: &[PaymentRow],
    lines: &[LineRow],
    zone: &TimeZone,
) -> Result<Vec<u8>, Unwritable> {
    let mut book = Workbook::new();
    let made = ExcelDateTime::from_timestamp(batch.head.made_at.0.div_euclid(1_000))
        .map_err(|error| unwritable(&error))?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&made));
    sheet(&mut book, "结算汇总", PaymentRow::COLUMNS, payments.iter().map(Row::cells), zone)?;
    sheet(&mut book, "结算明细", LineRow::COLUMNS, lines.iter().map(Row::cells), zone)?;
    sheet(
        &mut book,
        "暂停结算",
        &["商户号", "商户名称", "暂缓金额（元）"],
        batch.held.iter().map(held),
        zone,
    )?;
    book.save_to_buffer().map_err(|error| unwritable(&error))
}

fn held(it: &HeldBack) -> Vec<Cell> {
    let HeldBack { merchant, name, due } = it;
    vec![Cell::Plain(merchant.0.to_string()), Cell::Text(name.clone()), Cell::Money(*due)]
}

fn sheet(
    book: &mut Workbook,
    name: &str,
    columns: &[&str],
    rows: impl Iterator<Item = Vec<Cell>>,
    zone: &TimeZone,
) -> Result<(), Unwritable> {
    let sheet = book.add_worksheet();
    sheet
        .set_name(name)
        .and_then(|it| it.set_freeze_panes(1, 0))
        .map_err(|error| unwritable(&error))?;
    let bold = Format::new().set_bold();
    for (column, title) in (0_u16..).zip(columns) {
        sheet
            .write_string_with_format(0, column, *title, &bold)
            .map_err(|error| unwritable(&error))?;
        sheet.set_column_width(column, 20).map_err(|error| unwritable(&error))?;
    }
    let amount = Format::new().set_num_format("#,##0.00");
    for (row, cells) in (1_u32..).zip(rows) {
        for (column, cell) in (0_u16..).zip(cells) {
            write_cell(sheet, (row, column), cell, &amount, zone)?;
        }
    }
    Ok(())
}

fn write_cell(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    cell: Cell,
    amount: &Format,
    zone: &TimeZone,
) -> Result<(), Unwritable> {
    let written = match cell {
        Cell::Text(text) | Cell::Plain(text) => sheet.write_string(row, column, text),
        Cell::Moment(at) => sheet.write_string(row, column, at.in_zone(zone)),
        Cell::Money(fen) => {
            // The nearest number to what the decimals say: with fifteen digits they are shown again as they were.
            let number = yuan(fen).parse::<f64>().ok().filter(|_| fen <= MOST);
            let number = number.ok_or(Unwritable::TooMuch(fen))?;
            sheet.write_number_with_format(row, column, number, amount)
        }
    };
    written.map(drop).map_err(|error| unwritable(&error))
}

fn unwritable(error: &XlsxError) -> Unwritable {
    Unwritable::Workbook(error.to_string())
}
