//! The tables of a settlement batch. One spelling of each is read, and no cell of it is a formula.

use super::{OPENING, Target};
use jiff::tz::TimeZone;
use quan::domain::{BatchNo, Fen, MerchantNo, PoolNo, RedemptionId, RefundId};
use quan::settle::{
    Due, Head, Line, PoolDue, What,
    files::{LineRow, PaymentRow, Row, read},
    make_batch, make_files,
};
use quan::store::LogNo;
use std::collections::BTreeMap;

pub(crate) fn target() -> Target {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let seeds = files(&zone);
    let look = move |input: &[u8]| {
        let payments = table::<PaymentRow>(input, &zone);
        let lines = table::<LineRow>(input, &zone);
        assert!(payments.is_err() || lines.is_err(), "it is both tables");
        payments.or(lines).unwrap_or_else(|why| why)
    };
    Target { seeds, look: Box::new(look) }
}

/// How many rows it has, or why it is none.
fn table<R: Row>(input: &[u8], zone: &TimeZone) -> Result<String, String> {
    let rows: Vec<R> = read(input, zone).map_err(|why| why.to_string())?;
    // Read by another reader's rules: no cell begins as a formula does, and none is missing.
    let mut reader = csv::ReaderBuilder::new().from_reader(&input[3..]);
    assert_eq!(reader.records().count(), rows.len());
    let mut reader = csv::ReaderBuilder::new().from_reader(&input[3..]);
    for cell in
        reader.records().flatten().flat_map(|it| it.iter().map(str::to_owned).collect::<Vec<_>>())
    {
        let first = cell.trim_start().chars().next().unwrap_or('x');
        assert!(!"=+-@".contains(first) && !cell.starts_with(['\t', '\r', '\n']), "{cell:?}");
    }
    Ok(format!("good {}", rows.len()))
}

/// Both tables of a small batch.
fn files(zone: &TimeZone) -> Vec<Vec<u8>> {
    let line = |no: u8, what, order: &str, fen| Line {
        at: OPENING.plus_ms(no.into()),
        what,
        redemption: RedemptionId([no; 16]),
        order: order.to_owned(),
        pool: PoolNo(0),
        kind: "retail-40".to_owned(),
        fen: Fen::new(fen),
    };
    let lines = vec![
        line(1, What::Redeemed, "=A,\"1\"", 4_000),
        line(1, What::TakenBack(RefundId([9; 16])), "A\n1", 1_333),
        line(2, What::Owed(RefundId([8; 16])), "'A-0", 1_000),
    ];
    let (consumed, kept) = (Fen::new(2_667), Fen::new(1_000));
    let settled = PoolDue { owed_before: Fen::ZERO, consumed, kept };
    let due = Due {
        merchant: MerchantNo(41),
        log: LogNo(0),
        name: "好日子, 一店".to_owned(),
        held: false,
        lines,
        settled: BTreeMap::from([(PoolNo(0), settled)]),
    };
    let head = Head {
        campaign: "c".to_owned(),
        batch: BatchNo(12),
        made_at: OPENING,
        pay_on: "2023-09-04".parse().unwrap(),
    };
    let batch = make_batch(head, vec![due]).unwrap();
    let files = make_files(&batch, &["retail".to_owned()], zone, None).unwrap().files;
    files.into_iter().take(2).map(|file| file.bytes).collect()
}
