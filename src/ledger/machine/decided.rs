//! What persons decided: whether the command is what they signed, and whether it still stands.

use super::state::{Campaign, Machine};
use super::{Command, Decision, No};
use crate::domain::{At, CampaignNo, Hex};
use crate::ledger::event::{Adjusted, Decided, Event, Standing, Stands, Subject, What};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The folder of merchants that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    /// When it was proposed.
    pub at: At,
    /// Its digest.
    pub sha256: Hex<32>,
}

impl Roll {
    /// Whether it takes the place of the one that is in force: unless that was proposed later.
    pub fn follows(&self, before: Option<Roll>) -> bool {
        before.is_none_or(|before| before.at <= self.at)
    }
}

impl Machine {
    /// What `command` does, and that it was `decided`, which stands first in each entry that comes of it.
    ///
    /// A decision comes again if a server died before it could say that it was carried out. Done already, it does
    /// nothing; what was decided otherwise meanwhile stays so.
    pub(super) fn decided(
        &self,
        decided: &Decided,
        command: &Command,
        now: At,
    ) -> Result<Decision, No> {
        let said = &decided.statement;
        let no = campaign_of(command).ok_or(No::Conflict("something else was decided"))?;
        let campaign = self.known(no)?;
        if !campaign.is_meant(&said.what, command) {
            return Err(No::Conflict("something else was decided"));
        }
        if said.what.campaign() != Some(&campaign.name) {
            return Err(No::Conflict("it was decided for another campaign"));
        }
        let mut decision = match (&said.what, command) {
            (Subject::Admit { .. }, Command::Stand(no, stands)) => {
                self.decide(&Command::Stand(*no, campaign.suspended(*stands, said.at)?), now)?
            }
            _ => self.decide(command, now)?,
        };
        if !decision.events.is_empty() && campaign.is_overruled(&said.what, said.at) {
            return Err(No::Conflict(overruled(&said.what)));
        }
        // Who says what is so already is heard as well: nobody changes it by what was proposed before.
        if !decision.events.is_empty() || campaign.hears(&said.what, said.at) {
            let what = What::Decided(decided.clone());
            decision.events.insert(0, Event { campaign: no, what });
        }
        Ok(decision)
    }
}

/// The campaign of what persons decide on.
fn campaign_of(command: &Command) -> Option<CampaignNo> {
    match command {
        Command::Trip(no)
        | Command::Resume(no)
        | Command::Adjust(no, _)
        | Command::Extend(no, _)
        | Command::Admit(no, _)
        | Command::Stand(no, _)
        | Command::SettleDue(no, _)
        | Command::Paid(no, ..)
        | Command::PaymentFailed(no, ..) => Some(*no),
        Command::Settle(ask) => Some(ask.campaign),
        _ => None,
    }
}

fn overruled(what: &Subject) -> &'static str {
    match what {
        Subject::Resume { .. } => "issuing was stopped after this was proposed",
        Subject::Admit { .. } => "another folder of merchants was decided after this was proposed",
        _ => "it was decided otherwise after this was proposed",
    }
}

impl Campaign {
    /// Whether the command is what was decided.
    fn is_meant(&self, what: &Subject, command: &Command) -> bool {
        match (what, command) {
            (Subject::Trip { .. }, Command::Trip(_))
            | (Subject::Resume { .. }, Command::Resume(_))
            | (Subject::Admit { .. }, Command::Admit(..)) => true,
            (Subject::Adjust { round, version, quantities, .. }, Command::Adjust(_, adjusted)) => {
                let Adjusted { round: of, version: with, quantities: units } = adjusted;
                (of, with) == (round, version) && self.are_named(units, quantities)
            }
            (Subject::Extend { extension, quantities, .. }, Command::Extend(_, extended)) => {
                extended.extension == *extension && self.are_named(&extended.quantities, quantities)
            }
            (Subject::Standing { merchant, standing, .. }, Command::Stand(_, stands)) => {
                (stands.merchant, stands.standing) == (*merchant, *standing)
            }
            (Subject::Admit { .. }, Command::Stand(_, stands)) => {
                matches!(stands.standing, Standing::Suspended | Standing::SuspendedAndHeld)
            }
            (Subject::Settle { batch, .. }, Command::SettleDue(_, of)) => of == batch,
            (Subject::Settle { batch, .. }, Command::Settle(ask)) => ask.batch == *batch,
            (Subject::Paid { batch, merchant, .. }, Command::Paid(_, of, who))
            | (Subject::Failed { batch, merchant, .. }, Command::PaymentFailed(_, of, who)) => {
                (of, who) == (batch, merchant)
            }
            _ => false,
        }
    }

    /// Whether so many of each kind, by its number, are those by its name.
    fn are_named(&self, units: &[u32], quantities: &BTreeMap<String, u32>) -> bool {
        let named = self.kinds.iter().zip(units);
        let mut named: Vec<_> = named.map(|(kind, units)| (kind.name.as_str(), *units)).collect();
        named.sort_unstable();
        let decided = quantities.iter().map(|(kind, units)| (kind.as_str(), *units));
        units.len() == self.kinds.len() && named.into_iter().eq(decided)
    }

    /// Whether something else was decided of the same that was proposed later. Stopping is always in time; what has a
    /// version or a batch is compared with that.
    fn is_overruled(&self, what: &Subject, at: At) -> bool {
        match what {
            Subject::Resume { .. } => self.tripped && self.has_heard(at),
            Subject::Standing { merchant, .. } => self.merchants.word_at(*merchant) > Some(at),
            Subject::Admit { .. } => self.roll.is_some_and(|roll| roll.at > at),
            _ => false,
        }
    }

    /// Somebody on the dishonesty list is suspended, and stays held; one of whom it was decided since, as that says.
    fn suspended(&self, stands: Stands, at: At) -> Result<Stands, No> {
        let before = self.merchants.get(stands.merchant)?.standing;
        let standing = match before {
            Standing::Active => Standing::Suspended,
            Standing::Held => Standing::SuspendedAndHeld,
            as_it_is => as_it_is,
        };
        let since = self.merchants.word_at(stands.merchant) > Some(at);
        Ok(Stands { standing: if since { before } else { standing }, ..stands })
    }

    /// Whether a decision that changes nothing is to be known.
    fn hears(&self, what: &Subject, at: At) -> bool {
        match what {
            Subject::Trip { .. } => !self.has_heard(at),
            Subject::Standing { merchant, .. } => self.merchants.word_at(*merchant) < Some(at),
            Subject::Admit { .. } => self.roll.is_none_or(|roll| roll.at < at),
            _ => false,
        }
    }

    /// Whether a decision on the interlock was heard that was proposed at `at` or later.
    fn has_heard(&self, at: At) -> bool {
        self.word_at.is_some_and(|last| last >= at)
    }

    pub(super) fn hear(&mut self, decided: &Decided) {
        let at = decided.statement.at;
        match &decided.statement.what {
            Subject::Trip { .. } | Subject::Resume { .. } => {
                self.word_at = self.word_at.max(Some(at));
            }
            Subject::Standing { merchant, .. } => self.merchants.hear(*merchant, at),
            Subject::Admit { sha256, .. } => {
                let roll = Roll { at, sha256: *sha256 };
                if roll.follows(self.roll) {
                    self.roll = Some(roll);
                }
            }
            _ => {}
        }
    }
}
