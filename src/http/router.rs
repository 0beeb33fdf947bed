//! The public addresses, as a table of contents.

use super::{Problem, openapi};
use crate::app::App;
use crate::{campaign, claim, pass, wallet};
use axum::{
    Json, Router,
    routing::{get, post},
};
use std::sync::Arc;

/// Every public address.
pub fn public(app: Arc<App>) -> Router {
    let document = Arc::new(openapi::document());
    Router::new()
        .route("/v1/time", get(campaign::handler::time))
        .route("/v1/campaigns", get(campaign::handler::list))
        .route("/v1/campaigns/{campaign}", get(campaign::handler::about))
        .route("/v1/campaigns/{campaign}/rounds/{round}", get(campaign::handler::round))
        .route("/v1/campaigns/{campaign}/rounds/{round}/passes", post(pass::handler::make))
        .route("/v1/campaigns/{campaign}/rounds/{round}/claims", post(claim::handler::post))
        .route("/v1/campaigns/{campaign}/coupons", get(wallet::handler::coupons))
        .route("/openapi.json", get(move || async move { Json(document.as_ref().clone()) }))
        .fallback(|| std::future::ready(Problem::NOT_FOUND))
        .method_not_allowed_fallback(|| std::future::ready(Problem::METHOD_NOT_ALLOWED))
        .with_state(app)
}
