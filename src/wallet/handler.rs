use super::{Coupon, coupon};
use crate::app::Local;
use crate::campaign::InCampaign;
use crate::http::{Peer, Problem, bearer};
use axum::{Extension, Json, extract::State, http::HeaderMap};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The coupons of the person who asks.
#[derive(Serialize, ToSchema)]
pub struct Coupons {
    coupons: Vec<Coupon>,
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
    InCampaign(campaign): InCampaign,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<Coupons>, Problem> {
    let now = app.clock.now();
    campaign.gate.rates.address(peer.address, now)?;
    let who = app.desk(&campaign).identify(bearer(&headers), now)?;
    let person = who.identity(&app.keys.hasher).person;
    let held = app.ledger.coupons(campaign.no, person).await;
    let mut held = held.ok_or(Problem::UNAVAILABLE)?;
    held.sort_unstable_by_key(|held| held.coupon);
    let coupons = held.iter().filter_map(|held| coupon(&campaign, held, now));
    Ok(Json(Coupons { coupons: coupons.collect() }))
}
