//! The usual recipe: a server that checks pass and position and asks Redis about every request.
//!
//! It is what one writes first and well: `axum::serve` on tokio's runtime of many threads, small
//! answers sent at once, and a small pool of multiplexed connections to Redis that all requests
//! share. Checks and answers are the engine's own. It has no limits for slow peers, rates, metrics, money or store,
//! which is in its favour.

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt,
};
use futures_util::future::try_join_all;
use quan::clock::{Clock, Start};
use quan::domain::fence::verdict;
use quan::domain::{At, CampaignNo, CouponId, KindNo, Refusal, RoundNo};
use quan::http::{Problem, body::json};
use quan::pass::{Asked, Keyring};
use quan::plan::Plan;
use quan::wallet::{Coupon, Seen};
use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, aio::MultiplexedConnection,
    cmd, io::tcp::TcpSettings,
};
use serde::{Deserialize, Serialize};
use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::net::TcpListener;

const SCRIPT: &str = include_str!("usual.lua");
/// How long one `WAIT` waits, in milliseconds.
const WAIT_MS: u64 = 2_000;
/// Connections that requests share; one took no more or less that could be told from noise.
const POOL: usize = 2;
/// The same where there are replicas: a WAIT holds up what comes after it on its connection, and one
/// connection took half as much again.
const WAITING: usize = 16;

/// What it is started with.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Usual {
    pub(crate) redis: String,
    pub(crate) replicas: u32,
    /// Connections to Redis, if not as many as usual.
    pub(crate) pool: Option<usize>,
    pub(crate) plan: std::path::PathBuf,
    pub(crate) keys: std::path::PathBuf,
    /// What the clock shows, and when.
    pub(crate) clock: (i64, i64),
}

/// What all requests share.
struct Shared {
    redis: Vec<MultiplexedConnection>,
    next: AtomicUsize,
    sha: String,
    replicas: u32,
    plan: Plan,
    /// The end of the round's coupons, written.
    ends: String,
    keys: Keyring,
    clock: Clock,
}

#[derive(Deserialize)]
struct Claim<'a> {
    kind: &'a str,
    pass: &'a str,
    device: &'a str,
    fix: &'a str,
}

#[derive(Serialize)]
struct Granted<'a> {
    coupon: Coupon<'a>,
    replayed: bool,
}

/// Puts the stock out.
pub(crate) fn arm(redis: &mut redis::Connection, kinds: usize, units: usize) -> anyhow::Result<()> {
    cmd("SCRIPT").arg("LOAD").arg(SCRIPT).exec(redis)?;
    for kind in 0..kinds {
        cmd("SET").arg(stock(kind)).arg(units).exec(redis)?;
    }
    Ok(())
}

/// The stock that is left.
pub(crate) fn left(redis: &mut redis::Connection, kinds: usize) -> anyhow::Result<usize> {
    (0..kinds).map(|kind| Ok(cmd("GET").arg(stock(kind)).query::<usize>(redis)?)).sum()
}

fn stock(kind: usize) -> String {
    format!("{{r}}:stock:{kind}")
}

impl Usual {
    /// Serves claims until standard input ends.
    pub(crate) fn serve(self) -> anyhow::Result<()> {
        let info = self.redis.as_str().into_connection_info()?;
        let client = Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))?;
        let sha = cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query(&mut client.get_connection()?)?;
        let (plan, _) = Plan::load(&self.plan)?.ok().context("the plan")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        // What is in flight at once here would not fit in the default.
        let config = AsyncConnectionConfig::new().set_pipeline_buffer_size(1_024);
        let pool = self.pool.unwrap_or(if self.replicas == 0 { POOL } else { WAITING });
        let connect = || client.get_multiplexed_async_connection_with_config(&config);
        let redis = runtime.block_on(try_join_all((0..pool).map(|_| connect())))?;
        let (shows, when) = self.clock;
        let shared = Arc::new(Shared {
            redis,
            next: AtomicUsize::new(0),
            sha,
            replicas: self.replicas,
            ends: plan.rounds[0].window.until.in_zone(&plan.zone),
            keys: Keyring::load(&self.keys)?,
            clock: Clock::start(Some(Start { shows: At(shows), when: Some(At(when)) })),
            plan,
        });
        let path = "/v1/campaigns/{campaign}/rounds/{round}/claims";
        let router = Router::new().route(path, post(claim)).with_state(shared);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        println!("{{\"public\":\"{}\"}}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            // Without it small answers wait; a failure only costs that.
            let _ = stream.set_nodelay(true);
        });
        runtime.spawn(axum::serve(listener, router).into_future());
        std::io::stdin().read_to_end(&mut Vec::new())?;
        runtime.shutdown_background();
        Ok(())
    }
}

async fn claim(
    State(shared): State<Arc<Shared>>,
    Path((campaign, round)): Path<(String, u8)>,
    body: Bytes,
) -> Result<Response, Problem> {
    let request: Claim<'_> = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    if campaign != shared.plan.id {
        return Err(Refusal::CampaignUnknown.into());
    }
    let place = shared.plan.kinds.iter().position(|kind| kind.name == request.kind);
    let place = place.ok_or(Refusal::KindUnknown)?;
    let no = KindNo(u8::try_from(place).map_err(|_| Refusal::KindUnknown)?);
    let now = shared.clock.now();
    let pass = shared.keys.pass.open(request.pass)?;
    let device = shared.keys.hasher.device(request.device);
    let asked = Asked { campaign: CampaignNo(0), round: RoundNo(round), kind: no, device };
    pass.fits(&asked, now)?;
    let fix = shared.keys.fix.read(request.fix, request.device.as_bytes())?;
    verdict(Some(&fix), now, &shared.plan.fix)?;
    let mut holder = pass.person.0.to_vec();
    holder.push(no.0);
    let mut token = pass.nonce.0.to_vec();
    token.push(no.0);
    let mut evalsha = cmd("EVALSHA");
    evalsha.arg(&shared.sha).arg(4).arg("{r}:holders").arg(stock(place)).arg("{r}:spent");
    evalsha.arg("{r}:log").arg(holder).arg(token).arg(now.0);
    let (told, ordinal) = shared.ask(evalsha).await.map_err(|_| Problem::OUTCOME_UNKNOWN)?;
    match told.as_str() {
        "sold_out" => Err(Refusal::SoldOut.into()),
        "spent" => Err(Refusal::PassSpent.into()),
        _ => Ok(shared.granted(RoundNo(round), no, ordinal, now, told == "held")),
    }
}

impl Shared {
    /// Asks Redis, and waits for its replicas if it has any.
    async fn ask(&self, evalsha: Cmd) -> anyhow::Result<(String, u32)> {
        let place = self.next.fetch_add(1, Relaxed) % self.redis.len();
        let mut connection = self.redis[place].clone();
        if self.replicas == 0 {
            return Ok(evalsha.query_async(&mut connection).await?);
        }
        let mut both = Pipeline::with_capacity(2);
        both.add_command(evalsha);
        both.cmd("WAIT").arg(self.replicas).arg(WAIT_MS);
        let (told, received): ((String, u32), u32) = both.query_async(&mut connection).await?;
        anyhow::ensure!(received >= self.replicas, "not received");
        Ok(told)
    }

    fn granted(&self, round: RoundNo, kind: KindNo, ordinal: u32, at: At, held: bool) -> Response {
        let Some(terms) = self.plan.kinds.get(usize::from(kind.0)) else {
            return Problem::INTERNAL.into_response();
        };
        let coupon = Coupon {
            number: CouponId { round, kind, ordinal },
            round: round.0,
            kind: &terms.name,
            face_fen: terms.face.get(),
            threshold_fen: terms.threshold.get(),
            state: Seen::Unused,
            note: None,
            starts_at: at.in_zone(&self.plan.zone),
            ends_at: self.ends.as_str().into(),
        };
        let status = if held { StatusCode::OK } else { StatusCode::CREATED };
        json(status, &Granted { coupon, replayed: held })
    }
}
