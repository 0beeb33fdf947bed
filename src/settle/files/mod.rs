//! The files of a batch: two CSV for programs, one workbook for people, and a manifest that seals them.
//!
//! | file | what |
//! |---|---|
//! | `batch-000012-payments.csv` | one row a merchant and pool: what it is paid and why so much |
//! | `batch-000012-lines.csv` | one row a redemption or refund |
//! | `batch-000012.xlsx` | the same as two sheets, and a third of those whose settlement is stopped |
//! | `batch-000012.json` | the manifest: SHA-256 of each of the others, sums, who is held, and the head of the audit chain |
//!
//! # What always holds
//!
//! - The same batch makes the same bytes.
//! - A table is read back only if it would be written just so; whether it is the one that was written, the manifest
//!   says.
//! - No cell of a CSV file is a formula for the program that opens it (see [`csv`]).

pub mod csv;
mod manifest;
mod rows;
#[cfg(test)]
mod tests;
mod workbook;

pub use csv::{ReadFault, read};
pub use manifest::{Manifest, Sealed, Unsealed};
pub use rows::{LineRow, PaymentRow, Row};

use super::{Batch, Statement};
use crate::domain::PoolNo;
use jiff::tz::TimeZone;
use std::fmt::Write;

/// A file's name and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The files of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// All but the manifest.
    pub files: Vec<File>,
    /// What seals them.
    pub manifest: Manifest,
}

/// Why a batch can't be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A pool has no name.
    #[error("there is no pool {}", .0.0)]
    PoolUnknown(PoolNo),
    /// An amount has more digits than a workbook's number.
    #[error("{0} has more digits than a workbook keeps")]
    TooMuch(crate::domain::Fen),
    /// The workbook can't hold it.
    #[error("the workbook can't hold it: {0}")]
    Workbook(String),
}

/// The files of `batch`. `pools` are the names of the pools in the order of their numbers, `zone` is the campaign's, and
/// `chain_head` is the head of the audit chain by then, if there is one.
pub fn make_files(
    batch: &Batch,
    pools: &[String],
    zone: &TimeZone,
    chain_head: Option<[u8; 32]>,
) -> Result<Files, Unwritable> {
    let payments = payment_rows(batch, pools)?;
    let lines = line_rows(batch, pools)?;
    let stem = format!("batch-{:06}", batch.head.batch.0);
    let file = |rest: &str, bytes| File { name: format!("{stem}{rest}"), bytes };
    let files = vec![
        file("-payments.csv", csv::write(&payments, zone)),
        file("-lines.csv", csv::write(&lines, zone)),
        file(".xlsx", workbook::write(batch, &payments, &lines, zone)?),
    ];
    let manifest = Manifest::of(batch, &files, zone, chain_head);
    Ok(Files { files, manifest })
}

impl Files {
    /// The manifest as a file.
    pub fn manifest_file(&self) -> File {
        File {
            name: format!("batch-{:06}.json", self.manifest.batch),
            bytes: self.manifest.to_json(),
        }
    }
}

fn pool_name(pool: PoolNo, pools: &[String]) -> Result<String, Unwritable> {
    pools.get(usize::from(pool.0)).cloned().ok_or(Unwritable::PoolUnknown(pool))
}

fn payment_rows(batch: &Batch, pools: &[String]) -> Result<Vec<PaymentRow>, Unwritable> {
    let row = |statement: &Statement, pool, totals| {
        Ok(PaymentRow {
            batch: batch.head.batch,
            merchant: statement.merchant,
            name: statement.name.clone(),
            pool: pool_name(pool, pools)?,
            totals,
            pay_on: batch.head.pay_on,
        })
    };
    let rows = batch.statements.iter().flat_map(|statement| {
        statement.pools.iter().map(move |(pool, totals)| row(statement, *pool, *totals))
    });
    rows.collect()
}

fn line_rows(batch: &Batch, pools: &[String]) -> Result<Vec<LineRow>, Unwritable> {
    let mut rows = Vec::new();
    for statement in &batch.statements {
        for line in &statement.lines {
            rows.push(LineRow {
                batch: batch.head.batch,
                merchant: statement.merchant,
                what: line.what,
                redemption: line.redemption,
                order: line.order.clone(),
                pool: pool_name(line.pool, pools)?,
                kind: line.kind.clone(),
                fen: line.fen,
                at: line.at,
            });
        }
    }
    Ok(rows)
}

/// Bytes as lower-case digits, two each.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
