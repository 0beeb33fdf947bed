//! The journal's own check: nothing lost, nothing out of order, nothing unreadable.

use super::{Check, Seen};
use crate::domain::{At, CampaignNo};
use crate::ledger::event::{Event, What, codec};
use crate::ledger::journal::{Entry, Error};
use std::collections::BTreeSet;

pub(super) struct Form {
    check: Check,
    last_seq: u64,
    last_at: Option<At>,
    opened: BTreeSet<CampaignNo>,
}

impl Default for Form {
    fn default() -> Form {
        let what = "every entry is there, readable and in order; no event before its campaign";
        Form {
            check: Check::new("journal", what),
            last_seq: 0,
            last_at: None,
            opened: BTreeSet::new(),
        }
    }
}

impl Form {
    /// The entry with its events; `None` for a seal and for what can't be read.
    pub(super) fn read(&mut self, entry: Result<Entry, Error>) -> Option<Seen> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                self.check.find(format!("after seq {}: {error}", self.last_seq));
                return None;
            }
        };
        self.check.row();
        self.order(&entry);
        if entry.seal {
            return None;
        }
        let seq = entry.seq;
        let Some(events) = codec::decode(&entry.body) else {
            self.check.find(format!("seq {seq}: the body is not in a format known here"));
            return None;
        };
        for event in &events {
            self.campaign(seq, event);
        }
        Some(Seen { seq, at: entry.at, events })
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(super) fn done(self) -> Check {
        self.check
    }

    fn order(&mut self, entry: &Entry) {
        let expected = self.last_seq.saturating_add(1);
        if entry.seq != expected {
            self.check.find(format!("seq {}: seq {expected} was expected here", entry.seq));
        }
        self.last_seq = entry.seq;
        // A seal decides nothing, and is stamped by whoever was idle: its instant is no promise.
        if entry.seal {
            return;
        }
        if let Some(before) = self.last_at.filter(|before| entry.at < *before) {
            let (seq, at) = (entry.seq, entry.at);
            self.check.find(format!("seq {seq}: its instant {at:?} is before {before:?}"));
        }
        self.last_at = Some(entry.at);
    }

    fn campaign(&mut self, seq: u64, event: &Event) {
        let no = event.campaign;
        if !matches!(event.what, What::Opened(_)) {
            if !self.opened.contains(&no) {
                self.check.find(format!("seq {seq}: campaign {} was not opened before", no.0));
            }
            return;
        }
        if usize::from(no.0) != self.opened.len() {
            let text = "was opened twice or out of order";
            self.check.find(format!("seq {seq}: campaign {} {text}", no.0));
        }
        self.opened.insert(no);
    }
}
