//! Which campaign and round a request's address names.

use super::Campaign;
use crate::app::App;
use crate::domain::{Refusal, RoundNo};
use crate::http::Problem;
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use std::sync::Arc;

/// The campaign that an address names.
pub struct InCampaign(pub Arc<Campaign>);

/// The campaign and the round, one of its plan, that an address names.
pub struct InRound(pub Arc<Campaign>, pub RoundNo);

impl FromRequestParts<Arc<App>> for InCampaign {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        Ok(InCampaign(named(app, &params)?))
    }
}

impl FromRequestParts<Arc<App>> for InRound {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        let campaign = named(app, &params)?;
        let round = param(&params, "round").and_then(|text| text.parse().ok()).map(RoundNo);
        let round = campaign.round(round.ok_or(Refusal::RoundUnknown)?)?.no;
        Ok(InRound(campaign, round))
    }
}

async fn params(parts: &mut Parts) -> Result<RawPathParams, Problem> {
    RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Problem::NOT_FOUND)
}

fn param<'a>(params: &'a RawPathParams, name: &str) -> Option<&'a str> {
    params.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn named(app: &App, params: &RawPathParams) -> Result<Arc<Campaign>, Refusal> {
    let campaign = param(params, "campaign").and_then(|id| app.campaign(id));
    campaign.cloned().ok_or(Refusal::CampaignUnknown)
}
