//! The ledger in Redis, as the rest of the server sees it.

use super::fields;
use super::keys::{Key, Part, Place, shard_of};
use super::link::{Fate, Item, Link};
use super::office::Office;
use super::opening::Opening;
use super::place::{Ask, Cell};
use super::reader::Reader;
use super::records::read_state;
use super::recovery::Custodian;
use super::scripts::look;
use super::shared::{Places, Shared};
use super::stream::Stream;
use super::topology::{RedisUrl, Topology};
use super::writer::Writer;
use crate::domain::{At, CampaignNo, CouponId, PersonId, Refusal, RoundNo, Shard};
use crate::ledger::embedded::Outcome;
use crate::ledger::machine::{Command, Held};
use crate::ledger::service::{BEAT_MS, Ledger, NotTaken, QUEUE, View, Waiting, Watcher};
use crate::store::{LogNo, Store};
use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use redis::{Value, cmd};
use std::{
    collections::BTreeSet,
    io,
    path::PathBuf,
    sync::{Arc, mpsc::sync_channel},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// How long a start waits until every place was read, or was seen to be in need of a recovery.
const LOADED: Duration = Duration::from_secs(20);
/// How long somebody who asks for their coupons waits until this node has read of them.
const READ: Duration = Duration::from_secs(2);
/// How long an end waits for those who wait.
const DRAINED: Duration = Duration::from_secs(5);

/// How the ledger is reached and kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The servers.
    pub url: RedisUrl,
    /// Shards of a campaign that is opened; an open one keeps its own. 1 to 100: payment codes name it in two digits.
    pub shards: u8,
    /// Replicas that must have received what is told; in a cluster at least 1.
    pub replicas: u32,
    /// The folder for what this node told.
    pub acks: PathBuf,
}

impl Options {
    pub(super) fn replicas(&self, clustered: bool) -> u32 {
        if clustered { self.replicas.max(1) } else { self.replicas }
    }
}

/// The ledger in Redis.
#[must_use = "a ledger that is dropped is closed"]
pub struct RedisLedger {
    pub(super) shared: Arc<Shared>,
    pub(super) office: Office,
    runtime: Handle,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl RedisLedger {
    /// Starts what serves `opening`. `watcher` sees every campaign as it stands once it was read.
    pub fn start(
        opening: Opening,
        clock: impl Fn() -> At + Send + Sync + 'static,
        watcher: Box<dyn Watcher>,
    ) -> io::Result<RedisLedger> {
        RedisLedger::begin(opening, clock, watcher, true)
    }

    /// The same for a process that only recovers logs: it moves no stock by itself, since nobody would ask it for what
    /// it wrote down of that.
    pub fn start_idle(
        opening: Opening,
        clock: impl Fn() -> At + Send + Sync + 'static,
        watcher: Box<dyn Watcher>,
    ) -> io::Result<RedisLedger> {
        RedisLedger::begin(opening, clock, watcher, false)
    }

    fn begin(
        opening: Opening,
        clock: impl Fn() -> At + Send + Sync + 'static,
        watcher: Box<dyn Watcher>,
        moves: bool,
    ) -> io::Result<RedisLedger> {
        let Opening { topology, options, acks, campaigns, .. } = opening;
        let replicas = options.replicas(topology.clustered());
        let shared = Arc::new(Shared::new(topology, replicas, acks, Box::new(clock), watcher));
        let office = Office { shared: Arc::clone(&shared) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = watch::channel(false);
        let (serves, start) = sync_channel(1);
        let work = (Arc::clone(&shared), office.clone());
        let thread = thread::Builder::new().name("ledger".into()).spawn(move || {
            runtime.block_on(async move {
                let (shared, office) = work;
                for (no, of) in campaigns {
                    serve(&shared, no, of);
                }
                // Whoever started it may have given up.
                let _ = serves.send(());
                drop(tokio::spawn(beat(Arc::clone(&shared))));
                if moves {
                    drop(tokio::spawn(move_stock(office)));
                }
                let mut stopped = stopped;
                let _ = stopped.wait_for(|stop| *stop).await;
                let _ = timeout(DRAINED, async {
                    while shared.queued.now() > 0 {
                        sleep(Duration::from_millis(5)).await;
                    }
                })
                .await;
                shared.view.stop();
            });
        })?;
        // An error means that the thread has ended, which the view tells.
        let _ = start.recv();
        Ok(RedisLedger { shared, office, runtime: handle, stop, thread: Mutex::new(Some(thread)) })
    }

    /// Waits until every place was read, not for ever. One that is fenced is read after its recovery, so whoever
    /// recovers must be at work.
    pub fn wait_until_read(&self) {
        let start = Instant::now();
        while start.elapsed() < LOADED && !self.shared.loaded() {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// How a log stands.
#[derive(Clone, Debug)]
pub(crate) struct LogState {
    pub(crate) campaign: CampaignNo,
    /// The shard, or `i` for identities.
    pub(crate) part: String,
    /// Its number in the store.
    pub(crate) log: u32,
    pub(crate) epoch: u64,
    /// Whether it decides, as of a moment ago.
    pub(crate) open: bool,
    /// The last entry that was read.
    pub(crate) seq: u64,
}

/// A log that can be read on.
#[derive(Clone)]
pub(crate) struct Log {
    topology: Arc<Topology>,
    cell: Arc<Cell>,
    /// What was told of it before this start.
    told: u64,
}

impl Log {
    /// Its number in the store.
    pub(crate) fn no(&self) -> LogNo {
        LogNo(self.cell.place.log())
    }

    /// The last seq that this node's answers rest on.
    pub(crate) fn replied(&self) -> u64 {
        self.cell.seen().replied.max(self.told)
    }

    /// Reads it after `seq`.
    pub(crate) fn after(&self, seq: u64) -> Stream {
        Stream::after(Arc::clone(&self.topology), Arc::clone(&self.cell), seq)
    }
}

/// The rounds that a place knows, by the names of its fields in `meta`.
fn rounds_in(names: &Value) -> Option<Vec<RoundNo>> {
    let Value::Array(names) = names else { return None };
    let round = |name: &Value| match name {
        Value::BulkString(name) => fields::round(std::str::from_utf8(name).ok()?),
        _ => None,
    };
    Some(names.iter().filter_map(round).collect())
}

/// Starts the tasks of a campaign's places.
fn serve(shared: &Arc<Shared>, no: CampaignNo, of: u8) {
    let cell = |place: Place, shard: u8| {
        let (cell, inbox) = Cell::new(place, Shard { no: shard, of });
        let cell = Arc::new(cell);
        let touch = Item::script(look(place));
        let link = Link::to(Arc::clone(&shared.topology), place.slot(), shared.replicas, touch);
        tokio::spawn(Writer::new(Arc::clone(shared), Arc::clone(&cell), link).run(inbox));
        tokio::spawn(Reader::new(Arc::clone(shared), Arc::clone(&cell)).run());
        cell
    };
    let shards = (0..of).map(|shard| cell(Place::shard(no, shard), shard)).collect();
    shared.add(no, Places { shards, identities: cell(Place::identities(no), 0) });
}

/// Says that this process is awake.
async fn beat(shared: Arc<Shared>) {
    loop {
        shared.view.lease().beat();
        sleep(Duration::from_millis(BEAT_MS)).await;
    }
}

/// Brings stock to shards that ran dry, and finishes what was interrupted.
async fn move_stock(office: Office) {
    loop {
        let _ = timeout(Duration::from_secs(1), office.shared.dry.notified()).await;
        for (_, places) in office.shared.campaigns() {
            if let Err(error) = office.finish_unfinished(&places).await {
                tracing::debug!(%error, "what was interrupted stays unfinished for now");
            }
            if places.shards.len() > 1
                && let Err(error) = office.balance(&places).await
            {
                tracing::warn!(%error, "stock could not be moved between shards");
            }
        }
    }
}

impl Ledger for RedisLedger {
    fn ask(&self, command: Command, waiting: Box<dyn Waiting>) -> Result<(), NotTaken> {
        if self.shared.view.stopped() || self.shared.acks.failed() {
            return Err(NotTaken::Stopped);
        }
        if self.shared.queued.now() >= QUEUE {
            return Err(NotTaken::Full);
        }
        let Command::Grant(grant) = command else {
            let office = self.office.clone();
            self.shared.queued.rise();
            self.runtime.spawn(async move {
                let outcome = office.outcome(command).await;
                office.shared.queued.fall(1);
                waiting.answer(outcome);
            });
            return Ok(());
        };
        let Some(cell) = self.cell(grant.campaign, grant.person) else {
            waiting.answer(Outcome::No(Refusal::CampaignUnknown.into()));
            return Ok(());
        };
        self.shared.queued.rise();
        cell.ask(Ask::Grant(grant, waiting)).inspect_err(|_| self.shared.queued.fall(1))
    }

    fn view(&self) -> &View {
        &self.shared.view
    }

    fn coupons(&self, campaign: CampaignNo, person: PersonId) -> BoxFuture<'_, Option<Vec<Held>>> {
        async move {
            let cell = self.cell(campaign, person)?;
            let (mut rounds, kinds) = {
                let seen = cell.seen();
                let kinds = seen.standing.opened.as_ref()?.kinds.len();
                let rounds: BTreeSet<RoundNo> = seen.standing.rounds.keys().copied().collect();
                (rounds, u8::try_from(kinds).ok()?)
            };
            let fields: Vec<Vec<u8>> =
                (0..kinds).map(|kind| [&person.0[..], &[kind]].concat()).collect();
            let fates = loop {
                let holders = |round: &RoundNo| {
                    let key = cell.place.key(Key::Holders(*round));
                    Item::plain(cmd("HMGET").arg(key).arg(&fields).to_owned())
                };
                let states = |round: &RoundNo| {
                    let key = cell.place.key(Key::States(*round));
                    Item::plain(cmd("HMGET").arg(key).arg(&fields).to_owned())
                };
                let mut items: Vec<Item> =
                    rounds.iter().flat_map(|round| [holders(round), states(round)]).collect();
                items.push(Item::plain(cmd("HKEYS").arg(cell.place.key(Key::Meta)).to_owned()));
                let (mut fates, touch) = cell.items(items).await;
                matches!(touch, Fate::Done(_)).then_some(())?;
                let Some(Fate::Done(names)) = fates.pop() else { return None };
                let asked = rounds.len();
                // A round that this node has not read of yet.
                rounds.extend(rounds_in(&names)?);
                if rounds.len() == asked {
                    break fates;
                }
            };
            let mut coupons = Vec::new();
            for (round, fates) in rounds.iter().zip(fates.chunks_exact(2)) {
                let [Fate::Done(Value::Array(records)), Fate::Done(Value::Array(states))] = fates
                else {
                    return None;
                };
                for ((field, record), state) in fields.iter().zip(records).zip(states) {
                    if let Value::BulkString(record) = record {
                        let (_, held) = fields::holder(*round, field, record)?;
                        let word = match state {
                            Value::BulkString(word) => Some(word.as_slice()),
                            _ => None,
                        };
                        coupons.push(Held { state: read_state(word)?, ..held });
                    }
                }
            }
            // Only what this node has written down is shown: whoever granted it may be gone before they could.
            let is_shown = |held: &Held| {
                let CouponId { round, kind, .. } = held.coupon;
                self.shared.view.held(campaign, person, round, kind).is_some()
            };
            let start = Instant::now();
            while !coupons.iter().all(is_shown) {
                (start.elapsed() < READ).then_some(())?;
                cell.kick.notify_one();
                sleep(Duration::from_millis(2)).await;
            }
            self.shared.view.tells().then_some(coupons)
        }
        .boxed()
    }

    fn issues(&self, campaign: CampaignNo) -> bool {
        let places = self.shared.places(campaign);
        self.shared.view.tells()
            && places.is_some_and(|places| places.all().all(|cell| cell.seen().healthy()))
    }

    fn clock_ahead_ms(&self) -> i64 {
        let campaigns = self.shared.campaigns();
        let cells = campaigns.iter().flat_map(|(_, places)| places.all());
        cells.map(|cell| cell.seen().ahead_ms).max_by_key(|ms| ms.unsigned_abs()).unwrap_or(0)
    }

    fn queued(&self) -> u32 {
        self.shared.queued.now()
    }

    fn most_queued(&self) -> u32 {
        self.shared.queued.take()
    }

    fn fault(&self) -> Option<String> {
        if self.shared.acks.failed() {
            return Some(
                "what is told can't be written down (acks/): mend the disk, restart".to_owned(),
            );
        }
        self.shared.view.stopped().then(|| "the server is shutting down".to_owned())
    }

    fn shut(&self) -> Vec<String> {
        let shut = self.states().into_iter().filter(|state| !state.open);
        let stuck = self.shared.stuck.lock().clone();
        let shut = shut.map(|state| {
            let why = stuck.get(&state.log).map(|why| format!(": {why}")).unwrap_or_default();
            format!("log {} is shut in epoch {}{why}", state.log, state.epoch)
        });
        let gone = self.shared.view.lease().is_gone();
        let gone = gone.then(|| "this node was given up: start it again".to_owned());
        gone.into_iter().chain(shut).collect()
    }

    fn close(&self) {
        if let Some(thread) = self.thread.lock().take() {
            self.stop.send_replace(true);
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl RedisLedger {
    /// Who closes epochs and recovers logs on behalf of `node`, which is registered or tells nobody anything.
    pub(crate) fn custodian(&self, store: Store, node: String, registered: bool) -> Custodian {
        if registered {
            self.shared.view.lease().share();
        }
        let (shared, left_out) = (Arc::clone(&self.shared), Mutex::default());
        Custodian { shared, store, node, registered, left_out }
    }

    /// How every log stands, as far as this node knows.
    pub(crate) fn states(&self) -> Vec<LogState> {
        let campaigns = self.shared.campaigns();
        let cells = campaigns.iter().flat_map(|(_, places)| places.all());
        let states = cells.map(|cell| {
            let seen = cell.seen();
            let part = match cell.place.part {
                Part::Shard(no) => no.to_string(),
                Part::Identities => "i".to_owned(),
            };
            let (open, seq) = (seen.healthy(), seen.standing.seq);
            let (campaign, log) = (cell.place.campaign, cell.place.log());
            LogState { campaign, part, log, epoch: seen.epoch, open, seq }
        });
        states.collect()
    }

    /// Every log, to be read on.
    pub(crate) fn logs(&self) -> Vec<Log> {
        let campaigns = self.shared.campaigns();
        let cells = campaigns.iter().flat_map(|(_, places)| places.all());
        let topology = &self.shared.topology;
        let log = |cell: &Arc<Cell>| Log {
            topology: Arc::clone(topology),
            cell: Arc::clone(cell),
            told: self.shared.acks.told(cell.place.log()),
        };
        cells.map(log).collect()
    }

    fn cell(&self, campaign: CampaignNo, person: PersonId) -> Option<Arc<Cell>> {
        let places = self.shared.places(campaign)?;
        let of = u8::try_from(places.shards.len()).ok()?;
        places.shards.get(usize::from(shard_of(person, of))).cloned()
    }
}

impl Drop for RedisLedger {
    fn drop(&mut self) {
        self.close();
    }
}
