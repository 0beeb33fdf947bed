//! A request's body: bounded in bytes and in time, JSON or a named no.

use super::Problem;
use axum::{
    BoxError,
    body::{Body, HttpBody},
    extract::{FromRequest, Request},
    http::{self, HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};
use tokio::time::timeout;

/// What a body may take.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Its bytes.
    pub bytes: usize,
    /// How long it may take to arrive.
    pub patience: Duration,
}

/// A JSON body, read whole.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// An answer, written into room that most answers fit in.
pub fn json(status: StatusCode, said: &impl Serialize) -> Response {
    json_in(384, status, said)
}

/// An answer of about so many bytes.
pub fn json_in(bytes: usize, status: StatusCode, said: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(bytes);
    if serde_json::to_writer(&mut text, said).is_err() {
        return Problem::INTERNAL.into_response();
    }
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// State that knows the limits of bodies.
pub trait HasBodyLimits {
    /// The limits.
    fn body_limits(&self) -> BodyLimits;
}

impl<S, T> FromRequest<S> for Json<T>
where
    S: HasBodyLimits + Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Json<T>, Problem> {
        JsonText::from_request(request, state).await?.parse().map(Json)
    }
}

/// A JSON body as it came, for what is read in place.
#[derive(Clone, Debug)]
pub struct JsonText(Bytes);

impl JsonText {
    /// Reads it; it must say that it is JSON.
    pub async fn read<B>(request: http::Request<B>, limits: BodyLimits) -> Result<JsonText, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        if !is_json(request.headers()) {
            return Err(Problem::UNSUPPORTED_MEDIA_TYPE);
        }
        read(request.into_body(), limits).await.map(JsonText)
    }

    /// What it says.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        serde_json::from_slice(&self.0).map_err(|_| Problem::BAD_REQUEST)
    }
}

impl<S: HasBodyLimits + Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<JsonText, Problem> {
        JsonText::read(request, state.body_limits()).await
    }
}

/// Whether a request says that its body is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return false };
    let kind = kind.as_bytes();
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or(kind);
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Reads a body whole. A body that is here already costs no timer.
pub async fn read<B>(body: B, limits: BodyLimits) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let mut whole = pin!(collect(Limited::new(body, limits.bytes)));
    let here = poll_fn(|context| Poll::Ready(whole.as_mut().poll(context))).await;
    if let Poll::Ready(whole) = here {
        return whole;
    }
    // Rare, so its room is not in every request's.
    let later = Box::pin(timeout(limits.patience, whole));
    later.await.unwrap_or(Err(Problem::REQUEST_TIMEOUT))
}

async fn collect<B>(mut body: Limited<B>) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let Some(first) = data(&mut body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = data(&mut body).await? else { return Ok(first) };
    // Rare: a body in several pieces.
    let mut whole = BytesMut::from(first);
    whole.extend_from_slice(&second);
    while let Some(piece) = data(&mut body).await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The next piece; `None` at the end.
async fn data<B>(body: &mut Limited<B>) -> Result<Option<Bytes>, Problem>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers are not looked at.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(Problem::BODY_TOO_LARGE);
            }
            Some(Err(_)) => return Err(Problem::BAD_REQUEST),
        }
    }
}
