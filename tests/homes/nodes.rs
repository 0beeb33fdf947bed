//! A home in Redis with two nodes, which carry its logs to a store.

use crate::local::Nobody;
use crate::servers::{Servers, wait_for};
use crate::stores::{Kind, Scratch, Stored, place, runtime};
use crate::story::{self, BUDGET, Home, R, opening, word};
use futures_util::future::join_all;
use quan::audit::audit_elsewhere;
use quan::data::DataFolder;
use quan::domain::{At, CampaignNo, KindNo, PersonId, Refusal};
use quan::ledger::embedded::Outcome;
use quan::ledger::machine::{Answer, Command, Held, No};
use quan::ledger::redis::{Known, OpenError, Opening, Options, RedisLedger};
use quan::ledger::service::{Ledger, told};
use quan::node::Node;
use quan::store::{Store, StoreUrl, check_events};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    thread::sleep,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// How long a story waits until what happened at one node is seen at another, on a machine that others use.
const SEEN: Duration = Duration::from_secs(20);
/// How long somebody comes back who is told to.
const COMES_BACK: Duration = Duration::from_secs(20);

/// What is looked at again when a story has ended; nobody decided with signatures that issuing goes on.
const AUDITED: [&str; 4] = ["I4", "I5", "I6", "R1"];

/// Nodes of one campaign.
pub(crate) struct Nodes<'a> {
    runtime: Runtime,
    servers: &'a Servers,
    shards: u8,
    name: String,
    folder: PathBuf,
    store: StoreUrl,
    clock: Arc<AtomicI64>,
    campaign: CampaignNo,
    running: [Option<(RedisLedger, Node)>; 2],
    interrupted: u8,
}

/// Opens a campaign on these terms.
pub(crate) async fn opened(
    servers: &Servers,
    shards: u8,
    acks: &Path,
    terms: &[Command],
    now: At,
) -> Result<(Opening, Vec<CampaignNo>), OpenError> {
    let options =
        Options { url: servers.url().parse().unwrap(), shards, replicas: 0, acks: acks.to_owned() };
    let mut opening = Opening::connect(options, Known::default(), now).await?;
    let mut campaigns = vec![];
    for terms in terms {
        let Command::Open { name, pools, kinds } = terms else { panic!("terms come first") };
        campaigns.push(opening.open(name, pools, kinds, now).await?);
    }
    Ok((opening, campaigns))
}

impl<'a> Nodes<'a> {
    pub(crate) fn start(
        servers: &'a Servers,
        shards: u8,
        name: &str,
        scratch: &Scratch,
        kind: Kind,
    ) -> Nodes<'a> {
        let runtime = runtime();
        let store = place(&runtime, scratch, kind);
        let mut nodes = Nodes {
            runtime,
            servers,
            shards,
            name: format!("{name} {kind:?}"),
            folder: scratch.path().to_owned(),
            store,
            clock: Arc::default(),
            campaign: CampaignNo(u16::MAX),
            running: [None, None],
            interrupted: 0,
        };
        nodes.begin(0, At(0));
        nodes.begin(1, At(0));
        servers.remember();
        nodes
    }

    fn begin(&mut self, node: usize, now: At) {
        let data = DataFolder::at(&self.folder.join(format!("node-{node}")));
        std::fs::create_dir_all(data.path()).unwrap();
        let terms = [opening(&self.name, BUDGET)];
        let acks = data.acks();
        let opened = opened(self.servers, self.shards, &acks, &terms, now);
        let (opening, campaigns) = self.runtime.block_on(opened).unwrap();
        self.campaign = campaigns[0];
        let clock = Arc::clone(&self.clock);
        let time = move || At(clock.load(Relaxed));
        let ledger = RedisLedger::start(opening, time, Box::new(Nobody)).unwrap();
        let node_of = Node::start(&ledger, &self.store, &data).unwrap();
        ledger.wait_until_read();
        self.running[node] = Some((ledger, node_of));
    }

    fn stop(&mut self, node: usize) {
        let (ledger, node) = self.running[node].take().unwrap();
        ledger.close();
        node.stop();
    }

    fn ledger(&self, node: usize) -> &RedisLedger {
        &self.running[node].as_ref().unwrap().0
    }

    /// Restarts Redis while no node is there; what came since the last restart is lost there.
    pub(crate) fn restart_all(&mut self, now: At) {
        self.interrupted = 2;
        self.interrupt(now);
    }

    /// Asks all at once, each at its node.
    pub(crate) fn at_once(&mut self, lines: &[String]) -> Vec<String> {
        let commands =
            lines.iter().map(|line| story::command(self.campaign, &self.name, line).unwrap());
        let asked: Vec<_> = commands
            .map(|(at, node, command)| {
                self.clock.store(at.0, Relaxed);
                told(self.ledger(node), command)
            })
            .collect();
        let told = self.runtime.block_on(join_all(asked));
        told.into_iter().map(|outcome| word(outcome.unwrap())).collect()
    }
}

/// Asks until the answer is not that one should come again.
pub(crate) async fn asked(ledger: &RedisLedger, command: &Command) -> Outcome {
    let start = Instant::now();
    loop {
        let outcome = told(ledger, command.clone()).await.unwrap();
        let busy = matches!(outcome, Outcome::No(No::Refused(Refusal::Busy { .. })));
        if !busy || start.elapsed() > COMES_BACK {
            return outcome;
        }
    }
}

impl Home for Nodes<'_> {
    fn campaign(&self) -> CampaignNo {
        self.campaign
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, now: At, budget: u64) -> Outcome {
        let terms = [opening(&self.name, budget)];
        let acks = self.folder.join("nobody");
        let opened = opened(self.servers, self.shards, &acks, &terms, now);
        match self.runtime.block_on(opened) {
            Ok((_, campaigns)) => Outcome::Yes(Answer::Opened(campaigns[0])),
            Err(OpenError::Terms(_)) => Outcome::No(No::Conflict("other terms")),
            Err(error) => panic!("{error}"),
        }
    }

    fn told(&mut self, node: usize, now: At, command: Command) -> Outcome {
        self.clock.store(now.0, Relaxed);
        self.runtime.block_on(asked(self.ledger(node), &command))
    }

    fn coupons(&mut self, node: usize, person: PersonId) -> Vec<Held> {
        let start = Instant::now();
        loop {
            let asked = self.ledger(node).coupons(self.campaign, person);
            match self.runtime.block_on(asked) {
                Some(coupons) => return coupons,
                // That they can't be known just now is an answer, as after a connection broke.
                None => assert!(start.elapsed() < COMES_BACK, "coupons can't be known"),
            }
        }
    }

    fn left(&mut self, node: usize, kind: KindNo, want: u32) -> u32 {
        let start = Instant::now();
        loop {
            let summary = self.ledger(node).view().campaign(self.campaign).unwrap();
            let round = summary.round(R);
            let left = round.map_or(u32::MAX, |round| round.stock[usize::from(kind.0)].left());
            if left == want || start.elapsed() > SEEN {
                return left;
            }
            sleep(Duration::from_millis(2));
        }
    }

    fn interrupt(&mut self, now: At) {
        match if self.servers.is_one() { self.interrupted % 3 } else { 1 } {
            // Redis, while the nodes live.
            0 => self.servers.restart(),
            // A node.
            1 => {
                self.stop(0);
                self.begin(0, now);
            }
            // Redis while no node is there.
            _ => {
                self.stop(0);
                self.stop(1);
                self.servers.restart();
                self.begin(0, now);
                self.begin(1, now);
            }
        }
        self.interrupted += 1;
        if self.servers.is_one() {
            self.servers.wait_until_recovered(self.campaign, self.shards);
        }
        for node in [0, 1] {
            wait_for("a node issues again", || self.ledger(node).issues(self.campaign));
        }
        self.servers.remember();
    }

    fn sharded(&self) -> bool {
        self.shards > 1
    }

    fn end(&mut self) -> Option<Stored> {
        self.stop(0);
        self.stop(1);
        Some(self.runtime.block_on(async {
            let store = Store::open(&self.store).await.unwrap();
            let stay = store.nodes().await.unwrap().into_iter().filter(|node| !node.left).count();
            assert_eq!(stay, 0, "a node left before the store had what it told");
            let (url, place) = (self.servers.url().parse().unwrap(), &self.store);
            let audit = audit_elsewhere(&url, place, None, None).await.unwrap();
            for check in audit.checks.iter().filter(|it| AUDITED.contains(&it.name)) {
                assert!(check.clean, "{audit}");
            }
            let fold = check_events(&store).await.unwrap();
            let stored = Stored::of(&store, fold).await;
            store.close().await;
            stored
        }))
    }
}
