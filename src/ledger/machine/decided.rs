//! What persons decided: whether the command is what they signed, and whether it still stands.

use super::state::{Campaign, Machine};
use super::{Command, Decision, No};
use crate::domain::At;
use crate::ledger::event::{Decided, Event, Subject, What};

impl Machine {
    /// What `command` does, and that it was `decided`.
    ///
    /// A decision comes again if a server died before it could say that it was carried out. Done already, it does
    /// nothing; stopped meanwhile, issuing stays so.
    pub(super) fn decided(
        &self,
        decided: &Decided,
        command: &Command,
        now: At,
    ) -> Result<Decision, No> {
        let said = &decided.statement;
        let no = match (&said.what, command) {
            (Subject::Trip { .. }, Command::Trip(no))
            | (Subject::Resume { .. }, Command::Resume(no)) => *no,
            _ => return Err(No::Conflict("something else was decided")),
        };
        let campaign = self.known(no)?;
        if said.what.campaign() != Some(&campaign.name) {
            return Err(No::Conflict("it was decided for another campaign"));
        }
        let heard = campaign.has_heard(said.at);
        let is_trip = matches!(command, Command::Trip(_));
        if !is_trip && campaign.tripped && heard {
            return Err(No::Conflict("issuing was stopped after this was proposed"));
        }
        let mut decision = self.decide(command, now)?;
        // Who stops what is stopped is heard as well: nobody goes on with what was proposed before.
        if !decision.events.is_empty() || (is_trip && !heard) {
            let what = What::Decided(decided.clone());
            decision.events.insert(0, Event { campaign: no, what });
        }
        Ok(decision)
    }
}

impl Campaign {
    /// Whether a decision on the interlock was heard that was proposed at `at` or later.
    fn has_heard(&self, at: At) -> bool {
        self.word_at.is_some_and(|last| last >= at)
    }

    pub(super) fn hear(&mut self, decided: &Decided) {
        if decided.statement.what.is_of_the_interlock() {
            self.word_at = self.word_at.max(Some(decided.statement.at));
        }
    }
}
