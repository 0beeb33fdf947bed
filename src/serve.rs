//! `quan serve`: starts everything, serves until told to stop, and loses nothing on the way out.

use crate::app::App;
use crate::clock::{CHECK_EVERY, Clock};
use crate::config::Config;
use crate::data::DataFolder;
use crate::domain::At;
use crate::http::accept::{Connections, Limits, Running, Server};
use crate::http::{ops, router};
use crate::store::{SHARD, Store};
use anyhow::{Context, Result};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    time::{MissedTickBehavior, interval},
};

/// How often the calendar is looked at.
const CALENDAR_EVERY: Duration = Duration::from_millis(200);

/// Serves until SIGTERM, SIGINT, or `end`, if there is one. `ready` is called once with the
/// addresses that are served.
pub fn serve(
    config: &Config,
    start: Option<At>,
    end: Option<oneshot::Receiver<()>>,
    ready: impl FnOnce(&Served) -> Result<()>,
) -> Result<()> {
    let clock = Arc::new(Clock::start(start));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let at_least = runtime.block_on(stored(&config.data.folder));
    let app = Arc::new(App::open(config, at_least, clock)?);
    runtime.block_on(async {
        app.keep_watch();
        undone(&app.keep_calendar().await);
        let (stop, stopped) = watch::channel(false);
        // Before anybody is served: whoever sees us serve may tell us to stop.
        let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (served, workers) = start_http(config, &app, &stopped)?;
        ready(&served)?;
        let office = tokio::spawn(office(Arc::clone(&app)));
        told_to_stop(signals, end).await;
        tracing::info!("stopping: no new connections, requests in flight are answered");
        stop.send_replace(true);
        office.abort();
        tokio::task::spawn_blocking(move || workers.into_iter().for_each(Running::join)).await?;
        app.close();
        Ok(())
    })
}

/// The last entry that the store knows, which the journal can't be behind; 0 if there is no telling.
async fn stored(data: &Path) -> u64 {
    let file = DataFolder::at(data).store();
    if !file.exists() {
        return 0;
    }
    let seq = async { Store::open(&file).await?.seq(SHARD).await };
    seq.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the journal can't be compared with the store");
        0
    })
}

/// Where it is served.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Served {
    /// The public address.
    pub public: std::net::SocketAddr,
    /// The ops address.
    pub ops: std::net::SocketAddr,
}

fn start_http(
    config: &Config,
    app: &Arc<App>,
    stopped: &watch::Receiver<bool>,
) -> Result<(Served, Vec<Running>)> {
    let public = &config.public;
    let limits = Limits {
        workers: public.workers,
        connections: public.connections,
        header_ms: public.header_ms,
        idle_ms: public.idle_ms,
        grace_ms: public.grace_ms,
    };
    let front = Server::bind(public.listen, limits).with_context(|| listening(public.listen))?;
    let back_limits = Limits { workers: 1, connections: 64, ..limits };
    let back = Server::bind(config.ops.listen, back_limits)
        .with_context(|| listening(config.ops.listen))?;
    let served = Served { public: front.address(), ops: back.address() };
    let count = Arc::new(Connections::of(front.workers()));
    let ops_count = Arc::new(Connections::of(back.workers()));
    app.metrics.watch(Arc::clone(&count));
    let workers = vec![
        front.run(|| router::public(app), stopped, &count)?,
        back.run(|| ops::router(Arc::clone(app)), stopped, &ops_count)?,
    ];
    Ok((served, workers))
}

fn listening(address: std::net::SocketAddr) -> String {
    format!("listening on {address}")
}

/// What is done beside the requests.
async fn office(app: Arc<App>) {
    let mut watch = every(CHECK_EVERY);
    let mut calendar = every(CALENDAR_EVERY);
    let mut tidy = every(Duration::from_mins(1));
    loop {
        tokio::select! {
            _ = watch.tick() => app.keep_watch(),
            _ = calendar.tick() => undone(&app.keep_calendar().await),
            _ = tidy.tick() => app.campaigns().for_each(|campaign| campaign.gate.rates.tidy(app.clock.now())),
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

fn undone(commands: &[String]) {
    for command in commands {
        tracing::error!(command, "the calendar could not be kept");
    }
}

async fn told_to_stop(signals: (Signal, Signal), end: Option<oneshot::Receiver<()>>) {
    let (mut terminate, mut interrupt) = signals;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = ended(end) => {}
    }
}

async fn ended(end: Option<oneshot::Receiver<()>>) {
    match end {
        // Whoever was to tell is gone: that is an end too.
        Some(end) => drop(end.await),
        None => std::future::pending().await,
    }
}
