//! What this node has told people: written down and synced before it tells them.
//!
//! A replica that is promoted may lack what the old master had. What somebody was told must be there
//! all the same, so each node keeps the entries that its answers rest on, and hands them over when a
//! log is [recovered](super::recovery).
//!
//! # What always holds
//!
//! - A record is durable before anybody is told what it is of.
//! - Nothing is removed while the store may lack it.
//! - What is handed over when an epoch is closed is all there will ever be of it.
//!
//! The folder holds generations, each a [journal](crate::ledger::journal) of its own in a folder
//! named by a number; a new one is begun at each start and when one is full. A record is, in
//! little-endian numbers:
//!
//! ```text
//! log u32 | epoch u64 | seq u64 | entry u8 | if 1: at i64, body ..
//! ```

use crate::domain::At;
use crate::ledger::journal::{self, Disk, Entry, Folder, Journal, Options, Reader};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};
use tokio::sync::oneshot;

/// A generation that has grown to this is closed.
const GENERATION_BYTES: u64 = 64 << 20;
/// The segments of a generation.
const SEGMENT_BYTES: usize = 8 << 20;
/// Requests that are written with one sync at most.
const WRITES: usize = 1_024;

/// An answer was given that rests on a log as it stood at `seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    /// The log's number.
    pub log: u32,
    /// The epoch it was in.
    pub epoch: u64,
    /// The last seq that the answer rests on.
    pub seq: u64,
    /// The entry of that seq, if this node wrote it: its instant and body.
    pub entry: Option<(At, Vec<u8>)>,
}

impl Ack {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend(self.log.to_le_bytes());
        out.extend(self.epoch.to_le_bytes());
        out.extend(self.seq.to_le_bytes());
        match &self.entry {
            Some((at, body)) => {
                out.push(1);
                out.extend(at.0.to_le_bytes());
                out.extend(body);
            }
            None => out.push(0),
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Ack> {
        let (log, rest) = bytes.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let entry = match rest {
            [0] => None,
            [1, rest @ ..] => {
                let (at, body) = rest.split_first_chunk()?;
                Some((At(i64::from_le_bytes(*at)), body.to_vec()))
            }
            _ => return None,
        };
        let (log, epoch) = (u32::from_le_bytes(*log), u64::from_le_bytes(*epoch));
        Some(Ack { log, epoch, seq: u64::from_le_bytes(*seq), entry })
    }
}

/// Why what was told can't be written down or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder.
    #[error("{}: {source}", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A generation.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// A record that is none.
    #[error("generation {generation}, entry {seq}: not a record of this version")]
    Foreign {
        /// The generation.
        generation: u64,
        /// Its entry.
        seq: u64,
    },
}

enum Message {
    Write(Vec<Ack>, oneshot::Sender<bool>),
    Read(u32, u64, oneshot::Sender<Result<Vec<Ack>, Error>>),
    Close(u32, u64, oneshot::Sender<Result<Vec<Ack>, Error>>),
    Forget(BTreeMap<u32, u64>),
}

/// The acknowledgements of this node, written by a thread of their own.
pub(super) struct Acks {
    bytes: Arc<AtomicU64>,
    /// By log, the last seq that was told before this start.
    told: Mutex<BTreeMap<u32, u64>>,
    failed: Arc<AtomicBool>,
    sender: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Acks {
    /// Begins a new generation in `folder`; those before it stay until they are forgotten.
    pub(super) fn open(folder: &Path, now: At) -> Result<Acks, Error> {
        let mut book = Book::open(folder, now)?;
        let (sender, inbox) = channel();
        let (bytes, failed) = (Arc::clone(&book.bytes), Arc::clone(&book.failed));
        let mut told: BTreeMap<u32, u64> = BTreeMap::new();
        for generation in generations(folder)? {
            each(folder, generation, |ack| {
                let last = told.entry(ack.log).or_default();
                *last = ack.seq.max(*last);
            })?;
        }
        let thread = thread::Builder::new().name("acks".into());
        let thread =
            thread.spawn(move || book.serve(&inbox)).map_err(|source| fault(folder, source))?;
        let told = Mutex::new(told);
        Ok(Acks { bytes, told, failed, sender: Some(sender), thread: Some(thread) })
    }

    /// Writes `acks` down; `true` once they are durable, `false` if they can't be or their epoch is closed.
    pub(super) async fn write(&self, acks: Vec<Ack>) -> bool {
        let (told, durable) = oneshot::channel();
        self.send(Message::Write(acks, told)) && durable.await.unwrap_or(false)
    }

    /// The last seq of `log` that was told before this start; 0 if none is known.
    pub(super) fn told(&self, log: u32) -> u64 {
        self.told.lock().get(&log).copied().unwrap_or(0)
    }

    /// That counts only up to `seq`: the log went on without what comes after.
    pub(super) fn told_only(&self, log: u32, seq: u64) {
        self.told.lock().insert(log, seq);
    }

    /// Whether nothing can be written down any more, so that nothing is told, until a restart.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Bytes written since the start.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// What was told of `log` up to `epoch`, in the order of being told; from here on no more is written of it.
    pub(super) async fn close(&self, log: u32, epoch: u64) -> Option<Result<Vec<Ack>, Error>> {
        let (told, read) = oneshot::channel();
        self.send(Message::Close(log, epoch, told)).then_some(())?;
        read.await.ok()
    }

    /// What was told of `log` up to `epoch`; more may come.
    pub(super) async fn read(&self, log: u32, epoch: u64) -> Option<Result<Vec<Ack>, Error>> {
        let (told, read) = oneshot::channel();
        self.send(Message::Read(log, epoch, told)).then_some(())?;
        read.await.ok()
    }

    /// The store has each log up to that seq: what is of no more use may go.
    pub(super) fn forget(&self, stored: BTreeMap<u32, u64>) {
        self.send(Message::Forget(stored));
    }

    fn send(&self, message: Message) -> bool {
        self.sender.as_ref().is_some_and(|sender| sender.send(message).is_ok())
    }
}

impl Drop for Acks {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// The folder and the generation that is written.
struct Book {
    _lock: std::fs::File,
    folder: PathBuf,
    generation: u64,
    journal: Journal<Folder>,
    /// Bytes of this generation and of those before it since the start.
    bytes: Arc<AtomicU64>,
    failed: Arc<AtomicBool>,
    closed: u64,
    /// By log, the last epoch that was closed.
    epochs: BTreeMap<u32, u64>,
    now: At,
}

impl Book {
    fn open(folder: &Path, now: At) -> Result<Book, Error> {
        let disk = Folder::open(folder).map_err(|source| fault(folder, source))?;
        // Two processes that tell people as one node would each close epochs for the other.
        let lock = disk.lock().map_err(|source| fault(folder, source))?;
        let lock = lock.ok_or(journal::Error::Locked)?;
        let generation = generations(folder)?.last().map_or(1, |last| last + 1);
        let journal = begin(folder, generation, now)?;
        Ok(Book {
            _lock: lock,
            folder: folder.to_owned(),
            generation,
            journal,
            bytes: Arc::default(),
            failed: Arc::default(),
            closed: 0,
            epochs: BTreeMap::new(),
            now,
        })
    }

    fn serve(&mut self, inbox: &Receiver<Message>) {
        while let Ok(message) = inbox.recv() {
            let mut next = Some(message);
            let mut told = Vec::new();
            while let Some(Message::Write(acks, durable)) =
                next.take_if(|it| matches!(it, Message::Write(..)))
            {
                if acks.iter().any(|ack| self.is_closed(ack)) {
                    // Who asked may have gone.
                    let _ = durable.send(false);
                } else {
                    for ack in acks {
                        // A journal that refuses says so when it is to commit.
                        let _ = self.journal.append(self.now, ack.encode());
                    }
                    told.push(durable);
                }
                if told.len() < WRITES {
                    next = inbox.try_recv().ok();
                }
            }
            if !told.is_empty() {
                self.commit(told);
            }
            match next {
                Some(Message::Close(log, epoch, reply)) => {
                    drop(reply.send(self.close(log, epoch)));
                }
                Some(Message::Read(log, epoch, reply)) => {
                    drop(reply.send(self.read(log, epoch)));
                }
                Some(Message::Forget(stored)) => self.forget(&stored),
                Some(Message::Write(..)) | None => {}
            }
        }
    }

    fn commit(&mut self, told: Vec<oneshot::Sender<bool>>) {
        let durable = self.journal.commit();
        if let Err(error) = &durable {
            self.failed.store(true, Relaxed);
            tracing::error!(%error, "what is told can't be written down: nothing is told until a restart");
        }
        self.bytes.store(self.closed.saturating_add(self.journal.bytes()), Relaxed);
        for told in told {
            // Who asked may have gone.
            let _ = told.send(durable.is_ok());
        }
        if self.journal.bytes() > GENERATION_BYTES {
            match begin(&self.folder, self.generation + 1, self.now) {
                Ok(journal) => {
                    self.closed = self.closed.saturating_add(self.journal.bytes());
                    (self.generation, self.journal) = (self.generation + 1, journal);
                }
                Err(error) => {
                    tracing::warn!(%error, "the acknowledgements go on in the same generation");
                }
            }
        }
    }

    fn is_closed(&self, ack: &Ack) -> bool {
        self.epochs.get(&ack.log).is_some_and(|closed| ack.epoch <= *closed)
    }

    fn close(&mut self, log: u32, epoch: u64) -> Result<Vec<Ack>, Error> {
        let closed = self.epochs.entry(log).or_default();
        *closed = epoch.max(*closed);
        self.read(log, epoch)
    }

    fn read(&self, log: u32, epoch: u64) -> Result<Vec<Ack>, Error> {
        let mut found = Vec::new();
        for generation in generations(&self.folder)? {
            each(&self.folder, generation, |ack| {
                if ack.log == log && ack.epoch <= epoch {
                    found.push(ack);
                }
            })?;
        }
        Ok(found)
    }

    fn forget(&self, stored: &BTreeMap<u32, u64>) {
        if let Err(error) = self.forget_all(stored) {
            tracing::warn!(%error, "old acknowledgements stay");
        }
    }

    /// Removes what comes before this generation, oldest first, while the store has all of it.
    fn forget_all(&self, stored: &BTreeMap<u32, u64>) -> Result<(), Error> {
        for generation in generations(&self.folder)? {
            let mut needed = generation >= self.generation;
            each(&self.folder, generation, |ack| {
                needed |= stored.get(&ack.log).is_none_or(|stored| *stored < ack.seq);
            })?;
            if needed {
                break;
            }
            let path = place(&self.folder, generation);
            fs::remove_dir_all(&path).map_err(|source| fault(&path, source))?;
        }
        Ok(())
    }
}

fn fault(path: &Path, source: io::Error) -> Error {
    Error::Folder { path: path.to_owned(), source }
}

fn place(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("{generation:020}"))
}

fn begin(folder: &Path, generation: u64, now: At) -> Result<Journal<Folder>, Error> {
    let path = place(folder, generation);
    let disk = Folder::open(&path).map_err(|source| fault(&path, source))?;
    let options = Options { segment_bytes: SEGMENT_BYTES, ..Options::default() };
    Ok(Journal::open(disk, options, now)?)
}

/// The generations there are, oldest first.
fn generations(folder: &Path) -> Result<Vec<u64>, Error> {
    let found = fs::read_dir(folder).map_err(|source| fault(folder, source))?;
    let numbers = found.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn each(folder: &Path, generation: u64, mut what: impl FnMut(Ack)) -> Result<(), Error> {
    let path = place(folder, generation);
    let disk = Folder::open(&path).map_err(|source| fault(&path, source))?;
    for entry in Reader::all(&disk)? {
        let Entry { seq, seal, body, .. } = entry?;
        if !seal {
            what(Ack::decode(&body).ok_or(Error::Foreign { generation, seq })?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(log: u32, seq: u64) -> Ack {
        let entry = seq.is_multiple_of(2).then(|| (At(7), vec![1, 2, 3]));
        Ack { log, epoch: 4, seq, entry }
    }

    #[tokio::test]
    async fn i3_what_was_told_is_there_after_a_restart_and_until_the_store_has_it() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..3 {
            let acks = Acks::open(folder.path(), At(1)).unwrap();
            for seq in 1..=4 {
                assert!(acks.write(vec![ack(256, round * 4 + seq), ack(257, seq)]).await);
            }
        }
        let acks = Acks::open(folder.path(), At(1)).unwrap();
        let told = acks.close(256, 4).await.unwrap().unwrap();
        assert_eq!(told, (1..=12).map(|seq| ack(256, seq)).collect::<Vec<_>>());
        // The first generation is of no more use, the second is.
        acks.forget(BTreeMap::from([(256, 7), (257, 4)]));
        let told = acks.close(256, 4).await.unwrap().unwrap();
        assert_eq!(told.first().map(|ack| ack.seq), Some(5));
        acks.forget(BTreeMap::from([(256, 100)]));
        let told = acks.close(256, 4).await.unwrap().unwrap();
        assert_eq!(told.len(), 8, "the store lacks log 257");
        acks.forget(BTreeMap::from([(256, 100), (257, 100)]));
        assert_eq!(acks.close(256, 4).await.unwrap().unwrap(), []);
    }

    #[tokio::test]
    async fn i3_what_is_handed_over_at_a_close_is_all_there_will_be_of_that_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let acks = Acks::open(folder.path(), At(1)).unwrap();
        let later = Ack { epoch: 5, ..ack(256, 3) };
        assert!(acks.write(vec![ack(256, 1)]).await);
        assert_eq!(acks.close(256, 4).await.unwrap().unwrap(), [ack(256, 1)]);
        assert!(!acks.write(vec![ack(256, 2)]).await, "another may stand there in the next epoch");
        assert!(acks.write(vec![ack(257, 1)]).await, "of another log");
        assert!(acks.write(vec![later.clone()]).await, "of the next epoch");
        assert_eq!(acks.close(256, 4).await.unwrap().unwrap(), [ack(256, 1)]);
        assert_eq!(acks.close(256, 5).await.unwrap().unwrap(), [ack(256, 1), later]);
    }

    #[test]
    fn a_record_is_read_whole_or_not_at_all() {
        let bytes = ack(256, 2).encode();
        assert_eq!(bytes.len(), 4 + 8 + 8 + 1 + 8 + 3);
        assert_eq!(Ack::decode(&bytes), Some(ack(256, 2)));
        assert!((0..28).all(|end| Ack::decode(&bytes[..end]).is_none()));
    }
}
