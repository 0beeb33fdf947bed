//! People with coupons and payment codes, and the tills that take them.

use crate::common::host::{Application, CLAIMS, Host, PASSES};
use crate::common::plan::Shipped;
use crate::process::Server;
use crate::scene::{OPEN, Scene, roomy};
use crate::till::{Order, REDEMPTIONS, Till};
use crate::{Client, Size};
use anyhow::{Context, ensure};
use quan::rush::office::Office;
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command, time::Instant};

const CODES: &str = "/v1/campaigns/xiangning-2023/payment-codes";
const COUPONS: &str = "/v1/campaigns/xiangning-2023/coupons";
const KINDS: [&str; 6] =
    ["retail-10", "retail-40", "appliance-80", "appliance-300", "catering-20", "catering-50"];
const TERMINALS: usize = 100;
/// Above every kind's threshold.
const AMOUNT_FEN: u64 = 10_000_000;

/// What is asked of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A coupon is redeemed in one step.
    Redeemed,
    /// A coupon is locked.
    Locked,
    /// A locked one is confirmed.
    Confirmed,
    /// A person looks at their coupons.
    Wallet,
}

impl Step {
    pub(crate) const ALL: [Step; 4] = [Step::Redeemed, Step::Locked, Step::Confirmed, Step::Wallet];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Step::Redeemed => "redeemed",
            Step::Locked => "locked",
            Step::Confirmed => "confirmed",
            Step::Wallet => "wallet",
        }
    }
}

/// A server with a merchant and its tills, and people who hold a coupon of each kind.
pub(crate) struct Shop {
    server: Server,
    step: Step,
    host: Host,
    tills: Vec<Till>,
    people: usize,
    /// What the server's clock showed, and when.
    began: (i64, Instant),
    /// Whose turn it is to show a code.
    turn: usize,
    /// What is ready: numbers of orders, and the codes of those who pay them.
    orders: Vec<(String, String)>,
    holders: Vec<Application>,
    next: usize,
    made: usize,
    _scratch: tempfile::TempDir,
}

impl Shop {
    pub(crate) async fn open(step: Step, size: &Size) -> anyhow::Result<Shop> {
        let scratch = tempfile::tempdir()?;
        let folder = scratch.path();
        let keys = folder.join("keys");
        quan::pass::write_fresh(&keys, &mut rand::rng())?;
        let terminals: Vec<String> = (0..TERMINALS).map(|no| format!("T-{no}")).collect();
        for id in &terminals {
            let mut quan = Command::new(env!("CARGO_BIN_EXE_quan"));
            let made = quan.arg("keys").arg(&keys).args(["--terminal", id]).output()?;
            ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        write_merchant(&folder.join("merchants"), &terminals)?;
        let people = size.requests.max(size.all().div_ceil(KINDS.len()));
        let plan = roomy(people).set("terminal_requests", &[1_000_000]);
        plan.write(&folder.join("xiangning-2023.toml"));
        let plan = ["\"xiangning-2023.toml\"\nmerchants = \"merchants\""];
        Shipped::read("quan.toml").set("plan", &plan).write(&folder.join("quan.toml"));
        let config = folder.join("quan.toml");
        let office = Office::open(&keys)?;
        let server = Server::quan(&config, &keys, &folder.join("data"), OPEN)?;
        let ops = server.ops.context("the server's ops port")?;
        office.admit(ops, "xiangning-2023", &folder.join("merchants"))?;
        let tills = terminals.iter().map(|id| Till::of(&keys, id)).collect();
        let mut client = Client::connect(server.address, 64).await?;
        let time = "GET /v1/time HTTP/1.1\r\nhost: quan\r\n\r\n".to_owned();
        let time = ask(&mut client, &[time]).await?;
        let now = time.first().and_then(|it| it["now_ms"].as_i64()).context("the time")?;
        let mut shop = Shop {
            server,
            step,
            host: Host::with_keys(&keys),
            tills,
            people,
            began: (now, Instant::now()),
            turn: 0,
            orders: vec![],
            holders: vec![],
            next: 0,
            made: 0,
            _scratch: scratch,
        };
        let apply = |who| shop.host.application(who, &KINDS, now);
        shop.holders = (0..people).map(apply).collect();
        shop.grant(&mut client).await?;
        shop.server.settle()?;
        Ok(shop)
    }

    /// Everybody gets a pass, and with it a coupon of each kind.
    async fn grant(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let apply = |Application { identity, body, .. }: &Application| {
            post(PASSES, &format!("authorization: Bearer {identity}\r\n"), body)
        };
        let applications: Vec<_> = self.holders.iter().map(apply).collect();
        let passes = ask(client, &applications).await?;
        for kind in KINDS {
            let now = self.now();
            let claim = |(Application { device, .. }, pass): (&Application, &Value)| {
                let fix = self.host.fix(device, now);
                let body = json!({
                    "kind": kind, "pass": pass["pass"], "device": device, "fix": fix,
                });
                post(CLAIMS, "", &body)
            };
            let claims: Vec<_> = self.holders.iter().zip(&passes).map(claim).collect();
            for answer in ask(client, &claims).await? {
                ensure!(answer["coupon"]["number"].is_string(), "{answer}");
            }
        }
        Ok(())
    }

    /// What the campaign's clock shows.
    fn now(&self) -> i64 {
        let (then, since) = self.began;
        then + i64::try_from(since.elapsed().as_millis()).expect("a bench is short")
    }

    /// The next people show their codes.
    async fn codes(&mut self, client: &mut Client, wanted: usize) -> anyhow::Result<()> {
        let (now, turn) = (self.now(), self.turn);
        let asked = |no| {
            let Application { identity, device, .. } = &self.holders[(turn + no) % self.people];
            let body = json!({ "device": device, "fix": self.host.fix(device, now) });
            let bearer = format!("authorization: Bearer {identity}\r\n");
            post(CODES, &bearer, &body)
        };
        let codes = ask(client, &(0..wanted).map(asked).collect::<Vec<_>>()).await?;
        self.orders.clear();
        for code in codes {
            let text = code["code"].as_str().with_context(|| code.to_string())?;
            self.orders.push((format!("A-{}", self.made), text.to_owned()));
            self.made += 1;
        }
        (self.turn, self.next) = ((turn + wanted) % self.people, 0);
        Ok(())
    }

    /// The request about an order.
    fn write(&self, no: usize, out: &mut Vec<u8>) {
        let (order, code) = &self.orders[no];
        let till = &self.tills[no % self.tills.len()];
        let signed = match self.step {
            Step::Confirmed => {
                till.sign("POST", &format!("{REDEMPTIONS}/{order}/confirm"), "", self.now())
            }
            step => self.redeem(no, order, code, step == Step::Redeemed),
        };
        out.extend_from_slice(signed.as_bytes());
    }

    fn redeem(&self, no: usize, order: &str, code: &str, one_step: bool) -> String {
        let order = Order { one_step, ..Order::new(order, code, AMOUNT_FEN) };
        self.tills[no % self.tills.len()].redeem(&order, self.now())
    }

    fn look(&self, who: usize, out: &mut Vec<u8>) {
        let Application { identity, .. } = &self.holders[who];
        let head = format!(
            "GET {COUPONS} HTTP/1.1\r\nhost: quan\r\nauthorization: Bearer {identity}\r\n\r\n"
        );
        out.extend_from_slice(head.as_bytes());
    }
}

impl Scene for Shop {
    fn server(&self) -> &Server {
        &self.server
    }

    fn status(&self) -> u16 {
        match self.step {
            Step::Redeemed | Step::Locked => 201,
            Step::Confirmed | Step::Wallet => 200,
        }
    }

    async fn ready(&mut self, requests: usize) -> anyhow::Result<()> {
        if self.step == Step::Wallet {
            return Ok(());
        }
        let mut client = Client::connect(self.server.address, 64).await?;
        self.codes(&mut client, requests).await?;
        if self.step == Step::Confirmed {
            let lock = |(no, (order, code)): (usize, &(String, String))| {
                self.redeem(no, order, code, false)
            };
            let locks: Vec<_> = self.orders.iter().enumerate().map(lock).collect();
            for answer in ask(&mut client, &locks).await? {
                ensure!(answer["redemption"]["state"] == "locked", "{answer}");
            }
        }
        Ok(())
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        if self.step == Step::Wallet {
            self.look(self.next % self.people, out);
        } else {
            self.write(self.next, out);
        }
        self.next += 1;
    }

    fn again(&mut self, out: &mut Vec<u8>) {
        if self.step == Step::Wallet {
            self.look(0, out);
        } else {
            self.write(0, out);
        }
    }
}

/// Sends these; gives the bodies of the answers.
async fn ask(client: &mut Client, requests: &[String]) -> anyhow::Result<Vec<Value>> {
    let answers = client.ask(requests).await?;
    let body = |answer: &Vec<u8>| {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("a head")?;
        Ok(serde_json::from_slice(&answer[end + 4..])?)
    };
    answers.iter().map(body).collect()
}

fn post(path: &str, header: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: quan\r\n{header}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// One merchant of all categories, in whose shop all tills are.
fn write_merchant(folder: &Path, terminals: &[String]) -> anyhow::Result<()> {
    fs::create_dir(folder)?;
    let rows: Vec<_> = terminals.iter().map(|id| format!("{id},10")).collect();
    let rows = format!("terminal,shop\n{}\n", rows.join("\n"));
    let files = [
        (
            "merchants.csv",
            "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers\n\
             1,91141029MA0KU0001G,乡宁百货,是,是,retail;catering;appliance,,有,有,\n",
        ),
        (
            "shops.csv",
            "shop,merchant,name,address,lat,lon,datum\n10,1,总店,迎旭西大街,36.08,111.52,GCJ-02\n",
        ),
        ("terminals.csv", rows.as_str()),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
