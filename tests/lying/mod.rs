//! A small naive server that tells one lie, or none.
//!
//! It speaks the HTTP contract far enough for a client, trusts every token it gets, decides under
//! one lock, and writes a real journal by itself: no rule of the engine is in it.

pub(crate) mod client;
mod desk;
mod http;
mod tokens;

use desk::Desk;
use quan::domain::{At, Window};
use std::{
    env, fs,
    path::PathBuf,
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Its one lie. Each is told about the first kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// It grants one more than the stock.
    OversellsByOne,
    /// It says yes to one person and writes nothing down; the next gets the same number.
    ForgetsOneYes,
    /// It writes down two grants where one was asked for.
    GrantsOnePersonTwice,
}

/// A server that runs until its runtime ends.
pub(crate) struct Server {
    /// Where it listens, as `http://127.0.0.1:40001`.
    pub(crate) url: String,
    /// Its data folder; gone when this is dropped.
    pub(crate) data: PathBuf,
}

/// Starts a server whose round 1 is open now and for an hour, with 5 coupons of every kind.
pub(crate) fn spawn(lie: Lie) -> Server {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let no = COUNT.fetch_add(1, Ordering::Relaxed);
    let data =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("lying-{}-{no}", process::id()));
    let window = Window { from: now(), until: now().plus_ms(3_600_000) };
    let desk = Arc::new(Mutex::new(Desk::open(&data.join("journal"), lie, 5, window)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a listener can be made non-blocking");
    let address = listener.local_addr().expect("a bound listener has an address");
    let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
    tokio::spawn(async move { axum::serve(listener, http::router(desk)).await });
    Server { url: format!("http://{address}"), data }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// The one clock of server and client.
fn now() -> At {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    At(i64::try_from(since.as_millis()).expect("it is before the year 292 million"))
}
