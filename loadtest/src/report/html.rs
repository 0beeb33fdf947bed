//! The report as one page: no script, nothing from the network, good on paper.

use super::svg::{self, Bar, Line};
use super::{Audit, Report, words};
use crate::num::real;
use crate::tally::Spread;
use std::collections::BTreeMap;
use std::fmt::Write;

const STYLE: &str = "
body{font:18px/1.6 system-ui,'Noto Sans CJK SC','Microsoft YaHei',sans-serif;color:#111;background:#fff;
max-width:1000px;margin:0 auto;padding:24px}
h1{font-size:32px;line-height:1.3}h2{font-size:24px;margin-top:40px;border-bottom:2px solid #ddd}
small{color:#555;font-weight:normal}table{border-collapse:collapse;width:100%;margin:12px 0}
th,td{padding:6px 10px;border-bottom:1px solid #ddd;text-align:right}th:first-child,td:first-child{text-align:left}
td.text{text-align:left}svg{width:100%;height:auto}svg text{font-size:15px;fill:#222}
.good{color:#05603a;font-weight:bold}.bad{color:#b00020;font-weight:bold}
@media print{body{font-size:12pt;max-width:none;padding:0}h2{break-after:avoid}table,svg{break-inside:avoid}}
";

/// The page.
pub fn html(report: &Report) -> String {
    let title = format!("{} 第 {} 轮抢券报告", report.campaign, report.round);
    let mut page = begin(&title, "Report of a voucher rush");
    page += &summary(report);
    page += &section("领取与库存", "Coupons and stock", &demand(report));
    page += &section("到达与应答", "Arrivals and answers", &arrivals(report));
    page += &section("各券累计发放", "Coupons granted over time", &grants(report));
    page += &section("时延", "Latency", &latency(report));
    page += &section("拒绝与异常", "Refusals and errors", &refusals(report));
    page += &section("通行证", "Passes", &passes(report));
    if let Some(audit) = &report.audit {
        page += &section("账本审计", "Audit of the server's books", &checks(audit));
    }
    page += &section("客户端自查", "The client's own checks", &checks(&report.client));
    page + "</body></html>\n"
}

/// A page up to its title.
pub(super) fn begin(title: &str, english: &str) -> String {
    let mut page =
        String::from("<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\">");
    page += "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">";
    let _ = write!(
        page,
        "<title>{0}</title><style>{STYLE}</style></head><body><h1>{0} <small>{1}</small></h1>",
        escape(title),
        escape(english)
    );
    page
}

/// Text as it may stand in HTML, in attributes too.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c => safe.push(c),
        }
    }
    safe
}

pub(super) fn section(zh: &str, en: &str, body: &str) -> String {
    format!("<h2>{} <small>{}</small></h2>{body}", escape(zh), escape(en))
}

/// A table; cells are escaped here.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.fold(String::from("<tr>"), |line, cell| {
            format!("{line}<{tag}>{}</{tag}>", escape(cell))
        }) + "</tr>"
    };
    let mut html = String::from("<table>") + &line("th", &mut head.iter().copied());
    for row in rows {
        html += &line("td", &mut row.iter().map(String::as_str));
    }
    html + "</table>"
}

pub(super) fn both(name: &str) -> String {
    match words::of(name) {
        (zh, "") => zh.to_owned(),
        (zh, en) => format!("{zh} {en}"),
    }
}

pub(super) fn verdict(clean: bool) -> &'static str {
    if clean {
        "<span class=\"good\">✓ 通过 clean</span>"
    } else {
        "<span class=\"bad\">✗ 不通过 broken</span>"
    }
}

fn summary(report: &Report) -> String {
    let books = report.audit.as_ref().map_or("—", |audit| verdict(audit.clean));
    let granted: u64 = report.granted.values().sum();
    let stock: u64 = report.stock.values().sum();
    let cpu = |us: Option<f64>| us.map_or("—".to_owned(), |us| format!("{us:.1} µs"));
    let totals = report.totals;
    let rows = [
        ("人数 People", report.people.to_string()),
        ("种子 Seed", report.seed.to_string()),
        ("连接 Connections", report.connections.to_string()),
        ("开始 Started", report.started.clone()),
        ("发放 / 库存 Granted of stock", format!("{granted} / {stock}")),
        ("计划请求 Offered", totals.offered.to_string()),
        ("已发送 Started", totals.started.to_string()),
        ("已应答 Answered", totals.answered.to_string()),
        ("无应答 Lost", totals.lost.to_string()),
        ("未发送 Dropped", totals.dropped.to_string()),
        (
            "计划速率 / 应答速率 Offered and achieved rate",
            format!(
                "{:.0} / {:.0} /s (T0..T0+{} s)",
                report.offered_per_s, report.achieved_per_s, report.rate_window_s
            ),
        ),
        (
            "最忙 100 ms Fullest 100 ms",
            format!("{:.0} / {:.0} /s", report.peak_offered_per_s, report.peak_achieved_per_s),
        ),
        ("节点 Nodes", report.nodes.len().to_string()),
        ("服务器 CPU / 请求 Server CPU a request", cpu(report.server_cpu_us_per_request)),
        ("发生器 CPU / 请求 Generator CPU a request", cpu(report.generator_cpu_us_per_request)),
        ("发生器偏差 p99 Generator slip p99", format!("{:.2} ms", report.slip_ms_p99)),
    ];
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    format!(
        "<p>账本审计 Audit: {books}　客户端自查 Client's checks: {}</p>{}",
        verdict(report.client.clean),
        table(&["概要 Summary", ""], &rows)
    )
}

fn demand(report: &Report) -> String {
    let rows: Vec<_> = report
        .demand
        .iter()
        .map(|row| {
            let granted = report.granted.get(&row.kind).copied().unwrap_or(0);
            let mut cells = vec![row.kind.clone(), row.quantity.to_string(), granted.to_string()];
            cells.extend(
                [row.asked, row.granted, row.sold_out, row.refused, row.unanswered]
                    .map(|n| n.to_string()),
            );
            cells
        })
        .collect();
    let head = [
        "券种 Kind",
        "库存 Stock",
        "发放 Granted",
        "申领人 Asked",
        "领到 With coupon",
        "告知领完 Sold out",
        "被拒 Refused",
        "未答复 Unanswered",
    ];
    table(&head, &rows)
}

fn arrivals(report: &Report) -> String {
    let line = |name: &str, colour, of: fn(&crate::Bucket) -> u32| Line {
        name: name.to_owned(),
        points: report
            .curve
            .iter()
            .map(|bucket| (seconds(bucket.from_ms), f64::from(of(bucket)) * 10.0))
            .collect(),
        colour,
        dashed: false,
    };
    let lines = [
        line("计划到达 offered", 0, |bucket| bucket.offered),
        line("应答 answered", 1, |bucket| bucket.answered),
    ];
    svg::lines("到达与应答 Arrivals and answers", "每秒 per second, 100 ms", &lines)
}

/// Only as far as coupons were granted, since that is mostly over in a moment.
fn grants(report: &Report) -> String {
    let mut lines = vec![];
    let given = |bucket: &crate::Bucket| bucket.granted.iter().any(|count| *count > 0);
    let last_ms =
        report.curve.iter().rfind(|bucket| given(bucket)).map_or(0, |bucket| bucket.from_ms);
    let until_ms = last_ms.saturating_add(500);
    let shown = || report.curve.iter().filter(|bucket| (-500..=until_ms).contains(&bucket.from_ms));
    for (nth, kind) in report.kinds.iter().enumerate() {
        let mut sum = 0_u64;
        let points = shown().map(|bucket| {
            sum = sum.saturating_add(bucket.granted.get(nth).copied().unwrap_or(0).into());
            (seconds(bucket.from_ms.saturating_add(100)), real(sum)) // granted by the bucket's end
        });
        let points = points.collect();
        let stock = report.stock.get(kind).copied().map_or(0.0, real);
        lines.push(Line {
            name: format!("{kind} 已发放 granted"),
            points,
            colour: nth,
            dashed: false,
        });
        let points = vec![(0.0, stock), (seconds(until_ms), stock)];
        lines
            .push(Line { name: format!("{kind} 库存 stock"), points, colour: nth, dashed: true });
    }
    svg::lines("累计发放 Coupons granted", "张 coupons", &lines)
}

#[expect(clippy::cast_precision_loss, reason = "minutes in milliseconds")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn latency(report: &Report) -> String {
    let mut bars = vec![];
    for (class, spread) in &report.latency_ms {
        let Spread { count, p50, p99, p999, max, .. } = *spread;
        for (name, value) in [("p50", p50), ("p99", p99), ("p99.9", p999), ("max", max)] {
            if count > 0 {
                let name = format!("{} {name}", both(class));
                bars.push(Bar { name, value, text: format!("{value:.2} ms") });
            }
        }
    }
    let note = "<p>时延从计划时刻算起（含排队与停顿）；服务时间从发送算起。\
        <small>Latency counts from the intended instant, so that a stall shows in every request that it delayed; \
        service time counts from the sending. Bars are logarithmic.</small></p>";
    note.to_owned()
        + &svg::bars("时延 Latency", &bars, true)
        + &spreads("时延 Latency, ms", &report.latency_ms)
        + &spreads("服务时间 Service time, ms", &report.service_ms)
}

pub(super) fn spreads(name: &str, spreads: &BTreeMap<&'static str, Spread>) -> String {
    let rows: Vec<_> = spreads
        .iter()
        .map(|(class, spread)| {
            let Spread { count, p50, p90, p99, p999, max } = *spread;
            let mut cells = vec![both(class), count.to_string()];
            cells.extend([p50, p90, p99, p999, max].map(|ms| format!("{ms:.2}")));
            cells
        })
        .collect();
    table(&[name, "次数 count", "p50", "p90", "p99", "p99.9", "max"], &rows)
}

fn refusals(report: &Report) -> String {
    let counted = report.refused.iter().chain(&report.errors);
    let bars: Vec<_> = counted
        .map(|(code, count)| Bar { name: both(code), value: real(*count), text: count.to_string() })
        .collect();
    svg::bars("拒绝与异常 Refusals and errors", &bars, false)
}

fn passes(report: &Report) -> String {
    let passes = &report.passes;
    let mut rows = vec![
        vec!["已发 Made".to_owned(), passes.made.to_string()],
        vec!["用时 Took".to_owned(), format!("{:.1} s", passes.seconds)],
        vec![
            "p50 / p99".to_owned(),
            format!("{:.2} / {:.2} ms", passes.latency_ms.p50, passes.latency_ms.p99),
        ],
    ];
    rows.extend(passes.refused.iter().map(|(code, count)| vec![both(code), count.to_string()]));
    table(&["通行证 Passes", ""], &rows)
}

pub(super) fn checks(audit: &Audit) -> String {
    let mut html = String::from(
        "<table><tr><th>检查 Check</th><th>须成立 What must hold</th><th>行数 Rows</th><th>结果 Result</th></tr>",
    );
    for check in &audit.checks {
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"text\">{} {}</td><td>{}</td><td>{}</td></tr>",
            escape(&check.name),
            escape(&check.what),
            escape(&check.detail),
            check.rows,
            verdict(check.clean)
        );
    }
    html + "</table>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Check, Demand};

    #[test]
    fn names_from_outside_are_escaped_everywhere() {
        let evil = "<script>alert('\"&')</script>".to_owned();
        let check = Check {
            name: evil.clone(),
            what: evil.clone(),
            detail: evil.clone(),
            ..Check::default()
        };
        let counts = || BTreeMap::from([(evil.clone(), 1)]);
        let mut report = Report {
            campaign: evil.clone(),
            started: evil.clone(),
            kinds: vec![evil.clone()],
            granted: counts(),
            stock: counts(),
            refused: counts(),
            errors: counts(),
            demand: vec![Demand { kind: evil.clone(), ..Demand::default() }],
            audit: Some(Audit::of(vec![check.clone()])),
            client: Audit::of(vec![check]),
            ..Report::default()
        };
        report.passes.refused = counts();
        let page = html(&report);
        assert!(!page.contains("<script"), "no script gets in");
        assert!(page.matches("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)").count() > 10);
    }

    #[test]
    fn the_page_stands_alone_and_shows_its_plots() {
        let mut report = Report { kinds: vec!["a".to_owned()], ..Report::default() };
        let bucket = |from_ms| crate::Bucket { from_ms, offered: 5, answered: 4, granted: vec![1] };
        report.curve = (0..20).map(|tenth| bucket(tenth * 100)).collect();
        let page = html(&report);
        assert_eq!(page.matches("<svg").count(), 4);
        assert!(page.matches("<polyline").count() >= 4);
        let links = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!links.contains("http") && !links.contains("src=") && !links.contains("@import"));
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }
}
