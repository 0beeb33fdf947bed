//! The edge under attack: the real server, hostile peers on raw sockets, and honest ones in between.
//!
//! `QUAN_HOSTILE_REQUESTS` says how many hostile requests are sent, `QUAN_HOSTILE_SEED` which.

#![expect(clippy::indexing_slicing, reason = "a test that reaches beyond an end should fail")]

#[path = "common"]
mod common {
    pub(crate) mod host;
    pub(crate) mod plan;
    pub(crate) mod server;
}
#[path = "hostile/attacks.rs"]
mod attacks;
#[path = "hostile/contract.rs"]
mod contract;
#[path = "hostile/person.rs"]
mod person;
#[path = "hostile/server.rs"]
mod server;
#[path = "hostile/two.rs"]
mod two;
#[path = "hostile/wire.rs"]
mod wire;

use attacks::{Attack, CLASSES, Expect, Good};
use axum::{Router, routing};
use common::host::{CLAIMS, Host};
use quan::audit::{audit_folder, exit_code};
use quan::http::accept;
use rand::{SeedableRng, rngs::StdRng};
use server::{Edge, QUICK, Server};
use std::{collections::BTreeMap, env, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, watch},
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep, timeout},
};
use wire::{Answer, Wire, get, post};

/// What a busy machine may add to a limit.
const MARGIN: Duration = Duration::from_secs(3);
/// Hostile connections at once.
const AT_ONCE: usize = 512;
/// Long enough for honest people on a machine that is busy with the hostile ones.
const ASSAULTED: Edge = Edge { header_ms: 1_500, idle_ms: 2_000, request_ms: 1_500, ..QUICK };
/// What hostility may add to the server's memory.
const MOST_KIB: u64 = 64 << 10;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

// Ten thousand at once.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_request_is_refused_or_closed_in_time_while_honest_people_are_served() {
    let (requests, seed) =
        (number("QUAN_HOSTILE_REQUESTS", 10_000), number("QUAN_HOSTILE_SEED", 1));
    let mut server = Server::start(ASSAULTED);
    let host = Host::with_keys(&server.keys());
    let before_kib = server.memory_kib("VmRSS");
    let (claimer, pass) = person::pass(&host, server.public, 0).await;
    let application = person::application(&host, server.public, 1).await;
    let documented = contract::Document::of(server.public).await;
    let scene = Arc::new((Good { application, claimer, pass }, documented));

    let (stop, stopped) = watch::channel(false);
    let address = server.public;
    // On a thread of their own: the hostile ones are many, and the wait for each other is not the server's.
    let honest = spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(honest_people(&host, address, stopped))
    });
    let started = Instant::now();
    let came = assault(server.public, requests, seed, scene).await;
    let took = started.elapsed();
    stop.send_replace(true);
    let honest = honest.await.expect("nobody honest was turned away");
    server.empty_within(ms(ASSAULTED.idle_ms) + MARGIN).await;

    let high_kib = server.memory_kib("VmHWM");
    println!("{requests} hostile requests, seed {seed}, in {took:?}");
    for (class, answers) in &came.answers {
        println!("{class}: {answers:?}");
    }
    println!("honest people: {} served, slowest {:?}", honest.lines.len(), honest.slowest);
    println!("memory: {before_kib} KiB before, {high_kib} KiB at the highest");
    let wrong = came.wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} wrong, as\n{wrong}", came.wrong.len());
    assert!(high_kib < before_kib + MOST_KIB, "{before_kib} KiB grew to {high_kib} KiB");
    assert!(honest.lines.len() > 1, "{:?}", honest.lines);

    let folder = server.folder.path().to_owned();
    let record = folder.join("record.jsonl");
    std::fs::write(&record, honest.lines.join("\n")).expect("the folder is there");
    let audit = spawn_blocking(move || {
        let log = server.stopped();
        assert!(!log.contains("panicked"), "{log}");
        assert!(log.len() < 64 << 10, "a log of {} bytes", log.len());
        audit_folder(&folder.join("data"), Some(&record)).expect("there is a journal")
    });
    let audit = audit.await.expect("the audit ends");
    assert_eq!(exit_code(&audit), 0, "{audit}");
}

/// What came of the hostile requests.
#[derive(Default)]
struct Seen {
    /// By class: each answer, counted.
    answers: BTreeMap<&'static str, BTreeMap<String, u32>>,
    /// What should not have come.
    wrong: Vec<String>,
}

impl Seen {
    fn note(&mut self, (class, came): (&'static str, Result<String, String>)) {
        match came {
            Ok(came) => *self.answers.entry(class).or_default().entry(came).or_default() += 1,
            Err(why) => self.wrong.push(why),
        }
    }
}

type Scene = (Good, contract::Document);

async fn assault(address: SocketAddr, requests: u64, seed: u64, scene: Arc<Scene>) -> Seen {
    let (mut came, mut crowd) = (Seen::default(), JoinSet::new());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    for no in 0..requests {
        let (scene, places) = (Arc::clone(&scene), Arc::clone(&places));
        let place = places.acquire_owned().await.expect("it is never closed");
        crowd.spawn(async move {
            let kind = usize::try_from(no).expect("a count") % CLASSES.len();
            let (class, make) = CLASSES[kind];
            let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1 << 32).wrapping_add(no));
            let attack = make(&mut rng, &scene.0);
            let came = carried_out(address, &attack, &scene.1).await;
            drop(place);
            (class, came.map_err(|why| format!("request {no}, {class}: {why}")))
        });
        while let Some(done) = crowd.try_join_next() {
            came.note(done.expect("a hostile request was sent"));
        }
    }
    while let Some(done) = crowd.join_next().await {
        came.note(done.expect("a hostile request was sent"));
    }
    came
}

/// Sends it and tells what came of it, or what should not have.
async fn carried_out(
    address: SocketAddr,
    attack: &Attack,
    document: &contract::Document,
) -> Result<String, String> {
    let wire = Wire::open(address).await;
    let patience = ms(ASSAULTED.header_ms + ASSAULTED.idle_ms) + 3 * MARGIN;
    let late = |_| format!("neither answered nor closed within {patience:?}");
    let (mut reader, mut writer) = wire.split();
    let send = async {
        for (wait, piece) in &attack.pieces {
            if *wait > 0 {
                sleep(ms(*wait)).await;
            }
            if !writer.send(piece).await {
                break;
            }
        }
        if attack.ends {
            writer.end().await;
        }
    };
    let heard = async {
        if attack.expect == Expect::End {
            reader.closed().await;
            return None;
        }
        reader.answer(attack.to_head).await
    };
    let both = async {
        tokio::pin!(send, heard);
        tokio::select! {
            answer = &mut heard => answer,
            () = &mut send => heard.await,
        }
    };
    let answer = timeout(patience, both).await.map_err(late)?;
    let Some(answer) = answer else { return Ok("closed".to_owned()) };
    let came = contract::judged(&answer)?;
    if answer.status < 300 && attack.expect == Expect::No {
        return Err(format!("a yes: {answer:?}"));
    }
    let request = attack.pieces.first().map_or(&[][..], |(_, piece)| piece);
    if !document.has(request, &answer) {
        return Err(format!("not in the document: {came}"));
    }
    Ok(came)
}

struct Honest {
    /// What they were told, as the audit reads it.
    lines: Vec<String>,
    slowest: Duration,
}

/// One person after the other looks, gets a pass, claims, and taps again.
async fn honest_people(host: &Host, address: SocketAddr, stop: watch::Receiver<bool>) -> Honest {
    let mut honest = Honest { lines: Vec::new(), slowest: Duration::ZERO };
    for who in 100.. {
        if *stop.borrow() {
            break;
        }
        let started = Instant::now();
        let (person, pass) = person::pass(host, address, who).await;
        for expected in [201, 200] {
            let answer = Wire::open(address)
                .await
                .ask(&post(CLAIMS, "", &person.claim(&pass).to_string()))
                .await;
            assert_eq!(answer.status, expected, "{answer:?}");
            let at_ms = person::now_ms(address).await;
            honest.lines.push(person::recorded(&pass, &answer.json(), at_ms));
        }
        honest.slowest = honest.slowest.max(started.elapsed());
        sleep(ms(50)).await;
    }
    honest
}

// Each limit by itself.

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

#[track_caller]
fn within(took: Duration, limit: Duration) {
    assert!(took + ms(5) >= limit && took < limit + MARGIN, "{took:?} where {limit:?} are allowed");
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
async fn too_many_connections_are_refused_without_hurting_the_others() {
    let edge = Edge { connections: 8, header_ms: 5_000, idle_ms: 60_000, ..QUICK };
    let server = Server::start(edge);
    let mut wires = Vec::new();
    for _ in 0..edge.connections {
        let mut wire = Wire::open(server.public).await;
        assert_eq!(wire.ask(&get("/v1/time")).await.status, 200);
        wires.push(wire);
    }
    for _ in 0..20 {
        let mut refused = Wire::open(server.public).await;
        refused.send(&get("/v1/time")).await;
        let said = timeout(ms(1_000), refused.closed()).await.expect("it is closed at once");
        assert!(said.is_empty(), "{said:?}");
    }
    for wire in &mut wires {
        assert_eq!(wire.ask(&get("/v1/time")).await.status, 200);
    }
    // One leaves, one comes.
    wires.pop();
    server.served_again(ms(1_000)).await;
    // The ops port has places of its own.
    assert_eq!(Wire::open(server.ops).await.ask(&get("/live")).await.status, 200);
}

#[tokio::test]
async fn people_who_ask_nothing_leave_their_places_when_these_run_short() {
    let edge = Edge { connections: 8, header_ms: 500, idle_ms: 60_000, ..QUICK };
    let server = Server::start(edge);
    let mut wires = Vec::new();
    for _ in 0..edge.connections {
        let mut wire = Wire::open(server.public).await;
        assert_eq!(wire.ask(&get("/v1/time")).await.status, 200);
        wires.push(wire);
    }
    server.served_again(ms(2 * edge.header_ms) + MARGIN).await;
}

#[tokio::test]
async fn connections_leave_the_server_the_descriptors_that_it_needs_itself() {
    let server = Server::start(Edge { descriptors: 256, ..QUICK });
    let mut held = Vec::new();
    for _ in 0..300 {
        // Some are refused, which is an answer.
        held.extend(TcpStream::connect(server.public).await);
    }
    sleep(ms(200)).await;
    let open = server.descriptors();
    assert!(open < 200, "{open} of 256 are taken");
    drop(held);
    server.served_again(ms(QUICK.header_ms) + MARGIN).await;
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
async fn what_is_in_flight_when_told_to_stop_is_answered_and_nothing_is_lost() {
    const PEOPLE: usize = 40;
    let mut server =
        Server::start(Edge { header_ms: 60_000, request_ms: 60_000, grace_ms: 20_000, ..QUICK });
    let host = Host::with_keys(&server.keys());
    let mut in_flight = Vec::new();
    for who in 0..PEOPLE {
        let (person, pass) = person::pass(&host, server.public, who).await;
        let request = post(CLAIMS, "", &person.claim(&pass).to_string());
        let mut wire = Wire::open(server.public).await;
        let (now, later) = request.split_at(request.len() - 1);
        wire.send(now).await;
        in_flight.push((wire, pass, later.to_vec()));
    }
    let at_ms = person::now_ms(server.public).await;
    let mut idle = Wire::open(server.public).await;
    idle.ask(&get("/v1/time")).await;
    let silent = Wire::open(server.public).await;
    server.tell_to_stop();
    for mut wire in [idle, silent] {
        timeout(MARGIN, wire.closed()).await.expect("who asks nothing is closed at once");
    }
    while TcpStream::connect(server.public).await.is_ok() {
        sleep(ms(10)).await;
    }
    let mut lines = Vec::new();
    for (mut wire, pass, later) in in_flight {
        let answer = wire.ask(&later).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        lines.push(person::recorded(&pass, &answer.json(), at_ms));
    }
    let folder = server.folder.path().to_owned();
    let record = folder.join("record.jsonl");
    std::fs::write(&record, lines.join("\n")).expect("the folder is there");
    server.stopped();
    let audit = audit_folder(&folder.join("data"), Some(&record)).expect("there is a journal");
    assert_eq!(exit_code(&audit), 0, "{audit}");
    let told = audit.checks.iter().find(|check| check.name == "I3").expect("it looks at yeses");
    assert_eq!(told.rows, PEOPLE as u64, "{audit}");
}

#[tokio::test]
async fn who_does_not_finish_is_cut_off_after_the_grace() {
    let mut server = Server::start(Edge { request_ms: 60_000, grace_ms: 700, ..QUICK });
    let mut wire = Wire::open(server.public).await;
    let request = post(CLAIMS, "", "{}");
    wire.send(&request[..request.len() - 1]).await;
    sleep(ms(100)).await;
    let started = Instant::now();
    server.tell_to_stop();
    wire.closed().await;
    within(started.elapsed(), ms(700));
    server.stopped();
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

impl Server {
    /// Waits until a newcomer is served.
    async fn served_again(&self, patience: Duration) {
        let until = Instant::now() + patience;
        loop {
            let mut wire = Wire::open(self.public).await;
            wire.send(&get("/v1/time")).await;
            let answer = timeout(patience, wire.answer(false)).await;
            if matches!(answer, Ok(Some(Answer { status: 200, .. }))) {
                return;
            }
            assert!(Instant::now() < until, "nobody is served within {patience:?}");
            sleep(ms(20)).await;
        }
    }
}
