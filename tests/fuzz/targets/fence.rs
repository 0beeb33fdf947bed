//! Fence files. Whatever is taken for a fence answers for any place.

use super::Target;
use quan::domain::fence::{Datum, Fence, Position};
use std::mem;

pub(crate) const SHIPPED: &str = include_str!("../../../config/fences/linfen.geojson");
const TRIANGLE: &str = r#"{"type":"Feature","properties":{"datum":"WGS-84"},"geometry":{"type":"Polygon","coordinates":[[[110,35],[112,35],[111,37],[110,35]]]}}"#;

pub(crate) fn target() -> Target {
    let look = |input: &[u8]| match Fence::from_geojson(&String::from_utf8_lossy(input)) {
        Err(why) => format!("{:?}", mem::discriminant(&why)),
        Ok(fence) => {
            let odd = [0.0, -0.0, 90.0, -180.0, 36.08, 111.52, 1e-300, f64::NAN, f64::INFINITY];
            let mut inside = 0;
            for (lat, lon) in odd.iter().flat_map(|lat| odd.map(|lon| (*lat, lon))) {
                for datum in [Datum::Wgs84, Datum::Gcj02] {
                    let here = Position { lat, lon, datum };
                    let metres = fence.clearance_metres(here);
                    assert!(metres.is_none() || here.is_on_earth(), "{here:?} is inside");
                    assert!(metres.is_none_or(|it| it >= 0.0), "{here:?} has {metres:?}");
                    assert_eq!(metres.is_some(), fence.has(here));
                    inside += usize::from(metres.is_some());
                }
            }
            format!("good {inside}")
        }
    };
    Target { seeds: vec![SHIPPED.into(), TRIANGLE.into()], look: Box::new(look) }
}
