//! Everybody claims at once, of any server, and goes on asking until there is a final answer.

use super::{
    book::Book,
    link::Link,
    people::{Claim, People, Time},
    run::wait_until,
};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
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
const IN_FLIGHT: [usize; 4] = [4, 8, 24, 64];
/// How long people ask.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where the servers are; `None` while one is known to be down.
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
    servers: Addresses,
    claims: Vec<Claim>,
    next: AtomicUsize,
    over: AtomicBool,
    in_flight: AtomicUsize,
    book: Mutex<Book>,
}

impl Crowd {
    /// All claims, in an order that `seed` gives.
    pub(crate) fn gather(people: Arc<People>, time: Time, servers: Addresses, seed: u64) -> Crowd {
        let mut claims = people.claims();
        let mut rng = StdRng::seed_from_u64(seed);
        claims.shuffle(&mut rng);
        let in_flight = IN_FLIGHT[rng.random_range(0..IN_FLIGHT.len())];
        let shared = Arc::new(Shared {
            people,
            time,
            start: Instant::now(),
            servers,
            claims,
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
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
        self.shared.book.lock().yes.len()
    }

    /// What was told so far.
    pub(crate) fn told(&self) -> Book {
        self.shared.book.lock().clone()
    }

    /// All servers are gone: nobody asks until there is one again. Gives what was told so far.
    pub(crate) fn crash(&self) -> Book {
        self.shared.servers.lock().fill(None);
        wait_until("all connections break", || self.shared.in_flight.load(SeqCst) == 0);
        self.told()
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
    fn work(&self, first: usize) {
        let mut server = first;
        let mut link = Link::default();
        while let Some(claim) = self.claims.get(self.next.fetch_add(1, SeqCst)) {
            self.pursue(*claim, &mut link, &mut server);
        }
    }

    /// Asks until there is a final answer; of another server when there is none.
    fn pursue(&self, claim: Claim, link: &mut Link, server: &mut usize) {
        while self.start.elapsed() < PATIENCE && !self.over.load(SeqCst) {
            let wait = match self.address(*server) {
                None => Duration::from_millis(2),
                Some(address) => {
                    let answer = link.ask(address, &self.people.claim(claim, self.time));
                    let noted = self.book.lock().note(claim, answer);
                    self.in_flight.fetch_sub(1, SeqCst);
                    let Err(wait) = noted else { return };
                    wait
                }
            };
            *server += 1;
            thread::sleep(wait);
        }
        self.book.lock().undecided.push(claim);
    }

    /// Where to ask; counts as in flight from then on.
    fn address(&self, server: usize) -> Option<SocketAddr> {
        let servers = self.servers.lock();
        let address = servers[server % servers.len()];
        self.in_flight.fetch_add(usize::from(address.is_some()), SeqCst);
        address
    }
}
