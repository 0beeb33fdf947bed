//! The ops port: is it alive, is it ready, what do the numbers say. Kept off the public network.

use super::Problem;
use crate::app::App;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use std::sync::Arc;

/// Every address of the ops port.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/live", get(|| std::future::ready("live\n")))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(|| std::future::ready(Problem::NOT_FOUND))
        .with_state(app)
}

/// Whether coupons can be issued, and why not.
#[derive(Debug, Serialize)]
pub struct Readiness {
    ready: bool,
    reasons: Vec<String>,
    clock: ClockState,
    journal: JournalState,
    /// `None` while the store is not open.
    drain: Option<DrainState>,
}

#[derive(Debug, Serialize)]
struct DrainState {
    /// The last entry that is in the store.
    seq: u64,
    /// Durable entries that are not.
    lag: u64,
    failures: u64,
    /// Whether it has stopped for good; claims go on all the same.
    stopped: bool,
}

#[derive(Debug, Serialize)]
struct ClockState {
    now_ms: i64,
    /// Whether it was started at an instant of its own.
    moved: bool,
    healthy: bool,
    drift_ms: i64,
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
        for campaign in app.campaigns() {
            let id = &campaign.plan.id;
            let shut = campaign.gate.interlock.reasons();
            reasons.extend(shut.map(|reason| format!("{id}: {}", reason.name())));
        }
        let clock = &app.clock;
        Readiness {
            ready: reasons.is_empty(),
            reasons,
            clock: ClockState {
                now_ms: clock.now().0,
                moved: clock.moved(),
                healthy: clock.healthy(),
                drift_ms: clock.drift_ms(),
            },
            journal: JournalState {
                durable: app.ledger.view().durable(),
                queued: app.ledger.queued(),
                fault,
            },
            drain: app.drain.status().map(|drain| DrainState {
                seq: drain.seq(),
                lag: drain.lag(),
                failures: drain.failures(),
                stopped: drain.stopped(),
            }),
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
