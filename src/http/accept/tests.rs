use super::*;
use axum::{Extension, routing::get};
use std::{
    io::{Read, Write},
    net,
};

const LOOPBACK: &str = "127.0.0.1:0";

fn limits(front: &[&str]) -> Limits {
    let front = front.iter().map(|address| address.parse().unwrap()).collect();
    Limits { workers: 1, connections: 8, header_ms: 1_000, idle_ms: 1_000, grace_ms: 100, front }
}

/// Where a server with these fronts says that this request came from.
fn told(front: &[&str], headers: &str) -> String {
    let server = Server::bind(LOOPBACK.parse().unwrap(), limits(front)).unwrap();
    let (address, (stop, stopped)) = (server.address(), watch::channel(false));
    let here = |Extension(peer): Extension<Peer>| std::future::ready(peer.address.to_string());
    let router = || Router::new().route("/", get(here));
    let running = server.run(router, &stopped, &Arc::new(Connections::of(1))).unwrap();
    let mut stream = net::TcpStream::connect(address).unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    stop.send_replace(true);
    running.join();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn r_risk_4_a_fronts_word_is_taken_on_where_a_request_came_from_and_nobody_elses() {
    let said = "x-forwarded-for: 198.51.100.7\r\nX-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n";
    assert_eq!(told(&[], said), "127.0.0.1", "anybody can write a header");
    assert_eq!(told(&["192.0.2.8"], said), "127.0.0.1");
    // The last is what the front added itself; what stands before it came with the request.
    assert_eq!(told(&["192.0.2.8", "127.0.0.1"], said), "192.0.2.1");
    assert_eq!(told(&["127.0.0.1"], ""), "127.0.0.1");
    assert_eq!(told(&["127.0.0.1"], "x-forwarded-for: here\r\n"), "127.0.0.1");
    let six = "x-forwarded-for: 2001:db8::1\r\n";
    assert_eq!(told(&["127.0.0.1"], six), "2001:db8::1");
}

#[test]
fn a_second_server_on_the_same_port_is_refused() {
    let first = Server::bind(LOOPBACK.parse().unwrap(), limits(&[])).unwrap();
    let second = Server::bind(first.address(), limits(&[])).map(|_| ()).unwrap_err();
    assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
}
