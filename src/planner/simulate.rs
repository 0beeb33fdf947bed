//! How the pools would run down over the rounds left, with and without the planner.
//!
//! Every coupon put out is assumed granted, and of those granted as many redeemed as somebody assumes. What is not
//! redeemed is available again before the next round. Without the planner a round puts out what the plan says, and
//! nothing of a pool that can't pay for it any more; with it, what it proposes by then.

use super::{Fault, Figures, KindFigures, PoolFigures, propose};
use crate::domain::{Fen, PoolNo, RoundNo};
use crate::plan::{Kind, Plan};
use serde::Serialize;
use std::{fmt, iter, str::FromStr};

/// A part of all, in hundredths of a per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Rate(u16);

impl Rate {
    /// What is assumed of a kind of which nothing else is: 70 %.
    pub const USUAL: Rate = Rate(7_000);
    const ALL: u16 = 10_000;

    /// That part of `count`, rounded down.
    fn of(self, count: u64) -> u64 {
        let part = u128::from(count) * u128::from(self.0) / u128::from(Rate::ALL);
        u64::try_from(part).unwrap_or(count)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, rest) => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a rate as 70% or 62.5%, from 0% to 100%")]
pub struct NotARate;

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Rate, NotARate> {
        let number = text.strip_suffix('%').ok_or(NotARate)?;
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(rest) || rest.is_empty() || rest.len() > 2 {
            return Err(NotARate);
        }
        let whole: u16 = whole.parse().map_err(|_| NotARate)?;
        let hundredths: u16 = format!("{rest:0<2}").parse().map_err(|_| NotARate)?;
        let rate = whole.checked_mul(100).and_then(|it| it.checked_add(hundredths));
        rate.filter(|it| *it <= Rate::ALL).map(Rate).ok_or(NotARate)
    }
}

/// What is assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// How many rounds are left; more than the plan has stand for an extension (R-ADJ-2).
    pub rounds_left: u8,
    /// Of each kind, how many of those granted are redeemed.
    pub redeemed: Vec<Rate>,
}

/// How the pools run down under what is assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Simulation {
    /// The campaign.
    pub campaign: String,
    /// Its title.
    pub title: String,
    /// How many rounds are left.
    pub rounds_left: u8,
    /// The kinds, in the order of their numbers.
    pub kinds: Vec<KindAssumed>,
    /// Each pool that has kinds, without the planner and with it.
    pub pools: Vec<PoolCourse>,
}

/// What is assumed of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KindAssumed {
    /// Its name.
    pub name: String,
    /// The pool it is paid from.
    pub pool: PoolNo,
    /// What one costs the pool.
    pub face: Fen,
    /// How many the plan puts out in a round.
    pub usual: u32,
    /// How many of those granted are redeemed, in hundredths of a per cent.
    pub redeemed: Rate,
}

/// How one pool runs down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolCourse {
    /// Its number.
    pub pool: PoolNo,
    /// Its name.
    pub name: String,
    /// What is available before the first of the rounds left.
    pub available: Fen,
    /// As the plan says.
    pub without: Course,
    /// As the planner would propose before each round.
    pub with: Course,
}

/// One round after the other.
pub type Course = Vec<Step>;

/// What a round does to a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The round.
    pub round: u8,
    /// How many of each of the pool's kinds it puts out.
    pub units: Vec<u32>,
    /// What that costs at most.
    pub put_out: Fen,
    /// What of it is redeemed.
    pub redeemed: Fen,
    /// What is available after it has ended.
    pub left: Fen,
}

/// Plays the rounds left of `plan`, whose pools hold all that it gives them.
pub fn simulate(plan: &Plan, assumed: &Assumed) -> Result<Simulation, Fault> {
    let rates = assumed.redeemed.iter().copied().chain(iter::repeat(Rate::USUAL));
    let kinds: Vec<KindAssumed> = plan.kinds.iter().zip(rates).map(assume).collect();
    let figures = begin(plan, assumed.rounds_left)?;
    let without = play(figures.clone(), &kinds, |_| {
        Ok(plan.kinds.iter().map(|it| it.units_per_round).collect())
    })?;
    let with = play(figures, &kinds, |now| {
        let proposal = propose(now, "a simulation")?;
        Ok(proposal.kinds.iter().map(|kind| kind.proposed).collect())
    })?;
    let pools = plan.pools.iter().enumerate().zip(without.into_iter().zip(with));
    let pools = pools.filter_map(|((no, pool), (without, with))| {
        let no = PoolNo(u8::try_from(no).ok()?);
        let named =
            PoolCourse { pool: no, name: pool.name.clone(), available: pool.budget, without, with };
        kinds.iter().any(|kind| kind.pool == no).then_some(named)
    });
    Ok(Simulation {
        campaign: plan.id.clone(),
        title: plan.title.clone(),
        rounds_left: assumed.rounds_left,
        pools: pools.collect(),
        kinds,
    })
}

fn assume((kind, redeemed): (&Kind, Rate)) -> KindAssumed {
    let Kind { name, pool, face, units_per_round, .. } = kind;
    KindAssumed { name: name.clone(), pool: *pool, face: *face, usual: *units_per_round, redeemed }
}

/// How it stands before the first of the rounds left: nothing is known of any kind.
fn begin(plan: &Plan, rounds_left: u8) -> Result<Figures, Fault> {
    if rounds_left == 0 {
        return Err(Fault::NoRoundLeft);
    }
    let rounds = u8::try_from(plan.rounds.len()).unwrap_or(u8::MAX);
    let kinds = plan.kinds.iter().map(|it| KindFigures {
        name: it.name.clone(),
        pool: it.pool,
        face: it.face,
        usual: it.units_per_round,
        before: it.units_per_round,
        granted: 0,
        redeemed: 0,
    });
    let pools =
        plan.pools.iter().map(|it| PoolFigures { name: it.name.clone(), available: it.budget });
    Ok(Figures {
        campaign: plan.id.clone(),
        next: RoundNo(rounds.saturating_sub(rounds_left).saturating_add(1)),
        rounds_left,
        version: 0,
        pools: pools.collect(),
        kinds: kinds.collect(),
    })
}

/// The course of every pool, if each round puts out what `decide` says.
fn play(
    mut figures: Figures,
    assumed: &[KindAssumed],
    decide: impl Fn(&Figures) -> Result<Vec<u32>, Fault>,
) -> Result<Vec<Course>, Fault> {
    let mut courses = vec![Course::new(); figures.pools.len()];
    while figures.rounds_left > 0 {
        let units = decide(&figures)?;
        let round = figures.next.0;
        let Figures { pools, kinds, .. } = &mut figures;
        for ((no, pool), course) in pools.iter_mut().enumerate().zip(&mut courses) {
            let mine = kinds.iter_mut().zip(&units).zip(assumed);
            let mine = mine.filter(|((kind, _), _)| usize::from(kind.pool.0) == no);
            let mut mine: Vec<_> =
                mine.map(|((kind, units), it)| (kind, *units, it.redeemed)).collect();
            course.push(step(round, pool, &mut mine));
        }
        figures.rounds_left -= 1;
        figures.next = RoundNo(round.saturating_add(1));
    }
    Ok(courses)
}

/// One round of one pool, and what is known after it.
fn step(round: u8, pool: &mut PoolFigures, kinds: &mut [(&mut KindFigures, u32, Rate)]) -> Step {
    let cost = |(kind, units, _): &(&mut KindFigures, u32, Rate)| worth(kind.face, (*units).into());
    let put_out = kinds.iter().map(cost).fold(Fen::ZERO, sum);
    let pays = put_out <= pool.available;
    let mut done = Step { round, left: pool.available, ..Step::default() };
    for (kind, units, rate) in kinds {
        let units = if pays { *units } else { 0 };
        let redeemed = rate.of(units.into());
        kind.granted += u64::from(units);
        kind.redeemed += redeemed;
        done.units.push(units);
        done.put_out = sum(done.put_out, worth(kind.face, units.into()));
        done.redeemed = sum(done.redeemed, worth(kind.face, redeemed));
    }
    // What is redeemed is a part of what is put out, and that was there.
    done.left = pool.available.checked_sub(done.redeemed).unwrap_or(Fen::ZERO);
    pool.available = done.left;
    done
}

/// Beyond `u64` the largest amount, which no pool has.
fn worth(face: Fen, units: u64) -> Fen {
    face.checked_mul(units).unwrap_or(Fen::new(u64::MAX))
}

/// As [`worth`].
fn sum(a: Fen, b: Fen) -> Fen {
    a.checked_add(b).unwrap_or(Fen::new(u64::MAX))
}
