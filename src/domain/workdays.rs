//! On which days money moves: working days, and when what a day brought is paid (R-CAL-1).

use super::At;
use jiff::{
    Timestamp,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};
use std::{collections::BTreeSet, num::NonZeroU8};

/// Monday to Friday but for public holidays, and the weekends that are worked for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkingDays {
    /// Days off.
    pub holidays: BTreeSet<Date>,
    /// Saturdays and Sundays that are worked.
    pub worked: BTreeSet<Date>,
}

impl WorkingDays {
    /// Whether `day` is one.
    pub fn has(&self, day: Date) -> bool {
        let weekend = is_weekend(day);
        if weekend { self.worked.contains(&day) } else { !self.holidays.contains(&day) }
    }

    /// The first one after `day`; `None` where the calendar ends.
    pub fn next_working_day(&self, day: Date) -> Option<Date> {
        let mut next = day.tomorrow().ok()?;
        while !self.has(next) {
            next = next.tomorrow().ok()?;
        }
        Some(next)
    }
}

/// Whether `day` is a Saturday or Sunday.
pub fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// When merchants are paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementRules {
    /// The working days.
    pub days: WorkingDays,
    /// The clock time at which a day ends for settlement: what is later is the next day's.
    pub cut_at: Time,
    /// How many working days after its day something is paid.
    pub pay_after_days: NonZeroU8,
}

impl SettlementRules {
    /// The day that something at `at` belongs to, on the clock of `zone`.
    pub fn day_of(&self, at: At, zone: &TimeZone) -> Option<Date> {
        let clock = zone.to_datetime(Timestamp::from_millisecond(at.0).ok()?);
        if clock.time() < self.cut_at { Some(clock.date()) } else { clock.date().tomorrow().ok() }
    }

    /// The day on which that of `day` is paid.
    pub fn pay_day(&self, day: Date) -> Option<Date> {
        (0..self.pay_after_days.get()).try_fold(day, |day, _| self.days.next_working_day(day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};

    /// The autumn of 2023 as in the shipped plan.
    fn autumn() -> SettlementRules {
        let off = date(2023, 9, 29).series(jiff::Span::new().days(1)).take(8);
        let worked = BTreeSet::from([date(2023, 10, 7), date(2023, 10, 8)]);
        SettlementRules {
            days: WorkingDays { holidays: off.collect(), worked },
            cut_at: time(23, 0, 0, 0),
            pay_after_days: NonZeroU8::MIN,
        }
    }

    #[test]
    fn r_cal_1_the_next_working_day_knows_weekends_holidays_and_worked_weekends() {
        let days = autumn().days;
        for (after, next) in [
            (date(2023, 9, 1), date(2023, 9, 4)),   // Friday: Monday.
            (date(2023, 9, 2), date(2023, 9, 4)),   // Saturday: Monday.
            (date(2023, 9, 5), date(2023, 9, 6)),   // Tuesday: Wednesday.
            (date(2023, 9, 28), date(2023, 10, 7)), // Before eight days off: a Saturday that is worked.
            (date(2023, 10, 3), date(2023, 10, 7)), // From inside the days off.
            (date(2023, 10, 7), date(2023, 10, 8)), // A Sunday that is worked.
            (date(2023, 10, 8), date(2023, 10, 9)),
        ] {
            assert_eq!(days.next_working_day(after), Some(next), "{after}");
        }
        assert_eq!(days.next_working_day(Date::MAX), None);
    }

    #[test]
    fn r_cal_1_a_day_ends_at_the_cut_and_is_paid_on_the_working_day_after() {
        let rules = autumn();
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let day = |text: &str| {
            let at = At(text.parse::<Timestamp>().unwrap().as_millisecond());
            rules.day_of(at, &zone).unwrap()
        };
        assert_eq!(day("2023-09-07T22:59:59.999+08:00"), date(2023, 9, 7));
        assert_eq!(day("2023-09-07T23:00:00+08:00"), date(2023, 9, 8));
        // The county's clock counts, not that of Greenwich.
        assert_eq!(day("2023-09-07T00:30:00+08:00"), date(2023, 9, 7));
        assert_eq!(rules.pay_day(date(2023, 9, 7)), Some(date(2023, 9, 8)));
        assert_eq!(rules.pay_day(date(2023, 9, 8)), Some(date(2023, 9, 11)));
        let later = SettlementRules { pay_after_days: NonZeroU8::new(3).unwrap(), ..rules };
        assert_eq!(later.pay_day(date(2023, 9, 28)), Some(date(2023, 10, 9)));
    }
}
