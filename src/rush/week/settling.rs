//! The settlement of a played week, by `quan settle` as people would run it: a batch that two persons decide, its files,
//! the bank, which fails some payments at first, and the decisions on what it answered.

use super::super::office::Office;
use super::stage::Stage;
use crate::domain::{BatchNo, MerchantNo};
use crate::ledger::event::Subject;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::{fmt::Write, fs, path::Path, time::Duration};
use tokio::{process::Command, time::sleep};

/// The store may be behind the ledger for a while.
const TRIES: u32 = 100;
const AGAIN: Duration = Duration::from_millis(200);
/// Of so many merchants one does not get a batch's payment at the first attempt.
const FAILS_OF: u32 = 7;

/// What the files of all batches say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settled {
    pub(super) batches: u32,
    pub(super) payable_fen: i128,
    pub(super) kept_fen: i128,
    pub(super) payments: u32,
    pub(super) failed: u32,
}

#[derive(Deserialize)]
struct Next {
    next_batch: BatchNo,
    due: Vec<Due>,
}

#[derive(Deserialize)]
struct Due {
    due_fen: u64,
}

#[derive(Deserialize)]
struct Manifest {
    payable_fen: u64,
    kept_fen: u64,
}

#[derive(Deserialize)]
struct Sent {
    #[serde(default)]
    file: Option<String>,
}

#[derive(Deserialize)]
struct ToDecide {
    decide: String,
    batch: BatchNo,
    merchant: MerchantNo,
}

/// Settles what is due, if anything is, and pays it.
pub(super) async fn settle(
    stage: &Stage,
    office: &Office,
    campaign: &str,
    settled: &mut Settled,
) -> Result<()> {
    let next: Next = one(&run(stage, &["--look"]).await?)?;
    if next.due.iter().all(|it| it.due_fen == 0) {
        return Ok(());
    }
    let (campaign, batch) = (campaign.to_owned(), next.next_batch);
    let what = Subject::Settle { campaign: campaign.clone(), batch };
    office.decide(stage.ops()?, what)?;
    let folder = stage.home().join("batches");
    let to = folder.to_str().context("a folder's name")?;
    let (no, mut made) = (batch.0.to_string(), None);
    for _ in 0..TRIES {
        match run(stage, &["--batch", &no, "--to", to]).await {
            Ok(text) => made = Some(one::<Manifest>(&text)?),
            Err(error) if error.to_string().contains("try again") => sleep(AGAIN).await,
            Err(error) => return Err(error),
        }
        if made.is_some() {
            break;
        }
    }
    let manifest = made.context("the store stays behind the ledger")?;
    settled.batches = settled.batches.saturating_add(1);
    settled.payable_fen += i128::from(manifest.payable_fen);
    settled.kept_fen += i128::from(manifest.kept_fen);
    let mut retry: Vec<String> = vec![];
    loop {
        let mut arguments = vec!["--batch", &no, "--to", to, "--send"];
        for merchant in &retry {
            arguments.extend(["--retry", merchant]);
        }
        let text = run(stage, &arguments).await?;
        let sent: Sent = one(text.lines().last().unwrap_or_default())?;
        let Some(file) = sent.file else { return Ok(()) };
        let first = retry.is_empty();
        let answers = folder.join("answers.csv");
        fs::write(&answers, bank(Path::new(&file), batch, first, settled)?)?;
        let answers = answers.to_str().context("a file's name")?;
        let text = run(stage, &["--to", to, "--answers", answers]).await?;
        retry.clear();
        for line in text.lines() {
            let ToDecide { decide, batch, merchant } = one(line)?;
            let campaign = campaign.clone();
            let what = match decide.as_str() {
                "paid" => Subject::Paid { campaign, batch, merchant },
                "failed" => Subject::Failed { campaign, batch, merchant },
                other => bail!("{other} is nothing that is decided"),
            };
            office.decide(stage.ops()?, what)?;
            if decide == "failed" {
                retry.push(merchant.0.to_string());
            }
        }
        if retry.is_empty() {
            return Ok(());
        }
    }
}

/// What the bank answers to a file of payments.
fn bank(sent: &Path, batch: BatchNo, first: bool, settled: &mut Settled) -> Result<String> {
    let mut answers = String::from("batch,merchant,attempt,status,fen\n");
    for row in csv::Reader::from_path(sent)?.into_records() {
        let row = row?;
        let cell = |at: usize| row.get(at).context("a row of the file for the bank");
        let (no, merchant, attempt, fen) = (cell(0)?, cell(1)?, cell(2)?, cell(3)?);
        let fails = first && merchant.parse::<u32>()?.wrapping_add(batch.0) % FAILS_OF == 0;
        let (status, fen) = if fails { ("failed", "") } else { ("paid", fen) };
        writeln!(answers, "{no},{merchant},{attempt},{status},{fen}")?;
        let count = if fails { &mut settled.failed } else { &mut settled.payments };
        *count = count.saturating_add(1);
    }
    Ok(answers)
}

/// Runs `quan settle` on the stage's ledger; what it printed.
async fn run(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(stage.program());
    command.arg("settle").args(stage.logs()).arg("--json").args(arguments);
    let output = command.output().await.context("quan settle")?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let printed = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "quan settle {}: {printed}{said}", arguments.join(" "));
    Ok(printed)
}

fn one<T: for<'a> Deserialize<'a>>(line: &str) -> Result<T> {
    let value: Value = serde_json::from_str(line.trim()).with_context(|| line.to_owned())?;
    serde_json::from_value(value).with_context(|| line.to_owned())
}
