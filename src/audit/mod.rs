//! A second opinion on a data folder: every promise looked at again, from the journal alone.
//!
//! # What always holds
//!
//! - Nothing here calls the ledger's machine or the funds' balances: the events are folded with
//!   code of its own, so a rule that is wrong there is not wrong here too.
//! - Events that contradict each other never stop the audit. Each contradiction is a finding of
//!   the check it belongs to, with its place.
//! - What can't be looked at is not listed: without a client's record there is no I3 and no I9.
//!
//! Each check is one file that keeps its own state; they share only `book`, which says what
//! a campaign's terms are and judges nothing.
//!
//! # Not here
//!
//! I6 has no events yet. I8 compares the store: who owns the store makes that [`Check`] and hands
//! it to [`Audit::add`].

mod book;
mod check;
mod client;
mod coupons;
mod folder;
mod form;
mod funds;
mod holders;
mod issuing;
mod record;
mod stock;
mod table;
#[cfg(test)]
mod tests;
mod undersell;

pub use check::Check;
pub use folder::{AuditError, audit_folder, audit_journal};
pub use record::{Record, RecordError};

use crate::domain::At;
use crate::ledger::event::Event;
use crate::ledger::journal::{Entry, Error};
use book::Book;
use form::Form;
use serde::Serialize;

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Whether every check is clean.
    pub clean: bool,
    /// The last seq that was read; 0 if there is none.
    pub last_seq: u64,
    /// Every check that could be made, in the order of their names, the journal's own first.
    pub checks: Vec<Check>,
}

impl Audit {
    /// Adds a check that somebody else made, such as the store's (I8).
    pub fn add(&mut self, check: Check) {
        self.clean &= check.clean;
        self.checks.push(check);
    }
}

/// The exit code of a program that ends with this audit: 0 clean, 11 broken.
pub fn exit_code(audit: &Audit) -> u8 {
    if audit.clean { 0 } else { 11 }
}

/// One entry, its events read.
struct Seen {
    seq: u64,
    at: At,
    events: Vec<Event>,
}

/// One check at work.
trait Look {
    /// Looks at the next entry; `book` already holds what it says of terms.
    fn look(&mut self, entry: &Seen, book: &Book);
    /// Says what it found, when the last entry was seen.
    fn done(self: Box<Self>, book: &Book) -> Check;
}

/// Looks at `entries`, all of a journal in order, and at what a client wrote down meanwhile.
///
/// An error among the entries is a finding of the journal's check.
pub fn audit(
    entries: impl Iterator<Item = Result<Entry, Error>>,
    client: Option<&Record>,
) -> Audit {
    let mut form = Form::default();
    let mut book = Book::default();
    let mut looks = looks(client);
    for entry in entries {
        let Some(seen) = form.read(entry) else { continue };
        book.take(&seen);
        for look in &mut looks {
            look.look(&seen, &book);
        }
    }
    let mut audit = Audit { clean: true, last_seq: form.last_seq(), checks: Vec::new() };
    audit.add(form.done());
    for look in looks {
        audit.add(look.done(&book));
    }
    audit
}

fn looks(client: Option<&Record>) -> Vec<Box<dyn Look + '_>> {
    let mut looks: Vec<Box<dyn Look + '_>> =
        vec![Box::new(stock::Stock::default()), Box::new(holders::Holders::default())];
    if let Some(record) = client {
        looks.push(Box::new(client::Acknowledged::of(record)));
    }
    looks.push(Box::new(coupons::Coupons::default()));
    looks.push(Box::new(funds::Funds::default()));
    looks.push(Box::new(issuing::Issuing::default()));
    if let Some(record) = client {
        looks.push(Box::new(undersell::Undersell::of(record)));
    }
    looks
}
