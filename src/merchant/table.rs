//! A CSV file as rows of named cells, and what keeps it from being one.
//!
//! Spreadsheets write what they like: with or without a byte order mark, GB18030 unless they are told otherwise, blank
//! lines at the end. What can be read without a guess is read; anything else is told, with what to do.

use super::fault::{Fault, Wrong};
use csv::{ReaderBuilder, StringRecord};
use std::{collections::HashMap, fmt::Display, str::FromStr};

/// Bytes of a file at most. A county's merchants are some hundred lines.
const MOST_BYTES: usize = 1 << 24;

/// A column's name, in English and in Chinese.
pub(super) type Column = (&'static str, &'static str);

/// A line of the file.
pub(super) struct Row {
    pub(super) line: usize,
    cells: Vec<(&'static str, String)>,
}

impl Row {
    pub(super) fn cell(&self, column: &str) -> &str {
        let cell = self.cells.iter().find(|(name, _)| *name == column);
        cell.map_or("", |(_, text)| text)
    }
}

/// The rows, and the lines that are none.
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    pub(super) faults: Vec<Fault>,
}

/// The file as a table of these columns. Faults are of the whole file: no row of it can be read.
pub(super) fn read(file: &[u8], columns: &[Column]) -> Result<Table, Vec<Fault>> {
    let text = text(file).map_err(|fault| vec![fault])?;
    let mut lines = records(text).map_err(|fault| vec![fault])?.into_iter();
    let Some((line, header)) = lines.next() else {
        let wrong = Wrong::new("the file is empty", "name the columns in its first line");
        return Err(vec![wrong.at(1, "", "")]);
    };
    let names = names(line, &header, columns)?;
    let mut table = Table { rows: Vec::new(), faults: Vec::new() };
    for (line, record) in lines {
        if record.len() == names.len() {
            let cells = names.iter().copied().zip(record.iter().map(|cell| cell.trim().to_owned()));
            table.rows.push(Row { line, cells: cells.collect() });
        } else {
            let wrong = format!("{} cells where there are {} columns", record.len(), names.len());
            let remedy = "write every cell, and one with a comma in it in quotation marks";
            let value = record.iter().collect::<Vec<_>>().join(",");
            table.faults.push(Wrong::new(wrong, remedy).at(line, "", &value));
        }
    }
    Ok(table)
}

/// The file's text, without a byte order mark.
fn text(file: &[u8]) -> Result<&str, Fault> {
    const SAVE: &str = "save it as CSV UTF-8 (in WPS or Excel: Save As, CSV UTF-8)";
    if file.len() > MOST_BYTES {
        let remedy = format!("split it into files of at most {MOST_BYTES} bytes");
        return Err(Wrong::new("the file is too large", remedy).at(1, "", ""));
    }
    if file.starts_with(&[0xff, 0xfe]) || file.starts_with(&[0xfe, 0xff]) {
        return Err(Wrong::new("the file is UTF-16, not UTF-8", SAVE).at(1, "", ""));
    }
    let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
    str::from_utf8(file).map_err(|error| {
        let good = file.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + good.split(|byte| *byte == b'\n').skip(1).count();
        let is = if is_gb18030(file) { "GB18030 (GBK)" } else { "something else" };
        Wrong::new(format!("the file is {is}, not UTF-8"), SAVE).at(line, "", "")
    })
}

/// Whether the bytes have the form of GB18030 (GB 18030-2022), of which GBK and GB 2312 are parts.
fn is_gb18030(mut bytes: &[u8]) -> bool {
    loop {
        bytes = match bytes {
            [] => return true,
            [0..=0x7f, rest @ ..]
            | [0x81..=0xfe, 0x40..=0x7e | 0x80..=0xfe, rest @ ..]
            | [0x81..=0xfe, 0x30..=0x39, 0x81..=0xfe, 0x30..=0x39, rest @ ..] => rest,
            _ => return false,
        }
    }
}

/// The records that aren't blank, each with the line it begins on.
fn records(text: &str) -> Result<Vec<(usize, StringRecord)>, Fault> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let place = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
    let (mut records, mut line, mut begin) = (Vec::new(), 1, 0);
    let mut record = StringRecord::new();
    loop {
        let more = reader.read_record(&mut record);
        let end = place(reader.position().byte());
        let raw = text.get(begin..end).unwrap_or_default();
        // What is left of the line before, and blank lines, come with the record after them.
        let body = raw.trim_start_matches(['\r', '\n']);
        let before = raw.strip_suffix(body).unwrap_or_default();
        line += before.matches('\n').count();
        match more {
            Ok(false) => return Ok(records),
            Ok(true) if body.matches('"').count() % 2 == 1 => {
                let remedy = "close it, and write a quotation mark inside of a cell twice";
                let wrong =
                    Wrong::new("a quotation mark is not closed, so no row after it is", remedy);
                return Err(wrong.at(line, "", body));
            }
            Ok(true) if record.iter().all(|cell| cell.trim().is_empty()) => {}
            Ok(true) => records.push((line, record.clone())),
            Err(error) => {
                let wrong = Wrong::new(error.to_string(), "save it as CSV UTF-8 anew");
                return Err(wrong.at(line, "", ""));
            }
        }
        line += body.matches('\n').count();
        begin = end;
    }
}

/// The columns as the header has them.
fn names(
    line: usize,
    header: &StringRecord,
    columns: &[Column],
) -> Result<Vec<&'static str>, Vec<Fault>> {
    let (mut names, mut faults) = (Vec::new(), Vec::new());
    let all =
        columns.iter().map(|(name, zh)| format!("{name} ({zh})")).collect::<Vec<_>>().join(", ");
    for cell in header.iter().map(str::trim) {
        let column =
            columns.iter().find(|(name, zh)| name.eq_ignore_ascii_case(cell) || *zh == cell);
        match column {
            Some((name, _)) if names.contains(name) => {
                let wrong = Wrong::new("the column is there twice", "remove one of them");
                faults.push(wrong.at(line, name, cell));
            }
            Some((name, _)) => names.push(name),
            None => {
                let remedy = format!("remove it, or name it as one of {all}");
                faults.push(Wrong::new("no such column", remedy).at(line, "", cell));
            }
        }
    }
    for (name, zh) in columns.iter().filter(|(name, _)| !names.contains(name)) {
        let wrong = format!("the column {name} ({zh}) is missing");
        faults.push(
            Wrong::new(wrong, "add it to the first line, and a cell of it to every other")
                .at(line, name, ""),
        );
    }
    if faults.is_empty() { Ok(names) } else { Err(faults) }
}

/// Reads a row's cells and notes what is wrong with each.
pub(super) struct Reading<'a> {
    row: &'a Row,
    faults: &'a mut Vec<Fault>,
}

impl Reading<'_> {
    /// Whether the column's cell is.
    pub(super) fn is_empty(&self, column: &str) -> bool {
        self.row.cell(column).is_empty()
    }

    /// What `read` makes of the column's cell.
    pub(super) fn get<T>(
        &mut self,
        column: &'static str,
        read: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let cell = self.row.cell(column);
        read(cell).map_err(|wrong| self.faults.push(wrong.at(self.row.line, column, cell))).ok()
    }
}

/// What must not be in a file twice: the column, and how its cells are compared.
pub(super) type Unique = (&'static str, fn(&str) -> Option<String>);

/// The rows as `read` makes something of them. Of what is there twice no row is taken: nobody knows which one counts.
pub(super) fn each<T>(
    table: Table,
    unique: &[Unique],
    mut read: impl FnMut(&mut Reading) -> Option<T>,
) -> (Vec<T>, Vec<Fault>) {
    let Table { rows, mut faults } = table;
    let mut lines: HashMap<(&str, String), Vec<usize>> = HashMap::new();
    for row in &rows {
        for (column, plain) in unique {
            let Some(key) = plain(row.cell(column)) else { continue };
            lines.entry((column, key)).or_default().push(row.line);
        }
    }
    let mut taken = Vec::new();
    for row in &rows {
        let before = faults.len();
        for (column, plain) in unique {
            let cell = row.cell(column);
            let Some(key) = plain(cell) else { continue };
            let others = lines.get(&(*column, key)).map(Vec::as_slice).unwrap_or_default();
            if let Some(other) = others.iter().find(|line| **line != row.line) {
                let wrong = Wrong::new(format!("line {other} has it too"), "leave the right one");
                faults.push(wrong.at(row.line, column, cell));
            }
        }
        let read = read(&mut Reading { row, faults: &mut faults });
        taken.extend(read.filter(|_| faults.len() == before));
    }
    faults.sort_by_key(|fault| fault.line);
    (taken, faults)
}

/// A cell that is text of at most so many characters, on one line.
pub(super) fn words(most: usize) -> impl Fn(&str) -> Result<String, Wrong> {
    move |cell| {
        if cell.chars().any(char::is_control) {
            return Err(Wrong::new("it has line breaks or control characters", "remove them"));
        }
        let count = cell.chars().count();
        if count > most {
            return Err(Wrong::new(format!("{count} characters, {most} at most"), "shorten it"));
        }
        Ok(cell.to_owned())
    }
}

/// As [`words`], and not empty.
pub(super) fn some_words(most: usize) -> impl Fn(&str) -> Result<String, Wrong> {
    move |cell| match cell {
        "" => Err(Wrong::new("it is empty", "fill it in")),
        _ => words(most)(cell),
    }
}

/// A cell that is a number from 1, in digits.
pub(super) fn number<T: FromStr + Display + PartialOrd + Default>(cell: &str) -> Result<T, Wrong> {
    let number = plain_number::<T>(cell).filter(|it| *it > T::default());
    number.ok_or_else(|| {
        Wrong::new("not a whole number from 1", "write it in digits, without commas")
    })
}

/// The number that a cell of digits is.
pub(super) fn plain_number<T: FromStr>(cell: &str) -> Option<T> {
    let digits = cell.bytes().all(|byte| byte.is_ascii_digit());
    if digits { cell.parse().ok() } else { None }
}

/// A cell that says yes or no.
pub(super) fn yes(cell: &str) -> Result<bool, Wrong> {
    match cell.to_ascii_lowercase().as_str() {
        "yes" | "y" | "1" | "是" | "有" => Ok(true),
        "no" | "n" | "0" | "否" | "无" => Ok(false),
        _ => Err(Wrong::new("neither yes nor no", "write yes (是) or no (否)")),
    }
}

#[cfg(test)]
mod tests;
