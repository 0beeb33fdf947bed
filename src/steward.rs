//! What the calendar asks of the ledger: arming rounds in time, ending them, and letting go of coupons that
//! were held for orders which came to nothing.
//!
//! A round is armed between the last round's end and its opening (R-ADJ-1), or as soon as the
//! server runs again if it was down then; a round that ended unarmed never is. Rounds are the plan's, and those by
//! which the campaign was extended (R-ADJ-2). It gets the quantities
//! that were decided for it, or the plan's. A round that has ended gives its money back (R-FUND-2).

use crate::domain::{At, CampaignNo, calendar::Round};
use crate::ledger::event::{Armed, KindTerms};
use crate::ledger::machine::{Command, Summary};
use crate::plan::{self, Plan};

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
    let lapse = summary.lapses_at.filter(|at| *at <= now).map(|_| Command::Lapse(no));
    let arm = to_arm(plan, summary, now).map(|round| arming(no, plan, summary, &round));
    lapse.into_iter().chain(ends).chain(arm).collect()
}

/// The round that should be armed now.
fn to_arm(plan: &Plan, summary: &Summary, now: At) -> Option<Round> {
    let mut from = plan.period.from;
    let extended = summary.extended.iter().map(|it| &it.extension);
    let round = plan::rounds(plan, extended).find(|round| {
        let over = now >= round.window.until;
        if over {
            from = round.window.until;
        }
        !over
    })?;
    (now >= from && summary.round(round.no).is_none()).then_some(round)
}

fn arming(no: CampaignNo, plan: &Plan, summary: &Summary, round: &Round) -> Command {
    let planned = || plan.kinds.iter().map(|kind| kind.units_per_round).collect();
    let adjusted = summary.adjusted(round.no);
    let quantities = adjusted.map_or_else(planned, |it| it.quantities.clone());
    Command::Arm(no, Armed { round: round.no, window: round.window, quantities })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fen, PoolNo, RoundNo};
    use crate::ledger::event::{Adjusted, Extended};
    use crate::ledger::machine::Machine;

    const NO: CampaignNo = CampaignNo(0);
    const DAY_MS: i64 = 86_400_000;

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
    fn r_adj_1_a_round_is_armed_with_what_was_decided_for_it_last() {
        let plan = crate::plan::tests::shipped();
        let mut machine = Machine::default();
        let now = plan.period.from;
        machine.execute(&opening(&plan), now).unwrap();
        for (version, units) in [(1, 7), (2, 9)] {
            let (round, quantities) = (plan.rounds[0].no, vec![units; 6]);
            let adjusted = Adjusted { round, version, quantities };
            machine.execute(&Command::Adjust(NO, adjusted), now).unwrap();
        }
        let due = due(NO, &plan, &machine.summary(NO).unwrap(), now);
        let [Command::Arm(_, armed)] = due.as_slice() else { panic!("{due:?}") };
        assert_eq!(armed.quantities, [9; 6]);
        machine.execute(&due[0], now).unwrap();
    }

    #[test]
    fn r_adj_2_further_rounds_are_armed_and_ended_after_the_plans() {
        let plan = crate::plan::tests::shipped();
        let mut machine = Machine::default();
        let [.., last] = plan.rounds.as_slice() else { panic!("rounds") };
        machine.execute(&opening(&plan), plan.period.from).unwrap();
        let extension = plan.extension(RoundNo(16), 2).unwrap();
        let ends = extension.rounds().last().unwrap().window.until;
        let extended = Extended { extension, quantities: vec![5; 6] };
        machine.execute(&Command::Extend(NO, extended), plan.period.from).unwrap();
        let mut done = Vec::new();
        for at in [last.window.from, last.window.until, last.window.until.plus_ms(7 * DAY_MS), ends]
        {
            for command in due(NO, &plan, &machine.summary(NO).unwrap(), at) {
                machine.execute(&command, at).unwrap();
                done.push(match command {
                    Command::Arm(_, armed) => {
                        format!("arm {} {:?}", armed.round.0, armed.quantities)
                    }
                    Command::Expire(_, round) => format!("expire {}", round.0),
                    other => panic!("{other:?}"),
                });
            }
        }
        let further = [5; 6];
        let armed = |no: u8| format!("arm {no} {further:?}");
        let planned = "arm 15 [4000, 3000, 600, 160, 1000, 480]".to_owned();
        let expired = |no: u8| format!("expire {no}");
        assert_eq!(done, [planned, expired(15), armed(16), expired(16), armed(17), expired(17)]);
    }

    #[test]
    fn r_redeem_4_what_is_held_past_its_deadline_is_let_go() {
        let plan = crate::plan::tests::shipped();
        let mut machine = Machine::default();
        machine.execute(&opening(&plan), plan.period.from).unwrap();
        let mut summary = machine.summary(NO).unwrap();
        // Nothing else is due before the period.
        let now = plan.period.from.plus_ms(-1);
        for (lapses_at, due_now) in
            [(None, vec![]), (Some(now.plus_ms(1)), vec![]), (Some(now), vec![Command::Lapse(NO)])]
        {
            summary.lapses_at = lapses_at;
            assert_eq!(due(NO, &plan, &summary, now), due_now, "{lapses_at:?}");
        }
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
