//! A server of the contract, as naive as can be, that can be told to lie, to stall and to hang up. Its nodes share
//! all that it knows.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the stub does wrong.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Flaw {
    #[default]
    None,
    /// Sells one more of each kind than there are.
    Oversells,
    /// Gives a holder who asks again another coupon.
    SecondCoupon,
    /// Says sold out while one is left.
    Undersells,
    /// Doesn't look at the device of a pass.
    TakesCopies,
    /// Answers nothing for a second after the opening.
    Stalls,
    /// Hangs up on every 20th claim after deciding it, and is busy at every 7th.
    HangsUp,
    /// The last node is gone for good 200 ms after the opening.
    NodeDies,
    /// The last node's clock is a second late.
    ClockIsLate,
    /// Never answers a claim of the second kind otherwise than busy.
    BusyForever,
}

pub(crate) struct Stub {
    pub(crate) urls: Vec<String>,
    pub(crate) keys: PathBuf,
    pub(crate) opens_at_ms: i64,
    state: Arc<Mutex<State>>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.keys);
    }
}

impl Stub {
    /// Claims heard.
    pub(crate) fn claims(&self) -> u64 {
        self.state.lock().unwrap().claims
    }

    /// For each person who claimed, how many nodes they asked.
    pub(crate) fn nodes_asked(&self) -> Vec<usize> {
        self.state.lock().unwrap().asked.values().map(HashSet::len).collect()
    }
}

struct State {
    flaw: Flaw,
    opens_at_ms: i64,
    quantities: Vec<(&'static str, i64)>,
    left: HashMap<String, i64>,
    /// Person, device.
    passes: HashMap<String, (String, String)>,
    devices: HashMap<String, String>,
    held: HashMap<(String, String), String>,
    given: u64,
    claims: u64,
    /// The nodes that were shown a pass.
    asked: HashMap<String, HashSet<usize>>,
}

pub(crate) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Starts a stub of one node; the round opens in `opens_in_ms`.
pub(crate) fn start(flaw: Flaw, opens_in_ms: i64, quantities: &[(&'static str, i64)]) -> Stub {
    start_nodes(1, flaw, opens_in_ms, quantities)
}

/// Starts a stub, each node on a thread of its own; the round opens in `opens_in_ms`.
pub(crate) fn start_nodes(
    nodes: usize,
    flaw: Flaw,
    opens_in_ms: i64,
    quantities: &[(&'static str, i64)],
) -> Stub {
    let listeners: Vec<_> =
        (0..nodes).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<_> =
        listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let keys = std::env::temp_dir().join(format!(
        "loadtest-{}-{}",
        std::process::id(),
        addresses[0].port()
    ));
    std::fs::create_dir_all(&keys).unwrap();
    for name in ["fix-1.key", "captcha-1.key", "identity-1.key"] {
        std::fs::write(keys.join(name), STANDARD.encode([9; 32])).unwrap();
    }
    let opens_at_ms = now_ms() + opens_in_ms;
    let extra = match flaw {
        Flaw::Oversells => 1,
        Flaw::Undersells => -1,
        _ => 0,
    };
    let state = Arc::new(Mutex::new(State {
        flaw,
        opens_at_ms,
        quantities: quantities.to_vec(),
        left: quantities.iter().map(|(kind, n)| ((*kind).to_owned(), n + extra)).collect(),
        passes: HashMap::new(),
        devices: HashMap::new(),
        held: HashMap::new(),
        given: 0,
        claims: 0,
        asked: HashMap::new(),
    }));
    for (node, listener) in listeners.into_iter().enumerate() {
        let shared = Arc::clone(&state);
        let last = node + 1 == nodes;
        let lives = if last && flaw == Flaw::NodeDies { opens_in_ms + 200 } else { 600_000 };
        std::thread::spawn(move || {
            let lives = Duration::from_millis(u64::try_from(lives).unwrap());
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let late = last && flaw == Flaw::ClockIsLate;
            let accept = accept(listener, node, late, shared);
            // Its end is the end of all connections.
            let _ = runtime.block_on(async { tokio::time::timeout(lives, accept).await });
        });
    }
    let urls = addresses.iter().map(|address| format!("http://{address}")).collect();
    Stub { urls, keys, opens_at_ms, state }
}

async fn accept(
    listener: std::net::TcpListener,
    node: usize,
    late: bool,
    state: Arc<Mutex<State>>,
) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service =
                service_fn(move |request| answer(Arc::clone(&state), node, late, request));
            let server = hyper::server::conn::http1::Builder::new();
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    node: usize,
    late: bool,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let path = request.uri().path().to_owned();
    let bearer =
        request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.map_err(|_| "no body")?.to_bytes();
    let stall_ms = {
        let state = state.lock().unwrap();
        let since = now_ms() - state.opens_at_ms;
        let stalls =
            state.flaw == Flaw::Stalls && path.ends_with("/claims") && (0..1000).contains(&since);
        if stalls { u64::try_from(1000 - since).unwrap() } else { 0 }
    };
    if stall_ms > 0 {
        tokio::time::sleep(Duration::from_millis(stall_ms)).await;
    }
    let mut state = state.lock().unwrap();
    let answered = if path == "/v1/time" {
        Some((200, json!({"now_ms": now_ms() - i64::from(late) * 1_000, "now": ""})))
    } else if path.ends_with("/rounds/1") {
        Some((200, state.round()))
    } else if path.ends_with("/passes") {
        Some(state.pass(&bearer.unwrap(), &serde_json::from_slice(&body).unwrap()))
    } else if path.ends_with("/claims") {
        state.claim(node, &serde_json::from_slice(&body).unwrap())
    } else {
        Some(refusal(404, "not_found"))
    };
    let (status, body) = answered.ok_or("hang up")?;
    let body = Full::new(Bytes::from(body.to_string()));
    Ok(Response::builder().status(status).body(body).unwrap())
}

fn refusal(status: u16, code: &str) -> (u16, Value) {
    (
        status,
        json!({"type": format!("urn:quan:problem:{code}"), "status": status, "code": code, "title": "不"}),
    )
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

impl State {
    fn round(&self) -> Value {
        let kinds = self.quantities.iter();
        let kinds: Vec<_> = kinds
            .map(|(kind, n)| json!({"kind": kind, "quantity": n, "remaining": "plenty"}))
            .collect();
        json!({"round": 1, "state": "armed", "opens_at_ms": self.opens_at_ms, "kinds": kinds})
    }

    fn pass(&mut self, bearer: &str, body: &Value) -> (u16, Value) {
        let token = bearer.strip_prefix("Bearer ").unwrap();
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let (person, device) = (text(&claims, "idn").to_owned(), text(body, "device").to_owned());
        assert_eq!(text(&claims, "dev"), device);
        assert_eq!(
            (text(body, "fix").len(), text(body, "slider").len(), text(body, "image").len()),
            (75, 80, 80)
        );
        if *self.devices.entry(device.clone()).or_insert_with(|| person.clone()) != person {
            return refusal(409, "device_in_use");
        }
        let pass = format!("{:0>130}", self.passes.len());
        self.passes.insert(pass.clone(), (person, device));
        (201, json!({"pass": pass, "kinds": body["kinds"]}))
    }

    fn claim(&mut self, node: usize, body: &Value) -> Option<(u16, Value)> {
        self.claims += 1;
        self.asked.entry(text(body, "pass").to_owned()).or_default().insert(node);
        let (kind, device) = (text(body, "kind").to_owned(), text(body, "device"));
        assert_eq!(text(body, "fix").len(), 75);
        let opens_in_ms = self.opens_at_ms - now_ms();
        if opens_in_ms > 0 {
            let (status, mut body) = refusal(403, "not_open");
            body["opens_in_ms"] = opens_in_ms.into();
            return Some((status, body));
        }
        let Some((person, of)) = self.passes.get(text(body, "pass")) else {
            return Some(refusal(403, "pass_invalid"));
        };
        if of != device && self.flaw != Flaw::TakesCopies {
            return Some(refusal(403, "pass_wrong_device"));
        }
        let hangs_up = self.flaw == Flaw::HangsUp;
        let second = self.quantities.get(1).is_some_and(|(second, _)| *second == kind);
        if (hangs_up && self.claims.is_multiple_of(7)) || (self.flaw == Flaw::BusyForever && second)
        {
            let (status, mut body) = refusal(503, "busy");
            body["retry_after_ms"] = 30.into();
            return Some((status, body));
        }
        let decided = self.decide(person.clone(), kind);
        (!(hangs_up && self.claims.is_multiple_of(20))).then_some(decided)
    }

    fn decide(&mut self, person: String, kind: String) -> (u16, Value) {
        let yes = |number: &str, replayed| {
            (
                if replayed { 200 } else { 201 },
                json!({"coupon": {"number": number}, "replayed": replayed}),
            )
        };
        let held = self.held.get(&(person.clone(), kind.clone()));
        if let Some(number) = held.filter(|_| self.flaw != Flaw::SecondCoupon) {
            return yes(number, true);
        }
        let left = self.left.get_mut(&kind).unwrap();
        if *left <= 0 {
            return refusal(409, "sold_out");
        }
        *left -= 1;
        self.given += 1;
        let number = format!("C-{}", self.given);
        self.held.insert((person, kind), number.clone());
        yes(&number, false)
    }
}
