//! What a decision does here, and what it would change.

use super::{Away, Refused};
use crate::app::App;
use crate::campaign::Campaign;
use crate::domain::{At, CampaignNo, calendar::Extension};
use crate::ledger::event::{Adjusted, Extended, Stands, Subject};
use crate::ledger::machine::Command;
use crate::merchant::Registry;
use crate::plan::Plan;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// What is to be done.
pub(super) enum Deed {
    /// These, each as often as anything is left of it; those of a list come before the next list.
    Ledger(Vec<Vec<Command>>),
    /// A node is given up.
    Forget(String),
}

/// What is to be done for a subject here.
pub(super) async fn deed(app: &App, what: &Subject) -> Result<Deed, Away> {
    let command = match what {
        Subject::Forget { node } => {
            return match app.knows_node(node).await {
                Ok(true) => Ok(Deed::Forget(node.clone())),
                Ok(false) => {
                    Err(Refused::NotHere(format!("no node {node} was ever registered")).into())
                }
                Err(error) => Err(error),
            };
        }
        Subject::Admit { campaign, sha256 } => {
            let served = served(app, campaign)?;
            let merchants = app.folders.with(campaign, *sha256).map_err(Refused::NotHere)?;
            if let Ok(till) = served.till() {
                let before = till.registry();
                let follow = app.folders.follow(campaign, &merchants, &before);
                follow.map_err(Refused::NotHere)?;
            }
            return Ok(Deed::Ledger(merchants.commands(served.no)));
        }
        Subject::Trip { campaign } => Command::Trip(number(app, campaign)?),
        Subject::Resume { campaign } => Command::Resume(number(app, campaign)?),
        Subject::Adjust { campaign, round, version, quantities } => {
            let served = served(app, campaign)?;
            if served.round(*round).is_err() {
                return Err(Refused::NotHere(format!("{campaign} has no round {}", round.0)).into());
            }
            let quantities = of_each_kind(&served.plan, quantities)?;
            Command::Adjust(served.no, Adjusted { round: *round, version: *version, quantities })
        }
        Subject::Extend { campaign, extension, quantities } => {
            let served = served(app, campaign)?;
            by_the_rule(&served.plan, extension)?;
            // The ledger knows which round comes after an extension; which comes after the plan's, only the plan does.
            let extended = app.ledger.view().campaign(served.no);
            let extended = extended.is_some_and(|it| !it.extended.is_empty());
            let last = served.plan.rounds.last().map_or(0, |round| round.no.0);
            if !extended && extension.first.0 != last.saturating_add(1) {
                let why = format!("the round after the last one of {campaign} is {}", last + 1);
                return Err(Refused::NotHere(why).into());
            }
            let quantities = of_each_kind(&served.plan, quantities)?;
            Command::Extend(served.no, Extended { extension: extension.clone(), quantities })
        }
        Subject::Standing { campaign, merchant, standing } => {
            let stands = Stands { merchant: *merchant, standing: *standing };
            Command::Stand(number(app, campaign)?, stands)
        }
        Subject::Settle { campaign, batch } => Command::SettleDue(number(app, campaign)?, *batch),
        Subject::Paid { campaign, batch, merchant } => {
            Command::Paid(number(app, campaign)?, *batch, *merchant)
        }
        Subject::Failed { campaign, batch, merchant } => {
            Command::PaymentFailed(number(app, campaign)?, *batch, *merchant)
        }
    };
    Ok(Deed::Ledger(vec![vec![command]]))
}

/// Further rounds come as the plan's rule makes them (R-CAL-1).
fn by_the_rule(plan: &Plan, extension: &Extension) -> Result<(), Refused> {
    if plan.extension(extension.first, extension.windows.len()).as_ref() == Some(extension) {
        return Ok(());
    }
    let why = format!(
        "further rounds of {} come by its plan's rule: `quan decide sign .. extend` takes them from the plan file",
        plan.id
    );
    Err(Refused::NotHere(why))
}

/// A round's quantities in the order of the kinds' numbers: of every kind one.
fn of_each_kind(plan: &Plan, quantities: &BTreeMap<String, u32>) -> Result<Vec<u32>, Refused> {
    let names: Vec<&str> = plan.kinds.iter().map(|kind| kind.name.as_str()).collect();
    let units = names.iter().map(|name| quantities.get(*name).copied());
    match units.collect::<Option<Vec<u32>>>() {
        Some(units) if units.len() == quantities.len() => Ok(units),
        _ => {
            let all = names.join(", ");
            Err(Refused::NotHere(format!(
                "a round has a quantity of every kind and no other: {all}"
            )))
        }
    }
}

pub(super) fn served<'a>(app: &'a App, id: &str) -> Result<&'a Campaign, Refused> {
    let campaign = app.campaigns().find(|campaign| campaign.plan.id == id);
    let campaign = campaign.map(|campaign| &**campaign);
    campaign.ok_or_else(|| Refused::NotHere(format!("no campaign {id} is served here")))
}

pub(super) fn number(app: &App, id: &str) -> Result<CampaignNo, Refused> {
    served(app, id).map(|campaign| campaign.no)
}

/// Quantities, each beside what the plan says.
fn beside_planned(app: &App, campaign: &str, quantities: &BTreeMap<String, u32>) -> String {
    let kinds = served(app, campaign).map(|it| it.plan.kinds.as_slice()).unwrap_or_default();
    let planned: BTreeMap<&str, u32> =
        kinds.iter().map(|kind| (kind.name.as_str(), kind.units_per_round)).collect();
    let change = |(kind, units): (&String, &u32)| match planned.get(kind.as_str()) {
        Some(before) => format!("{kind} {units} (planned {before})"),
        None => format!("{kind} {units}"),
    };
    quantities.iter().map(change).collect::<Vec<String>>().join(", ")
}

/// What a decision would change, as things stand here.
pub(super) fn outlook(app: &App, what: &Subject) -> String {
    let issuing = |campaign: &str, then: &str| {
        let stopped = app.decisions.stop(campaign).is_some();
        let is = if stopped { "is stopped" } else { "goes on" };
        format!("issuing in {campaign} {is} here; decided, it {then}")
    };
    match what {
        Subject::Trip { campaign } => issuing(campaign, "stops at all nodes"),
        Subject::Resume { campaign } => issuing(campaign, "goes on at all nodes"),
        Subject::Forget { node } => {
            format!("logs are recovered without node {node}; what only it told people is given up")
        }
        Subject::Adjust { campaign, round, quantities, .. } => {
            format!(
                "round {} of {campaign}: {}",
                round.0,
                beside_planned(app, campaign, quantities)
            )
        }
        Subject::Extend { campaign, extension, quantities } => {
            let zone = served(app, campaign).map_or(TimeZone::UTC, |it| it.plan.zone.clone());
            let shown = |at: At| at.in_zone(&zone);
            let rounds = extension.rounds().map(|it| {
                let (opens, ends) = (shown(it.window.from), shown(it.window.until));
                format!("round {} opens {opens}, its coupons end {ends}", it.no.0)
            });
            let rounds: Vec<String> = rounds.collect();
            format!(
                "{campaign} ends {} instead of {}; {}; each: {}",
                shown(extension.ends),
                shown(extension.ended),
                rounds.join("; "),
                beside_planned(app, campaign, quantities)
            )
        }
        Subject::Standing { campaign, merchant, standing } => {
            format!("merchant {} of {campaign} is {standing:?}", merchant.0)
        }
        Subject::Admit { campaign, sha256 } => {
            let merchants = app.folders.with(campaign, *sha256);
            let papers = merchants.map(|it| papers(&it.registry)).unwrap_or_default();
            format!("the merchants of the folder {sha256} are admitted to {campaign}{papers}")
        }
        Subject::Settle { campaign, batch } => {
            format!("what merchants of {campaign} are due comes into batch {}", batch.0)
        }
        Subject::Paid { campaign, batch, merchant } => {
            format!("batch {} of {campaign} has paid merchant {}", batch.0, merchant.0)
        }
        Subject::Failed { campaign, batch, merchant } => {
            format!("batch {} of {campaign} has not paid merchant {}", batch.0, merchant.0)
        }
    }
}

/// Whose papers are open, for whoever admits them all the same (R-MERCH-3).
fn papers(registry: &Registry) -> String {
    let open: Vec<String> = registry.owing_papers().map(|it| it.number.to_string()).collect();
    if open.is_empty() {
        return String::new();
    }
    format!("; a promotion or safety plan is missing of merchants {}", open.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merchant::Merchants;
    use std::fs;

    #[test]
    fn r_merch_3_who_admits_is_told_whose_papers_are_open() {
        let folder = tempfile::tempdir().unwrap();
        let merchants = |plans: [&str; 2]| {
            let [one, two] = plans;
            let text = format!(
                "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers\n\
                 1,91141029MA0KU0001G,甲,是,是,retail,,{one},\n2,91141029MA0KX1234Y,乙,是,是,retail,,{two},\n"
            );
            fs::write(folder.path().join("merchants.csv"), text).unwrap();
            papers(&Merchants::load(folder.path(), &["retail"]).unwrap().registry)
        };
        let head = ["shop,merchant,name,address,lat,lon,datum\n", "terminal,shop\n"];
        for (name, text) in ["shops.csv", "terminals.csv"].into_iter().zip(head) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(merchants(["有,有", "有,有"]), "");
        assert_eq!(
            merchants([",有", "有,"]),
            "; a promotion or safety plan is missing of merchants 1, 2"
        );
    }
}
