//! WGS-84 and GCJ-02, and the way from one to the other.
//!
//! A phone in China gives one or the other, about half a kilometre apart, so a position that does not say which
//! it is cannot be judged. The formula is the published one that map makers call "Mars coordinates": the
//! Krasovsky 1940 ellipsoid and the series of the `EvilTransform` listing, the same in `eviltransform` and
//! `coordtransform`. It is written here because it is forty lines, and a wrong crate would refuse real people.
//! GCJ-02 has no published inverse, so the way back is a fixed-point iteration.
#![expect(
    clippy::float_arithmetic,
    reason = "geometry is not money: degrees and metres are floats"
)]

use std::f64::consts::PI;

/// What the numbers of a position mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datum {
    /// What GPS gives.
    Wgs84,
    /// What maps in mainland China use.
    Gcj02,
}

impl Datum {
    /// The datum of this name as fence files write it, `WGS-84` or `GCJ-02`.
    pub fn named(name: &str) -> Option<Datum> {
        match name {
            "WGS-84" => Some(Datum::Wgs84),
            "GCJ-02" => Some(Datum::Gcj02),
            _ => None,
        }
    }
}

/// A place on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// What the degrees mean.
    pub datum: Datum,
}

impl Position {
    /// Whether both numbers are finite and in range; `NaN` is not.
    pub fn is_on_earth(self) -> bool {
        (-90.0..=90.0).contains(&self.lat) && (-180.0..=180.0).contains(&self.lon)
    }

    /// The same place in `datum`.
    #[must_use]
    pub fn to(self, datum: Datum) -> Position {
        match (self.datum, datum) {
            (Datum::Wgs84, Datum::Gcj02) => self.moved(shift(self.lat, self.lon), datum),
            (Datum::Gcj02, Datum::Wgs84) => self.unshifted(),
            (Datum::Wgs84, Datum::Wgs84) | (Datum::Gcj02, Datum::Gcj02) => self,
        }
    }

    /// Metres to `other` along the earth, taken for a sphere: half a percent off at most.
    pub fn metres_to(self, other: Position) -> f64 {
        let (a, b) = (self.to(Datum::Wgs84), other.to(Datum::Wgs84));
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let parallels = a.lat.to_radians().cos() * b.lat.to_radians().cos();
        let chord = half(a.lat, b.lat) + parallels * half(a.lon, b.lon);
        2.0 * MEAN_RADIUS * chord.sqrt().asin()
    }

    fn moved(self, (north, east): (f64, f64), datum: Datum) -> Position {
        Position { lat: self.lat + north, lon: self.lon + east, datum }
    }

    /// The WGS-84 place whose shifted place is `self`.
    ///
    /// The shift changes by less than a hundredth of the distance moved, so each round gains two digits or so: it
    /// starts less than a kilometre off, four rounds end far below a millimetre, and no stop test is needed.
    fn unshifted(self) -> Position {
        let mut guess = Position { datum: Datum::Wgs84, ..self };
        for _ in 0..4 {
            let (north, east) = shift(guess.lat, guess.lon);
            guess = self.moved((-north, -east), Datum::Wgs84);
        }
        guess
    }
}

/// The Krasovsky 1940 ellipsoid: half the long axis in metres, and the eccentricity squared.
const HALF_AXIS: f64 = 6_378_245.0;
const ECCENTRICITY_SQUARED: f64 = 0.006_693_421_622_965_943;

/// The earth's mean radius in metres.
const MEAN_RADIUS: f64 = 6_371_008.8;

/// How far GCJ-02 moves a WGS-84 place, in degrees north and east; nothing outside the formula's box.
fn shift(lat: f64, lon: f64) -> (f64, f64) {
    if !(0.829_3..=55.827_1).contains(&lat) || !(72.004..=137.834_7).contains(&lon) {
        return (0.0, 0.0);
    }
    let (north, east) = shift_metres(lat - 35.0, lon - 105.0);
    let (sin, cos) = lat.to_radians().sin_cos();
    let squeeze = 1.0 - ECCENTRICITY_SQUARED * sin * sin;
    let meridian = HALF_AXIS * (1.0 - ECCENTRICITY_SQUARED) / (squeeze * squeeze.sqrt());
    let parallel = HALF_AXIS / squeeze.sqrt() * cos;
    ((north / meridian).to_degrees(), (east / parallel).to_degrees())
}

/// The series itself: metres north and east at `y` degrees north and `x` degrees east of 35 N 105 E.
fn shift_metres(y: f64, x: f64) -> (f64, f64) {
    let wave = |high: f64, degrees: f64, period: f64| high * (degrees * PI / period).sin();
    let ripple = wave(20.0, 6.0 * x, 1.0) + wave(20.0, 2.0 * x, 1.0);
    let north_waves = ripple
        + wave(20.0, y, 1.0)
        + wave(40.0, y, 3.0)
        + wave(160.0, y, 12.0)
        + wave(320.0, y, 30.0);
    let east_waves = ripple
        + wave(20.0, x, 1.0)
        + wave(40.0, x, 3.0)
        + wave(150.0, x, 12.0)
        + wave(300.0, x, 30.0);
    let root = x.abs().sqrt();
    let north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root;
    let east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root;
    (north + north_waves * 2.0 / 3.0, east + east_waves * 2.0 / 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_the_great_circles() {
        let at = |lat, lon| Position { lat, lon, datum: Datum::Wgs84 };
        // A degree of the meridian is a 360th of 2 pi times 6,371,008.8 m, and one of the parallel of 60 N half of it.
        let degree = at(0.0, 0.0).metres_to(at(1.0, 0.0));
        assert!((degree - 111_195.08).abs() < 0.01, "{degree}");
        let east = at(60.0, 10.0).metres_to(at(60.0, 10.001));
        assert!((east - 55.597_5).abs() < 0.001, "{east}");
        let here = at(35.97, 110.84);
        assert!(here.metres_to(here.to(Datum::Gcj02)) < 0.01, "one place in two datums");
        assert!(at(f64::NAN, 0.0).metres_to(here).is_nan());
    }

    fn wgs(lat: f64, lon: f64) -> Position {
        Position { lat, lon, datum: Datum::Wgs84 }
    }

    #[test]
    fn the_published_examples_hold() {
        for (lat, lon, to_lat, to_lon) in [
            (31.177_427_6, 121.527_210_6, 31.175_303_983_645_97, 121.531_541_859_215),
            (22.543_847, 113.912_316, 22.540_796_131_694_766, 113.917_176_480_836_3),
            (39.911_954, 116.377_817, 39.913_345_455_360_69, 116.384_047_224_556_57),
        ] {
            let there = wgs(lat, lon).to(Datum::Gcj02);
            assert!((there.lat - to_lat).abs() < 1e-7, "{there:?}");
            assert!((there.lon - to_lon).abs() < 1e-7, "{there:?}");
        }
    }

    #[test]
    fn the_way_back_ends_within_a_decimetre_of_the_start() {
        // A fixed-seed xorshift: random points over the mainland, the same in every run.
        let mut state = 0x9e37_79b9_u32;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            f64::from(state) / f64::from(u32::MAX)
        };
        for _ in 0..10_000 {
            let start = wgs(18.0 + 35.0 * random(), 74.0 + 60.0 * random());
            let back = start.to(Datum::Gcj02).to(Datum::Wgs84);
            let metres = (back.lat - start.lat).hypot(back.lon - start.lon) * 111_320.0;
            assert!(metres < 0.1, "{start:?} came back {metres} m away");
        }
    }

    #[test]
    fn outside_china_the_two_are_the_same() {
        let paris = wgs(48.85, 2.35);
        assert_eq!(paris.to(Datum::Gcj02), Position { datum: Datum::Gcj02, ..paris });
    }

    #[test]
    fn no_odd_number_is_on_earth() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 180.000_001, -180.000_001] {
            assert!(!wgs(odd, 111.0).is_on_earth() && !wgs(36.0, odd).is_on_earth());
        }
        assert!(!wgs(90.000_001, 111.0).is_on_earth());
    }
}
