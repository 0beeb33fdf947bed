//! The nodes of a played week, which stop and start again at each jump of time.

use super::super::server::{Server, Start};
use super::super::site::{Backing, Ledger};
use super::super::{Options, elsewhere};
use super::{merchants, now};
use crate::audit::Audit;
use crate::clock;
use crate::domain::At;
use crate::pass::write_fresh;
use crate::plan::Plan;
use crate::store;
use anyhow::{Context, Result};
use loadtest::Till;
use std::{ffi::OsString, net::SocketAddr, path::Path, path::PathBuf};

/// Between two phases time goes on at least so much.
const LEAST_JUMP_MS: i64 = 1_000;
/// How long nodes take to start, before that is known.
const START_MS: i64 = 1_000;

pub(super) struct Stage {
    options: Options,
    home: PathBuf,
    keys: PathBuf,
    merchants: PathBuf,
    tills: Vec<Till>,
    backing: Backing,
    nodes: Vec<Server>,
    /// What the clock showed when the nodes were started, and when that was.
    clock: Option<(At, At)>,
    /// How long the nodes took to start, the last time.
    start_ms: i64,
}

impl Stage {
    /// Makes keys and merchants below `home`, and starts the servers behind the nodes.
    pub(super) async fn set(options: &Options, plan: &Plan, home: &Path) -> Result<Stage> {
        let (keys, files) = (home.join("keys"), home.join("merchants"));
        write_fresh(&keys, &mut rand::rng())?;
        let tills = merchants::write(plan, &files, &keys, &mut rand::rng())?;
        let (site, below) = (options.site.clone(), home.to_owned());
        let backing = tokio::task::spawn_blocking(move || site.start(&below)).await??;
        Ok(Stage {
            options: options.clone(),
            home: home.to_owned(),
            keys,
            merchants: files,
            tills,
            backing,
            nodes: vec![],
            clock: None,
            start_ms: START_MS,
        })
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn keys(&self) -> &Path {
        &self.keys
    }

    pub(super) fn merchants(&self) -> &Path {
        &self.merchants
    }

    pub(super) fn tills(&self) -> &[Till] {
        &self.tills
    }

    /// Starts all nodes with a clock that shows about `at` when they serve, or later if time has come further already;
    /// gives their URLs.
    pub(super) async fn open(&mut self, at: At) -> Result<Vec<String>> {
        let started = now();
        let wall = started.plus_ms(self.start_ms);
        let reached = self.clock.map(|(showed, when)| {
            showed.plus_ms(wall.ms_since(when).saturating_add(LEAST_JUMP_MS))
        });
        let shows = reached.map_or(at, |reached| at.max(reached));
        self.clock = Some((shows, wall));
        // One instant for all nodes, however long each takes to start.
        let clock = clock::Start { shows, when: Some(wall) };
        for node in 0..self.options.site.nodes {
            let start = Start {
                program: &self.options.program,
                config: &self.options.config,
                data: &self.data(node),
                keys: &self.keys,
                clock,
                merchants: Some(&self.merchants),
                backing: &self.backing.arguments,
                stays: false,
                log: &self.home.join(format!("server-{node}.log")),
            };
            self.nodes.push(Server::start(&start).await?);
        }
        self.start_ms = now().ms_since(started);
        Ok(self.nodes.iter().map(|node| format!("http://{}", node.public)).collect())
    }

    /// The first node's ops address.
    pub(super) fn ops(&self) -> Result<SocketAddr> {
        Ok(self.nodes.first().context("no node serves")?.ops)
    }

    pub(super) fn program(&self) -> &Path {
        &self.options.program
    }

    /// What tells a command where the logs are, and the plan.
    pub(super) fn logs(&self) -> Vec<OsString> {
        let mut arguments = vec!["--config".into(), self.options.config.clone().into()];
        match self.backing.ledger_and_store() {
            Some((ledger, store)) => {
                let said = ["--ledger", ledger, "--store", store];
                arguments.extend(said.map(OsString::from));
            }
            None => arguments.extend(["--data".into(), self.data(0).into_os_string()]),
        }
        arguments
    }

    /// What tells a command where the store is.
    pub(super) fn store(&self) -> Vec<OsString> {
        match self.backing.ledger_and_store() {
            Some((_, store)) => ["--store", store].map(OsString::from).into(),
            None => vec!["--data".into(), self.data(0).into_os_string()],
        }
    }

    /// Lets all nodes finish what they have in hand.
    pub(super) async fn close(&mut self) -> Result<()> {
        for node in self.nodes.drain(..) {
            node.stop().await?;
        }
        Ok(())
    }

    /// Audits what the nodes have left, who must have stopped.
    pub(super) async fn audit(&self, record: &Path) -> Result<Audit> {
        match self.options.site.ledger {
            Ledger::Embedded => Ok(store::audit(&self.data(0), Some(record), None).await?),
            Ledger::Redis => elsewhere(&self.backing, record).await,
        }
    }

    /// Lets the data stay where it is, and the servers behind the nodes run on.
    #[expect(clippy::print_stderr, reason = "people want to know where it is")]
    pub(super) fn leave(self) {
        eprintln!("kept: {}", self.home.display());
        self.backing.leave();
    }

    fn data(&self, node: u8) -> PathBuf {
        self.home.join(format!("data-{node}"))
    }
}
