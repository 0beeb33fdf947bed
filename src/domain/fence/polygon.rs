//! A closed outline: what is inside it, and how far away it is.
#![expect(
    clippy::float_arithmetic,
    reason = "geometry is not money: degrees and metres are floats"
)]

/// A corner of the outline, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Corner {
    pub(super) lat: f64,
    pub(super) lon: f64,
}

/// The mean radius of the earth in metres (IUGG).
const EARTH_RADIUS: f64 = 6_371_008.8;

/// A place this near to the outline is on it: a fix is given to 1e-7 degree, which is 1.1 cm.
const ON_THE_EDGE: f64 = 0.02;

/// Square degrees below which a ring is a line (a hundredth of a square metre).
const NO_AREA: f64 = 1e-12;

fn edges(ring: &[Corner]) -> impl Iterator<Item = (Corner, Corner)> {
    ring.iter().copied().zip(ring.iter().copied().skip(1))
}

/// Whether the closed ring encloses nothing, by the shoelace formula about its first corner.
pub(super) fn encloses_nothing(ring: &[Corner]) -> bool {
    let Some(first) = ring.first() else { return true };
    let twice: f64 = edges(ring)
        .map(|(from, to)| {
            (from.lon - first.lon) * (to.lat - first.lat)
                - (to.lon - first.lon) * (from.lat - first.lat)
        })
        .sum();
    twice.abs() / 2.0 < NO_AREA
}

/// Whether `at` is inside the closed ring, given its distance from it: even-odd rule, and the edge is inside.
pub(super) fn encloses(ring: &[Corner], at: Corner, metres: f64) -> bool {
    if metres <= ON_THE_EDGE {
        return true;
    }
    let crossings = edges(ring)
        .filter(|(from, to)| {
            (from.lat > at.lat) != (to.lat > at.lat)
                && at.lon
                    < from.lon + (to.lon - from.lon) * (at.lat - from.lat) / (to.lat - from.lat)
        })
        .count();
    crossings % 2 == 1
}

/// Metres from `at` to the nearest place of the closed ring.
///
/// On a plane that touches the earth at `at` (equirectangular): wrong by less than a metre a kilometre, and least
/// where it matters, near the outline. A ring over the 180th meridian is not meant to work.
pub(super) fn metres_to(ring: &[Corner], at: Corner) -> f64 {
    let narrowing = at.lat.to_radians().cos();
    let flat = |corner: Corner| {
        let east = (corner.lon - at.lon).to_radians() * narrowing * EARTH_RADIUS;
        let north = (corner.lat - at.lat).to_radians() * EARTH_RADIUS;
        (east, north)
    };
    edges(ring)
        .map(|(from, to)| square_to_segment(flat(from), flat(to)))
        .fold(f64::INFINITY, f64::min)
        .sqrt()
}

/// The square of the distance of the plane's origin from the segment: one root for a ring is enough.
fn square_to_segment((from_east, from_north): (f64, f64), (to_east, to_north): (f64, f64)) -> f64 {
    let (along_east, along_north) = (to_east - from_east, to_north - from_north);
    let length_squared = along_east * along_east + along_north * along_north;
    let share = if length_squared > 0.0 {
        (-(from_east * along_east + from_north * along_north) / length_squared).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let (east, north) = (from_east + share * along_east, from_north + share * along_north);
    east * east + north * north
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square() -> Vec<Corner> {
        [(36.0, 111.0), (36.0, 112.0), (37.0, 112.0), (37.0, 111.0), (36.0, 111.0)]
            .map(|(lat, lon)| Corner { lat, lon })
            .to_vec()
    }

    #[test]
    fn a_hundredth_of_a_degree_north_is_1112_metres() {
        let metres = metres_to(&square(), Corner { lat: 37.01, lon: 111.5 });
        assert!((metres - 1_111.95).abs() < 0.1, "{metres}");
    }

    #[test]
    fn a_hundredth_of_a_degree_east_is_shorter_by_the_cosine() {
        let metres = metres_to(&square(), Corner { lat: 36.5, lon: 112.01 });
        assert!((metres - 1_111.95 * 36.5_f64.to_radians().cos()).abs() < 0.1, "{metres}");
    }

    #[test]
    fn a_line_and_back_encloses_nothing() {
        let line = [(36.0, 111.0), (36.0, 112.0), (36.0, 111.5), (36.0, 111.0)]
            .map(|(lat, lon)| Corner { lat, lon });
        assert!(encloses_nothing(&line) && !encloses_nothing(&square()));
    }
}
