//! Where a person must be: the fence, and the verdict on a position fix (R-WHO-1).

mod cells;
mod datum;
mod polygon;

pub use datum::{Datum, Position};

use super::{At, Refusal};
use cells::Cells;
use polygon::Corner;
use serde_json::Value;
use std::fmt;

/// A phone's claim of where it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fix {
    /// Where.
    pub position: Position,
    /// How far off it may be, in decimetres.
    pub accuracy_dm: u32,
    /// When.
    pub taken_at: At,
    /// Whether the phone says that a mock provider made it.
    pub mock: bool,
}

/// What a fix must keep to.
#[derive(Clone, Debug, PartialEq)]
pub struct FixRules {
    /// Where it must be.
    pub fence: Fence,
    /// How old it may be, in milliseconds.
    pub max_age_ms: i64,
    /// How far the phone's clock may be ahead of ours, in milliseconds.
    pub max_ahead_ms: i64,
    /// How inaccurate it may be, in decimetres.
    pub max_accuracy_dm: u32,
}

/// Whether the person is where the rules ask. The first reason that applies is the answer, in the order
/// missing, mock, stale, coarse, outside, uncertain.
///
/// A place that is not on earth (`NaN`, infinite, out of range) is outside.
pub fn verdict(fix: Option<&Fix>, now: At, rules: &FixRules) -> Result<(), Refusal> {
    let fix = fix.ok_or(Refusal::PositionMissing)?;
    if fix.mock {
        return Err(Refusal::PositionMock);
    }
    let age_ms = now.ms_since(fix.taken_at);
    if age_ms > rules.max_age_ms || age_ms < rules.max_ahead_ms.saturating_neg() {
        return Err(Refusal::PositionStale);
    }
    // Zero is what phones report when they don't know their accuracy: missing data refuses.
    if fix.accuracy_dm == 0 || fix.accuracy_dm > rules.max_accuracy_dm {
        return Err(Refusal::PositionCoarse);
    }
    rules.fence.judge(fix.position, metres(fix.accuracy_dm))
}

/// An area on the earth: one closed ring, read from a `GeoJSON` file that states its datum.
#[derive(Clone, Debug, PartialEq)]
pub struct Fence {
    datum: Datum,
    ring: Vec<Corner>,
    cells: Cells,
}

/// Why a fence file is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceError {
    /// The file is not JSON.
    NotJson(String),
    /// The file is not one `GeoJSON` feature, alone or in a collection, with one polygon without holes.
    NotOnePolygon,
    /// The feature has no property `datum`.
    DatumMissing,
    /// The datum is neither `WGS-84` nor `GCJ-02`.
    DatumUnknown(String),
    /// The point with this place in the ring, from 0, is not a list that starts with two numbers.
    PointMalformed(usize),
    /// The point with this place in the ring, from 0, is not on earth.
    PointOutOfRange(usize),
    /// The ring has fewer than four points, the first counted again as the last.
    TooFewPoints(usize),
    /// The ring's last point is not its first.
    NotClosed,
    /// The ring encloses no area.
    NoArea,
}

impl fmt::Display for FenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FenceError::NotJson(why) => write!(f, "the fence is not JSON: {why}"),
            FenceError::NotOnePolygon => {
                f.write_str("the fence is not one feature with one polygon without holes")
            }
            FenceError::DatumMissing => f.write_str(
                "the fence does not say its datum: add the property \"datum\", WGS-84 or GCJ-02",
            ),
            FenceError::DatumUnknown(name) => {
                write!(f, "the fence's datum {name} is neither WGS-84 nor GCJ-02")
            }
            FenceError::PointMalformed(at) => {
                write!(f, "point {at} of the fence is not [longitude, latitude]")
            }
            FenceError::PointOutOfRange(at) => write!(
                f,
                "point {at} of the fence is out of range (the order is longitude, latitude)"
            ),
            FenceError::TooFewPoints(count) => {
                write!(f, "the fence has {count} points; a closed ring has at least 4")
            }
            FenceError::NotClosed => f.write_str("the fence's last point is not its first"),
            FenceError::NoArea => f.write_str("the fence encloses no area"),
        }
    }
}

impl std::error::Error for FenceError {}

impl Fence {
    /// The fence in a `GeoJSON` text (RFC 7946, but for the datum, which must be stated).
    pub fn from_geojson(text: &str) -> Result<Fence, FenceError> {
        let file: Value =
            serde_json::from_str(text).map_err(|why| FenceError::NotJson(why.to_string()))?;
        let feature = only_feature(&file).ok_or(FenceError::NotOnePolygon)?;
        let points = only_ring(feature).ok_or(FenceError::NotOnePolygon)?;
        let datum = match feature.pointer("/properties/datum") {
            None | Some(Value::Null) => return Err(FenceError::DatumMissing),
            Some(stated) => stated
                .as_str()
                .and_then(Datum::named)
                .ok_or_else(|| FenceError::DatumUnknown(stated.to_string()))?,
        };
        let mut ring = Vec::with_capacity(points.len());
        for (at, point) in points.iter().enumerate() {
            let (lon, lat) = lon_lat(point).ok_or(FenceError::PointMalformed(at))?;
            if !(Position { lat, lon, datum }).is_on_earth() {
                return Err(FenceError::PointOutOfRange(at));
            }
            ring.push(Corner { lat, lon });
        }
        if ring.len() < 4 {
            return Err(FenceError::TooFewPoints(ring.len()));
        }
        if ring.first() != ring.last() {
            return Err(FenceError::NotClosed);
        }
        if polygon::encloses_nothing(&ring) {
            return Err(FenceError::NoArea);
        }
        let cells = Cells::of(&ring);
        Ok(Fence { datum, ring, cells })
    }

    /// Whether the place is inside; the edge is.
    pub fn has(&self, position: Position) -> bool {
        self.clearance_metres(position).is_some()
    }

    /// Metres from a place inside to the outline; `None` outside and for a place that is not on earth.
    pub fn clearance_metres(&self, position: Position) -> Option<f64> {
        self.clearance(self.place(position)?)
    }

    /// Whether a place that may be off by `accuracy` metres is surely inside.
    fn judge(&self, position: Position, accuracy: f64) -> Result<(), Refusal> {
        let here = self.place(position).ok_or(Refusal::PositionOutside)?;
        if self.cells.surely(here) > accuracy {
            return Ok(());
        }
        match self.clearance(here) {
            None => Err(Refusal::PositionOutside),
            Some(metres) if metres < accuracy => Err(Refusal::PositionUncertain),
            Some(_) => Ok(()),
        }
    }

    /// The place in the fence's own datum; `None` if it is not on earth.
    fn place(&self, position: Position) -> Option<Corner> {
        let here = position.is_on_earth().then(|| position.to(self.datum))?;
        Some(Corner { lat: here.lat, lon: here.lon })
    }

    fn clearance(&self, here: Corner) -> Option<f64> {
        let metres = polygon::metres_to(&self.ring, here);
        polygon::encloses(&self.ring, here, metres).then_some(metres)
    }
}

#[expect(clippy::float_arithmetic, reason = "the unit of a fix's accuracy to metres")]
fn metres(decimetres: u32) -> f64 {
    f64::from(decimetres) / 10.0
}

/// The file itself if it is a feature, or the only one of its collection.
fn only_feature(file: &Value) -> Option<&Value> {
    match file.get("type")?.as_str()? {
        "Feature" => Some(file),
        "FeatureCollection" => match file.get("features")?.as_array()?.as_slice() {
            [feature] if feature.get("type")? == "Feature" => Some(feature),
            _ => None,
        },
        _ => None,
    }
}

fn only_ring(feature: &Value) -> Option<&[Value]> {
    if feature.pointer("/geometry/type")? != "Polygon" {
        return None;
    }
    match feature.pointer("/geometry/coordinates")?.as_array()?.as_slice() {
        [ring] => Some(ring.as_array()?),
        _ => None,
    }
}

fn lon_lat(point: &Value) -> Option<(f64, f64)> {
    match point.as_array()?.as_slice() {
        [lon, lat, ..] => Some((lon.as_f64()?, lat.as_f64()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
