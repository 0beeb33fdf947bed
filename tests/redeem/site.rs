//! A server with merchants and tills, and people who hold coupons.

use super::till::{Order, REDEMPTIONS, Signed, Till, send};
use crate::common::{
    host::{Application, CLAIMS, Host, PASSES},
    link::{Answer, Link, get, post},
    plan::Shipped,
    server::{Process, QUAN, Serve, Server, write_keys},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use quan::{
    domain::BatchNo,
    ledger::event::{Standing, Subject},
    rush::{
        office::Office,
        servers::{Postgres, RedisServer, Settings},
    },
};
use rand::RngExt;
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

/// How long somebody asks again.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const CODES: &str = "/v1/campaigns/xiangning-2023/payment-codes";
const COUPONS: &str = "/v1/campaigns/xiangning-2023/coupons";
/// Retail and catering in the middle of the fence; retail far from there; appliances somewhere.
const MERCHANTS: &str = "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers\n\
    1,91141029MA0KU0001G,乡宁百货,是,是,retail;catering,,有,有,\n\
    2,91141029MA0KX1234Y,云丘电器,是,是,appliance,,有,,\n";
const SHOPS: &str = "shop,merchant,name,address,lat,lon,datum\n\
    10,1,总店,迎旭西大街,36.08,111.52,GCJ-02\n\
    11,1,远店,山上,35.60,110.90,GCJ-02\n\
    20,2,电器店,,,,\n";
const TERMINALS: &str = "terminal,shop\nT-1,10\nT-2,11\nT-3,20\n";
const TERMINAL_IDS: [&str; 3] = ["T-1", "T-2", "T-3"];
/// The more tills of the first shop are called so, from 0.
const MORE: &str = "M-";

/// What a test wants of the server.
pub(crate) struct Wish {
    /// Keys of the plan, with their values.
    pub(crate) plan: &'static [(&'static str, u32)],
    /// What the campaign clock shows at the start.
    pub(crate) clock: &'static str,
    /// More tills in the first shop.
    pub(crate) more_tills: usize,
    pub(crate) home: Home,
}

impl Wish {
    /// As it is shipped, in that home, with round 1 open.
    pub(crate) fn shipped(home: Home) -> Wish {
        Wish { plan: &[], clock: OPEN, more_tills: 0, home }
    }
}

/// Where the ledger is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Home {
    /// In the only server.
    Here,
    /// In Redis, with so many shards and two nodes: people ask one, tills the other.
    Redis { shards: u8, store: Rows },
}

/// Where nodes keep their rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rows {
    Sqlite,
    Postgres,
}

/// Every home, each of the two stores once.
pub(crate) const HOMES: [Home; 3] = [
    Home::Here,
    Home::Redis { shards: 1, store: Rows::Sqlite },
    Home::Redis { shards: 3, store: Rows::Postgres },
];

/// What nodes share.
struct Shared {
    redis: RedisServer,
    _postgres: Option<Postgres>,
    store: String,
}

/// Round 1 has been open for five seconds.
pub(crate) const OPEN: &str = "2023-09-01T10:00:05+08:00";

pub(crate) struct Site {
    /// The one that people ask, and that which tills ask if it is another.
    servers: Vec<Server>,
    shared: Option<Shared>,
    office: Office,
    pub(crate) host: Host,
    folder: TempDir,
    /// Where the server's data are.
    pub(crate) data: PathBuf,
    /// How long the latest start took.
    pub(crate) start_took: Duration,
}

/// Somebody who holds coupons.
pub(crate) struct Customer {
    who: usize,
    /// The numbers of the coupons, by the kinds that were asked for.
    pub(crate) coupons: Vec<String>,
}

impl Site {
    pub(crate) fn start(wish: &Wish) -> Site {
        let mut folder = tempfile::Builder::new();
        let folder = folder.prefix("redeem-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("the build's own temporary folder");
        let at = |name: &str| folder.path().join(name);
        write_keys(&at("keys"));
        for terminal in TERMINAL_IDS {
            let mut quan = Command::new(QUAN);
            let quan = quan.arg("keys").arg(at("keys")).args(["--terminal", terminal]).output();
            assert!(quan.expect("quan runs").status.success());
        }
        let mut terminals = TERMINALS.to_owned();
        for no in 0..wish.more_tills {
            let key = BASE64_STANDARD.encode(rand::rng().random::<[u8; 32]>());
            let file = at("keys").join(format!("terminal-{MORE}{no}-1.key"));
            fs::write(file, format!("{key}\n")).expect("room");
            terminals.extend([MORE, &no.to_string(), ",10\n"]);
        }
        fs::create_dir(at("merchants")).expect("a folder");
        let files = [("merchants", MERCHANTS), ("shops", SHOPS), ("terminals", &terminals)];
        for (name, text) in files {
            fs::write(at("merchants").join(format!("{name}.csv")), text).expect("room");
        }
        let mut plan = Shipped::plan();
        for key in ["person", "device", "address"] {
            plan = plan.set(&format!("{key}_per_s"), &[100_000]);
            plan = plan.set(&format!("{key}_burst"), &[100_000]);
        }
        let plan = wish.plan.iter().fold(plan, |plan, (key, value)| plan.set(key, &[value]));
        plan.write(&at("plan.toml"));
        let config =
            Shipped::read("quan.toml").set("plan", &["\"plan.toml\"\nmerchants = \"merchants\""]);
        config.set("segment_mib", &[1]).write(&at("quan.toml"));
        let shared = match wish.home {
            Home::Here => None,
            Home::Redis { shards, store } => Some(shared(folder.path(), shards, store)),
        };
        let host = Host::with_keys(&at("keys"));
        let data = at("data");
        let office = Office::open(&at("keys")).expect("staff");
        let (servers, start_took) = (Vec::new(), Duration::ZERO);
        let mut site = Site { servers, shared, office, host, folder, data, start_took };
        site.serve(wish.clock);
        site.admit();
        site
    }

    /// Serves, its campaign clock at that instant.
    pub(crate) fn serve(&mut self, clock: &str) {
        // Nodes have one time.
        let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let clock = &if clock.contains('@') { clock.to_owned() } else { format!("{clock}@{at}") };
        let names: &[&str] = if self.shared.is_some() { &["data", "data-1"] } else { &["data"] };
        let start = |name: &&str| self.starting(name, clock);
        let begins = Instant::now();
        self.servers = if self.data.exists() {
            // Both at once: a log that was left waits for both to come back.
            let starting: Vec<Process> = names.iter().map(start).collect();
            starting.into_iter().map(Process::serving).collect()
        } else {
            // The first one makes the store.
            names.iter().map(|name| start(name).serving()).collect()
        };
        self.start_took = begins.elapsed();
    }

    fn starting(&self, name: &str, clock: &str) -> Process {
        let at = |name: &str| self.folder.path().join(name);
        let (config, keys, data) = (&at("quan.toml"), &at("keys"), &self.data.with_file_name(name));
        let program = Command::new(QUAN);
        let log = at(&format!("log-{name}"));
        Serve { program, config, keys, data, clock, log }.start()
    }

    /// Two persons decide that the folder is in force as it is now.
    pub(crate) fn admit(&self) {
        let folder = self.folder.path().join("merchants");
        self.office.admit(self.servers[0].ops, "xiangning-2023", &folder).expect("it is decided");
        // Another node hears of it from the store.
        let start = Instant::now();
        while self.servers.iter().any(|it| ready(it)["undecided"] != json!([])) {
            assert!(start.elapsed() < Duration::from_secs(20), "a node does not hear of it");
            sleep(Duration::from_millis(50));
        }
    }

    /// Why two persons can't decide that the folder is in force as it is now.
    pub(crate) fn not_admitted(&self) -> String {
        let folder = self.folder.path().join("merchants");
        let said = self.office.admit(self.servers[0].ops, "xiangning-2023", &folder);
        format!("{:#}", said.expect_err("it is refused"))
    }

    /// Two persons decide that what is due comes into a batch; or why they can't.
    pub(crate) fn settle(&self, batch: u32) -> Result<(), String> {
        let what = Subject::Settle { campaign: "xiangning-2023".into(), batch: BatchNo(batch) };
        let said = self.office.decide(self.servers[0].ops, what);
        said.map_err(|error| format!("{error:#}"))
    }

    /// Waits until the store has all that the journal has.
    pub(crate) fn drained(&self) {
        let start = Instant::now();
        loop {
            let said = self.ready();
            if said["drain"]["seq"] == said["journal"]["durable"] {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{said}");
            sleep(Duration::from_millis(50));
        }
    }

    /// Two persons decide what a merchant may do.
    pub(crate) fn stand(&self, merchant: u32, standing: Standing) {
        let ops = self.servers[0].ops;
        self.office.stand(ops, "xiangning-2023", merchant, standing).expect("it is decided");
    }

    /// What `/ready` says.
    pub(crate) fn ready(&self) -> Value {
        ready(&self.servers[0])
    }

    /// Killed, and started again at a later instant of the campaign's clock.
    pub(crate) fn restart(&mut self, clock: &str) {
        self.end_by(drop);
        self.serve(clock);
    }

    /// Stops Redis, which answers nothing then; or lets it go on.
    pub(crate) fn pause_redis(&self, pause: bool) {
        let redis = &self.shared.as_ref().expect("there is one").redis;
        if pause { redis.pause() } else { redis.resume() }.expect("it is ours");
    }

    /// Kills Redis, and starts it again on what it has on its disk.
    pub(crate) fn restart_redis(&mut self) {
        let redis = &mut self.shared.as_mut().expect("there is one").redis;
        redis.kill();
        redis.start_again().expect("Redis");
    }

    /// Ends all servers' processes in some way; their data are at rest then.
    pub(crate) fn end_by(&mut self, end: impl Fn(Process)) {
        self.servers.drain(..).for_each(|server| end(server.process));
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("room");
    }

    /// Where people ask.
    pub(crate) fn public(&self) -> SocketAddr {
        self.servers[0].public
    }

    /// Where tills ask.
    pub(crate) fn tills(&self) -> SocketAddr {
        self.servers[self.servers.len() - 1].public
    }

    /// All servers, to be asked at random.
    pub(crate) fn all(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|it| it.public).collect()
    }

    pub(crate) fn till(&self, id: &str) -> Till {
        Till::of(&self.keys(), id)
    }

    /// The more tills that were wished for.
    pub(crate) fn more_tills(&self, count: usize) -> Vec<Till> {
        (0..count).map(|no| self.till(&format!("{MORE}{no}"))).collect()
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    pub(crate) fn ask(&self, request: &str) -> Answer {
        Link::default().ask(self.public(), request).expect("an answer")
    }

    pub(crate) fn now_ms(&self) -> i64 {
        let answer = self.ask(&get("/v1/time"));
        answer.body["now_ms"].as_i64().expect("a number")
    }

    fn application(&self, who: usize, kinds: &[&str]) -> Application {
        self.host.application(who, kinds, self.now_ms())
    }

    /// Asks until there is a yes: a node that a busy machine has kept from Redis for a second issues nothing.
    fn asked(&self, request: impl Fn() -> String) -> Answer {
        until_yes(|| self.ask(&request()))
    }

    /// Somebody claims one coupon of each of these kinds.
    pub(crate) fn customer(&self, who: usize, kinds: &[&str]) -> Customer {
        let Application { identity, device, body } = self.application(who, kinds);
        let pass = self.asked(|| post(PASSES, Some(&identity), &body));
        let coupon = |kind: &&str| {
            let answer = self.asked(|| {
                let fix = self.host.fix(&device, self.now_ms());
                let pass = pass.text("/pass");
                let body = json!({ "kind": kind, "pass": pass, "device": device, "fix": fix });
                post(CLAIMS, None, &body)
            });
            answer.text("/coupon/number").to_owned()
        };
        Customer { who, coupons: kinds.iter().map(coupon).collect() }
    }

    /// Asks for the customer's next payment code.
    pub(crate) fn code_answer(&self, customer: &Customer) -> Answer {
        let Application { identity, device, .. } = self.application(customer.who, &["retail-10"]);
        let fix = self.host.fix(&device, self.now_ms());
        self.ask(&post(CODES, Some(&identity), &json!({ "device": device, "fix": fix })))
    }

    /// The customer's next payment code.
    pub(crate) fn code(&self, customer: &Customer) -> String {
        until_yes(|| self.code_answer(customer)).text("/code").to_owned()
    }

    /// State and note of the customer's coupons, by number.
    pub(crate) fn wallet(&self, customer: &Customer, coupon: &str) -> (String, String) {
        let Application { identity, .. } = self.application(customer.who, &["retail-10"]);
        let request = format!(
            "GET {COUPONS} HTTP/1.1\r\nhost: quan\r\nauthorization: Bearer {identity}\r\n\r\n"
        );
        let answer = self.ask(&request);
        let coupons = answer.body["coupons"].as_array().expect("a list");
        let it = coupons.iter().find(|it| it["number"] == coupon).expect("the coupon");
        let text = |name: &str| it.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        (text("state"), text("note"))
    }

    pub(crate) fn redeem(&self, till: &Till, order: &Order) -> Answer {
        send(self.tills(), &till.redeem(order, self.now_ms()))
    }

    fn signed(&self, till: &Till, method: &str, path: &str, body: &str) -> Signed {
        till.sign(method, path, body, self.now_ms())
    }

    /// `confirm` or `release`.
    pub(crate) fn end(&self, till: &Till, order: &str, how: &str) -> Answer {
        let path = format!("{REDEMPTIONS}/{order}/{how}");
        send(self.tills(), &self.signed(till, "POST", &path, ""))
    }

    pub(crate) fn look(&self, till: &Till, order: &str) -> Answer {
        let path = format!("{REDEMPTIONS}/{order}");
        send(self.tills(), &self.signed(till, "GET", &path, ""))
    }

    pub(crate) fn refund(&self, till: &Till, order: &str, refund: &str, amount: u64) -> Answer {
        let path = format!("{REDEMPTIONS}/{order}/refunds");
        let body = json!({ "refund": refund, "amount_fen": amount }).to_string();
        send(self.tills(), &self.signed(till, "POST", &path, &body))
    }

    /// A number of `/metrics`, of all servers together; zero if none tells it.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let of = |server: &Server| {
            let text = super::metrics(server.ops);
            text.lines().find_map(|it| it.strip_prefix(line)?.trim().parse::<f64>().ok())
        };
        self.servers.iter().filter_map(of).sum()
    }

    pub(crate) fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name));
        ["log-data", "log-data-1"].iter().filter_map(|it| read(it).ok()).collect()
    }

    /// Ends the server, which must end well, and has everything looked at again: journal, store, balances.
    pub(crate) fn ends_well(mut self) {
        self.is_audited();
    }

    /// The same, to be served again.
    pub(crate) fn is_audited(&mut self) {
        self.end_by(|mut process| end(&mut process));
        let mut audit = Command::new(QUAN);
        audit.arg("audit");
        match &self.shared {
            None => audit.arg(&self.data),
            Some(it) => audit.args(["--ledger", &it.redis.url(), "--store", &it.store]),
        };
        let audit = audit.output().expect("quan runs");
        let said = String::from_utf8_lossy(&audit.stdout);
        let err = String::from_utf8_lossy(&audit.stderr);
        assert!(audit.status.success(), "{}: {said}{err}", audit.status);
        assert!(said.contains("I8"), "the store was compared: {said}");
    }
}

/// The first yes; only `unavailable` and the like are asked again.
fn until_yes(ask: impl Fn() -> Answer) -> Answer {
    let start = Instant::now();
    loop {
        let answer = ask();
        if [200, 201].contains(&answer.status) {
            return answer;
        }
        assert!(answer.status == 503 && start.elapsed() < PATIENCE, "{answer:?}");
        sleep(Duration::from_millis(50));
    }
}

/// What nodes share, and their configuration.
fn shared(folder: &Path, shards: u8, store: Rows) -> Shared {
    let redis = RedisServer::start(&folder.join("redis"), &Settings::default()).expect("Redis");
    let postgres = (store == Rows::Postgres).then(|| Postgres::start(&[]).expect("PostgreSQL"));
    let file = folder.join("store.sqlite").display().to_string();
    let store = postgres.as_ref().map_or(file, |it| it.url("postgres"));
    let config = folder.join("quan.toml");
    let text = fs::read_to_string(&config).expect("just written");
    let ledger = format!("[ledger]\nurl = \"{}\"\nshards = {shards}\n", redis.url());
    fs::write(&config, format!("{text}\n{ledger}[store]\nurl = \"{store}\"\n")).expect("room");
    Shared { redis, _postgres: postgres, store }
}

fn ready(server: &Server) -> Value {
    Link::default().ask(server.ops, &get("/ready")).expect("an answer").body
}

/// Ends a server as people do.
pub(crate) fn end(process: &mut Process) {
    drop(process.child.stdin.take());
    let status = process.child.wait().expect("it is ours");
    assert!(status.success(), "{status}: {}", process.said());
}
