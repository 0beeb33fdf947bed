//! The audit as a person reads it: a line per check, what was found below.

use super::Audit;
use std::fmt;

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.checks.iter().map(|check| check.what.len()).max().unwrap_or(0);
        for check in &self.checks {
            let result = if check.clean { "clean" } else { "BROKEN" };
            let (name, what, rows) = (check.name, check.what, check.rows);
            write!(f, "{name:<8} {what:<wide$} {rows:>9} rows  {result}")?;
            if !check.clean {
                write!(f, ", {} found", check.found)?;
            }
            writeln!(f)?;
        }
        for check in self.checks.iter().filter(|check| !check.clean) {
            writeln!(f)?;
            for finding in &check.findings {
                writeln!(f, "{}: {}", check.name, plain(finding))?;
            }
            let told = u64::try_from(check.findings.len()).unwrap_or(u64::MAX);
            if check.found > told {
                writeln!(f, "{}: and {} more", check.name, check.found - told)?;
            }
        }
        let result = if self.clean { "clean" } else { "BROKEN" };
        if self.logs > 1 {
            return write!(f, "audit of {} logs, {} entries: {result}", self.logs, self.last_seq);
        }
        write!(f, "audit up to seq {}: {result}", self.last_seq)
    }
}

/// Findings quote names and numbers from outside: nothing but printable ASCII reaches a terminal.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if char == ' ' || char.is_ascii_graphic() {
            out.push(char);
        } else {
            out.extend(char.escape_default());
        }
    }
    out
}
