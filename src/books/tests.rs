use super::*;
use crate::ledger::event::codec;
use crate::ledger::journal::Entry;
use crate::ledger::machine::Machine;
use crate::ledger::made::redeeming::{
    Timed, confirm, confirmed, entries, lock, paid, settled, story,
};

const C: CampaignNo = CampaignNo(0);
const SEVEN: MerchantNo = MerchantNo(7);

fn books(entries: &[Entry]) -> Result<Books, Contradiction> {
    let mut books = Books::default();
    entries.iter().try_for_each(|entry| books.take(LogNo::EMBEDDED, entry))?;
    Ok(books)
}

fn book(books: &Books) -> &Book {
    books.of(C).next().unwrap().1
}

#[test]
fn r_audit_1_after_each_entry_the_books_have_what_the_machine_had() {
    let mut machine = Machine::default();
    let mut books = Books::default();
    for entry in entries(story()) {
        for event in codec::decode(&entry.body).unwrap() {
            machine.apply(&event, entry.at);
        }
        books.take(LogNo::EMBEDDED, &entry).unwrap();
        let (book, there) = (book(&books), machine.summary(C).unwrap());
        assert_eq!(book.funds, there.funds, "seq {}", entry.seq);
        assert_eq!(books.roll(C), machine.roll(C), "seq {}", entry.seq);
        assert!(book.funds.balanced());
        let rounds = book.rounds.iter().map(|(no, it)| (*no, it.expired, it.stock.clone()));
        let there = there.rounds.iter().map(|it| (it.round, it.expired, it.stock.clone()));
        assert_eq!(rounds.collect::<Vec<_>>(), there.collect::<Vec<_>>(), "seq {}", entry.seq);
        // What is due, in batches and with merchants is what stands in the pool's accounts.
        let dues = book.dues.values().copied().fold(Dues::default(), Dues::sum);
        let pool = book.funds.pool(PoolNo(0)).unwrap();
        assert_eq!(
            (dues.due, dues.payable, dues.paid),
            (pool.consumed, pool.payable, pool.paid),
            "seq {}",
            entry.seq
        );
    }
}

#[test]
fn r_audit_1_each_batch_has_what_was_owed_before_it() {
    let all = books(&entries(story())).unwrap();
    let book = book(&all);
    let line = |it: &Line| {
        (it.batch.0, it.consumed.get(), it.owed_before.get(), it.owed.get(), it.payment)
    };
    let lines: Vec<_> = book.lines.iter().map(line).collect();
    // The refund after batch 1 is owed since then: new in batch 2.
    assert_eq!(lines, [(1, 35, 0, 0, Payment::Paid), (2, 10, 0, 10, Payment::Payable)]);
    assert_eq!((all.last_batch(C), all.campaign(&book.opened.name)), (Some(BatchNo(2)), Some(C)));
    let dues = book.dues[&(SEVEN, PoolNo(0))];
    assert_eq!((dues.due, dues.owed), (Fen::ZERO, Fen::ZERO));
    // Two of the refunds were before, one after.
    assert_eq!(book.refunds.values().filter(|it| it.owed).count(), 1);
    let standing = |at| book.standing(MerchantNo(8), At(at));
    assert_eq!((standing(1_199), standing(1_200)), (Standing::Active, Standing::SuspendedAndHeld));
}

#[test]
fn what_contradicts_is_named_with_its_place() {
    let sound = story();
    let open = 18;
    let named = |more: Vec<Timed>, before: usize| {
        let mut all: Vec<Timed> = sound.get(..before).unwrap().to_vec();
        all.extend(more);
        let error = books(&entries(all)).unwrap_err();
        (error.seq, error.why)
    };
    let end = u64::try_from(sound.len()).unwrap() + 1;
    let all = sound.len();
    assert_eq!(named(vec![(9_600, vec![paid(1, 35)])], all).0, end);
    assert_eq!(named(vec![(9_600, vec![paid(2, 1)])], all).1, "it was paid, or is another amount");
    assert_eq!(
        named(vec![(9_600, vec![settled(3, 1, 0)])], all).1,
        "more is taken off than was there"
    );
    assert_eq!(
        named(vec![(9_600, vec![settled(2, 0, 0)])], all).1,
        "a batch has what is due of a pool twice"
    );
    assert_eq!(named(vec![(9_600, vec![confirmed(1)])], all).1, "no coupon is held for the order");
    let again = named(vec![lock(1, 2_050, 1, 0, 1)], open).1;
    assert_eq!(again, "an order is locked that was not released");
    let twice = named(vec![confirm(1, 2_100, 10), confirm(1, 2_200, 10)], open);
    assert_eq!(twice.0, 20, "{twice:?}");
    let mut order = entries(sound.clone());
    order.swap(3, 4);
    assert_eq!(books(&order).unwrap_err().why, "it comes after a later one");
}
