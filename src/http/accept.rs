//! Connections: taking them, bounding them, and ending them without losing an answer.
//!
//! Each worker is a thread with its own runtime and its own listening socket on the same address
//! (`SO_REUSEPORT`), so that a connection lives on one core and workers share nothing.
//!
//! # What always holds
//!
//! - A peer that sends nothing, its headers too slowly, or takes no answer is closed after
//!   [`Limits::header_ms`]; one that asks nothing more, after [`Limits::idle_ms`].
//! - When places run short, those who ask nothing leave theirs first.
//! - A handler that panics is a logged `internal`; neither its connection nor a worker ends with it.
//! - A failing accept (no descriptors left) backs off and never ends the loop.
//! - When told to stop, what is in flight is answered for up to [`Limits::grace_ms`].

#[cfg(test)]
mod tests;

use super::Problem;
use super::patience::{Pace, Patience, Patient};
use crate::metrics::Longest;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use quanta::Instant;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    any::Any,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tower::Service as _;

/// Bytes that hyper may buffer of a request's head, and bytes of an HTTP/2 header list.
const HEAD_BYTES: u16 = 16 << 10;
/// Header lines of a request.
const HEADERS: usize = 40;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 64;
/// Bytes of bodies that an HTTP/2 peer may send ahead, of one request and of all.
const AHEAD: (u32, u32) = (16 << 10, 64 << 10);
/// Bytes of answers that wait for an HTTP/2 peer to take them.
const BEHIND: usize = 64 << 10;
/// Connections the kernel may hold until they are accepted.
const BACKLOG: i32 = 4_096;
/// How long the loop rests when accepting fails.
const REST: Duration = Duration::from_millis(20);
/// The period of each worker's ticker: 10 wakes a second cost an idle server next to nothing.
const TICK: Duration = Duration::from_millis(100);

/// What a connection may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Threads that serve; 0 is one a core.
    pub workers: usize,
    /// Connections at once; one more is closed at once.
    pub connections: usize,
    /// Milliseconds for a request's headers, and for a peer that takes no answer.
    pub header_ms: u64,
    /// Milliseconds that a connection may wait for its next request.
    pub idle_ms: u64,
    /// Milliseconds for requests in flight when told to stop.
    pub grace_ms: u64,
    /// Addresses of fronts, whose word is taken on where a request came from.
    pub front: Arc<[IpAddr]>,
}

/// Where a request came from, and when its head was there.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// When.
    pub since: Instant,
}

/// What answers requests; every connection has one.
pub trait Service: Clone + Send + Sync + 'static {
    /// The answer to a request of `peer`.
    fn answer(
        self,
        peer: Peer,
        request: hyper::Request<Incoming>,
    ) -> impl Future<Output = Response> + Send;
}

impl Service for Router {
    async fn answer(mut self, peer: Peer, request: hyper::Request<Incoming>) -> Response {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        // A router is always ready.
        match self.call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// How many connections there are and were.
#[derive(Debug)]
pub struct Connections {
    /// Open now, over all workers: what is bounded.
    open: AtomicUsize,
    /// By worker.
    pub workers: Box<[Worker]>,
}

/// How one worker is.
#[derive(Debug, Default)]
pub struct Worker {
    /// Connections open now.
    pub open: AtomicUsize,
    /// Accepted ever.
    pub accepted: AtomicUsize,
    /// Closed at once since there were too many.
    pub rejected: AtomicUsize,
    /// How late its ticker was.
    pub lag: Longest,
}

impl Connections {
    /// None yet, for so many workers.
    pub fn of(workers: usize) -> Connections {
        Connections {
            open: AtomicUsize::new(0),
            workers: (0..workers).map(|_| Worker::default()).collect(),
        }
    }
}

/// Sockets that listen; nobody is served yet.
pub struct Server {
    listeners: Vec<std::net::TcpListener>,
    address: SocketAddr,
    limits: Limits,
}

/// Workers that serve.
pub struct Running {
    workers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Waits until every worker has ended, which it does when told to stop.
    pub fn join(self) {
        for worker in self.workers {
            // A worker that panicked has said so; the others are still to be waited for.
            let _ = worker.join();
        }
    }
}

impl Server {
    /// Listens on `address`; port 0 takes a free one.
    pub fn bind(address: SocketAddr, limits: Limits) -> io::Result<Server> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let workers = if limits.workers == 0 { cores() } else { limits.workers };
        if address.port() != 0 {
            only_one(address)?;
        }
        let first = listen(address)?;
        let address = first.local_addr()?;
        let mut listeners = vec![first];
        for _ in 1..workers {
            listeners.push(listen(address)?);
        }
        Ok(Server { listeners, address, limits })
    }

    /// How many workers will serve.
    pub fn workers(&self) -> usize {
        self.listeners.len()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves what `service` makes for each worker until `stop` says true.
    pub fn run<S: Service>(
        self,
        service: impl Fn() -> S,
        stop: &watch::Receiver<bool>,
        count: &Arc<Connections>,
    ) -> io::Result<Running> {
        let mut workers = Vec::new();
        for (no, listener) in self.listeners.into_iter().enumerate() {
            let (service, stop) = (service(), stop.clone());
            let seat = Seat { count: Arc::clone(count), worker: no };
            let limits = self.limits.clone();
            let work = move || worker(listener, &service, &limits, &stop, &seat);
            workers.push(thread::Builder::new().name(format!("http-{no}")).spawn(move || {
                if let Err(error) = work() {
                    tracing::error!(%error, "a worker could not start");
                }
            })?);
        }
        Ok(Running { workers })
    }
}

/// Fails if another process listens there: workers share the address, strangers must not, or each
/// would serve a part of the people from a ledger of its own.
fn only_one(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn worker(
    listener: std::net::TcpListener,
    service: &impl Service,
    limits: &Limits,
    stop: &watch::Receiver<bool>,
    seat: &Seat,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(tick(seat.clone()));
        // Every connection holds a clone; when the last is dropped, all are done.
        let (alive, mut all_done) = tokio::sync::mpsc::channel::<()>(1);
        accept(&listener, service, limits, stop, seat, &alive).await;
        drop((listener, alive));
        let grace = Duration::from_millis(limits.grace_ms);
        // Whoever is still not done then is cut off.
        let _ = timeout(grace, all_done.recv()).await;
        Ok(())
    })
}

async fn accept(
    listener: &TcpListener,
    service: &impl Service,
    limits: &Limits,
    stop: &watch::Receiver<bool>,
    seat: &Seat,
    alive: &tokio::sync::mpsc::Sender<()>,
) {
    let mut stopped = stop.clone();
    let mut stopped = pin!(stopped.wait_for(|stop| *stop));
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            sleep(REST).await;
            continue;
        };
        let Some(place) = Place::take(seat, limits.connections) else { continue };
        let (service, stop, alive) = (service.clone(), stop.clone(), alive.clone());
        let limits = limits.clone();
        tokio::spawn(async move {
            connection(stream, peer, service, &limits, stop, &place).await;
            drop((place, alive));
        });
    }
}

/// A worker's place among the others.
#[derive(Clone)]
struct Seat {
    count: Arc<Connections>,
    worker: usize,
}

impl Seat {
    fn worker(&self) -> Option<&Worker> {
        self.count.workers.get(self.worker)
    }
}

/// Notes how late a ticker is, and so for how long nobody on this worker could go on.
async fn tick(seat: Seat) {
    let Some(worker) = seat.worker() else { return };
    loop {
        let due = tokio::time::Instant::now() + TICK;
        tokio::time::sleep_until(due).await;
        worker.lag.note(due.elapsed());
    }
}

/// One connection's place among those that may be open.
struct Place(Seat);

impl Place {
    fn take(seat: &Seat, most: usize) -> Option<Place> {
        // Counted in any case: dropping the place takes it off again.
        let there_were = seat.count.open.fetch_add(1, Relaxed);
        let place = Place(seat.clone());
        if let Some(worker) = seat.worker() {
            worker.open.fetch_add(1, Relaxed);
            let count = if there_were < most { &worker.accepted } else { &worker.rejected };
            count.fetch_add(1, Relaxed);
        }
        (there_were < most).then_some(place)
    }

    /// Whether fewer than an eighth of the places are free.
    fn crowded(count: &Connections, most: usize) -> bool {
        count.open.load(Relaxed) > most.saturating_sub(most / 8)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count.open.fetch_sub(1, Relaxed);
        if let Some(worker) = self.0.worker() {
            worker.open.fetch_sub(1, Relaxed);
        }
    }
}

/// Drives a connection to its end; told to stop, it finishes what is in flight.
macro_rules! served {
    ($conn:ident, $stop:ident) => {
        tokio::select! {
            // How a connection ends is its peer's business.
            _ = &mut $conn => return,
            _ = $stop.wait_for(|stop| *stop) => {}
        }
        Pin::as_mut(&mut $conn).graceful_shutdown();
        let _ = $conn.await;
    };
}
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    service: impl Service,
    limits: &Limits,
    mut stop: watch::Receiver<bool>,
    taken: &Place,
) {
    // Without it small answers wait for the peer's acknowledgement; a failure only costs that.
    let _ = stream.set_nodelay(true);
    let head = Duration::from_millis(limits.header_ms);
    let pace = Pace::start(Patience { head, idle: Duration::from_millis(limits.idle_ms) });
    let version = tokio::select! {
        version = timeout(head, version(&stream)) => version,
        // It has asked nothing yet.
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let Ok(Some(version)) = version else { return };
    let count = Arc::clone(&taken.0.count);
    let most = limits.connections;
    let crowded = move || Place::crowded(&count, most);
    let heads = matches!(version, Version::One);
    let io = TokioIo::new(Patient::new(stream, Arc::clone(&pace), heads, crowded));
    let address = peer.ip().to_canonical();
    let front = limits.front.contains(&address);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let told = if front { forwarded(request.headers()) } else { None };
        let peer = Peer { address: told.unwrap_or(address), since: Instant::now() };
        let (service, in_flight) = (service.clone(), pace.request());
        async move {
            let answer = answer(service, peer, request).await;
            drop(in_flight);
            Ok::<_, Infallible>(answer)
        }
    });
    match version {
        Version::One => {
            let mut http = hyper::server::conn::http1::Builder::new();
            // The stream has its own timers.
            http.timer(TokioTimer::new()).header_read_timeout(None);
            http.max_buf_size(usize::from(HEAD_BYTES)).max_headers(HEADERS);
            // Answers are small: to copy one costs less than to write two pieces.
            http.writev(false);
            let mut conn = pin!(http.serve_connection(io, service));
            served!(conn, stop);
        }
        Version::Two => {
            let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new()).keep_alive_interval(head).keep_alive_timeout(head);
            http.max_concurrent_streams(STREAMS).max_header_list_size(u32::from(HEAD_BYTES));
            http.initial_stream_window_size(AHEAD.0).initial_connection_window_size(AHEAD.1);
            http.max_send_buf_size(BEHIND);
            let mut conn = pin!(http.serve_connection(io, service));
            served!(conn, stop);
        }
    }
}

/// Where a front says that a request came from: what it added itself, which is the last.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").into_iter().next_back()?.to_str().ok()?;
    let address: IpAddr = last.rsplit(',').next()?.trim().parse().ok()?;
    Some(address.to_canonical())
}

async fn answer<S: Service>(service: S, peer: Peer, request: hyper::Request<Incoming>) -> Response {
    // What a service shares is whole again once a panic has passed.
    let work = AssertUnwindSafe(async move { service.answer(peer, request).await });
    match work.catch_unwind().await {
        Ok(answer) => answer,
        Err(panic) => {
            tracing::error!(panic = said(panic.as_ref()), "a handler panicked");
            Problem::INTERNAL.into_response()
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("nothing")
}

enum Version {
    One,
    Two,
}

/// Which protocol the peer speaks: h2c begins with `PRI`. `None` if it went away.
async fn version(stream: &TcpStream) -> Option<Version> {
    const PREFACE: &[u8; 3] = b"PRI";
    let mut start = [0; 3];
    loop {
        let length = stream.peek(&mut start).await.ok()?;
        let seen = start.get(..length)?;
        match seen {
            [] => return None,
            _ if seen == PREFACE => return Some(Version::Two),
            _ if !PREFACE.starts_with(seen) => return Some(Version::One),
            // One or two letters of it: the rest is on its way.
            _ => sleep(REST).await,
        }
    }
}
