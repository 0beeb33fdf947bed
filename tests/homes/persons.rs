//! What takes persons to decide comes decided.

#[path = "../model/decided.rs"]
mod two;

use quan::domain::At;
use quan::ledger::machine::Command;

/// The kinds of the stories' campaign.
pub(crate) const KINDS: [&str; 2] = ["ten", "twenty"];

/// The command, as two persons decided it at `at` for the campaign of that name and kinds, if it takes them.
pub(crate) fn decided<'a>(
    command: Command,
    campaign: &str,
    kinds: impl IntoIterator<Item = &'a str>,
    at: At,
) -> Command {
    if command.bypass().is_none() {
        return command;
    }
    two::decided(command, campaign, kinds, at)
}
