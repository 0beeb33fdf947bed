//! Everybody claims at once, and goes on asking until there is a final answer.

use super::{
    book::{Book, Claim, Yes},
    link::{Answer, Link, Lost},
    wait_until,
    world::{PEOPLE, Time, World},
};
use parking_lot::{Condvar, Mutex};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Claims in flight at most, one of these by the seed: few make small batches.
const IN_FLIGHT: [usize; 3] = [4, 16, 64];
/// How long somebody asks for one coupon.
const PATIENCE: Duration = Duration::from_mins(1);

/// A crowd at work.
pub(crate) struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    world: &'static World,
    time: Time,
    claims: Vec<Claim>,
    next: AtomicUsize,
    over: AtomicBool,
    in_flight: AtomicUsize,
    yeses: AtomicUsize,
    /// Where the server is, while there is one.
    server: Mutex<Option<SocketAddr>>,
    moved: Condvar,
    book: Mutex<Book>,
}

impl Crowd {
    /// Two claims of everybody, in an order that `seed` gives. They wait for [`Crowd::go_to`].
    pub(crate) fn gather(world: &'static World, time: Time, seed: u64) -> Crowd {
        let mut claims: Vec<Claim> =
            (0..PEOPLE).flat_map(|who| world.people[who].wants.map(|kind| (who, kind))).collect();
        let mut rng = StdRng::seed_from_u64(seed);
        claims.shuffle(&mut rng);
        let in_flight = IN_FLIGHT[rng.random_range(0..IN_FLIGHT.len())];
        let shared = Arc::new(Shared {
            world,
            time,
            claims,
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            yeses: AtomicUsize::new(0),
            server: Mutex::new(None),
            moved: Condvar::new(),
            book: Mutex::default(),
        });
        let threads = (0..in_flight).map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work())
        });
        Crowd { threads: threads.collect(), shared }
    }

    /// The server is there now.
    pub(crate) fn go_to(&self, server: SocketAddr) {
        *self.shared.server.lock() = Some(server);
        self.shared.moved.notify_all();
    }

    /// Yeses told so far.
    pub(crate) fn yeses(&self) -> usize {
        self.shared.yeses.load(SeqCst)
    }

    /// The server is gone: nobody asks until [`Crowd::go_to`]. Gives what was told so far, with the
    /// claims that were on their way.
    pub(crate) fn crash(&self) -> Book {
        *self.shared.server.lock() = None;
        wait_until("all connections break", || self.shared.in_flight.load(SeqCst) == 0);
        let mut book = self.shared.book.lock();
        let told = book.clone();
        book.lost.clear();
        told
    }

    /// What was told so far.
    pub(crate) fn told(&self) -> Book {
        self.shared.book.lock().clone()
    }

    /// Everybody has a final answer or gave up.
    pub(crate) fn finish(mut self) -> Book {
        for thread in self.threads.drain(..) {
            thread.join().expect("a crowd does not panic");
        }
        self.told()
    }
}

impl Drop for Crowd {
    /// Whoever still asks goes home.
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
    }
}

impl Shared {
    fn work(&self) {
        let mut link = Link::default();
        while let Some(claim) = self.claims.get(self.next.fetch_add(1, SeqCst)) {
            self.pursue(*claim, &mut link);
        }
    }

    /// Asks until there is a final answer.
    fn pursue(&self, claim: Claim, link: &mut Link) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE && !self.over.load(SeqCst) {
            let Some(server) = self.server() else { continue };
            let request = self.world.claim(claim.0, claim.1, self.time.now());
            let answer = link.ask(server, &request);
            let at_ms = self.time.now().0;
            let done = self.note(claim, answer, at_ms);
            self.in_flight.fetch_sub(1, SeqCst);
            match done {
                Ok(()) => return,
                Err(wait) => thread::sleep(wait),
            }
        }
        self.book.lock().unanswered.push(claim);
    }

    /// Where to ask; counts as in flight from then on.
    fn server(&self) -> Option<SocketAddr> {
        let mut server = self.server.lock();
        if server.is_none() {
            self.moved.wait_for(&mut server, Duration::from_millis(100));
        }
        if server.is_some() {
            self.in_flight.fetch_add(1, SeqCst);
        }
        *server
    }

    /// Writes down what was told; if it is not final, when to ask again.
    fn note(&self, claim: Claim, answer: Result<Answer, Lost>, at_ms: i64) -> Result<(), Duration> {
        let mut book = self.book.lock();
        let answer = match answer {
            Ok(answer) => answer,
            Err(lost) => {
                if lost == Lost::Unanswered {
                    book.lost.push(claim);
                }
                return Err(Duration::from_millis(2));
            }
        };
        if let Some(yes) = yes(&answer, at_ms) {
            book.yes.insert(claim, yes);
            self.yeses.fetch_add(1, SeqCst);
            return Ok(());
        }
        match (answer.status, answer.code()) {
            (409, "sold_out") => {
                book.sold_out.insert(claim, at_ms);
                Ok(())
            }
            (503 | 429, code) => {
                *book.refused.entry(code.to_owned()).or_default() += 1;
                let wait = answer.body.get("retry_after_ms").and_then(Value::as_u64);
                Err(Duration::from_millis(wait.unwrap_or(50).min(50)))
            }
            _ => {
                book.strange.push(format!("{claim:?}: {answer:?}"));
                Ok(())
            }
        }
    }
}

/// A yes, if status and body agree that it is one.
pub(crate) fn yes(answer: &Answer, at_ms: i64) -> Option<Yes> {
    let replayed = match (answer.status, answer.body.get("replayed")?.as_bool()?) {
        (201, false) => false,
        (200, true) => true,
        _ => return None,
    };
    Some(Yes { coupon: answer.text("/coupon/number").to_owned(), replayed, at_ms })
}
