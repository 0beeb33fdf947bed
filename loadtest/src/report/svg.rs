//! Plots as inline SVG.

use super::html::escape;
use crate::num::real;
use std::fmt::Write;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 50.0;

/// A line of a plot; `x` rises.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    /// The number of its colour.
    pub(super) colour: usize,
    pub(super) dashed: bool,
}

/// A bar with a name and what stands at its end.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) text: String,
}

/// Colours that are told apart in print and by the colour-blind too.
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f"];

fn colour(nth: usize) -> &'static str {
    COLOURS.get(nth % COLOURS.len()).copied().unwrap_or("#000000")
}

/// Lines over time in seconds, with a mark at the opening.
pub(super) fn lines(title: &str, y_name: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x_from = points().map(|(x, _)| *x).fold(0.0, f64::min);
    let x_until = points().map(|(x, _)| *x).fold(x_from + 1.0, f64::max);
    let y_until = round_up(points().map(|(_, y)| *y).fold(1.0, f64::max));
    let x_of = |x: f64| LEFT + (x - x_from) / (x_until - x_from) * (WIDTH - LEFT - RIGHT);
    let y_of = |y: f64| HEIGHT - BOTTOM - y / y_until * (HEIGHT - TOP - BOTTOM);
    let legend_rows = real(u64::try_from(lines.len().div_ceil(3)).unwrap_or(0));
    let mut svg = open(title, HEIGHT + 28.0 * legend_rows);
    for quarter in 0..=4_u8 {
        let y = y_until * f64::from(quarter) / 4.0;
        rule(&mut svg, (LEFT, y_of(y)), (WIDTH - RIGHT, y_of(y)), "#ddd");
        text(&mut svg, LEFT - 8.0, y_of(y) + 5.0, "end", &format!("{y:.0}"));
    }
    let step = round_up((x_until - x_from) / 12.0);
    let digits = usize::from(step < 1.0);
    // Adding zero makes minus zero plain zero.
    let mut x = (x_from / step).ceil() * step + 0.0;
    while x <= x_until {
        text(&mut svg, x_of(x), HEIGHT - BOTTOM + 22.0, "middle", &format!("{x:.digits$} s"));
        x += step;
    }
    rule(&mut svg, (x_of(0.0), TOP), (x_of(0.0), HEIGHT - BOTTOM), "#b00020");
    text(&mut svg, x_of(0.0) + 6.0, TOP + 12.0, "start", "T0");
    text(&mut svg, LEFT, HEIGHT - 6.0, "start", y_name);
    for (nth, line) in lines.iter().enumerate() {
        let dash = if line.dashed { " stroke-dasharray=\"6 5\"" } else { "" };
        let colour = colour(line.colour);
        let path = line.points.iter().fold(String::new(), |mut path, (x, y)| {
            let _ = write!(path, "{:.1},{:.1} ", x_of(*x), y_of(*y));
            path
        });
        let _ = write!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash} points=\"{}\"/>",
            path.trim_end()
        );
        let column = LEFT + 290.0 * real(u64::try_from(nth % 3).unwrap_or(0));
        let row = HEIGHT + 18.0 + 28.0 * real(u64::try_from(nth / 3).unwrap_or(0));
        let _ = write!(
            svg,
            "<line x1=\"{column}\" x2=\"{}\" y1=\"{row}\" y2=\"{row}\" stroke=\"{colour}\" stroke-width=\"4\"{dash}/>",
            column + 30.0
        );
        text(&mut svg, column + 38.0, row + 5.0, "start", &line.name);
    }
    svg + "</svg>"
}

/// Groups of bars to the right; on a logarithmic scale from 0.01 if `log`.
pub(super) fn bars(title: &str, bars: &[Bar], log: bool) -> String {
    let row = 28.0;
    let most = bars.iter().map(|bar| bar.value).fold(if log { 1.0 } else { 0.0 }, f64::max);
    let (left, width) = (330.0, WIDTH - 330.0 - 150.0);
    let length = |value: f64| match (most > 0.0, log) {
        (false, _) => 0.0,
        (true, false) => value / most * width,
        (true, true) => ((value.max(0.01) / 0.01).log10() / (most / 0.01).log10()) * width,
    };
    let height = row * real(u64::try_from(bars.len()).unwrap_or(0)) + 14.0;
    let mut svg = open(title, height);
    for (nth, bar) in bars.iter().enumerate() {
        let y = row * real(u64::try_from(nth).unwrap_or(0)) + 8.0;
        text(&mut svg, left - 10.0, y + 15.0, "end", &bar.name);
        let length = length(bar.value);
        let _ = write!(
            svg,
            "<rect x=\"{left}\" y=\"{y}\" width=\"{length:.1}\" height=\"20\" fill=\"{}\"/>",
            colour(0)
        );
        text(&mut svg, left + length + 8.0, y + 15.0, "start", &bar.text);
    }
    svg + "</svg>"
}

fn open(title: &str, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>{}</title>",
        escape(title)
    )
}

fn rule(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), stroke: &str) {
    let _ = write!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{stroke}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, said: &str) {
    let _ = write!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escape(said)
    );
}

/// The next round number.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|round| *round >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_not_below_the_data() {
        for (value, want) in [(1.0, 1.0), (1.1, 1.2), (3.5, 4.0), (999.0, 1000.0), (7200.0, 8000.0)]
        {
            assert!((round_up(value) - want).abs() < 1e-6, "{value}");
        }
    }

    #[test]
    fn plots_without_data_hold_no_nan() {
        let none = lines("t", "y", &[]) + &bars("t", &[], true) + &bars("t", &[], false);
        let zero = Bar { name: "x".to_owned(), value: 0.0, text: String::new() };
        let zero = bars("t", std::slice::from_ref(&zero), true) + &bars("t", &[zero], false);
        assert!(!(none + &zero).to_lowercase().contains("nan"));
    }
}
