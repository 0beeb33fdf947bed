//! What the calendar asks of the ledger: arming rounds in time and ending them.
//!
//! A round is armed between the last round's end and its opening (R-ADJ-1), or as soon as the
//! server runs again if it was down then; a round that ended unarmed never is. A round that has
//! ended gives its money back (R-FUND-2).

use crate::domain::{At, CampaignNo, calendar::Round};
use crate::ledger::event::{Armed, KindTerms};
use crate::ledger::machine::{Command, Summary};
use crate::plan::Plan;

/// The command that opens the plan's campaign in the ledger; opening it again changes nothing.
pub fn opening(plan: &Plan) -> Command {
    let kinds = plan.kinds.iter().map(|kind| KindTerms {
        name: kind.name.clone(),
        pool: kind.pool,
        face: kind.face,
        threshold: kind.threshold,
    });
    Command::Open {
        name: plan.id.clone(),
        pools: plan.pools.iter().map(|pool| (pool.name.clone(), pool.budget)).collect(),
        kinds: kinds.collect(),
    }
}

/// What is due at `now`, in the order it must be done: ends first, since they free money.
pub fn due(no: CampaignNo, plan: &Plan, summary: &Summary, now: At) -> Vec<Command> {
    let ended = summary.rounds.iter().filter(|it| !it.expired && now >= it.window.until);
    let ends = ended.map(|it| Command::Expire(no, it.round));
    ends.chain(to_arm(plan, summary, now).map(|round| arming(no, plan, round))).collect()
}

/// The round that should be armed now.
fn to_arm<'a>(plan: &'a Plan, summary: &Summary, now: At) -> Option<&'a Round> {
    let at = plan.rounds.iter().position(|round| now < round.window.until)?;
    let before = at.checked_sub(1).and_then(|before| plan.rounds.get(before));
    let from = before.map_or(plan.period.from, |before| before.window.until);
    let round = plan.rounds.get(at)?;
    (now >= from && summary.round(round.no).is_none()).then_some(round)
}

fn arming(no: CampaignNo, plan: &Plan, round: &Round) -> Command {
    let quantities = plan.kinds.iter().map(|kind| kind.units_per_round).collect();
    Command::Arm(no, Armed { round: round.no, window: round.window, quantities })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fen, PoolNo};
    use crate::ledger::machine::Machine;

    const NO: CampaignNo = CampaignNo(0);

    /// Lets the steward do what is due at each of `at`, given as campaign clock times.
    fn run(at: &[&str]) -> (Machine, Vec<String>) {
        let plan = crate::plan::tests::shipped();
        let mut machine = Machine::default();
        machine.execute(&opening(&plan), plan.period.from).unwrap();
        let mut done = Vec::new();
        for at in at {
            let now =
                At(format!("{at}+08:00").parse::<jiff::Timestamp>().unwrap().as_millisecond());
            for command in due(NO, &plan, &machine.summary(NO).unwrap(), now) {
                machine.execute(&command, now).unwrap();
                done.push(match command {
                    Command::Arm(_, armed) => format!("{at} arm {}", armed.round.0),
                    Command::Expire(_, round) => format!("{at} expire {}", round.0),
                    other => panic!("{other:?}"),
                });
            }
        }
        (machine, done)
    }

    #[test]
    fn r_adj_1_a_round_is_armed_from_the_last_expiry_on() {
        let (_, done) = run(&[
            "2023-08-31T23:59:59.999",
            "2023-09-01T00:00:00",
            "2023-09-01T00:00:01",
            "2023-09-07T22:59:59.999",
            "2023-09-07T23:00:00",
            "2023-09-08T10:00:00",
        ]);
        assert_eq!(
            done,
            [
                "2023-09-01T00:00:00 arm 1",
                "2023-09-07T23:00:00 expire 1",
                "2023-09-07T23:00:00 arm 2"
            ]
        );
    }

    #[test]
    fn r_qty_1_a_server_that_was_down_arms_the_current_round_only() {
        let (machine, done) = run(&["2023-09-20T09:00:00"]);
        assert_eq!(done, ["2023-09-20T09:00:00 arm 3"]);
        let pool = *machine.funds(NO).unwrap().pool(PoolNo(1)).unwrap();
        // 4,000 x 10 yuan and 3,000 x 40 yuan.
        assert_eq!(pool.reserved, Fen::new(16_000_000));
    }

    #[test]
    fn r_cal_3_the_last_round_ends_and_nothing_follows() {
        let (machine, done) =
            run(&["2023-12-08T09:00:00", "2023-12-14T23:00:00", "2023-12-20T10:00:00"]);
        assert_eq!(done, ["2023-12-08T09:00:00 arm 15", "2023-12-14T23:00:00 expire 15"]);
        let funds = machine.funds(NO).unwrap();
        for no in 0..4 {
            let pool = funds.pool(PoolNo(no)).unwrap();
            assert_eq!(pool.available, pool.budget, "all money is back in pool {no}");
        }
    }
}
