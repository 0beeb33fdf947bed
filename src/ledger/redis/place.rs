//! One place of a campaign (a shard, or its identities) as this node knows it.

use super::book::{Book, Turned};
use super::keys::Place;
use super::link::{Fate, Item};
use super::standing::Standing;
use crate::domain::{At, KindNo, RoundNo, Shard};
use crate::ledger::event::Event;
use crate::ledger::machine::Grant;
use crate::ledger::service::{NotTaken, QUEUE, Waiting};
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

/// So long after the last good look nothing is known of a place any more.
const FRESH: Duration = Duration::from_secs(1);

/// What travels to the one task that writes at a place.
pub(super) enum Ask {
    /// A claim.
    Grant(Grant, Box<dyn Waiting>),
    /// Anything else, answered with what became of the items, and of the touch after them.
    Items(Vec<Item>, oneshot::Sender<(Vec<Fate>, Fate)>),
}

/// A place, shared by those who ask, the task that writes and the one that reads on.
pub(super) struct Cell {
    pub(super) place: Place,
    /// How it counts ordinals; known also while the place can't be read.
    pub(super) shard: Shard,
    sender: mpsc::Sender<Ask>,
    seen: Mutex<Seen>,
    /// Wakes the reader.
    pub(super) kick: Notify,
}

/// What is known of it.
#[derive(Default)]
pub(super) struct Seen {
    /// As its log says, up to where it was read.
    pub(super) standing: Standing,
    /// Its orders, as the log says.
    pub(super) book: Book,
    /// What is not known to be finished elsewhere, by its name in `transit`, and since when that is known.
    pub(super) unfinished: BTreeMap<Vec<u8>, Instant>,
    /// The epoch it is in.
    pub(super) epoch: u64,
    /// Whether it decides: its master is the one it was reconciled under.
    pub(super) open: bool,
    /// The last epoch of which this node tells nothing any more.
    pub(super) closed: u64,
    /// The last epoch of which it has handed over what it told.
    pub(super) handed_over: u64,
    /// Whether the last look, or a script, found it under another master.
    fenced: bool,
    /// The highest seq that an answer was about.
    pub(super) replied: u64,
    /// What this node granted and has not read in the log: seq, round, kind.
    granted: VecDeque<(u64, RoundNo, KindNo)>,
    /// What the newest answer said is left of a kind here, and the seq it was about.
    left: BTreeMap<(RoundNo, KindNo), (u64, u32)>,
    /// What somebody asked for here who has to wait until another shard sends it.
    pub(super) wanted: BTreeSet<(RoundNo, KindNo)>,
    looked: Option<Instant>,
    /// How far its master's clock is ahead of this node's, in milliseconds.
    pub(super) ahead_ms: i64,
}

impl Seen {
    /// Whether claims can be decided, as far as is known; nothing is before the place was read once.
    pub(super) fn decides(&self) -> bool {
        self.open && self.epoch > self.closed && self.standing.opened.is_some()
    }

    /// Whether it decides, and that was seen a moment ago.
    pub(super) fn healthy(&self) -> bool {
        self.decides() && self.looked.is_some_and(|at| at.elapsed() < FRESH)
    }

    /// It was looked at: it is in `epoch`, and decides or not. Whether that is another epoch than before.
    pub(super) fn look(&mut self, epoch: u64, open: bool) -> bool {
        let later = self.epoch > 0 && epoch > self.epoch;
        if epoch != self.epoch {
            // What was said then may be something else now.
            self.left.clear();
        }
        (self.epoch, self.open, self.looked) = (epoch, open, Some(Instant::now()));
        self.fenced = !open;
        later
    }

    /// A script that was sent in epoch `sent` said that the place is in `epoch`, and fenced. Whether that is a later
    /// epoch than was known.
    pub(super) fn fenced(&mut self, sent: u64, epoch: u64) -> bool {
        if epoch == sent {
            // Not another epoch, so another master. It is to be reconciled, unless that was seen since.
            if sent == self.epoch {
                (self.open, self.fenced) = (false, true);
            }
            return false;
        }
        let later = epoch > self.epoch;
        if later {
            // Somebody opened it.
            (self.epoch, self.open) = (epoch, true);
            self.left.clear();
        }
        later
    }

    /// It is not there any more: whoever opened it can't have been told so by a master that has all it had.
    pub(super) fn gone(&mut self) {
        (self.open, self.fenced) = (false, true);
    }

    /// Whether it is to be recovered.
    pub(super) fn was_fenced(&self) -> bool {
        self.fenced
    }

    /// This node granted a coupon at `seq`.
    pub(super) fn grant(&mut self, seq: u64, round: RoundNo, kind: KindNo) {
        if seq > self.standing.seq {
            self.granted.push_back((seq, round, kind));
        }
        self.replied = self.replied.max(seq);
    }

    /// An answer about all up to `seq` said that so many units of a kind are left here.
    pub(super) fn hear(&mut self, seq: u64, round: RoundNo, kind: KindNo, left: u32) {
        let newest = self.left.entry((round, kind)).or_default();
        if seq >= newest.0 {
            *newest = (seq, left);
        }
    }

    /// What is left of a kind here, if an answer was about more than was read.
    pub(super) fn heard(&self, round: RoundNo, kind: KindNo) -> Option<u32> {
        let (seq, left) = *self.left.get(&(round, kind))?;
        (seq > self.standing.seq).then_some(left)
    }

    /// Whether this node granted at `seq`, wrote that down, and has not read it.
    pub(super) fn is_own(&self, seq: u64) -> bool {
        self.granted.iter().any(|(at, ..)| *at == seq)
    }

    /// Takes the next entry in; what it does to coupons that are granted.
    pub(super) fn take(&mut self, seq: u64, at: At, events: &[Event]) -> Vec<Turned> {
        (self.standing.seq, self.standing.at) = (seq, Some(at));
        let mut turned = Vec::new();
        for event in events {
            self.standing.event(&event.what);
            if let Some(it) = self.book.take(&event.what, (seq, at)) {
                self.standing.turn(&it);
                turned.push(it);
            }
        }
        turned
    }

    /// The log was read on: what stands in it counts once.
    pub(super) fn read_on(&mut self) {
        let seq = self.standing.seq;
        self.granted.retain(|(at, ..)| *at > seq);
    }

    /// Whether everything that answers were about is known: read in the log, or granted by this node.
    pub(super) fn caught_up(&self) -> bool {
        let unread = self.replied.saturating_sub(self.standing.seq);
        let own = self.granted.iter().filter(|(at, ..)| *at > self.standing.seq);
        u64::try_from(own.count()).is_ok_and(|own| own >= unread)
    }

    /// Grants of a kind in a round that are known and not in the standing.
    pub(super) fn beyond(&self, round: RoundNo, kind: KindNo) -> u32 {
        let unread = self.granted.iter().filter(|(at, ..)| *at > self.standing.seq);
        let these = unread.filter(|(_, of, what)| (*of, *what) == (round, kind));
        u32::try_from(these.count()).unwrap_or(u32::MAX)
    }
}

impl Cell {
    /// A place of which nothing is known, and what its writer is to serve.
    pub(super) fn new(place: Place, shard: Shard) -> (Cell, mpsc::Receiver<Ask>) {
        let (sender, inbox) = mpsc::channel(QUEUE as usize);
        (Cell { place, shard, sender, seen: Mutex::default(), kick: Notify::new() }, inbox)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock()
    }

    /// Hands something to the writer.
    pub(super) fn ask(&self, ask: Ask) -> Result<(), NotTaken> {
        self.sender.try_send(ask).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTaken::Full,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Stopped,
        })
    }

    /// Has the writer send items; what became of them, and of a touch after them.
    pub(super) async fn items(&self, items: Vec<Item>) -> (Vec<Fate>, Fate) {
        let count = items.len();
        let (fates, answer) = oneshot::channel();
        let not_done = || Fate::NotDone("the ledger is full or stopping".to_owned());
        if self.ask(Ask::Items(items, fates)).is_err() {
            return (vec![not_done(); count], not_done());
        }
        answer.await.unwrap_or_else(|_| (vec![Fate::Unknown; count], Fate::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: RoundNo = RoundNo(1);
    const K: KindNo = KindNo(0);

    /// Read up to seq 10.
    fn read() -> Seen {
        let standing = Standing { seq: 10, ..Standing::default() };
        Seen { standing, replied: 10, ..Seen::default() }
    }

    #[test]
    fn i9_what_a_node_granted_itself_needs_no_reading_and_what_others_did_does() {
        let mut seen = read();
        assert!(seen.caught_up());
        seen.grant(11, R, K);
        seen.grant(12, R, K);
        assert!(seen.caught_up());
        // Somebody else's 13 comes between.
        seen.grant(14, R, K);
        assert!(!seen.caught_up());
        seen.standing.seq = 13;
        seen.read_on();
        assert!(seen.caught_up(), "14 is its own");
        seen.replied = 15;
        assert!(!seen.caught_up(), "an answer was about another one");
    }

    #[test]
    fn i9_a_grant_counts_once_while_the_log_is_read() {
        let mut seen = read();
        for seq in [11, 12, 13] {
            seen.grant(seq, R, K);
        }
        assert_eq!(seen.beyond(R, K), 3);
        // A first piece of the log is in, and the rest is on its way.
        seen.standing.seq = 12;
        assert_eq!(seen.beyond(R, K), 1, "of what the standing has, nobody takes it twice");
    }

    #[test]
    fn i9_what_is_left_is_the_newest_answers_until_more_is_read() {
        let mut seen = read();
        assert_eq!(seen.heard(R, K), None);
        seen.hear(10, R, K, 5);
        assert_eq!(seen.heard(R, K), None, "that was read");
        seen.hear(12, R, K, 3);
        seen.hear(11, R, K, 4);
        assert_eq!(seen.heard(R, K), Some(3));
        seen.standing.seq = 12;
        assert_eq!(seen.heard(R, K), None);
    }
}
