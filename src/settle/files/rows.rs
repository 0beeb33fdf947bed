//! The rows of a batch's tables, cell by cell.

use super::super::{Totals, What};
use super::{csv::Cells, hex};
use crate::domain::{At, BatchNo, Fen, MerchantNo, RedemptionId, RefundId};
use jiff::civil::Date;

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Words of somebody else: names, order numbers.
    Text(String),
    /// What is made here and begins with a digit or a letter: numbers of things, ids, dates.
    Plain(String),
    /// An amount.
    Money(Fen),
    /// An instant, shown on the campaign's clock.
    Moment(At),
}

/// A row of a table that is written and read back.
pub trait Row: Sized + PartialEq {
    /// The names of the columns.
    const COLUMNS: &'static [&'static str];
    /// Its cells, one a column.
    fn cells(&self) -> Vec<Cell>;
    /// Reads a row; `None` if a cell is not of its column.
    fn read(cells: &mut Cells<'_>) -> Option<Self>;
}

/// What a merchant is paid of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRow {
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
    /// Its name.
    pub name: String,
    /// The pool's name.
    pub pool: String,
    /// The sums.
    pub totals: Totals,
    /// When it is paid.
    pub pay_on: Date,
}

impl Row for PaymentRow {
    const COLUMNS: &'static [&'static str] = &[
        "批次",
        "商户号",
        "商户名称",
        "资金池",
        "核销金额（元）",
        "本批退款冲减（元）",
        "上批结欠（元）",
        "新增退款待扣（元）",
        "本批扣回（元）",
        "应付金额（元）",
        "本批结欠（元）",
        "付款日",
    ];

    fn cells(&self) -> Vec<Cell> {
        let Totals { redeemed, taken_back, owed_before, owed_new, kept, payable, owed_after } =
            self.totals;
        let money = [redeemed, taken_back, owed_before, owed_new, kept, payable, owed_after];
        let mut cells = vec![
            Cell::Plain(self.batch.0.to_string()),
            Cell::Plain(self.merchant.0.to_string()),
            Cell::Text(self.name.clone()),
            Cell::Text(self.pool.clone()),
        ];
        cells.extend(money.map(Cell::Money));
        cells.push(Cell::Plain(self.pay_on.to_string()));
        cells
    }

    fn read(cells: &mut Cells<'_>) -> Option<PaymentRow> {
        Some(PaymentRow {
            batch: BatchNo(cells.parsed()?),
            merchant: MerchantNo(cells.parsed()?),
            name: cells.text()?,
            pool: cells.text()?,
            totals: Totals {
                redeemed: cells.money()?,
                taken_back: cells.money()?,
                owed_before: cells.money()?,
                owed_new: cells.money()?,
                kept: cells.money()?,
                payable: cells.money()?,
                owed_after: cells.money()?,
            },
            pay_on: cells.parsed()?,
        })
    }
}

/// One redemption or refund of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
    /// What it is.
    pub what: What,
    /// The redemption it is about.
    pub redemption: RedemptionId,
    /// The merchant's order number.
    pub order: String,
    /// The pool's name.
    pub pool: String,
    /// The coupon's kind.
    pub kind: String,
    /// The coupon's face, or what is taken back of it.
    pub fen: Fen,
    /// When.
    pub at: At,
}

/// What a line is, in words.
const REDEEMED: &str = "核销";
const TAKEN_BACK: &str = "退款冲减";
const OWED: &str = "退款待扣";

impl Row for LineRow {
    const COLUMNS: &'static [&'static str] = &[
        "批次",
        "商户号",
        "类型",
        "核销编号",
        "退款编号",
        "订单号",
        "资金池",
        "券种",
        "金额（元）",
        "时间",
    ];

    fn cells(&self) -> Vec<Cell> {
        let (word, refund) = match self.what {
            What::Redeemed => (REDEEMED, None),
            What::TakenBack(refund) => (TAKEN_BACK, Some(refund)),
            What::Owed(refund) => (OWED, Some(refund)),
        };
        vec![
            Cell::Plain(self.batch.0.to_string()),
            Cell::Plain(self.merchant.0.to_string()),
            Cell::Plain(word.to_owned()),
            Cell::Plain(hex(&self.redemption.0)),
            Cell::Plain(refund.map(|it| hex(&it.0)).unwrap_or_default()),
            Cell::Text(self.order.clone()),
            Cell::Text(self.pool.clone()),
            Cell::Text(self.kind.clone()),
            Cell::Money(self.fen),
            Cell::Moment(self.at),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Option<LineRow> {
        let batch = BatchNo(cells.parsed()?);
        let merchant = MerchantNo(cells.parsed()?);
        let word = cells.plain()?;
        let redemption = RedemptionId(unhex(cells.plain()?)?);
        let refund = cells.plain()?;
        let what = match (word, refund) {
            (REDEEMED, "") => What::Redeemed,
            (TAKEN_BACK, it) => What::TakenBack(RefundId(unhex(it)?)),
            (OWED, it) => What::Owed(RefundId(unhex(it)?)),
            _ => return None,
        };
        Some(LineRow {
            batch,
            merchant,
            what,
            redemption,
            order: cells.text()?,
            pool: cells.text()?,
            kind: cells.text()?,
            fen: cells.money()?,
            at: cells.moment()?,
        })
    }
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let digits = text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(u128::to_be_bytes)
}
