//! `quan settle`.

use super::{runtime, site::Site};
use anyhow::{Context, Result, bail};
use quan::{
    books::{Books, Cut, Payment, ReadError, Source},
    data::DataFolder,
    domain::{At, BatchNo, Fen, MerchantNo},
    reconcile::channel,
    redeem,
    settle::{
        bank,
        desk::{Next, Terms},
        folder::{Batches, Sent},
        make_files,
        payment::{Heard, State},
        sending::{self, Unlike},
    },
    trail,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Settle: what merchants are due, the files of a batch, what is sent to the bank, and what it answered.
///
/// A batch is begun by two persons: `quan decide sign .. settle CAMPAIGN BATCH`. Then this makes its files, of the store's
/// rows and of what the ledger settled; if they differ by one fen there are none, and the merchant is named. What is
/// paid and failed is decided as well; this prints what there is to decide. A server may run.
///
/// Without more, it says which batch is next and what it would hold. One JSON object a line with --json.
#[derive(clap::Args)]
pub(crate) struct Settle {
    #[command(flatten)]
    site: Site,
    /// Say which batch is next and what it would hold; nothing is written.
    #[arg(long, conflicts_with_all = ["batch", "send", "answers"])]
    look: bool,
    /// The batch; the one that was begun last unless said otherwise.
    #[arg(long, requires = "to")]
    batch: Option<u32>,
    /// The folder of the batches' files.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Files of the payment channel, from which the order numbers are: the ledger has but digests of them.
    #[arg(long, value_name = "FILE")]
    channel: Vec<PathBuf>,
    /// Write down that the batch's payments are sent, and a file for the bank; not for merchants that are held.
    #[arg(long, requires = "to")]
    send: bool,
    /// Send once more what failed of this merchant; again for more.
    #[arg(long, value_name = "MERCHANT", requires = "send")]
    retry: Vec<u32>,
    /// The bank's answers, a CSV file: batch,merchant,attempt,status,fen.
    #[arg(long, value_name = "FILE", requires = "to", conflicts_with = "send")]
    answers: Option<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// The last record of the trail beside a journal. Several servers have one each, and the store knows of all.
fn head(source: &Source) -> Result<Option<trail::Head>> {
    match source {
        Source::Folder(data) => Ok(trail::head(&DataFolder::at(data).trail())?),
        Source::Elsewhere { .. } => Ok(None),
    }
}

impl Settle {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let found = self.site.found()?;
        let runtime = runtime()?;
        let books = runtime.block_on(found.source.books(Cut::End))?;
        let name = &found.plan.id;
        let campaign = books.campaign(name).with_context(|| format!("the ledger has no {name}"))?;
        let terms = Terms {
            name: name.clone(),
            campaign,
            zone: found.plan.zone.clone(),
            rules: found.plan.settlement.clone(),
            orders: self.orders(name)?,
            names: found.names(&books)?,
        };
        let (Some(to), false) = (&self.to, self.look) else { return self.show(&terms, &books) };
        let to = Batches::at(to);
        if let Some(file) = &self.answers {
            return self.hear(&terms, &books, &to, file);
        }
        let last = books.last_batch(campaign);
        let Some(batch) = self.batch.map(BatchNo).or(last) else {
            bail!("no batch was begun: `quan decide sign .. settle {name} 1` proposes the first")
        };
        if self.send {
            return self.send(&terms, &books, (&to, &found.source), batch);
        }
        let rows = runtime.block_on(async {
            let store = found.source.store().await?;
            let rows = store.dues(campaign).await;
            let reached = store.logs().await;
            store.close().await;
            Ok::<_, ReadError>((rows?, reached?))
        });
        let (rows, reached) = rows?;
        let reached: BTreeMap<_, _> = reached.into_iter().collect();
        for (log, line) in books.lines(campaign).filter(|(_, line)| line.batch == batch) {
            let has = reached.get(&log).copied().unwrap_or(0);
            if has < line.seq {
                let seq = line.seq;
                bail!(
                    "the store is at {has} of log {log}, the batch at {seq}: try again in a while"
                )
            }
        }
        let pools: Vec<String> = found.plan.pools.iter().map(|pool| pool.name.clone()).collect();
        let batch = terms.batch(batch, &books, &rows)?;
        let files = make_files(&batch, &pools, &terms.zone, head(&found.source)?)?;
        let new = to.write(&files)?;
        let manifest = &files.manifest;
        self.say(&serde_json::to_value(manifest)?, || {
            let how = if new { "written" } else { "there already, just so" };
            let quan::settle::files::Manifest { batch, merchants, payable_fen, pay_on, kept_fen, .. } =
                manifest;
            let head = format!(
                "batch {batch}: {merchants} merchants, {payable_fen} to pay on {pay_on}, {kept_fen} kept; files {how}"
            );
            let lines = manifest.held.iter().map(|it| {
                format!("held: merchant {} {}: {}", it.merchant, it.name, it.due_fen)
            });
            [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// Prints a line: the object, or words of it.
    fn say(&self, object: &Value, words: impl FnOnce() -> String) -> io::Result<()> {
        let text = if self.json { object.to_string() } else { words() };
        writeln!(io::stdout().lock(), "{text}")
    }

    fn orders(&self, campaign: &str) -> Result<BTreeMap<quan::domain::RedemptionId, String>> {
        let mut orders = BTreeMap::new();
        for file in &self.channel {
            let read = channel::read(&fs::read(file).with_context(|| file.display().to_string())?);
            let read = read.with_context(|| file.display().to_string())?;
            orders.extend(
                read.rows
                    .into_iter()
                    .map(|row| (redeem::redemption(campaign, row.merchant, &row.order), row.order)),
            );
        }
        Ok(orders)
    }

    fn show(&self, terms: &Terms, books: &Books) -> Result<ExitCode> {
        let (batch, next) = (terms.next_batch(books), terms.next(books));
        let object = json!({ "campaign": terms.name, "next_batch": batch, "due": next });
        self.say(&object, || {
            let head = format!("next: batch {} of {}", batch.0, terms.name);
            let due = next.iter().map(|it| {
                let Next { merchant, name, standing, pool, due_fen, owed_fen, payable_fen } = it;
                let standing = serde_json::to_string(standing).unwrap_or_default();
                format!(
                    "merchant {} {name}, {pool}: {due_fen} due, {owed_fen} owed, {payable_fen} to pay ({})",
                    merchant.0,
                    standing.trim_matches('"')
                )
            });
            [head].into_iter().chain(due).collect::<Vec<_>>().join("\n")
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn send(
        &self,
        terms: &Terms,
        books: &Books,
        (to, store): (&Batches, &Source),
        batch: BatchNo,
    ) -> Result<ExitCode> {
        let filed = to.filed(batch, &terms.zone)?;
        let (known, unsent) = (to.payments(batch)?, to.unsent(batch, &filed)?);
        let ledger = sending::ledger(books, terms.campaign, batch);
        let agree = sending::agree(&terms.name, &ledger, (&filed, &unsent), known.as_ref());
        agree.with_context(|| format!("batch {}: nothing is sent", batch.0))?;
        let id = to.id()?;
        let mine = runtime()?.block_on(async {
            let store = store.store().await?;
            let mine = store.sends_from(terms.campaign, batch, id).await;
            store.close().await;
            Ok::<_, ReadError>(mine?)
        });
        if !mine? {
            bail!(
                "batch {}: nothing is sent: it was sent from another folder, whose `id` is not {id}: find that one",
                batch.0
            )
        }
        let held = books.held(terms.campaign, At(i64::MAX));
        let retry: Vec<MerchantNo> = self.retry.iter().copied().map(MerchantNo).collect();
        let Sent { sending, not, file } = to.send(batch, &filed, &held, &retry)?;
        for (merchant, why) in &not {
            let object = json!({ "not_sent": merchant, "why": why.to_string() });
            self.say(&object, || format!("merchant {}: not sent: {why}", merchant.0))?;
        }
        for merchant in &sending.held {
            let object = json!({ "not_sent": merchant, "why": "held" });
            self.say(&object, || format!("merchant {}: not sent: held", merchant.0))?;
        }
        let count = sending.instructions.len();
        let object = json!({ "batch": batch, "sent": sending.instructions, "file": file });
        self.say(&object, || match &file {
            Some(file) => format!("{count} payments to send: {}", file.display()),
            None => "nothing to send".to_owned(),
        })?;
        Ok(if not.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn hear(&self, terms: &Terms, books: &Books, to: &Batches, file: &Path) -> Result<ExitCode> {
        let bytes = fs::read(file).with_context(|| file.display().to_string())?;
        let answers = bank::answers(&bytes).with_context(|| file.display().to_string())?;
        for batch in to.all()? {
            let of = to.campaign(batch)?;
            if of != terms.name {
                bail!("batch {}: {}; nothing is heard", batch.0, Unlike::Campaign(of))
            }
        }
        let mut good = true;
        for (answer, heard) in to.hear(&answers)? {
            let why = match heard {
                Heard::NeverSent => "no such attempt was sent",
                Heard::Disputed => "it contradicts what is known: persons have to look at it",
                Heard::Paid | Heard::Failed | Heard::Known => continue,
            };
            good = false;
            let (batch, merchant, attempt) = (answer.batch, answer.merchant, answer.attempt);
            let object =
                json!({ "batch": batch, "merchant": merchant, "attempt": attempt, "why": why });
            let text =
                format!("batch {} merchant {} attempt {attempt}: {why}", batch.0, merchant.0);
            self.say(&object, || text)?;
        }
        good &= self.to_decide(terms, books, to)?;
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Prints what the bank said and the ledger does not have yet; not of what was sent otherwise than the ledger has it,
    /// which is named. Whether there is nothing of that kind.
    fn to_decide(&self, terms: &Terms, books: &Books, to: &Batches) -> Result<bool> {
        let mut good = true;
        for batch in to.all()? {
            let ledger = sending::ledger(books, terms.campaign, batch);
            for (merchant, payment) in to.payments(batch)?.unwrap_or_default() {
                let settled = ledger.get(&merchant).map_or(Fen::ZERO, |it| it.payable);
                if settled != payment.fen {
                    good = false;
                    let (no, sent) = (merchant.0, payment.fen);
                    let object = json!({
                        "batch": batch, "merchant": merchant, "sent_fen": sent, "ledger_fen": settled,
                        "why": "the ledger has another amount in the batch: persons have to look at it",
                    });
                    self.say(&object, || {
                        format!("batch {} merchant {no}: {sent} was sent, the ledger has {settled}: not to be decided", batch.0)
                    })?;
                    continue;
                }
                let mut lines = books.lines(terms.campaign).map(|(_, line)| line).filter(|line| {
                    (line.batch, line.merchant) == (batch, merchant) && line.payable().get() > 0
                });
                let word = match payment.state() {
                    State::Paid if lines.any(|it| it.payment != Payment::Paid) => "paid",
                    State::Failed if lines.any(|it| it.payment == Payment::Payable) => "failed",
                    _ => continue,
                };
                let (name, no, fen) = (&terms.name, merchant.0, payment.fen);
                let object = json!({
                    "decide": word, "campaign": name, "batch": batch, "merchant": merchant, "fen": fen,
                });
                let text = format!("to decide: {word} {name} {} {no} ({fen})", batch.0);
                self.say(&object, || text)?;
            }
        }
        Ok(good)
    }
}
