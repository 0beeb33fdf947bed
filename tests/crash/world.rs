//! What all runs share: a small round, keys, people, and a data folder in which they have passes.

use super::{
    link::{Link, get, post},
    number,
    server::Server,
};
use crate::common::{
    host::{Application, CLAIMS, Host, PASSES},
    plan::Shipped,
    server::write_keys,
};
use crate::faults::disk;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use quan::domain::At;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::LazyLock,
    thread,
    time::Instant,
};

pub(crate) const PEOPLE: usize = 2_000;
/// Kinds and the coupons of a round: a quarter of what is shipped.
pub(crate) const KINDS: [(&str, u32); 6] = [
    ("retail-10", 1_000),
    ("retail-40", 750),
    ("appliance-80", 150),
    ("appliance-300", 40),
    ("catering-20", 250),
    ("catering-50", 120),
];
/// 2023-09-01T10:00:00+08:00, when round 1 opens.
pub(crate) const OPENING: At = At(1_693_533_600_000);

/// Somebody with a pass.
pub(crate) struct Person {
    pub(crate) device: String,
    pub(crate) pass: String,
    pub(crate) nonce: [u8; 16],
    /// Two places in [`KINDS`].
    pub(crate) wants: [u8; 2],
}

/// What all runs share.
pub(crate) struct World {
    folder: PathBuf,
    host: Host,
    pub(crate) people: Vec<Person>,
}

/// The campaign's time as everybody outside the server knows it: never behind the server's.
#[derive(Clone, Copy)]
pub(crate) struct Time(At, Instant);

impl Time {
    pub(crate) fn from(at: At) -> Time {
        Time(at, Instant::now())
    }

    pub(crate) fn now(self) -> At {
        self.0.plus_ms(i64::try_from(self.1.elapsed().as_millis()).expect("a short test"))
    }
}

impl World {
    /// The one of this process; made when first needed.
    pub(crate) fn get() -> &'static World {
        static WORLD: LazyLock<World> = LazyLock::new(World::make);
        &WORLD
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("config/quan.toml")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// Makes `data` a data folder as it is before the opening: everybody has a pass.
    pub(crate) fn before_opening(&self, data: &Path) {
        let _ = fs::remove_dir_all(data);
        copy_folder(&self.folder.join("base"), data);
    }

    /// The claim of a person for one of the kinds.
    pub(crate) fn claim(&self, who: usize, kind: u8, now: At) -> String {
        let Person { device, pass, .. } = &self.people[who];
        let (kind, fix) = (KINDS[usize::from(kind)].0, self.host.fix(device, now.0));
        let body = json!({ "kind": kind, "pass": pass, "device": device, "fix": fix });
        post(CLAIMS, None, &body)
    }

    fn make() -> World {
        let folder = disk::fresh_folder(Path::new(env!("CARGO_TARGET_TMPDIR")), "crash");
        write_config(&folder.join("config"));
        write_keys(&folder.join("keys"));
        let host = Host::with_keys(&folder.join("keys"));
        let mut world = World { folder, host, people: Vec::new() };
        let time = Time::from(OPENING.plus_ms(-120_000));
        let base = world.folder.join("base");
        let server = Server::start(&world, &base, time.now());
        world.people = world.with_passes(server.public, time);
        server.stop();
        world.wants_more_than_there_is();
        world
    }

    fn with_passes(&self, server: SocketAddr, time: Time) -> Vec<Person> {
        let all: Vec<usize> = (0..PEOPLE).collect();
        thread::scope(|scope| {
            let queues = all.chunks(PEOPLE / 16);
            let threads: Vec<_> = queues
                .map(|queue| {
                    scope.spawn(move || {
                        let mut link = Link::default();
                        let one = |&who| self.person(who, server, time, &mut link);
                        queue.iter().map(one).collect::<Vec<Person>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("all get a pass")).collect()
        })
    }

    fn person(&self, who: usize, server: SocketAddr, time: Time, link: &mut Link) -> Person {
        let wants = wants(who);
        let kinds = wants.map(|kind| KINDS[usize::from(kind)].0);
        let Application { identity, device, body } =
            self.host.application(who, &kinds, time.now().0);
        let request = post(PASSES, Some(&identity), &body);
        let answer = link.ask(server, &request).expect("an answer");
        assert_eq!(answer.status, 201, "{answer:?}");
        let pass = answer.text("/pass").to_owned();
        Person { device, nonce: nonce(&pass), pass, wants }
    }

    /// Otherwise "nothing undersold" would say nothing.
    fn wants_more_than_there_is(&self) {
        for (kind, (name, quantity)) in (0..).zip(KINDS) {
            let wanted = self.people.iter().filter(|it| it.wants.contains(&kind)).count();
            assert!(wanted > quantity as usize, "{name}: {wanted} of {quantity}");
        }
    }
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

/// What is shipped, with a smaller round, small segments, and one address for everybody.
fn write_config(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder of ours");
    let plan = Shipped::plan().set("units_per_round", &KINDS.map(|(_, quantity)| quantity));
    let plan = plan.set("address_per_s", &[1_000_000]).set("address_burst", &[1_000_000]);
    plan.write(&folder.join("xiangning-2023.toml"));
    let segment_mib = number("QUAN_CRASH_SEGMENT_MIB", 1);
    Shipped::read("quan.toml").set("segment_mib", &[segment_mib]).write(&folder.join("quan.toml"));
}

/// The nonce in a pass.
fn nonce(pass: &str) -> [u8; 16] {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(pass).expect("a pass");
    bytes[17..33].try_into().expect("16 bytes")
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of ours");
    for item in fs::read_dir(from).expect("a folder") {
        let item = item.expect("a readable folder");
        let to = to.join(item.file_name());
        if item.file_type().expect("a known type").is_dir() {
            copy_folder(&item.path(), &to);
        } else {
            fs::copy(item.path(), to).expect("room for a copy");
        }
    }
}

/// What the ops port says of readiness.
pub(crate) fn ready(server: &Server) -> (u16, Value) {
    let answer = Link::default().ask(server.ops, &get("/ready")).expect("the ops port answers");
    (answer.status, answer.body)
}
