//! What persons decided: what is done is what they decided, once, and nothing that was decided otherwise since.

use super::town::Town;
use super::*;
use crate::ledger::event::{Adjusted, Admitted, Extended, Standing, Stands, decisions};

const MERCHANT: MerchantNo = MerchantNo(7);

fn admit(cap: u64) -> Command {
    let (categories, cap) = (PoolSet(0b1), Fen::new(cap));
    Command::Admit(C, Admitted { merchant: MERCHANT, categories, cap })
}

fn stand(standing: Standing) -> Command {
    Command::Stand(C, Stands { merchant: MERCHANT, standing })
}

fn adjust(version: u32, quantities: [u32; 3]) -> Command {
    Command::Adjust(C, Adjusted { round: RoundNo(2), version, quantities: quantities.to_vec() })
}

/// Rounds 3 and 4.
fn extend(quantities: [u32; 3]) -> Command {
    let (extension, quantities) = (decisions::extension(), quantities.to_vec());
    Command::Extend(C, Extended { extension, quantities })
}

/// `command` as another decision allows it.
fn by(decision: &Command, command: Command) -> Command {
    let Command::Decided(it) = decision else { panic!("{decision:?}") };
    Command::Decided(Box::new((it.0.clone(), command)))
}

/// How many events came of it, or why none.
fn told(town: &mut Town, command: &Command) -> Result<usize, &'static str> {
    let before = town.decide(command);
    match (before, town.ask(command)) {
        (Ok(decision), Ok(_)) => {
            let first = decision.events.first().map(|event| &event.what);
            assert!(matches!(first, None | Some(What::Decided(_))), "{decision:?}");
            Ok(decision.events.len())
        }
        (Err(No::Conflict(why)), Err(_)) => Err(why),
        other => panic!("{other:?}"),
    }
}

/// A merchant that was decided on, and batch 1 with ten fen for it.
fn settled() -> Town {
    let mut town = Town::new();
    assert_eq!(told(&mut town, &decided(admit(0), "test", 1)), Ok(2));
    town.check(
        "
        1000 claim 1 0          -> granted
        .    lock a 7 1 50      -> ten locked until 1600
        .    confirm a 7        -> ten confirmed at 1000
        ",
    );
    let settle = decided(Command::SettleDue(C, BatchNo(1)), "test", 2);
    assert_eq!(told(&mut town, &settle), Ok(3), "the decision, the line and its posting");
    assert_eq!(told(&mut town, &settle), Ok(0));
    town
}

#[test]
fn r_role_1_every_subject_is_carried_out_with_its_decision_and_its_repeat_does_nothing() {
    let mut town = settled();
    for (command, events) in [
        (decided(Command::PaymentFailed(C, BatchNo(1), MERCHANT), "test", 3), 2),
        (decided(Command::Paid(C, BatchNo(1), MERCHANT), "test", 4), 3),
        (decided(stand(Standing::Held), "test", 5), 2),
        (decided(adjust(1, [1, 0, 1]), "test", 6), 2),
        (decided(extend([1, 0, 0]), "test", 7), 2),
    ] {
        assert_eq!(told(&mut town, &command), Ok(events), "{command:?}");
        assert_eq!(told(&mut town, &command), Ok(0), "again: {command:?}");
    }
    let late = decided(Command::PaymentFailed(C, BatchNo(1), MERCHANT), "test", 7);
    assert_eq!(told(&mut town, &late), Err("the batch has paid the merchant"));
    let stale = decided(adjust(1, [2, 0, 0]), "test", 8);
    assert_eq!(told(&mut town, &stale), Err("the round was adjusted meanwhile: look at it again"));
}

#[test]
fn r_role_1_what_is_done_is_what_was_decided() {
    let mut town = settled();
    let no = |town: &mut Town, decision: Command, command: Command| {
        assert_eq!(
            told(town, &by(&decision, command.clone())),
            Err("something else was decided"),
            "{command:?}"
        );
    };
    let held = || decided(stand(Standing::Held), "test", 3);
    let pay = |batch, merchant| Command::Paid(C, BatchNo(batch), MerchantNo(merchant));
    no(&mut town, held(), stand(Standing::Suspended));
    no(&mut town, held(), admit(9));
    no(&mut town, decided(admit(0), "test", 3), stand(Standing::Active));
    no(&mut town, decided(pay(1, 7), "test", 3), pay(1, 8));
    no(&mut town, decided(pay(1, 7), "test", 3), pay(2, 7));
    no(&mut town, decided(pay(1, 7), "test", 3), Command::PaymentFailed(C, BatchNo(1), MERCHANT));
    let settle = |batch| Command::SettleDue(C, BatchNo(batch));
    no(&mut town, decided(settle(2), "test", 3), settle(3));
    let quantities = decided(adjust(1, [1, 0, 1]), "test", 3);
    for other in [adjust(2, [1, 0, 1]), adjust(1, [1, 1, 0])] {
        no(&mut town, quantities.clone(), other);
    }
    let short = Adjusted { round: RoundNo(2), version: 1, quantities: vec![1, 0] };
    no(&mut town, quantities.clone(), Command::Adjust(C, short));
    no(&mut town, quantities.clone(), Command::Expire(C, R));
    no(&mut town, quantities, extend([1, 0, 1]));
    let further = decided(extend([1, 0, 1]), "test", 3);
    no(&mut town, further.clone(), extend([1, 1, 0]));
    let Command::Extend(_, mut other) = extend([1, 0, 1]) else { unreachable!() };
    other.extension.windows.pop();
    no(&mut town, further, Command::Extend(C, other));
    let elsewhere = decided(stand(Standing::Held), "other", 3);
    assert_eq!(told(&mut town, &elsewhere), Err("it was decided for another campaign"));
}

#[test]
fn r_merch_2_a_standing_that_comes_late_does_not_undo_the_one_that_was_decided_since() {
    let since = "it was decided otherwise after this was proposed";
    let mut town = settled();
    let suspend = decided(stand(Standing::Suspended), "test", 10);
    assert_eq!(told(&mut town, &suspend), Ok(2));
    assert_eq!(told(&mut town, &decided(stand(Standing::Active), "test", 20)), Ok(2));
    assert_eq!(told(&mut town, &suspend), Err(since));
    // Who says what is so already is heard.
    assert_eq!(told(&mut town, &decided(stand(Standing::Active), "test", 30)), Ok(1));
    assert_eq!(told(&mut town, &decided(stand(Standing::Held), "test", 25)), Err(since));
    assert_eq!(town.machine.standing(C, MERCHANT), Some(Standing::Active));
}

#[test]
fn r_merch_1_a_folder_that_comes_late_does_not_undo_the_one_that_was_decided_since() {
    let mut town = settled();
    let (first, second) = (decided(admit(50), "test", 10), decided(admit(60), "test", 20));
    assert_eq!(told(&mut town, &first), Ok(2));
    assert_eq!(told(&mut town, &second), Ok(2));
    assert_eq!(told(&mut town, &second), Ok(0));
    let late = "another folder of merchants was decided after this was proposed";
    assert_eq!(told(&mut town, &first), Err(late));
    // A folder that changes nothing is in force as well.
    assert_eq!(told(&mut town, &decided(admit(60), "test", 30)), Ok(1));
    assert_eq!(town.machine.roll(C).map(|roll| roll.at), Some(At(30)));
    assert_eq!(told(&mut town, &decided(admit(70), "test", 25)), Err(late));
}

#[test]
fn r_merch_1_the_dishonesty_list_suspends_and_leaves_what_was_decided_since() {
    let list = |at| by(&decided(admit(0), "test", at), stand(Standing::Suspended));
    let stands = |town: &Town| town.machine.standing(C, MERCHANT).unwrap();
    let mut town = settled();
    assert_eq!(told(&mut town, &decided(stand(Standing::Held), "test", 10)), Ok(2));
    assert_eq!(told(&mut town, &list(20)), Ok(2));
    assert_eq!(stands(&town), Standing::SuspendedAndHeld, "who is held stays so");
    assert_eq!(told(&mut town, &list(20)), Ok(0));
    assert_eq!(told(&mut town, &decided(stand(Standing::Active), "test", 30)), Ok(2));
    assert_eq!(told(&mut town, &list(20)), Ok(0));
    assert_eq!(stands(&town), Standing::Active, "two persons looked at it since");
    assert_eq!(told(&mut town, &list(40)), Ok(2), "listed anew");
}
