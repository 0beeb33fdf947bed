use super::{Decision, Subject};
use crate::app::App;
use crate::ledger::embedded::Outcome;
use crate::ledger::machine::Command;
use crate::ledger::service::told;
use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
};
use serde::Serialize;
use std::sync::Arc;

/// What became of a decision.
#[derive(Debug, Serialize)]
pub struct Done {
    /// Whether it was carried out.
    done: bool,
    /// What was decided, or why it was not carried out.
    why: String,
}

/// Takes decisions and carries them out.
pub async fn post(
    State(app): State<Arc<App>>,
    decisions: Result<Json<Vec<Decision>>, JsonRejection>,
) -> (StatusCode, Json<Done>) {
    let no = |status, why: String| (status, Json(Done { done: false, why }));
    let decisions = match decisions {
        Ok(Json(decisions)) => decisions,
        Err(error) => return no(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let used = |signatures| app.use_decision(signatures);
    let what = match app.decisions.take_for_all(&decisions, crate::clock::wall(), used).await {
        Ok(what) => what,
        Err(error @ super::NotCarriedOut::Refused(_)) => {
            return no(StatusCode::FORBIDDEN, error.to_string());
        }
        Err(error) => return no(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    let by: Vec<&str> = decisions.iter().map(|decision| decision.by.as_str()).collect();
    tracing::warn!(?what, ?by, "a decision");
    match carry_out(&app, &what).await {
        Ok(()) => (StatusCode::OK, Json(Done { done: true, why: format!("{what:?}") })),
        Err(why) => no(StatusCode::CONFLICT, why),
    }
}

async fn carry_out(app: &App, what: &Subject) -> Result<(), String> {
    let number = |id: &str| {
        let campaign = app.campaigns().find(|campaign| campaign.plan.id == id);
        campaign
            .map(|campaign| campaign.no)
            .ok_or_else(|| format!("no campaign {id} is served here"))
    };
    let command = match what {
        Subject::Trip { campaign } => Command::Trip(number(campaign)?),
        Subject::Resume { campaign } => Command::Resume(number(campaign)?),
        Subject::Forget { node } => {
            return app.forget(node).await.map_err(|error| format!("{error:#}"));
        }
    };
    let resumed = if let Command::Resume(no) = command { Some(no) } else { None };
    match told(&*app.ledger, command).await {
        Ok(Outcome::Yes(_)) => {
            // An outage that was too long is ended here as well.
            if let Some(no) = resumed {
                app.resume(no);
            }
            Ok(())
        }
        other => Err(format!("the ledger: {other:?}")),
    }
}
