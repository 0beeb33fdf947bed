//! What counting and timing add to a claim, alone on a core and with another worker beside it.

use axum::{Router, body::Body, http::Request, routing::get};
use criterion::{Criterion, criterion_group, criterion_main};
use quan::domain::{Refusal, RoundNo};
use quan::http::{Peer, Problem, measured::measured};
use quan::metrics::{Counts, Metrics, Route, Told};
use quan::plan::Plan;
use quanta::Instant;
use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};
use tower::Service;

const ROUND: RoundNo = RoundNo(1);

fn plan() -> Plan {
    let fence = include_str!("../config/fences/linfen.geojson");
    let text = include_str!("../config/xiangning-2023.toml");
    Plan::from_toml(text, |_| Ok(fence.to_owned())).expect("the shipped plan has no errors").0
}

/// All that a claim costs beyond its work: two looks at the clock, the outcome, the time it took,
/// the request in flight, and its class.
fn claim(metrics: &Metrics, counts: &Counts, worker: &Arc<quan::metrics::routes::RouteCounts>) {
    let since = black_box(Instant::now());
    let mut flight = Arc::clone(worker).enter();
    let no = Problem::from(black_box(Refusal::SoldOut));
    metrics.claimed(counts, ROUND, Told::no(&no), since);
    flight.answered(black_box(409), Some(since));
}

fn alone_and_beside(c: &mut Criterion) {
    let metrics = Metrics::start().expect("a thread starts");
    let counts = Counts::of(&plan());
    let [one, other] = [(); 2].map(|()| metrics.route(Route::Claims));
    c.bench_function("metrics_of_a_claim", |b| b.iter(|| claim(&metrics, &counts, &one)));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                claim(&metrics, &counts, &other);
                // What the claim itself takes at the least.
                let start = Instant::now();
                while start.elapsed().as_micros() < 5 {}
            }
        });
        c.bench_function("metrics_of_a_claim_beside_a_worker", |b| {
            b.iter(|| claim(&metrics, &counts, &one));
        });
        stop.store(true, Relaxed);
    });
}

/// The same handler behind the router, measured and not.
fn wrapped(c: &mut Criterion) {
    let metrics = Metrics::start().expect("a thread starts");
    let handler = || std::future::ready("");
    let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), since: Instant::now() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let counts = metrics.route(Route::Claims);
    let routers: [(&str, Router); 2] = [
        ("router_plain", Router::new().route("/", get(handler))),
        ("router_measured", Router::new().route("/", get(measured(counts, handler)))),
    ];
    for (name, mut router) in routers {
        c.bench_function(name, |b| {
            b.iter(|| {
                let mut request = Request::new(Body::empty());
                request.extensions_mut().insert(peer);
                runtime.block_on(router.call(request))
            });
        });
    }
}

criterion_group!(benches, alone_and_beside, wrapped);
criterion_main!(benches);
