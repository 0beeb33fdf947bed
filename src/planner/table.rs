//! A simulation as text for a terminal.

use super::{Course, Simulation};
use std::fmt::{self, Write};

/// The simulation in two tables: what is left of each pool, and what the planner would put out.
pub fn table(simulation: &Simulation) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = write(simulation, &mut text);
    text
}

fn write(simulation: &Simulation, out: &mut String) -> fmt::Result {
    let Simulation { campaign, rounds_left, kinds, pools, .. } = simulation;
    writeln!(
        out,
        "{campaign}: {rounds_left} rounds left; assumed that all coupons are granted, and redeemed:"
    )?;
    for kind in kinds {
        let (name, face, usual) = (&kind.name, kind.face.to_string(), kind.usual);
        writeln!(
            out,
            "{name:<16} {face:>9} {:>8}, {usual} a round by the plan",
            kind.redeemed.to_string()
        )?;
    }
    writeln!(out, "\nLeft of each pool after a round, without the planner and with it:")?;
    write!(out, "round")?;
    for pool in pools {
        write!(out, "  {:>14} {:>14}", pool.name, "with")?;
    }
    write!(out, "\n     ")?;
    for pool in pools {
        let available = pool.available.to_string();
        write!(out, "  {available:>14} {available:>14}")?;
    }
    for no in 0..usize::from(*rounds_left) {
        write!(out, "\n{:>5}", round(simulation, no))?;
        for pool in pools {
            let left =
                |course: &Course| course.get(no).map(|it| it.left.to_string()).unwrap_or_default();
            write!(out, "  {:>14} {:>14}", left(&pool.without), left(&pool.with))?;
        }
    }
    writeln!(out, "\n\nCoupons that a round puts out with the planner:")?;
    write!(out, "round")?;
    for pool in pools {
        for kind in kinds.iter().filter(|kind| kind.pool == pool.pool) {
            write!(out, "  {:>14}", kind.name)?;
        }
    }
    for no in 0..usize::from(*rounds_left) {
        write!(out, "\n{:>5}", round(simulation, no))?;
        for units in pools.iter().filter_map(|pool| pool.with.get(no)).flat_map(|it| &it.units) {
            write!(out, "  {units:>14}")?;
        }
    }
    writeln!(out)
}

/// The number of the `no`-th of the rounds left, from 0.
fn round(simulation: &Simulation, no: usize) -> u8 {
    simulation.pools.first().and_then(|pool| pool.with.get(no)).map_or(0, |step| step.round)
}
