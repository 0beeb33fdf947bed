//! A payment code as a picture that a till's scanner reads: black on white, with the quiet zone that its standard asks
//! for, and a title for who can't see it.
//!
//! The pictures need nothing from elsewhere: no font, no style, no script. A unit of theirs is a module.

use super::{Code, bars};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write;

/// Modules that are kept white beside the bars.
const BESIDE_BARS: u32 = 10;
/// Modules that are kept white around the square.
const AROUND_SQUARE: u32 = 4;
/// How high the bars are, in modules: 15 % of their width at least.
const BARS_HIGH: u32 = 48;

/// A black rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Black {
    x: u32,
    y: u32,
    wide: u32,
    high: u32,
}

/// The code as Code 128, which every scanner reads.
pub fn barcode(code: Code, title: &str) -> String {
    let symbols = bars::symbols(&code.digits());
    let mut x = BESIDE_BARS;
    let mut black = Vec::new();
    for (place, wide) in bars::widths(&symbols).enumerate() {
        if place % 2 == 0 {
            black.push(Black { x, y: 0, wide, high: BARS_HIGH });
        }
        x += wide;
    }
    picture(x + BESIDE_BARS, BARS_HIGH, title, &black)
}

/// The code as QR (ISO/IEC 18004), which a camera reads from a scratched or dim screen: a seventh of it may be lost.
pub fn square(code: Code, title: &str) -> String {
    let qr = qr(code);
    let side = qr.width();
    let mut black: Vec<Black> = Vec::new();
    for (place, color) in qr.to_colors().into_iter().enumerate() {
        let at = |it: usize| u32::try_from(it).unwrap_or(0) + AROUND_SQUARE;
        let (x, y) = (at(place % side), at(place / side));
        match black.last_mut() {
            _ if color == Color::Light => {}
            Some(last) if last.y == y && last.x + last.wide == x => last.wide += 1,
            _ => black.push(Black { x, y, wide: 1, high: 1 }),
        }
    }
    let side = u32::try_from(side).unwrap_or(0) + 2 * AROUND_SQUARE;
    picture(side, side, title, &black)
}

fn qr(code: Code) -> QrCode {
    let qr = QrCode::with_error_correction_level(code.to_string(), EcLevel::M);
    qr.expect("nineteen digits fit into the smallest one")
}

fn picture(wide: u32, high: u32, title: &str, black: &[Black]) -> String {
    let mut path = String::new();
    for Black { x, y, wide, high } in black {
        let _ = write!(path, "M{x} {y}h{wide}v{high}h-{wide}z");
    }
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" role=\"img\" \
         shape-rendering=\"crispEdges\"><title>{title}</title>\
         <path fill=\"#fff\" d=\"M0 0h{wide}v{high}h-{wide}z\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
    )
}

/// The text as XML has it. What XML can't have at all is left out.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if letter.is_control() => {}
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests;
