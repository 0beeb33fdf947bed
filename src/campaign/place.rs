//! Which campaign and round a request's address names.

use crate::app::{Here, Local};
use crate::domain::{Refusal, RoundNo};
use crate::http::Problem;
use axum::{extract::FromRequestParts, http::request::Parts};
use std::{borrow::Cow, sync::Arc};

/// The campaign that an address names.
pub struct InCampaign(pub Here);

/// The campaign and the round, one that it has, that an address names.
pub struct InRound(pub Here, pub RoundNo);

impl FromRequestParts<Arc<Local>> for InCampaign {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Local>) -> Result<Self, Problem> {
        Ok(InCampaign(in_campaign(app, parts.uri.path())?.clone()))
    }
}

impl FromRequestParts<Arc<Local>> for InRound {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Local>) -> Result<Self, Problem> {
        let (campaign, round) = in_round(app, parts.uri.path())?;
        Ok(InRound(campaign.clone(), round))
    }
}

/// The campaign that a path names.
pub fn in_campaign<'a>(app: &'a Local, path: &str) -> Result<&'a Here, Refusal> {
    named(app, &segment(path, CAMPAIGN))
}

/// The campaign and the round, one that it has, that a path names.
pub fn in_round<'a>(app: &'a Local, path: &str) -> Result<(&'a Here, RoundNo), Refusal> {
    let campaign = in_campaign(app, path)?;
    let round = segment(path, ROUND).parse().ok().map(RoundNo);
    let round = campaign.round(round.ok_or(Refusal::RoundUnknown)?)?.no;
    Ok((campaign, round))
}

/// The order that a path names.
pub fn order_in(path: &str) -> Cow<'_, str> {
    segment(path, ORDER)
}

/// Where they stand in `/v1/campaigns/{campaign}/rounds/{round}`, counted between the slashes.
const CAMPAIGN: usize = 3;
const ROUND: usize = 5;
/// Where the order stands in `/v1/campaigns/{campaign}/redemptions/{order}`.
const ORDER: usize = 5;

/// A part of the address, read in place: the router's own list of them is made anew a request.
fn segment(path: &str, at: usize) -> Cow<'_, str> {
    let segment = path.split('/').nth(at).unwrap_or_default();
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy()
}

fn named<'a>(app: &'a Local, id: &str) -> Result<&'a Here, Refusal> {
    app.campaign(id).ok_or(Refusal::CampaignUnknown)
}
