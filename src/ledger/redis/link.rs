//! The way to the master of one slot, made anew when it breaks, and the durability of what it said.
//!
//! # What always holds
//!
//! - [`Fate::Done`] is durable: the master has synced it, and as many replicas as are asked for have
//!   received it. `WAIT` goes over the connection that wrote, right behind what was written.
//! - [`Fate::NotDone`] has had no effect. Whatever is in between is [`Fate::Unknown`].

use super::connection::{Connection, Error, Said};
use super::scripts::Call;
use super::topology::Topology;
use redis::{Cmd, Value, cmd};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long one `WAIT` waits.
const WAIT_MS: u64 = 200;
/// How long replicas that don't acknowledge are waited for before the outcome counts as unknown.
const SETTLE: Duration = Duration::from_secs(2);

/// A command, and its script if it calls one: a server may not know it yet.
#[derive(Clone, Debug)]
pub(super) struct Item {
    command: Cmd,
    call: Option<Call>,
}

impl Item {
    /// A script and what it is given.
    pub(super) fn script(call: Call) -> Item {
        Item { command: call.cmd(), call: Some(call) }
    }

    /// A command that is no script.
    pub(super) fn plain(command: Cmd) -> Item {
        Item { command, call: None }
    }
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    /// This is the answer, and it is durable.
    Done(Value),
    /// It has had no effect and will have none.
    NotDone(String),
    /// It may have been done, or be done yet.
    Unknown,
}

/// The way to the master of a slot.
pub(super) struct Link {
    topology: Arc<Topology>,
    slot: u16,
    /// Replicas that must have received what is told.
    replicas: u32,
    /// Writes something and says how the place stands; goes along with what only reads.
    touch: Item,
    connection: Option<Connection>,
}

impl Link {
    /// A way to the owner of `slot`; `touch` must write.
    pub(super) fn to(topology: Arc<Topology>, slot: u16, replicas: u32, touch: Item) -> Link {
        Link { topology, slot, replicas, touch, connection: None }
    }

    /// Sends `items` and then a touch, all at once; what is done of them and of the touch is durable.
    pub(super) async fn read(&mut self, items: &[Item]) -> (Vec<Fate>, Fate) {
        let mut items = items.to_vec();
        items.push(self.touch.clone());
        let mut fates = self.run(&items).await;
        let touch = fates.pop().unwrap_or(Fate::Unknown);
        (fates, touch)
    }

    /// Sends `items`, each of which writes, all at once.
    pub(super) async fn run(&mut self, items: &[Item]) -> Vec<Fate> {
        let commands = items.iter().map(|item| item.command.clone());
        let (mut fates, unknown_scripts) = self.send(commands.collect()).await;
        if !unknown_scripts.is_empty() {
            // Nothing of these ran: the server was restarted or its scripts were flushed.
            let texts = unknown_scripts
                .iter()
                .filter_map(|at| Some(items.get(*at)?.call.as_ref()?.eval_cmd()));
            let (again, _) = self.send(texts.collect()).await;
            for (at, again) in unknown_scripts.into_iter().zip(again) {
                if let Some(fate) = fates.get_mut(at) {
                    *fate = again;
                }
            }
        }
        fates
    }

    /// Gives their fates, and the places of those whose script is not known to the server.
    async fn send(&mut self, mut commands: Vec<Cmd>) -> (Vec<Fate>, Vec<usize>) {
        let count = commands.len();
        if let Err(error) = self.connect().await {
            return (vec![Fate::NotDone(error.to_string()); count], Vec::new());
        }
        let Some(connection) = &mut self.connection else {
            return (vec![Fate::NotDone("no connection".to_owned()); count], Vec::new());
        };
        if self.replicas > 0 {
            commands.push(wait(self.replicas));
        }
        let mut said = match connection.all(&commands).await {
            Ok(said) => said,
            Err(error) => {
                tracing::debug!(%error, "a connection broke");
                self.connection = None;
                return (vec![Fate::Unknown; count], Vec::new());
            }
        };
        let received =
            if self.replicas > 0 { said.pop().map_or(0, |said| number(&said)) } else { 0 };
        let mut unknown_scripts = Vec::new();
        let mut fates: Vec<Fate> = said
            .into_iter()
            .enumerate()
            .map(|(at, said)| match said {
                Said::Value(value) => Fate::Done(value),
                Said::Error(code, _) if code == "NOSCRIPT" => {
                    unknown_scripts.push(at);
                    Fate::NotDone(code)
                }
                Said::Error(code, rest) => self.refused(&code, &rest),
            })
            .collect();
        fates.resize(count, Fate::Unknown);
        let done = fates.iter().any(|fate| matches!(fate, Fate::Done(_)));
        if done && received < i64::from(self.replicas) && !self.settled().await {
            fates
                .iter_mut()
                .filter(|fate| matches!(fate, Fate::Done(_)))
                .for_each(|fate| *fate = Fate::Unknown);
        }
        (fates, unknown_scripts)
    }

    /// Scripts check everything before they write, so an error means that nothing was written.
    fn refused(&mut self, code: &str, rest: &str) -> Fate {
        match code {
            "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "READONLY" | "MASTERDOWN"
            | "LOADING" => {
                self.connection = None;
            }
            _ => tracing::error!(code, rest, "Redis refused a command"),
        }
        Fate::NotDone(format!("{code} {rest}"))
    }

    /// Waits until the replicas have received what was written; `false` if that can't be had.
    async fn settled(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < SETTLE {
            let Some(connection) = &mut self.connection else { return false };
            let both = [self.touch.command.clone(), wait(self.replicas)];
            match connection.all(&both).await.as_deref() {
                Ok([Said::Value(_), received]) if number(received) >= i64::from(self.replicas) => {
                    return true;
                }
                Ok([Said::Value(_), _]) => {}
                _ => {
                    self.connection = None;
                    return false;
                }
            }
        }
        self.connection = None;
        false
    }

    async fn connect(&mut self) -> Result<(), Error> {
        if self.connection.is_some() {
            return Ok(());
        }
        // The owner may have changed; a single server has nothing to say.
        self.topology.refresh().await;
        let (server, url) = self
            .topology
            .owner(self.slot)
            .ok_or_else(|| Error::text("cluster", format!("nobody owns slot {}", self.slot)))?;
        self.connection = Some(Connection::to(&url, &server).await?);
        Ok(())
    }
}

fn wait(replicas: u32) -> Cmd {
    cmd("WAIT").arg(replicas).arg(WAIT_MS).to_owned()
}

fn number(said: &Said) -> i64 {
    match said {
        Said::Value(Value::Int(number)) => *number,
        _ => 0,
    }
}
