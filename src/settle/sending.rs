//! Whether what a folder would send of a batch, or has sent, is what the ledger settled. Pure.
//!
//! Files can be altered, and folders mistaken for others or lost: the ledger has the last word on who is paid how much.

use super::folder::{Filed, Payments};
use super::payment::{Payment, State};
use crate::books::{self, Books};
use crate::domain::{BatchNo, CampaignNo, Fen, MerchantNo};
use std::collections::BTreeMap;

/// What the ledger has of a batch for a merchant, over all pools and logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owing {
    /// What is to be paid.
    pub payable: Fen,
    /// Whether it has a word of the bank on any of it.
    pub answered: bool,
    /// Whether it has any of it as paid.
    pub paid: bool,
}

/// A batch as the ledger has it, of each merchant to whom it pays something.
pub type Ledger = BTreeMap<MerchantNo, Owing>;

/// Why nothing of a batch is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlike {
    /// The files are another campaign's.
    #[error("the folder's files are of {0}: name the folder of this campaign")]
    Campaign(String),
    /// The files have another amount, or the batch took more in after they were made.
    #[error("merchant {}: the files have {files} to pay, the ledger settled {ledger}: see what was altered", merchant.0)]
    Files {
        /// The merchant.
        merchant: MerchantNo,
        /// By the files.
        files: Fen,
        /// By the ledger.
        ledger: Fen,
    },
    /// The record of what was sent has another amount.
    #[error("merchant {}: the record of what was sent has {sent}, the ledger settled {ledger}: see what was altered", merchant.0)]
    Sent {
        /// The merchant.
        merchant: MerchantNo,
        /// By the record.
        sent: Fen,
        /// By the ledger.
        ledger: Fen,
    },
    /// A record that was lost must not pay again.
    #[error(
        "merchant {}: the ledger has an answer of the bank, and nothing was sent from here: find the folder that it \
         was sent from", .0.0
    )]
    Elsewhere(MerchantNo),
    /// Persons know better than this folder.
    #[error(
        "merchant {}: the ledger has it as paid, and this folder does not: let it hear the bank's answer (--answers)",
        .0.0
    )]
    Paid(MerchantNo),
}

/// What the ledger has of a batch.
pub fn ledger(books: &Books, campaign: CampaignNo, batch: BatchNo) -> Ledger {
    let mut all = Ledger::new();
    let lines = books.lines(campaign).map(|(_, line)| line);
    for line in lines.filter(|it| it.batch == batch && it.payable() > Fen::ZERO) {
        let of = all.entry(line.merchant).or_default();
        // Parts of one fund, which fits; otherwise no file agrees with it.
        of.payable = of.payable.checked_add(line.payable()).unwrap_or(Fen::new(u64::MAX));
        of.answered |= line.payment != books::Payment::Payable;
        of.paid |= line.payment == books::Payment::Paid;
    }
    all
}

/// Whether a batch's files, and what is known of its payments, are of this campaign and say what the ledger does.
pub fn agree(
    campaign: &str,
    ledger: &Ledger,
    (batch, unsent): (&Filed, &Payments),
    known: Option<&Payments>,
) -> Result<(), Unlike> {
    if batch.manifest.campaign != campaign {
        return Err(Unlike::Campaign(batch.manifest.campaign.clone()));
    }
    same(ledger, unsent).map_or(Ok(()), |(merchant, files, ledger)| {
        Err(Unlike::Files { merchant, files, ledger })
    })?;
    if let Some((merchant, sent, ledger)) = known.and_then(|known| same(ledger, known)) {
        return Err(Unlike::Sent { merchant, sent, ledger });
    }
    for (merchant, owing) in ledger {
        match known.and_then(|it| it.get(merchant)).map(Payment::state) {
            None | Some(State::Payable) if owing.answered => {
                return Err(Unlike::Elsewhere(*merchant));
            }
            Some(State::Sent | State::Failed) if owing.paid => {
                return Err(Unlike::Paid(*merchant));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The first merchant of whom payments and ledger have another amount, and both.
fn same(ledger: &Ledger, payments: &Payments) -> Option<(MerchantNo, Fen, Fen)> {
    let mut all = ledger.keys().chain(payments.keys());
    all.find_map(|merchant| {
        let here = payments.get(merchant).map_or(Fen::ZERO, |it| it.fen);
        let there = ledger.get(merchant).map_or(Fen::ZERO, |it| it.payable);
        (here != there).then_some((*merchant, here, there))
    })
}
