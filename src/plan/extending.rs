//! The rounds after a plan's last one, if the campaign is extended (R-ADJ-2).

use super::Plan;
use crate::domain::{
    At, RoundNo,
    calendar::{Extension, MOST_ROUNDS, Round, WeeklyRule, instant},
};
use jiff::{ToSpan, civil::DateTime};

/// What a plan's rounds are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// When rounds open and their coupons end.
    pub rule: WeeklyRule,
    /// The first clock time after the period.
    pub ends: DateTime,
    /// Whether coupons end with the period at the latest (R-CAL-3).
    pub cuts: bool,
}

impl Plan {
    /// So many further rounds from `first` on, one a week by the plan's rule; the period ends as many weeks later.
    /// `None` if `first` is not after the plan's last round, or they are none, too many or beyond the calendar.
    pub fn extension(&self, first: RoundNo, rounds: usize) -> Option<Extension> {
        let Calendar { rule, cuts, .. } = self.calendar;
        let from = first.0.checked_sub(1)?;
        let until = from.checked_add(u8::try_from(rounds).ok()?)?;
        if from < rule.rounds || rounds == 0 || until > MOST_ROUNDS {
            return None;
        }
        let (ended, ends) = (self.end_after(from)?, self.end_after(until)?);
        let weeks = rule.weeks(from..until, &self.zone).ok()?.into_iter();
        let windows = weeks.map(|round| round.window).map(|mut window| {
            if cuts {
                window.until = window.until.min(ends);
            }
            window
        });
        let extension = Extension { ended, ends, first, windows: windows.collect() };
        extension.is_sound().then_some(extension)
    }

    /// When the period ends if there are so many rounds, not fewer than the plan has.
    fn end_after(&self, rounds: u8) -> Option<At> {
        let more = rounds.checked_sub(self.calendar.rule.rounds)?;
        let ends = self.calendar.ends.checked_add(i64::from(more).weeks()).ok()?;
        instant(ends, &self.zone).ok()
    }
}

/// All rounds of a campaign that was extended so, in order.
pub fn rounds<'a>(
    plan: &'a Plan,
    extended: impl IntoIterator<Item = &'a Extension>,
) -> impl Iterator<Item = Round> {
    plan.rounds.iter().copied().chain(extended.into_iter().flat_map(Extension::rounds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::shipped;

    fn told(plan: &Plan, it: &Extension) -> (String, String, Vec<String>) {
        let shown = |at: At| at.in_zone(&plan.zone)[..16].to_owned();
        let windows = it.windows.iter().map(|it| shown(it.from) + " " + &shown(it.until));
        (shown(it.ended), shown(it.ends), windows.collect())
    }

    #[test]
    fn r_adj_2_further_rounds_go_on_by_the_plans_rule_and_the_period_ends_as_many_weeks_later() {
        let plan = shipped();
        let two = plan.extension(RoundNo(16), 2).unwrap();
        let (ended, ends, windows) = told(&plan, &two);
        assert_eq!((&*ended, &*ends), ("2023-12-09T00:00", "2023-12-23T00:00"));
        assert_eq!(
            windows,
            ["2023-12-15T10:00 2023-12-21T23:00", "2023-12-22T10:00 2023-12-28T23:00"]
        );
        let after = plan.extension(two.next(), 1).unwrap();
        assert_eq!((after.ended, after.first), (two.ends, RoundNo(18)));
        let nos: Vec<u8> = rounds(&plan, [&two, &after]).map(|round| round.no.0).collect();
        assert_eq!(nos, (1..=18).collect::<Vec<_>>());
        assert_eq!(plan.extension(RoundNo(16), 84).map(|it| it.next()), Some(RoundNo(100)));
        for (first, count) in [(15, 1), (0, 1), (16, 0), (16, 85), (16, 300), (255, 1)] {
            assert_eq!(plan.extension(RoundNo(first), count), None, "{count} from {first}");
        }
    }

    #[test]
    fn r_adj_2_r_cal_3_where_the_period_cuts_coupons_the_new_end_does() {
        let mut plan = shipped();
        plan.calendar.cuts = true;
        let two = plan.extension(RoundNo(16), 2).unwrap();
        let (_, ends, windows) = told(&plan, &two);
        assert_eq!(
            windows,
            ["2023-12-15T10:00 2023-12-21T23:00", &format!("2023-12-22T10:00 {ends}")]
        );
    }
}
