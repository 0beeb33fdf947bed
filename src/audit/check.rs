use serde::Serialize;

/// Findings that are told in full; the rest are counted.
const TOLD: usize = 20;

/// One promise that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its short name, as `I1`.
    pub name: &'static str,
    /// The promise in one line.
    pub what: &'static str,
    /// How many rows were looked at. A clean check of no rows says nothing.
    pub rows: u64,
    /// Whether nothing was found.
    pub clean: bool,
    /// What was found, with its place: the first 20.
    pub findings: Vec<String>,
    /// How much was found in all.
    pub found: u64,
}

impl Check {
    /// A check that has looked at nothing yet.
    pub fn new(name: &'static str, what: &'static str) -> Check {
        Check { name, what, rows: 0, clean: true, findings: Vec::new(), found: 0 }
    }

    /// Counts a row as looked at.
    pub fn row(&mut self) {
        self.rows += 1;
    }

    /// Notes what is wrong, and where.
    pub fn find(&mut self, finding: String) {
        self.clean = false;
        self.found += 1;
        if self.findings.len() < TOLD {
            self.findings.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_twenty_findings_are_told_and_all_are_counted() {
        let mut check = Check::new("I0", "nothing");
        (0..25).for_each(|n| check.find(format!("seq {n}: wrong")));
        assert!(!check.clean);
        assert_eq!((check.found, check.findings.len()), (25, 20));
        assert_eq!(check.findings[19], "seq 19: wrong");
    }
}
