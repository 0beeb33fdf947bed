//! `quan balance`.

use super::{reconcile::instant, runtime, site::Site};
use anyhow::{Context, Result};
use quan::{
    books::{Book, Books, Cut, Dues},
    domain::{At, CampaignNo, MerchantNo, PoolNo},
    funds::Funds,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
};

/// Balance: every account of every pool, and what stands between each merchant and pool, at any instant.
///
/// It comes of the logs alone: the journal, or of several logs a store's entries and those that Redis has beyond them.
#[derive(clap::Args)]
pub(crate) struct Balance {
    #[command(flatten)]
    site: Site,
    /// At this instant, which is in, as 2023-09-01T12:00:00+08:00; now unless said otherwise.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    at: Option<At>,
    /// After this entry of the journal.
    #[arg(long, conflicts_with = "at")]
    seq: Option<u64>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

impl Balance {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let found = self.site.found()?;
        let cut = match (self.at, self.seq) {
            (Some(at), _) => Cut::At(at),
            (None, Some(seq)) => Cut::Seq(seq),
            (None, None) => Cut::End,
        };
        let books = runtime()?.block_on(found.source.books(cut))?;
        let name = &found.plan.id;
        let none = || format!("the ledger had not opened {name} by then");
        let campaign = books.campaign(name).with_context(none)?;
        let (pools, merchants) = (pools(&books, campaign), merchants(&books, campaign));
        let ends = books.ends().iter();
        let last = ends.clone().map(|(_, (_, at))| *at).max().unwrap_or(At(0));
        let logs: Vec<Value> =
            ends.map(|(log, (seq, _))| json!({ "log": log.0, "seq": seq })).collect();
        let at = last.in_zone(&found.plan.zone);
        let mut out = io::stdout().lock();
        if self.json {
            let objects = |rows: Vec<Row>| -> Vec<Value> {
                let object = |row: Row| row.into_iter().map(|(name, it)| (name.to_owned(), it));
                rows.into_iter().map(|row| Value::Object(object(row).collect())).collect()
            };
            let object = json!({
                "campaign": name, "last_entry_at": at, "logs": logs, "pools": objects(pools),
                "merchants": objects(merchants),
            });
            writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "{name}, after the entry of {at}; in fen")?;
        table(&mut out, &pools)?;
        table(&mut out, &merchants)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A row, in the order of its columns.
type Row = Vec<(&'static str, Value)>;

fn pools(books: &Books, campaign: CampaignNo) -> Vec<Row> {
    let mut names: &[String] = &[];
    let mut funds = Funds::default();
    let mut sent: BTreeMap<PoolNo, i128> = BTreeMap::new();
    for (_, book) in books.of(campaign) {
        names = &book.opened.pools;
        funds = funds.plus(&book.funds);
        book.sent.iter().for_each(|(pool, fen)| *sent.entry(*pool).or_default() += fen);
    }
    let row = |(no, name): (u8, &String)| {
        let it = funds.pool(PoolNo(no)).copied().unwrap_or_default();
        let on_its_way = sent.get(&PoolNo(no)).copied().unwrap_or(0);
        let on_its_way = i64::try_from(on_its_way).unwrap_or(i64::MAX);
        vec![
            ("pool", json!(name)),
            ("budget", json!(it.budget)),
            ("available", json!(it.available)),
            ("reserved", json!(it.reserved)),
            ("frozen", json!(it.frozen)),
            ("consumed", json!(it.consumed)),
            ("payable", json!(it.payable)),
            ("paid", json!(it.paid)),
            // Between two logs; not in the budget of either.
            ("on_its_way", json!(on_its_way)),
        ]
    };
    (0..).zip(names).map(row).collect()
}

fn merchants(books: &Books, campaign: CampaignNo) -> Vec<Row> {
    let mut all: BTreeMap<(MerchantNo, PoolNo), (Dues, &Book)> = BTreeMap::new();
    for (_, book) in books.of(campaign) {
        for (of, dues) in &book.dues {
            let sum = all.entry(*of).or_insert((Dues::default(), book));
            sum.0 = sum.0.sum(*dues);
        }
    }
    let row = |((merchant, pool), (dues, book)): (&(MerchantNo, PoolNo), &(Dues, &Book))| {
        vec![
            ("merchant", json!(merchant)),
            ("pool", json!(book.pool(*pool))),
            ("due", json!(dues.due)),
            ("owed", json!(dues.owed)),
            ("payable", json!(dues.payable)),
            ("paid", json!(dues.paid)),
        ]
    };
    all.iter().map(row).collect()
}

fn table(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = |cells: Vec<String>| {
        cells.iter().map(|cell| format!("{cell:>12}")).collect::<Vec<_>>().join(" ")
    };
    writeln!(out, "{}", line(first.iter().map(|(name, _)| (*name).to_owned()).collect()))?;
    for row in rows {
        writeln!(out, "{}", line(row.iter().map(|(_, value)| cell(value)).collect()))?;
    }
    Ok(())
}
