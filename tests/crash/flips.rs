//! A journal of 64 KiB in memory, every byte of which is flipped once.

use quan::domain::{
    At, CampaignNo, Fen, IdentifierKind, KeyedHash, KindNo, KindSet, PassNonce, PersonId, PoolNo,
    ProofId, RoundNo, Window,
};
use quan::ledger::{
    embedded::{Embedded, OpenError, Outcome},
    event::{Armed, Bound, KindTerms},
    journal::{
        Disk, DiskFile, Entry, Error, Options,
        entry::{HEADER, PREFIX},
    },
    machine::{Command, Grant},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

const NOW: At = At(1_693_533_600_000);
/// The least length of the journal, all segments together.
const BYTES: usize = 64 << 10;
const ID: u64 = 7;
const OPTIONS: Options = Options { segment_bytes: 24 << 10, at_least: 0, journal: ID };
const CAMPAIGN: CampaignNo = CampaignNo(0);
const ROUND: RoundNo = RoundNo(1);

/// A segment's name, and where its records begin; the last is where they end.
type Records = BTreeMap<String, Vec<usize>>;

/// Flips every byte of a journal before its last seal, one at a time, each by some pattern of its
/// own. Every time the ledger must refuse to open and name the very record. Gives how many.
pub(crate) fn every_byte() -> usize {
    let disk = journal();
    let records = records(&disk);
    let places: Vec<(&str, usize)> = records
        .iter()
        .flat_map(|(name, starts)| (0..*starts.last().expect("an end")).map(|at| (&**name, at)))
        .collect();
    assert!((BYTES..2 * BYTES).contains(&places.len()), "{}", places.len());
    thread::scope(|scope| {
        for part in places.chunks(places.len().div_ceil(2)) {
            let (disk, records) = (disk.copy(), &records);
            scope.spawn(move || flip_all(&disk, part, records));
        }
    });
    places.len()
}

fn flip_all(disk: &Memory, places: &[(&str, usize)], records: &Records) {
    let mut rng = StdRng::seed_from_u64(places.len() as u64);
    for &(name, at) in places {
        let pattern: u8 = rng.random_range(1..=255);
        let flip = || disk.file(name).expect("a segment").bytes()[at] ^= pattern;
        flip();
        let opened = Embedded::open(disk.clone(), OPTIONS, NOW).map(drop);
        let Err(OpenError::Journal(Error::Damage { file, offset, .. })) = opened else {
            panic!("{name} at {at} flipped by {pattern}: {opened:?}")
        };
        let starts = records[name].iter().copied();
        let record = starts.take_while(|start| *start <= at).last().expect("the header is one");
        assert_eq!((&*file, offset), (name, record as u64), "{at} flipped by {pattern}");
        flip();
    }
}

/// Where the records of each segment begin, the header first; the last seal is left out.
fn records(disk: &Memory) -> Records {
    let mut records = Records::new();
    for (name, file) in &*disk.files() {
        let (file, mut starts, mut at) = (file.bytes(), vec![0], HEADER);
        while let Some((_, length)) = Entry::decode(&file[at..], ID) {
            starts.push(at);
            at += length;
        }
        starts.push(at);
        records.insert(name.clone(), starts);
    }
    let mut last = records.last_entry().expect("a journal");
    let end = last.get_mut().pop();
    assert_eq!(end.zip(last.get().last()).map(|(end, seal)| end - seal), Some(PREFIX));
    records
}

/// A rush in batches of two to sixteen, sealed twice: so even the first seal is proven.
fn journal() -> Memory {
    let disk = Memory::default();
    let mut ledger = Embedded::open(disk.clone(), OPTIONS, NOW).expect("an empty disk");
    let mut batch = |commands: &[Command]| {
        let batch = ledger.decide_all(commands.iter(), NOW);
        let outcomes = ledger.commit(batch).outcomes;
        assert!(outcomes.iter().all(|it| matches!(it, Outcome::Yes(_))), "{outcomes:?}");
    };
    batch(&[opening(), arming()]);
    for round in 0..60_u32 {
        let people = round * 8..round * 8 + 1 + round % 8;
        batch(&people.flat_map(|who| [bind(who), grant(who)]).collect::<Vec<_>>());
    }
    ledger.seal(NOW).expect("a healthy disk");
    ledger.seal(NOW).expect("a healthy disk");
    disk
}

fn opening() -> Command {
    let kinds = vec![KindTerms {
        name: "ten".into(),
        pool: PoolNo(0),
        face: Fen::new(1_000),
        threshold: Fen::new(5_000),
    }];
    let pools = vec![("retail".into(), Fen::new(1_000_000_000))];
    Command::Open { name: "flipped".into(), pools, kinds }
}

fn arming() -> Command {
    let window = Window { from: NOW, until: NOW.plus_ms(3_600_000) };
    Command::Arm(CAMPAIGN, Armed { round: ROUND, window, quantities: vec![10_000] })
}

/// Sixteen bytes that look like nothing.
fn random(who: u32, label: u64) -> [u8; 16] {
    StdRng::seed_from_u64(u64::from(who) << 8 | label).random()
}

fn bind(who: u32) -> Command {
    let hash = |label| KeyedHash(random(who, label));
    let identifiers = [
        (IdentifierKind::Account, hash(1)),
        (IdentifierKind::Phone, hash(2)),
        (IdentifierKind::Card, hash(3)),
        (IdentifierKind::Device, hash(4)),
    ];
    let bound = Bound {
        round: ROUND,
        person: PersonId(random(who, 5)),
        pass: PassNonce(random(who, 6)),
        kinds: KindSet(1),
        expires_at: NOW.plus_ms(900_000),
        proofs: [ProofId(random(who, 7)), ProofId(random(who, 8))],
        identifiers,
    };
    Command::Bind(CAMPAIGN, bound)
}

fn grant(who: u32) -> Command {
    let (person, pass) = (PersonId(random(who, 5)), PassNonce(random(who, 6)));
    Command::Grant(Grant { campaign: CAMPAIGN, round: ROUND, kind: KindNo(0), person, pass })
}

/// A file of a disk in memory.
#[derive(Clone, Default)]
struct Content(Arc<Mutex<Vec<u8>>>);

impl Content {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl DiskFile for Content {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (mut file, from) = (self.bytes(), usize::try_from(offset).expect("a short file"));
        let (end, len) = (from + bytes.len(), file.len());
        file.resize(len.max(end), 0);
        file[from..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Content>>>);

impl Memory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Content>> {
        self.0.lock().expect("nobody panics with it")
    }

    fn file(&self, name: &str) -> io::Result<Content> {
        self.files().get(name).cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    /// A disk of its own with the same files.
    fn copy(&self) -> Memory {
        let copied = Memory::default();
        for (name, file) in &*self.files() {
            let file = Content(Arc::new(Mutex::new(file.bytes().clone())));
            copied.files().insert(name.clone(), file);
        }
        copied
    }
}

impl Disk for Memory {
    type File = Content;
    type Lock = ();

    fn lock(&self) -> io::Result<Option<()>> {
        Ok(Some(()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files().keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.file(name)?.bytes().clone())
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let from = usize::try_from(offset).expect("a short file");
        Ok(self.read(name)?.into_iter().skip(from).take(len).collect())
    }

    fn create(&self, name: &str) -> io::Result<Content> {
        let file = Content::default();
        self.files().insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.file(from)?;
        self.remove(from)?;
        self.files().insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files().remove(name).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
}
