//! The schedule and the connections that serve it.
//!
//! Whatever is due is taken by the next free connection to its node, in order. Nothing here knows coupons: a [`Play`]
//! writes the requests and hears the answers. It all runs on one thread, so nothing is locked.

use crate::clock::Clock;
use crate::link::{Link, Lost};
use crate::wire::Response;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::LocalSet;

/// The schedule is looked at this often at least.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const TICK_EVERY: Duration = Duration::from_millis(200);

/// When a request was wanted, went out and was answered; microseconds of the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) intended: i64,
    pub(crate) sent: i64,
    pub(crate) received: i64,
}

/// What asks and hears.
pub(crate) trait Play {
    /// What is asked.
    type Ask: Copy + Ord;

    /// The node that is asked.
    fn node(&self, ask: Self::Ask) -> usize;

    /// Writes the request of `ask` to `node`, sent at `now_us`.
    fn write(&mut self, ask: Self::Ask, node: usize, now_us: i64, out: &mut Vec<u8>);

    /// Hears what came of `ask` from `node` and says what is asked next, each with its instant.
    fn heard(
        &mut self,
        ask: Self::Ask,
        node: usize,
        timing: Timing,
        came: Result<Response<'_>, Lost>,
        next: &mut Vec<(i64, Self::Ask)>,
    );

    /// `ask`, intended for `intended`, has come up and goes to the next free connection; `now_us` says how late.
    fn due(&mut self, intended: i64, now_us: i64);

    /// `ask` was never sent, since the run is over.
    fn dropped(&mut self, ask: Self::Ask, intended: i64);

    /// Called a few times a second.
    fn tick(&mut self, now_us: i64);
}

/// The earliest first.
type Schedule<A> = BinaryHeap<Reverse<(i64, A)>>;

struct Stage<P: Play> {
    play: RefCell<P>,
    clock: Clock,
    schedule: RefCell<Schedule<P::Ask>>,
    nodes: Vec<Lane<P::Ask>>,
    /// Asks in the schedule, ready or in flight.
    alive: Cell<usize>,
    over: Cell<bool>,
}

/// What is due at a node.
struct Lane<A> {
    ready: RefCell<VecDeque<(i64, A)>>,
    work: Notify,
}

/// Plays until nothing is asked any more or the server's clock shows `until_us`; gives play and links back.
pub(crate) async fn run<P: Play + 'static>(
    play: P,
    first: Vec<(i64, P::Ask)>,
    links: Vec<Link>,
    clock: Clock,
    until_us: i64,
) -> (Option<P>, Vec<Link>) {
    let alive = Cell::new(first.len());
    let nodes = links.iter().map(|link| link.node).max().map_or(0, |last| last.saturating_add(1));
    let lane = || Lane { ready: RefCell::default(), work: Notify::new() };
    let stage = Rc::new(Stage {
        play: RefCell::new(play),
        clock,
        schedule: RefCell::new(first.into_iter().map(Reverse).collect()),
        nodes: (0..nodes).map(|_| lane()).collect(),
        alive,
        over: Cell::new(false),
    });
    let set = LocalSet::new();
    let served: Vec<_> =
        links.into_iter().map(|link| set.spawn_local(serve(Rc::clone(&stage), link))).collect();
    let links = set
        .run_until(async {
            lead(&stage, until_us).await;
            let mut links = vec![];
            for task in served {
                links.extend(task.await.ok());
            }
            links
        })
        .await;
    drop(set);
    (Rc::into_inner(stage).map(|stage| stage.play.into_inner()), links)
}

/// Moves what has come up from the schedule to the connections.
async fn lead<P: Play>(stage: &Stage<P>, until_us: i64) {
    let mut ticked = Instant::now();
    loop {
        let now_us = stage.clock.now_us();
        stage.bring_up(now_us);
        if ticked.elapsed() >= TICK_EVERY {
            ticked = Instant::now();
            stage.play.borrow_mut().tick(now_us);
        }
        if stage.alive.get() == 0 || now_us >= until_us {
            break;
        }
        let next = stage.schedule.borrow().peek().map_or(until_us, |Reverse((at, _))| *at);
        let soon = Instant::now() + LOOK_EVERY;
        tokio::time::sleep_until(stage.clock.instant(next).min(soon).into()).await;
    }
    stage.end();
}

async fn serve<P: Play>(stage: Rc<Stage<P>>, mut link: Link) -> Link {
    while let Some((intended, ask)) = stage.next(&mut link).await {
        link.out.clear();
        let sent = stage.clock.now_us();
        let node = link.node;
        stage.play.borrow_mut().write(ask, node, sent, &mut link.out);
        let came = link.exchange().await;
        let received = stage.clock.now_us();
        stage.heard(ask, node, Timing { intended, sent, received }, came);
    }
    link
}

impl<P: Play> Stage<P> {
    fn bring_up(&self, now_us: i64) {
        let mut schedule = self.schedule.borrow_mut();
        while let Some(Reverse((at, ask))) = schedule.peek().copied() {
            if at > now_us {
                break;
            }
            schedule.pop();
            let mut play = self.play.borrow_mut();
            play.due(at, now_us);
            if let Some(lane) = self.nodes.get(play.node(ask)) {
                lane.ready.borrow_mut().push_back((at, ask));
                lane.work.notify_one();
            }
        }
    }

    /// The next that is due; meanwhile the idle connection is kept open. `None` when the run is over.
    async fn next(&self, link: &mut Link) -> Option<(i64, P::Ask)> {
        let lane = self.nodes.get(link.node)?;
        loop {
            if self.over.get() {
                return None;
            }
            let due = lane.ready.borrow_mut().pop_front();
            if due.is_some() {
                return due;
            }
            tokio::select! {
                biased;
                () = lane.work.notified() => {}
                () = link.closed() => drop(link.open().await),
            }
        }
    }

    fn heard(&self, ask: P::Ask, node: usize, timing: Timing, came: Result<Response<'_>, Lost>) {
        let mut next = vec![];
        self.play.borrow_mut().heard(ask, node, timing, came, &mut next);
        let alive = self.alive.get().saturating_add(next.len()).saturating_sub(1);
        self.alive.set(alive);
        self.schedule.borrow_mut().extend(next.into_iter().map(Reverse));
    }

    fn end(&self) {
        self.over.set(true);
        let mut play = self.play.borrow_mut();
        let mut ready = vec![];
        for lane in &self.nodes {
            lane.work.notify_waiters();
            ready.extend(lane.ready.take());
        }
        let scheduled = self.schedule.take().into_iter().map(|Reverse(due)| due);
        for (intended, ask) in ready.into_iter().chain(scheduled) {
            play.dropped(ask, intended);
        }
    }
}
