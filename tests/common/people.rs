//! The people, and a round in which there is less than they want.

use super::{
    host::{Application, CLAIMS, Host, PASSES},
    link::{Link, post},
    plan::Shipped,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use quan::domain::At;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

pub(crate) const KINDS: [&str; 6] =
    ["retail-10", "retail-40", "appliance-80", "appliance-300", "catering-20", "catering-50"];
/// 2023-09-01T10:00:00+08:00, when round 1 opens.
pub(crate) const OPENING: At = At(1_693_533_600_000);
/// Passes that are asked for at once.
const AT_ONCE: usize = 16;
/// How long somebody asks for a pass.
const PATIENCE: Duration = Duration::from_mins(1);

/// One claim of one person: the place of the person and of the kind.
pub(crate) type Claim = (usize, u8);

/// How many come, and how many coupons of each of [`KINDS`] there are.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    pub(crate) people: usize,
    pub(crate) coupons: [u32; 6],
}

/// The campaign's time as everybody outside a server knows it: never behind the server's.
#[derive(Clone, Copy)]
pub(crate) struct Time(At, Instant);

/// Somebody with a pass.
pub(crate) struct Person {
    device: String,
    pub(crate) pass: String,
    pub(crate) nonce: [u8; 16],
    /// Two places in [`KINDS`].
    pub(crate) wants: [u8; 2],
}

/// Who comes, and the host app that signs for them.
pub(crate) struct People {
    host: Host,
    pub(crate) all: Vec<Person>,
}

impl Time {
    /// It is `at` now.
    pub(crate) fn from(at: At) -> Time {
        Time(at, Instant::now())
    }

    pub(crate) fn now(self) -> At {
        self.at(Instant::now())
    }

    /// What it was at an instant since then.
    pub(crate) fn at(self, instant: Instant) -> At {
        let ms = instant.duration_since(self.1).as_millis();
        self.0.plus_ms(i64::try_from(ms).expect("a short test"))
    }
}

impl Round {
    /// The shipped plan with this round's stock, and one address for everybody.
    pub(crate) fn plan(&self) -> Shipped {
        let plan = Shipped::plan().set("units_per_round", &self.coupons);
        plan.set("address_per_s", &[1_000_000]).set("address_burst", &[1_000_000])
    }

    /// Two kinds for a person, each as likely as there are coupons of it.
    fn wants(&self, who: usize) -> [u8; 2] {
        let mut rng = StdRng::seed_from_u64(who as u64);
        let total: u32 = self.coupons.iter().sum();
        let mut pick = || {
            let mut ticket = rng.random_range(0..total);
            let place = self.coupons.iter().position(|quantity| {
                let hit = ticket < *quantity;
                ticket = ticket.saturating_sub(*quantity);
                hit
            });
            u8::try_from(place.expect("within the total")).expect("six kinds")
        };
        let first = pick();
        loop {
            let second = pick();
            if second != first {
                return [first, second];
            }
        }
    }
}

impl People {
    pub(crate) fn nobody(keys: &Path) -> People {
        People { host: Host::with_keys(keys), all: Vec::new() }
    }

    /// Everybody gets a pass, of one server or another.
    pub(crate) fn with_passes(
        keys: &Path,
        round: &Round,
        servers: &[SocketAddr],
        time: Time,
    ) -> People {
        let mut people = People::nobody(keys);
        let all: Vec<usize> = (0..round.people).collect();
        people.all = thread::scope(|scope| {
            let queues = all.chunks(round.people / AT_ONCE);
            let threads: Vec<_> = queues
                .map(|queue| {
                    let people = &people;
                    scope.spawn(move || {
                        let mut link = Link::default();
                        let one = |&who| {
                            let server = servers[who % servers.len()];
                            people.one(who, round.wants(who), server, time, &mut link)
                        };
                        queue.iter().map(one).collect::<Vec<Person>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("all get a pass")).collect()
        });
        for (kind, quantity) in (0..).zip(round.coupons) {
            let wanted = people.all.iter().filter(|it| it.wants.contains(&kind)).count();
            // Otherwise "nothing undersold" would say nothing.
            assert!(wanted > quantity as usize, "kind {kind}: {wanted} of {quantity}");
        }
        people
    }

    /// Whose pass it is, by its nonce.
    pub(crate) fn whose(&self) -> HashMap<[u8; 16], usize> {
        self.all.iter().enumerate().map(|(who, person)| (person.nonce, who)).collect()
    }

    /// Two claims of everybody.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        let all = self.all.iter().enumerate();
        all.flat_map(|(who, person)| person.wants.map(|kind| (who, kind))).collect()
    }

    /// The request for a coupon.
    pub(crate) fn claim(&self, (who, kind): Claim, time: Time) -> String {
        let Person { device, pass, .. } = &self.all[who];
        let (kind, fix) = (KINDS[usize::from(kind)], self.host.fix(device, time.now().0));
        let body = json!({ "kind": kind, "pass": pass, "device": device, "fix": fix });
        post(CLAIMS, None, &body)
    }

    fn one(
        &self,
        who: usize,
        wants: [u8; 2],
        server: SocketAddr,
        time: Time,
        link: &mut Link,
    ) -> Person {
        let kinds = wants.map(|kind| KINDS[usize::from(kind)]);
        let Application { identity, device, body } =
            self.host.application(who, &kinds, time.now().0);
        let request = post(PASSES, Some(&identity), &body);
        let start = Instant::now();
        loop {
            let answer = link.ask(server, &request);
            match answer {
                Ok(answer) if answer.status == 201 => {
                    let pass = answer.text("/pass").to_owned();
                    return Person { device, nonce: nonce(&pass), pass, wants };
                }
                Ok(answer) if answer.status != 503 => panic!("{answer:?}"),
                Ok(_) | Err(_) => {}
            }
            assert!(start.elapsed() < PATIENCE, "no pass: {answer:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The nonce in a pass.
fn nonce(pass: &str) -> [u8; 16] {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(pass).expect("a pass");
    bytes[17..33].try_into().expect("16 bytes")
}
