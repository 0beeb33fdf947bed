use super::*;
use crate::domain::{At, BatchNo, Fen, MerchantNo, PoolNo, RedemptionId, RefundId};
use crate::settle::{Due, Head, Line, PoolDue, What, make_batch};
use crate::store::LogNo;
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

const RETAIL: PoolNo = PoolNo(1);
const HEAD: Option<[u8; 32]> = Some([0xab; 32]);

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn pools() -> Vec<String> {
    ["car", "retail", "appliance", "catering"].map(str::to_owned).to_vec()
}

fn line(no: u8, what: What, order: &str, fen: u64) -> Line {
    Line {
        at: At(1_694_000_000_000 + i64::from(no)),
        what,
        redemption: RedemptionId([no; 16]),
        order: order.to_owned(),
        pool: RETAIL,
        kind: "retail-40".to_owned(),
        fen: Fen::new(fen),
    }
}

/// Two merchants with lines, one of which is held.
fn batch(name: &str, order: &str) -> Batch {
    let lines = vec![
        line(1, What::Redeemed, order, 4_000),
        line(2, What::Redeemed, "A-2", 4_000),
        line(2, What::TakenBack(RefundId([9; 16])), "A-2", 1_333),
        line(3, What::Owed(RefundId([8; 16])), "A-0", 1_000),
    ];
    let settled =
        PoolDue { owed_before: Fen::new(5), consumed: Fen::new(6_667), kept: Fen::new(1_005) };
    let paid = Due {
        merchant: MerchantNo(41),
        log: LogNo(0),
        name: name.to_owned(),
        held: false,
        lines,
        settled: BTreeMap::from([(RETAIL, settled)]),
    };
    let held = Due {
        merchant: MerchantNo(7),
        log: LogNo(0),
        name: "停".to_owned(),
        held: true,
        lines: vec![line(5, What::Redeemed, "B-1", 4_000)],
        settled: BTreeMap::new(),
    };
    let known_by = Head {
        campaign: "xiangning-2023".to_owned(),
        batch: BatchNo(12),
        made_at: At(1_694_100_000_123),
        pay_on: jiff::civil::date(2023, 9, 8),
    };
    make_batch(known_by, vec![paid, held]).unwrap()
}

fn made(batch: &Batch) -> Files {
    make_files(batch, &pools(), &zone(), HEAD).unwrap()
}

fn text(file: &File) -> &str {
    std::str::from_utf8(&file.bytes).unwrap()
}

/// What a file of the workbook holds.
fn part(files: &Files, name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(&files.files[2].bytes)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn r_audit_1_a_batchs_files_are_these() {
    let files = made(&batch("乡宁“好日子”超市, 一店", "20230908-0001"));
    let names: Vec<&str> = files.files.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["batch-000012-payments.csv", "batch-000012-lines.csv", "batch-000012.xlsx"]);
    assert_eq!(
        text(&files.files[0]),
        "\u{feff}批次,商户号,商户名称,资金池,核销金额（元）,本批退款冲减（元）,上批结欠（元）,新增退款待扣（元）,\
         本批扣回（元）,应付金额（元）,本批结欠（元）,付款日\r\n\
         12,41,\"乡宁“好日子”超市, 一店\",retail,80.00,13.33,0.05,10.00,10.05,56.62,0.00,2023-09-08\r\n"
    );
    let first = text(&files.files[1]).lines().nth(1).unwrap();
    let id = "01".repeat(16);
    assert_eq!(
        first,
        format!(
            "12,41,核销,{id},,20230908-0001,retail,retail-40,40.00,2023-09-06T19:33:20.001+08:00"
        )
    );
    let manifest: Manifest = serde_json::from_slice(&files.manifest_file().bytes).unwrap();
    assert_eq!(manifest, files.manifest);
    assert_eq!((manifest.payable_fen, manifest.kept_fen), (Fen::new(5_662), Fen::new(1_005)));
    assert_eq!((manifest.held[0].merchant, manifest.held[0].due_fen), (7, Fen::new(4_000)));
    assert_eq!(manifest.chain_head, Some("ab".repeat(32)));
    assert_eq!(files.manifest_file().name, "batch-000012.json");
}

#[test]
fn r_audit_1_the_same_batch_makes_the_same_bytes_and_another_one_does_not() {
    let batch = batch("甲", "1");
    let first = made(&batch);
    for _ in 0..5 {
        assert_eq!(made(&batch), first);
    }
    let mut other = batch.clone();
    other.statements[0].lines[0].order.push('1');
    let other = made(&other);
    let differ: Vec<bool> =
        first.files.iter().zip(&other.files).map(|(a, b)| a.bytes != b.bytes).collect();
    assert_eq!(differ, [false, true, true]);
}

#[test]
fn r_audit_1_the_manifest_names_what_was_altered() {
    let made = made(&batch("甲", "1"));
    let manifest = &made.manifest;
    assert_eq!(manifest.check(&made.files), Ok(()));
    for (no, file) in made.files.iter().enumerate() {
        let mut files = made.files.clone();
        let middle = file.bytes.len() / 2;
        files[no].bytes[middle] ^= 1;
        assert_eq!(manifest.check(&files), Err(Unsealed::Altered(file.name.clone())));
        files.remove(no);
        assert_eq!(manifest.check(&files), Err(Unsealed::Missing(file.name.clone())));
    }
    let mut files = made.files.clone();
    files.push(made.manifest_file());
    assert_eq!(manifest.check(&files), Err(Unsealed::Strange("batch-000012.json".to_owned())));
}

#[test]
fn no_text_is_a_formula_in_a_table() {
    for text in
        ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "'=1", "＝1", "\r\n=1", "\u{3000}＋1"]
    {
        let files = made(&batch(text, text));
        for file in &files.files[..2] {
            let bytes = &file.bytes[3..];
            let mut reader = csv_reader(bytes);
            for cell in reader
                .records()
                .flat_map(|it| it.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
            {
                let first = cell.trim_start().chars().next().unwrap_or('x');
                assert!(!"=+-@＝＋－＠\t\r\n".contains(first), "{cell:?}");
            }
        }
        let payments: Vec<PaymentRow> = read(&files.files[0].bytes, &zone()).unwrap();
        assert_eq!(payments[0].name, text);
        assert!(!part(&files, "xl/worksheets/sheet1.xml").contains("<f>"));
    }
}

fn csv_reader(bytes: &[u8]) -> ::csv::Reader<&[u8]> {
    ::csv::ReaderBuilder::new().has_headers(false).from_reader(bytes)
}

#[test]
fn a_workbook_has_amounts_as_numbers_and_words_as_words() {
    let files = made(&batch("=cmd()", "007"));
    let sheet = part(&files, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains("<v>56.62</v>") && sheet.contains("<v>13.33</v>"), "{sheet}");
    let words = part(&files, "xl/sharedStrings.xml");
    for word in ["=cmd()", "007", "结欠", "2023-09-06T19:33:20.001+08:00", "停"] {
        assert!(words.contains(word), "{word}");
    }
    assert!(part(&files, "xl/styles.xml").contains("#,##0.00"));
    let core = part(&files, "docProps/core.xml");
    assert!(core.contains("2023-09-07T15:20:00Z"), "{core}");
    for name in ["结算汇总", "结算明细", "暂停结算"] {
        assert!(part(&files, "xl/workbook.xml").contains(name));
    }
}

#[test]
fn what_a_workbook_can_not_hold_is_named() {
    let mut big = batch("甲", "1");
    big.statements[0].lines[0].fen = Fen::new(999_999_999_999_999);
    assert!(part(&made(&big), "xl/worksheets/sheet2.xml").contains("<v>9999999999999.99</v>"));
    let more = Fen::new(1_000_000_000_000_000);
    big.statements[0].lines[0].fen = more;
    let made = |batch: &Batch| make_files(batch, &pools(), &zone(), HEAD);
    assert_eq!(made(&big), Err(Unwritable::TooMuch(more)));
    let long = batch("甲", &"1".repeat(40_000));
    assert!(matches!(made(&long), Err(Unwritable::Workbook(_))));
    let mut stranger = batch("甲", "1");
    stranger.statements[0].lines[0].pool = PoolNo(9);
    assert_eq!(made(&stranger), Err(Unwritable::PoolUnknown(PoolNo(9))));
}

#[test]
fn r_audit_1_what_is_not_ours_is_refused_with_its_place() {
    let files = made(&batch("甲", "1"));
    let bytes = &files.files[1].bytes;
    let lines = |from: &str, to: &str| {
        let text = text(&files.files[1]).replacen(from, to, 1);
        read::<LineRow>(text.as_bytes(), &zone())
    };
    assert_eq!(read::<LineRow>(bytes, &zone()).unwrap().len(), 4);
    assert_eq!(read::<PaymentRow>(bytes, &zone()), Err(ReadFault::Head));
    assert_eq!(read::<LineRow>(&bytes[3..], &zone()), Err(ReadFault::Head));
    assert_eq!(lines("批次", "批号"), Err(ReadFault::Head));
    let cell = |row, column| Err(ReadFault::Cell { row, column });
    assert_eq!(lines("40.00", "40.0"), Err(ReadFault::Altered { row: 2 }));
    assert_eq!(lines("40.00", "-40.00"), cell(2, "金额（元）"));
    assert_eq!(lines("40.00", "40.100"), cell(2, "金额（元）"));
    assert_eq!(lines("核销,01", "核准,01"), cell(2, "退款编号"));
    assert_eq!(lines("0101,,", "010,,"), cell(2, "核销编号"));
    assert_eq!(lines(",1,retail", ",=1,retail"), Err(ReadFault::Altered { row: 2 }));
    assert_eq!(lines("+08:00\r\n12", "+08:00\n12"), Err(ReadFault::Altered { row: 2 }));
    assert_eq!(lines("+08:00", "+07:00"), Err(ReadFault::Altered { row: 2 }));
    assert_eq!(lines("20.002+08:00\r\n", "20.002+08:00,\r\n"), Err(ReadFault::Altered { row: 3 }));
    let cut = &bytes[..bytes.len() - 2];
    assert_eq!(read::<LineRow>(cut, &zone()), Err(ReadFault::Altered { row: 5 }));
}

proptest! {
    /// Whatever merchants and tills write, the tables say just that.
    #[test]
    fn r_audit_1_what_is_written_is_read_back(name in ".*", order in "[\\PC\\r\\n\t\"',=+@-]*", fen in any::<u64>()) {
        let mut batch = batch(&name, &order);
        batch.statements[0].lines[0].fen = Fen::new(fen);
        let payments = payment_rows(&batch, &pools()).unwrap();
        let lines = line_rows(&batch, &pools()).unwrap();
        let zone = zone();
        prop_assert_eq!(read::<PaymentRow>(&csv::write(&payments, &zone), &zone).unwrap(), payments);
        prop_assert_eq!(read::<LineRow>(&csv::write(&lines, &zone), &zone).unwrap(), lines);
    }

    /// A table with another byte is refused, or says something else that is written just so; the manifest tells in any case.
    #[test]
    fn r_audit_1_a_table_has_one_spelling(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let files = made(&batch("甲,=\"", "'1"));
        let mut bytes = files.files[1].bytes.clone();
        let place = at.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        let written: Vec<LineRow> = read(&bytes, &zone()).unwrap();
        bytes[place] = byte;
        if let Ok(rows) = read::<LineRow>(&bytes, &zone()) {
            prop_assert_ne!(rows, written);
        }
        let mut altered = files.files.clone();
        altered[1].bytes = bytes;
        prop_assert!(files.manifest.check(&altered).is_err());
    }
}
