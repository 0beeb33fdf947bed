//! Decisions on their way: proposed, signed, carried out, ended.

use super::deeds::{Deed, deed, number, outlook, served};
use super::roles::{Seat, told};
use super::{Ending, Refused};
use crate::app::App;
use crate::campaign::Campaign;
use crate::domain::At;
use crate::ledger::embedded::Outcome;
use crate::ledger::event::{Decided, DecisionId, Subject};
use crate::ledger::machine::{Answer, Command, No, Roll};
use crate::ledger::service;
use crate::store::{self, Kept, Proposed, Stage, Store};
use crate::trail::{self, Head, TrailError};
use futures_util::future::join_all;
use serde::Serialize;
use std::{fmt::Display, io, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// For so long after it ran out an approved decision is still carried out, if nobody could before.
const LATE_MS: i64 = 10 * 60_000;
/// For so long nodes look whether somebody went on with issuing.
const HEARD_MS: i64 = 10 * 60_000;
/// For so long a stop may take to be noted in the store.
const NOTED: Duration = Duration::from_secs(10);
/// For so long somebody else who carries a decision out is waited for, looking so often.
const AT_IT: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(50);
/// So much of a name and of a reason comes into the trail, in letters: who sends something that is no decision may
/// write anything there.
const LONGEST_NAME: usize = 128;
const LONGEST_WHY: usize = 1_000;
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
    /// It can't be written into the trail, so nothing is done or shown.
    #[error(transparent)]
    Trail(#[from] TrailError),
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

/// So many commands of a decision are asked at once.
const AT_ONCE: usize = 64;

/// Takes a decision in, or more signatures of one, and carries it out if that is all it takes.
pub async fn hand_in(app: &Arc<App>, decided: &Decided, now: At) -> Result<Shown, Away> {
    let done = take_in(app, decided, now).await;
    if let Err(Away::Refused(refused)) = &done {
        // Who it was is not proven: it is what they say.
        app.trail.add(&signers(decided), trail::Deed::Refused, &told_of(decided, refused))?;
    }
    done
}

async fn take_in(app: &Arc<App>, decided: &Decided, now: At) -> Result<Shown, Away> {
    let decisions = &app.decisions;
    let id = decided.statement.id();
    let lacks = decisions.look(decided, now)?;
    deed(app, &decided.statement.what).await?;
    let alone = decided.signatures.len() == 1;
    let what = if alone { trail::Deed::Proposed } else { trail::Deed::Signed };
    let written = app.trail.add(&signers(decided), what, &told_of(decided, &decided.statement.why));
    if let (Subject::Trip { .. }, []) = (&decided.statement.what, lacks.as_slice()) {
        // Nothing keeps somebody from stopping.
        untold(written);
        return stop(app, decided).await;
    }
    written?;
    let store = app.store().await.map_err(Away::Store)?;
    let shown = sign(app, &store, decided, &id).await;
    store.close().await;
    shown
}

/// Who signed, as far as it is told.
fn signers(decided: &Decided) -> String {
    let by = decided.signatures.iter().map(|it| it.by.chars().take(LONGEST_NAME).collect());
    by.collect::<Vec<String>>().join(", ")
}

/// A decision as the trail has it.
fn told_of(decided: &Decided, why: &dyn Display) -> String {
    let what = &decided.statement.what;
    let campaign: String = what.campaign().unwrap_or_default().chars().take(LONGEST_NAME).collect();
    let why: String = why.to_string().chars().take(LONGEST_WHY).collect();
    format!("{} {} {campaign}: {why}", what.word(), decided.statement.id())
}

fn untold(written: Result<Head, TrailError>) {
    if let Err(error) = written {
        tracing::error!(%error, "a stop is not in the trail");
    }
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
        Proposed::Kept(kept) => *kept,
    };
    match kept.stage {
        Stage::Proposed => {
            // By what the store has: others may have signed elsewhere.
            let lacks = app.decisions.staff.lacking(&kept.decided)?;
            let changes = outlook(app, &kept.decided.statement.what);
            if !lacks.is_empty() {
                return Ok(Shown::of(kept, &lacks, changes));
            }
            if let Subject::Settle { campaign, batch } = &kept.decided.statement.what {
                // Its files are made and may be sent: they would not have what came in now.
                let no = number(app, campaign)?;
                if store.was_done_by_another(no, &kept.decided).await? {
                    let next = "what is due since comes into the next one";
                    return Err(Refused::NotHere(format!(
                        "batch {} was settled by another decision: {next}",
                        batch.0
                    ))
                    .into());
                }
            }
            // False if somebody else was faster, who carries it out.
            store.move_decision(id, Stage::Proposed, Stage::Approved, "").await?;
        }
        Stage::Approved => {}
        stage => return Err(used(stage.word()).into()),
    }
    finish(app, store, &kept.decided).await?;
    let kept = at_its_end(store, id).await?;
    if kept.stage == Stage::Approved {
        return Err(Away::Unknown("another server is at it".to_owned()));
    }
    let changes = outlook(app, &kept.decided.statement.what);
    Ok(Shown::of(kept, &[], changes))
}

/// The decision once it is carried out; whoever is at it, perhaps this server's own round, is given a while.
async fn at_its_end(store: &Store, id: &DecisionId) -> Result<Kept, Away> {
    let start = Instant::now();
    loop {
        let kept = store.decision(id).await?.ok_or(Refused::Unknown(*id))?;
        if kept.stage != Stage::Approved || start.elapsed() > AT_IT {
            return Ok(kept);
        }
        sleep(AGAIN).await;
    }
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
    untold(app.trail.add(&signers(decided), carried(stage), &told_of(decided, &why)));
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
        let what = if own { trail::Deed::Withdrawn } else { trail::Deed::Rejected };
        app.trail.add(&ending.by, what, &told_of(&kept.decided, &ending.why))?;
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

/// The last decisions, those that are open first. They name persons of the staff, so it is written down that somebody
/// looked.
pub async fn shown(app: &App) -> Result<Vec<Shown>, Away> {
    app.trail.read_of_persons("somebody at the ops port", "decisions")?;
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
            && let Some(roll) = roll(app, store, served).await?
            && served
                .till()
                .is_ok_and(|till| till.in_force() != Some(roll) && roll.follows(till.in_force()))
            && let Err(why) = app.take_merchants(served, roll)
        {
            tracing::error!(why, "the merchants that were decided are not here");
        }
        if let Subject::Resume { campaign } = &decided.statement.what
            && app.decisions.stop(campaign).is_some_and(|stop| stop <= decided.statement.at)
            && app.decisions.staff.has_decided(&decided, campaign)
            && let Ok(no) = number(app, campaign)
        {
            app.resume(no);
        }
    }
    Ok(())
}

/// The folder of merchants that persons decided last, as far as the store has heard.
async fn roll(app: &App, store: &Store, of: &Campaign) -> Result<Option<Roll>, store::Error> {
    let counts = |it: &Decided| app.decisions.staff.has_decided(it, &of.plan.id);
    store.roll(of.no, counts).await
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
    app.trail.add(&signers(decided), carried(stage), &told_of(decided, &why))?;
    store.move_decision(&id, Stage::Approved, stage, &why).await?;
    Ok(())
}

fn carried(stage: Stage) -> trail::Deed {
    if stage == Stage::CarriedOut { trail::Deed::CarriedOut } else { trail::Deed::Failed }
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
        Subject::Resume { campaign } => app.resume(number(app, campaign).map_err(|it| never(&it))?),
        Subject::Admit { campaign, sha256 } => {
            let served = served(app, campaign).map_err(|it| never(&it))?;
            let roll = Roll { at: decided.statement.at, sha256: *sha256 };
            app.take_merchants(served, roll).map_err(Fault::Unknown)?;
        }
        _ => {}
    }
    Ok(())
}

fn never(refused: &Refused) -> Fault {
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
