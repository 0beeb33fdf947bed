//! The path of a claim: admit, take, grant, answer.
//!
//! # What always holds
//!
//! - A yes is answered after the grant is durable (R-CLAIM-2); the coupon belongs to the pass's
//!   person, whoever sends it (R-RISK-2).
//! - The hold travels with the command, so a client that hangs up drops only its waiting.
//! - A holder's repeat is answered with the same coupon, however often and however late (R-CLAIM-1).

/// `POST .../claims`.
pub mod handler;

use crate::app::App;
use crate::campaign::{Campaign, shortage};
use crate::domain::refusal::BUSY_MS;
use crate::domain::{Refusal, RoundNo, calendar::Round};
use crate::gate::{Admitted, Claim};
use crate::http::Problem;
use crate::inventory::{Hold, Shortage, Stock};
use crate::ledger::embedded::Outcome;
use crate::ledger::machine::{Answer, Command, Grant, Held, No};
use crate::ledger::service::{Ledger, NotTaken, Waiting, outcome};
use std::{sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::sleep};

/// How often a claim looks whether something that others hold is free again, and how many times.
const LOOK: Duration = Duration::from_millis(5);
const LOOKS: usize = 20;

/// A yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The coupon.
    pub held: Held,
    /// Whether it was granted to an earlier request.
    pub replayed: bool,
}

/// Turns a claim into a durable yes or a named no.
pub async fn claim(
    app: &App,
    campaign: &Campaign,
    round: &Round,
    claim: &Claim<'_>,
) -> Result<Claimed, Problem> {
    let admitted = campaign.gate.admit(round, claim, app.clock.now());
    let (round, kind) = (round.no, claim.kind);
    let Admitted { person, pass } = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return repeated(app, campaign, round, claim, refusal),
    };
    let grant = Grant { campaign: campaign.no, round, kind, person, pass };
    let taken = match campaign.stock(round, kind) {
        Some(stock) => taken(stock).await,
        // An open round that is not armed yet is about to be.
        None => Err(Shortage::Busy),
    };
    // After the level was looked at: who got the last unit by another request is shown by then.
    let view = app.ledger.view();
    if let Some(held) = view.held(campaign.no, person, round, kind) {
        return Ok(Claimed { held, replayed: true });
    }
    let hold = taken.map_err(|why| none_left(why, view.tells()))?;
    let start = quanta::Instant::now();
    let became = ask(&*app.ledger, grant, hold).await?;
    app.metrics.ledger_wait.record(start.elapsed());
    told(became)
}

/// A hold; while others hold all that is left, it waits as long as their decision usually takes, which costs less
/// than to have somebody come back.
async fn taken(stock: &Arc<Stock>) -> Result<Hold, Shortage> {
    for _ in 0..LOOKS {
        match stock.take() {
            Err(Shortage::Busy) => sleep(LOOK).await,
            taken => return taken,
        }
    }
    stock.take()
}

/// What somebody is told for whom there is nothing to take. While nothing may be told, they may hold a coupon that is
/// not shown to them.
fn none_left(why: Shortage, tells: bool) -> Problem {
    match why {
        Shortage::SoldOut if !tells => Problem::OUTCOME_UNKNOWN,
        why => shortage(why).into(),
    }
}

/// The holder's coupon, whatever `refusal` there is against a new one: after an outcome that was not
/// known, the same request tells it, even if its pass has run out or issuing has stopped since.
fn repeated(
    app: &App,
    campaign: &Campaign,
    round: RoundNo,
    claim: &Claim<'_>,
    refusal: Refusal,
) -> Result<Claimed, Problem> {
    // Nobody holds anything before the opening, and who is too fast is told so.
    if matches!(refusal, Refusal::NotOpen { .. } | Refusal::TooFast { .. }) {
        return Err(refusal.into());
    }
    let person = campaign.gate.holder(round, claim).ok_or(refusal)?;
    let view = app.ledger.view();
    let Some(held) = view.held(campaign.no, person, round, claim.kind) else {
        // While nothing may be told, nobody is told either that they hold nothing.
        return Err(if view.tells() { refusal.into() } else { Problem::OUTCOME_UNKNOWN });
    };
    Ok(Claimed { held, replayed: true })
}

/// Hands the grant and its hold to the ledger and waits for what became of it.
async fn ask(ledger: &dyn Ledger, grant: Grant, hold: Hold) -> Result<Outcome, Problem> {
    let (sender, receiver) = oneshot::channel();
    ledger.ask(Command::Grant(grant), Box::new(Claimer { hold, sender })).map_err(not_taken)?;
    Ok(outcome(receiver).await)
}

/// What a claimer is told of the ledger's outcome.
fn told(outcome: Outcome) -> Result<Claimed, Problem> {
    match outcome {
        Outcome::Yes(Answer::Granted(held)) => Ok(Claimed { held, replayed: false }),
        Outcome::Yes(Answer::AlreadyHeld(held)) => Ok(Claimed { held, replayed: true }),
        Outcome::No(No::Refused(refusal)) => Err(refusal.into()),
        Outcome::Yes(_) | Outcome::No(No::Funds(_) | No::Conflict(_)) => Err(Problem::UNAVAILABLE),
        Outcome::Unknown => Err(Problem::OUTCOME_UNKNOWN),
    }
}

/// A command that was not taken has had no effect.
pub fn not_taken(why: NotTaken) -> Problem {
    match why {
        NotTaken::Full => Refusal::Busy { retry_after_ms: BUSY_MS }.into(),
        NotTaken::Stopped => Problem::UNAVAILABLE,
    }
}

/// Waits for the ledger with a hold on the stock. By the time it hears, the shield knows the new
/// level, so letting the hold go lets nobody through who can't win.
struct Claimer {
    hold: Hold,
    sender: oneshot::Sender<Outcome>,
}

impl Waiting for Claimer {
    fn answer(self: Box<Self>, outcome: Outcome) {
        let Claimer { hold, sender } = *self;
        drop(hold);
        // The claimer may have hung up; the grant stands.
        let _ = sender.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_claim_waits_a_moment_for_what_others_hold() {
        let stock = Arc::new(Stock::new(1, 1, 0));
        let hold = stock.take().unwrap();
        assert_eq!(taken(&stock).await.unwrap_err(), Shortage::Busy, "not for ever");
        let (freed, ()) = tokio::join!(taken(&stock), async {
            sleep(LOOK * 2).await;
            drop(hold);
        });
        let hold = freed.unwrap();
        let (gone, ()) = tokio::join!(taken(&stock), async {
            sleep(LOOK * 2).await;
            hold.confirm(2, 0);
        });
        assert_eq!(gone.unwrap_err(), Shortage::SoldOut);
    }

    #[test]
    fn i9_who_may_hold_a_coupon_that_is_not_shown_is_not_told_sold_out() {
        assert_eq!(none_left(Shortage::SoldOut, true), Refusal::SoldOut.into());
        assert_eq!(none_left(Shortage::SoldOut, false), Problem::OUTCOME_UNKNOWN);
        let busy = Refusal::Busy { retry_after_ms: BUSY_MS };
        assert_eq!(none_left(Shortage::Busy, false), busy.into());
    }
}
