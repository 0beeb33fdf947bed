//! A person's phone asks for the next payment code.

use super::{Code, Holder, barcode, square};
use crate::app::{App, Local};
use crate::campaign::{Campaign, InCampaign};
use crate::domain::{At, NoAnswer, Refusal, fence::verdict};
use crate::http::{Json, Peer, Problem, bearer, body};
use crate::pass::Material;
use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc};
use utoipa::ToSchema;

/// What the pictures are called for who can't see them.
const TITLE: &str = "付款码 payment code";

/// Where the phone is that will show the code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeRequest {
    /// The device that asks: the one that the person signed in on.
    device: String,
    /// A fresh position fix, signed by the host app for this device.
    fix: Option<String>,
}

/// A payment code.
#[derive(Serialize, ToSchema)]
pub struct PaymentCode {
    /// Nineteen digits.
    code: String,
    /// When the next one is to be asked for, in Unix milliseconds.
    rotates_at_ms: i64,
    /// The first instant at which it is dead, in Unix milliseconds.
    expires_at_ms: i64,
    /// The code as Code 128, a whole SVG.
    barcode_svg: String,
    /// The code as QR, a whole SVG.
    qr_svg: String,
}

/// Makes the person's next payment code; the one before is dead from now on.
#[utoipa::path(
    post,
    operation_id = "payment_code",
    path = "/v1/campaigns/{campaign}/payment-codes",
    params(("campaign" = String, Path, description = "the campaign's id")),
    security(("identity" = [])),
    request_body = CodeRequest,
    responses(
        (
            status = 201, body = PaymentCode, description = "the code",
            headers(("cache-control" = String, description = "`no-store`"))
        )
    )
)]
pub async fn make(
    State(app): State<Arc<Local>>,
    InCampaign(campaign): InCampaign,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    request: Result<Json<CodeRequest>, Problem>,
) -> Result<Response, Problem> {
    let made = made(&app, &campaign, peer.address, &headers, request).await?;
    let mut response = body::json(StatusCode::CREATED, &made);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn made(
    app: &App,
    campaign: &Campaign,
    peer: IpAddr,
    headers: &HeaderMap,
    request: Result<Json<CodeRequest>, Problem>,
) -> Result<PaymentCode, Problem> {
    let till = campaign.till()?;
    let Json(request) = request?;
    let now = app.clock.now();
    campaign.gate.rates.address(peer, now)?;
    let who = app.desk(campaign).identify(bearer(headers), now)?;
    let holder = holder(app, campaign, &who, &request, now)?;
    let draw = |shard| Code::draw(shard, &mut rand::rng());
    let made = till.codes.make(holder, now, draw).await.map_err(|NoAnswer| Problem::UNAVAILABLE)?;
    campaign.counts.redeeming.code();
    Ok(PaymentCode {
        code: made.code.to_string(),
        rotates_at_ms: made.rotates_at.0,
        expires_at_ms: made.dead_at.0,
        barcode_svg: barcode(made.code, TITLE),
        qr_svg: square(made.code, TITLE),
    })
}

/// Whose code it will be, if they may have one now (R-REDEEM-2, R-WHO-1).
fn holder(
    app: &App,
    campaign: &Campaign,
    who: &Material,
    request: &CodeRequest,
    now: At,
) -> Result<Holder, Refusal> {
    // The identity token names the device it was given to; on another one it is a copy.
    if who.device() != request.device {
        return Err(Refusal::WrongDevice);
    }
    let known = who.identity(&app.keys.hasher);
    campaign.gate.rates.person(known.person, now)?;
    let fix = request.fix.as_deref();
    let fix = fix.map(|fix| app.keys.fix.read(fix, request.device.as_bytes())).transpose()?;
    if campaign.plan.fence_at_use {
        verdict(fix.as_ref(), now, &campaign.plan.fix)?;
    }
    Ok(Holder { person: known.person, device: known.device, fix })
}
