//! The people, and a round in which there is less than they want.

use super::site::Time;
use crate::common::{
    host::{Application, CLAIMS, Host, PASSES},
    plan::Shipped,
};
use crate::http::link::{Link, Lost, post};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::{
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

pub(crate) const PEOPLE: usize = 480;
/// Kinds and the coupons of a round.
pub(crate) const KINDS: [(&str, u32); 6] = [
    ("retail-10", 200),
    ("retail-40", 140),
    ("appliance-80", 40),
    ("appliance-300", 20),
    ("catering-20", 60),
    ("catering-50", 40),
];
/// All of them.
pub(crate) const UNITS: usize = 500;
/// Passes that are asked for at once.
const AT_ONCE: usize = 16;
/// How long somebody asks for a pass.
const PATIENCE: Duration = Duration::from_mins(1);

/// One claim of one person: the place of the person and of the kind.
pub(crate) type Claim = (usize, u8);

/// Somebody with a pass.
pub(crate) struct Person {
    device: String,
    pass: String,
    pub(crate) nonce: [u8; 16],
    /// Two places in [`KINDS`].
    pub(crate) wants: [u8; 2],
}

/// Who comes, and the host app that signs for them.
pub(crate) struct People {
    host: Host,
    pub(crate) all: Vec<Person>,
}

impl People {
    pub(crate) fn nobody(keys: &Path) -> People {
        People { host: Host::with_keys(keys), all: Vec::new() }
    }

    /// Everybody gets a pass, of one node or another.
    pub(crate) fn with_passes(keys: &Path, nodes: &[SocketAddr], time: Time) -> People {
        let mut people = People::nobody(keys);
        let all: Vec<usize> = (0..PEOPLE).collect();
        people.all = thread::scope(|scope| {
            let queues = all.chunks(PEOPLE / AT_ONCE);
            let threads: Vec<_> = queues
                .map(|queue| {
                    let people = &people;
                    scope.spawn(move || {
                        let mut link = Link::default();
                        let one = |&who| people.one(who, nodes, time, &mut link);
                        queue.iter().map(one).collect::<Vec<Person>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("all get a pass")).collect()
        });
        for (kind, (name, quantity)) in (0..).zip(KINDS) {
            let wanted = people.all.iter().filter(|it| it.wants.contains(&kind)).count();
            // Otherwise "nothing undersold" would say nothing.
            assert!(wanted > quantity as usize, "{name}: {wanted} of {quantity}");
        }
        people
    }

    /// Two claims of everybody.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        let all = self.all.iter().enumerate();
        all.flat_map(|(who, person)| person.wants.map(|kind| (who, kind))).collect()
    }

    /// The request for a coupon.
    pub(crate) fn claim(&self, (who, kind): Claim, time: Time) -> String {
        let Person { device, pass, .. } = &self.all[who];
        let (kind, fix) = (KINDS[usize::from(kind)].0, self.host.fix(device, time.now().0));
        let body = json!({ "kind": kind, "pass": pass, "device": device, "fix": fix });
        post(CLAIMS, None, &body)
    }

    fn one(&self, who: usize, nodes: &[SocketAddr], time: Time, link: &mut Link) -> Person {
        let wants = wants(who);
        let kinds = wants.map(|kind| KINDS[usize::from(kind)].0);
        let Application { identity, device, body } =
            self.host.application(who, &kinds, time.now().0);
        let request = post(PASSES, Some(&identity), &body);
        let start = Instant::now();
        loop {
            let answer = link.ask(nodes[who % nodes.len()], &request);
            match answer {
                Ok(answer) if answer.status == 201 => {
                    let pass = answer.text("/pass").to_owned();
                    return Person { device, nonce: nonce(&pass), pass, wants };
                }
                Ok(answer) if answer.status != 503 => panic!("{answer:?}"),
                Ok(_) | Err(Lost::Unsent | Lost::Unanswered) => {}
            }
            assert!(start.elapsed() < PATIENCE, "no pass: {answer:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The shipped plan with this round's stock, and one address for everybody.
pub(crate) fn write_plan(to: &Path) {
    let plan = Shipped::plan().set("units_per_round", &KINDS.map(|(_, quantity)| quantity));
    plan.set("address_per_s", &[1_000_000]).set("address_burst", &[1_000_000]).write(to);
}

/// Two kinds, each as likely as its quantity says.
fn wants(who: usize) -> [u8; 2] {
    let mut rng = StdRng::seed_from_u64(who as u64);
    let total: u32 = KINDS.iter().map(|(_, quantity)| quantity).sum();
    let mut pick = || {
        let mut ticket = rng.random_range(0..total);
        let place = KINDS.iter().position(|(_, quantity)| {
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

/// The nonce in a pass.
fn nonce(pass: &str) -> [u8; 16] {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(pass).expect("a pass");
    bytes[17..33].try_into().expect("16 bytes")
}
