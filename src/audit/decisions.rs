//! What takes persons to decide stands with their decision, in the same entry; with their keys at hand, the signatures
//! are looked at as well.

use super::{Book, Check, Look, Seen, Spot};
use crate::decision::Staff;
use crate::domain::CampaignNo;
use crate::ledger::event::{Decided, DecisionId, Interlock, KindTerms, Subject, What};
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
        let mut decided: Vec<(CampaignNo, &Subject)> = Vec::new();
        for event in &entry.events {
            if let What::Decided(it) = &event.what {
                self.check.row();
                self.decided(spot, event.campaign, it, book);
                decided.push((event.campaign, &it.statement.what));
            }
        }
        // Issuing may be stopped by nobody, and rounds are armed and ended by the calendar.
        for event in &entry.events {
            let Some(deed) = deed(&event.what) else { continue };
            if excused {
                continue;
            }
            self.check.row();
            let kinds = book.kinds(event.campaign);
            let is_decided = |(campaign, what): &(CampaignNo, &Subject)| {
                *campaign == event.campaign && allows(what, &event.what, kinds)
            };
            if !decided.iter().any(is_decided) {
                self.check.find(format!("{spot}: {deed}, and nobody decided it"));
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

/// What takes persons, in words.
fn deed(what: &What) -> Option<String> {
    Some(match what {
        What::Interlock(Interlock::Resumed) => "issuing went on".to_owned(),
        What::Adjusted(it) => format!("round {} has other quantities", it.round.0),
        What::Extended(it) => format!("there are rounds from {} on", it.extension.first.0),
        What::Admitted(it) => format!("{:?} is admitted", it.merchant),
        What::Stands(it) => format!("{:?} is {:?}", it.merchant, it.standing),
        What::Settled(it) => format!("{:?} is settled in batch {}", it.merchant, it.batch.0),
        What::Paid(it) => format!("{:?} is paid by batch {}", it.merchant, it.batch.0),
        What::PaymentFailed(it) => {
            format!("{:?} is not reached by batch {}", it.merchant, it.batch.0)
        }
        _ => return None,
    })
}

/// Whether a decision is on what happened.
fn allows(decided: &Subject, what: &What, kinds: &[KindTerms]) -> bool {
    match (decided, what) {
        (Subject::Resume { .. }, What::Interlock(_))
        | (Subject::Admit { .. }, What::Admitted(_)) => true,
        (Subject::Adjust { round, version, quantities, .. }, What::Adjusted(it)) => {
            (it.round, it.version) == (*round, *version) && named(quantities, &it.quantities, kinds)
        }
        (Subject::Extend { extension, quantities, .. }, What::Extended(it)) => {
            it.extension == *extension && named(quantities, &it.quantities, kinds)
        }
        (Subject::Standing { merchant, standing, .. }, What::Stands(it)) => {
            it.merchant == *merchant && it.standing == *standing
        }
        // The list suspends, and does nothing else.
        (Subject::Admit { .. }, What::Stands(it)) => !it.standing.redeems(),
        (Subject::Settle { batch, .. }, What::Settled(it)) => it.batch == *batch,
        (Subject::Paid { batch, merchant, .. }, What::Paid(it)) => {
            it.batch == *batch && it.merchant == *merchant
        }
        (Subject::Failed { batch, merchant, .. }, What::PaymentFailed(it)) => {
            it.batch == *batch && it.merchant == *merchant
        }
        _ => false,
    }
}

/// Whether quantities by name are those of all kinds.
fn named(quantities: &BTreeMap<String, u32>, units: &[u32], kinds: &[KindTerms]) -> bool {
    let same = |(kind, units): (&KindTerms, &u32)| quantities.get(&kind.name) == Some(units);
    [units.len(), kinds.len()] == [quantities.len(); 2] && kinds.iter().zip(units).all(same)
}

/// How many persons it takes.
fn persons_for(what: &Subject) -> usize {
    if matches!(what, Subject::Trip { .. }) { 1 } else { 2 }
}
