//! `quan serve`: starts everything, serves until told to stop, and loses nothing on the way out.

use crate::app::App;
use crate::clock::{CHECK_EVERY, Clock, Start, wall};
use crate::config::Config;
use crate::data::DataFolder;
use crate::decision;
use crate::http::accept::{Connections, Limits, Running, Server};
use crate::http::{ops, router};
use crate::store::{self, LogNo, Store, StoreUrl};
use crate::trail::Deed;
use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};

/// Descriptors that are not for connections: journal, store, snapshots, ops port, runtimes.
const OWN_FILES: usize = 192;
/// Connections of the ops port.
const OPS_CONNECTIONS: usize = 64;

/// Signals so soon after the first mean the same stop.
const SAME_STOP: Duration = Duration::from_secs(2);

/// How often the calendar is looked at.
const CALENDAR_EVERY: Duration = Duration::from_millis(200);

/// How often it is looked for decisions that others made, and could not carry out.
const DECISIONS_EVERY: Duration = Duration::from_secs(2);

/// Serves until SIGTERM, SIGINT, or `end`, if there is one. `ready` is called once with the
/// addresses that are served.
pub fn serve(
    config: &Config,
    start: Option<Start>,
    end: Option<oneshot::Receiver<()>>,
    ready: impl FnOnce(&Served) -> Result<()>,
) -> Result<()> {
    let clock = Arc::new(Clock::start(start));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let at_least = match config.ledger {
        None => runtime.block_on(stored(&config.data.folder)),
        Some(_) => 0,
    };
    let app = Arc::new(App::open(config, at_least, clock)?);
    let sha256 = config.sha256.map(|it| format!(" {it}")).unwrap_or_default();
    let started = format!("version {}, configuration{sha256}", env!("CARGO_PKG_VERSION"));
    app.trail.add("quan", Deed::Started, &started)?;
    runtime.block_on(async {
        app.keep_watch();
        undone(&app.keep_calendar().await);
        let (stop, stopped) = watch::channel(false);
        // Before anybody is served: whoever sees us serve may tell us to stop.
        let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (served, workers) = start_http(config, &app, &stopped)?;
        ready(&served)?;
        // Apart, so that an answer that the calendar waits for keeps nobody from watching.
        let office = [
            tokio::spawn(guard(Arc::clone(&app))),
            tokio::spawn(calendar(Arc::clone(&app))),
            tokio::spawn(decisions(Arc::clone(&app))),
        ];
        told_to_stop(signals, end).await;
        tracing::info!("stopping: no new connections, requests in flight are answered");
        stop.send_replace(true);
        office.iter().for_each(JoinHandle::abort);
        let closed = tokio::task::spawn_blocking(move || {
            workers.into_iter().for_each(Running::join);
            if let Err(error) = app.trail.add("quan", Deed::Stopped, "told to") {
                tracing::error!(%error, "the stop is not in the trail");
            }
            app.close();
        });
        tokio::select! {
            closed = closed => closed?,
            again = told_again() => {
                again?;
                // A disk that hangs would be waited for without end.
                tracing::error!("told to stop again: ended at once, what was acknowledged is in the journal");
                std::process::exit(1);
            }
        }
        Ok(())
    })
}

/// The last entry that the store knows, which the journal can't be behind; 0 if there is no telling.
async fn stored(data: &Path) -> u64 {
    let file = DataFolder::at(data).store();
    if !file.exists() {
        return 0;
    }
    let seq = async { Store::open(&StoreUrl::File(file)).await?.seq(LogNo::EMBEDDED).await };
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
        connections: room_for(public.connections)?,
        header_ms: public.header_ms,
        idle_ms: public.idle_ms,
        grace_ms: public.grace_ms,
        front: public.front.as_slice().into(),
    };
    let front =
        Server::bind(public.listen, limits.clone()).with_context(|| listening(public.listen))?;
    let back_limits =
        Limits { workers: 1, connections: OPS_CONNECTIONS, front: Arc::default(), ..limits };
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

/// How many of `connections` this process has descriptors for, beside what it needs for itself.
///
/// The soft limit is raised to the hard one first: with none left the journal could not go on.
fn room_for(connections: usize) -> Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused, the limit stays what it is.
    let _ = setrlimit(Resource::Nofile, limit);
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return Ok(connections);
    };
    let room = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(OWN_FILES);
    ensure!(room > 0, "the limit of open files is {files}; it must be above {OWN_FILES}");
    if room < connections {
        tracing::warn!(connections, room, "fewer connections: raise the limit of open files");
    }
    Ok(connections.min(room))
}

fn listening(address: std::net::SocketAddr) -> String {
    format!("listening on {address}")
}

/// Watches what issuing rests on, and forgets full buckets and dead codes.
async fn guard(app: Arc<App>) {
    let mut check = every(CHECK_EVERY);
    let mut tidy = every(Duration::from_mins(1));
    loop {
        tokio::select! {
            _ = check.tick() => app.keep_watch(),
            _ = tidy.tick() => app.campaigns().for_each(|campaign| campaign.tidy(app.clock.now())),
        }
    }
}

/// Arms rounds and ends them.
async fn calendar(app: Arc<App>) {
    let mut look = every(CALENDAR_EVERY);
    let mut before = Vec::new();
    loop {
        look.tick().await;
        let now = app.keep_calendar().await;
        // What stays undone is said once.
        if now != before {
            undone(&now);
            before = now;
        }
    }
}

/// Tends what persons decided.
async fn decisions(app: Arc<App>) {
    let mut look = every(DECISIONS_EVERY);
    let mut store = None;
    loop {
        look.tick().await;
        let open = match store.take() {
            Some(open) => open,
            // Whoever needs it says why it can't be had.
            None => match app.store().await {
                Ok(open) => open,
                Err(_) => continue,
            },
        };
        let tended = async {
            decision::tend(&app, &open, wall()).await?;
            tell_of_trail(&app, &open).await
        };
        match tended.await {
            Ok(()) => store = Some(open),
            Err(error) => tracing::warn!(%error, "decisions are looked at again"),
        }
    }
}

/// Has the store know how far the trail is, and looks whether it was further.
async fn tell_of_trail(app: &App, store: &Store) -> Result<(), store::Error> {
    let (Some(id), Some(head)) = (app.trail.id(), app.trail.head()) else { return Ok(()) };
    let known = store.note_trail(id, head).await?;
    if known.seq > head.seq || (known.seq == head.seq && known.hash != head.hash) {
        tracing::error!(
            here = head.seq,
            known = known.seq,
            "the trail was cut off: `quan audit` says where"
        );
    }
    Ok(())
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

/// Somebody has lost patience: a signal that comes well after the first.
async fn told_again() -> Result<()> {
    sleep(SAME_STOP).await;
    let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    told_to_stop(signals, None).await;
    Ok(())
}

async fn ended(end: Option<oneshot::Receiver<()>>) {
    match end {
        // Whoever was to tell is gone: that is an end too.
        Some(end) => drop(end.await),
        None => std::future::pending().await,
    }
}
