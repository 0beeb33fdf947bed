//! What must hold between the values of a plan file, and what a person should know about them.

use super::{
    BoundFor, Calendar, Checked, Faulty, Finding, Kind, Limit, LimitOf, PassRules, Per, Plan, Pool,
    RedeemRules, parse,
};
use crate::code::{CodeRules, MOST_WRONG_A_DAY};
use crate::domain::{
    At, Fen, KindSet, MOST_UNITS, PoolNo, PoolSet, Window,
    calendar::{MOST_ROUNDS, Round, WeeklyRule, instant},
    fence::{Fence, FixRules},
    workdays::{SettlementRules, WorkingDays, is_weekend},
};
use crate::merchant::terminal::TerminalRules;
use crate::redeem::{Case, Part, Policy, Side, Treatment};
use jiff::{
    ToSpan,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};
use std::{
    collections::{HashMap, HashSet},
    io,
    num::NonZeroU32,
    ops::Range,
};
use toml::Spanned;

/// How long a coupon may be held for an order, in seconds: a day.
const LONGEST_LOCK_S: u32 = 86_400;
/// Working days until payment: more than two weeks of them are a slip of the pen.
const MOST_DAYS: u8 = 10;
/// How long a payment code may live, in seconds (R-REDEEM-2).
const LONGEST_CODE_S: u32 = 60;
/// How old a till's request may be, in seconds, and how many of one till are remembered for so long.
const LONGEST_SIGNED_S: u32 = 3_600;
const MOST_REQUESTS: u32 = 1_000_000;
const DAY_MS: i64 = 86_400_000;
const DAY_S: u32 = 86_400;

struct Check<'a> {
    text: &'a str,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

/// Every error of the file at once, or the plan.
pub(super) fn check(
    file: parse::File,
    text: &str,
    fence: impl Fn(&str) -> io::Result<String>,
) -> Result<Checked, Faulty> {
    let mut check = Check { text, errors: Vec::new(), warnings: Vec::new() };
    let time = check.times(&file);
    check.pools(&file);
    let kinds = check.kinds(&file);
    check.spending(&file);
    check.limits(&file);
    check.binding(&file);
    check.settlement(&file);
    let fix = check.fix(&file, fence);
    let redeem = check.redeem(&file);
    let Check { mut errors, mut warnings, .. } = check;
    errors.sort_by_key(|it| it.line);
    warnings.sort_by_key(|it| it.line);
    match (time, fix, redeem) {
        (Some(time), Some(fix), Some(redeem)) if errors.is_empty() => {
            Ok((resolve(file, time, kinds, fix, redeem), warnings))
        }
        _ => Err(Faulty { errors, warnings }),
    }
}

struct Times {
    zone: TimeZone,
    period: Window,
    rounds: Vec<Round>,
    calendar: Calendar,
    books_close: At,
}

fn resolve(
    file: parse::File,
    time: Times,
    kinds: Vec<Kind>,
    fix: FixRules,
    redeem: RedeemRules,
) -> Plan {
    let pools = file.pool.into_iter().map(|pool| Pool {
        name: pool.name.into_inner(),
        budget: pool.budget_fen.into_inner(),
        ring_fenced: pool.ring_fenced,
    });
    Plan {
        id: file.campaign.id,
        title: file.campaign.title,
        zone: time.zone,
        period: time.period,
        books_close: time.books_close,
        fund: file.fund.total_fen.into_inner(),
        pools: pools.collect(),
        kinds,
        rounds: time.rounds,
        calendar: time.calendar,
        limits: file.limit.into_inner().into_iter().map(Spanned::into_inner).collect(),
        allocation: file.allocation,
        leftover: file.leftover,
        pass: PassRules {
            solve_before_opening_s: file.pass.solve_before_opening_s,
            valid_s: file.pass.valid_s,
            one_kind_per_pass: file.pass.one_kind_per_pass,
            bound_for: file.pass.bound_for.into_inner(),
        },
        fix,
        fence_at_use: file.fix.fence_at_use,
        redeem,
        rates: file.rates,
        clock: file.clock,
        settlement: SettlementRules {
            days: WorkingDays {
                holidays: file.settlement.holidays.into_iter().map(Spanned::into_inner).collect(),
                worked: file.settlement.worked.into_iter().map(Spanned::into_inner).collect(),
            },
            cut_at: file.settlement.cut_at,
            pay_after_days: file.settlement.pay_after_days.into_inner(),
        },
    }
}

impl Check<'_> {
    fn error(&mut self, span: &Range<usize>, fault: impl Into<String>, remedy: impl Into<String>) {
        self.errors.push(parse::finding(self.text, span, fault.into(), remedy.into()));
    }

    fn warn(&mut self, span: &Range<usize>, fault: impl Into<String>, remedy: impl Into<String>) {
        self.warnings.push(parse::finding(self.text, span, fault.into(), remedy.into()));
    }

    fn times(&mut self, file: &parse::File) -> Option<Times> {
        let parse::File { campaign, calendar, validity, .. } = file;
        let first = *calendar.first.get_ref();
        if first.weekday() != Weekday::from(*calendar.weekday.get_ref()) {
            let is = weekday_name(first.weekday());
            self.error(
                &calendar.weekday.span(),
                format!("the first round, {first}, is a {is}"),
                format!("write \"{is}\", or change calendar.first"),
            );
        }
        let count = *calendar.rounds.get_ref();
        if !(1..=MOST_ROUNDS).contains(&count) {
            let remedy = format!("write 1 to {MOST_ROUNDS}");
            self.error(&calendar.rounds.span(), "that many rounds can't be held", remedy);
        }
        let Ok(zone) = TimeZone::get(campaign.zone.get_ref()) else {
            let remedy = "write an IANA name as \"Asia/Shanghai\"";
            self.error(&campaign.zone.span(), "no such time zone", remedy);
            return None;
        };
        let from = self.instant(&campaign.starts, &zone)?;
        let until = self.instant(&campaign.ends, &zone)?;
        if until <= from {
            let fault = format!("the period starts at {} and ends before it", from.in_zone(&zone));
            self.error(&campaign.ends.span(), fault, "write a later end");
            return None;
        }
        let period = Window { from, until };
        let rule = WeeklyRule {
            first,
            rounds: count,
            opens: calendar.opens_at,
            ends_on: validity.ends_on.into(),
            ends: validity.ends_at,
        };
        let Ok(mut rounds) = rule.rounds(&zone) else {
            let remedy = "write an earlier date";
            self.error(&calendar.first.span(), "the rounds leave the calendar", remedy);
            return None;
        };
        if let Some(out) = rounds.iter().find(|round| !period.has(round.window.from)) {
            let opens = out.window.from.in_zone(&zone);
            let at_first = out.no.0 == 1;
            let span = if at_first { calendar.first.span() } else { calendar.rounds.span() };
            self.error(
                &span,
                format!("round {} opens at {opens}, outside the period", out.no.0),
                "change calendar.rounds, calendar.first or the period",
            );
        }
        if validity.cut_at_period_end {
            for round in &mut rounds {
                round.window.until = round.window.until.min(until);
            }
        }
        let end = rounds.last()?.window.until;
        if end > until {
            self.warn(
                &campaign.ends.span(),
                format!("the last round's coupons end at {}, after the period", end.in_zone(&zone)),
                "nothing to do if that is meant; otherwise set validity.cut_at_period_end",
            );
        }
        let books_close = end.plus_ms(i64::from(campaign.books_close_after_days) * DAY_MS);
        let cuts = validity.cut_at_period_end;
        let calendar = Calendar { rule, ends: *campaign.ends.get_ref(), cuts };
        Some(Times { zone, period, rounds, calendar, books_close })
    }

    fn instant(&mut self, clock: &Spanned<DateTime>, zone: &TimeZone) -> Option<At> {
        let at = instant(*clock.get_ref(), zone).ok();
        if at.is_none() {
            self.error(&clock.span(), "no such instant in the zone", "write a nearer date");
        }
        at
    }

    fn pools(&mut self, file: &parse::File) {
        self.duplicates(file.pool.iter().map(|pool| &pool.name));
        let fund = &file.fund.total_fen;
        let pools = file.pool.iter().map(|pool| *pool.budget_fen.get_ref()).fold(Fen::ZERO, sum);
        if pools != *fund.get_ref() {
            self.error(
                &fund.span(),
                format!("the fund is {}, but the pools sum to {pools}", fund.get_ref()),
                "make the pools' budget_fen add up to total_fen",
            );
        }
        if let Some(pool) = file.pool.get(PoolSet::MOST) {
            let fault = format!("there are more than {} pools", PoolSet::MOST);
            self.error(&pool.name.span(), fault, "remove this pool and those after it");
        }
    }

    fn kinds(&mut self, file: &parse::File) -> Vec<Kind> {
        self.duplicates(file.kind.iter().map(|kind| &kind.name));
        if let Some(kind) = file.kind.get(KindSet::MOST) {
            let fault = format!("there are {} kinds, {} at most", file.kind.len(), KindSet::MOST);
            self.error(&kind.name.span(), fault, "remove this kind and those after it");
        }
        file.kind.iter().filter_map(|kind| self.kind(kind, &file.pool)).collect()
    }

    fn kind(&mut self, kind: &parse::Kind, pools: &[parse::Pool]) -> Option<Kind> {
        let parse::Kind { name, pool, face_fen, threshold_fen, units_per_round } = kind;
        let (face, threshold) = (*face_fen.get_ref(), *threshold_fen.get_ref());
        if face == Fen::ZERO {
            self.error(&face_fen.span(), "a coupon is worth nothing", "write its face value");
        }
        if threshold < face {
            self.error(
                &threshold_fen.span(),
                format!("the threshold {threshold} is below the face value {face}"),
                format!("write at least {}, or lower face_fen", face.get()),
            );
        }
        let units = *units_per_round.get_ref();
        if !(1..=MOST_UNITS).contains(&units) {
            self.error(
                &units_per_round.span(),
                format!("a round can't put out {units} coupons of a kind"),
                format!("write 1 to {MOST_UNITS}, or remove the kind"),
            );
        }
        let place = pools.iter().position(|it| it.name.get_ref() == pool.get_ref());
        let Some(place) = place else {
            let names: Vec<&str> = pools.iter().map(|it| it.name.get_ref().as_str()).collect();
            let remedy = format!("write one of {}", names.join(", "));
            self.error(&pool.span(), "no such pool", remedy);
            return None;
        };
        Some(Kind {
            name: name.get_ref().clone(),
            pool: PoolNo(u8::try_from(place).ok()?),
            face,
            threshold,
            units_per_round: units,
        })
    }

    fn spending(&mut self, file: &parse::File) {
        let rounds = u64::from(*file.calendar.rounds.get_ref());
        for pool in &file.pool {
            let budget = *pool.budget_fen.get_ref();
            let round = file
                .kind
                .iter()
                .filter(|kind| kind.pool.get_ref() == pool.name.get_ref())
                .map(|kind| {
                    let units = u64::from(*kind.units_per_round.get_ref());
                    times(*kind.face_fen.get_ref(), units)
                })
                .fold(Fen::ZERO, sum);
            let planned = times(round, rounds);
            let name = pool.name.get_ref();
            match budget.checked_sub(planned) {
                None => self.error(
                    &pool.budget_fen.span(),
                    format!(
                        "pool {name} holds {budget}, but {rounds} rounds of {round} are {planned}"
                    ),
                    "lower units_per_round of its kinds or calendar.rounds",
                ),
                Some(Fen::ZERO) => {}
                Some(rest) => self.warn(
                    &pool.budget_fen.span(),
                    format!("{rest} of pool {name} is in no round's plan"),
                    "nothing to do: it stays in the pool until a decision places it",
                ),
            }
        }
    }

    /// The ledger knows one limit. Another one in the file would be promised and not kept.
    fn limits(&mut self, file: &parse::File) {
        let remedy = "write one limit of = \"kind\", per = \"round\", most = 1";
        for limit in file.limit.get_ref() {
            let Limit { of, per, most } = *limit.get_ref();
            if (of, per) != (LimitOf::Kind, Per::Round) {
                let fault = "this limit is not built yet: one coupon of a kind in a round is";
                self.error(&limit.span(), fault, remedy);
            } else if most != NonZeroU32::MIN {
                let fault = format!("a person gets one coupon of a kind in a round, not {most}");
                self.error(&limit.span(), fault, remedy);
            }
        }
        if file.limit.get_ref().is_empty() {
            let fault = "no limit says that a person gets one coupon of a kind in a round";
            self.error(&file.limit.span(), fault, remedy);
        }
    }

    fn binding(&mut self, file: &parse::File) {
        let bound_for = &file.pass.bound_for;
        if *bound_for.get_ref() == BoundFor::Campaign {
            let fault = "binding for the campaign is not built yet: binding for a round is";
            self.error(&bound_for.span(), fault, "write \"round\"");
        }
    }

    fn settlement(&mut self, file: &parse::File) {
        let parse::Settlement { pay_after_days, holidays, worked, .. } = &file.settlement;
        if pay_after_days.get_ref().get() > MOST_DAYS {
            let remedy = format!("write 1 to {MOST_DAYS}");
            self.error(&pay_after_days.span(), "merchants would wait too long", remedy);
        }
        let mut seen: HashSet<Date> = HashSet::new();
        for day in holidays.iter().chain(worked) {
            if !seen.insert(*day.get_ref()) {
                let fault = "the day is already off or worked";
                self.error(&day.span(), fault, "write each day once, in one of the two lists");
            }
        }
        for day in worked.iter().filter(|day| !is_weekend(*day.get_ref())) {
            let fault = format!("the day is a {}", weekday_name(day.get_ref().weekday()));
            self.error(&day.span(), fault, "write Saturdays and Sundays that are worked");
        }
        let (starts, ends) =
            (file.campaign.starts.get_ref().date(), file.campaign.ends.get_ref().date());
        // The last coupons end, are settled and paid after the period.
        let until = ends.checked_add(60.days()).unwrap_or(ends);
        for day in holidays.iter().chain(worked) {
            if !(starts..=until).contains(day.get_ref()) {
                let fault = "the day is nowhere near the period, so it moves no payment";
                self.warn(&day.span(), fault, "look at the year, or remove the day");
            }
        }
    }

    fn fix(
        &mut self,
        file: &parse::File,
        read: impl Fn(&str) -> io::Result<String>,
    ) -> Option<FixRules> {
        let name = &file.fence.file;
        let fence = match read(name.get_ref()) {
            Ok(text) => Fence::from_geojson(&text).map_err(|why| {
                let remedy = "correct the fence file, or name another one";
                self.error(&name.span(), why.to_string(), remedy);
            }),
            Err(why) => {
                let remedy = "write its path from the plan file's folder";
                self.error(&name.span(), format!("the fence can't be read: {why}"), remedy);
                Err(())
            }
        };
        let parse::Fix { oldest_s, ahead_at_most_s, accuracy_at_most_m, .. } = &file.fix;
        let metres = accuracy_at_most_m.get_ref().get();
        let Some(max_accuracy_dm) = metres.checked_mul(10) else {
            let fault = "a fix can't say that it is so inaccurate";
            self.error(&accuracy_at_most_m.span(), fault, "write fewer metres");
            return None;
        };
        Some(FixRules {
            fence: fence.ok()?,
            max_age_ms: i64::from(oldest_s.get()) * 1_000,
            max_ahead_ms: i64::from(*ahead_at_most_s) * 1_000,
            max_accuracy_dm,
        })
    }

    /// How coupons are redeemed.
    fn redeem(&mut self, file: &parse::File) -> Option<RedeemRules> {
        let it = &file.redeem;
        for (value, most, fault) in [
            (&it.lock_s, LONGEST_LOCK_S, "a coupon can't be held for so long"),
            (&it.code_life_s, LONGEST_CODE_S, "a payment code can't live for so long"),
            (&it.code_rotate_s, it.code_life_s.get_ref().get(), "the code is dead by then"),
            (&it.signed_within_s, LONGEST_SIGNED_S, "a request can't be signed so long before"),
            (&it.terminal_requests, MOST_REQUESTS, "so many requests are not remembered"),
        ] {
            if value.get_ref().get() > most {
                self.error(&value.span(), fault, format!("write 1 to {most}"));
            }
        }
        let codes = CodeRules {
            rotate_s: *it.code_rotate_s.get_ref(),
            life_s: *it.code_life_s.get_ref(),
            wrong_tries: *it.wrong_tries.get_ref(),
            wrong_per_s: it.wrong_per_s,
        };
        let wrong = codes.wrong_in(DAY_S);
        if wrong > MOST_WRONG_A_DAY {
            let fault = format!("a till may be wrong {wrong} times a day: codes can be guessed");
            let remedy = format!("lower it, or raise wrong_per_s, to {MOST_WRONG_A_DAY} at most");
            self.error(&it.wrong_tries.span(), fault, remedy);
        }
        let refunds = self.refunds(file)?;
        Some(RedeemRules {
            lock_ms: it.lock_s.get_ref().get().checked_mul(1_000)?,
            far_m: it.far_m.get(),
            codes,
            terminals: TerminalRules {
                window_s: *it.signed_within_s.get_ref(),
                requests: *it.terminal_requests.get_ref(),
            },
            refunds,
        })
    }

    /// What is done about refunds.
    fn refunds(&mut self, file: &parse::File) -> Option<Policy> {
        let mut rows: Vec<(Case, Treatment)> = Vec::new();
        for row in file.refund.get_ref() {
            let parse::Refund { order, end, settlement, coupon, money } = *row.get_ref();
            let case = Case { part: order, end, settlement };
            let treatment = Treatment { coupon, money };
            if rows.iter().any(|(known, _)| *known == case) {
                let fault = format!("what is done {} is said twice", told(case));
                self.error(&row.span(), fault, "remove one of the two tables");
            } else if let Some((fault, remedy)) = treatment.impossible(case) {
                self.error(&row.span(), format!("{}: {fault}", told(case)), remedy);
            }
            rows.push((case, treatment));
        }
        for case in Case::all().filter(|case| rows.iter().all(|(known, _)| known != case)) {
            let fault = format!("nothing says what is done {}", told(case));
            self.error(&file.refund.span(), fault, "add a [[refund]] table for it");
        }
        let row = |case| rows.iter().find(|(known, _)| *known == case).map(|(_, row)| *row);
        Policy::of(row)
    }

    fn duplicates<'b>(&mut self, names: impl Iterator<Item = &'b Spanned<String>>) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for name in names {
            let line = parse::finding(self.text, &name.span(), String::new(), String::new()).line;
            if let Some(before) = seen.get(name.get_ref().as_str()) {
                let fault = format!("the name is taken on line {before}");
                self.error(&name.span(), fault, "write another name");
            } else {
                seen.insert(name.get_ref(), line);
            }
        }
    }
}

/// Beyond `u64`, the largest amount: the file's numbers are below half of it, so it is above any budget.
fn sum(a: Fen, b: Fen) -> Fen {
    a.checked_add(b).unwrap_or(Fen::new(u64::MAX))
}

/// As [`sum`].
fn times(face: Fen, units: u64) -> Fen {
    face.checked_mul(units).unwrap_or(Fen::new(u64::MAX))
}

/// A case as a person says it.
fn told(case: Case) -> String {
    let Case { part, end, settlement } = case;
    let order = match part {
        Part::Full => "the whole order",
        Part::Partial => "a part of the order",
    };
    let side = |side| match side {
        Side::Before => "before",
        Side::After => "after",
    };
    let (end, settlement) = (side(end), side(settlement));
    format!("about {order} paid back {end} the coupon's end and {settlement} the settlement")
}

fn weekday_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

#[cfg(test)]
mod tests;
