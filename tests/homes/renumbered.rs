//! Commands of random stories, as the campaign that they are told to has its numbers and persons.

use crate::persons;
use crate::story::person;
use quan::domain::{At, CampaignNo};
use quan::ledger::event::Subject;
use quan::ledger::machine::{Command, Recall, Refund, Settle};

/// The command for a campaign of that number, for a person who may be in any shard.
pub(crate) fn renumbered(command: &Command, numbers: &[CampaignNo], names: &[String]) -> Command {
    let to =
        |no: CampaignNo| numbers.get(usize::from(no.0)).copied().unwrap_or(CampaignNo(u16::MAX));
    match command.clone() {
        Command::Open { .. } => unreachable!("opened at the start"),
        Command::Arm(no, armed) => Command::Arm(to(no), armed),
        Command::Bind(no, mut bound) => {
            bound.person = person(bound.person.0[0]);
            Command::Bind(to(no), bound)
        }
        Command::Grant(mut grant) => {
            grant.campaign = to(grant.campaign);
            grant.person = person(grant.person.0[0]);
            Command::Grant(grant)
        }
        Command::Expire(no, round) => Command::Expire(to(no), round),
        Command::Trip(no) => Command::Trip(to(no)),
        Command::Resume(no) => Command::Resume(to(no)),
        Command::Adjust(no, it) => Command::Adjust(to(no), it),
        Command::Extend(no, it) => Command::Extend(to(no), it),
        Command::Admit(no, it) => Command::Admit(to(no), it),
        Command::Stand(no, it) => Command::Stand(to(no), it),
        Command::Lock(mut ask) => {
            ask.campaign = to(ask.campaign);
            ask.person = person(ask.person.0[0]);
            Command::Lock(ask)
        }
        Command::Recall(ask) => Command::Recall(Recall { campaign: to(ask.campaign), ..ask }),
        Command::Confirm(no, it) => Command::Confirm(to(no), it),
        Command::Release(no, it) => Command::Release(to(no), it),
        Command::Lapse(no) => Command::Lapse(to(no)),
        Command::Refund(ask) => Command::Refund(Refund { campaign: to(ask.campaign), ..ask }),
        Command::Settle(ask) => Command::Settle(Settle { campaign: to(ask.campaign), ..ask }),
        Command::SettleDue(no, it) => Command::SettleDue(to(no), it),
        Command::Paid(no, batch, it) => Command::Paid(to(no), batch, it),
        Command::PaymentFailed(no, batch, it) => Command::PaymentFailed(to(no), batch, it),
        Command::Decided(mut it) => {
            // Of the campaigns here, the first is the stories' a.
            let name = |campaign: &mut String| {
                campaign.clone_from(&names[usize::from(campaign != "a")]);
            };
            match &mut it.0.statement.what {
                Subject::Trip { campaign }
                | Subject::Resume { campaign }
                | Subject::Adjust { campaign, .. }
                | Subject::Standing { campaign, .. }
                | Subject::Admit { campaign, .. }
                | Subject::Settle { campaign, .. }
                | Subject::Paid { campaign, .. }
                | Subject::Failed { campaign, .. }
                | Subject::Extend { campaign, .. } => name(campaign),
                Subject::Forget { .. } => {}
            }
            it.1 = renumbered(&it.1, numbers, names);
            Command::Decided(it)
        }
    }
}

/// What takes persons, decided at `at` for the campaign of that number among `numbers`; these are its `terms`.
pub(crate) fn by_persons(
    command: Command,
    numbers: &[CampaignNo],
    terms: &[Command],
    at: At,
) -> Command {
    let of = match &command {
        Command::Resume(no)
        | Command::Adjust(no, _)
        | Command::Extend(no, _)
        | Command::Admit(no, _)
        | Command::Stand(no, _)
        | Command::SettleDue(no, _)
        | Command::Paid(no, ..)
        | Command::PaymentFailed(no, ..) => *no,
        Command::Settle(ask) => ask.campaign,
        _ => return command,
    };
    let place = numbers.iter().position(|no| *no == of).unwrap_or(0);
    let Command::Open { name, kinds, .. } = &terms[place] else { unreachable!("terms") };
    persons::decided(command, name, kinds.iter().map(|it| it.name.as_str()), at)
}
