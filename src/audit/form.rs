//! The logs' own check: nothing lost, nothing out of order, nothing unreadable.

use super::{Book, Check, Seen, Spot};
use crate::domain::{At, CampaignNo, Shard};
use crate::ledger::event::{Event, Opened, What, codec};
use crate::ledger::journal::{Entry, Error};
use crate::store::LogNo;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Form {
    check: Check,
    logs: BTreeMap<LogNo, Log>,
}

/// How far a log was read.
#[derive(Default)]
struct Log {
    last_seq: u64,
    last_at: Option<At>,
    opened: BTreeSet<CampaignNo>,
}

impl Form {
    pub(super) fn of_a_journal() -> Form {
        let what = "every entry is there, readable and in order; no event before its campaign";
        // A journal is one log, even if it holds nothing.
        let logs = BTreeMap::from([(LogNo::EMBEDDED, Log::default())]);
        Form { check: Check::new("journal", what), logs }
    }

    pub(super) fn of_logs() -> Form {
        let what = "every log and entry is there, readable, in order and in its place";
        Form { check: Check::new("logs", what), logs: BTreeMap::new() }
    }

    /// The entry with its events; `None` for a seal and for what can't be read.
    pub(super) fn read(&mut self, log: LogNo, entry: Result<Entry, Error>) -> Option<Seen> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                self.unreadable(log, &error.to_string());
                return None;
            }
        };
        self.check.row();
        let spot = Spot { log, seq: entry.seq };
        self.order(spot, &entry);
        if entry.seal {
            return None;
        }
        let Some(events) = codec::decode(&entry.body) else {
            self.check.find(format!("{spot}: the body is not in a format known here"));
            return None;
        };
        for event in &events {
            self.campaign(spot, event);
            if !belongs(log, event) {
                let what = format!("{:?}", event.what);
                let what = what.split('(').next().unwrap_or_default();
                self.check.find(format!("{spot}: {what} does not belong in this log"));
            }
        }
        let is_old = codec::is_old(&entry.body);
        Some(Seen { spot, at: entry.at, events, is_old })
    }

    /// What keeps a log from being read on.
    pub(super) fn unreadable(&mut self, log: LogNo, why: &str) {
        let seq = self.logs.entry(log).or_default().last_seq;
        self.check.find(format!("after {}: {why}", Spot { log, seq }));
    }

    /// The sum of the last seqs of all logs.
    pub(super) fn last_seqs(&self) -> u64 {
        self.logs.values().map(|log| log.last_seq).sum()
    }

    pub(super) fn logs(&self) -> usize {
        self.logs.len()
    }

    pub(super) fn done(mut self, book: &Book) -> Check {
        if !self.logs.contains_key(&LogNo::EMBEDDED) {
            for (no, terms, openings) in book.openings() {
                self.whole(no, terms.shard.of);
                for (opened, spot) in openings {
                    let Opened { name, pools, kinds, shard } = opened;
                    if (name, pools, kinds) != (&terms.name, &terms.pools, &terms.kinds)
                        || shard.of != terms.shard.of
                    {
                        let text = "is opened on other terms than in its first log";
                        self.check.find(format!("{spot}: campaign {} {text}", no.0));
                    }
                }
            }
        }
        self.check
    }

    /// A campaign has a log for each shard and one for its identities.
    fn whole(&mut self, no: CampaignNo, of: u8) {
        for part in (0..of).chain([LogNo::IDENTITIES]) {
            let log = LogNo::of(no, part);
            if !self.logs.contains_key(&log) {
                self.check.find(format!("log {log} of campaign {} is missing", no.0));
            }
        }
    }

    fn order(&mut self, spot: Spot, entry: &Entry) {
        let log = self.logs.entry(spot.log).or_default();
        let expected = log.last_seq.saturating_add(1);
        if entry.seq != expected {
            self.check.find(format!("{spot}: seq {expected} was expected here"));
        }
        log.last_seq = entry.seq;
        // A seal decides nothing, and is stamped by whoever was idle: its instant is no promise. Nor is that of
        // an entry that was lost, which is stamped by whoever fills its place.
        if entry.seal || (spot.log != LogNo::EMBEDDED && is_lost(entry)) {
            return;
        }
        if let Some(before) = log.last_at.filter(|before| entry.at < *before) {
            let at = entry.at;
            self.check.find(format!("{spot}: its instant {at:?} is before {before:?}"));
        }
        log.last_at = Some(entry.at);
    }

    fn campaign(&mut self, spot: Spot, event: &Event) {
        let log = self.logs.entry(spot.log).or_default();
        let no = event.campaign;
        let What::Opened(opened) = &event.what else {
            if !log.opened.contains(&no) {
                self.check.find(format!("{spot}: campaign {} was not opened before", no.0));
            }
            return;
        };
        let next = if spot.log == LogNo::EMBEDDED {
            usize::from(no.0) == log.opened.len()
        } else {
            log.opened.is_empty() && is_of(spot.log, no, opened.shard)
        };
        if !next {
            let text = "was opened twice or out of order";
            self.check.find(format!("{spot}: campaign {} {text}", no.0));
        }
        log.opened.insert(no);
    }
}

/// Whether the entry is but the place of one that nobody has.
fn is_lost(entry: &Entry) -> bool {
    codec::decode(&entry.body).is_some_and(|events| events.is_empty())
}

/// Whether the log is that of the campaign's shard, or of its identities, which are opened as the first shard is.
fn is_of(log: LogNo, campaign: CampaignNo, shard: Shard) -> bool {
    log == LogNo::of(campaign, shard.no)
        || (log == LogNo::of(campaign, LogNo::IDENTITIES) && shard.no == 0)
}

/// Whether events of this kind stand in such a log: a journal has no need of transfers, and what is unique across
/// persons is bound in a log of its own if there are several.
fn belongs(log: LogNo, event: &Event) -> bool {
    let embedded = log == LogNo::EMBEDDED;
    match event.what {
        What::Opened(_) | What::Admitted(_) | What::Decided(_) => true,
        What::Bound(_) => embedded || log.of_identities(),
        What::Passed(_) | What::Sent(_) | What::Received(_) => !embedded && !log.of_identities(),
        What::Posted(_)
        | What::Armed(_)
        | What::Expired(_)
        | What::Granted(_)
        | What::Interlock(_)
        | What::Stands(_)
        | What::Locked(_)
        | What::Confirmed(_)
        | What::Released(_)
        | What::Refunded(_)
        | What::Settled(_)
        | What::Paid(_)
        | What::PaymentFailed(_)
        | What::Adjusted(_)
        | What::Extended(_) => embedded || !log.of_identities(),
        What::Reserved(_) | What::Vacated(_) => !embedded,
        What::GivenBack(_) => log.of_identities(),
    }
}
