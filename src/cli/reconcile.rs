//! `quan reconcile`.

use super::{
    runtime,
    site::{Found, Site},
};
use anyhow::{Context, Result, bail, ensure};
use quan::{
    audit,
    books::{Books, Cut, ReadError, Source},
    clock::wall,
    domain::{At, BatchNo, CampaignNo, RoundNo},
    reconcile::{
        Bounds, Report, Row, Sides, channel,
        close::{Checklist, Stands},
        reconcile,
        round::{Beside, standing},
        sides,
    },
    redeem,
    settle::folder::{Batches, Filed, Payments},
    store,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// Exit code: something can't be read, and nothing was compared.
const UNREADABLE: u8 = 2;

/// Reconcile: whether ledger, store, settlement batches and payment channel say the same of every redemption and refund.
///
/// Each difference is told with its type and both sides' values; nothing is mended. Exit code 1 if there is one, 2 if
/// something can't be read. With --close, what must be done before a round's books close, the audit included. A server
/// may run; then --until says from when on something may be under way.
#[derive(clap::Args)]
pub(crate) struct Reconcile {
    #[command(flatten)]
    site: Site,
    /// The folder of the settlement batches; without it they are not compared.
    #[arg(long, value_name = "FOLDER")]
    batches: Option<PathBuf>,
    /// The payment channel's file, CSV: merchant,order,type,refund,fen,status,at; again for more.
    #[arg(long, value_name = "FILE")]
    channel: Vec<PathBuf>,
    /// What happened at this instant or later may still be on its way, as 2023-09-01T12:00:00+08:00.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    until: Option<At>,
    /// How far the channel's instants may be from the ledger's, in milliseconds.
    #[arg(long, default_value_t = 120_000)]
    channel_ms: u64,
    /// The list of what must be done before this round's books close.
    #[arg(long, value_name = "ROUND")]
    close: Option<u8>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn instant(text: &str) -> Result<At, jiff::Error> {
    Ok(At(text.parse::<jiff::Timestamp>()?.as_millisecond()))
}

/// All that was read.
struct Read {
    books: Books,
    campaign: CampaignNo,
    sides: Sides,
    payments: BTreeMap<BatchNo, Payments>,
    /// The last entry that the store has of each log of the books, all together.
    store_seq: u64,
}

impl Reconcile {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let (found, report, list) = match self.compared() {
            Ok(compared) => compared,
            Err(error) => {
                writeln!(io::stderr(), "quan: {error:#}")?;
                return Ok(ExitCode::from(UNREADABLE));
            }
        };
        let mut out = io::stdout().lock();
        if self.json {
            let object = json!({ "report": report, "close": list });
            writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?;
        } else {
            show(&mut out, &found, &report, list.as_ref())?;
        }
        let clean = report.differences.is_empty();
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What was compared, and the list if one was asked for.
    fn compared(&self) -> Result<(Found, Report, Option<Checklist>)> {
        let found = self.site.found()?;
        let read = self.read(&found)?;
        let report = reconcile(&read.sides, &self.bounds(&read));
        let list = self.close.map(|round| checklist(&found, &read, &report, RoundNo(round)));
        Ok((found, report, list.transpose()?))
    }

    fn read(&self, found: &Found) -> Result<Read> {
        let name = &found.plan.id;
        let runtime = runtime()?;
        // The store is read before the books, so that it is not ahead of them.
        let (stored, reached, books) = runtime.block_on(async {
            let store = found.source.store().await?;
            let rows = store.sides(name).await;
            let reached = store.logs().await;
            store.close().await;
            Ok::<_, ReadError>((rows?, reached?, found.source.books(Cut::End).await?))
        })?;
        let campaign = books.campaign(name).with_context(|| format!("the ledger has no {name}"))?;
        let (settlement, payments) = match &self.batches {
            Some(folder) => {
                let (filed, payments) = filed(&Batches::at(folder), &books, campaign, found)?;
                (Some(sides::settlement(&filed)), payments)
            }
            None => (None, BTreeMap::new()),
        };
        let reached: BTreeMap<_, _> = reached.into_iter().collect();
        let ends = books.ends().iter();
        let store_seq =
            ends.map(|(log, (end, _))| reached.get(log).map_or(0, |it| *it.min(end))).sum();
        let channel = if self.channel.is_empty() { None } else { Some(self.channel(name)?) };
        let ledger = sides::ledger(&books, campaign);
        let sides = Sides { ledger, store: Some(stored), settlement, channel };
        Ok(Read { books, campaign, sides, payments, store_seq })
    }

    fn channel(&self, campaign: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for path in &self.channel {
            let file = path.display();
            let bytes = fs::read(path).with_context(|| file.to_string())?;
            let read = channel::read(&bytes).with_context(|| file.to_string())?;
            if let Some(first) = read.bad.first() {
                bail!("{file}: {first} ({} bad rows)", read.bad.len())
            }
            let ids = |row: &channel::ChannelRow| {
                row.row(
                    |merchant, order| redeem::redemption(campaign, merchant, order),
                    redeem::refund_id,
                )
            };
            rows.extend(read.rows.iter().map(ids));
        }
        Ok(rows)
    }

    fn bounds(&self, read: &Read) -> Bounds {
        let last = read.books.last_batch(read.campaign);
        let lines = read.books.lines(read.campaign).filter(|(_, line)| Some(line.batch) == last);
        let made_at = lines.map(|(_, line)| line.at).max().unwrap_or(At(i64::MAX));
        // As they stood when the last batch was made, or as they stand now.
        let held = [made_at, At(i64::MAX)].map(|at| read.books.held(read.campaign, at));
        let held = held.into_iter().flatten().collect();
        Bounds {
            until: self.until.unwrap_or(At(i64::MAX)),
            store_ms: 0,
            settlement_ms: 0,
            channel_ms: self.channel_ms,
            held,
            unsettled: sides::unsettled(&read.books, read.campaign),
        }
    }
}

fn checklist(found: &Found, read: &Read, report: &Report, round: RoundNo) -> Result<Checklist> {
    let planned = found.plan.rounds.iter().find(|it| it.no == round).map(|it| it.window);
    // One by which the campaign was extended stands in no plan.
    let mut books = read.books.of(read.campaign);
    let window = planned.or_else(|| books.find_map(|(_, it)| Some(it.rounds.get(&round)?.window)));
    let window = window.with_context(|| format!("there is no round {}", round.0))?;
    ensure!(!read.books.ends().is_empty(), "the ledger has no entries");
    let clean = runtime()?.block_on(async {
        Ok::<_, anyhow::Error>(match &found.source {
            Source::Folder(data) => store::audit(data, None, None).await?.clean,
            Source::Elsewhere { ledger: Some(ledger), store } => {
                audit::audit_elsewhere(ledger, store, None, None).await?.clean
            }
            Source::Elsewhere { ledger: None, store } => {
                audit::audit_store(store, None, None).await?.clean
            }
        })
    })?;
    let beside = Beside {
        at: wall(),
        report,
        payments: &read.payments,
        store_seq: read.store_seq,
        audit_clean: Some(clean),
    };
    Ok(standing(&read.books, read.campaign, round, window, &beside).checklist())
}

fn show(
    out: &mut impl Write,
    found: &Found,
    report: &Report,
    list: Option<&Checklist>,
) -> io::Result<()> {
    for (side, rows) in &report.rows {
        writeln!(out, "{:<16} {rows:>8} rows", side.en())?;
    }
    for side in &report.silent {
        writeln!(out, "{:<16} not compared", side.en())?;
    }
    writeln!(
        out,
        "differences: {}; may be on their way: {}; held: {}",
        report.differences.len(),
        report.awaited,
        report.held
    )?;
    for difference in &report.differences {
        writeln!(out, "{}", difference.en(&found.plan.zone))?;
    }
    let Some(list) = list else { return Ok(()) };
    let closes = if list.may_close { "may close" } else { "stays open" };
    writeln!(out, "round {}: {closes}", list.round.0)?;
    for item in &list.items {
        let mark = match item.stands {
            Stands::Done => "done",
            Stands::Open => "OPEN",
            Stands::Noted => "noted",
        };
        writeln!(out, "{mark:<6} {:<11} {}", item.name, item.en)?;
    }
    Ok(())
}

/// What each batch's files say, and its payments.
fn filed(
    folder: &Batches,
    books: &Books,
    campaign: CampaignNo,
    found: &Found,
) -> Result<(Vec<Filed>, BTreeMap<BatchNo, Payments>)> {
    let begun: BTreeSet<BatchNo> = books.lines(campaign).map(|(_, line)| line.batch).collect();
    let mut filed = Vec::new();
    let mut payments = BTreeMap::new();
    for batch in
        begun.iter().copied().chain(folder.all()?.into_iter().filter(|it| !begun.contains(it)))
    {
        filed.push(folder.filed(batch, &found.plan.zone)?);
        payments.insert(batch, folder.payments(batch)?.unwrap_or_default());
    }
    Ok((filed, payments))
}
