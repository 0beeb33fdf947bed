//! A place's log as the drain reads it.

use super::entry;
use super::keys::Key;
use super::place::Cell;
use super::scripts::{LookReply, look};
use super::topology::Topology;
use crate::drain::{Source, SourceError};
use crate::ledger::journal::Entry;
use redis::{Client, Cmd, Connection, ConnectionLike, ErrorKind, ServerErrorKind, Value};
use std::{sync::Arc, time::Duration};

/// How long a server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Entries that stay although the store has them, for nodes that are reading on.
const KEPT: u64 = 10_000;

/// Why the log can't be read just now.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the log can't be reached: {0}")]
    Redis(String),
    #[error("the server does not know the script")]
    Script,
    #[error("the log is fenced, or its epoch is closed")]
    Shut,
}

/// Reads a place's log, as long as this node believes in its epoch.
pub(crate) struct Stream {
    topology: Arc<Topology>,
    cell: Arc<Cell>,
    connection: Option<Connection>,
    /// The server that a server which was asked says to ask instead.
    moved: Option<String>,
    next: u64,
    end: u64,
    trimmed: u64,
}

impl Stream {
    pub(super) fn after(topology: Arc<Topology>, cell: Arc<Cell>, seq: u64) -> Stream {
        Stream {
            topology,
            cell,
            connection: None,
            moved: None,
            next: seq.saturating_add(1),
            end: seq,
            trimmed: 0,
        }
    }

    fn ask(&mut self, command: &Cmd) -> Result<Value, Fault> {
        let mut moved = None;
        let asked = self.connect().and_then(|connection| {
            // What the server refuses comes as an answer: a master that is none any more says `MOVED`.
            let answer = connection.req_command(command).and_then(Value::extract_error);
            answer
                .inspect_err(|error| {
                    moved = error.redirect_node().map(|(server, _)| server.to_owned());
                })
                .map_err(|error| match error.kind() {
                    ErrorKind::Server(ServerErrorKind::NoScript) => Fault::Script,
                    _ => Fault::Redis(error.to_string()),
                })
        });
        asked.inspect_err(|_| {
            self.connection = None;
            self.moved = moved;
        })
    }

    fn connect(&mut self) -> Result<&mut Connection, Fault> {
        if self.connection.is_none() {
            let fault = |error: redis::RedisError| Fault::Redis(error.to_string());
            let url = match self.moved.take() {
                Some(server) => Some(self.topology.url(&server)),
                None => self.topology.owner(self.cell.place.slot()).map(|(_, url)| url),
            };
            let url = url.ok_or_else(|| Fault::Redis("nobody owns its slot".to_owned()))?;
            let client = Client::open(url).map_err(fault)?;
            let connection = client.get_connection_with_timeout(ANSWER_WITHIN).map_err(fault)?;
            connection.set_read_timeout(Some(ANSWER_WITHIN)).map_err(fault)?;
            connection.set_write_timeout(Some(ANSWER_WITHIN)).map_err(fault)?;
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or(Fault::Shut)
    }

    /// Whether the master that is read from is the one of the epoch that this node believes in. A master that was
    /// replaced says so of itself too, but of an epoch that is closed by the time its successor decides.
    fn believed(&mut self) -> Result<(), Fault> {
        let call = look(self.cell.place);
        let answer = match self.ask(&call.cmd()) {
            Err(Fault::Script) => self.ask(&call.eval_cmd())?,
            answer => answer?,
        };
        let looked = LookReply::read(answer).map_err(|error| Fault::Redis(error.to_string()))?;
        let seen = self.cell.seen();
        match looked {
            LookReply::Seen { open: true, epoch, seq, .. }
                if seen.decides() && epoch == seen.epoch =>
            {
                drop(seen);
                self.end = seq;
                Ok(())
            }
            _ => Err(Fault::Shut),
        }
    }
}

impl Source for Stream {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>, SourceError> {
        self.believed().map_err(SourceError::unavailable)?;
        if self.next > self.end {
            return Ok(Vec::new());
        }
        let range = entry::range(self.cell.place, self.next, most);
        let answer = self.ask(&range).map_err(SourceError::unavailable)?;
        let logged =
            entry::read(self.cell.place, self.next, answer).map_err(SourceError::damaged)?;
        let entries: Vec<Entry> = logged.into_iter().map(|logged| logged.entry).collect();
        self.next = entries.last().map_or(self.next, |entry| entry.seq.saturating_add(1));
        Ok(entries)
    }

    fn end(&self) -> u64 {
        let seen = self.cell.seen();
        self.end.max(seen.standing.seq)
    }

    fn trim(&mut self, seq: u64) {
        let until = seq.saturating_sub(KEPT);
        if until > self.trimmed.saturating_add(KEPT) {
            let mut trim = redis::cmd("XTRIM");
            trim.arg(self.cell.place.key(Key::Log)).arg("MINID").arg(format!("{until}-0"));
            if self.ask(&trim).is_ok() {
                self.trimmed = until;
            }
        }
    }
}
