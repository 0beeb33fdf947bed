//! A node that dies between two steps of what it does in Redis, and what another makes of that.
//!
//! A step is a call of the script that changes a log. Each thing that takes several is begun by a node of its own, which
//! reaches Redis through a gate that lets so many steps through and then nothing any more; and that for every number of
//! steps, until it takes no more than that.

use crate::local::Nobody;
use crate::nodes::{asked, opened};
use crate::servers::{Servers, wait_for};
use crate::stores::{Scratch, runtime};
use crate::story::{self, opening, word};
use futures_util::future::{Either, select};
use quan::audit::audit_elsewhere;
use quan::data::DataFolder;
use quan::domain::{At, CampaignNo};
use quan::ledger::embedded::Outcome;
use quan::ledger::redis::RedisLedger;
use quan::ledger::service::Ledger;
use quan::node::Node;
use quan::rush::servers::{RedisServer, Settings};
use quan::store::{Store, StoreUrl, check_events};
use redis::cmd;
use sha1::{Digest, Sha1};
use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    thread::{self, sleep},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

const SHARDS: u8 = 3;
const NAME: &str = "deaths";
const PATIENCE: Duration = Duration::from_secs(30);
/// A node that takes no step for so long takes none any more.
const RESTS: Duration = Duration::from_millis(150);

/// A way to Redis that ends, and everything on it, with the step after the last that it lets through.
struct Gate {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How many steps may be taken yet; all, if it does not say.
    may: Option<usize>,
    taken: usize,
    dead: bool,
    open: Vec<TcpStream>,
}

impl Gate {
    fn before(redis: SocketAddr) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<Mutex<State>>::default());
        let own = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(redis)) else { return };
                let again = |it: &TcpStream| it.try_clone().unwrap();
                let mut state = own.lock().unwrap();
                if state.dead {
                    return;
                }
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                state.open.extend([again(&client), again(&server)]);
                let (mut from, mut to) = (again(&server), again(&client));
                thread::spawn(move || std::io::copy(&mut from, &mut to));
                let own = Arc::clone(&own);
                thread::spawn(move || forward(&own, client, server));
            }
        });
        Gate { address, state }
    }

    /// From now on so many steps may be taken.
    fn lets(&self, steps: usize) {
        let mut state = self.state.lock().unwrap();
        (state.may, state.taken) = (Some(steps), 0);
    }

    fn taken(&self) -> usize {
        self.state.lock().unwrap().taken
    }

    fn is_dead(&self) -> bool {
        self.state.lock().unwrap().dead
    }

    /// Nothing goes through any more.
    fn shut(&self) {
        self.state.lock().unwrap().die();
        // So that nobody listens.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    /// Whether one more step may be taken.
    fn step(&mut self) -> bool {
        if self.may.is_some_and(|may| self.taken >= may) {
            self.die();
        } else {
            self.taken += 1;
        }
        !self.dead
    }

    fn die(&mut self) {
        self.dead = true;
        for it in self.open.drain(..) {
            // It may have ended already.
            let _ = it.shutdown(Shutdown::Both);
        }
    }
}

/// Carries commands one by one, as far as they may go.
fn forward(state: &Mutex<State>, mut from: TcpStream, mut to: TcpStream) {
    let step = step_name();
    let (mut there, mut bytes) = (Vec::new(), [0; 16_384]);
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        there.extend_from_slice(&bytes[..count]);
        while let Some(length) = command(&there) {
            let command: Vec<u8> = there.drain(..length).collect();
            let is_step = command.windows(step.len()).take(64).any(|it| it == step.as_bytes());
            if is_step && !state.lock().unwrap().step() || to.write_all(&command).is_err() {
                return;
            }
        }
    }
}

/// How long the first command in these bytes is, if all of it is there: an array of texts.
fn command(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut number = |sign: u8| {
        let rest = bytes.get(at..)?;
        let end = rest.windows(2).position(|it| it == b"\r\n")?;
        assert_eq!(rest[0], sign, "a command is an array of texts");
        let number: usize = std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap();
        at += end + 2;
        if sign == b'$' {
            at += number + 2;
        }
        (at <= bytes.len()).then_some(number)
    };
    for _ in 0..number(b'*')? {
        number(b'$')?;
    }
    Some(at)
}

/// What Redis calls the script that takes a step.
fn step_name() -> String {
    let text = concat!(include_str!("../../lua/shard.lua"), include_str!("../../lua/move-12.lua"));
    Sha1::digest(text).iter().fold(String::new(), |mut name, byte| {
        write!(name, "{byte:02x}").unwrap();
        name
    })
}

/// The node that lives on, and what it shares with those that die.
struct Survivor<'a> {
    runtime: Runtime,
    servers: &'a Servers,
    scratch: Scratch,
    clock: Arc<AtomicI64>,
    store: StoreUrl,
    ledger: RedisLedger,
    node: Node,
    /// Who comes next, and which order.
    next: (u8, u32),
}

/// A node on the way `url`, and its folder.
fn node(
    runtime: &Runtime,
    (url, name): (&str, &str),
    scratch: &Scratch,
    clock: &Arc<AtomicI64>,
) -> (RedisLedger, DataFolder) {
    let data = DataFolder::at(&scratch.file(name));
    std::fs::create_dir_all(data.path()).unwrap();
    let (acks, terms) = (data.acks(), [opening(NAME, 10_000)]);
    let servers = Servers::at(url);
    let opened = opened(&servers, SHARDS, &acks, &terms, At(0));
    let (opening, campaigns) = runtime.block_on(opened).unwrap();
    assert_eq!(campaigns, [CampaignNo(0)]);
    let clock = Arc::clone(clock);
    let time = move || At(clock.load(Relaxed));
    let ledger = RedisLedger::start(opening, time, Box::new(Nobody)).unwrap();
    ledger.wait_until_read();
    (ledger, data)
}

impl<'a> Survivor<'a> {
    fn start(servers: &'a Servers) -> Survivor<'a> {
        let (runtime, scratch, clock) = (runtime(), Scratch::new(), Arc::default());
        let (ledger, data) = node(&runtime, (servers.url(), "survivor"), &scratch, &clock);
        let store = StoreUrl::File(scratch.file("store.sqlite"));
        let node = Node::start(&ledger, &store, &data).unwrap();
        let it = Survivor { runtime, servers, scratch, clock, store, ledger, node, next: (1, 1) };
        for line in ["admit 7 0", "admit 8 0", "admit 9 0", "arm 250 0"] {
            it.done(line);
        }
        it.clock.store(1_000, Relaxed);
        it
    }

    /// What a step of a story is answered here, now. What a busy machine does not know in time, it knows later.
    fn told(&self, line: &str) -> String {
        let start = Instant::now();
        loop {
            let told = word(self.runtime.block_on(asked(&self.ledger, &self.command(line))));
            if told != "unknown" || start.elapsed() > PATIENCE {
                return told;
            }
        }
    }

    fn command(&self, line: &str) -> quan::ledger::machine::Command {
        let now = self.clock.load(Relaxed);
        story::command(CampaignNo(0), NAME, &format!("{now} {line}")).expect("a command").2
    }

    #[track_caller]
    fn done(&self, line: &str) -> String {
        let told = self.told(line);
        let known = [
            "done",
            "granted",
            "already_held",
            "locked",
            "confirmed",
            "released",
            "back",
            "settled",
            "left",
        ];
        assert!(known.iter().any(|it| told.starts_with(it)), "{line}: {told}");
        told
    }

    /// Somebody new who holds a coupon, of that shard.
    fn person(&mut self, shard: u32) -> u8 {
        loop {
            let who = self.next.0;
            self.next.0 += 1;
            self.done(&format!("bind {who} {who}"));
            let told = self.done(&format!("claim {who} 0"));
            let ordinal: u32 = told.split(' ').nth(1).unwrap().parse().unwrap();
            // A shard's ordinals are its turns.
            if (ordinal - 1) % u32::from(SHARDS) == shard {
                return who;
            }
        }
    }

    fn order(&mut self) -> u32 {
        self.next.1 += 1;
        self.next.1
    }

    /// Has a node of its own do that, which dies after so many steps; whether it died, or was done before.
    fn dies(&self, line: &str, steps: usize) -> bool {
        let gate = Gate::before(self.servers.address());
        let url = format!("redis://{}", gate.address);
        let name = format!("dies-{}-{steps}", self.next.1);
        let (ledger, _) = node(&self.runtime, (&url, &name), &self.scratch, &self.clock);
        gate.lets(steps);
        let command = self.command(line);
        let told = self.runtime.block_on(async {
            let dead = async {
                while !gate.is_dead() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            match select(pin!(asked(&ledger, &command)), pin!(dead)).await {
                Either::Left((told, _)) => Some(told),
                Either::Right(_) => None,
            }
        });
        // What comes after the answer.
        let mut taken = usize::MAX;
        while !gate.is_dead() && taken != gate.taken() {
            taken = gate.taken();
            sleep(RESTS);
        }
        let died = gate.is_dead();
        gate.shut();
        assert!(died || !matches!(told, None | Some(Outcome::Unknown)), "{line}: {told:?}");
        died
    }

    /// Makes a scene for every number of steps after which a node dies in it; what it does then is told by `then`.
    fn everywhere(&mut self, scene: Scene, mut then: impl FnMut(&mut Survivor, &Played, usize)) {
        for steps in 0.. {
            let played = scene(self);
            let died = self.dies(&played.line, steps);
            then(self, &played, steps);
            if !died {
                assert!(steps > 1, "{}: it takes no two steps", played.line);
                return;
            }
            assert!(steps < 20, "{}: it never ends", played.line);
        }
    }

    fn number(&self, key: &str, field: &str) -> u64 {
        self.servers.ask::<Option<u64>>(cmd("HGET").arg(key).arg(field)).unwrap_or(0)
    }

    /// Looks at everything when nothing is unfinished any more.
    fn ends(self) {
        for place in ["0", "1", "2", "i"] {
            let transit = format!("quan:{{0:{place}}}:transit");
            wait_for(&format!("{transit} is empty"), || {
                self.servers.ask::<u64>(cmd("HLEN").arg(&transit)) == 0
            });
        }
        // What counts against the caps is what is held and used, less what was taken back.
        let (mut counts, mut orders) = (0, 0);
        for order in 1..=self.next.1 {
            let told = self.told(&format!("look {order}"));
            let words: Vec<&str> = told.split(' ').collect();
            match words.as_slice() {
                ["order_unknown"] | ["released", ..] => continue,
                ["locked" | "confirmed", _, face, rest @ ..] => {
                    let back = rest.get(1).map_or(0, |back| back.parse().unwrap());
                    counts += face.parse::<u64>().unwrap() - back;
                }
                // Without a refund its face is not told: it is ten.
                ["locked" | "confirmed", _] => counts += 10,
                other => panic!("order {order}: {other:?}"),
            }
            orders += 1;
        }
        assert!(orders > 0);
        let merchants = "quan:{0:i}:merchants";
        let is: u64 =
            [7, 8, 9].map(|it| self.number(merchants, &format!("redeemed:{it}"))).iter().sum();
        assert_eq!(is, counts, "what counts against the caps, of {orders} orders");
        self.ledger.close();
        self.node.stop();
        self.runtime.block_on(async {
            let url = self.servers.url().parse().unwrap();
            let audit = audit_elsewhere(&url, &self.store, None, None).await.unwrap();
            for check in
                audit.checks.iter().filter(|it| ["I4", "I5", "I6", "R1"].contains(&it.name))
            {
                assert!(check.clean, "{audit}");
            }
            let store = Store::open(&self.store).await.unwrap();
            assert!(check_events(&store).await.unwrap().clean);
            store.close().await;
        });
    }
}

/// What is to be done, after what it needs is there; and the person and order that it is of.
struct Played {
    line: String,
    who: u8,
    order: u32,
}

type Scene = fn(&mut Survivor) -> Played;

/// An order of somebody new, before anything of it.
fn new(it: &mut Survivor, shard: u32) -> Played {
    let (who, order) = (it.person(shard), it.order());
    Played { line: format!("lock {order} {who} 7 60"), who, order }
}

fn lock(it: &mut Survivor) -> Played {
    new(it, 1)
}

fn pay(it: &mut Survivor) -> Played {
    let Played { who, order, .. } = new(it, 2);
    Played { line: format!("pay {order} {who} 7 60"), who, order }
}

/// It is held already.
fn held(it: &mut Survivor, shard: u32) -> Played {
    let played = new(it, shard);
    it.done(&played.line);
    played
}

fn release(it: &mut Survivor) -> Played {
    let played = held(it, 1);
    Played { line: format!("release {}", played.order), ..played }
}

fn lapse(it: &mut Survivor) -> Played {
    let played = held(it, 0);
    it.clock.fetch_add(600, Relaxed);
    Played { line: "lapse".to_owned(), ..played }
}

/// It was held in another shard before.
fn lock_elsewhere(it: &mut Survivor) -> Played {
    let before = held(it, 0);
    it.done(&format!("release {}", before.order));
    let who = it.person(2);
    Played { line: format!("lock {} {who} 7 60", before.order), who, order: before.order }
}

fn refund(it: &mut Survivor) -> Played {
    let Played { who, order, .. } = new(it, 1);
    it.done(&format!("pay {order} {who} 7 60"));
    Played { line: format!("refund {order} {who} 60"), who, order }
}

/// Its money is with the merchant, and none is left in its shard.
fn refund_lent(it: &mut Survivor) -> Played {
    let Played { who, order, .. } = new(it, 2);
    it.done(&format!("pay {order} {who} 8 60"));
    it.done(&format!("settle {order} 8"));
    Played { line: format!("refund {order} {who} 60"), who, order }
}

/// A merchant is due something in every shard.
fn due(it: &mut Survivor) -> Played {
    for shard in 0..u32::from(SHARDS) {
        let Played { who, order, .. } = new(it, shard);
        it.done(&format!("pay {order} {who} 9 60"));
    }
    let order = it.order();
    Played { line: format!("settle {order} 9"), who: 0, order }
}

fn paid(it: &mut Survivor) -> Played {
    let played = due(it);
    it.done(&played.line);
    Played { line: format!("paid {} 9", played.order), ..played }
}

#[test]
fn r_redeem_4_r_redeem_5_r_fund_2_whoever_asks_again_finishes_what_a_dead_node_began() {
    let folder = Scratch::new();
    let servers = Servers::one(RedisServer::start(folder.path(), &Settings::default()).unwrap());
    let mut survivor = Survivor::start(&servers);
    for (scene, want) in [
        (lock as Scene, "locked"),
        (pay, "confirmed"),
        (release, "released"),
        (lock_elsewhere, "locked"),
        (refund, "back 10 Issued"),
        (refund_lent, "back 10 Issued owed"),
        (due, "settled 30 0"),
        (paid, "done"),
        // Passes end while time goes on.
        (lapse, "done"),
    ] {
        survivor.everywhere(scene, |it, played, steps| {
            let told = it.told(&played.line);
            assert!(told.starts_with(want), "{} after {steps} steps: {told}", played.line);
            assert_eq!(it.told(&played.line), told, "{} once more", played.line);
        });
    }
    survivor.ends();
}

#[test]
fn r_redeem_4_r_redeem_5_what_nobody_asks_for_again_any_node_finishes() {
    let folder = Scratch::new();
    let servers = Servers::one(RedisServer::start(folder.path(), &Settings::default()).unwrap());
    let mut survivor = Survivor::start(&servers);
    for scene in [lock as Scene, pay, release, lock_elsewhere, refund, refund_lent] {
        survivor.everywhere(scene, |_, _, _| {});
    }
    survivor.ends();
}

#[test]
fn r_redeem_4_an_order_that_a_dead_node_had_reserved_is_anybodys() {
    let folder = Scratch::new();
    let servers = Servers::one(RedisServer::start(folder.path(), &Settings::default()).unwrap());
    let mut survivor = Survivor::start(&servers);
    let mut seen = [0, 0];
    survivor.everywhere(lock, |it, played, steps| {
        let who = it.person(0);
        let told = it.told(&format!("lock {} {who} 7 60", played.order));
        // From the second step on a coupon is held for it.
        let want = if steps < 2 { "locked" } else { "order_conflict" };
        assert!(told.starts_with(want), "after {steps} steps: {told}");
        seen[usize::from(steps < 2)] += 1;
        let first = it.told(&played.line);
        let want = if steps < 2 { "order_conflict" } else { "locked" };
        assert!(first.starts_with(want), "{} after {steps} steps: {first}", played.who);
    });
    assert!(seen.iter().all(|times| *times > 0));
    survivor.ends();
}

#[test]
fn r1_an_order_has_the_instant_of_its_entry_whatever_time_it_is_at_its_node() {
    let folder = Scratch::new();
    let servers = Servers::one(RedisServer::start(folder.path(), &Settings::default()).unwrap());
    let mut survivor = Survivor::start(&servers);
    let [first, second, third] = [(); 3].map(|()| held(&mut survivor, 1).order);
    let late: Arc<AtomicI64> = Arc::new(AtomicI64::new(survivor.clock.load(Relaxed) + 10));
    survivor.clock.fetch_add(50, Relaxed);
    survivor.done(&format!("confirm {third}"));
    let url = servers.url();
    let (behind, _) = node(&survivor.runtime, (url, "behind"), &survivor.scratch, &late);
    for (verb, order, want) in
        [("confirm", first, "confirmed 1050"), ("release", second, "released 1050")]
    {
        let command = survivor.command(&format!("{verb} {order}"));
        let told = word(survivor.runtime.block_on(asked(&behind, &command)));
        assert_eq!(told, want, "its log's time does not go back");
        assert_eq!(survivor.told(&format!("look {order}")), want);
    }
    drop(behind);
    survivor.ends();
}

#[test]
fn i3_r_redeem_5_r_fund_2_a_lost_tail_with_refunds_and_batches_comes_back() {
    let folder = Scratch::new();
    let servers = Servers::one(RedisServer::start(folder.path(), &Settings::default()).unwrap());
    let mut survivor = Survivor::start(&servers);
    let it = &mut survivor;
    let paid = |it: &mut Survivor, shard, merchant| {
        let Played { who, order, .. } = new(it, shard);
        it.done(&format!("pay {order} {who} {merchant} 60"));
        order
    };
    let [parts, whole, owed] = [(0, 7), (1, 7), (2, 8)].map(|(shard, who)| paid(it, shard, who));
    let [confirmed, released] = [1, 2].map(|shard| held(it, shard).order);
    let elsewhere = it.person(0);
    it.done("settle 1 8");
    servers.remember();
    // All of this is lost.
    let mut told: Vec<(String, String)> = [
        format!("refund {parts} 1 20"),
        format!("refund {parts} 2 20"),
        format!("refund {whole} 3 60"),
        "paid 1 8".to_owned(),
        format!("refund {owed} 4 60"),
        format!("confirm {confirmed}"),
        format!("release {released}"),
        format!("lock {released} {elsewhere} 7 60"),
        format!("confirm {released}"),
        "settle 2 7".to_owned(),
        "settle 2 8".to_owned(),
        "failed 2 7".to_owned(),
        "paid 2 7".to_owned(),
        format!("refund {parts} 5 20"),
    ]
    .into_iter()
    .map(|line| (line.clone(), it.done(&line)))
    .collect();
    // What was so for a while only can't be told again.
    told.retain(|(line, _)| !line.starts_with("release") && !line.starts_with("lock"));
    told.retain(|(line, _)| !line.starts_with("failed"));
    let orders = [parts, whole, owed, confirmed, released];
    let looks: Vec<String> = orders.iter().map(|order| it.told(&format!("look {order}"))).collect();
    servers.restart();
    servers.wait_until_recovered(CampaignNo(0), SHARDS);
    wait_for("it goes on", || it.ledger.issues(CampaignNo(0)));
    for (order, look) in orders.iter().zip(&looks) {
        assert_eq!(it.told(&format!("look {order}")), *look, "order {order}");
    }
    for (line, was) in &told {
        assert_eq!(it.told(line), *was, "{line}");
    }
    let more = paid(it, 1, 7);
    assert_eq!(it.told(&format!("refund {more} 6 60")), "back 10 Issued");
    survivor.ends();
}
