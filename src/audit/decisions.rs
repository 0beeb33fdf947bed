//! What takes persons to decide stands with their decision, in the same entry; with their keys at hand, the signatures
//! are looked at as well.

use super::{Book, Check, Look, Seen, Spot};
use crate::decision::Staff;
use crate::domain::CampaignNo;
use crate::ledger::event::{Decided, DecisionId, Interlock, Subject, What};
use crate::store::LogNo;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Decisions<'a> {
    check: Check,
    staff: Option<&'a Staff>,
    /// Where a decision that is carried out once was, in each log.
    done: BTreeMap<(LogNo, DecisionId), Spot>,
    /// Logs that have an entry of the present format: none of an older one comes after it.
    present: BTreeSet<LogNo>,
}

impl<'a> Decisions<'a> {
    pub(super) fn of(staff: Option<&'a Staff>) -> Decisions<'a> {
        let what = if staff.is_some() {
            "what takes persons to decide was decided and signed by them"
        } else {
            "what takes persons to decide stands with their decision (signatures: --keys)"
        };
        let check = Check::new("decisions", what);
        Decisions { check, staff, done: BTreeMap::new(), present: BTreeSet::new() }
    }
}

impl Look for Decisions<'_> {
    fn look(&mut self, entry: &Seen, book: &Book) {
        let (spot, log) = (entry.spot, entry.spot.log);
        // Before there were decisions, none was written down.
        let excused = entry.is_old && !self.present.contains(&log);
        if !entry.is_old {
            self.present.insert(log);
        }
        let mut decided: BTreeSet<CampaignNo> = BTreeSet::new();
        for event in &entry.events {
            if let What::Decided(it) = &event.what {
                self.check.row();
                self.decided(spot, event.campaign, it, book);
                if matches!(it.statement.what, Subject::Resume { .. }) {
                    decided.insert(event.campaign);
                }
            }
        }
        // Issuing may be stopped by nobody; merchants come from the server's files, and rounds and batches are not
        // decided on yet.
        for event in &entry.events {
            if excused || event.what != What::Interlock(Interlock::Resumed) {
                continue;
            }
            self.check.row();
            if !decided.contains(&event.campaign) {
                self.check.find(format!("{spot}: issuing went on, and nobody decided it"));
            }
        }
    }

    fn done(self: Box<Self>, _: &Book) -> Check {
        self.check
    }
}

impl Decisions<'_> {
    fn decided(&mut self, spot: Spot, campaign: CampaignNo, it: &Decided, book: &Book) {
        let Decided { statement, signatures } = it;
        let (id, what) = (statement.id(), &statement.what);
        let word = what.word();
        if what.campaign() != book.name(campaign) {
            self.check.find(format!("{spot}: {word} {id} was decided for another campaign"));
        }
        let persons: BTreeSet<&str> = signatures.iter().map(|signed| signed.by.as_str()).collect();
        let needed = persons_for(what);
        if persons.len() < needed || !persons.contains(statement.by.as_str()) {
            let signed = persons.into_iter().collect::<Vec<_>>().join(", ");
            let of = format!("takes {needed} with {} who proposed it", statement.by);
            self.check.find(format!("{spot}: {word} {id} {of}, and was signed by: {signed}"));
        }
        match self.staff.map(|staff| staff.lacking(it)) {
            Some(Err(refused)) => self.check.find(format!("{spot}: {word} {id}: {refused}")),
            Some(Ok(lacks)) if !lacks.is_empty() => {
                self.check.find(format!("{spot}: {word} {id}: not all roles that it takes"));
            }
            Some(Ok(_)) | None => {}
        }
        // Many entries are of one file or batch; and nobody asks whether a stop was used before.
        let once =
            !matches!(what, Subject::Trip { .. } | Subject::Admit { .. } | Subject::Settle { .. });
        if once && let Some(before) = self.done.insert((spot.log, id), spot) {
            self.check.find(format!("{spot}: {word} {id} was carried out before, at {before}"));
        }
    }
}

/// How many persons it takes.
fn persons_for(what: &Subject) -> usize {
    if matches!(what, Subject::Trip { .. }) { 1 } else { 2 }
}
