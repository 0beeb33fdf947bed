use super::{Claimed, claim};
use crate::app::App;
use crate::campaign::{Campaign, InRound};
use crate::gate::Claim;
use crate::http::{Json, Peer, Problem};
use crate::wallet::{Coupon, coupon};
use axum::{
    Extension,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A claim.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The kind that is wanted.
    kind: String,
    /// The pass.
    pass: String,
    /// The device that asks.
    device: String,
    /// A fresh position fix, signed by the host app for this device.
    fix: Option<String>,
}

/// A coupon that is the claimer's, durably.
#[derive(Serialize, ToSchema)]
pub struct Granted {
    coupon: Coupon,
    /// Whether it was granted to an earlier request.
    replayed: bool,
}

/// Claims a coupon. The holder's repeat shows the same coupon again.
#[utoipa::path(
    post,
    path = "/v1/campaigns/{campaign}/rounds/{round}/claims",
    params(
        ("campaign" = String, Path, description = "the campaign's id"),
        ("round" = u8, Path, description = "the round's number, from 1")
    ),
    request_body = ClaimRequest,
    responses(
        (status = 201, body = Granted, description = "granted now"),
        (status = 200, body = Granted, description = "held already")
    )
)]
pub async fn post(
    State(app): State<Arc<App>>,
    InRound(campaign, round): InRound,
    Extension(Peer(address)): Extension<Peer>,
    Json(request): Json<ClaimRequest>,
) -> Result<Response, Problem> {
    let shown = Claim {
        address,
        kind: campaign.kind(&request.kind)?,
        pass: &request.pass,
        device: &request.device,
        fix: request.fix.as_deref(),
    };
    let claimed = claim(&app, &campaign, campaign.round(round)?, &shown).await?;
    Ok(granted(&app, &campaign, &claimed))
}

fn granted(app: &App, campaign: &Campaign, claimed: &Claimed) -> Response {
    let Some(coupon) = coupon(campaign, &claimed.held, app.clock.now()) else {
        return Problem::INTERNAL.into_response();
    };
    let status = if claimed.replayed { StatusCode::OK } else { StatusCode::CREATED };
    (status, axum::Json(Granted { coupon, replayed: claimed.replayed })).into_response()
}
