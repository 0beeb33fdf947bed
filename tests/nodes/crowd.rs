//! Everybody claims at once, of any node, and goes on asking until there is a final answer.

use super::{
    book::{Book, Yes},
    people::{Claim, People},
    site::Time,
};
use crate::http::link::{Answer, Link, Lost};
use parking_lot::Mutex;
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

/// Claims in flight at most, one of these by the seed.
const IN_FLIGHT: [usize; 3] = [8, 24, 64];
/// How long people ask.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where the nodes are; `None` while one is known to be down.
pub(crate) type Addresses = Arc<Mutex<Vec<Option<SocketAddr>>>>;

/// A crowd at work.
pub(crate) struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    people: Arc<People>,
    time: Time,
    start: Instant,
    nodes: Addresses,
    claims: Vec<Claim>,
    next: AtomicUsize,
    over: AtomicBool,
    yeses: AtomicUsize,
    book: Mutex<Book>,
}

impl Crowd {
    /// All claims, in an order that `seed` gives.
    pub(crate) fn gather(people: Arc<People>, time: Time, nodes: Addresses, seed: u64) -> Crowd {
        let mut claims = people.claims();
        let mut rng = StdRng::seed_from_u64(seed);
        claims.shuffle(&mut rng);
        let in_flight = IN_FLIGHT[rng.random_range(0..IN_FLIGHT.len())];
        let shared = Arc::new(Shared {
            people,
            time,
            start: Instant::now(),
            nodes,
            claims,
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            yeses: AtomicUsize::new(0),
            book: Mutex::default(),
        });
        let threads = (0..in_flight).map(|first| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work(first))
        });
        Crowd { threads: threads.collect(), shared }
    }

    /// Yeses told so far.
    pub(crate) fn yeses(&self) -> usize {
        self.shared.yeses.load(SeqCst)
    }

    /// Everybody has a final answer or gave up.
    pub(crate) fn finish(mut self) -> Book {
        for thread in self.threads.drain(..) {
            thread.join().expect("a crowd does not panic");
        }
        self.shared.book.lock().clone()
    }
}

impl Drop for Crowd {
    /// Whoever still asks goes home.
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
    }
}

impl Shared {
    fn work(&self, first: usize) {
        let mut node = first;
        let mut link = Link::default();
        while let Some(claim) = self.claims.get(self.next.fetch_add(1, SeqCst)) {
            self.pursue(*claim, &mut link, &mut node);
        }
    }

    /// Asks until there is a final answer; of another node when there is none.
    fn pursue(&self, claim: Claim, link: &mut Link, node: &mut usize) {
        while self.start.elapsed() < PATIENCE && !self.over.load(SeqCst) {
            let Some(server) = self.server(*node) else {
                *node += 1;
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            let answer = link.ask(server, &self.people.claim(claim, self.time));
            match self.note(claim, answer) {
                Ok(()) => return,
                Err(wait) => {
                    *node += 1;
                    thread::sleep(wait);
                }
            }
        }
        self.book.lock().undecided.push(claim);
    }

    fn server(&self, node: usize) -> Option<SocketAddr> {
        let nodes = self.nodes.lock();
        nodes[node % nodes.len()]
    }

    /// Writes down what was told; if it is not final, when to ask again.
    fn note(&self, claim: Claim, answer: Result<Answer, Lost>) -> Result<(), Duration> {
        let mut book = self.book.lock();
        let answer = match answer {
            Ok(answer) => answer,
            Err(lost) => {
                if lost == Lost::Unanswered {
                    book.unknown.insert(claim);
                }
                return Err(Duration::from_millis(5));
            }
        };
        if let Some(yes) = Yes::of(&answer) {
            book.yes.insert(claim, yes);
            self.yeses.fetch_add(1, SeqCst);
            return Ok(());
        }
        match (answer.status, answer.code()) {
            (409, "sold_out") => {
                book.sold_out.insert(claim);
                Ok(())
            }
            (503 | 429, code) => {
                if code == "outcome_unknown" {
                    book.unknown.insert(claim);
                }
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
