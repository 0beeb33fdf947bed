//! Numbers on their way into a report.

/// Microseconds as milliseconds.
pub(crate) fn ms(us: u64) -> f64 {
    real(us) / 1000.0
}

/// A count as a real number; counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts and microseconds here are far below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// From here to there in microseconds; none when it lies before.
pub(crate) fn span(from_us: i64, until_us: i64) -> u64 {
    u64::try_from(until_us.saturating_sub(from_us)).unwrap_or(0)
}
