//! `GET` and `POST /decisions`, `POST /decisions/end` on the ops port.

use super::{Away, Ending, hand_in, put_end, shown};
use crate::app::App;
use crate::clock::wall;
use crate::ledger::event::Decided;
use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::sync::Arc;

/// The longest request: a decision with all its signatures is shorter.
pub const LONGEST: usize = 64 * 1_024;

/// Why nothing was done.
#[derive(Debug, Serialize)]
struct No {
    why: String,
}

/// What is decided, and what was.
pub async fn list(State(app): State<Arc<App>>) -> Response {
    match shown(&app).await {
        Ok(all) => Json(all).into_response(),
        Err(away) => refused(&away),
    }
}

/// Takes a decision in, or more signatures of one.
pub async fn post(
    State(app): State<Arc<App>>,
    decided: Result<Json<Decided>, JsonRejection>,
) -> Response {
    let decided = match decided {
        Ok(Json(decided)) => decided,
        Err(error) => return unread(&error),
    };
    match hand_in(&app, &decided, wall()).await {
        Ok(shown) => {
            let status = match shown.stage() {
                "carried_out" => StatusCode::OK,
                "proposed" => StatusCode::ACCEPTED,
                _ => StatusCode::CONFLICT,
            };
            (status, Json(shown)).into_response()
        }
        Err(away) => refused(&away),
    }
}

/// Ends a decision that is open.
pub async fn end(
    State(app): State<Arc<App>>,
    ending: Result<Json<Ending>, JsonRejection>,
) -> Response {
    let ending = match ending {
        Ok(Json(ending)) => ending,
        Err(error) => return unread(&error),
    };
    match put_end(&app, &ending).await {
        Ok(shown) => Json(shown).into_response(),
        Err(away) => refused(&away),
    }
}

fn unread(error: &JsonRejection) -> Response {
    (error.status(), Json(No { why: error.body_text() })).into_response()
}

fn refused(away: &Away) -> Response {
    let status = match away {
        Away::Refused(_) => StatusCode::FORBIDDEN,
        Away::File(_) | Away::Store(_) | Away::Unsure(_) | Away::Trail(_) | Away::Unknown(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, Json(No { why: away.to_string() })).into_response()
}
