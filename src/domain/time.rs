//! An instant of a campaign. `now` is always an argument; the only clock is [`crate::clock`].

use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};
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
        let offset = zone.to_offset(instant);
        written(instant, offset)
            .unwrap_or_else(|| format!("{:.3}", instant.display_with_offset(offset)))
    }
}

/// What the library writes of an instant, for a quarter of its time: a look at one's coupons has a dozen of them. `None`
/// of years and offsets that don't fit the usual form.
fn written(instant: Timestamp, offset: Offset) -> Option<String> {
    let it = offset.to_datetime(instant);
    let year = u32::try_from(it.year()).ok()?;
    let (minutes, seconds) = (offset.seconds() / 60, offset.seconds() % 60);
    if seconds != 0 {
        return None;
    }
    let mut text = *b"0000-00-00T00:00:00.000+00:00";
    let mut write = |at: usize, digits: usize, mut number: u32| {
        for digit in text.iter_mut().skip(at).take(digits).rev() {
            *digit = b"0123456789".get((number % 10) as usize).copied().unwrap_or(b'0');
            number /= 10;
        }
    };
    let of = |part: i8| u32::from(part.unsigned_abs());
    write(0, 4, year);
    write(5, 2, of(it.month()));
    write(8, 2, of(it.day()));
    write(11, 2, of(it.hour()));
    write(14, 2, of(it.minute()));
    write(17, 2, of(it.second()));
    write(20, 3, u32::from(it.millisecond().unsigned_abs()));
    write(24, 2, minutes.unsigned_abs() / 60);
    write(27, 2, minutes.unsigned_abs() % 60);
    if let (Some(sign), true) = (text.get_mut(23), minutes < 0) {
        *sign = b'-';
    }
    String::from_utf8(text.to_vec()).ok()
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

    proptest::proptest! {
        #[test]
        fn instants_are_written_as_the_library_writes_them(
            ms in -70_000_000_000_000_i64..253_000_000_000_000,
            seconds in -50_000_i32..50_000,
            whole in proptest::bool::ANY,
        ) {
            let seconds = if whole { seconds / 900 * 900 } else { seconds };
            let offset = Offset::from_seconds(seconds).unwrap();
            let instant = Timestamp::from_millisecond(ms).unwrap();
            let library = format!("{:.3}", instant.display_with_offset(offset));
            assert_eq!(At(ms).in_zone(&TimeZone::fixed(offset)), library);
            assert!(!whole || ms < 0 || written(instant, offset).is_some());
        }
    }

    #[test]
    fn a_window_is_half_open() {
        let window = Window { from: At(10), until: At(20) };
        assert!(window.has(At(10)) && window.has(At(19)));
        assert!(!window.has(At(9)) && !window.has(At(20)));
    }
}
