use super::{Claimed, claim};
use crate::app::{App, Local};
use crate::campaign::{Campaign, in_round};
use crate::domain::RoundNo;
use crate::gate::Claim;
use crate::http::body::{self, HasBodyLimits};
use crate::http::{JsonText, Peer, Problem};
use crate::metrics::Told;
use crate::wallet::{Coupon, coupon};
use axum::{
    BoxError, Extension,
    body::HttpBody,
    extract::State,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, net::IpAddr, sync::Arc};
use utoipa::ToSchema;

/// A claim.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest<'a> {
    /// The kind that is wanted.
    #[serde(borrow)]
    kind: Cow<'a, str>,
    /// The pass.
    #[serde(borrow)]
    pass: Cow<'a, str>,
    /// The device that asks.
    #[serde(borrow)]
    device: Cow<'a, str>,
    /// A fresh position fix, signed by the host app for this device.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    fix: Option<Text<'a>>,
}

/// A text read in place; alone in an `Option`, a `Cow` would be copied.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A coupon that is the claimer's, durably.
#[derive(Serialize, ToSchema)]
pub struct Granted<'a> {
    coupon: Coupon<'a>,
    /// Whether it was granted to an earlier request.
    replayed: bool,
}

/// Claims a coupon. The holder's repeat shows the same coupon again.
#[utoipa::path(
    post,
    operation_id = "claim",
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
    State(app): State<Arc<Local>>,
    Extension(peer): Extension<Peer>,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    answer(&app, peer, request).await
}

/// The answer to a claim.
pub async fn answer<B>(app: &Local, peer: Peer, request: Request<B>) -> Result<Response, Problem>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (campaign, round) = in_round(app, request.uri().path())?;
    let body = JsonText::read(request, app.body_limits()).await;
    let claimed = asked(app, campaign, round, peer.address, body).await;
    app.metrics.claimed(&campaign.counts, round, told(&claimed), peer.since);
    Ok(granted(app, campaign, &claimed?))
}

async fn asked(
    app: &App,
    campaign: &Campaign,
    round: RoundNo,
    address: IpAddr,
    body: Result<JsonText, Problem>,
) -> Result<Claimed, Problem> {
    let body = body?;
    let request: ClaimRequest<'_> = body.parse()?;
    let shown = Claim {
        address,
        kind: campaign.kind(&request.kind)?,
        pass: &request.pass,
        device: &request.device,
        fix: request.fix.as_ref().map(|fix| fix.0.as_ref()),
    };
    claim(app, campaign, campaign.round(round)?, &shown).await
}

fn told(claimed: &Result<Claimed, Problem>) -> Told {
    match claimed {
        Ok(claimed) => Told::yes(claimed.replayed),
        Err(problem) => Told::no(problem),
    }
}

fn granted(app: &App, campaign: &Campaign, claimed: &Claimed) -> Response {
    let Some(coupon) = coupon(campaign, &claimed.held, app.clock.now()) else {
        return Problem::INTERNAL.into_response();
    };
    let status = if claimed.replayed { StatusCode::OK } else { StatusCode::CREATED };
    body::json(status, &Granted { coupon, replayed: claimed.replayed })
}
