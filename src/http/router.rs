//! The public addresses, as a table of contents.

use super::{Problem, openapi};
use crate::app::App;
use crate::{campaign, claim, pass, wallet};
use axum::{
    Router,
    http::header,
    routing::{get, post},
};
use bytes::Bytes;
use std::sync::Arc;

/// Every public address.
pub fn public(app: Arc<App>) -> Router {
    // Written once: it is long, and anybody may ask for it.
    let document = openapi::document().to_json().map_err(|_| Problem::INTERNAL);
    let json = [(header::CONTENT_TYPE, "application/json")];
    let document = document.map(|text| (json, Bytes::from(text)));
    Router::new()
        .route("/v1/time", get(campaign::handler::time))
        .route("/v1/campaigns", get(campaign::handler::list))
        .route("/v1/campaigns/{campaign}", get(campaign::handler::about))
        .route("/v1/campaigns/{campaign}/rounds/{round}", get(campaign::handler::round))
        .route("/v1/campaigns/{campaign}/rounds/{round}/passes", post(pass::handler::make))
        .route("/v1/campaigns/{campaign}/rounds/{round}/claims", post(claim::handler::post))
        .route("/v1/campaigns/{campaign}/coupons", get(wallet::handler::coupons))
        .route("/openapi.json", get(move || std::future::ready(document.clone())))
        .fallback(|| std::future::ready(Problem::NOT_FOUND))
        .method_not_allowed_fallback(|| std::future::ready(Problem::METHOD_NOT_ALLOWED))
        .with_state(app)
}
