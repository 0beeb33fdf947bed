//! What everybody may read: the time, the campaigns, and how a round stands.

use super::{InCampaign, InRound, Remaining, State, state};
use crate::app::Local;
use crate::http::Problem;
use crate::plan::Plan;
use axum::{Json, extract};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The server's clock.
#[derive(Serialize, ToSchema)]
pub struct Time {
    /// Unix milliseconds.
    now_ms: i64,
    /// The same instant in UTC.
    #[schema(format = DateTime)]
    now: String,
}

/// The campaigns of this server.
#[derive(Serialize, ToSchema)]
pub struct Campaigns {
    campaigns: Vec<Entry>,
}

/// A campaign in the list.
#[derive(Serialize, ToSchema)]
pub struct Entry {
    /// Its name in addresses.
    id: String,
    /// Its title.
    title: String,
}

/// A campaign.
#[derive(Serialize, ToSchema)]
pub struct About {
    id: String,
    title: String,
    /// The IANA zone of its clock times.
    zone: String,
    /// The first instant of the campaign period.
    #[schema(format = DateTime)]
    starts_at: String,
    /// The first instant after it, as far as the campaign was extended.
    #[schema(format = DateTime)]
    ends_at: String,
    kinds: Vec<KindTerms>,
    rounds: Vec<RoundTimes>,
}

/// A coupon kind.
#[derive(Serialize, ToSchema)]
pub struct KindTerms {
    /// Its name in claims.
    kind: String,
    /// The pool it is paid from.
    pool: String,
    /// What it takes off, in fen.
    face_fen: u64,
    /// The least order amount, in fen, inclusive.
    threshold_fen: u64,
}

/// When a round is.
#[derive(Serialize, ToSchema)]
pub struct RoundTimes {
    round: u8,
    #[schema(format = DateTime)]
    opens_at: String,
    /// When its coupons end, exclusive.
    #[schema(format = DateTime)]
    ends_at: String,
}

/// How a round stands.
#[derive(Serialize, ToSchema)]
pub struct RoundNow {
    round: u8,
    state: State,
    #[schema(format = DateTime)]
    opens_at: String,
    /// Unix milliseconds.
    opens_at_ms: i64,
    /// Milliseconds until it opens; 0 once it has.
    opens_in_ms: i64,
    #[schema(format = DateTime)]
    ends_at: String,
    kinds: Vec<KindStock>,
}

/// How much of a kind a round has.
#[derive(Serialize, ToSchema)]
pub struct KindStock {
    kind: String,
    /// How many the round puts out.
    quantity: u32,
    remaining: Remaining,
}

/// The server's clock, for countdowns.
#[utoipa::path(get, operation_id = "time", path = "/v1/time", responses((status = 200, body = Time, description = "the time")))]
pub async fn time(extract::State(app): extract::State<Arc<Local>>) -> Json<Time> {
    let now = app.clock.now();
    Json(Time { now_ms: now.0, now: now.in_zone(&jiff::tz::TimeZone::UTC) })
}

/// The campaigns of this server.
#[utoipa::path(get, operation_id = "campaigns", path = "/v1/campaigns", responses((status = 200, body = Campaigns, description = "the campaigns")))]
pub async fn list(extract::State(app): extract::State<Arc<Local>>) -> Json<Campaigns> {
    let entry = |plan: &Plan| Entry { id: plan.id.clone(), title: plan.title.clone() };
    Json(Campaigns { campaigns: app.campaigns().map(|it| entry(&it.plan)).collect() })
}

/// A campaign: its kinds and its rounds, those by which it was extended included.
#[utoipa::path(
    get,
    operation_id = "campaign",
    path = "/v1/campaigns/{campaign}",
    params(("campaign" = String, Path, description = "the campaign's id")),
    responses((status = 200, body = About, description = "the campaign"))
)]
pub async fn about(
    extract::State(app): extract::State<Arc<Local>>,
    InCampaign(campaign): InCampaign,
) -> Json<About> {
    let summary = app.ledger.view().campaign(campaign.no);
    let extended = summary.as_ref().and_then(|it| it.extended.last());
    let plan = &campaign.plan;
    let kinds = plan.kinds.iter().map(|kind| KindTerms {
        kind: kind.name.clone(),
        pool: plan.pools.get(usize::from(kind.pool.0)).map_or(String::new(), |it| it.name.clone()),
        face_fen: kind.face.get(),
        threshold_fen: kind.threshold.get(),
    });
    let rounds = campaign.rounds().map(|round| RoundTimes {
        round: round.no.0,
        opens_at: round.window.from.in_zone(&plan.zone),
        ends_at: round.window.until.in_zone(&plan.zone),
    });
    Json(About {
        id: plan.id.clone(),
        title: plan.title.clone(),
        zone: plan.zone.iana_name().unwrap_or("UTC").to_owned(),
        starts_at: plan.period.from.in_zone(&plan.zone),
        ends_at: extended.map_or(plan.period.until, |it| it.extension.ends).in_zone(&plan.zone),
        kinds: kinds.collect(),
        rounds: rounds.collect(),
    })
}

/// How a round stands: state, countdown, and what is left in coarse steps.
#[utoipa::path(
    get,
    operation_id = "round",
    path = "/v1/campaigns/{campaign}/rounds/{round}",
    params(
        ("campaign" = String, Path, description = "the campaign's id"),
        ("round" = u8, Path, description = "the round's number, from 1")
    ),
    responses((status = 200, body = RoundNow, description = "the round"))
)]
pub async fn round(
    extract::State(app): extract::State<Arc<Local>>,
    InRound(campaign, no): InRound,
) -> Result<Json<RoundNow>, Problem> {
    let (now, planned) = (app.clock.now(), campaign.round(no)?);
    let summary = app.ledger.view().campaign(campaign.no);
    let armed = summary.as_ref().and_then(|it| it.round(no));
    let adjusted = summary.as_ref().and_then(|it| it.adjusted(no));
    let window = armed.map_or(planned.window, |it| it.window);
    let plan = &campaign.plan;
    let kinds = plan.kinds.iter().enumerate().map(|(at, kind)| {
        let level = armed.and_then(|it| it.stock.get(at));
        let adjusted = adjusted.and_then(|it| it.quantities.get(at)).copied();
        let planned = adjusted.unwrap_or(kind.units_per_round);
        KindStock {
            kind: kind.name.clone(),
            quantity: level.map_or(planned, |it| it.quantity),
            remaining: level.map_or(Remaining::Plenty, |it| Remaining::of(*it)),
        }
    });
    Ok(Json(RoundNow {
        round: no.0,
        state: state(window, armed, campaign.gate.interlock.check().is_err(), now),
        opens_at: window.from.in_zone(&plan.zone),
        opens_at_ms: window.from.0,
        opens_in_ms: window.from.ms_since(now).max(0),
        ends_at: window.until.in_zone(&plan.zone),
        kinds: kinds.collect(),
    }))
}
