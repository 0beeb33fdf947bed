//! The body of an entry. A version has one way to write any events, and the audit can be shown them all.

use super::Target;
use super::log::{entries, story};
use quan::audit::audit;
use quan::ledger::event::codec;
use quan::ledger::journal::Entry;

pub(crate) fn target() -> Target {
    let seeds = story().0.iter().map(|(_, events)| codec::encode(events).unwrap()).collect();
    let log = entries();
    let look = move |input: &[u8]| {
        let Some(events) = codec::decode(input) else { return "no".into() };
        let again = codec::encode(&events).expect("what was read can be written");
        // What an older version wrote is written anew in the present one's words.
        if input.first() == Some(&1) {
            assert_eq!(codec::decode(&again), Some(events.clone()), "the same events");
        } else {
            assert_eq!(again, input, "one list of events, two bodies");
        }
        let last = log.last().expect("the log is not empty");
        let body = input.to_vec();
        let next = Entry { seq: last.seq + 1, durable: last.seq, at: last.at, seal: false, body };
        let audit = audit(log.iter().cloned().chain([next]).map(Ok), None);
        let broken = audit.checks.iter().filter(|check| !check.clean).map(|check| check.name);
        let broken: Vec<&str> = broken.collect();
        format!("good: {} events, broken {}", events.len().min(4), broken.join(" "))
    };
    Target { seeds, look: Box::new(look) }
}
