//! The tills' addresses.

use super::{
    desk::{Bought, Desk, Purchase},
    heard::Heard,
    told::{self, OrderNow, RefundMade},
};
use crate::app::Local;
use crate::campaign::{Campaign, in_campaign, order_in};
use crate::domain::{CouponId, Fen, Refusal};
use crate::http::body::{self, HasBodyLimits};
use crate::http::{Peer, Problem};
use crate::ledger::machine::{Redemption, Status};
use crate::metrics::Asked;
use axum::{
    BoxError, Extension,
    body::HttpBody,
    extract::{self, State},
    http::{Request, StatusCode},
    response::Response,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::Arc};
use utoipa::ToSchema;

/// Characters of an order's or a refund's number at most.
const LONGEST: usize = 64;

/// Who scanned whose code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scan {
    /// The merchant scanned the customer's payment code.
    Merchant,
    /// The customer scanned the shop's code, with which nothing is redeemed.
    Consumer,
}

/// An order that is to be paid with a coupon.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedeemRequest<'a> {
    /// The merchant's number of the order.
    #[serde(borrow)]
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    order: Cow<'a, str>,
    /// What was scanned.
    #[serde(borrow)]
    code: Cow<'a, str>,
    /// The order's amount before the coupon.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    amount_fen: u64,
    /// The number of the coupon that the customer chose; the best one if none is named.
    coupon: Option<String>,
    /// Who scanned whose code.
    scan: Scan,
    /// Whether it is confirmed at once.
    one_step: Option<bool>,
}

/// An order that is paid back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundRequest<'a> {
    /// The merchant's number of the refund.
    #[serde(borrow)]
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    refund: Cow<'a, str>,
    /// How much of the order's amount is paid back.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    amount_fen: u64,
}

/// An order and its coupon.
#[derive(Serialize, ToSchema)]
pub struct Redeemed<'a> {
    redemption: OrderNow<'a>,
    /// Whether an earlier request had it.
    replayed: bool,
}

/// An order as it stands.
#[derive(Serialize, ToSchema)]
pub struct Stands<'a> {
    redemption: OrderNow<'a>,
}

/// A refund, and the order after it.
#[derive(Serialize, ToSchema)]
pub struct PaidBack<'a> {
    refund: RefundMade<'a>,
    redemption: OrderNow<'a>,
}

/// Holds a coupon for an order, or uses it at once. The same order again is answered as it stands.
#[utoipa::path(
    post,
    operation_id = "redeem",
    path = "/v1/campaigns/{campaign}/redemptions",
    params(("campaign" = String, Path, description = "the campaign's id")),
    security(("terminal" = [])),
    request_body = RedeemRequest,
    responses(
        (status = 201, body = Redeemed, description = "locked, or confirmed if it was to be at once"),
        (status = 200, body = Redeemed, description = "an earlier request had it")
    )
)]
pub async fn redeem(
    State(app): State<Arc<Local>>,
    Extension(peer): Extension<Peer>,
    request: extract::Request,
) -> Result<Response, Problem> {
    answer(&app, peer, request, Asked::Redeem).await
}

async fn to_redeem(desk: &Desk<'_>) -> Told {
    let request: RedeemRequest = desk.from.says()?;
    let (order, replayed) = redeemed(desk, &request).await?;
    let status = if replayed { StatusCode::OK } else { StatusCode::CREATED };
    let redemption = order_now(desk.campaign, &request.order, &order)?;
    Ok((body::json(status, &Redeemed { redemption, replayed }), replayed))
}

async fn redeemed(desk: &Desk<'_>, request: &RedeemRequest<'_>) -> Result<Bought, Problem> {
    if request.scan == Scan::Consumer {
        return Err(Refusal::WrongScanDirection.into());
    }
    let amount = amount(request.amount_fen)?;
    if !is_number(&request.order) {
        return Err(Problem::BAD_REQUEST);
    }
    let code = request.code.parse().map_err(|_| Refusal::CodeUnreadable)?;
    let choice = request.coupon.as_deref().map(str::parse::<CouponId>).transpose();
    // A number that no coupon has is not the customer's either.
    let choice = choice.map_err(|_| Refusal::NotTheHolder)?;
    let at_once = request.one_step.unwrap_or(false);
    let (order, scanned) = (&request.order, &request.code);
    let purchase = Purchase { order, code, scanned, amount, choice, at_once };
    let (order, replayed) = desk.lock(&purchase, desk.app.clock.now()).await?;
    // An earlier request that held it only, or an earlier version's.
    if at_once && matches!(order.status, Status::Locked { .. }) {
        return Ok((desk.confirm(&request.order).await?, replayed));
    }
    Ok((order, replayed))
}

/// The order was paid: its coupon is used.
#[utoipa::path(
    post,
    operation_id = "confirm",
    path = "/v1/campaigns/{campaign}/redemptions/{order}/confirm",
    params(
        ("campaign" = String, Path, description = "the campaign's id"),
        ("order" = String, Path, description = "the merchant's number of the order")
    ),
    security(("terminal" = [])),
    responses((status = 200, body = Stands, description = "confirmed, now or before"))
)]
pub async fn confirm(
    State(app): State<Arc<Local>>,
    Extension(peer): Extension<Peer>,
    request: extract::Request,
) -> Result<Response, Problem> {
    answer(&app, peer, request, Asked::Confirm).await
}

/// The order came to nothing: its coupon is its holder's again.
#[utoipa::path(
    post,
    operation_id = "release",
    path = "/v1/campaigns/{campaign}/redemptions/{order}/release",
    params(
        ("campaign" = String, Path, description = "the campaign's id"),
        ("order" = String, Path, description = "the merchant's number of the order")
    ),
    security(("terminal" = [])),
    responses((status = 200, body = Stands, description = "released, now or before"))
)]
pub async fn release(
    State(app): State<Arc<Local>>,
    Extension(peer): Extension<Peer>,
    request: extract::Request,
) -> Result<Response, Problem> {
    answer(&app, peer, request, Asked::Release).await
}

/// An order of the till's merchant, as it stands.
#[utoipa::path(
    get,
    operation_id = "redemption",
    path = "/v1/campaigns/{campaign}/redemptions/{order}",
    params(
        ("campaign" = String, Path, description = "the campaign's id"),
        ("order" = String, Path, description = "the merchant's number of the order")
    ),
    security(("terminal" = [])),
    responses((status = 200, body = Stands, description = "the order"))
)]
pub async fn look(
    State(app): State<Arc<Local>>,
    Extension(peer): Extension<Peer>,
    request: extract::Request,
) -> Result<Response, Problem> {
    answer(&app, peer, request, Asked::Look).await
}

/// Pays an order back, whole or in part. The same refund again is answered as it was made.
#[utoipa::path(
    post,
    operation_id = "refund",
    path = "/v1/campaigns/{campaign}/redemptions/{order}/refunds",
    params(
        ("campaign" = String, Path, description = "the campaign's id"),
        ("order" = String, Path, description = "the merchant's number of the order")
    ),
    security(("terminal" = [])),
    request_body = RefundRequest,
    responses((status = 200, body = PaidBack, description = "the refund, made now or before"))
)]
pub async fn refund(
    State(app): State<Arc<Local>>,
    Extension(peer): Extension<Peer>,
    request: extract::Request,
) -> Result<Response, Problem> {
    answer(&app, peer, request, Asked::Refund).await
}

async fn to_refund(desk: &Desk<'_>) -> Told {
    let request: RefundRequest = desk.from.says()?;
    let (order, amount) = (order_of(&desk.from)?, amount(request.amount_fen)?);
    if !is_number(&request.refund) {
        return Err(Problem::BAD_REQUEST);
    }
    let (made, stands) = desk.refund(&order, &request.refund, amount).await?;
    let redemption = order_now(desk.campaign, &order, &stands)?;
    let refund = told::refund(&request.refund, &made);
    Ok((body::json(StatusCode::OK, &PaidBack { refund, redemption }), false))
}

/// A yes, and whether it was an earlier request's; or a no.
type Told = Result<(Response, bool), Problem>;

/// The answer to what a till asks, counted.
///
/// Not an `async fn`: that would keep the request beside the parts it is taken into, for as long as the disk is waited
/// for.
pub fn answer<B>(
    app: &Local,
    peer: Peer,
    request: Request<B>,
    asked: Asked,
) -> impl Future<Output = Result<Response, Problem>>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (parts, mut body) = request.into_parts();
    async move {
        let campaign = in_campaign(app, parts.uri.path())?;
        let now = || app.clock.now();
        let heard = Heard::of(campaign, peer, (&parts, &mut body), app.body_limits(), now).await;
        let told = match heard.map(|from| Desk { app, campaign, from }) {
            Ok(ref desk) => told(desk, asked).await,
            Err(problem) => Err(problem),
        };
        let outcome = told.as_ref().map(|(_, replayed)| *replayed);
        app.metrics.till(&campaign.counts, asked, outcome, peer.since);
        told.map(|(response, _)| response)
    }
}

async fn told(desk: &Desk<'_>, asked: Asked) -> Told {
    match asked {
        Asked::Redeem => to_redeem(desk).await,
        Asked::Refund => to_refund(desk).await,
        Asked::Confirm | Asked::Release | Asked::Look => about_order(desk, asked).await,
    }
}

/// What a till asks about an order that its address names, with nothing more to say.
async fn about_order(desk: &Desk<'_>, asked: Asked) -> Told {
    desk.from.says_nothing()?;
    let order = order_of(&desk.from)?;
    let stands = match asked {
        Asked::Confirm => desk.confirm(&order).await?,
        Asked::Release => desk.release(&order).await?,
        Asked::Look | Asked::Redeem | Asked::Refund => desk.look(&order).await?,
    };
    let redemption = order_now(desk.campaign, &order, &stands)?;
    Ok((body::json(StatusCode::OK, &Stands { redemption }), false))
}

/// The order that the address names.
fn order_of<'a>(heard: &'a Heard<'_>) -> Result<Cow<'a, str>, Refusal> {
    let order = order_in(heard.path());
    if is_number(&order) { Ok(order) } else { Err(Refusal::OrderUnknown) }
}

fn order_now<'a>(
    campaign: &'a Campaign,
    order: &'a str,
    it: &Redemption,
) -> Result<OrderNow<'a>, Problem> {
    told::order(campaign, order, it).ok_or(Problem::INTERNAL)
}

fn amount(fen: u64) -> Result<Fen, Problem> {
    let amount = Fen::new(fen);
    if amount > Fen::ZERO && amount <= Fen::MOST { Ok(amount) } else { Err(Problem::BAD_REQUEST) }
}

/// Whether a text can be the number of an order or a refund.
fn is_number(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Incoming;

    fn size<'a, F>(_: fn(&'a Local, Peer, Request<Incoming>, Asked) -> F) -> usize {
        size_of::<F>()
    }

    /// An order or its confirmation under way is one allocation. Of up to 1,032 bytes glibc 2.26 to 2.41 keep some at
    /// hand for each thread; anything larger is looked for, under a lock.
    #[test]
    fn a_request_under_way_takes_no_more_room_than_is_at_hand() {
        let size = size(answer::<Incoming>);
        assert!(
            size <= 1_032,
            "{size} bytes: box what is rare, or hold less while something is waited for"
        );
    }

    #[test]
    fn the_number_of_an_order_is_up_to_64_plain_characters() {
        for good in ["1", "A-1", "a.b_c-9", &"x".repeat(64)] {
            assert!(is_number(good), "{good}");
        }
        for bad in ["", " ", "a/b", "单", "a b", "a\n", &"x".repeat(65)] {
            assert!(!is_number(bad), "{bad}");
        }
    }

    #[test]
    fn an_amount_is_neither_nothing_nor_more_than_there_is() {
        assert_eq!(amount(0), Err(Problem::BAD_REQUEST));
        assert_eq!(amount(1), Ok(Fen::new(1)));
        assert_eq!(amount(Fen::MOST.get()), Ok(Fen::MOST));
        assert_eq!(amount(Fen::MOST.get() + 1), Err(Problem::BAD_REQUEST));
    }
}
