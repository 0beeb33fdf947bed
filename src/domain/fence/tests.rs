use super::*;

const LINFEN: &str = include_str!("../../../config/fences/linfen.geojson");
const POINTS: &str = include_str!("fence_points.csv");
const NOW: At = At(1_693_533_600_000);

fn rules() -> FixRules {
    FixRules {
        fence: Fence::from_geojson(LINFEN).unwrap(),
        max_age_ms: 60_000,
        max_ahead_ms: 5_000,
        max_accuracy_dm: 10_000,
    }
}

fn at(lat: f64, lon: f64, datum: Datum) -> Fix {
    Fix {
        position: Position { lat, lon, datum },
        accuracy_dm: 200,
        taken_at: NOW.plus_ms(-5_000),
        mock: false,
    }
}

fn code(fix: Option<&Fix>) -> &'static str {
    verdict(fix, NOW, &rules()).map_or_else(Refusal::code, |()| "inside")
}

/// The rows of the vector file: place, fix, verdict. Only a place's name may hold a comma.
fn rows() -> Vec<(&'static str, Option<Fix>, &'static str)> {
    POINTS.lines().skip(1).map(row).collect()
}

fn row(line: &'static str) -> (&'static str, Option<Fix>, &'static str) {
    let mut cells: Vec<&str> = line.rsplitn(8, ',').collect();
    cells.reverse();
    let [place, lat, lon, datum, accuracy_m, age_s, mock, verdict] = cells.try_into().unwrap();
    if lat.is_empty() {
        return (place, None, verdict);
    }
    let fix = Fix {
        accuracy_dm: accuracy_m.parse::<u32>().unwrap() * 10,
        taken_at: NOW.plus_ms(-1_000 * age_s.parse::<i64>().unwrap()),
        mock: mock.parse().unwrap(),
        ..at(lat.parse().unwrap(), lon.parse().unwrap(), Datum::named(datum).unwrap())
    };
    (place, Some(fix), verdict)
}

#[test]
fn r_who_1_every_verdict_of_the_vector_file_holds() {
    let rows = rows();
    assert_eq!(rows.len(), 26);
    for (place, fix, verdict) in rows {
        let said = code(fix.as_ref());
        assert_eq!(said.strip_prefix("position_").unwrap_or(said), verdict, "{place}");
    }
}

#[test]
fn r_who_1_with_the_other_datum_every_edge_row_turns_over() {
    let edge: Vec<_> = rows().into_iter().filter(|row| row.0.contains("datum decides")).collect();
    assert_eq!(edge.len(), 4);
    for (place, fix, verdict) in edge {
        let mut fix = fix.unwrap();
        fix.position.datum = match fix.position.datum {
            Datum::Wgs84 => Datum::Gcj02,
            Datum::Gcj02 => Datum::Wgs84,
        };
        let turned = if verdict == "inside" { "position_outside" } else { "inside" };
        assert_eq!(code(Some(&fix)), turned, "{place}");
    }
}

#[test]
fn r_who_1_every_corner_and_every_edge_midpoint_is_inside() {
    let fence = rules().fence;
    for (from, to) in fence.ring.iter().zip(fence.ring.iter().skip(1)) {
        let corner = Position { lat: from.lat, lon: from.lon, datum: Datum::Gcj02 };
        let (lat, lon) = (f64::midpoint(from.lat, to.lat), f64::midpoint(from.lon, to.lon));
        let middle = Position { lat, lon, datum: Datum::Gcj02 };
        assert!(fence.has(corner) && fence.has(middle), "{corner:?} {middle:?}");
        assert!(fence.has(corner.to(Datum::Wgs84)) && fence.has(middle.to(Datum::Wgs84)));
    }
}

#[test]
fn r_who_1_outside_stays_outside_however_wide_the_circle() {
    let mut fix = at(36.37, 110.472, Datum::Gcj02);
    fix.accuracy_dm = 10_000;
    assert_eq!(code(Some(&fix)), "position_outside");
}

#[test]
fn r_who_1_no_odd_number_passes() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 36.08 + 360.0, f64::MAX, f64::MIN];
    for datum in [Datum::Wgs84, Datum::Gcj02] {
        for number in odd {
            assert_eq!(code(Some(&at(number, 111.52, datum))), "position_outside");
            assert_eq!(code(Some(&at(36.08, number, datum))), "position_outside");
            assert_eq!(code(Some(&at(number, number, datum))), "position_outside");
        }
    }
}

#[test]
fn r_who_1_the_first_reason_in_order_is_the_answer() {
    let mut fix = at(0.0, 0.0, Datum::Wgs84);
    (fix.mock, fix.taken_at, fix.accuracy_dm) = (true, At(0), u32::MAX);
    assert_eq!(code(Some(&fix)), "position_mock");
    fix.mock = false;
    assert_eq!(code(Some(&fix)), "position_stale");
    fix.taken_at = NOW;
    assert_eq!(code(Some(&fix)), "position_coarse");
    fix.accuracy_dm = 0;
    assert_eq!(code(Some(&fix)), "position_coarse", "an unknown accuracy refuses");
    fix.accuracy_dm = 1;
    assert_eq!(code(Some(&fix)), "position_outside");
}

#[test]
fn r_who_1_a_clock_may_be_a_little_ahead_and_no_more() {
    let mut fix = at(36.08, 111.52, Datum::Gcj02);
    for (ahead_ms, said) in [(5_000, "inside"), (5_001, "position_stale")] {
        fix.taken_at = NOW.plus_ms(ahead_ms);
        assert_eq!(code(Some(&fix)), said);
    }
    for end in [At(i64::MIN), At(i64::MAX)] {
        fix.taken_at = end;
        assert_eq!(code(Some(&fix)), "position_stale");
    }
}

fn file(properties: &str, ring: &str) -> String {
    format!(
        r#"{{"type":"Feature","properties":{properties},"geometry":{{"type":"Polygon","coordinates":[{ring}]}}}}"#
    )
}

#[test]
fn r_who_1_a_broken_fence_is_refused_by_name() {
    let gcj = r#"{"datum":"GCJ-02"}"#;
    let square = "[[111,36],[112,36],[112,37],[111,37],[111,36]]";
    assert!(Fence::from_geojson(&file(gcj, square)).is_ok());
    for (properties, ring, why) in [
        ("{}", square, FenceError::DatumMissing),
        ("null", square, FenceError::DatumMissing),
        (r#"{"datum":null}"#, square, FenceError::DatumMissing),
        (r#"{"datum":"BD-09"}"#, square, FenceError::DatumUnknown("\"BD-09\"".to_owned())),
        (gcj, "[[111,36],[112,36],[112,37],[111,37]]", FenceError::NotClosed),
        (gcj, "[[111,36],[112,36],[111,36]]", FenceError::TooFewPoints(3)),
        (gcj, "[]", FenceError::TooFewPoints(0)),
        (gcj, "[[111,36],[112,36],[111.5,36],[111,36]]", FenceError::NoArea),
        (gcj, "[[36,111],[36,112],[37,112],[36,111]]", FenceError::PointOutOfRange(0)),
        (gcj, "[[111,36],[181,36],[112,37],[111,36]]", FenceError::PointOutOfRange(1)),
        (gcj, "[[111,36],[112],[112,37],[111,36]]", FenceError::PointMalformed(1)),
        (gcj, r#"[[111,36],["112",36],[112,37],[111,36]]"#, FenceError::PointMalformed(1)),
        (gcj, &format!("{square},{square}"), FenceError::NotOnePolygon),
    ] {
        assert_eq!(Fence::from_geojson(&file(properties, ring)).unwrap_err(), why);
    }
    assert!(matches!(Fence::from_geojson("{"), Err(FenceError::NotJson(_))));
    for text in ["{}", "[]", r#"{"type":"FeatureCollection","features":[]}"#] {
        assert_eq!(Fence::from_geojson(text).unwrap_err(), FenceError::NotOnePolygon);
    }
}

#[test]
fn r_who_1_a_hair_beyond_the_pole_is_not_on_the_edge_of_a_polar_fence() {
    let ring = "[[10,80],[20,80],[20,90],[10,90],[10,80]]";
    let fence = Fence::from_geojson(&file(r#"{"datum":"WGS-84"}"#, ring)).unwrap();
    let pole = Position { lat: 90.0, lon: 15.0, datum: Datum::Wgs84 };
    assert!(fence.has(pole));
    assert!(!fence.has(Position { lat: 90.000_000_1, ..pole }));
}
