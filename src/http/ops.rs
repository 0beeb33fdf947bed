//! The ops port: is it alive, is it ready, what do the numbers say. Kept off the public network.

use super::Problem;
use super::body::{self, BodyLimits, HasBodyLimits};
use crate::app::App;
use crate::decision;
use crate::drain::{Progress, Status};
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use std::sync::Arc;

/// Every address of the ops port.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/live", get(|| std::future::ready("live\n")))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/decisions", get(decision::handler::list).post(decision::handler::post))
        .route("/decisions/end", post(decision::handler::end))
        .fallback(|| std::future::ready(Problem::NOT_FOUND))
        .layer(from_fn_with_state(Arc::clone(&app), whole))
        .with_state(app)
}

/// Reads a request's body before anything else: whoever sends half of one must not keep a place from those who stop
/// issuing.
async fn whole(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let limits = BodyLimits { bytes: decision::handler::LONGEST, ..app.body_limits() };
    let (parts, body) = request.into_parts();
    match body::read(body, limits).await {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(problem) => problem.into_response(),
    }
}

/// Whether coupons can be issued, and why not.
#[derive(Debug, Serialize)]
pub struct Readiness {
    ready: bool,
    reasons: Vec<String>,
    /// Folders of merchants that are not in force here: nobody has decided them.
    undecided: Vec<String>,
    clock: ClockState,
    journal: JournalState,
    drain: DrainState,
}

#[derive(Debug, Serialize)]
struct DrainState {
    /// Whether the store is open; the numbers say nothing before.
    open: bool,
    /// The last entry that is in the store; over several logs, their sum.
    seq: u64,
    /// Durable entries that are not.
    lag: u64,
    failures: u64,
    /// Whether it has stopped for good; claims go on all the same.
    stopped: bool,
}

impl DrainState {
    fn of(drain: &Progress) -> DrainState {
        let statuses = drain.statuses();
        let sum = |what: fn(&Status) -> u64| statuses.iter().map(|status| what(status)).sum();
        DrainState {
            open: !statuses.is_empty(),
            seq: sum(Status::seq),
            lag: sum(Status::lag),
            failures: sum(Status::failures),
            stopped: drain.stopped(),
        }
    }
}

#[derive(Debug, Serialize)]
struct ClockState {
    now_ms: i64,
    /// Whether it was started at an instant of its own.
    moved: bool,
    healthy: bool,
    drift_ms: i64,
    /// How far the ledger's clock is ahead, if that is another one.
    ledger_ahead_ms: i64,
}

#[derive(Debug, Serialize)]
struct JournalState {
    durable: u64,
    queued: u32,
    fault: Option<String>,
}

impl Readiness {
    /// How `app` stands now.
    pub fn of(app: &App) -> Readiness {
        let fault = app.ledger.fault();
        let mut reasons: Vec<String> = fault.iter().cloned().collect();
        reasons.extend(app.ledger.shut());
        for campaign in app.campaigns() {
            let id = &campaign.plan.id;
            let shut = campaign.gate.interlock.reasons();
            reasons.extend(shut.map(|reason| format!("{id}: {}", reason.name())));
            let unarmed = campaign.unarmed(app.ledger.view(), app.clock.now());
            reasons.extend(unarmed.map(|round| format!("{id}: round {} is not armed", round.0)));
        }
        let clock = &app.clock;
        Readiness {
            ready: reasons.is_empty(),
            reasons,
            undecided: app.undecided(),
            clock: ClockState {
                now_ms: clock.now().0,
                moved: clock.moved(),
                healthy: clock.healthy(),
                drift_ms: clock.drift_ms(),
                ledger_ahead_ms: app.ledger.clock_ahead_ms(),
            },
            journal: JournalState {
                durable: app.ledger.view().durable(),
                queued: app.ledger.queued(),
                fault,
            },
            drain: DrainState::of(&app.drain),
        }
    }
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.metrics.render(&app))
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let readiness = Readiness::of(&app);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}
