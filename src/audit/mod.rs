//! A second opinion: every promise looked at again, from the logs alone. A data folder has one, its journal; a
//! ledger elsewhere has one a shard and one for identities.
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
//! Several logs are read one after the other, a campaign's first shard first and its identities last. Between logs
//! there is no order but time, so what two of them must agree on is looked at when both were read.
//!
//! # Not here
//!
//! I8 compares the store: who owns the store makes that [`Check`] and hands
//! it to [`Audit::add`].

mod book;
mod check;
mod client;
mod coupons;
mod decisions;
mod dues;
mod elsewhere;
mod folder;
mod form;
mod funds;
mod holders;
mod issuing;
mod record;
mod redemptions;
mod redis;
mod reservations;
mod stock;
mod table;
#[cfg(test)]
mod tests;
mod totals;
mod transfers;
mod undersell;

pub use check::Check;
pub use elsewhere::{ElsewhereError, audit_elsewhere, audit_store};
pub use folder::{AuditError, audit_folder, audit_folder_with};
pub use record::{Record, RecordError};
pub use totals::{Flow, KindTotals, PoolTotals, Totals};

use crate::decision::Staff;
use crate::domain::At;
use crate::ledger::event::Event;
use crate::ledger::journal::{Entry, Error};
use crate::store::LogNo;
use book::Book;
use form::Form;
use serde::Serialize;
use std::fmt;

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Whether every check is clean.
    pub clean: bool,
    /// The last seq that was read; 0 if there is none. Of several logs, the sum.
    pub last_seq: u64,
    /// How many logs were read.
    pub logs: usize,
    /// Every check that could be made, in the order of their names, the journal's own first.
    pub checks: Vec<Check>,
    /// What the events of each campaign add up to.
    pub totals: Vec<Totals>,
}

impl Audit {
    /// Adds a check that somebody else made, such as the store's (I8).
    pub fn add(&mut self, check: Check) {
        self.clean &= check.clean;
        self.checks.push(check);
    }
}

/// Exit code: a promise was broken, or a store is not what its journal makes.
pub const BROKEN: u8 = 11;

/// The exit code of a program that ends with this audit.
pub fn exit_code(audit: &Audit) -> u8 {
    if audit.clean { 0 } else { BROKEN }
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    log: LogNo,
    seq: u64,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.log != LogNo::EMBEDDED {
            write!(f, "log {} ", self.log)?;
        }
        write!(f, "seq {}", self.seq)
    }
}

/// One entry, its events read.
struct Seen {
    spot: Spot,
    at: At,
    events: Vec<Event>,
    /// Whether its format is an older one.
    is_old: bool,
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
    audit_with(entries, client, None)
}

/// As [`audit`], with the public keys of those who decide.
pub(crate) fn audit_with(
    entries: impl Iterator<Item = Result<Entry, Error>>,
    client: Option<&Record>,
    staff: Option<&Staff>,
) -> Audit {
    let mut auditor = Auditor::of_a_journal(client, staff);
    for entry in entries {
        auditor.take(LogNo::EMBEDDED, entry);
    }
    auditor.done()
}

/// An audit at work.
pub struct Auditor<'a> {
    form: Form,
    book: Book,
    adding: totals::Adding,
    looks: Vec<Box<dyn Look + 'a>>,
}

impl<'a> Auditor<'a> {
    /// Of a journal, of what a client wrote down meanwhile, and with the keys of those who decide.
    fn of_a_journal(client: Option<&'a Record>, staff: Option<&'a Staff>) -> Auditor<'a> {
        Auditor {
            form: Form::of_a_journal(),
            book: Book::default(),
            adding: totals::Adding::default(),
            looks: looks(client, staff),
        }
    }

    /// The same of the logs of a ledger elsewhere.
    pub fn of_logs(client: Option<&'a Record>, staff: Option<&'a Staff>) -> Auditor<'a> {
        Auditor { form: Form::of_logs(), ..Auditor::of_a_journal(client, staff) }
    }

    /// Looks at the next entry of `log`. Logs come one after the other, in the order of their numbers.
    pub fn take(&mut self, log: LogNo, entry: Result<Entry, Error>) {
        let Some(seen) = self.form.read(log, entry) else { return };
        self.book.take(&seen);
        self.adding.look(&seen);
        for look in &mut self.looks {
            look.look(&seen, &self.book);
        }
    }

    /// Notes what keeps a log from being read on.
    pub fn unreadable(&mut self, log: LogNo, why: &str) {
        self.form.unreadable(log, why);
    }

    /// Says what was found, when every log was read.
    pub fn done(self) -> Audit {
        let mut audit = Audit {
            clean: true,
            last_seq: self.form.last_seqs(),
            logs: self.form.logs(),
            checks: Vec::new(),
            totals: self.adding.done(&self.book),
        };
        audit.add(self.form.done(&self.book));
        for look in self.looks {
            audit.add(look.done(&self.book));
        }
        audit
    }
}

fn looks<'a>(client: Option<&'a Record>, staff: Option<&'a Staff>) -> Vec<Box<dyn Look + 'a>> {
    let mut looks: Vec<Box<dyn Look + 'a>> =
        vec![Box::new(stock::Stock::default()), Box::new(holders::Holders::default())];
    if let Some(record) = client {
        looks.push(Box::new(client::Acknowledged::of(record)));
    }
    looks.push(Box::new(coupons::Coupons::default()));
    looks.push(Box::new(funds::Funds::default()));
    looks.push(Box::new(redemptions::Redemptions::default()));
    looks.push(Box::new(issuing::Issuing::default()));
    if let Some(record) = client {
        looks.push(Box::new(undersell::Undersell::of(record)));
    }
    looks.push(Box::new(decisions::Decisions::of(staff)));
    looks
}
