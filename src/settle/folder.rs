//! The folder of a campaign's batches: their files, what was sent to the bank, and what it answered.
//!
//! | file | what |
//! |---|---|
//! | `batch-000012*` | see [`files`](super::files); the manifest comes last, and without it there is no batch |
//! | `batch-000012-sent.json` | what was sent to the bank, and what is known of it; written before anything is sent |
//! | `batch-000012-bank-001.csv` | what was sent at once: see [`bank`](super::bank) |
//! | `id` | what the folder is known by: a batch is sent from one folder only |
//! | `lock` | held by who writes |
//!
//! A file is there whole or not at all. One that is there is never replaced by another, but for `sent.json`, which goes on.

use super::bank;
use super::files::{File, Files, LineRow, Manifest, PaymentRow, ReadFault, Row, Unsealed, read};
use super::payment::{Heard, Instruction, NotSent, Payment, Sending, send_new};
use crate::domain::{BatchNo, Fen, Hex, MerchantNo};
use jiff::tz::TimeZone;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// The folder.
#[derive(Clone, Debug)]
pub struct Batches(PathBuf);

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A file can't be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is a file of that name which is another one.
    #[error("{}: it is there, and is another one: nothing was written", .0.display())]
    Other(PathBuf),
    /// It has no such batch.
    #[error("{}: batch {} has no files here: make them first", .0.display(), .1.0)]
    NoBatch(PathBuf, BatchNo),
    /// A manifest or a record of payments can't be read.
    #[error("{}: {why}", path.display())]
    NoJson {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// What the manifest seals is not there as it was.
    #[error("batch {}: {unsealed}", batch.0)]
    Unsealed {
        /// The batch.
        batch: BatchNo,
        /// What is wrong.
        unsealed: Unsealed,
    },
    /// A table is not one of ours.
    #[error("batch {}: {name}: {fault}", batch.0)]
    Table {
        /// The batch.
        batch: BatchNo,
        /// The file.
        name: String,
        /// What is wrong.
        fault: ReadFault,
    },
    /// The folder's id is none.
    #[error("{}: not 32 hexadecimal digits", .0.display())]
    NoId(PathBuf),
    /// A sum is beyond any amount.
    #[error("batch {}: a sum is beyond any amount of money", .0.0)]
    TooMuch(BatchNo),
}

/// A batch as its files have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// What it is.
    pub manifest: Manifest,
    /// What each merchant is paid of each pool.
    pub payments: Vec<PaymentRow>,
    /// Each redemption and refund.
    pub lines: Vec<LineRow>,
}

impl Filed {
    /// The names of the merchants.
    pub fn names(&self) -> BTreeMap<MerchantNo, String> {
        self.payments.iter().map(|row| (row.merchant, row.name.clone())).collect()
    }
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The instructions, and who is left out since settlement is stopped.
    pub sending: Sending,
    /// What was to be tried again and is not.
    pub not: Vec<(MerchantNo, NotSent)>,
    /// The file for the bank; `None` if there is nothing to send.
    pub file: Option<PathBuf>,
}

/// What is known of a batch's payments.
pub type Payments = BTreeMap<MerchantNo, Payment>;

impl Batches {
    /// The folder at `path`, which need not be there.
    pub fn at(path: &Path) -> Batches {
        Batches(path.to_owned())
    }

    /// Writes a batch's files; `false` if they are there, just so. The trail may have gone on since.
    pub fn write(&self, files: &Files) -> Result<bool, Unusable> {
        let _alone = self.alone()?;
        let manifest = files.manifest_file();
        if let Some(bytes) = self.read(&manifest.name)? {
            let known = self.manifest(&manifest.name, &bytes)?;
            let same = Manifest { trail: known.trail, ..files.manifest.clone() };
            if known != same {
                return Err(Unusable::Other(self.0.join(&manifest.name)));
            }
        }
        let mut new = false;
        for file in files.files.iter().chain([&manifest]) {
            match self.read(&file.name)? {
                None => {
                    self.put(file)?;
                    new = true;
                }
                Some(bytes) if bytes == file.bytes || file.name == manifest.name => {}
                Some(_) => return Err(Unusable::Other(self.0.join(&file.name))),
            }
        }
        Ok(new)
    }

    /// A batch, its files being what the manifest seals.
    pub fn filed(&self, batch: BatchNo, zone: &TimeZone) -> Result<Filed, Unusable> {
        let name = format!("{}.json", stem(batch));
        let bytes = self.read(&name)?.ok_or_else(|| Unusable::NoBatch(self.0.clone(), batch))?;
        let manifest = self.manifest(&name, &bytes)?;
        let mut files = Vec::new();
        for sealed in &manifest.files {
            // A name that leaves the folder is none of ours.
            let name = sealed.name.clone();
            let inside = Path::new(&name).components().count() == 1;
            if let Some(bytes) = if inside { self.read(&name)? } else { None } {
                files.push(File { name, bytes });
            }
        }
        manifest.check(&files).map_err(|unsealed| Unusable::Unsealed { batch, unsealed })?;
        let payments = table(batch, &files, "-payments.csv", zone)?;
        let lines = table(batch, &files, "-lines.csv", zone)?;
        Ok(Filed { manifest, payments, lines })
    }

    /// What the folder is known by, wherever it is moved; made if there is none yet.
    pub fn id(&self) -> Result<Hex<16>, Unusable> {
        let _alone = self.alone()?;
        if let Some(bytes) = self.read("id")? {
            let id = str::from_utf8(&bytes).ok().and_then(|it| it.trim().parse().ok());
            return id.ok_or_else(|| Unusable::NoId(self.0.join("id")));
        }
        let id = Hex(rand::random());
        self.put(&File { name: "id".to_owned(), bytes: format!("{id}\n").into_bytes() })?;
        Ok(id)
    }

    /// The campaign that a batch's files are of.
    pub fn campaign(&self, batch: BatchNo) -> Result<String, Unusable> {
        let name = format!("{}.json", stem(batch));
        let bytes = self.read(&name)?.ok_or_else(|| Unusable::NoBatch(self.0.clone(), batch))?;
        Ok(self.manifest(&name, &bytes)?.campaign)
    }

    /// The batches that have files here, in order.
    pub fn all(&self) -> Result<Vec<BatchNo>, Unusable> {
        let list = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            list => list.map_err(|error| self.io("", error))?,
        };
        let mut all = Vec::new();
        for file in list {
            let name = file.map_err(|error| self.io("", error))?.file_name();
            let number =
                name.to_str().and_then(|it| it.strip_prefix("batch-")?.strip_suffix(".json"));
            all.extend(number.and_then(|it| it.parse().ok()).map(BatchNo));
        }
        all.sort_unstable();
        Ok(all)
    }

    /// What is known of a batch's payments; `None` if nothing was sent yet.
    pub fn payments(&self, batch: BatchNo) -> Result<Option<Payments>, Unusable> {
        let name = format!("{}-sent.json", stem(batch));
        let Some(bytes) = self.read(&name)? else { return Ok(None) };
        let list: Vec<Payment> =
            serde_json::from_slice(&bytes).map_err(|why| self.json(&name, &why))?;
        Ok(Some(list.into_iter().map(|it| (it.merchant, it)).collect()))
    }

    /// The payments that a batch's files have, none of them sent.
    pub fn unsent(&self, batch: BatchNo, filed: &Filed) -> Result<Payments, Unusable> {
        let mut sums: BTreeMap<MerchantNo, Fen> = BTreeMap::new();
        for row in &filed.payments {
            let sum = sums.entry(row.merchant).or_default();
            *sum = sum.checked_add(row.totals.payable).ok_or(Unusable::TooMuch(batch))?;
        }
        let payments = sums.into_iter().filter_map(|(no, fen)| Payment::new(batch, no, fen));
        Ok(payments.map(|it| (it.merchant, it)).collect())
    }

    /// Sends what was never sent, but to those held, and once more what failed of `retried`: first it is written down,
    /// then there is a file for the bank.
    pub fn send(
        &self,
        batch: BatchNo,
        filed: &Filed,
        held: &BTreeSet<MerchantNo>,
        retried: &[MerchantNo],
    ) -> Result<Sent, Unusable> {
        let _alone = self.alone()?;
        let mut payments = match self.payments(batch)? {
            Some(payments) => payments,
            None => self.unsent(batch, filed)?,
        };
        let mut sending = send_new(payments.values_mut(), held);
        let mut not = Vec::new();
        for merchant in retried {
            let Some(payment) = payments.get_mut(merchant) else {
                not.push((*merchant, NotSent::NothingToPay));
                continue;
            };
            if held.contains(merchant) {
                sending.held.insert(*merchant);
                continue;
            }
            // What was sent just now is on its way.
            match payment.send() {
                Ok(instruction) => sending.instructions.push(instruction),
                Err(why) => not.push((*merchant, why)),
            }
        }
        if !sending.instructions.is_empty() {
            self.keep(batch, &payments)?;
        }
        // What was written down and came into no file never left.
        let instructed = self.instructed(batch)?;
        let never_left = |it: &Instruction| !instructed.contains(&(it.merchant, it.attempt));
        sending.instructions =
            payments.values().filter_map(Payment::on_its_way).filter(never_left).collect();
        if sending.instructions.is_empty() {
            return Ok(Sent { sending, not, file: None });
        }
        let names = filed.names();
        let file = self.order(batch, &sending.instructions, |no| {
            names.get(&no).cloned().unwrap_or_default()
        })?;
        Ok(Sent { sending, not, file: Some(file) })
    }

    /// Hears the bank's answers; each with what it did.
    pub fn hear(
        &self,
        answers: &[bank::Answered],
    ) -> Result<Vec<(bank::Answered, Heard)>, Unusable> {
        let _alone = self.alone()?;
        let mut all: BTreeMap<BatchNo, Option<Payments>> = BTreeMap::new();
        let mut heard = Vec::new();
        for answer in answers {
            let known = match all.entry(answer.batch) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.payments(answer.batch)?),
            };
            let payment = known.as_mut().and_then(|it| it.get_mut(&answer.merchant));
            let said =
                payment.map_or(Heard::NeverSent, |it| it.hear(answer.attempt, answer.answer));
            heard.push((*answer, said));
        }
        for (batch, payments) in all {
            if let Some(payments) = payments {
                self.keep(batch, &payments)?;
            }
        }
        Ok(heard)
    }

    fn keep(&self, batch: BatchNo, payments: &Payments) -> Result<(), Unusable> {
        let list: Vec<&Payment> = payments.values().collect();
        let name = format!("{}-sent.json", stem(batch));
        let mut bytes = serde_json::to_vec_pretty(&list).map_err(|why| self.json(&name, &why))?;
        bytes.push(b'\n');
        self.put(&File { name, bytes })
    }

    fn order(
        &self,
        batch: BatchNo,
        instructions: &[Instruction],
        name: impl Fn(MerchantNo) -> String,
    ) -> Result<PathBuf, Unusable> {
        let bytes = bank::sent(instructions, name);
        for no in 1..=u16::MAX {
            let name = format!("{}-bank-{no:03}.csv", stem(batch));
            if self.read(&name)?.is_none() {
                self.put(&File { name: name.clone(), bytes })?;
                return Ok(self.0.join(name));
            }
        }
        Err(Unusable::Other(self.0.clone()))
    }

    /// The attempts that files for the bank have.
    fn instructed(&self, batch: BatchNo) -> Result<BTreeSet<(MerchantNo, u16)>, Unusable> {
        let mut all = BTreeSet::new();
        for no in 1..=u16::MAX {
            let Some(bytes) = self.read(&format!("{}-bank-{no:03}.csv", stem(batch)))? else {
                break;
            };
            all.extend(bank::instructed(&bytes));
        }
        Ok(all)
    }

    /// Keeps others from writing as long as it is held.
    fn alone(&self) -> Result<fs::File, Unusable> {
        fs::create_dir_all(&self.0).map_err(|error| self.io("", error))?;
        let lock = fs::File::create(self.0.join("lock")).map_err(|error| self.io("lock", error))?;
        lock.lock().map_err(|error| self.io("lock", error))?;
        Ok(lock)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Unusable> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(name, error)),
        }
    }

    /// Whole and durable, or not at all.
    fn put(&self, file: &File) -> Result<(), Unusable> {
        let (fresh, path) = (self.0.join(format!("{}.tmp", file.name)), self.0.join(&file.name));
        let write = || {
            let mut to = fs::File::create(&fresh)?;
            to.write_all(&file.bytes)?;
            to.sync_all()?;
            fs::rename(&fresh, &path)?;
            fs::File::open(&self.0)?.sync_all()
        };
        write().map_err(|error| self.io(&file.name, error))
    }

    fn manifest(&self, name: &str, bytes: &[u8]) -> Result<Manifest, Unusable> {
        serde_json::from_slice(bytes).map_err(|why| self.json(name, &why))
    }

    fn io(&self, name: &str, error: io::Error) -> Unusable {
        Unusable::Io { path: self.0.join(name), error }
    }

    fn json(&self, name: &str, why: &serde_json::Error) -> Unusable {
        Unusable::NoJson { path: self.0.join(name), why: why.to_string() }
    }
}

fn stem(batch: BatchNo) -> String {
    format!("batch-{:06}", batch.0)
}

fn table<R: Row>(
    batch: BatchNo,
    files: &[File],
    end: &str,
    zone: &TimeZone,
) -> Result<Vec<R>, Unusable> {
    let name = format!("{}{end}", stem(batch));
    let file = files.iter().find(|it| it.name == name);
    let missing = || Unusable::Unsealed { batch, unsealed: Unsealed::Missing(name.clone()) };
    let bytes = &file.ok_or_else(missing)?.bytes;
    read(bytes, zone).map_err(|fault| Unusable::Table { batch, name, fault })
}
