//! The rounds of a campaign, all made from one rule (R-CAL-1, R-CAL-2).

use super::{At, RoundNo, Window};
use jiff::{
    ToSpan,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};

/// "`rounds` rounds, one a week from `first` at `opens`; the coupons of each end on the next `ends_on` at `ends`."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeeklyRule {
    /// The date of round 1; every other round is a whole number of weeks later.
    pub first: Date,
    /// How many rounds there are.
    pub rounds: u8,
    /// The clock time a round opens at.
    pub opens: Time,
    /// The weekday its coupons end on: the first such day after the opening day.
    pub ends_on: Weekday,
    /// The clock time its coupons end at, exclusive.
    pub ends: Time,
}

/// One round of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Its number, from 1.
    pub no: RoundNo,
    /// From its opening until its coupons end.
    pub window: Window,
}

impl WeeklyRule {
    /// All rounds in order, on the clock of `zone`. An error means a date beyond the calendar's range.
    pub fn rounds(&self, zone: &TimeZone) -> Result<Vec<Round>, jiff::Error> {
        (0..self.rounds).map(|week| self.round(week, zone)).collect()
    }

    fn round(&self, week: u8, zone: &TimeZone) -> Result<Round, jiff::Error> {
        let day = self.first.checked_add(i64::from(week).weeks())?;
        let last = day.nth_weekday(1, self.ends_on)?;
        let from = instant(day.to_datetime(self.opens), zone)?;
        let until = instant(last.to_datetime(self.ends), zone)?;
        Ok(Round { no: RoundNo(week.saturating_add(1)), window: Window { from, until } })
    }
}

/// The instant `zone`'s clock shows `clock`.
pub fn instant(clock: DateTime, zone: &TimeZone) -> Result<At, jiff::Error> {
    Ok(At(clock.to_zoned_datetime(zone.clone())?.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};

    const RULE: WeeklyRule = WeeklyRule {
        first: date(2023, 9, 1),
        rounds: 15,
        opens: time(10, 0, 0, 0),
        ends_on: Weekday::Thursday,
        ends: time(23, 0, 0, 0),
    };

    fn at(text: &str) -> At {
        At(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn r_cal_1_the_rule_makes_the_plans_calendar() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let expected: Vec<Round> = include_str!("../plan/vectors/calendar.csv")
            .lines()
            .skip(1)
            .map(|line| {
                let cell: Vec<&str> = line.split(',').collect();
                let window = Window { from: at(cell[1]), until: at(cell[2]) };
                Round { no: RoundNo(cell[0].parse().unwrap()), window }
            })
            .collect();
        assert_eq!(expected.len(), 15);
        assert_eq!(RULE.rounds(&zone).unwrap(), expected);
    }

    #[test]
    fn r_cal_2_coupons_end_157_hours_after_the_opening() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        for round in RULE.rounds(&zone).unwrap() {
            assert_eq!(round.window.until.ms_since(round.window.from), 157 * 3_600_000);
        }
    }

    #[test]
    fn r_cal_2_the_clock_time_wins_where_the_clocks_change() {
        // New York leaves summer time on 2023-11-05, so that week has an hour more.
        let zone = TimeZone::get("America/New_York").unwrap();
        let rule = WeeklyRule { first: date(2023, 11, 3), rounds: 1, ..RULE };
        let window = rule.rounds(&zone).unwrap()[0].window;
        assert_eq!(window.until.ms_since(window.from), 158 * 3_600_000);
        assert_eq!(window.until, at("2023-11-09T23:00:00-05:00"));
    }

    #[test]
    fn r_cal_2_a_round_that_ends_on_its_own_weekday_ends_a_week_later() {
        let rule = WeeklyRule { ends_on: Weekday::Friday, rounds: 1, ..RULE };
        let window = rule.rounds(&TimeZone::UTC).unwrap()[0].window;
        assert_eq!(window.until, at("2023-09-08T23:00:00Z"));
    }
}
