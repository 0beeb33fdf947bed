//! Making a pass: everything that is slow or costly happens here, before the rush.

use super::Application;
use crate::app::{App, Local};
use crate::campaign::{Campaign, InRound};
use crate::claim::not_taken;
use crate::domain::{KindSet, Refusal, RoundNo};
use crate::http::{Json, Peer, Problem, bearer};
use crate::ledger::embedded::Outcome;
use crate::ledger::machine::{Answer, Command, No};
use crate::ledger::service::told;
use axum::{Extension, extract::State, http::HeaderMap, http::StatusCode};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc};
use utoipa::ToSchema;

/// What a person shows beside the identity token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PassRequest {
    /// The kinds that are wanted, each once.
    #[schema(min_items = 1, max_items = 32)]
    kinds: Vec<String>,
    /// The device that asks.
    device: String,
    /// The position fix, signed by the host app for this device.
    fix: Option<String>,
    /// The proof of the slider captcha.
    slider: String,
    /// The proof of the image captcha.
    image: String,
}

/// A pass.
#[derive(Serialize, ToSchema)]
pub struct Made {
    /// The token to show with each claim.
    pass: String,
    /// The kinds it is good for.
    kinds: Vec<String>,
    /// The first instant at which it is no longer valid.
    #[schema(format = DateTime)]
    expires_at: String,
    /// The same in Unix milliseconds.
    expires_at_ms: i64,
}

/// Makes a pass and binds phone, card, account and device to the person for the round.
#[utoipa::path(
    post,
    operation_id = "pass",
    path = "/v1/campaigns/{campaign}/rounds/{round}/passes",
    params(
        ("campaign" = String, Path, description = "the campaign's id"),
        ("round" = u8, Path, description = "the round's number, from 1")
    ),
    security(("identity" = [])),
    request_body = PassRequest,
    responses(
        (status = 201, body = Made, description = "the pass; the same one to the same request")
    )
)]
pub async fn make(
    State(app): State<Arc<Local>>,
    InRound(campaign, round): InRound,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    request: Result<Json<PassRequest>, Problem>,
) -> Result<(StatusCode, axum::Json<Made>), Problem> {
    let made = made(&app, &campaign, round, peer.address, &headers, request).await;
    match &made {
        Ok(_) => campaign.counts.pass(round),
        Err(problem) => campaign.counts.pass_rejected(problem),
    }
    Ok((StatusCode::CREATED, axum::Json(made?)))
}

async fn made(
    app: &App,
    campaign: &Campaign,
    round: RoundNo,
    peer: IpAddr,
    headers: &HeaderMap,
    request: Result<Json<PassRequest>, Problem>,
) -> Result<Made, Problem> {
    let Json(request) = request?;
    let now = app.clock.now();
    campaign.gate.rates.address(peer, now)?;
    let desk = app.desk(campaign);
    let who = desk.identify(bearer(headers), now)?;
    let mut kinds = KindSet::default();
    for name in &request.kinds {
        let kind = campaign.kind(name)?;
        // The answer names the kinds again: a name twice would only make it long.
        if kinds.has(kind) {
            return Err(Problem::BAD_REQUEST);
        }
        kinds = kinds.with(kind);
    }
    let shown = Application {
        kinds,
        device: &request.device,
        fix: request.fix.as_deref(),
        slider: &request.slider,
        image: &request.image,
    };
    let bound = desk.make(campaign.round(round)?, &who, &shown, now)?;
    let command = Command::Bind(campaign.no, bound.clone());
    let expires_at = match told(&*app.ledger, command).await.map_err(not_taken)? {
        Outcome::Yes(Answer::Bound(expires_at)) => expires_at,
        Outcome::No(No::Refused(refusal)) => return Err(refusal.into()),
        Outcome::Unknown => return Err(Problem::OUTCOME_UNKNOWN),
        Outcome::Yes(_) | Outcome::No(No::Funds(_) | No::Conflict(_)) => {
            return Err(Problem::UNAVAILABLE);
        }
    };
    // A repeat long after may find its pass run out; new proofs make a new one.
    if now >= expires_at {
        return Err(Refusal::ProofExpired.into());
    }
    Ok(Made {
        pass: desk.seal(&bound, expires_at),
        kinds: request.kinds,
        expires_at: expires_at.in_zone(&campaign.plan.zone),
        expires_at_ms: expires_at.0,
    })
}
