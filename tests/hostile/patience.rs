//! How long a peer is waited for: each limit by itself.

use super::{
    MARGIN, contract, ms,
    server::{Edge, QUICK, Server},
    two,
    wire::{Wire, get, post},
    within,
};
use crate::common::host::CLAIMS;
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn a_slow_header_is_closed_in_time() {
    let server = Server::start(QUICK);
    closes_a_slow_head(&server, ms(QUICK.header_ms)).await;
    // The second one on a connection as well.
    let mut wire = Wire::open(server.public).await;
    wire.ask(&get("/v1/time")).await;
    let (mut reader, mut writer) = wire.split();
    let started = Instant::now();
    let writing = tokio::spawn(async move {
        while writer.send(b"G").await {
            sleep(ms(100)).await;
        }
    });
    reader.closed().await;
    writing.abort();
    within(started.elapsed(), ms(QUICK.header_ms));
    server.empty_within(MARGIN).await;
}

#[tokio::test]
async fn the_shipped_limits_close_a_slow_header_after_five_seconds() {
    closes_a_slow_head(&Server::shipped(), ms(5_000)).await;
}

async fn closes_a_slow_head(server: &Server, limit: Duration) {
    let (mut reader, mut writer) = Wire::open(server.public).await.split();
    let started = Instant::now();
    let writing = tokio::spawn(async move {
        for byte in get(&"/v1/time".repeat(50)) {
            writer.send(&[byte]).await;
            sleep(ms(100)).await;
        }
    });
    let said = reader.closed().await;
    writing.abort();
    assert!(said.is_empty(), "{said:?}");
    within(started.elapsed(), limit);
}

#[tokio::test]
async fn a_slow_body_is_answered_with_request_timeout() {
    let server = Server::start(QUICK);
    let whole = post(CLAIMS, "", r#"{"kind":"retail-10","pass":"x","device":"d"}"#);
    let mut wire = Wire::open(server.public).await;
    let started = Instant::now();
    wire.send(&whole[..whole.len() - 10]).await;
    let answer = wire.answer(false).await.expect("an answer");
    within(started.elapsed(), ms(QUICK.request_ms));
    assert_eq!(contract::judged(&answer).as_deref(), Ok("408 request_timeout"));
    // The rest of the body can't be told from a request: the connection is over.
    wire.closed().await;
}

#[tokio::test]
async fn a_pause_between_two_requests_may_be_longer_than_a_head_may_take() {
    let server = Server::start(Edge { header_ms: 300, idle_ms: 3_000, ..QUICK });
    let mut wire = Wire::open(server.public).await;
    assert_eq!(wire.ask(&get("/v1/time")).await.status, 200);
    sleep(ms(1_000)).await;
    assert_eq!(wire.ask(&get("/v1/time")).await.status, 200);
    let started = Instant::now();
    wire.closed().await;
    within(started.elapsed(), ms(3_000));
}

#[tokio::test]
async fn a_peer_that_takes_no_answer_is_cut_off() {
    let server = Server::start(QUICK);
    let (_unread, mut writer) = Wire::open(server.public).await.split();
    let flood = get("/openapi.json").repeat(100);
    let started = Instant::now();
    // Until the server stops taking requests, since it can't get rid of answers; then it gives up.
    while writer.send(&flood).await {}
    assert!(started.elapsed() < ms(10_000), "{:?}", started.elapsed());
    server.empty_within(ms(QUICK.header_ms) + MARGIN).await;
}

#[tokio::test]
async fn an_http_2_connection_needs_its_preface_in_time_and_ends_when_nothing_is_asked() {
    let server = Server::start(QUICK);
    for (bytes, limit) in [
        (b"PRI * HTTP/2.0\r\n".to_vec(), QUICK.header_ms),
        (two::asking(0), QUICK.header_ms),
        (two::asking(3), QUICK.idle_ms),
    ] {
        let mut wire = Wire::open(server.public).await;
        let started = Instant::now();
        wire.send(&bytes).await;
        wire.closed().await;
        within(started.elapsed(), ms(limit));
    }
}

#[tokio::test]
async fn a_ping_neither_ends_an_http_2_connection_nor_keeps_it() {
    let server = Server::start(QUICK);
    let (mut reader, mut writer) = Wire::open(server.public).await.split();
    let started = Instant::now();
    writer.send(&two::asking(1)).await;
    let pinging = tokio::spawn(async move {
        while writer.send(&two::ping()).await {
            sleep(ms(50)).await;
        }
    });
    reader.closed().await;
    within(started.elapsed(), ms(QUICK.idle_ms));
    pinging.abort();
}
