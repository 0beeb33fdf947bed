//! A simulation as a picture: one SVG file that needs nothing else, readable without colours.

use super::{Course, PoolCourse, Simulation};
use crate::domain::Fen;
use std::fmt::{self, Write};

const WIDTH: u32 = 960;
/// From the left edge to the plots: room for amounts.
const LEFT: u32 = 96;
/// From the plots to the right edge: room for what is left at the end.
const RIGHT: u32 = 150;
/// Where the first pool's part begins: below title and legend.
const HEAD: u32 = 104;
/// From one pool's part to the next.
const PART: u32 = 244;
/// From where a part begins to its plot: room for its name.
const NAME: u32 = 36;
/// How high a plot is.
const PLOT: u32 = 160;
/// How high a line of what is assumed is.
const LINE: u32 = 22;

/// A course and how it is drawn.
struct Look {
    name: &'static str,
    colour: &'static str,
    dash: &'static str,
    hollow: bool,
}

/// Told apart by dashes and marks, also without colours.
const WITHOUT: Look =
    Look {
        name: "不调整（每轮按原计划投放）", colour: "#b34700", dash: "7 5", hollow: true
    };
const WITH: Look = Look {
    name: "按建议调整（每轮开始前重新测算）",
    colour: "#003f73",
    dash: "none",
    hollow: false,
};

/// The simulation as SVG, in Chinese.
pub fn svg(simulation: &Simulation) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = write(simulation, &mut text);
    text
}

fn write(simulation: &Simulation, out: &mut String) -> fmt::Result {
    let Simulation { title, rounds_left, kinds, pools, .. } = simulation;
    let parts = u32::try_from(pools.len()).unwrap_or(0);
    let lines = u32::try_from(kinds.len()).unwrap_or(0).div_ceil(3);
    let foot = HEAD + parts * PART;
    let height = foot + 36 + lines * LINE;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" lang=\"zh-CN\" \
         aria-labelledby=\"title desc\" font-size=\"14\" fill=\"#1a1a1a\" font-family=\"'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC','WenQuanYi Zen Hei',sans-serif\">"
    )?;
    writeln!(
        out,
        "<title id=\"title\">{}：剩余 {rounds_left} 轮各资金池余额推演</title>",
        escape(title)
    )?;
    writeln!(out, "<desc id=\"desc\">{}</desc>", escape(&told(simulation)))?;
    writeln!(out, "<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>")?;
    writeln!(out, "<text x=\"24\" y=\"34\" font-size=\"20\">{}</text>", escape(title))?;
    writeln!(
        out,
        "<text x=\"24\" y=\"60\">剩余 {rounds_left} 轮，各资金池每轮结束后的可用余额（万元）</text>"
    )?;
    for (look, x) in [(WITHOUT, 24), (WITH, 360)] {
        stroke(out, &look, &[(x, 84), (x + 44, 84)])?;
        mark(out, &look, (x + 22, 84))?;
        writeln!(out, "<text x=\"{}\" y=\"89\">{}</text>", x + 54, look.name)?;
    }
    for (pool, top) in pools.iter().zip((HEAD..).step_by(PART as usize)) {
        part(out, pool, top + NAME)?;
    }
    writeln!(
        out,
        "<text x=\"24\" y=\"{}\">假设：投放的券全部领完；领到的券按下列比例核销。</text>",
        foot + 14
    )?;
    for (no, kind) in (0_u32..).zip(kinds) {
        let (x, y) = (24 + no % 3 * 304, foot + 36 + no / 3 * LINE);
        let (name, rate) = (escape(&kind.name), kind.redeemed);
        writeln!(
            out,
            "<text x=\"{x}\" y=\"{y}\">{name}：核销 {rate}，原计划每轮 {} 张</text>",
            kind.usual
        )?;
    }
    writeln!(out, "</svg>")
}

/// What the picture shows, for those who hear it.
fn told(simulation: &Simulation) -> String {
    let mut text = String::from("两条折线：不调整，与按建议调整。");
    for pool in &simulation.pools {
        let (from, without, with) =
            (wan(pool.available), wan(end(pool, &pool.without)), wan(end(pool, &pool.with)));
        let name = &pool.name;
        let _ = write!(
            text,
            "{name}：起始 {from} 万元，结束时不调整余 {without} 万元，按建议调整余 {with} 万元。"
        );
    }
    text
}

/// What is left of the pool at the end.
fn end(pool: &PoolCourse, course: &Course) -> Fen {
    course.last().map_or(pool.available, |step| step.left)
}

/// One pool's name and plot; `top` is where the plot begins.
fn part(out: &mut String, pool: &PoolCourse, top: u32) -> fmt::Result {
    let most = pool.available.get().max(1);
    let high = |left: Fen| top + PLOT - scaled(left.get(), most, PLOT);
    let rounds = u64::try_from(pool.with.len()).unwrap_or(1).max(1);
    let across = |no: u64| LEFT + scaled(no, rounds, WIDTH - LEFT - RIGHT);
    writeln!(
        out,
        "<text x=\"24\" y=\"{}\" font-weight=\"bold\">资金池 {}</text>",
        top - 18,
        escape(&pool.name)
    )?;
    for tick in [Fen::ZERO, Fen::new(most / 2), pool.available] {
        let y = high(tick);
        writeln!(out, "<path d=\"M{LEFT} {y}H{}\" stroke=\"#bbb\"/>", WIDTH - RIGHT)?;
        writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 10,
            y + 5,
            wan(tick)
        )?;
    }
    let name = |out: &mut String, no: u64, said: &str| {
        let (x, y) = (across(no), top + PLOT + 20);
        writeln!(out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{said}</text>")
    };
    writeln!(out, "<text x=\"24\" y=\"{}\">轮次</text>", top + PLOT + 20)?;
    name(out, 0, "起始")?;
    // Not more than twenty names find room; the last round has one.
    let every = rounds.div_ceil(20);
    for (no, step) in (1..=rounds).zip(&pool.with).filter(|(no, _)| (rounds - no) % every == 0) {
        name(out, no, &step.round.to_string())?;
    }
    // The lower one is named below its end, the higher one above.
    let lower = end(pool, &pool.with) <= end(pool, &pool.without);
    for (look, course, below) in [(WITHOUT, &pool.without, !lower), (WITH, &pool.with, lower)] {
        let lefts = std::iter::once(pool.available).chain(course.iter().map(|step| step.left));
        let points: Vec<(u32, u32)> =
            (0..).zip(lefts).map(|(no, left)| (across(no), high(left))).collect();
        stroke(out, &look, &points)?;
        for point in &points {
            mark(out, &look, *point)?;
        }
        let (x, y) =
            (across(rounds) + 12, high(end(pool, course)) + if below { 16 } else { 0 } - 2);
        let (colour, left) = (look.colour, wan(end(pool, course)));
        writeln!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">余 {left} 万元</text>")?;
    }
    Ok(())
}

fn stroke(out: &mut String, look: &Look, points: &[(u32, u32)]) -> fmt::Result {
    let Look { colour, dash, .. } = look;
    write!(
        out,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\" points=\""
    )?;
    for (x, y) in points {
        write!(out, "{x},{y} ")?;
    }
    writeln!(out, "\"/>")
}

fn mark(out: &mut String, look: &Look, (x, y): (u32, u32)) -> fmt::Result {
    let colour = look.colour;
    if look.hollow {
        writeln!(
            out,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"4\" fill=\"#fff\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        )
    } else {
        writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"8\" height=\"8\" fill=\"{colour}\"/>",
            x - 4,
            y - 4
        )
    }
}

/// `part` of `all` on a length, rounded down; the whole length at most.
fn scaled(part: u64, all: u64, length: u32) -> u32 {
    let scaled = u128::from(part) * u128::from(length) / u128::from(all.max(1));
    u32::try_from(scaled).unwrap_or(length).min(length)
}

/// An amount in units of 10,000 yuan, with two decimals, rounded down.
fn wan(amount: Fen) -> String {
    format!("{}.{:02}", amount.get() / 1_000_000, amount.get() % 1_000_000 / 10_000)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
