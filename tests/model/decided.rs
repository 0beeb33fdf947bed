//! What persons decide, as the tests have them decide it.

use quan::domain::{At, Hex};
use quan::ledger::event::{Decided, Signed, Statement, Subject};
use quan::ledger::machine::Command;

/// The command, as two persons decided it at `at` for the campaign of that name and kinds.
pub(crate) fn decided<'a>(
    command: Command,
    campaign: &str,
    kinds: impl IntoIterator<Item = &'a str>,
    at: At,
) -> Command {
    let campaign = campaign.to_owned();
    let what = match &command {
        Command::Trip(_) => Subject::Trip { campaign },
        Command::Resume(_) => Subject::Resume { campaign },
        Command::Adjust(_, it) => {
            let units = it.quantities.iter().copied();
            let quantities = kinds.into_iter().map(str::to_owned).zip(units).collect();
            Subject::Adjust { campaign, round: it.round, version: it.version, quantities }
        }
        Command::Extend(_, it) => {
            let units = it.quantities.iter().copied();
            let quantities = kinds.into_iter().map(str::to_owned).zip(units).collect();
            Subject::Extend { campaign, extension: it.extension.clone(), quantities }
        }
        Command::Admit(..) => Subject::Admit { campaign, sha256: Hex([9; 32]) },
        Command::Stand(_, it) => {
            Subject::Standing { campaign, merchant: it.merchant, standing: it.standing }
        }
        Command::Settle(it) => Subject::Settle { campaign, batch: it.batch },
        Command::SettleDue(_, batch) => Subject::Settle { campaign, batch: *batch },
        Command::Paid(_, batch, who) => Subject::Paid { campaign, batch: *batch, merchant: *who },
        Command::PaymentFailed(_, batch, who) => {
            Subject::Failed { campaign, batch: *batch, merchant: *who }
        }
        other => panic!("nobody decides {other:?}"),
    };
    let (why, by) = ("well again".to_owned(), "li".to_owned());
    let statement = Statement { what, why, by, at, until: At(at.0 + 1_000) };
    let signed = |by: &str| Signed { by: by.into(), signature: Hex([7; 64]) };
    let signatures = vec![signed("li"), signed("wang")];
    Command::Decided(Box::new((Decided { statement, signatures }, command)))
}
