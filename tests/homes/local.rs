//! Homes in one process: the machine alone, and the embedded ledger with its journal.

use crate::stores::{Kind, Scratch, Stored, place, runtime};
use crate::story::{Home, R, opening};
use quan::domain::{At, CampaignNo, KindNo, PersonId};
use quan::drain::{AtRest, Drain, Step};
use quan::ledger::embedded::{Embedded, Outcome};
use quan::ledger::journal::{Folder, Options};
use quan::ledger::machine::{Command, Held, Machine, Summary};
use quan::ledger::service::{BatchStats, Ledger, LocalLedger, Watcher, told};
use quan::store::{LogNo, Store, check_journal};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};
use tokio::runtime::Runtime;

const C: CampaignNo = CampaignNo(0);

/// Nobody follows.
pub(crate) struct Nobody;

impl Watcher for Nobody {
    fn campaign(&mut self, _: u64, _: CampaignNo, _: &Summary) {}
    fn batch(&mut self, _: &BatchStats) {}
}

/// The machine.
#[derive(Default)]
pub(crate) struct Alone(Machine);

impl Home for Alone {
    fn campaign(&self) -> CampaignNo {
        C
    }

    fn name(&self) -> &'static str {
        "test"
    }

    fn open(&mut self, now: At, budget: u64) -> Outcome {
        self.told(0, now, opening("test", budget))
    }

    fn told(&mut self, _: usize, now: At, command: Command) -> Outcome {
        match self.0.execute(&command, now) {
            Ok(decision) => Outcome::Yes(decision.answer),
            Err(no) => Outcome::No(no),
        }
    }

    fn coupons(&mut self, _: usize, person: PersonId) -> Vec<Held> {
        self.0.holders().filter(|(_, who, _)| *who == person).map(|(.., held)| held).collect()
    }

    fn left(&mut self, _: usize, kind: KindNo, _: u32) -> u32 {
        self.0.left(C, R, kind).unwrap()
    }

    fn end(&mut self) -> Option<Stored> {
        None
    }
}

/// The embedded ledger.
pub(crate) struct Here {
    runtime: Runtime,
    journal: PathBuf,
    store: Store,
    clock: Arc<AtomicI64>,
    ledger: Option<LocalLedger>,
}

impl Here {
    pub(crate) fn new(scratch: &Scratch, kind: Kind) -> Here {
        let (runtime, journal) = (runtime(), scratch.file("journal"));
        let place = place(&runtime, scratch, kind);
        let store = runtime.block_on(Store::open(&place)).unwrap();
        let clock = Arc::default();
        let mut here = Here { runtime, journal, store, clock, ledger: None };
        here.start(At(0));
        here
    }

    fn start(&mut self, now: At) {
        let disk = Folder::open(&self.journal).unwrap();
        let options = Options { segment_bytes: 1 << 20, ..Options::default() };
        let embedded = Embedded::open(disk, options, now).unwrap();
        let clock = Arc::clone(&self.clock);
        let time = move || At(clock.load(Relaxed));
        self.ledger = Some(LocalLedger::start(embedded, time, Box::new(Nobody)).unwrap());
    }

    /// Ends the ledger and carries the journal to the store.
    fn stop(&mut self) {
        self.ledger.take().unwrap().close();
        let disk = Folder::open(&self.journal).unwrap();
        self.runtime.block_on(async {
            let source = |seq| Ok(AtRest::new(&disk, seq)?);
            let mut drain = Drain::open(self.store.clone(), LogNo::EMBEDDED, source).await.unwrap();
            while drain.step().await.unwrap() != Step::Empty {}
        });
    }

    fn ledger(&self) -> &LocalLedger {
        self.ledger.as_ref().unwrap()
    }
}

impl Home for Here {
    fn campaign(&self) -> CampaignNo {
        C
    }

    fn name(&self) -> &'static str {
        "test"
    }

    fn open(&mut self, now: At, budget: u64) -> Outcome {
        self.told(0, now, opening("test", budget))
    }

    fn told(&mut self, _: usize, now: At, command: Command) -> Outcome {
        self.clock.store(now.0, Relaxed);
        self.runtime.block_on(told(self.ledger(), command)).unwrap()
    }

    fn coupons(&mut self, _: usize, person: PersonId) -> Vec<Held> {
        self.runtime.block_on(self.ledger().coupons(C, person)).unwrap()
    }

    fn left(&mut self, _: usize, kind: KindNo, _: u32) -> u32 {
        let summary = self.ledger().view().campaign(C).unwrap();
        summary.round(R).unwrap().stock[usize::from(kind.0)].left()
    }

    fn interrupt(&mut self, now: At) {
        self.stop();
        self.start(now);
    }

    fn end(&mut self) -> Option<Stored> {
        self.stop();
        Some(self.runtime.block_on(async {
            let fold = check_journal(&self.journal, &self.store).await.unwrap();
            let stored = Stored::of(&self.store, fold).await;
            self.store.clone().close().await;
            stored
        }))
    }
}
