//! What is wrong with a file, told to whoever wrote it.

use std::fmt;

/// Something that is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column, as the file's first line names it in English; empty if it is of no single one.
    pub field: &'static str,
    /// What stands there.
    pub value: String,
    /// What is the matter with it.
    pub wrong: String,
    /// What to do.
    pub remedy: String,
}

/// What is wrong with a value, and what to do.
pub(super) struct Wrong {
    pub(super) wrong: String,
    pub(super) remedy: String,
}

impl Wrong {
    pub(super) fn new(wrong: impl Into<String>, remedy: impl Into<String>) -> Wrong {
        Wrong { wrong: wrong.into(), remedy: remedy.into() }
    }

    /// At a place.
    pub(super) fn at(self, line: usize, field: &'static str, value: &str) -> Fault {
        /// What is shown of a value; a file that is no table may have all of itself in one.
        const SHOWN: usize = 60;
        let value = value.chars().take(SHOWN).collect();
        Fault { line, field, value, wrong: self.wrong, remedy: self.remedy }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { line, field, value, wrong, remedy } = self;
        let of = if field.is_empty() { "" } else { ", " };
        write!(f, "line {line}{of}{field}: `{value}`: {wrong}; {remedy}")
    }
}
