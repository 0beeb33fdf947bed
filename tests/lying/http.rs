//! The HTTP contract, as far as a client needs it to claim.

use super::desk::{Desk, ROUND, Told, numbered};
use super::{now, tokens};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use quan::domain::{CouponId, KindSet};
use quan::plan::Kind;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard};

type Shared = Arc<Mutex<Desk>>;

pub(crate) fn router(desk: Shared) -> Router {
    Router::new()
        .route("/v1/time", get(time))
        .route("/v1/campaigns", get(campaigns))
        .route("/v1/campaigns/{campaign}", get(campaign))
        .route("/v1/campaigns/{campaign}/rounds/{round}", get(round))
        .route("/v1/campaigns/{campaign}/rounds/{round}/passes", post(pass))
        .route("/v1/campaigns/{campaign}/rounds/{round}/claims", post(claim))
        .with_state(desk)
}

fn lock(desk: &Shared) -> MutexGuard<'_, Desk> {
    desk.lock().expect("no request has panicked")
}

async fn time(State(desk): State<Shared>) -> Json<Value> {
    let now = now();
    Json(json!({ "now_ms": now.0, "now": now.in_zone(&lock(&desk).plan.zone) }))
}

async fn campaigns(State(desk): State<Shared>) -> Json<Value> {
    let desk = lock(&desk);
    Json(json!({ "campaigns": [{ "id": desk.plan.id, "title": desk.plan.title }] }))
}

async fn campaign(State(desk): State<Shared>, Path(id): Path<String>) -> Response {
    let desk = lock(&desk);
    let (plan, zone) = (&desk.plan, &desk.plan.zone);
    if id != plan.id {
        return problem(StatusCode::NOT_FOUND, "campaign_unknown");
    }
    let kind = |kind: &Kind| {
        let pool = plan.pools.get(usize::from(kind.pool.0)).map(|pool| &pool.name);
        json!({ "name": kind.name, "pool": pool, "face_fen": kind.face, "threshold_fen": kind.threshold })
    };
    let (opens, ends) = (desk.window.from.in_zone(zone), desk.window.until.in_zone(zone));
    Json(json!({
        "id": plan.id,
        "title": plan.title,
        "zone": zone.iana_name(),
        "period": { "starts_at": plan.period.from.in_zone(zone), "ends_at": plan.period.until.in_zone(zone) },
        "kinds": plan.kinds.iter().map(kind).collect::<Vec<_>>(),
        "rounds": [{ "round": ROUND.0, "opens_at": opens, "ends_at": ends }],
    }))
    .into_response()
}

async fn round(State(desk): State<Shared>, Path((id, no)): Path<(String, u8)>) -> Response {
    let desk = lock(&desk);
    if id != desk.plan.id || no != ROUND.0 {
        return problem(StatusCode::NOT_FOUND, "round_unknown");
    }
    let (window, zone) = (desk.window, &desk.plan.zone);
    let left = || numbered(&desk.plan).map(|(no, kind)| (kind, desk.left(no, kind)));
    let kind = |(kind, left): (&Kind, u32)| {
        let quantity = kind.units_per_round;
        json!({ "kind": kind.name, "quantity": quantity, "remaining": remaining(left, quantity) })
    };
    let state = if left().any(|(_, left)| left > 0) { "open" } else { "sold_out" };
    Json(json!({
        "round": no,
        "state": state,
        "opens_at": window.from.in_zone(zone),
        "opens_at_ms": window.from.0,
        "opens_in_ms": window.from.ms_since(now()).max(0),
        "ends_at": window.until.in_zone(zone),
        "kinds": left().map(kind).collect::<Vec<_>>(),
    }))
    .into_response()
}

fn remaining(left: u32, quantity: u32) -> &'static str {
    match (left, u64::from(left) * 100 / u64::from(quantity.max(1))) {
        (0, _) => "none",
        (_, 51..) => "plenty",
        (_, 11..) => "some",
        _ => "few",
    }
}

async fn pass(
    State(desk): State<Shared>,
    Path((id, no)): Path<(String, u8)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut desk = lock(&desk);
    if id != desk.plan.id || no != ROUND.0 {
        return problem(StatusCode::NOT_FOUND, "round_unknown");
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let Some(who) = token.and_then(tokens::identity) else {
        return problem(StatusCode::UNAUTHORIZED, "identity_invalid");
    };
    let proof = |name: &str| body.get(name).and_then(Value::as_str).and_then(tokens::proof);
    let (Some(slider), Some(image)) = (proof("slider"), proof("image")) else {
        return problem(StatusCode::FORBIDDEN, "slider_invalid");
    };
    let names = body.get("kinds").and_then(Value::as_array).into_iter().flatten();
    let kinds = names.clone().filter_map(Value::as_str).filter_map(|name| desk.kind(name));
    let kinds = kinds.fold(KindSet::default(), |set, (no, _)| set.with(no));
    if kinds.is_empty() {
        return problem(StatusCode::BAD_REQUEST, "kind_unknown");
    }
    let names: Vec<&Value> = names.collect();
    let pass = desk.pass(&who, kinds, [slider, image]);
    let answer = json!({
        "pass": pass.write(),
        "kinds": names,
        "expires_at": pass.expires_at.in_zone(&desk.plan.zone),
        "expires_at_ms": pass.expires_at.0,
    });
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn claim(
    State(desk): State<Shared>,
    Path((id, no)): Path<(String, u8)>,
    Json(body): Json<Value>,
) -> Response {
    let mut desk = lock(&desk);
    if id != desk.plan.id || no != ROUND.0 {
        return problem(StatusCode::NOT_FOUND, "round_unknown");
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let Some(pass) = text("pass").and_then(tokens::Pass::read) else {
        return problem(StatusCode::FORBIDDEN, "pass_invalid");
    };
    let Some((kind, _)) = text("kind").and_then(|name| desk.kind(name)) else {
        return problem(StatusCode::BAD_REQUEST, "kind_unknown");
    };
    if !pass.kinds.has(kind) {
        return problem(StatusCode::FORBIDDEN, "kind_not_in_pass");
    }
    match desk.claim(&pass, kind) {
        Told::SoldOut => problem(StatusCode::CONFLICT, "sold_out"),
        Told::Yes { coupon, replayed } => {
            let status = if replayed { StatusCode::OK } else { StatusCode::CREATED };
            let answer = json!({ "coupon": shown(&desk, coupon), "replayed": replayed });
            (status, Json(answer)).into_response()
        }
    }
}

fn shown(desk: &Desk, coupon: CouponId) -> Value {
    let kind = desk.plan.kinds.get(usize::from(coupon.kind.0));
    let zone = &desk.plan.zone;
    json!({
        "number": coupon.to_string(),
        "round": coupon.round,
        "kind": kind.map(|kind| &kind.name),
        "face_fen": kind.map(|kind| kind.face),
        "threshold_fen": kind.map(|kind| kind.threshold),
        "state": "unused",
        "starts_at": desk.window.from.in_zone(zone),
        "ends_at": desk.window.until.in_zone(zone),
    })
}

fn problem(status: StatusCode, code: &str) -> Response {
    let body = json!({
        "type": format!("urn:quan:problem:{code}"),
        "status": status.as_u16(),
        "code": code,
        "title": code,
        "title_en": code,
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}
