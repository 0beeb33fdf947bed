//! Claims a second through the engine's way to Redis, beside clients that do nothing but send.
//!
//! `cargo bench --bench scripts` prints medians of interleaved pairs, one connection each, against a
//! durable server (`appendfsync always`), the claim script the same for all:
//!
//! - `held`: everybody holds a coupon already, a claim for each call; beside `redis-benchmark` with as
//!   many calls in a pipeline and random persons.
//! - `granted`: everybody gets one. Person and pass go together, which `redis-benchmark` can't vary, so
//!   beside it stands what `redis-cli --pipe` does: bytes made before, written raw, as many at once.
//!
//! `64 x 1` is 64 calls of a claim at once; `1 x 64` one call of 64; `8 x 64` is what a node sends at most.
//! `-- --pairs 2 --claims 4096` makes it shorter.

#![expect(
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "figures for people, places in a list"
)]

mod raw;

use anyhow::{Context, ensure};
use quan::domain::{CampaignNo, KindNo, PassNonce, PersonId, RoundNo};
use quan::ledger::machine::Grant;
use quan::ledger::redis::door::{self, Door};
use quan::rush::servers::{RedisServer, Settings};
use redis::{Connection, cmd};
use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, process::Command, time::Instant};

/// Calls at once, where each holds one claim.
const DEPTH: usize = 64;
/// Calls at once and claims in each.
const FORMS: [(usize, usize); 3] = [(DEPTH, 1), (1, 64), (8, 64)];

/// What becomes of the claims.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Granted,
    Held,
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (mut pairs, mut claims) = (5, 512 * 48);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--pairs", Some(count)) => pairs = count.parse()?,
            ("--claims", Some(count)) => claims = count.parse()?,
            (other, _) => anyhow::bail!("{other}: not an option of this bench"),
        }
    }
    ensure!(claims % 512 == 0, "--claims: a multiple of 512");
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    println!("claims a second; {pairs} pairs of {claims} claims; load average {load}");
    println!(
        "{:<8} {:>8} {:>16} {:>9} {:>9} {:>7} {:>15}",
        "case", "calls", "beside", "claims/s", "quan", "ratio", "(least, most)"
    );
    for case in [Case::Held, Case::Granted] {
        measure(case, pairs, claims)?;
    }
    Ok(())
}

fn measure(case: Case, pairs: usize, claims: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // A rewrite of the file in the middle of one would be measured as that one's.
    let settings = Settings::default().with("auto-aof-rewrite-percentage", "0");
    let redis = RedisServer::start(folder.path(), &settings)?;
    let grants: Vec<Grant> = (0..claims).map(grant).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = redis.url().parse()?;
    let mut door = runtime.block_on(Door::open(&url))?;
    let (mut beside, mut ours) = (Vec::new(), vec![Vec::new(); FORMS.len()]);
    // The first pair warms both up.
    for pair in 0..=pairs {
        begin(&mut redis.connect()?, case, claims)?;
        let other = match case {
            Case::Held => redis_benchmark(&redis, claims)?,
            Case::Granted => raw::rate(redis.address(), &grants, DEPTH)?,
        };
        let mut rates = Vec::new();
        for form in FORMS {
            begin(&mut redis.connect()?, case, claims)?;
            rates.push(runtime.block_on(rate(&mut door, &grants, form))?);
        }
        if pair > 0 {
            beside.push(other);
            rates.into_iter().zip(&mut ours).for_each(|(rate, all)| all.push(rate));
        }
    }
    let name = match case {
        Case::Held => ("held", "redis-benchmark"),
        Case::Granted => ("granted", "raw"),
    };
    for ((calls, each), rates) in FORMS.iter().zip(ours) {
        let ratios = sorted(rates.iter().zip(&beside).map(|(ours, other)| ours / other).collect());
        println!(
            "{:<8} {:>8} {:>16} {:>9.0} {:>9.0} {:>7.2} {:>15}",
            name.0,
            format!("{calls} x {each}"),
            name.1,
            middle(beside.clone()),
            middle(rates),
            middle(ratios.clone()),
            format!("({:.2}, {:.2})", ratios[0], ratios[ratios.len() - 1]),
        );
    }
    Ok(())
}

fn sorted(mut all: Vec<f64>) -> Vec<f64> {
    all.sort_by(f64::total_cmp);
    all
}

fn middle(all: Vec<f64>) -> f64 {
    let middle = all.len() / 2;
    sorted(all)[middle]
}

/// 16 bytes that end in 12 digits, as `redis-benchmark` writes a random number.
fn id(label: &str, who: usize) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(format!("{label}{who:012}").as_bytes());
    id
}

fn grant(who: usize) -> Grant {
    let (person, pass) = (PersonId(id("pers", who)), PassNonce(id("pass", who)));
    Grant { campaign: CampaignNo(0), round: RoundNo(1), kind: KindNo(0), person, pass }
}

/// An open round and as many people, who have passes, or hold what they want.
fn begin(redis: &mut Connection, case: Case, people: usize) -> anyhow::Result<()> {
    cmd("FLUSHALL").exec(redis)?;
    let info: String = cmd("INFO").arg("replication").query(redis)?;
    let lineage = info.lines().find_map(|line| line.strip_prefix("master_replid:"));
    let key = |name: &str| format!("quan:{{0:0}}:{name}");
    let mut set = |key: String, fields: &[(&str, &str)]| {
        cmd("HSET").arg(key).arg(fields).exec(redis).context("HSET")
    };
    let lineage = lineage.context("no lineage")?.trim();
    let meta = [("lineage", lineage), ("epoch", "1"), ("seq", "1"), ("at", "1000")];
    set(key("meta"), &meta)?;
    set(key("meta"), &[("tripped", "0"), ("shard", "0"), ("of", "1")])?;
    let people_text = people.to_string();
    set(key("funds"), &[("reserved:0", &people_text), ("frozen:0", "0")])?;
    let window = [("from", "1000"), ("until", "9000000"), ("expired", "0")];
    set(key("round:1"), &window)?;
    set(key("round:1"), &[("left:0", &people_text), ("granted:0", "0"), ("last:0", "0")])?;
    let all: Vec<usize> = (0..people).collect();
    for some in all.chunks(1_000) {
        let mut fields = cmd("HSET");
        fields.arg(key(if case == Case::Held { "holders:1" } else { "passes:1" }));
        for who in some {
            let Grant { person, pass, .. } = grant(*who);
            let (person, pass) = (person.0.as_slice(), pass.0.as_slice());
            let (starts, ends, kinds) = (1_000_i64, 9_000_000_i64, 1_u32);
            let (field, record) = match case {
                Case::Held => {
                    let ordinal = u32::try_from(*who)?.to_le_bytes();
                    let (starts, ends) = (starts.to_le_bytes(), ends.to_le_bytes());
                    ([person, &[0]].concat(), [ordinal.as_slice(), &starts, &ends, pass].concat())
                }
                Case::Granted => {
                    let (kinds, ends, spent) = (kinds.to_le_bytes(), ends.to_le_bytes(), [0; 4]);
                    (pass.to_vec(), [person, &kinds, &ends, &spent].concat())
                }
            };
            fields.arg(field).arg(record);
        }
        fields.exec(redis)?;
    }
    let text = door::script(&[grant(0)]).context("no script")?;
    Ok(cmd("SCRIPT").arg("LOAD").arg(text).exec(redis)?)
}

/// Claims a second through the engine's link.
async fn rate(door: &mut Door, grants: &[Grant], form: (usize, usize)) -> anyhow::Result<f64> {
    let (calls, each) = form;
    let start = Instant::now();
    let mut yes = 0;
    for some in grants.chunks(calls * each) {
        let calls: Vec<&[Grant]> = some.chunks(each).collect();
        yes += door.claim(&calls).await.context("a claim was not decided")?;
    }
    let rate = grants.len() as f64 / start.elapsed().as_secs_f64();
    ensure!(yes == grants.len(), "{yes} of {} got a yes", grants.len());
    Ok(rate)
}

/// Claims a second of `redis-benchmark`.
fn redis_benchmark(redis: &RedisServer, claims: usize) -> anyhow::Result<f64> {
    let (address, count) = (redis.address(), claims.to_string());
    let mut command = Command::new("redis-benchmark");
    command.arg("-h").arg(address.ip().to_string()).arg("-p").arg(address.port().to_string());
    command.args(["-c", "1", "--csv", "-n", &count, "-r", &count]);
    command.arg("-P").arg(DEPTH.to_string());
    let call = door::command(&[grant(0)]).context("no call")?;
    let person = id("pers", 0);
    for word in call.args_iter() {
        let redis::Arg::Simple(word) = word else { continue };
        // An argument can't hold a zero, as the bytes of an entry do; of a holder they aren't looked at.
        let word = word.iter().map(|byte| if *byte == 0 { b'x' } else { *byte });
        let word: Vec<u8> = word.collect();
        let word = if word == person { b"pers__rand_int__".to_vec() } else { word };
        command.arg(OsString::from_vec(word));
    }
    let said = command.output().context("redis-benchmark is in the package redis-tools")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let line = said.trim_end().lines().last().unwrap_or_default();
    let rate = line.rsplit("\",\"").nth(6).and_then(|rate| rate.parse().ok());
    let evaluated: usize = redis.ask(cmd("HGET").arg("quan:{0:0}:meta").arg("evaluated"))?;
    ensure!(evaluated >= claims, "{evaluated} of {claims} were evaluated: {said}");
    rate.with_context(|| format!("no rate: {said}"))
}
