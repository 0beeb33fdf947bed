//! What is said to the bank and what it answers, as CSV.
//!
//! Both files are UTF-8 (a byte order mark may stand before what the bank answers), with commas, and their first row
//! names the columns, exactly and in this order.
//!
//! | what is sent | |
//! |---|---|
//! | `batch`, `merchant`, `attempt` | by which the bank's answer names it |
//! | `fen` | how much, in fen |
//! | `name` | the merchant's name |
//!
//! | what is answered | |
//! |---|---|
//! | `batch`, `merchant`, `attempt` | as they were sent |
//! | `status` | `paid` or `failed` |
//! | `fen` | how much arrived, in fen; empty if it failed |

use super::payment::{Answer, Instruction};
use crate::domain::{BatchNo, Fen, MerchantNo};
use std::str::FromStr;

const SENT: [&str; 5] = ["batch", "merchant", "attempt", "fen", "name"];
const ANSWERED: [&str; 5] = ["batch", "merchant", "attempt", "status", "fen"];

/// The bank's answer to an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
    /// Which attempt.
    pub attempt: u16,
    /// What became of it.
    pub answer: Answer,
}

/// Why a file is not the bank's answers. One bad row and nothing of it is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswers {
    /// It is no such table.
    #[error("its first row must be `batch,merchant,attempt,status,fen`, in UTF-8")]
    NoColumns,
    /// A row is not one of an answer.
    #[error("row {row}: {why}")]
    Row {
        /// The row, from 1, as an office program shows it.
        row: usize,
        /// What it has to be.
        why: &'static str,
    },
}

/// The instructions as a file; a name's formula is made harmless as in the batch's tables.
pub fn sent(instructions: &[Instruction], name: impl Fn(MerchantNo) -> String) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = csv::Writer::from_writer(&mut bytes);
    // Writing to memory can't fail, and all rows have the same length.
    let _ = writer.write_record(SENT);
    for it in instructions {
        let numbers = [it.batch.0.to_string(), it.merchant.0.to_string(), it.attempt.to_string()];
        let name = super::files::csv::harmless(&name(it.merchant));
        let rest = [it.fen.get().to_string(), name];
        let _ = writer.write_record(numbers.iter().chain(&rest));
    }
    let _ = writer.flush();
    drop(writer);
    bytes
}

/// Which merchants' attempts a file of instructions has.
pub fn instructed(bytes: &[u8]) -> Vec<(MerchantNo, u16)> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let read = |record: csv::StringRecord| {
        Some((MerchantNo(number(record.get(1)?)?), number(record.get(2)?)?))
    };
    reader.records().flatten().filter_map(read).collect()
}

/// Reads the bank's answers.
pub fn answers(bytes: &[u8]) -> Result<Vec<Answered>, BadAnswers> {
    let text = std::str::from_utf8(bytes).map_err(|_| BadAnswers::NoColumns)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records();
    let head = records.next().and_then(Result::ok).ok_or(BadAnswers::NoColumns)?;
    if !head.iter().eq(ANSWERED) {
        return Err(BadAnswers::NoColumns);
    }
    // The text is UTF-8 and lies in memory, so every record can be had.
    (2..)
        .zip(records.flatten())
        .map(|(row, it)| answer(&it).map_err(|why| BadAnswers::Row { row, why }))
        .collect()
}

fn answer(record: &csv::StringRecord) -> Result<Answered, &'static str> {
    let cells: Vec<&str> = record.iter().collect();
    let &[batch, merchant, attempt, status, fen] = cells.as_slice() else {
        return Err("a row has five cells");
    };
    let answer = match (status, fen) {
        ("paid", fen) => {
            let fen = number(fen).filter(|it| *it > 0);
            Answer::Paid(Fen::new(
                fen.ok_or("`fen` is what arrived, a whole number of at least 1")?,
            ))
        }
        ("failed", "") => Answer::Failed,
        ("failed", _) => return Err("of a payment that failed nothing arrived: `fen` is empty"),
        _ => return Err("`status` is `paid` or `failed`"),
    };
    Ok(Answered {
        batch: BatchNo(number(batch).ok_or("`batch` is a number")?),
        merchant: MerchantNo(number(merchant).ok_or("`merchant` is a number")?),
        attempt: number(attempt).ok_or("`attempt` is a number")?,
        answer,
    })
}

/// Digits and nothing else.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.bytes().all(|it| it.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_and_answered_is_told_by_batch_merchant_and_attempt() {
        let (batch, merchant) = (BatchNo(3), MerchantNo(41));
        let it = Instruction { batch, merchant, attempt: 2, fen: Fen::new(4_000) };
        let file = sent(&[it], |_| "=甲, 一店".to_owned());
        let file = String::from_utf8(file).unwrap();
        assert_eq!(file, "batch,merchant,attempt,fen,name\n3,41,2,4000,\"'=甲, 一店\"\n");
        let head = "\u{feff}batch,merchant,attempt,status,fen\n";
        let rows =
            answers(format!("{head}3,41,2,paid,4000\r\n3,7,1,failed,\n").as_bytes()).unwrap();
        let paid = Answered { batch, merchant, attempt: 2, answer: Answer::Paid(it.fen) };
        let failed =
            Answered { merchant: MerchantNo(7), attempt: 1, answer: Answer::Failed, ..paid };
        assert_eq!(rows, [paid, failed]);
    }

    #[test]
    fn one_bad_row_and_no_answer_is_taken() {
        let head = "batch,merchant,attempt,status,fen\n";
        for row in [
            "3,41,1,paid,",
            "3,41,1,paid,0",
            "3,41,1,paid,-1",
            "3,41,1,paid,40.00",
            "3,41,1,failed,0",
            "3,41,1,PAID,1",
            "+3,41,1,failed,",
            "3,,1,failed,",
            "3,41,65536,failed,",
            "3,41,1,failed",
            "3,41,1,failed,,",
            "3,41,1,paid,18446744073709551616",
        ] {
            let file = format!("{head}3,7,1,failed,\n{row}\n");
            let Err(BadAnswers::Row { row: at, .. }) = answers(file.as_bytes()) else {
                panic!("{row}")
            };
            assert_eq!(at, 3, "{row}");
        }
        for file in ["", "3,41,1,failed,\n", "batch,merchant,attempt,fen,name\n"] {
            assert_eq!(answers(file.as_bytes()), Err(BadAnswers::NoColumns), "{file}");
        }
        assert_eq!(answers(b"\xb6\xa9"), Err(BadAnswers::NoColumns));
    }
}
