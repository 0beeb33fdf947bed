use super::*;
use crate::domain::{Fen, PoolNo};
use crate::funds::{Account, Posting};
use crate::ledger::event::Extended;
use crate::ledger::event::{Event, What};
use crate::ledger::machine::{Command, Machine};
use crate::pass::test_keys;
use crate::steward;

const SHIPPED: &str = include_str!("../../config/xiangning-2023.toml");
const FENCE: &str = include_str!("../../config/fences/linfen.geojson");
const C: CampaignNo = CampaignNo(0);

/// The shipped campaign with round 1 armed, and its machine.
fn armed() -> (Campaign, Machine, At) {
    let plan = Plan::from_toml(SHIPPED, |_| Ok(FENCE.to_owned())).unwrap().0;
    let now = plan.rounds[0].window.from;
    let mut machine = Machine::default();
    machine.execute(&steward::opening(&plan), now).unwrap();
    let summary = machine.summary(C).unwrap();
    let commands: Vec<Command> = steward::due(C, &plan, &summary, now);
    for command in &commands {
        machine.execute(command, now).unwrap();
    }
    let gate = Gate::new(C, &plan, Arc::new(test_keys::keyring()));
    (Campaign::new(C, plan, gate, 0), machine, now)
}

#[test]
fn i5_books_that_do_not_balance_stop_issuing_until_people_looked() {
    use Account::{Available, Consumed, Frozen, Reserved};
    for (from, to, account) in [
        (Available, Reserved, "reserved holds"),
        (Reserved, Available, "reserved holds"),
        (Available, Frozen, "frozen holds"),
        (Reserved, Consumed, "reserved holds"),
    ] {
        let (campaign, mut machine, now) = armed();
        campaign.check_books(2, &machine.summary(C).unwrap());
        assert_eq!(campaign.gate.interlock.check(), Ok(()));
        // Money that moves for no reason. It is a sound posting, so the machine takes it.
        let posting = Posting { pool: PoolNo(1), from, to, fen: Fen::new(1) };
        machine.apply(&Event { campaign: C, what: What::Posted(posting) }, now);
        let summary = machine.summary(C).unwrap();
        campaign.check_books(3, &summary);
        let kinds: Vec<_> = campaign.plan.kinds.iter().map(|it| (it.pool, it.face)).collect();
        let why = summary.imbalance(&kinds).unwrap().to_string();
        assert!(why.contains("pool 1") && why.contains(account), "{why}");
        let reasons: Vec<Reason> = campaign.gate.interlock.reasons().collect();
        assert_eq!(reasons, [Reason::Books]);
        assert_eq!(campaign.gate.interlock.check(), Err(Refusal::RiskControlDegraded));
        // It is put right again, and nobody knows why: it stays shut.
        let back = Posting { from: to, to: from, ..posting };
        machine.apply(&Event { campaign: C, what: What::Posted(back) }, now);
        campaign.check_books(4, &machine.summary(C).unwrap());
        assert_eq!(campaign.gate.interlock.reasons().count(), 1);
    }
}

#[test]
fn r_adj_2_a_further_round_is_there_once_it_is_decided_and_gets_its_stock_as_others_do() {
    let (campaign, mut machine, now) = armed();
    let further = campaign.plan.extension(RoundNo(16), 1).unwrap();
    let round = further.rounds().next().unwrap();
    assert_eq!(campaign.round(round.no), Err(Refusal::RoundUnknown));
    assert_eq!(campaign.rounds().count(), 15);
    let extended = Extended { extension: further, quantities: vec![1; 6] };
    machine.execute(&Command::Extend(C, extended), now).unwrap();
    campaign.note(3, &machine.summary(C).unwrap());
    assert_eq!(campaign.round(round.no), Ok(&round));
    assert_eq!(campaign.rounds().last(), Some(&round));
    assert_eq!(campaign.round(RoundNo(17)), Err(Refusal::RoundUnknown));
    assert_eq!(campaign.told(round.no, round.window.until), "2023-12-21T23:00:00.000+08:00");
    assert!(campaign.stock(round.no, KindNo(0)).is_none());
    let before = round.window.from;
    let due = steward::due(C, &campaign.plan, &machine.summary(C).unwrap(), before);
    for command in &due {
        machine.execute(command, before).unwrap();
    }
    campaign.note(4, &machine.summary(C).unwrap());
    assert!(campaign.stock(round.no, KindNo(0)).is_some(), "{due:?}");
}
