//! The public addresses, as a table of contents.

use super::{Problem, measured::measured, openapi};
use crate::app::{App, Local};
use crate::metrics::Route;
use crate::{campaign, claim, pass, wallet};
use axum::{
    Router,
    http::header,
    routing::{get, post},
};
use bytes::Bytes;
use std::sync::Arc;

/// Every public address, for one worker: what it counts, it shares with no other.
pub fn public(app: &Arc<App>) -> Router {
    // Written once: it is long, and anybody may ask for it.
    let document = openapi::document().to_json().map_err(|_| Problem::INTERNAL);
    let json = [(header::CONTENT_TYPE, "application/json")];
    let document = document.map(|text| (json, Bytes::from(text)));
    let document = move || std::future::ready(document.clone());
    let not_found = || std::future::ready(Problem::NOT_FOUND);
    let not_allowed = || std::future::ready(Problem::METHOD_NOT_ALLOWED);
    let on = |route| app.metrics.route(route);
    let path = |route: Route| route.name().1;
    let other = on(Route::Other);
    Router::new()
        .route(path(Route::Time), get(measured(on(Route::Time), campaign::handler::time)))
        .route(path(Route::Campaigns), get(measured(on(Route::Campaigns), campaign::handler::list)))
        .route(path(Route::Campaign), get(measured(on(Route::Campaign), campaign::handler::about)))
        .route(path(Route::Round), get(measured(on(Route::Round), campaign::handler::round)))
        .route(path(Route::Passes), post(measured(on(Route::Passes), pass::handler::make)))
        .route(path(Route::Claims), post(measured(on(Route::Claims), claim::handler::post)))
        .route(path(Route::Coupons), get(measured(on(Route::Coupons), wallet::handler::coupons)))
        .route(path(Route::OpenApi), get(measured(on(Route::OpenApi), document)))
        .fallback(measured(Arc::clone(&other), not_found))
        .method_not_allowed_fallback(measured(other, not_allowed))
        .with_state(Local::of(app))
}
