//! Weeks of a campaign, played: a round is rushed, its coupons are taken to shops until they end, and the next begins.
//!
//! Time jumps only between phases, when no request is in flight: the nodes are stopped, and started again with a clock
//! that shows the next phase's instant. So nothing in a server can be made to jump, all nodes jump together, and each
//! jump is a restart whose journal or Redis must bring everything back.

mod books;
mod merchants;
mod planning;
mod reconciling;
mod settling;
mod stage;
mod summary;

pub use summary::summary;

use super::{Options, office::Office, round, told};
use crate::clock;
use crate::config::Config;
use crate::domain::{At, calendar::Round};
use crate::plan::Plan;
use anyhow::{Context, Result, ensure};
use loadtest::report::weeks::{Report, Week};
use loadtest::{Day, Market, Shoppers, progress};
use settling::{Settled, settle};
use stage::Stage;
use std::{fs, io, path::Path, path::PathBuf};

/// Passes that are made in a second, at the least: the clock starts so much before an opening.
const PASSES_PER_S: i64 = 1_500;
/// And this much for everything else.
const BEFORE_OPENING_MS: i64 = 3_000;
/// Before the coupons' end, beside the time in which customers come: what one of them does takes some seconds.
const BEFORE_END_MS: i64 = 5_000;
/// From the end of the last coupons to the settlement, if no round follows.
const SETTLED_AFTER_MS: i64 = 8 * 3_600_000;
/// Connections of phones and tills.
const CONNECTIONS: usize = 256;

/// Plays rounds 1 to `rounds` with the weeks after them, and says what came of it.
pub async fn play(options: &Options, rounds: u8) -> Result<Report> {
    let config = Config::load(&options.config)?;
    let file = config.campaign.first().context("no campaign is configured")?.plan.clone();
    let plan = Plan::usable(&file)?;
    ensure!(options.server.is_none(), "a week is played on servers of its own: leave out --url");
    for no in 1..=rounds {
        round(&plan, no)?;
    }
    let folder = tempfile::Builder::new().prefix("quan-week-").tempdir()?;
    let home = folder.path().to_owned();
    let mut stage = Stage::set(options, &plan, &home).await?;
    let office = Office::open(stage.keys())?;
    let mut shoppers = Shoppers::new(market(options, &plan, &stage))?;
    let (mut weeks, mut settled, mut differences) = (vec![], Settled::default(), vec![]);
    for no in 1..=rounds {
        let (claims, back) =
            claims_and_purchases(options, &plan, (&mut stage, &office), shoppers, no).await?;
        shoppers = back;
        let urls = stage.open(settled_at(&plan, no)?).await?;
        settle(&stage, &office, &plan.id, &mut settled).await?;
        let differs = reconciling::reconcile(&stage, &tills(&home)).await?;
        differences.extend(differs.map(|it| format!("round {no}: {it}")));
        if let Some(what) = planning::adjustment(&stage, &plan, &file, no).await? {
            office.decide(stage.ops()?, what)?;
        }
        shoppers = shoppers.shop(Day::Settled, urls, progress::on_stderr()).await?;
        stage.close().await?;
        weeks.push(Week { claims });
    }
    let shopping = shoppers.finish()?;
    let record = home.join("record.jsonl");
    joined(&home, rounds, &record)?;
    let audit = stage.audit(&record).await;
    if options.keep {
        stage.leave();
        let _ = folder.keep();
    }
    let audit = audit?;
    let totals = audit.totals.iter().find(|it| it.campaign == plan.id);
    let totals = totals.context("the logs have nothing of the campaign")?.clone();
    let mut books = books::of(&totals, &weeks, &shopping, &settled);
    let reconciled = books::reconciled(rounds, &differences);
    books.clean &= reconciled.clean;
    books.checks.push(reconciled);
    let pools = books::pools(&totals);
    let kinds = books::kinds(&totals);
    Ok(Report {
        campaign: plan.id.clone(),
        people: options.crowd.people,
        seed: options.crowd.seed,
        scenario: loadtest::SCENARIO,
        weeks,
        shopping,
        pools,
        kinds,
        books,
        audit: told(audit),
    })
}

fn market(options: &Options, plan: &Plan, stage: &Stage) -> Market {
    let crowd = &options.crowd;
    Market {
        campaign: plan.id.clone(),
        seed: crowd.seed,
        keys: stage.keys().to_owned(),
        tills: stage.tills().to_vec(),
        record: Some(tills(stage.home())),
        connections: crowd.connections.clamp(1, CONNECTIONS),
        purchases_per_s: (crowd.peak / 20).max(1),
    }
}

/// A round, and the week after it up to its coupons' end.
async fn claims_and_purchases(
    options: &Options,
    plan: &Plan,
    (stage, office): (&mut Stage, &Office),
    mut shoppers: Shoppers,
    no: u8,
) -> Result<(loadtest::report::Report, Shoppers)> {
    let Round { window, .. } = *round(plan, no)?;
    let people = i64::from(options.crowd.people);
    let early_ms = BEFORE_OPENING_MS.saturating_add(people.saturating_mul(1_000) / PASSES_PER_S);
    let urls = stage.open(window.from.plus_ms(early_ms.saturating_neg())).await?;
    if no == 1 {
        office.admit(stage.ops()?, &plan.id, stage.merchants())?;
    }
    let people = loadtest::Crowd { round: no, ..options.crowd.clone() };
    let people = people.at(urls.clone(), stage.keys().to_owned(), plan.id.clone());
    let record = Some(claims(stage.home(), no));
    let people = loadtest::Options { record, ..people };
    let prepared = loadtest::prepare(people, progress::on_stderr()).await?;
    let (report, holders) = loadtest::rush_and_hold(prepared, progress::on_stderr()).await?;
    shoppers.hold(holders);
    shoppers = shoppers.shop(Day::Opening, urls, progress::on_stderr()).await?;
    stage.close().await?;
    let length = window.until.ms_since(window.from);
    let midweek = window.from.plus_ms(length / 3 * 2);
    let span_ms = shoppers.span_ms(Day::End);
    let end = window.until.plus_ms(span_ms.saturating_add(BEFORE_END_MS).saturating_neg());
    for (day, at) in [(Day::Midweek, midweek), (Day::End, end)] {
        let urls = stage.open(at).await?;
        shoppers = shoppers.shop(day, urls, progress::on_stderr()).await?;
        stage.close().await?;
    }
    Ok((report, shoppers))
}

/// When the week of a round is settled: before the next round opens.
fn settled_at(plan: &Plan, no: u8) -> Result<At> {
    let until = round(plan, no)?.window.until;
    let next = plan.rounds.iter().find(|round| round.no.0 > no);
    let between = next.map(|next| next.window.from.ms_since(until) / 5 * 4);
    Ok(until.plus_ms(between.unwrap_or(SETTLED_AFTER_MS)))
}

fn claims(home: &Path, no: u8) -> PathBuf {
    home.join(format!("claims-{no}.jsonl"))
}

fn tills(home: &Path) -> PathBuf {
    home.join("tills.jsonl")
}

/// One record of all that was told.
fn joined(home: &Path, rounds: u8, record: &Path) -> Result<()> {
    let mut all = io::BufWriter::new(fs::File::create(record)?);
    let parts = (1..=rounds).map(|no| claims(home, no));
    for part in parts.chain([tills(home)]) {
        io::copy(&mut fs::File::open(part)?, &mut all)?;
    }
    Ok(io::Write::flush(&mut all)?)
}

fn now() -> At {
    clock::wall()
}
