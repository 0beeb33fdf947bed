//! What seals a batch's files.

use super::{File, hex};
use crate::domain::Fen;
use crate::settle::{Batch, HeldBack};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a batch is, and what its files are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The campaign.
    pub campaign: String,
    /// The batch's number.
    pub batch: u32,
    /// When it was made, on the campaign's clock.
    pub made_at: String,
    /// The day on which it is paid.
    pub pay_on: String,
    /// How many merchants it pays or keeps something from.
    pub merchants: usize,
    /// What is to be paid in all.
    pub payable_fen: Fen,
    /// What is kept in all for what merchants owe.
    pub kept_fen: Fen,
    /// Who is left out since settlement is stopped.
    pub held: Vec<Held>,
    /// The files.
    pub files: Vec<Sealed>,
    /// The head of the audit chain when it was made, 64 hexadecimal digits, if there is such a chain.
    pub chain_head: Option<String>,
}

/// A merchant whose settlement is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Its number.
    pub merchant: u32,
    /// Its name.
    pub name: String,
    /// What stays due.
    pub due_fen: Fen,
}

/// A file as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub bytes: usize,
    /// Their SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// What is the matter with a folder's files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    /// A file is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// A file is not what was written.
    #[error("{0} was altered")]
    Altered(String),
    /// A file is not of the batch.
    #[error("{0} is not of this batch")]
    Strange(String),
}

impl Manifest {
    pub(super) fn of(
        batch: &Batch,
        files: &[File],
        zone: &TimeZone,
        chain_head: Option<[u8; 32]>,
    ) -> Manifest {
        let held = |it: &HeldBack| Held {
            merchant: it.merchant.0,
            name: it.name.clone(),
            due_fen: it.due,
        };
        Manifest {
            campaign: batch.head.campaign.clone(),
            batch: batch.head.batch.0,
            made_at: batch.head.made_at.in_zone(zone),
            pay_on: batch.head.pay_on.to_string(),
            merchants: batch.statements.len(),
            payable_fen: batch.total.payable,
            kept_fen: batch.total.kept,
            held: batch.held.iter().map(held).collect(),
            files: files.iter().map(Sealed::of).collect(),
            chain_head: chain_head.map(|head| hex(&head)),
        }
    }

    /// As a file's bytes.
    pub fn to_json(&self) -> Vec<u8> {
        // Names and numbers can always be written.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Whether `files` are those that were written, all of them and no other.
    pub fn check(&self, files: &[File]) -> Result<(), Unsealed> {
        for sealed in &self.files {
            let file = files.iter().find(|it| it.name == sealed.name);
            let file = file.ok_or_else(|| Unsealed::Missing(sealed.name.clone()))?;
            if Sealed::of(file) != *sealed {
                return Err(Unsealed::Altered(sealed.name.clone()));
            }
        }
        let strange =
            files.iter().find(|it| self.files.iter().all(|sealed| sealed.name != it.name));
        strange.map_or(Ok(()), |it| Err(Unsealed::Strange(it.name.clone())))
    }
}

impl Sealed {
    fn of(file: &File) -> Sealed {
        let sha256 = hex(&Sha256::digest(&file.bytes));
        Sealed { name: file.name.clone(), bytes: file.bytes.len(), sha256 }
    }
}
