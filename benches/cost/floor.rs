//! The least that a server on this stack can do: read a body, give bytes.

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use quan::http::accept::{Connections, Limits, Server};
use std::{fs, io::Read, sync::Arc};
use tokio::sync::watch;

/// Serves the answer in the file `answer` to every request until standard input ends.
pub(crate) fn serve(answer: &str) -> anyhow::Result<()> {
    let answer = fs::read_to_string(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
    let mut lines = head.lines();
    let status: u16 =
        lines.next().and_then(|line| line.get(9..12)).context("no status")?.parse()?;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").context("a header")?;
        // The server adds these two by itself.
        if !["content-length", "date"].contains(&name) {
            headers.push((HeaderName::try_from(name)?, HeaderValue::try_from(value)?));
        }
    }
    let fixed = Arc::new((StatusCode::from_u16(status)?, headers, Bytes::from(body.to_owned())));
    let limits = Limits {
        workers: 0,
        connections: 8_192,
        header_ms: 60_000,
        idle_ms: 60_000,
        grace_ms: 1_000,
        front: Arc::default(),
    };
    let server = Server::bind("127.0.0.1:0".parse()?, limits)?;
    println!("{{\"public\":\"{}\"}}", server.address());
    let workers = server.workers();
    let (stop, stopped) = watch::channel(false);
    let router = || {
        let fixed = Arc::clone(&fixed);
        let give = move |body: Bytes| std::future::ready(given(&fixed, &body));
        Router::new()
            .route("/v1/campaigns/{campaign}/rounds/{round}/claims", post(give.clone()))
            .route("/v1/campaigns/{campaign}/coupons", get(give.clone()))
            .route("/v1/campaigns/{campaign}/redemptions", post(give.clone()))
            .route("/v1/campaigns/{campaign}/redemptions/{order}/confirm", post(give))
    };
    let running = server.run(router, &stopped, &Arc::new(Connections::of(workers)))?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    stop.send_replace(true);
    running.join();
    Ok(())
}

fn given(fixed: &(StatusCode, Vec<(HeaderName, HeaderValue)>, Bytes), body: &Bytes) -> Response {
    std::hint::black_box(body.len());
    let (status, headers, bytes) = fixed;
    let mut response = bytes.clone().into_response();
    *response.status_mut() = *status;
    for (name, value) in headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}
