//! Decisions on their way: proposed, signed, carried out, ended.

use super::roles::{Seat, told};
use super::{Ending, Refused};
use crate::app::App;
use crate::campaign::Campaign;
use crate::domain::{At, CampaignNo, RoundNo};
use crate::ledger::embedded::Outcome;
use crate::ledger::event::{Adjusted, Decided, DecisionId, Stands, Subject};
use crate::ledger::machine::{Answer, Command, No};
use crate::ledger::service;
use crate::plan::Plan;
use crate::store::{self, Kept, Proposed, Stage, Store};
use futures_util::future::join_all;
use serde::Serialize;
use std::{collections::BTreeMap, io, sync::Arc, time::Duration};
use tokio::time::timeout;

/// For so long after it ran out an approved decision is still carried out, if nobody could before.
const LATE_MS: i64 = 10 * 60_000;
/// For so long nodes look whether somebody went on with issuing.
const HEARD_MS: i64 = 10 * 60_000;
/// For so long a stop may take to be noted in the store.
const NOTED: Duration = Duration::from_secs(10);
/// Decisions that are shown.
const SHOWN: u32 = 250;

/// Why it is not known, or not done yet.
#[derive(Debug, thiserror::Error)]
pub enum Away {
    /// It does not count.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It can't be written down.
    #[error("the decision can't be written down: {0}")]
    File(#[from] io::Error),
    /// The store can't be asked.
    #[error("the store can't be asked, so nothing but stopping can be decided just now: {0}")]
    Store(String),
    /// Whether issuing stopped everywhere is not known.
    #[error("whether issuing stopped everywhere is not known, so propose it anew: {0}")]
    Unsure(String),
    /// What became of it is not known yet.
    #[error("it is decided, and is carried out as soon as it can be: {0}")]
    Unknown(String),
}

impl From<store::Error> for Away {
    fn from(error: store::Error) -> Away {
        Away::Store(error.to_string())
    }
}

/// A decision as it is shown.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// What it is known by.
    pub id: DecisionId,
    /// Where it stands.
    pub state: &'static str,
    /// Why it stands there, if somebody said so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Who has to sign it yet.
    pub lacks: Vec<String>,
    /// What it would change, or did.
    pub changes: String,
    /// What was signed, and by whom.
    pub decided: Decided,
}

impl Shown {
    fn of(kept: Kept, lacks: &[Seat], changes: String) -> Shown {
        let Kept { decided, stage, why } = kept;
        let lacks = lacks.iter().map(|seat| told(seat)).collect();
        let id = decided.statement.id();
        Shown { id, state: stage.word(), why, lacks, changes, decided }
    }

    /// Where it stands.
    pub fn stage(&self) -> &'static str {
        self.state
    }
}

/// What is to be done.
enum Deed {
    /// These, each as often as anything is left of it; those of a list come before the next list.
    Ledger(Vec<Vec<Command>>),
    Forget(String),
}

/// So many commands of a decision are asked at once.
const AT_ONCE: usize = 64;

/// Takes a decision in, or more signatures of one, and carries it out if that is all it takes.
pub async fn hand_in(app: &Arc<App>, decided: &Decided, now: At) -> Result<Shown, Away> {
    let decisions = &app.decisions;
    let id = decided.statement.id();
    let lacks = decisions.look(decided, now)?;
    deed(app, &decided.statement.what).await?;
    if let (Subject::Trip { .. }, []) = (&decided.statement.what, lacks.as_slice()) {
        return stop(app, decided).await;
    }
    let store = app.store().await.map_err(Away::Store)?;
    let shown = sign(app, &store, decided, &id).await;
    store.close().await;
    shown
}

async fn sign(
    app: &Arc<App>,
    store: &Store,
    decided: &Decided,
    id: &DecisionId,
) -> Result<Shown, Away> {
    // A store that was lost has forgotten what was decided.
    if app.decisions.was_used(id) && store.decision(id).await?.is_none() {
        return Err(used("written down here").into());
    }
    let kept = match store.propose(decided).await? {
        Proposed::Full => return Err(Refused::Full.into()),
        Proposed::Kept(kept) => kept,
    };
    match kept.stage {
        Stage::Proposed => {
            // By what the store has: others may have signed elsewhere.
            let lacks = app.decisions.staff.lacking(&kept.decided)?;
            let changes = outlook(app, &kept.decided.statement.what);
            if !lacks.is_empty() {
                return Ok(Shown::of(kept, &lacks, changes));
            }
            // False if somebody else was faster, who carries it out.
            store.move_decision(id, Stage::Proposed, Stage::Approved, "").await?;
        }
        Stage::Approved => {}
        stage => return Err(used(stage.word()).into()),
    }
    finish(app, store, &kept.decided).await?;
    let kept = store.decision(id).await?.ok_or(Refused::Unknown(*id))?;
    if kept.stage == Stage::Approved {
        return Err(Away::Unknown("another server is at it".to_owned()));
    }
    let changes = outlook(app, &kept.decided.statement.what);
    Ok(Shown::of(kept, &[], changes))
}

fn used(stage: &str) -> Refused {
    Refused::Used { stage: stage.to_owned() }
}

/// Stops issuing at once: the store is told afterwards.
async fn stop(app: &Arc<App>, decided: &Decided) -> Result<Shown, Away> {
    if app.decisions.was_used(&decided.statement.id()) {
        return Err(used(Stage::CarriedOut.word()).into());
    }
    app.decisions.note(decided)?;
    let (stage, why) = match carry_out(app, decided).await {
        Ok(()) => (Stage::CarriedOut, String::new()),
        Err(Fault::Never(why)) => (Stage::Failed, why),
        Err(Fault::Unknown(why)) => return Err(Away::Unsure(why)),
    };
    let kept = Kept { decided: decided.clone(), stage, why };
    let (noted, after) = (Arc::clone(app), kept.clone());
    tokio::spawn(async move {
        let note = async {
            let store = noted.store().await?;
            let note = async {
                store.propose(&after.decided).await?;
                let id = after.decided.statement.id();
                store.move_decision(&id, Stage::Proposed, after.stage, &after.why).await
            };
            let done = note.await.map_err(|error| error.to_string());
            store.close().await;
            done
        };
        match timeout(NOTED, note).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a stop is not noted in the store"),
            Err(_) => tracing::warn!("a stop is not noted in the store: it takes too long"),
        }
    });
    Ok(Shown::of(kept, &[], outlook(app, &decided.statement.what)))
}

/// Ends a decision that is open.
pub async fn put_end(app: &App, ending: &Ending) -> Result<Shown, Away> {
    let store = app.store().await.map_err(Away::Store)?;
    let end = async {
        let id = ending.decision;
        let kept = store.decision(&id).await?.ok_or(Refused::Unknown(id))?;
        let own = app.decisions.staff.ends(ending, &kept.decided.statement)?;
        let stage = if own { Stage::Withdrawn } else { Stage::Rejected };
        let why = format!("{}: {}", ending.by, ending.why);
        let ended = store.move_decision(&id, Stage::Proposed, stage, &why).await?;
        let kept = store.decision(&id).await?.ok_or(Refused::Unknown(id))?;
        if !ended && (kept.stage, &kept.why) != (stage, &why) {
            return Err(used(kept.stage.word()).into());
        }
        tracing::warn!(%id, why, "a decision is ended");
        let changes = outlook(app, &kept.decided.statement.what);
        Ok(Shown::of(kept, &[], changes))
    };
    let ended = end.await;
    store.close().await;
    ended
}

/// The last decisions, those that are open first.
pub async fn shown(app: &App) -> Result<Vec<Shown>, Away> {
    let store = app.store().await.map_err(Away::Store)?;
    let all = store.decisions(SHOWN).await;
    store.close().await;
    let show = |kept: Kept| {
        let open = kept.stage == Stage::Proposed;
        let lacks = if open { app.decisions.staff.lacking(&kept.decided) } else { Ok(vec![]) };
        let changes = outlook(app, &kept.decided.statement.what);
        match lacks {
            Ok(lacks) => Shown::of(kept, &lacks, changes),
            Err(refused) => Shown::of(Kept { why: refused.to_string(), ..kept }, &[], changes),
        }
    };
    Ok(all?.into_iter().map(show).collect())
}

/// Ends what ran out, carries out what nobody else does, and goes on with issuing where others decided so.
pub async fn tend(app: &App, store: &Store, now: At) -> Result<(), store::Error> {
    store.expire_decisions(now).await?;
    for kept in store.approved().await? {
        let Kept { decided, .. } = kept;
        let id = decided.statement.id();
        let never = match app.decisions.staff.lacking(&decided) {
            Ok(lacks) if !lacks.is_empty() => Some("too few have signed it".to_owned()),
            Ok(_) if decided.statement.until.plus_ms(LATE_MS) <= now => {
                Some("it could not be carried out in time".to_owned())
            }
            Ok(_) => None,
            Err(refused) => Some(refused.to_string()),
        };
        if let Some(why) = never {
            tracing::error!(%id, why, "a decision is not carried out");
            store.move_decision(&id, Stage::Approved, Stage::Failed, &why).await?;
        } else if let Err(error) = finish(app, store, &decided).await {
            tracing::warn!(%id, %error, "a decision is not carried out yet");
        }
    }
    for Kept { decided, .. } in store.carried_out(HEARD_MS).await? {
        if let Subject::Admit { campaign, .. } = &decided.statement.what
            && let Ok(served) = served(app, campaign)
            && let Some(decided) = store.roll(served.no).await?
            && served.till().is_ok_and(|till| till.in_force() != Some(decided))
            && let Err(why) = app.take_merchants(served, decided)
        {
            tracing::error!(why, "the merchants that were decided are not here");
        }
        if let Subject::Resume { campaign } = &decided.statement.what
            && app.decisions.stop(campaign).is_some_and(|stop| stop <= decided.statement.at)
            && app.decisions.staff.lacking(&decided).is_ok_and(|lacks| lacks.is_empty())
            && let Ok(no) = number(app, campaign)
        {
            app.resume(no);
        }
    }
    Ok(())
}

/// Carries an approved decision out, if nobody else is at it.
async fn finish(app: &App, store: &Store, decided: &Decided) -> Result<(), Away> {
    let id = decided.statement.id();
    if !store.try_decision(&id).await? {
        return Ok(());
    }
    app.decisions.note(decided)?;
    let (stage, why) = match carry_out(app, decided).await {
        Ok(()) => (Stage::CarriedOut, String::new()),
        Err(Fault::Never(why)) => (Stage::Failed, why),
        Err(Fault::Unknown(why)) => return Err(Away::Unknown(why)),
    };
    store.move_decision(&id, Stage::Approved, stage, &why).await?;
    Ok(())
}

/// Why a deed was not done.
enum Fault {
    /// It never will be.
    Never(String),
    /// It may have been, or may be later.
    Unknown(String),
}

async fn carry_out(app: &App, decided: &Decided) -> Result<(), Fault> {
    let what = &decided.statement.what;
    let by: Vec<&str> = decided.signatures.iter().map(|it| it.by.as_str()).collect();
    tracing::warn!(?what, ?by, why = decided.statement.why, "a decision is carried out");
    let commands = match deed(app, what).await {
        Ok(Deed::Ledger(commands)) => commands,
        Ok(Deed::Forget(node)) => {
            return app.forget(&node).await.map_err(|error| Fault::Unknown(format!("{error:#}")));
        }
        Err(Away::Refused(refused)) => return Err(Fault::Never(refused.to_string())),
        Err(away) => return Err(Fault::Unknown(away.to_string())),
    };
    if let Subject::Admit { campaign, sha256 } = what {
        // Before the ledger knows of it: after a crash it is to be here.
        let kept = app.folders.with(campaign, *sha256).map_err(Fault::Never)?;
        app.folders
            .keep(&kept)
            .map_err(|error| Fault::Unknown(format!("no copy is kept: {error}")))?;
    }
    for commands in commands.iter().flat_map(|commands| commands.chunks(AT_ONCE)) {
        let asked = commands.iter().map(|command| ask(app, decided, command));
        join_all(asked).await.into_iter().collect::<Result<(), Fault>>()?;
    }
    match what {
        // An outage that was too long is ended here as well.
        Subject::Resume { campaign } => app.resume(number(app, campaign).map_err(never)?),
        Subject::Admit { campaign, sha256 } => {
            let served = served(app, campaign).map_err(never)?;
            app.take_merchants(served, *sha256).map_err(Fault::Unknown)?;
        }
        _ => {}
    }
    Ok(())
}

fn never(refused: Refused) -> Fault {
    Fault::Never(refused.to_string())
}

/// Has the ledger do what was decided until nothing is left of it.
async fn ask(app: &App, decided: &Decided, command: &Command) -> Result<(), Fault> {
    loop {
        let command = Command::Decided(Box::new((decided.clone(), command.clone())));
        match service::told(&*app.ledger, command).await {
            Ok(Outcome::Yes(Answer::Left(left))) if left > 0 => {}
            Ok(Outcome::Yes(_)) => return Ok(()),
            Ok(Outcome::No(no)) => {
                let why = match no {
                    No::Conflict(why) => why.to_owned(),
                    No::Refused(refusal) => refusal.code().to_owned(),
                    No::Funds(_) => "a pool has less than this takes (R-FUND-2)".to_owned(),
                };
                return Err(Fault::Never(format!("the ledger: {why}")));
            }
            other => return Err(Fault::Unknown(format!("the ledger: {other:?}"))),
        }
    }
}

/// What is to be done for a subject here.
async fn deed(app: &App, what: &Subject) -> Result<Deed, Away> {
    let command = match what {
        Subject::Forget { node } => {
            return match app.knows_node(node).await {
                Ok(true) => Ok(Deed::Forget(node.clone())),
                Ok(false) => {
                    Err(Refused::NotHere(format!("no node {node} was ever registered")).into())
                }
                Err(error) => Err(error),
            };
        }
        Subject::Admit { campaign, sha256 } => {
            let no = number(app, campaign)?;
            let merchants = app.folders.with(campaign, *sha256).map_err(Refused::NotHere)?;
            return Ok(Deed::Ledger(merchants.commands(no)));
        }
        Subject::Trip { campaign } => Command::Trip(number(app, campaign)?),
        Subject::Resume { campaign } => Command::Resume(number(app, campaign)?),
        Subject::Adjust { campaign, round, version, quantities } => {
            let served = served(app, campaign)?;
            let quantities = of_each_kind(&served.plan, *round, quantities)?;
            Command::Adjust(served.no, Adjusted { round: *round, version: *version, quantities })
        }
        Subject::Standing { campaign, merchant, standing } => {
            let stands = Stands { merchant: *merchant, standing: *standing };
            Command::Stand(number(app, campaign)?, stands)
        }
        Subject::Settle { campaign, batch } => Command::SettleDue(number(app, campaign)?, *batch),
        Subject::Paid { campaign, batch, merchant } => {
            Command::Paid(number(app, campaign)?, *batch, *merchant)
        }
        Subject::Failed { campaign, batch, merchant } => {
            Command::PaymentFailed(number(app, campaign)?, *batch, *merchant)
        }
    };
    Ok(Deed::Ledger(vec![vec![command]]))
}

/// A round's quantities in the order of the kinds' numbers: of every kind one, and of a round that there is.
fn of_each_kind(
    plan: &Plan,
    round: RoundNo,
    quantities: &BTreeMap<String, u32>,
) -> Result<Vec<u32>, Refused> {
    if !plan.rounds.iter().any(|it| it.no == round) {
        return Err(Refused::NotHere(format!("{} has no round {}", plan.id, round.0)));
    }
    let names: Vec<&str> = plan.kinds.iter().map(|kind| kind.name.as_str()).collect();
    let units = names.iter().map(|name| quantities.get(*name).copied());
    match units.collect::<Option<Vec<u32>>>() {
        Some(units) if units.len() == quantities.len() => Ok(units),
        _ => {
            let all = names.join(", ");
            Err(Refused::NotHere(format!(
                "a round has a quantity of every kind and no other: {all}"
            )))
        }
    }
}

fn served<'a>(app: &'a App, id: &str) -> Result<&'a Campaign, Refused> {
    let campaign = app.campaigns().find(|campaign| campaign.plan.id == id);
    let campaign = campaign.map(|campaign| &**campaign);
    campaign.ok_or_else(|| Refused::NotHere(format!("no campaign {id} is served here")))
}

fn number(app: &App, id: &str) -> Result<CampaignNo, Refused> {
    served(app, id).map(|campaign| campaign.no)
}

/// What a decision would change, as things stand here.
fn outlook(app: &App, what: &Subject) -> String {
    let issuing = |campaign: &str, then: &str| {
        let stopped = app.decisions.stop(campaign).is_some();
        let is = if stopped { "is stopped" } else { "goes on" };
        format!("issuing in {campaign} {is} here; decided, it {then}")
    };
    match what {
        Subject::Trip { campaign } => issuing(campaign, "stops at all nodes"),
        Subject::Resume { campaign } => issuing(campaign, "goes on at all nodes"),
        Subject::Forget { node } => {
            format!("logs are recovered without node {node}; what only it told people is given up")
        }
        Subject::Adjust { campaign, round, quantities, .. } => {
            let served = app.campaigns().find(|it| it.plan.id == *campaign);
            let kinds = served.map(|it| it.plan.kinds.as_slice()).unwrap_or_default();
            let planned: BTreeMap<&str, u32> =
                kinds.iter().map(|kind| (kind.name.as_str(), kind.units_per_round)).collect();
            let change = |(kind, units): (&String, &u32)| match planned.get(kind.as_str()) {
                Some(before) => format!("{kind} {units} (planned {before})"),
                None => format!("{kind} {units}"),
            };
            let changes: Vec<String> = quantities.iter().map(change).collect();
            format!("round {} of {campaign}: {}", round.0, changes.join(", "))
        }
        Subject::Standing { campaign, merchant, standing } => {
            format!("merchant {} of {campaign} is {standing:?}", merchant.0)
        }
        Subject::Admit { campaign, sha256 } => {
            format!("the merchants of the folder {sha256} are admitted to {campaign}")
        }
        Subject::Settle { campaign, batch } => {
            format!("what merchants of {campaign} are due comes into batch {}", batch.0)
        }
        Subject::Paid { campaign, batch, merchant } => {
            format!("batch {} of {campaign} has paid merchant {}", batch.0, merchant.0)
        }
        Subject::Failed { campaign, batch, merchant } => {
            format!("batch {} of {campaign} has not paid merchant {}", batch.0, merchant.0)
        }
    }
}
