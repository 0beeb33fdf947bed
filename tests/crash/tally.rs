//! What many crashes came to.

use crate::common::promises::Promises;
use std::{fmt, ops::AddAssign};

/// What became of the claims that were on their way at crashes, and of all promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Crashes with a grant in flight: its outcome was unknown then, and a yes in the end.
    pub(crate) crashes: usize,
    /// Crashes that don't count.
    pub(crate) idle: usize,
    /// Recoveries that met a crash of their own.
    pub(crate) disturbed: usize,
    /// Grants in flight of which the journal held nothing.
    pub(crate) not_written: usize,
    /// Grants in flight that were written; whether they were synced can't be told.
    pub(crate) written: usize,
    /// Grants in flight that were synced for sure, and not answered.
    pub(crate) synced: usize,
    /// Crashes at which all grants in flight were in the journal, none was, or some were.
    pub(crate) all_some_none: [usize; 3],
    /// Yeses told before a crash, and in all.
    pub(crate) told_before: usize,
    pub(crate) told: usize,
    /// Yeses of before a crash asked for again.
    pub(crate) asked_again: usize,
    /// As the journal was at the end; a yes that is lost right after a crash is a failure at once.
    pub(crate) promises: Promises,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.crashes += other.crashes;
        self.idle += other.idle;
        self.disturbed += other.disturbed;
        self.not_written += other.not_written;
        self.written += other.written;
        self.synced += other.synced;
        for (mine, theirs) in self.all_some_none.iter_mut().zip(other.all_some_none) {
            *mine += theirs;
        }
        self.told_before += other.told_before;
        self.told += other.told;
        self.asked_again += other.asked_again;
        self.promises += other.promises;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [all, some, none] = self.all_some_none;
        write!(
            f,
            "{} crashes with grants in flight ({} without; {} recoveries crashed too)\n  \
             grants in flight: {} not written, {} written and perhaps synced, {} synced and not answered\n  \
             crashes whose grants in flight were in the journal: all {all}, some {some}, none {none}\n  \
             yeses: {} before a crash, {} in all, {} asked for again\n  \
             {}",
            self.crashes,
            self.idle,
            self.disturbed,
            self.not_written,
            self.written,
            self.synced,
            self.told_before,
            self.told,
            self.asked_again,
            self.promises,
        )
    }
}
