//! The client's own record of what the server said, as JSON lines: what an audit holds the journal against.

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// A line of the record.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Line<'a> {
    /// An acknowledged yes.
    Yes { pass: &'a str, coupon: &'a Value, kind: &'a str, replayed: bool, at_ms: i64 },
    /// The first time that a kind was said to be sold out.
    SoldOut { sold_out: &'a str, at_ms: i64 },
    /// How often it was said in all.
    SoldOutTimes { sold_out_told: &'a str, times: u64 },
    /// Somebody with a valid pass who never got a final answer for this kind.
    Unanswered { unanswered: &'a str, round: u8 },
    /// What a till was told of an order.
    Order {
        campaign: &'a str,
        merchant: u32,
        order: &'a str,
        told: Told,
        coupon: &'a str,
        amount_fen: u64,
        face_fen: u64,
        at_ms: i64,
    },
    /// What a till was told of a refund.
    Refund {
        campaign: &'a str,
        merchant: u32,
        order: &'a str,
        refund: &'a str,
        refused: bool,
        amount_fen: u64,
        taken_back_fen: u64,
        at_ms: i64,
    },
}

/// What a till was told of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// A coupon is held for it.
    Locked,
    /// It is paid.
    Confirmed,
    /// It came to nothing.
    Released,
    /// No coupon was ever held for it.
    Refused,
    /// It can't be confirmed any more.
    TooLate,
}

/// Where the lines go; nowhere if nobody wants them.
#[derive(Debug)]
pub(crate) struct Record {
    file: Option<BufWriter<File>>,
    failed: Option<std::io::Error>,
}

impl Record {
    pub(crate) fn to(path: Option<&Path>) -> anyhow::Result<Record> {
        let create = |path: &Path| {
            File::create(path).with_context(|| format!("can't write {}", path.display()))
        };
        let file = path.map(create).transpose()?.map(BufWriter::new);
        Ok(Record { file, failed: None })
    }

    /// Writes a line; the first failure is kept for [`Record::finish`], so that the rush is not disturbed.
    pub(crate) fn write(&mut self, line: &Line<'_>) {
        let Some(file) = &mut self.file else { return };
        let written = serde_json::to_writer(&mut *file, line).map_err(Into::into);
        if let Err(error) = written.and_then(|()| file.write_all(b"\n")) {
            self.failed.get_or_insert(error);
        }
    }

    /// What was written so far is on file, or why not.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error).context("the record could not be written");
        }
        let flushed = self.file.as_mut().map_or(Ok(()), BufWriter::flush);
        flushed.context("the record could not be written")
    }

    /// Everything is on file, or why not.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.flush()
    }
}
