//! A server that is told to stop.

use super::{
    MARGIN, ms, person,
    server::{Edge, QUICK, Server},
    wire::{Wire, get, post},
    within,
};
use crate::common::host::{CLAIMS, Host};
use quan::audit::{audit_folder, exit_code};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

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
