//! Decisions in both databases: kept once for all, moved on once, and read only as they were signed.

use super::{Scratch, change, places};
use crate::domain::{At, BatchNo, CampaignNo, Hex};
use crate::ledger::event::decisions::{statement, subjects};
use crate::ledger::event::{Decided, DecisionId, Signed, Subject};
use crate::store::{Error, Kept, Proposed, Stage, Store};
use crate::trail::Head;

/// The first subject that takes two, as these signed it; `no` makes it another.
fn decided(no: i64, by: &[&str]) -> Decided {
    let mut statement = statement(subjects().swap_remove(1));
    statement.at = At(no);
    let signed = |by: &&str| Signed { by: (*by).to_owned(), signature: Hex([7; 64]) };
    Decided { statement, signatures: by.iter().map(signed).collect() }
}

async fn kept(store: &Store, id: &DecisionId) -> Kept {
    store.decision(id).await.unwrap().expect("it is kept")
}

#[tokio::test]
async fn r_role_1_signatures_come_together_from_wherever_they_are_sent() {
    let scratch = Scratch::new("decisions-signed");
    for place in places(&scratch, "store").await {
        let (one, other) = (Store::open(&place).await.unwrap(), Store::open(&place).await.unwrap());
        let id = decided(1, &[]).statement.id();
        assert_eq!(one.decision(&id).await.unwrap(), None);
        let Proposed::Kept(first) = one.propose(&decided(1, &["wang"])).await.unwrap() else {
            panic!("there is room")
        };
        assert_eq!(first.stage, Stage::Proposed);
        one.propose(&decided(1, &["wang"])).await.unwrap();
        let Proposed::Kept(both) = other.propose(&decided(1, &["li"])).await.unwrap() else {
            panic!("there is room")
        };
        // Who proposed it stands first.
        assert_eq!(both.decided, decided(1, &["li", "wang"]));
        assert_eq!(kept(&one, &id).await, *both);
        assert!(one.move_decision(&id, Stage::Proposed, Stage::Approved, "").await.unwrap());
        assert!(!other.move_decision(&id, Stage::Proposed, Stage::Approved, "").await.unwrap());
        let late = other.propose(&decided(1, &["zhao"])).await.unwrap();
        let Proposed::Kept(late) = late else { panic!("it is there") };
        assert_eq!((late.stage, late.decided.signatures.len()), (Stage::Approved, 2), "too late");
    }
}

/// R-MERCH-1: whoever can write the database can't put a folder in force.
#[tokio::test]
async fn r_merch_1_a_folder_that_nobody_signed_is_not_in_force_whatever_the_tables_say() {
    let scratch = Scratch::new("decisions-roll");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        change(&store, "INSERT INTO campaigns VALUES (0, 'test')").await;
        change(&store, "INSERT INTO openings VALUES (0, 0, 0, 1)").await;
        let admit = |at: i64, sha256: u8, by: &[&str]| {
            let what = Subject::Admit { campaign: "test".into(), sha256: Hex([sha256; 32]) };
            let mut decided = decided(at, by);
            decided.statement.what = what;
            decided
        };
        for (seq, it) in [admit(5, 1, &["li", "wang"]), admit(9, 2, &["li"])].iter().enumerate() {
            store.propose(it).await.unwrap();
            let id = it.statement.id();
            let row = format!("INSERT INTO decided VALUES (0, {seq}, 0, 0, x'{id}', 'admit', '')");
            change(&store, &row).await;
        }
        let roll = async |least: usize| {
            let roll = store.roll(CampaignNo(0), |it| it.signatures.len() >= least).await;
            roll.unwrap().map(|roll| (roll.at, roll.sha256))
        };
        assert_eq!(roll(2).await, Some((At(5), Hex([1; 32]))), "{place}");
        assert_eq!((roll(1).await, roll(3).await), (Some((At(9), Hex([2; 32]))), None));
    }
}

/// R-ROLE-1: what was settled by one decision is not added to by another; one that was interrupted may be finished.
#[tokio::test]
async fn r_role_1_whether_another_decision_of_the_same_was_carried_out_is_known() {
    let scratch = Scratch::new("decisions-done");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        change(&store, "INSERT INTO campaigns VALUES (0, 'test')").await;
        change(&store, "INSERT INTO openings VALUES (0, 0, 0, 1)").await;
        let settle = |at: i64, batch: u32| {
            let what = Subject::Settle { campaign: "test".into(), batch: BatchNo(batch) };
            let mut decided = decided(at, &["li", "wang"]);
            decided.statement.what = what;
            decided
        };
        let (first, again, next) = (settle(5, 1), settle(9, 1), settle(9, 2));
        store.propose(&first).await.unwrap();
        let id = first.statement.id();
        let row = format!("INSERT INTO decided VALUES (0, 1, 0, 0, x'{id}', 'settle', '')");
        change(&store, &row).await;
        let done = async |it: &Decided| store.was_done_by_another(CampaignNo(0), it).await.unwrap();
        assert!(!done(&again).await, "{place}: it is under way, or was interrupted");
        store.move_decision(&id, Stage::Proposed, Stage::CarriedOut, "").await.unwrap();
        assert!(done(&again).await, "{place}");
        assert!(!done(&first).await && !done(&next).await, "{place}");
    }
}

#[tokio::test]
async fn r_role_1_one_server_carries_it_out_and_another_if_that_one_dies() {
    let scratch = Scratch::new("decisions-tried");
    for place in places(&scratch, "store").await {
        let (one, other) = (Store::open(&place).await.unwrap(), Store::open(&place).await.unwrap());
        let id = decided(1, &[]).statement.id();
        one.propose(&decided(1, &["li", "wang"])).await.unwrap();
        assert!(!one.try_decision(&id).await.unwrap(), "not approved");
        assert_eq!(one.approved().await.unwrap(), []);
        one.move_decision(&id, Stage::Proposed, Stage::Approved, "").await.unwrap();
        assert_eq!(other.approved().await.unwrap().len(), 1);
        assert!(one.try_decision(&id).await.unwrap());
        assert!(!other.try_decision(&id).await.unwrap(), "somebody is at it");
        assert_eq!(other.approved().await.unwrap(), []);
        // One dies.
        change(&one, "UPDATE decisions SET tried_at_ms = tried_at_ms - 16000").await;
        assert_eq!(other.approved().await.unwrap().len(), 1);
        assert!(other.try_decision(&id).await.unwrap());
        assert_eq!(other.carried_out(60_000).await.unwrap(), []);
        assert!(other.move_decision(&id, Stage::Approved, Stage::CarriedOut, "").await.unwrap());
        assert!(!one.move_decision(&id, Stage::Approved, Stage::Failed, "x").await.unwrap());
        assert_eq!(one.carried_out(60_000).await.unwrap().len(), 1);
        change(&one, "UPDATE decisions SET changed_at_ms = changed_at_ms - 61000").await;
        assert_eq!(one.carried_out(60_000).await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_nobody_signed_in_time_expires_and_what_is_open_is_listed_first() {
    let scratch = Scratch::new("decisions-late");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let ids: Vec<DecisionId> = (1..=3).map(|no| decided(no, &[]).statement.id()).collect();
        for no in 1..=3 {
            store.propose(&decided(no, &["li"])).await.unwrap();
        }
        store.move_decision(&ids[0], Stage::Proposed, Stage::Rejected, "wang: no").await.unwrap();
        store.move_decision(&ids[1], Stage::Proposed, Stage::Approved, "").await.unwrap();
        store.expire_decisions(At(9_999)).await.unwrap();
        assert_eq!(kept(&store, &ids[2]).await.stage, Stage::Proposed);
        store.expire_decisions(At(10_000)).await.unwrap();
        let stages = [Stage::Rejected, Stage::Approved, Stage::Expired];
        for (id, stage) in ids.iter().zip(stages) {
            assert_eq!(kept(&store, id).await.stage, stage);
        }
        assert_eq!(kept(&store, &ids[0]).await.why, "wang: no");
        let all = store.decisions(10).await.unwrap();
        assert_eq!((all.len(), all[0].stage), (3, Stage::Approved));
        assert_eq!(store.decisions(1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn no_more_are_open_than_people_can_look_at() {
    let scratch = Scratch::new("decisions-full");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        for no in 1..=200 {
            let proposed = store.propose(&decided(no, &["li"])).await.unwrap();
            assert!(matches!(proposed, Proposed::Kept(_)), "{no}");
        }
        assert_eq!(store.propose(&decided(201, &["li"])).await.unwrap(), Proposed::Full);
        assert_eq!(store.decision(&decided(201, &[]).statement.id()).await.unwrap(), None);
        let again = store.propose(&decided(200, &["wang"])).await.unwrap();
        assert!(matches!(again, Proposed::Kept(_)), "one that is open is signed all the same");
    }
}

#[tokio::test]
async fn a_statement_that_was_changed_in_the_database_is_not_read() {
    let scratch = Scratch::new("decisions-changed");
    for place in places(&scratch, "store").await {
        let store = Store::open(&place).await.unwrap();
        let id = decided(1, &[]).statement.id();
        store.propose(&decided(1, &["li"])).await.unwrap();
        store.propose(&decided(2, &["li"])).await.unwrap();
        let other = "UPDATE decisions SET statement =
                     (SELECT statement FROM decisions AS its WHERE its.decision <> decisions.decision)";
        change(&store, other).await;
        let read = store.decision(&id).await;
        assert!(matches!(read, Err(Error::Contradiction { table: "decisions", .. })), "{read:?}");
        let stage = store.query("UPDATE decisions SET state = 'decided'", &[]).await;
        assert!(stage.is_err(), "there is no such stage");
    }
}

#[tokio::test]
async fn r_audit_1_what_is_known_of_a_trail_never_goes_back() {
    let scratch = Scratch::new("store-trails");
    for place in places(&scratch, "trails").await {
        let store = Store::open(&place).await.unwrap();
        let head = |seq: u64| Head { seq, hash: Hex([u8::try_from(seq).unwrap(); 32]) };
        let (one, other) = (Hex([1; 32]), Hex([2; 32]));
        assert_eq!(store.note_trail(one, head(5)).await.unwrap(), head(5));
        assert_eq!(store.note_trail(one, head(7)).await.unwrap(), head(7));
        assert_eq!(store.note_trail(one, head(6)).await.unwrap(), head(7), "it was cut off");
        assert_eq!(store.note_trail(other, head(1)).await.unwrap(), head(1));
        assert_eq!(store.trails().await.unwrap(), [(one, head(7)), (other, head(1))]);
        store.close().await;
    }
}
