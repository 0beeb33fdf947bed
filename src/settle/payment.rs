//! Paying a batch: what is sent to the bank, and what its answers do. Never twice.
//!
//! # What always holds
//!
//! - A payment is one merchant's line of one batch. It is sent in attempts, numbered from 1, each sent once; the next
//!   one only after the bank said that the last one failed.
//! - It is paid at most once: the first word that an attempt was paid counts, and nothing is sent after it. So with a
//!   bank whose answers are true, however late, repeated or lost they are, a merchant is paid at most once.
//! - An answer that contradicts an earlier one, or is of another amount, changes nothing. The payment is then
//!   *disputed*: nothing more is sent until people say what became of it.
//!
//! # Not here
//!
//! Who sends an attempt writes that down first: an attempt of which nobody knows whether it left is asked after, never
//! sent again. The ledger's events `paid` and `payment failed` are made of [`Heard::Paid`] and [`Heard::Failed`].

use crate::domain::{BatchNo, Fen, MerchantNo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is to be paid to a merchant, and how far that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
    /// How much, over all pools.
    pub fen: Fen,
    /// What became of each attempt, in order.
    attempts: Vec<Attempt>,
    /// Whether the bank contradicted itself, or paid another amount.
    disputed: bool,
}

/// What is known of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Attempt {
    /// It was sent, and no answer came.
    Sent,
    /// The money arrived.
    Paid,
    /// The money did not leave, or came back.
    Failed,
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be sent.
    Payable,
    /// Sent; the bank has not answered.
    Sent,
    /// Paid, for good.
    Paid,
    /// Failed; to be sent again.
    Failed,
}

/// What the bank is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instruction {
    /// The batch.
    pub batch: BatchNo,
    /// The merchant.
    pub merchant: MerchantNo,
    /// Which attempt, from 1: the bank's answers name it.
    pub attempt: u16,
    /// How much.
    pub fen: Fen,
}

/// What the bank says of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// So much arrived.
    Paid(Fen),
    /// Nothing left, or it came back.
    Failed,
}

/// What an answer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The payment is paid now. Said once for each payment.
    Paid,
    /// The attempt failed; the payment can be sent again. Said once for each attempt.
    Failed,
    /// It was known.
    Known,
    /// It contradicts what is known: the payment is disputed.
    Disputed,
    /// No such attempt was sent.
    NeverSent,
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// It is on its way: what became of it is not known.
    #[error("an attempt is on its way")]
    OnItsWay,
    /// It is paid.
    #[error("it is paid")]
    Paid,
    /// People have to say what became of it.
    #[error("the bank's answers contradict each other")]
    Disputed,
    /// The batch has nothing to pay to the merchant.
    #[error("the batch has nothing to pay to it")]
    NothingToPay,
    /// There were more attempts than are numbered.
    #[error("too many attempts failed")]
    TooOften,
}

impl Payment {
    /// Something to pay; `None` if there is nothing, since what was due was all kept for what is owed.
    pub fn new(batch: BatchNo, merchant: MerchantNo, fen: Fen) -> Option<Payment> {
        (fen != Fen::ZERO).then(|| Payment {
            batch,
            merchant,
            fen,
            attempts: Vec::new(),
            disputed: false,
        })
    }

    /// How far it is.
    pub fn state(&self) -> State {
        if self.attempts.contains(&Attempt::Paid) {
            return State::Paid;
        }
        match self.attempts.last() {
            None => State::Payable,
            Some(Attempt::Failed) => State::Failed,
            Some(Attempt::Sent | Attempt::Paid) => State::Sent,
        }
    }

    /// Whether people have to look at it.
    pub fn is_disputed(&self) -> bool {
        self.disputed
    }

    /// What was sent and is not answered.
    pub fn on_its_way(&self) -> Option<Instruction> {
        let attempt = u16::try_from(self.attempts.len()).ok()?;
        let it = Instruction { batch: self.batch, merchant: self.merchant, attempt, fen: self.fen };
        (self.state() == State::Sent).then_some(it)
    }

    /// Sends the next attempt: from here on it counts as sent, whatever becomes of it.
    pub fn send(&mut self) -> Result<Instruction, NotSent> {
        match self.state() {
            State::Paid => return Err(NotSent::Paid),
            State::Sent => return Err(NotSent::OnItsWay),
            State::Payable | State::Failed if self.disputed => return Err(NotSent::Disputed),
            State::Payable | State::Failed => {}
        }
        let sent = u16::try_from(self.attempts.len()).unwrap_or(u16::MAX);
        let attempt = sent.checked_add(1).ok_or(NotSent::TooOften)?;
        self.attempts.push(Attempt::Sent);
        Ok(Instruction { batch: self.batch, merchant: self.merchant, attempt, fen: self.fen })
    }

    /// Hears what the bank says of an attempt.
    pub fn hear(&mut self, attempt: u16, answer: Answer) -> Heard {
        let place = usize::from(attempt).checked_sub(1);
        let Some(known) = place.and_then(|it| self.attempts.get(it)).copied() else {
            return Heard::NeverSent;
        };
        match (known, answer) {
            (_, Answer::Paid(fen)) if fen != self.fen => self.dispute(),
            (Attempt::Paid, Answer::Paid(_)) | (Attempt::Failed, Answer::Failed) => Heard::Known,
            (Attempt::Paid, Answer::Failed) | (Attempt::Failed, Answer::Paid(_)) => self.dispute(),
            // Only the last attempt can be without an answer.
            (Attempt::Sent, answer) => self.became(matches!(answer, Answer::Paid(_))),
        }
    }

    /// People looked at a disputed payment: it was paid, or it was not. `None` if nothing was disputed, or if it
    /// already counts as paid and was not: what counts is not taken back, that takes a correction in the ledger.
    pub fn decide(&mut self, paid: bool) -> Option<Heard> {
        let state = self.state();
        if !self.disputed || (state == State::Paid && !paid) {
            return None;
        }
        self.disputed = false;
        Some(match (state, paid) {
            (State::Paid, _) | (State::Failed, false) => Heard::Known,
            _ => self.became(paid),
        })
    }

    /// The last attempt ends.
    fn became(&mut self, paid: bool) -> Heard {
        let (becomes, heard) =
            if paid { (Attempt::Paid, Heard::Paid) } else { (Attempt::Failed, Heard::Failed) };
        if let Some(last) = self.attempts.last_mut() {
            *last = becomes;
        }
        heard
    }

    fn dispute(&mut self) -> Heard {
        self.disputed = true;
        Heard::Disputed
    }
}

/// What is sent of a batch, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// For the bank.
    pub instructions: Vec<Instruction>,
    /// Not sent, since settlement is stopped for these merchants by now.
    pub held: BTreeSet<MerchantNo>,
}

/// Sends everything that was never sent, but to those held. What failed is sent again one by one, by
/// [`Payment::send`], when its cause is mended.
pub fn send_new<'a>(
    payments: impl IntoIterator<Item = &'a mut Payment>,
    held: &BTreeSet<MerchantNo>,
) -> Sending {
    let mut sending = Sending::default();
    for payment in payments.into_iter().filter(|it| it.state() == State::Payable) {
        if held.contains(&payment.merchant) {
            sending.held.insert(payment.merchant);
        } else if let Ok(instruction) = payment.send() {
            sending.instructions.push(instruction);
        }
    }
    sending
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const FEN: Fen = Fen::new(12_345);

    fn payment(merchant: u32) -> Payment {
        Payment::new(BatchNo(7), MerchantNo(merchant), FEN).unwrap()
    }

    #[test]
    fn a_payment_goes_from_payable_over_failed_to_paid() {
        let mut it = payment(1);
        assert_eq!(it.state(), State::Payable);
        let first = it.send().unwrap();
        assert_eq!(
            (first.batch, first.merchant, first.attempt, first.fen),
            (it.batch, it.merchant, 1, FEN)
        );
        assert_eq!((it.state(), it.send()), (State::Sent, Err(NotSent::OnItsWay)));
        assert_eq!((it.hear(1, Answer::Failed), it.state()), (Heard::Failed, State::Failed));
        assert_eq!(it.hear(1, Answer::Failed), Heard::Known);
        assert_eq!(it.send().unwrap().attempt, 2);
        assert_eq!((it.hear(2, Answer::Paid(FEN)), it.state()), (Heard::Paid, State::Paid));
        assert_eq!(it.hear(2, Answer::Paid(FEN)), Heard::Known);
        assert_eq!((it.send(), it.is_disputed()), (Err(NotSent::Paid), false));
        for attempt in [0, 3, u16::MAX] {
            assert_eq!(it.hear(attempt, Answer::Paid(FEN)), Heard::NeverSent, "{attempt}");
        }
        assert_eq!(Payment::new(it.batch, it.merchant, Fen::ZERO), None);
    }

    #[test]
    fn what_contradicts_is_sent_no_more_until_people_decide() {
        // It failed, and then it was paid after all.
        let mut late = payment(1);
        late.send().unwrap();
        late.hear(1, Answer::Failed);
        assert_eq!(late.hear(1, Answer::Paid(FEN)), Heard::Disputed);
        assert_eq!((late.state(), late.send()), (State::Failed, Err(NotSent::Disputed)));
        let mut unpaid = late.clone();
        assert_eq!((late.decide(true), late.state()), (Some(Heard::Paid), State::Paid));
        assert_eq!((late.decide(true), late.send()), (None, Err(NotSent::Paid)));
        assert_eq!(unpaid.decide(false), Some(Heard::Known));
        assert_eq!(unpaid.send().unwrap().attempt, 2);
        // Another amount.
        let mut other = payment(2);
        other.send().unwrap();
        assert_eq!(other.hear(1, Answer::Paid(Fen::new(1))), Heard::Disputed);
        assert_eq!(other.send(), Err(NotSent::OnItsWay));
        assert_eq!(other.hear(1, Answer::Failed), Heard::Failed);
        assert_eq!(other.send(), Err(NotSent::Disputed));
        // It was paid and came back: it stays paid here, and is disputed.
        let mut back = payment(3);
        back.send().unwrap();
        back.hear(1, Answer::Paid(FEN));
        assert_eq!(back.hear(1, Answer::Failed), Heard::Disputed);
        assert_eq!((back.state(), back.decide(false)), (State::Paid, None));
        assert!(back.is_disputed());
        assert_eq!((back.decide(true), back.is_disputed()), (Some(Heard::Known), false));
    }

    #[test]
    fn who_is_held_is_left_out_and_listed_and_can_be_paid_later() {
        let mut payments = vec![payment(1), payment(2), payment(3)];
        payments[2].send().unwrap();
        let held = BTreeSet::from([MerchantNo(2), MerchantNo(9)]);
        let first = send_new(&mut payments, &held);
        let sent =
            |it: &Sending| it.instructions.iter().map(|it| it.merchant.0).collect::<Vec<_>>();
        assert_eq!((sent(&first), first.held), (vec![1], BTreeSet::from([MerchantNo(2)])));
        let second = send_new(&mut payments, &BTreeSet::new());
        assert_eq!((sent(&second), second.held), (vec![2], BTreeSet::new()));
        assert_eq!(send_new(&mut payments, &BTreeSet::new()), Sending::default());
    }

    #[test]
    fn a_payment_is_carried_as_json() {
        let mut it = payment(1);
        it.send().unwrap();
        let text = serde_json::to_string(&it).unwrap();
        assert_eq!(serde_json::from_str::<Payment>(&text).unwrap(), it);
    }

    /// Something that happens between us and the bank.
    #[derive(Clone, Debug)]
    enum Happens {
        /// All that is new is sent, but to that merchant.
        SendNew(u32),
        /// That merchant's is tried again.
        Retry(u32),
        /// An answer comes: of any instruction that ever was, for the first or the hundredth time.
        Answer(prop::sample::Index),
        /// The bank says something wrong of any attempt.
        Lie(u32, u16, bool, u64),
        /// People decide.
        Decide(u32, bool),
    }

    fn happens(lies: bool) -> impl Strategy<Value = Happens> {
        let merchant = 0..4_u32;
        let honest = prop_oneof![
            1 => merchant.clone().prop_map(Happens::SendNew),
            2 => merchant.clone().prop_map(Happens::Retry),
            4 => any::<prop::sample::Index>().prop_map(Happens::Answer),
        ];
        let lie = (merchant.clone(), 0..4_u16, any::<bool>(), 12_344..12_346_u64);
        let lie = lie.prop_map(|(who, attempt, paid, fen)| Happens::Lie(who, attempt, paid, fen));
        let decide = (merchant, any::<bool>()).prop_map(|(who, paid)| Happens::Decide(who, paid));
        let wrong = u32::from(lies);
        prop_oneof![8 => honest, wrong => lie, wrong => decide]
    }

    /// A bank that does what it is told, as often as it is told, and the merchants' purses.
    #[derive(Default)]
    struct Bank {
        /// Each instruction and whether it worked.
        done: Vec<(Instruction, bool)>,
        purse: BTreeMap<MerchantNo, u64>,
    }

    impl Bank {
        fn told(&mut self, it: Instruction, works: bool) {
            *self.purse.entry(it.merchant).or_default() += if works { it.fen.get() } else { 0 };
            self.done.push((it, works));
        }
    }

    fn play(story: Vec<(Happens, bool)>) -> (Vec<Payment>, Bank, BTreeMap<u32, u32>) {
        let mut payments: Vec<Payment> = (0..4).map(payment).collect();
        let mut bank = Bank::default();
        let mut paid: BTreeMap<u32, u32> = BTreeMap::new();
        for (happens, works) in story {
            let heard = match happens {
                Happens::SendNew(held) => {
                    let held = BTreeSet::from([MerchantNo(held)]);
                    let sending = send_new(&mut payments, &held);
                    sending.instructions.into_iter().for_each(|it| bank.told(it, works));
                    None
                }
                Happens::Retry(who) => {
                    if let Ok(it) = payments[who as usize].send() {
                        bank.told(it, works);
                    }
                    None
                }
                Happens::Answer(which) if !bank.done.is_empty() => {
                    let (it, works) = bank.done[which.index(bank.done.len())];
                    let answer = if works { Answer::Paid(it.fen) } else { Answer::Failed };
                    Some((it.merchant.0, payments[it.merchant.0 as usize].hear(it.attempt, answer)))
                }
                Happens::Answer(_) => None,
                Happens::Lie(who, attempt, paid, fen) => {
                    let answer = if paid { Answer::Paid(Fen::new(fen)) } else { Answer::Failed };
                    Some((who, payments[who as usize].hear(attempt, answer)))
                }
                Happens::Decide(who, paid) => {
                    payments[who as usize].decide(paid).map(|heard| (who, heard))
                }
            };
            if let Some((who, Heard::Paid)) = heard {
                *paid.entry(who).or_default() += 1;
            }
        }
        (payments, bank, paid)
    }

    proptest! {
        /// However late, repeated or lost a true bank's answers are, no merchant is paid twice, there or here.
        #[test]
        fn a_payment_is_paid_at_most_once(
            story in prop::collection::vec((happens(false), any::<bool>()), 0..60),
        ) {
            let (payments, bank, paid) = play(story);
            for (who, payment) in (0..).zip(&payments) {
                let purse = bank.purse.get(&MerchantNo(who)).copied().unwrap_or(0);
                prop_assert!(purse <= FEN.get(), "merchant {who} has {purse}");
                let told = paid.get(&who).copied().unwrap_or(0);
                prop_assert_eq!(told, u32::from(payment.state() == State::Paid));
                prop_assert!(told == 0 || purse == FEN.get(), "paid in the books alone");
                prop_assert!(!payment.is_disputed());
            }
        }

        /// Whatever the bank says, the books pay once, and no attempt is numbered twice.
        #[test]
        fn a_bank_that_contradicts_itself_is_paid_from_once(
            story in prop::collection::vec((happens(true), any::<bool>()), 0..60),
        ) {
            let (payments, bank, paid) = play(story);
            for (who, payment) in (0..).zip(&payments) {
                let told = paid.get(&who).copied().unwrap_or(0);
                prop_assert_eq!(told, u32::from(payment.state() == State::Paid));
            }
            let attempts: BTreeSet<Instruction> = bank.done.iter().map(|(it, _)| *it).collect();
            prop_assert_eq!(attempts.len(), bank.done.len());
        }
    }
}
