//! Most people are far from the outline, and a table tells so at once.
//!
//! The ring's box is cut into cells. Each holds a distance that every place in it surely keeps
//! from the outline: the centre's distance less what a place in the cell can be away from the
//! centre, less what the plane of [`super::polygon::metres_to`] is wrong by. Zero says nothing, and
//! the exact way is taken.
#![expect(
    clippy::float_arithmetic,
    reason = "geometry is not money: degrees and metres are floats"
)]

use super::polygon::{Corner, encloses, metres_to};

/// Cells along each side of the box.
const ACROSS: u16 = 32;
/// The plane is wrong by less than a metre a kilometre on either side of the comparison.
const WRONG_BY: f64 = 0.002;

/// The table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cells {
    /// The south-west corner of the box.
    origin: Corner,
    /// Degrees from cell to cell, north and east.
    step: (f64, f64),
    /// Row by row from the south.
    metres: Vec<f32>,
}

impl Cells {
    /// The table of a closed ring.
    pub(super) fn of(ring: &[Corner]) -> Cells {
        let least = |of: fn(&Corner) -> f64| ring.iter().map(of).fold(f64::INFINITY, f64::min);
        let most = |of: fn(&Corner) -> f64| ring.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        let origin = Corner { lat: least(|it| it.lat), lon: least(|it| it.lon) };
        let across = f64::from(ACROSS);
        let north = (most(|it| it.lat) - origin.lat) / across;
        let east = (most(|it| it.lon) - origin.lon) / across;
        let mut metres = Vec::with_capacity(usize::from(ACROSS) * usize::from(ACROSS));
        for row in 0..ACROSS {
            for column in 0..ACROSS {
                let place = |rows: f64, columns: f64| Corner {
                    lat: origin.lat + north * rows,
                    lon: origin.lon + east * columns,
                };
                let (row, column) = (f64::from(row), f64::from(column));
                let centre = place(row + 0.5, column + 0.5);
                let away = [(0.0, 0.0), (1.0, 1.0)]
                    .map(|(rows, columns)| place(row + rows, column + columns))
                    .map(|corner| metres_to(&[corner, corner], centre));
                metres.push(kept(ring, centre, away.into_iter().fold(0.0, f64::max)));
            }
        }
        Cells { origin, step: (north, east), metres }
    }

    /// Metres that a place keeps from the outline at least; 0 where the table does not know.
    pub(super) fn surely(&self, at: Corner) -> f64 {
        let row = (at.lat - self.origin.lat) / self.step.0;
        let column = (at.lon - self.origin.lon) / self.step.1;
        let Some((row, column)) = whole(row).zip(whole(column)) else { return 0.0 };
        f64::from(self.metres.get(row * usize::from(ACROSS) + column).copied().unwrap_or(0.0))
    }
}

/// A place in the table; `None` outside the box and for what is no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is in 0..ACROSS, and rounding down is meant"
)]
fn whole(cells: f64) -> Option<usize> {
    (0.0..f64::from(ACROSS)).contains(&cells).then_some(cells as usize)
}

#[expect(clippy::cast_possible_truncation, reason = "rounding costs less than what is taken off")]
fn kept(ring: &[Corner], centre: Corner, away: f64) -> f32 {
    let clearance = metres_to(ring, centre);
    if !encloses(ring, centre, clearance) {
        return 0.0;
    }
    (clearance * (1.0 - WRONG_BY) - away * (1.0 + WRONG_BY)).max(0.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fence::{Fence, Position};

    #[test]
    fn r_who_1_the_table_never_says_more_than_the_outline_and_mostly_says_something() {
        let text = include_str!("../../../config/fences/linfen.geojson");
        let fence = Fence::from_geojson(text).unwrap();
        let cells = Cells::of(&fence.ring);
        let (mut inside, mut told) = (0, 0);
        // A lattice that falls on no cell's centre, over the box and beyond it.
        for north in -3..140 {
            for east in -3..140 {
                let at = Corner {
                    lat: cells.origin.lat + cells.step.0 * f64::from(north) * 0.237,
                    lon: cells.origin.lon + cells.step.1 * f64::from(east) * 0.237,
                };
                let position = Position { lat: at.lat, lon: at.lon, datum: fence.datum };
                let surely = cells.surely(at);
                match fence.clearance_metres(position) {
                    None => assert!(surely <= 0.0, "{at:?}: outside, and told {surely}"),
                    Some(metres) => {
                        assert!(surely <= metres, "{at:?}: {metres}, and told {surely}");
                        inside += 1;
                        told += i32::from(surely > 1_000.0);
                    }
                }
            }
        }
        assert!(inside > 3_000 && told * 10 > inside * 5, "{told} of {inside}");
    }
}
