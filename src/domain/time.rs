//! An instant of a campaign. `now` is always an argument; the only clock is [`crate::clock`].

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An instant: Unix milliseconds. Shown in a campaign's zone at the edges.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct At(pub i64);

impl At {
    /// This instant and `ms` milliseconds more (less if negative); stops at the ends of `i64`.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> At {
        At(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to here; negative if `earlier` is later.
    pub const fn ms_since(self, earlier: At) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 with milliseconds and the zone's offset, as `2023-09-01T10:00:00.000+08:00`.
    pub fn in_zone(self, zone: &TimeZone) -> String {
        let instant = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        format!("{:.3}", instant.display_with_offset(zone.to_offset(instant)))
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "At({})", self.0),
        }
    }
}

/// A span of time `[from, until)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first instant inside.
    pub from: At,
    /// The first instant after it.
    pub until: At,
}

impl Window {
    /// Whether `at` is inside.
    pub fn has(self, at: At) -> bool {
        self.from <= at && at < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_in_the_campaigns_zone() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let ten = At(1_693_533_600_000);
        assert_eq!(ten.in_zone(&zone), "2023-09-01T10:00:00.000+08:00");
        assert_eq!(ten.plus_ms(-1).in_zone(&zone), "2023-09-01T09:59:59.999+08:00");
    }

    #[test]
    fn a_window_is_half_open() {
        let window = Window { from: At(10), until: At(20) };
        assert!(window.has(At(10)) && window.has(At(19)));
        assert!(!window.has(At(9)) && !window.has(At(20)));
    }
}
