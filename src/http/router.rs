//! The public addresses, as a table of contents.

use super::accept::Service;
use super::{Peer, Problem, measured::measured, openapi};
use crate::app::{App, Local};
use crate::metrics::{Asked, Route, routes::RouteCounts};
use crate::{campaign, claim, code, pass, till, wallet};
use axum::{
    Router,
    http::{Method, Request, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use hyper::body::Incoming;
use std::sync::Arc;

/// Every public address, for one worker: what it counts, it shares with no other.
#[derive(Clone)]
pub struct Public(Arc<Routes>);

struct Routes {
    app: Arc<Local>,
    router: Router,
    claims: Arc<RouteCounts>,
    coupons: Arc<RouteCounts>,
    redeem: Arc<RouteCounts>,
    confirm: Arc<RouteCounts>,
}

/// What answers at the public addresses.
pub fn public(app: &Arc<App>) -> Public {
    let local = Local::of(app);
    let router = router(app, Arc::clone(&local));
    let on = |route| app.metrics.route(route);
    let (claims, coupons) = (on(Route::Claims), on(Route::Coupons));
    let (redeem, confirm) = (on(Route::Redeem), on(Route::Confirm));
    Public(Arc::new(Routes { app: local, router, claims, coupons, redeem, confirm }))
}

impl Service for Public {
    /// A claim goes straight to its handler, since at 10:00 nearly all are claims, and so do a look at one's coupons,
    /// which comes after each, and what tills ask most. The router would do the same with them; its layers cost a claim
    /// that is sold out about a microsecond, a tenth of all.
    async fn answer(self, peer: Peer, request: Request<Incoming>) -> Response {
        let Public(routes) = self;
        let path = request.uri().path();
        if request.method() == Method::POST && is_claims(path) {
            let mut flight = Arc::clone(&routes.claims).enter();
            let answer = claim::handler::answer(&routes.app, peer, request).await.into_response();
            flight.answered(answer.status().as_u16(), None);
            return answer;
        }
        if request.method() == Method::GET && is_coupons(path) {
            let mut flight = Arc::clone(&routes.coupons).enter();
            let answer = wallet::handler::answer(&routes.app, peer, request).await.into_response();
            flight.answered(answer.status().as_u16(), Some(peer.since));
            return answer;
        }
        // Apart, so that the future of a claim stays small.
        let till = if request.method() == Method::POST { asked_by_till(path) } else { None };
        if let Some(asked) = till {
            let counts = if asked == Asked::Redeem { &routes.redeem } else { &routes.confirm };
            let mut flight = Arc::clone(counts).enter();
            let answer = till::handler::answer(&routes.app, peer, request, asked);
            let answer = Box::pin(answer).await.into_response();
            flight.answered(answer.status().as_u16(), Some(peer.since));
            return answer;
        }
        Box::pin(routes.router.clone().answer(peer, request)).await
    }
}

/// What a till asks most often, if the router would find that there.
fn asked_by_till(path: &str) -> Option<Asked> {
    let (campaign, path) = path.strip_prefix("/v1/campaigns/")?.split_once('/')?;
    let path = path.strip_prefix("redemptions").filter(|_| !campaign.is_empty())?;
    if path.is_empty() {
        return Some(Asked::Redeem);
    }
    let order = path.strip_prefix('/')?.strip_suffix("/confirm")?;
    (!order.is_empty() && !order.contains('/')).then_some(Asked::Confirm)
}

/// Whether the router would find a person's coupons there.
fn is_coupons(path: &str) -> bool {
    let Some(path) = path.strip_prefix("/v1/campaigns/") else { return false };
    let campaign = path.strip_suffix("/coupons");
    campaign.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

/// Whether the router would find claims there. If not all that it finds, that is as well: it has the same handler.
fn is_claims(path: &str) -> bool {
    let Some(path) = path.strip_prefix("/v1/campaigns/") else { return false };
    let Some((campaign, path)) = path.split_once("/rounds/") else { return false };
    let Some(round) = path.strip_suffix("/claims") else { return false };
    [campaign, round].iter().all(|name| !name.is_empty() && !name.contains('/'))
}

fn router(app: &App, local: Arc<Local>) -> Router {
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
        .route(path(Route::Codes), post(measured(on(Route::Codes), code::handler::make)))
        .route(path(Route::Redeem), post(measured(on(Route::Redeem), till::handler::redeem)))
        .route(path(Route::Redemption), get(measured(on(Route::Redemption), till::handler::look)))
        .route(path(Route::Confirm), post(measured(on(Route::Confirm), till::handler::confirm)))
        .route(path(Route::Release), post(measured(on(Route::Release), till::handler::release)))
        .route(path(Route::Refunds), post(measured(on(Route::Refunds), till::handler::refund)))
        .route(path(Route::OpenApi), get(measured(on(Route::OpenApi), document)))
        .fallback(measured(Arc::clone(&other), not_found))
        .method_not_allowed_fallback(measured(other, not_allowed))
        .with_state(local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn what_goes_straight_to_its_handler_the_router_takes_for_the_same_too() {
        let router = matchit(Route::Claims.name().1);
        for (path, is) in [
            ("/v1/campaigns/x/rounds/1/claims", true),
            ("/v1/campaigns/%20/rounds/rounds/claims", true),
            ("/v1/campaigns/rounds/rounds/claims/claims", true),
            ("/v1/campaigns/x/rounds/1/claims/", false),
            ("/v1/campaigns/x/rounds/1/passes", false),
            ("/v1/campaigns/x/rounds//claims", false),
            ("/v1/campaigns//rounds/1/claims", false),
            ("/v1/campaigns/x/y/rounds/1/claims", false),
            ("/v1/campaigns/x/rounds/1/2/claims", false),
            ("/v1/campaigns/x/rounds/1claims", false),
            ("/v1/campaigns/x/rounds/claims", false),
            ("/v1/campaigns/x/rounds/rounds/1/claims", false),
            ("v1/campaigns/x/rounds/1/claims", false),
        ] {
            assert_eq!(is_claims(path), is, "{path}");
            assert!(!is || router(path), "{path}");
        }
        let router = matchit(Route::Coupons.name().1);
        for (path, is) in [
            ("/v1/campaigns/x/coupons", true),
            ("/v1/campaigns/coupons/coupons", true),
            ("/v1/campaigns//coupons", false),
            ("/v1/campaigns/x/coupons/", false),
            ("/v1/campaigns/x/y/coupons", false),
            ("/v1/campaigns/coupons", false),
            ("/v1/campaigns/xcoupons", false),
        ] {
            assert_eq!(is_coupons(path), is, "{path}");
            assert!(!is || router(path), "{path}");
        }
        let templates = [(Asked::Redeem, Route::Redeem), (Asked::Confirm, Route::Confirm)];
        for (path, asked) in [
            ("/v1/campaigns/x/redemptions", Some(Asked::Redeem)),
            ("/v1/campaigns/redemptions/redemptions", Some(Asked::Redeem)),
            ("/v1/campaigns/x/redemptions/1/confirm", Some(Asked::Confirm)),
            ("/v1/campaigns/x/redemptions/confirm/confirm", Some(Asked::Confirm)),
            ("/v1/campaigns/x/redemptions/%2F/confirm", Some(Asked::Confirm)),
            ("/v1/campaigns/x/redemptions/", None),
            ("/v1/campaigns/x/redemptions//confirm", None),
            ("/v1/campaigns//redemptions", None),
            ("/v1/campaigns//redemptions/1/confirm", None),
            ("/v1/campaigns/x/y/redemptions", None),
            ("/v1/campaigns/x/redemptions/1/2/confirm", None),
            ("/v1/campaigns/x/redemptions/1", None),
            ("/v1/campaigns/x/redemptions/1/release", None),
            ("/v1/campaigns/x/redemptions/confirm", None),
            ("/v1/campaigns/x/redemptions1/1/confirm", None),
            ("/v1/campaigns/redemptions", None),
        ] {
            assert_eq!(asked_by_till(path), asked, "{path}");
            let route = templates.iter().find(|(it, _)| Some(*it) == asked);
            assert!(route.is_none_or(|(_, route)| matchit(route.name().1)(path)), "{path}");
        }
    }

    /// Whether axum's router finds `template` at a path.
    fn matchit(template: &'static str) -> impl Fn(&str) -> bool {
        let router: Router = Router::new().route(template, get(|| std::future::ready("here")));
        move |path| {
            let Ok(request) = Request::get(path).body(Body::empty()) else { return false };
            let answer = tower::ServiceExt::oneshot(router.clone(), request);
            let answer = futures_util::FutureExt::now_or_never(answer).unwrap().unwrap();
            answer.status() == 200
        }
    }
}
