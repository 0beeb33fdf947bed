//! A pool's money as a flow, as inline SVG: its accounts from the treasury to the merchants, and what went on and back.

use super::html::escape;
use super::weeks::{Pool, yuan};
use std::fmt::Write;

const WIDTH: f64 = 960.0;
const BOX: f64 = 104.0;
const GAP: f64 = 38.0;
const TOP: f64 = 56.0;
const TALL: f64 = 58.0;
/// Between two ways back.
const LANE: f64 = 34.0;

/// The accounts in the order in which money goes on.
const ACCOUNTS: [(&str, &str); 7] = [
    ("treasury", "国库"),
    ("available", "可用"),
    ("reserved", "预留"),
    ("frozen", "冻结"),
    ("consumed", "已核销"),
    ("payable", "应付"),
    ("paid", "已付"),
];

fn place(account: &str) -> Option<usize> {
    ACCOUNTS.iter().position(|(name, _)| *name == account)
}

/// The middle of an account's box.
fn middle(place: usize) -> f64 {
    let steps = f64::from(u8::try_from(place).unwrap_or(0));
    BOX.mul_add(0.5, (BOX + GAP) * steps) + 2.0
}

/// The picture.
pub(super) fn picture(pool: &Pool) -> String {
    let flows = pool.flows.iter().filter(|flow| flow.fen > 0);
    let flows: Vec<_> =
        flows.filter_map(|flow| Some((place(&flow.from)?, place(&flow.to)?, flow.fen))).collect();
    let most = flows.iter().map(|(_, _, fen)| *fen).max().unwrap_or(1).max(1);
    let thick = |fen: i128| 1.5 + 9.0 * part(fen, most);
    let (on, other): (Vec<_>, Vec<_>) =
        flows.into_iter().partition(|(from, to, _)| from.checked_add(1) == Some(*to));
    let lanes = f64::from(u8::try_from(other.len()).unwrap_or(u8::MAX));
    let height = LANE.mul_add(lanes, TOP + TALL + 24.0);
    let name = escape(&pool.pool);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\
         <title>{name}</title>"
    );
    for (nth, (account, zh)) in ACCOUNTS.iter().enumerate() {
        let x = middle(nth);
        let left = x - BOX / 2.0;
        let _ = write!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{TOP}\" width=\"{BOX}\" height=\"{TALL}\" rx=\"6\" fill=\"#eef3f8\" stroke=\"#0072b2\"/>"
        );
        text(&mut svg, x, TOP + 18.0, 14, zh);
        text(&mut svg, x, TOP + 35.0, 12, account);
        text(&mut svg, x, TOP + 52.0, 13, &yuan(pool.account(account)));
    }
    for (from, to, fen) in on {
        let (start, end, y) = (middle(from) + BOX / 2.0, middle(to) - BOX / 2.0, TOP + TALL / 2.0);
        arrow(&mut svg, &format!("M{start:.1} {y} H{:.1}", end - 8.0), thick(fen), "#0072b2");
        head(&mut svg, (end, y), (-9.0, 6.0), "#0072b2");
        let row = if from % 2 == 0 { 44.0 } else { 26.0 };
        text(&mut svg, f64::midpoint(start, end), row, 13, &yuan(fen));
    }
    for (nth, (from, to, fen)) in other.into_iter().enumerate() {
        let lane = f64::from(u8::try_from(nth).unwrap_or(0));
        let aside = 12.0 * (lane % 5.0) - 24.0;
        let (start, end, bottom) = (middle(from) + aside, middle(to) + aside, TOP + TALL);
        let y = LANE.mul_add(lane, bottom + 30.0);
        let path = format!("M{start:.1} {bottom} V{y:.1} H{end:.1} V{:.1}", bottom + 8.0);
        arrow(&mut svg, &path, thick(fen), "#d55e00");
        let _ = write!(svg, "<path fill=\"#d55e00\" d=\"M{end:.1} {bottom} l-6 9 h12 z\"/>");
        text(&mut svg, f64::midpoint(start, end), y - 7.0, 13, &yuan(fen));
    }
    svg + "</svg>"
}

/// A share, for a picture.
#[expect(clippy::cast_precision_loss, reason = "the width of a line")]
fn part(fen: i128, of: i128) -> f64 {
    fen as f64 / of as f64
}

fn arrow(svg: &mut String, path: &str, width: f64, colour: &str) {
    let _ = write!(
        svg,
        "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width:.1}\" stroke-opacity=\"0.75\" d=\"{path}\"/>"
    );
}

fn head(svg: &mut String, (x, y): (f64, f64), (dx, dy): (f64, f64), colour: &str) {
    let _ =
        write!(svg, "<path fill=\"{colour}\" d=\"M{x:.1} {y:.1} l{dx} {} v{} z\"/>", -dy, 2.0 * dy);
}

fn text(svg: &mut String, x: f64, y: f64, size: u8, said: &str) {
    let _ = write!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" style=\"font-size:{size}px\">{}</text>",
        escape(said)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::weeks::Flow;

    #[test]
    fn every_flow_is_an_arrow_with_its_money_and_nothing_is_no_number() {
        let flow = |from: &str, to: &str, fen| Flow { from: from.into(), to: to.into(), fen };
        let pool = Pool {
            pool: "<car>".to_owned(),
            flows: vec![
                flow("treasury", "available", 50_000_000),
                flow("available", "reserved", 1_000),
                flow("frozen", "available", 250),
                flow("consumed", "frozen", 0),
            ],
            ..Pool::default()
        };
        let svg = picture(&pool);
        assert_eq!(svg.matches("<rect").count(), 7);
        assert_eq!(svg.matches("fill=\"none\"").count(), 3);
        for told in ["500,000.00", ">10.00<", ">2.50<", "&lt;car&gt;"] {
            assert!(svg.contains(told), "{told}");
        }
        let empty = picture(&Pool::default());
        assert!(!(svg + &empty).contains("NaN") && !empty.contains("inf"));
    }
}
