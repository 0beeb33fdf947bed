//! Connections are places, and there are only so many.

use super::{
    MARGIN, ms,
    server::{Edge, QUICK, Server},
    wire::{Answer, Wire, get},
};
use std::time::Duration;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// Somebody in each place, who has asked once.
async fn all_taken(server: &Server, places: usize) -> Vec<Wire> {
    let mut wires = Vec::new();
    for _ in 0..places {
        let mut wire = Wire::open(server.public).await;
        assert_eq!(wire.ask(&get("/v1/time")).await.status, 200);
        wires.push(wire);
    }
    wires
}

#[tokio::test]
async fn too_many_connections_are_refused_without_hurting_the_others() {
    let edge = Edge { connections: 8, header_ms: 5_000, idle_ms: 60_000, ..QUICK };
    let server = Server::start(edge);
    let mut wires = all_taken(&server, edge.connections).await;
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
    let _wires = all_taken(&server, edge.connections).await;
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
