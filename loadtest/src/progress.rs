//! How far a run is, for people who wait.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// People solve captchas and get passes.
    Passes,
    /// The round opens and people claim.
    Rush,
    /// Tills redeem and pay back.
    Tills,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it does.
    pub phase: Phase,
    /// Requests that have their answer.
    pub answered: u64,
    /// Requests expected in this phase; 0 when nobody knows.
    pub of: u64,
    /// Coupons granted.
    pub granted: u64,
    /// Coupons in the round.
    pub stock: u64,
    /// Milliseconds since the opening; below zero before it.
    pub since_opening_ms: i64,
}

/// Told a few times a second.
pub type Progress = Box<dyn Fn(&Step) + Send>;

/// Nobody is told.
pub fn silent() -> Progress {
    Box::new(|_| ())
}

/// A bar on standard error if that is a terminal, otherwise a line every five seconds.
pub fn on_stderr() -> Progress {
    if std::io::stderr().is_terminal() { bar() } else { lines() }
}

fn bar() -> Progress {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{bar:32} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    Box::new(move |step| {
        let (at, of) = match step.phase {
            Phase::Passes | Phase::Tills => (step.answered, step.of),
            Phase::Rush => (step.granted, step.stock),
        };
        bar.set_length(of);
        bar.set_position(at);
        bar.set_message(text(step));
    })
}

fn lines() -> Progress {
    let told: Cell<Option<(Phase, Instant)>> = Cell::new(None);
    Box::new(move |step| {
        let recent = |(phase, at): (Phase, Instant)| {
            phase == step.phase && at.elapsed() < Duration::from_secs(5)
        };
        if !told.get().is_some_and(recent) {
            told.set(Some((step.phase, Instant::now())));
            eprintln!("{}", text(step));
        }
    })
}

fn text(step: &Step) -> String {
    match step.phase {
        Phase::Passes => format!("passes {} of {}", step.answered, step.of),
        Phase::Tills => format!("customers {} of {}", step.answered, step.of),
        Phase::Rush => {
            let since = step.since_opening_ms;
            let sign = if since < 0 { '-' } else { '+' };
            let (s, tenth) = (since.unsigned_abs() / 1000, since.unsigned_abs() % 1000 / 100);
            format!(
                "T0{sign}{s}.{tenth} s: {} answered, {} of {} coupons granted",
                step.answered, step.granted, step.stock
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_tells_the_time_to_the_opening_with_its_sign() {
        let step = Step {
            phase: Phase::Rush,
            answered: 5,
            of: 0,
            granted: 2,
            stock: 9,
            since_opening_ms: -150,
        };
        assert_eq!(text(&step), "T0-0.1 s: 5 answered, 2 of 9 coupons granted");
        let passes = Step { phase: Phase::Passes, of: 7, since_opening_ms: 1500, ..step };
        assert_eq!(text(&passes), "passes 5 of 7");
    }
}
