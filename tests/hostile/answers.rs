//! What is answered, to odd requests too.

use super::{
    MARGIN, contract, ms, person,
    server::{QUICK, Server},
    wire::{self, Answer, Wire, get, post},
};
use crate::common::host::{CLAIMS, Host};
use axum::{Router, routing};
use quan::http::accept;
use std::sync::Arc;
use tokio::{net::TcpStream, sync::watch, task::spawn_blocking, time::timeout};

#[tokio::test]
async fn an_http_2_client_is_served_like_any_other() {
    let server = Server::start(QUICK);
    let stream = TcpStream::connect(server.public).await.expect("the server listens");
    let io = hyper_util::rt::TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io);
    let (mut requests, driver) = handshake.await.expect("it speaks HTTP/2");
    let driver = tokio::spawn(driver);
    for (path, size, status) in
        [("/v1/time", 0, 200), ("/openapi.json", 0, 200), (CLAIMS, 9_000, 413)]
    {
        let request =
            hyper::Request::builder().uri(path).header("content-type", "application/json");
        let request = request.method(if size > 0 { "POST" } else { "GET" });
        let request = request.body("x".repeat(size)).expect("a request of known parts");
        let answer = requests.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
    }
    // Nothing more is asked: the server says goodbye.
    let ended = timeout(ms(QUICK.idle_ms) + MARGIN, driver).await;
    assert!(ended.expect("it is closed in time").is_ok());
}

#[tokio::test]
async fn r_claim_1_a_holder_is_told_again_whatever_stands_against_a_new_claim() {
    let server = Server::start(QUICK);
    let host = Host::with_keys(&server.keys());
    let (person, pass) = person::pass(&host, server.public, 0).await;
    let mut wire = Wire::open(server.public).await;
    let mut placeless = person.claim(&pass);
    placeless.as_object_mut().expect("a claim is an object").remove("fix");
    let placeless = post(CLAIMS, "", &placeless.to_string());
    let refused = wire.ask(&placeless).await;
    assert_eq!(refused.json()["code"], "position_missing");
    let claim = post(CLAIMS, "", &person.claim(&pass).to_string());
    let granted = wire.ask(&claim).await;
    let again = wire.ask(&placeless).await;
    assert_eq!((granted.status, again.status), (201, 200));
    assert_eq!(again.json()["coupon"]["number"], granted.json()["coupon"]["number"]);
}

#[tokio::test]
async fn a_panic_in_a_handler_is_an_answer_and_the_connection_goes_on() {
    let limits = accept::Limits {
        workers: 1,
        connections: 8,
        header_ms: 500,
        idle_ms: 5_000,
        grace_ms: 500,
        front: Arc::default(),
    };
    let server = accept::Server::bind("127.0.0.1:0".parse().expect("an address"), limits);
    let server = server.expect("a free port");
    let address = server.address();
    let router = || {
        let secret: fn() -> std::future::Ready<&'static str> = || panic!("a secret of the server");
        Router::new()
            .route("/panic", routing::get(secret))
            .route("/", routing::get(|| std::future::ready("fine")))
    };
    let (stop, stopped) = watch::channel(false);
    let running =
        server.run(router, &stopped, &Arc::new(accept::Connections::of(1))).expect("a thread");
    let mut wire = Wire::open(address).await;
    for _ in 0..3 {
        let answer = wire.ask(&get("/panic")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (500, &"internal".into()));
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
        assert_eq!(wire.ask(&get("/")).await.body, b"fine");
    }
    stop.send_replace(true);
    spawn_blocking(|| running.join()).await.expect("it ends");
}

#[tokio::test]
async fn every_method_of_every_address_gets_an_answer_of_the_contract() {
    let server = Server::start(QUICK);
    let mut wire = Wire::open(server.public).await;
    let mut ask = async |method: &str, path: &str| {
        wire.send(&wire::request(method, path, "", "")).await;
        let answer = wire.answer(method == "HEAD").await.expect("an answer");
        contract::judged(&answer).map(|came| (came, answer))
    };
    let allowed = |answer: &Answer| answer.header("allow").map(str::to_owned);
    let (came, answer) = ask("OPTIONS", CLAIMS).await.expect("of the contract");
    assert_eq!(
        (came.as_str(), allowed(&answer).as_deref()),
        ("405 method_not_allowed", Some("post"))
    );
    let (came, answer) = ask("DELETE", "/v1/time").await.expect("of the contract");
    assert_eq!(
        (came.as_str(), allowed(&answer).as_deref()),
        ("405 method_not_allowed", Some("get,head"))
    );
    let (came, answer) = ask("HEAD", "/v1/time").await.expect("of the contract");
    assert_eq!((came.as_str(), answer.body.len()), ("200", 0));
    let odd = ask("GET", "/v1/campaigns/%ff").await.expect("of the contract");
    assert_eq!(odd.0, "404 campaign_unknown");
    assert_eq!(ask("POST", CLAIMS).await.expect("of the contract").0, "415 unsupported_media_type");
}

#[tokio::test]
async fn a_body_is_asked_for_when_it_is_wanted_and_only_then() {
    let server = Server::start(QUICK);
    let expecting = |kind: &str| {
        let head = format!("POST {CLAIMS} HTTP/1.1\r\nhost: quan\r\ncontent-type: {kind}\r\n");
        format!("{head}content-length: 2\r\nexpect: 100-continue\r\n\r\n").into_bytes()
    };
    let mut wire = Wire::open(server.public).await;
    wire.send(&expecting("application/json")).await;
    assert!(wire.next_head().await.starts_with("http/1.1 100 "));
    wire.send(b"{}").await;
    assert_eq!(wire.answer(false).await.map(|it| it.status), Some(400));
    let mut wire = Wire::open(server.public).await;
    wire.send(&expecting("text/plain")).await;
    assert!(wire.next_head().await.starts_with("http/1.1 415 "));
}

#[tokio::test]
async fn a_request_with_both_framings_is_the_last_of_its_connection() {
    let server = Server::start(QUICK);
    let mut wire = Wire::open(server.public).await;
    let head =
        format!("POST {CLAIMS} HTTP/1.1\r\nhost: quan\r\ncontent-type: application/json\r\n");
    let both = format!(
        "{head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
    );
    wire.send(both.as_bytes()).await;
    wire.send(&get("/v1/time")).await;
    let answer = wire.answer(false).await.expect("an answer");
    assert_eq!(answer.status, 400);
    assert!(wire.answer(false).await.is_none(), "a second request behind an ambiguous one");
}
