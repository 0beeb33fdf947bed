//! What a file of merchants, shops or tills asks to be done.

use super::{
    Change, CreditCode, Dishonest, Fault, Merchant, Paper, Registry, Shop,
    dishonest::credit_code,
    fault::Wrong,
    table::{Column, Reading, each, number, plain_number, read, some_words, words, yes},
};
use crate::domain::{
    Fen, TerminalId,
    fence::{Datum, Position},
};

const MERCHANTS: [Column; 10] = [
    ("number", "商户编号"),
    ("credit_code", "统一社会信用代码"),
    ("name", "商户名称"),
    ("in_county", "在本县登记"),
    ("above_size", "限额以上"),
    ("categories", "类别"),
    ("cap_fen", "核销上限（分）"),
    ("promotion_plan", "促销方案"),
    ("safety_plan", "安全方案"),
    ("offers", "自有优惠"),
];
const SHOPS: [Column; 7] = [
    ("shop", "门店编号"),
    ("merchant", "商户编号"),
    ("name", "门店名称"),
    ("address", "地址"),
    ("lat", "纬度"),
    ("lon", "经度"),
    ("datum", "坐标系"),
];
const TERMINALS: [Column; 2] = [("terminal", "终端编号"), ("shop", "门店编号")];

/// Characters of a name or an address at most.
const NAME: usize = 100;
/// Characters of what a merchant offers at most.
const OFFERS: usize = 500;
/// Pools that a category can be: a bit each.
const CATEGORIES: usize = 32;

/// What becomes of a file with bad rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRows {
    /// Nothing of it is taken.
    Refuse,
    /// Its good rows are.
    Skip,
}

impl BadRows {
    /// What is taken, and which rows are not.
    pub(super) fn judge<T>(
        self,
        taken: Vec<T>,
        faults: Vec<Fault>,
    ) -> Result<(Vec<T>, Vec<Fault>), Vec<Fault>> {
        if self == BadRows::Refuse && !faults.is_empty() {
            Err(faults)
        } else {
            Ok((taken, faults))
        }
    }
}

/// What an import does.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// What is to be done, in this order. Empty if all of it is known.
    pub changes: Vec<Change>,
    /// What was wrong with the rows that were skipped.
    pub skipped: Vec<Fault>,
}

/// Why nothing is done, or what is.
type Imported = Result<Import, Vec<Fault>>;

fn imported(bad: BadRows, rows: Vec<Vec<Change>>, faults: Vec<Fault>) -> Imported {
    let (rows, skipped) = bad.judge(rows, faults)?;
    Ok(Import { changes: rows.concat(), skipped })
}

/// Admits the merchants of a file, or changes what is known of them; `pools` are the plan's, by number (R-MERCH-1).
pub fn merchants(
    file: &[u8],
    registry: &Registry,
    pools: &[&str],
    dishonest: &Dishonest,
    bad: BadRows,
) -> Imported {
    let numbers = |cell: &str| plain_number::<u32>(cell).map(|it| it.to_string());
    let codes = |cell: &str| Some(cell.to_ascii_uppercase()).filter(|it| !it.is_empty());
    let unique: [super::table::Unique; 2] = [("number", numbers), ("credit_code", codes)];
    let (rows, faults) = each(read(file, &MERCHANTS)?, &unique, |row| {
        let merchant = merchant(row, registry, pools)?;
        let before = registry.merchant(merchant.number);
        let terms = |it: &Merchant| (it.categories, it.cap);
        let same_terms = before.map(terms) == Some(terms(&merchant));
        row.get("credit_code", |_| match before {
            _ if same_terms || !dishonest.has(merchant.credit_code) => Ok(()),
            None => Err(Wrong::new("on the dishonesty list: not admitted", "remove the row")),
            Some(_) => Err(Wrong::new(
                "on the dishonesty list: its categories and cap stay as they are",
                "leave them as they are registered",
            )),
        })?;
        let Merchant { number, categories, cap, .. } = merchant;
        let admit = (!same_terms).then_some(Change::Admit { merchant: number, categories, cap });
        let known = before == Some(&merchant);
        let told = (!known).then_some(Change::Merchant(merchant));
        Some(admit.into_iter().chain(told).collect())
    });
    imported(bad, rows, faults)
}

/// The merchant of a row; every cell is looked at, so that all faults are told at once.
fn merchant(row: &mut Reading, registry: &Registry, pools: &[&str]) -> Option<Merchant> {
    let number = row.get("number", number::<u32>);
    let code = row.get("credit_code", |cell| company(cell, number, registry));
    let name = row.get("name", some_words(NAME));
    let in_county = row.get("in_county", is("not registered in the county"));
    let above_size = row.get("above_size", is("not above the statistical size"));
    let categories = row.get("categories", |cell| categories(cell, pools));
    let cap = row.get("cap_fen", cap);
    let promotion_plan = row.get("promotion_plan", paper);
    let safety_plan = row.get("safety_plan", paper);
    let offers = row.get("offers", words(OFFERS));
    in_county.and(above_size)?;
    Some(Merchant {
        number: number?,
        credit_code: code?,
        name: name?,
        categories: categories?,
        cap: cap?,
        promotion_plan: promotion_plan?,
        safety_plan: safety_plan?,
        offers: offers?,
    })
}

/// A cell that is the credit code of the merchant of that number, and of no other.
fn company(cell: &str, number: Option<u32>, registry: &Registry) -> Result<CreditCode, Wrong> {
    let code = credit_code(cell)?;
    let has_number = number.and_then(|it| registry.merchant(it));
    match (has_number, registry.company(code)) {
        (Some(of), _) if of.credit_code != code => Err(Wrong::new(
            format!("merchant {} is registered with another one", of.number),
            "give a new company a new number",
        )),
        (None, Some(of)) => Err(Wrong::new(
            format!("merchant {} is registered with it", of.number),
            format!("write {} as its number", of.number),
        )),
        _ => Ok(code),
    }
}

/// A cell that must say yes, or the merchant is not admitted.
fn is(not: &'static str) -> impl Fn(&str) -> Result<(), Wrong> {
    move |cell| {
        let no = || Wrong::new(format!("{not}: not admitted"), "remove the row");
        if yes(cell)? { Ok(()) } else { Err(no()) }
    }
}

fn categories(cell: &str, pools: &[&str]) -> Result<u32, Wrong> {
    let pools = pools.get(..CATEGORIES).unwrap_or(pools);
    let mut set = 0;
    for word in cell.split([';', '；', '、', '/']).map(str::trim) {
        let place = pools.iter().position(|it| *it == word);
        let Some(place) = place.and_then(|it| u32::try_from(it).ok()) else {
            let all = pools.join(";");
            let remedy = format!("write one or more of {all}, with semicolons between");
            return Err(Wrong::new(format!("there is no category `{word}`"), remedy));
        };
        set |= 1 << place;
    }
    Ok(set)
}

fn cap(cell: &str) -> Result<Fen, Wrong> {
    if cell.is_empty() {
        return Ok(Fen::ZERO);
    }
    let cap = Fen::new(number(cell)?);
    let remedy = || format!("write {} at most, or nothing if there is none", Fen::MOST.get());
    if cap > Fen::MOST { Err(Wrong::new("higher than any", remedy())) } else { Ok(cap) }
}

fn paper(cell: &str) -> Result<Paper, Wrong> {
    let given = !cell.is_empty() && yes(cell)?;
    Ok(if given { Paper::Given } else { Paper::Open })
}

/// Registers the shops of a file, or changes what is known of them.
pub fn shops(file: &[u8], registry: &Registry, bad: BadRows) -> Imported {
    let numbers = |cell: &str| plain_number::<u32>(cell).map(|it| it.to_string());
    let (rows, faults) = each(read(file, &SHOPS)?, &[("shop", numbers)], |row| {
        let number = row.get("shop", number::<u32>);
        let before = number.and_then(|it| registry.shop(it));
        let merchant = row.get("merchant", |cell| {
            let merchant = super::table::number::<u32>(cell)?;
            if registry.merchant(merchant).is_none() {
                return Err(Wrong::new(
                    "no such merchant is registered",
                    "import the merchants first",
                ));
            }
            match before.filter(|it| it.merchant != merchant) {
                None => Ok(merchant),
                Some(of) => Err(Wrong::new(
                    format!("the shop is merchant {}'s", of.merchant),
                    "give the other merchant's shop a new number",
                )),
            }
        });
        let name = row.get("name", some_words(NAME));
        let address = row.get("address", words(NAME));
        let position = position(row);
        let shop = Shop {
            number: number?,
            merchant: merchant?,
            name: name?,
            address: address?,
            position: position.ok()?,
        };
        let known = before.is_some_and(|it| **it == shop);
        Some(if known { Vec::new() } else { vec![Change::Shop(shop)] })
    });
    imported(bad, rows, faults)
}

/// Where a shop is, if that is known: all three cells, or none. The error is noted.
fn position(row: &mut Reading) -> Result<Option<Position>, ()> {
    if ["lat", "lon", "datum"].into_iter().all(|it| row.is_empty(it)) {
        return Ok(None);
    }
    let lat = row.get("lat", |cell| degrees(cell, 90.0));
    let lon = row.get("lon", |cell| degrees(cell, 180.0));
    let datum = row.get("datum", |cell| {
        let remedy = "write WGS-84 or GCJ-02: what the position is worth depends on it";
        Datum::named(cell).ok_or_else(|| Wrong::new("neither WGS-84 nor GCJ-02", remedy))
    });
    let (Some(lat), Some(lon), Some(datum)) = (lat, lon, datum) else { return Err(()) };
    // Each order looks how far away its customer was, and what phones and satellites say is WGS-84.
    Ok(Some(Position { lat, lon, datum }.to(Datum::Wgs84)))
}

fn degrees(cell: &str, most: f64) -> Result<f64, Wrong> {
    let plain = cell.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
    let degrees = cell.parse().ok().filter(|it: &f64| plain && it.abs() <= most);
    degrees.ok_or_else(|| {
        let wrong = format!("not degrees from -{most} to {most}");
        Wrong::new(wrong, "write lat, lon and datum, as 35.97, 110.84 and GCJ-02, or none of them")
    })
}

/// Registers the tills of a file, or moves them to another shop of the same merchant.
pub fn terminals(file: &[u8], registry: &Registry, bad: BadRows) -> Imported {
    let ids = |cell: &str| Some(cell.to_owned()).filter(|it| !it.is_empty());
    let (rows, faults) = each(read(file, &TERMINALS)?, &[("terminal", ids)], |row| {
        let terminal = row.get("terminal", |cell| {
            let id = cell.parse::<TerminalId>();
            id.map_err(|why| Wrong::new(why.to_string(), "write the id that its key's file names"))
        });
        let before = terminal.and_then(|it| registry.at(it));
        let shop = row.get("shop", |cell| {
            let shop = number::<u32>(cell)?;
            let Some(shop) = registry.shop(shop) else {
                return Err(Wrong::new("no such shop is registered", "import the shops first"));
            };
            match before.filter(|(_, of)| of.number != shop.merchant) {
                None => Ok(shop.number),
                Some((_, of)) => Err(Wrong::new(
                    format!("the terminal is merchant {}'s", of.number),
                    "give the other merchant's terminal a new id and key",
                )),
            }
        });
        let (terminal, shop) = (terminal?, shop?);
        let known = before.is_some_and(|(it, _)| it.number == shop);
        Some(if known { Vec::new() } else { vec![Change::Terminal { terminal, shop }] })
    });
    imported(bad, rows, faults)
}

#[cfg(test)]
mod tests;
