use super::{Coupon, coupon};
use crate::app::Local;
use crate::campaign::in_campaign;
use crate::http::{Peer, Problem, bearer, body};
use axum::{
    Extension,
    extract::{self, State},
    http::{Request, StatusCode},
    response::Response,
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Bytes of a coupon in an answer, or some more.
const COUPON_BYTES: usize = 256;

/// The coupons of the person who asks.
#[derive(Serialize, ToSchema)]
pub struct Coupons<'a> {
    coupons: Vec<Coupon<'a>>,
}

/// My coupons, with their states and validity.
#[utoipa::path(
    get,
    operation_id = "coupons",
    path = "/v1/campaigns/{campaign}/coupons",
    params(("campaign" = String, Path, description = "the campaign's id")),
    security(("identity" = [])),
    responses(
        (status = 200, body = Coupons, description = "the person's coupons")
    )
)]
pub async fn coupons(
    State(app): State<Arc<Local>>,
    Extension(peer): Extension<Peer>,
    request: extract::Request,
) -> Result<Response, Problem> {
    answer(&app, peer, request).await
}

/// The answer to such a request.
pub async fn answer<B>(app: &Local, peer: Peer, request: Request<B>) -> Result<Response, Problem> {
    let campaign = in_campaign(app, request.uri().path())?;
    let now = app.clock.now();
    campaign.gate.rates.address(peer.address, now)?;
    let who = app.desk(campaign).identify(bearer(request.headers()), now)?;
    let person = who.person(&app.keys.hasher);
    let held = app.ledger.coupons(campaign.no, person).await;
    let mut held = held.ok_or(Problem::UNAVAILABLE)?;
    held.sort_unstable_by_key(|held| held.coupon);
    let coupons = held.iter().filter_map(|held| coupon(campaign, held, now));
    let room = 32 + held.len() * COUPON_BYTES;
    Ok(body::json_in(room, StatusCode::OK, &Coupons { coupons: coupons.collect() }))
}
