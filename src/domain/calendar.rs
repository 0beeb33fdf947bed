//! The rounds of a campaign, all made from one rule (R-CAL-1, R-CAL-2).

use super::{At, RoundNo, Window};
use jiff::{
    ToSpan,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

/// Rounds of a campaign at most: a coupon's number has two digits for them.
pub const MOST_ROUNDS: u8 = 99;

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

/// Further rounds of a campaign, after its last one (R-ADJ-2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// When the campaign period ended before: the first instant after it.
    #[serde(rename = "ended_ms")]
    pub ended: At,
    /// When it ends now.
    #[serde(rename = "ends_ms")]
    pub ends: At,
    /// The first of the rounds; the others follow.
    pub first: RoundNo,
    /// Each from its opening until its coupons end.
    pub windows: Vec<Window>,
}

impl Extension {
    /// Its rounds, in order.
    pub fn rounds(&self) -> impl Iterator<Item = Round> + '_ {
        (self.first.0..=u8::MAX)
            .zip(&self.windows)
            .map(|(no, window)| Round { no: RoundNo(no), window: *window })
    }

    /// The round after its last one.
    pub fn next(&self) -> RoundNo {
        let rounds = u8::try_from(self.windows.len()).unwrap_or(u8::MAX);
        RoundNo(self.first.0.saturating_add(rounds))
    }

    /// Whether its rounds come one after the other, end after they open, open in the new period, and are not too many.
    pub fn is_sound(&self) -> bool {
        let opens = self.windows.iter().map(|window| window.from);
        let rounds = usize::from(self.first.0).saturating_add(self.windows.len());
        self.first > RoundNo(0)
            && (1..=usize::from(MOST_ROUNDS) + 1).contains(&rounds)
            && self.ended < self.ends
            && self.windows.iter().all(|window| window.from < window.until)
            && opens.clone().zip(opens.skip(1)).all(|(one, next)| one < next)
            && self.windows.last().is_some_and(|last| last.from < self.ends)
    }
}

impl WeeklyRule {
    /// All rounds in order, on the clock of `zone`. An error means a date beyond the calendar's range.
    pub fn rounds(&self, zone: &TimeZone) -> Result<Vec<Round>, jiff::Error> {
        self.weeks(0..self.rounds, zone)
    }

    /// The rounds of these weeks, counted from that of round 1, which is 0; also after the last one.
    pub fn weeks(
        &self,
        weeks: std::ops::Range<u8>,
        zone: &TimeZone,
    ) -> Result<Vec<Round>, jiff::Error> {
        weeks.map(|week| self.round(week, zone)).collect()
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
    fn r_adj_2_further_rounds_that_are_not_one_after_the_other_in_the_new_period_are_not_sound() {
        let window = |from, until| Window { from: At(from), until: At(until) };
        let good = Extension {
            ended: At(100),
            ends: At(300),
            first: RoundNo(16),
            windows: vec![window(110, 220), window(210, 320)],
        };
        assert!(good.is_sound());
        assert_eq!(good.rounds().map(|it| it.no.0).collect::<Vec<_>>(), [16, 17]);
        assert_eq!(good.next(), RoundNo(18));
        let all = |no| (0..no).map(|at| window(110 + at, 220)).collect::<Vec<_>>();
        let most = Extension { windows: all(84), ..good.clone() };
        assert!(most.is_sound(), "99 rounds");
        for bad in [
            Extension { windows: all(85), ..good.clone() },
            Extension { windows: vec![], ..good.clone() },
            Extension { first: RoundNo(0), ..good.clone() },
            Extension { ends: At(100), ..good.clone() },
            Extension { ends: At(210), ..good.clone() },
            Extension { windows: vec![window(110, 110)], ..good.clone() },
            Extension { windows: vec![window(210, 220), window(210, 320)], ..good },
        ] {
            assert!(!bad.is_sound(), "{bad:?}");
        }
    }

    #[test]
    fn r_cal_2_a_round_that_ends_on_its_own_weekday_ends_a_week_later() {
        let rule = WeeklyRule { ends_on: Weekday::Friday, rounds: 1, ..RULE };
        let window = rule.rounds(&TimeZone::UTC).unwrap()[0].window;
        assert_eq!(window.until, at("2023-09-08T23:00:00Z"));
    }
}
