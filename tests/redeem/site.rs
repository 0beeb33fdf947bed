//! A server with merchants and tills, and people who hold coupons.

use super::till::{Order, REDEMPTIONS, Signed, Till, send};
use crate::common::{
    host::{Application, CLAIMS, Host, PASSES},
    link::{Answer, Link, get, post},
    plan::Shipped,
    server::{Process, QUAN, Serve, Server, write_keys},
};
use quan::{ledger::event::Standing, rush::office::Office};
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, process::Command};
use tempfile::TempDir;

const CODES: &str = "/v1/campaigns/xiangning-2023/payment-codes";
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

/// What a test wants of the server.
pub(crate) struct Wish {
    /// Keys of the plan, with their values.
    pub(crate) plan: &'static [(&'static str, u32)],
    /// What the campaign clock shows at the start.
    pub(crate) clock: &'static str,
}

/// Round 1 has been open for five seconds.
pub(crate) const OPEN: &str = "2023-09-01T10:00:05+08:00";

pub(crate) struct Site {
    server: Option<Server>,
    office: Office,
    pub(crate) host: Host,
    folder: TempDir,
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
        fs::create_dir(at("merchants")).expect("a folder");
        for (name, text) in [("merchants", MERCHANTS), ("shops", SHOPS), ("terminals", TERMINALS)] {
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
        config.write(&at("quan.toml"));
        let host = Host::with_keys(&at("keys"));
        let office = Office::open(&at("keys")).expect("staff");
        let mut site = Site { server: None, office, host, folder };
        site.serve(wish.clock);
        site.admit();
        site
    }

    fn serve(&mut self, clock: &str) {
        let at = |name: &str| self.folder.path().join(name);
        let (config, keys, data) = (at("quan.toml"), at("keys"), at("data"));
        let program = Command::new(QUAN);
        let (config, keys, data) = (&config, &keys, &data);
        let serve = Serve { program, config, keys, data, clock, log: at("log") };
        self.server = Some(serve.start().serving());
    }

    /// Two persons decide that the folder is in force as it is now.
    pub(crate) fn admit(&self) {
        let (ops, folder) = (self.server().ops, self.folder.path().join("merchants"));
        self.office.admit(ops, "xiangning-2023", &folder).expect("it is decided");
    }

    /// Two persons decide what a merchant may do.
    pub(crate) fn stand(&self, merchant: u32, standing: Standing) {
        let ops = self.server().ops;
        self.office.stand(ops, "xiangning-2023", merchant, standing).expect("it is decided");
    }

    /// What `/ready` says.
    pub(crate) fn ready(&self) -> Value {
        Link::default().ask(self.server().ops, &get("/ready")).expect("an answer").body
    }

    /// Killed, and started again at a later instant of the campaign's clock.
    pub(crate) fn restart(&mut self, clock: &str) {
        self.server = None;
        self.serve(clock);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("room");
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it serves")
    }

    pub(crate) fn public(&self) -> SocketAddr {
        self.server().public
    }

    pub(crate) fn till(&self, id: &str) -> Till {
        Till::of(&self.keys(), id)
    }

    fn keys(&self) -> std::path::PathBuf {
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

    /// Somebody claims one coupon of each of these kinds.
    pub(crate) fn customer(&self, who: usize, kinds: &[&str]) -> Customer {
        let Application { identity, device, body } = self.application(who, kinds);
        let pass = self.ask(&post(PASSES, Some(&identity), &body));
        assert_eq!(pass.status, 201, "{pass:?}");
        let coupon = |kind: &&str| {
            let fix = self.host.fix(&device, self.now_ms());
            let body =
                json!({ "kind": kind, "pass": pass.text("/pass"), "device": device, "fix": fix });
            let answer = self.ask(&post(CLAIMS, None, &body));
            assert_eq!(answer.status, 201, "{answer:?}");
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
        let answer = self.code_answer(customer);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.text("/code").to_owned()
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
        send(self.public(), &till.redeem(order, self.now_ms()))
    }

    fn signed(&self, till: &Till, method: &str, path: &str, body: &str) -> Signed {
        till.sign(method, path, body, self.now_ms())
    }

    /// `confirm` or `release`.
    pub(crate) fn end(&self, till: &Till, order: &str, how: &str) -> Answer {
        let path = format!("{REDEMPTIONS}/{order}/{how}");
        send(self.public(), &self.signed(till, "POST", &path, ""))
    }

    pub(crate) fn look(&self, till: &Till, order: &str) -> Answer {
        let path = format!("{REDEMPTIONS}/{order}");
        send(self.public(), &self.signed(till, "GET", &path, ""))
    }

    pub(crate) fn refund(&self, till: &Till, order: &str, refund: &str, amount: u64) -> Answer {
        let path = format!("{REDEMPTIONS}/{order}/refunds");
        let body = json!({ "refund": refund, "amount_fen": amount }).to_string();
        send(self.public(), &self.signed(till, "POST", &path, &body))
    }

    /// A number of `/metrics`; zero if it is not told.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let text = super::metrics(self.server().ops);
        let found = text.lines().find_map(|it| it.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or_default()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends the server, which must end well.
    pub(crate) fn ends_well(mut self) {
        end(&mut self.server.take().expect("it serves").process);
    }
}

fn end(process: &mut Process) {
    drop(process.child.stdin.take());
    let status = process.child.wait().expect("it is ours");
    assert!(status.success(), "{status}: {}", process.said());
}
