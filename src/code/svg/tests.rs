//! What is drawn is read back from the picture itself, by code that shares nothing with what drew it.

use super::*;
use crate::code::{CodeShard, bars::WIDTHS};
use proptest::prelude::*;

/// A picture of modules, `true` where it is black.
fn modules(svg: &str) -> Vec<Vec<bool>> {
    let between = |text: &str, from: &str, to: &str| -> String {
        text.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned()
    };
    let numbers = |text: &str| -> Vec<usize> {
        let words = text.split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty());
        words.map(|it| it.parse().unwrap()).collect()
    };
    let view = numbers(&between(svg, "viewBox=\"", "\""));
    let ground = between(svg, "fill=\"#fff\" d=\"", "\"");
    assert_eq!(numbers(&ground), [0, 0, view[2], view[3], view[2]], "all of it is white first");
    let mut picture = vec![vec![false; view[2]]; view[3]];
    let path = between(svg, "fill=\"#000\" d=\"", "\"");
    for piece in path.split_terminator('z') {
        let [x, y, wide, high, back] = numbers(piece)[..] else { panic!("{piece}") };
        assert_eq!(piece, format!("M{x} {y}h{wide}v{high}h-{back}"));
        assert_eq!(wide, back);
        for row in &mut picture[y..y + high] {
            for module in &mut row[x..x + wide] {
                assert!(!*module, "nothing is drawn twice");
                *module = true;
            }
        }
    }
    picture
}

/// The digits of a row of Code 128.
fn bars_read(row: &[bool]) -> String {
    let runs: Vec<&[bool]> = row.chunk_by(|a, b| a == b).collect();
    let (quiet, rest) = runs.split_first().unwrap();
    let (end, runs) = rest.split_last().unwrap();
    assert!(quiet.len() >= 10 && !quiet[0] && end.len() >= 10 && !end[0], "the quiet zone");
    let widths: String = runs.iter().map(|run| run.len().to_string()).collect();
    let (symbols, stop) = widths.split_at(widths.len() - 7);
    assert_eq!(stop, "2331112");
    let value = |at: usize| WIDTHS.iter().position(|it| *it == &symbols[at..at + 6]).unwrap();
    let values: Vec<usize> = (0..symbols.len()).step_by(6).map(value).collect();
    let (check, data) = values.split_last().unwrap();
    let sum: usize = data.iter().enumerate().map(|(at, value)| at.max(1) * value).sum();
    assert_eq!(sum % 103, *check);
    assert_eq!(data[0], 105, "set C");
    let mut pairs = true;
    let mut text = String::new();
    for value in &data[1..] {
        match (pairs, value) {
            (true, 0..100) => write!(text, "{value:02}").unwrap(),
            (true, 100) => pairs = false,
            (false, 16..26) => text += &(value - 16).to_string(),
            _ => panic!("{value} in {values:?}"),
        }
    }
    text
}

/// The digits of a QR symbol of version 1 at level M without an error in it.
fn square_read(picture: &[Vec<bool>]) -> String {
    assert_eq!(picture.len(), 21 + 8);
    let quiet = |at: usize| !(4..25).contains(&at);
    for (y, row) in picture.iter().enumerate() {
        assert!(row.iter().enumerate().all(|(x, it)| !it || !(quiet(x) || quiet(y))), "row {y}");
    }
    let dark = |x: usize, y: usize| picture[y + 4][x + 4];
    // Rings of the three finders, and the timing between them.
    for (left, top) in [(0, 0), (14, 0), (0, 14)] {
        for (x, y) in (0..7).flat_map(|x: usize| (0..7_usize).map(move |y| (x, y))) {
            let ring = usize::max(x.abs_diff(3), y.abs_diff(3));
            assert_eq!(dark(left + x, top + y), ring != 2, "finder at {left}, {top}");
        }
    }
    assert!((8..13).all(|at| dark(at, 6) == (at % 2 == 0) && dark(6, at) == (at % 2 == 0)));
    // Level and mask: the first five bits of the format, under their own mask.
    let format = [0, 1, 2, 3, 4].iter().fold(0, |bits, x| bits << 1 | u8::from(dark(*x, 8)));
    let format = format ^ 0b10101;
    assert_eq!(format >> 3, 0b00, "level M");
    let masked = |x: usize, y: usize| match format & 0b111 {
        0 => (x + y).is_multiple_of(2),
        1 => y.is_multiple_of(2),
        2 => x.is_multiple_of(3),
        3 => (x + y).is_multiple_of(3),
        4 => (y / 2 + x / 3).is_multiple_of(2),
        5 => x * y % 2 + x * y % 3 == 0,
        6 => (x * y % 2 + x * y % 3).is_multiple_of(2),
        _ => ((x + y) % 2 + x * y % 3).is_multiple_of(2),
    };
    let function = |x: usize, y: usize| {
        x == 6 || y == 6 || (x < 9 && y < 9) || (x > 12 && y < 9) || (x < 9 && y > 12)
    };
    // Two columns at a time from the right, up and down in turn, leaving out the timing's column.
    let mut bits = Vec::new();
    for (turn, right) in [20, 18, 16, 14, 12, 10, 8, 5, 3, 1].into_iter().enumerate() {
        for step in 0..21 {
            let y = if turn % 2 == 0 { 20 - step } else { step };
            let pair = [right, right - 1].into_iter().filter(|x| !function(*x, y));
            bits.extend(pair.map(|x| dark(x, y) ^ masked(x, y)));
        }
    }
    assert_eq!(bits.len(), 26 * 8, "26 codewords, 16 of data");
    let mut at = 0;
    let mut take = |count: usize| {
        at += count;
        bits[at - count..at].iter().fold(0_usize, |number, bit| number << 1 | usize::from(*bit))
    };
    assert_eq!(take(4), 1, "digits");
    let count = take(10);
    let mut text = String::new();
    while text.len() < count {
        let digits = (count - text.len()).min(3);
        write!(text, "{:0digits$}", take(1 + 3 * digits)).unwrap();
    }
    text
}

fn code(shard: u8, secret: u64) -> Code {
    let shard = CodeShard::of(crate::domain::Shard { no: shard, of: 128 }).unwrap();
    let text = (0..10)
        .find_map(|check| format!("62{:02}{secret:014}{check}", shard.no()).parse::<Code>().ok());
    text.unwrap()
}

#[test]
fn r_redeem_2_both_pictures_stand_alone_and_have_a_title() {
    for svg in [barcode(code(1, 2), "付款码 <A&B>"), square(code(1, 2), "付款码 <A&B>")] {
        let opened = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ";
        assert!(svg.starts_with(opened) && svg.ends_with("</svg>"), "{svg}");
        assert!(
            svg.contains("role=\"img\"") && svg.contains("><title>付款码 &lt;A&amp;B&gt;</title>")
        );
        assert_eq!(svg.matches("://").count(), 1, "nothing is fetched: {svg}");
        assert!(svg.len() < 4_096, "{} bytes", svg.len());
    }
    assert_eq!(escaped("a\u{0}\n\u{ffff}b\"'"), "ab\"'");
}

#[test]
fn r_redeem_2_the_bars_are_high_enough_to_scan() {
    let picture = modules(&barcode(code(0, 0), ""));
    assert_eq!((picture.len(), picture[0].len()), (48, 176));
    assert!(picture.iter().all(|row| *row == picture[0]));
}

proptest! {
    #[test]
    fn r_redeem_2_a_scanner_reads_the_code_from_its_bars(shard in 0_u8..100, secret in 0_u64..100_000_000_000_000) {
        let code = code(shard, secret);
        let picture = modules(&barcode(code, "付款码"));
        prop_assert_eq!(bars_read(&picture[0]), code.to_string());
    }

    #[test]
    fn r_redeem_2_a_camera_reads_the_code_from_its_square(shard in 0_u8..100, secret in 0_u64..100_000_000_000_000) {
        let code = code(shard, secret);
        let picture = modules(&square(code, "付款码"));
        prop_assert_eq!(square_read(&picture), code.to_string());
    }
}
