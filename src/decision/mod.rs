//! What persons decide: stopping issuing and going on with it, giving up a node, and all that takes two (R-ROLE-1,
//! R-RISK-3, R-ADJ-1, R-MERCH-1).
//!
//! ```text
//!            sign          sign: enough             carried out
//!  statement ----> proposed ----------> approved -------------> carried_out
//!                     |                    |
//!                     +-> rejected,        +-> failed
//!                         withdrawn, expired
//! ```
//!
//! # What always holds
//!
//! - A decision counts if as many different persons signed it as [the table](roles::Needs) says, each with a role that
//!   it names and a key in the keys folder, all of them the same bytes, before it ran out.
//! - It is kept in the store, so it is proposed at one server and signed at any. It counts once for all of them. One
//!   that was approved is carried out by whoever finds it, if its server died.
//! - It is written down here before it is carried out, and stands in the ledger with what it does.
//! - Stopping issuing takes one person and no store.

mod clerk;
pub mod handler;
mod office;
pub mod roles;
mod staff;

#[cfg(test)]
pub(crate) use staff::tests as tests_staff;

pub use clerk::{Clerk, decide};
pub use office::{Away, hand_in, put_end, shown, tend};
pub use staff::{Ending, Staff, sign};

use crate::domain::At;
use crate::ledger::event::{Decided, DecisionId, Subject};
use parking_lot::Mutex;
use roles::Seat;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::{self, Write},
    path::PathBuf,
};

/// Why a decision does not count, or not here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not well formed.
    #[error("{0}")]
    Form(&'static str),
    /// No key of that name.
    #[error("{0} is not known: there is no staff-{0}.pub in the keys folder")]
    Stranger(String),
    /// The signature is not that person's, of this.
    #[error("the signature of {0} does not fit")]
    Signature(String),
    /// Who proposed it did not sign it.
    #[error("{0} proposes this and has not signed it")]
    Proposer(String),
    /// A person signed under two names, or twice.
    #[error("{0} is a person who signed this already: another one has to")]
    Twice(String),
    /// A person's role has no word in it.
    #[error(
        "{what} is decided by other roles than {by} has: {needed}. Roles stand on the second line of staff-{by}.pub"
    )]
    Role {
        /// The person.
        by: String,
        /// What was to be decided.
        what: &'static str,
        /// Who decides that.
        needed: String,
    },
    /// It was proposed in the future.
    #[error("{0} proposed this in the future: set the clock right and propose it anew")]
    Early(String),
    /// It would be open for too long.
    #[error("this may be open for at most {minutes} minutes: propose it anew")]
    Open {
        /// So long.
        minutes: i64,
    },
    /// It ran out.
    #[error("this ran out before all had signed it: propose it anew")]
    Expired,
    /// Issuing was stopped after it was proposed.
    #[error("issuing was stopped after {0} proposed this: look why, and propose it anew")]
    Stopped(String),
    /// It was used before.
    #[error("this was used before, it is {stage}: propose it anew")]
    Used {
        /// What became of it.
        stage: String,
    },
    /// Too many are open.
    #[error("too many decisions are open: reject or withdraw some")]
    Full,
    /// No such decision.
    #[error("no decision {0} was proposed")]
    Unknown(DecisionId),
    /// It can't be carried out here.
    #[error("{0}")]
    NotHere(String),
}

/// Where decisions come in: who may, which were carried out here, and where they are written down.
#[derive(Debug)]
pub struct Decisions {
    staff: Staff,
    used: Mutex<BTreeSet<DecisionId>>,
    /// By campaign, when this server saw that issuing is stopped.
    stops: Mutex<BTreeMap<String, At>>,
    file: PathBuf,
}

impl Decisions {
    /// Decisions of `staff`, written down in `file`; those in it were used.
    pub fn of(staff: Staff, file: PathBuf) -> io::Result<Decisions> {
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        // A torn last line is of a decision that was not carried out.
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Decided>(line).ok());
        let used = Mutex::new(lines.map(|decided| decided.statement.id()).collect());
        Ok(Decisions { staff, used, stops: Mutex::default(), file })
    }

    /// Issuing in a campaign is stopped, or not, as seen at `now`.
    pub fn stopped(&self, campaign: &str, stopped: bool, now: At) {
        let mut stops = self.stops.lock();
        if !stopped {
            stops.remove(campaign);
        } else if !stops.contains_key(campaign) {
            stops.insert(campaign.to_owned(), now);
        }
    }

    /// What still lacks of a decision that came in at `now`, or why it does not count.
    pub fn look(&self, decided: &Decided, now: At) -> Result<Vec<Seat>, Refused> {
        let lacking = self.staff.look(decided, now)?;
        if let Subject::Resume { campaign } = &decided.statement.what
            && self.stop(campaign).is_some_and(|stop| decided.statement.at < stop)
        {
            return Err(Refused::Stopped(decided.statement.by.clone()));
        }
        Ok(lacking)
    }

    /// When this server saw that issuing was stopped, if it is.
    fn stop(&self, campaign: &str) -> Option<At> {
        self.stops.lock().get(campaign).copied()
    }

    fn was_used(&self, id: &DecisionId) -> bool {
        self.used.lock().contains(id)
    }

    /// Writes a decision down that is about to be carried out. Written before, it stays so.
    fn note(&self, decided: &Decided) -> io::Result<()> {
        let id = decided.statement.id();
        let mut used = self.used.lock();
        if used.contains(&id) {
            return Ok(());
        }
        let line = serde_json::to_string(decided).map_err(io::Error::other)?;
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file)?;
        // Whatever stands at the end, torn by a crash, is no part of this.
        write!(file, "\n{line}\n")?;
        file.sync_all()?;
        used.insert(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use staff::tests::{decided, staff};

    const NOW: At = At(1_000);

    fn resume() -> Decided {
        decided(Subject::Resume { campaign: "test".into() }, &["li", "bureau"])
    }

    #[test]
    fn a_decision_is_written_down_once_and_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("decisions.jsonl");
        let decisions = Decisions::of(staff(), file.clone()).unwrap();
        let (resume, id) = (resume(), resume().statement.id());
        assert!(!decisions.was_used(&id));
        decisions.note(&resume).unwrap();
        decisions.note(&resume).unwrap();
        assert!(decisions.was_used(&id));
        let mut torn = OpenOptions::new().append(true).open(&file).unwrap();
        write!(torn, "{{\"statement\":").unwrap();
        let again = Decisions::of(staff(), file.clone()).unwrap();
        assert!(again.was_used(&id));
        let trip = decided(Subject::Trip { campaign: "test".into() }, &["li"]);
        again.note(&trip).unwrap();
        let written = fs::read_to_string(&file).unwrap();
        let read = written.lines().filter_map(|line| serde_json::from_str::<Decided>(line).ok());
        assert_eq!(read.collect::<Vec<_>>(), [resume.clone(), trip]);
        let nowhere = Decisions::of(staff(), folder.path().join("no/decisions.jsonl")).unwrap();
        assert!(nowhere.note(&resume).is_err() && !nowhere.was_used(&id));
    }

    #[test]
    fn r_risk_3_who_proposed_to_go_on_before_issuing_was_stopped_has_not_seen_why() {
        let folder = tempfile::tempdir().unwrap();
        let decisions = Decisions::of(staff(), folder.path().join("decisions.jsonl")).unwrap();
        // It was proposed at 5.
        decisions.stopped("test", true, At(5));
        decisions.stopped("test", true, At(500));
        assert_eq!(decisions.look(&resume(), NOW), Ok(vec![]), "seen again, it is the same stop");
        decisions.stopped("test", false, At(501));
        decisions.stopped("other", true, At(502));
        assert_eq!(decisions.look(&resume(), NOW), Ok(vec![]));
        decisions.stopped("test", true, At(503));
        assert_eq!(decisions.look(&resume(), NOW), Err(Refused::Stopped("li".into())));
        let trip = decided(Subject::Trip { campaign: "test".into() }, &["li"]);
        assert_eq!(decisions.look(&trip, NOW), Ok(vec![]), "stopping is always in time");
    }
}
