//! The report of weeks as one page: no script, nothing from the network, good on paper.

use super::flow;
use super::html::{begin, both, checks, escape, section, spreads, table, verdict};
use super::svg::{self, Bar};
use super::weeks::{Kind, Report, yuan};
use crate::num::real;

/// The page.
pub fn html(report: &Report) -> String {
    let title = format!("{} 抢券与核销 {} 轮报告", report.campaign, report.weeks.len());
    let mut page = begin(&title, "Report of rounds and the weeks after them");
    page += &summary(report);
    page += &section("各轮", "Rounds", &rounds(report));
    page += &section("资金流向（元）", "The money as a flow, in yuan", &money(report));
    page += &section("券的去向", "What became of the coupons", &coupons(report));
    page += &section("核销与退款时延", "Latency of tills and phones", &latency(report));
    page += &section("拒绝与异常", "Refusals and errors", &refusals(report));
    page += &section("账本审计", "Audit of the server's books", &checks(&report.audit));
    let books = checks(&report.books);
    page += &section("人、收银台与账本", "People, tills and ledger", &books);
    page += &section("收银台自查", "The tills' own checks", &checks(&report.shopping.client));
    for week in &report.weeks {
        let name = format!("第 {} 轮领取自查", week.claims.round);
        page += &section(&name, "The client's own checks", &checks(&week.claims.client));
    }
    page += &section("场景（千分比）", "Scenario, in thousandths", &scenario(report));
    page + "</body></html>\n"
}

fn summary(report: &Report) -> String {
    let claims = report.weeks.iter().all(|week| week.claims.client.clean);
    let clean = report.books.clean && report.shopping.client.clean && claims;
    let sum = |of: fn(&Kind) -> u64| report.kinds.iter().map(of).sum::<u64>().to_string();
    let sums = |of: &dyn Fn(&super::weeks::Pool) -> i128| {
        yuan(report.pools.iter().map(of).fold(0, i128::saturating_add))
    };
    let rows = [
        ("人数 People", report.people.to_string()),
        ("种子 Seed", report.seed.to_string()),
        ("轮次 Rounds", report.weeks.len().to_string()),
        ("发放 Granted", sum(|it| it.granted)),
        ("已核销 Used", sum(|it| it.used)),
        ("过期 Expired", sum(|it| it.expired)),
        ("退款后过期 Returned", sum(|it| it.returned)),
        ("资金总额 Fund", sums(&|it| it.account("treasury").saturating_neg())),
        ("核销金额 Redeemed", sums(&|it| it.flow("frozen", "consumed"))),
        ("应付与已付 Payable and paid", sums(&|it| it.flow("consumed", "payable"))),
    ];
    let rows: Vec<_> = rows.into_iter().map(|(name, it)| vec![name.to_owned(), it]).collect();
    format!(
        "<p>账本审计 Audit: {}　各方一致 All sides agree: {}</p>{}",
        verdict(report.audit.clean),
        verdict(clean),
        table(&["概要 Summary", ""], &rows)
    )
}

fn rounds(report: &Report) -> String {
    let row = |week: &super::weeks::Week| {
        let it = &week.claims;
        let granted = it.latency_ms.get("granted").copied().unwrap_or_default();
        vec![
            it.round.to_string(),
            it.stock.values().sum::<u64>().to_string(),
            it.granted.values().sum::<u64>().to_string(),
            it.totals.offered.to_string(),
            format!("{:.0}", it.achieved_per_s),
            format!("{:.1} / {:.1}", granted.p50, granted.p99),
            format!("{:.1}", it.passes.seconds),
        ]
    };
    let rows: Vec<_> = report.weeks.iter().map(row).collect();
    let head = [
        "轮 Round",
        "库存 Stock",
        "发放 Granted",
        "请求 Requests",
        "应答/秒 Answers/s",
        "p50 / p99 ms",
        "通行证用时 Passes, s",
    ];
    table(&head, &rows)
}

fn money(report: &Report) -> String {
    let pool = |it| {
        let it: &super::weeks::Pool = it;
        format!("<h3>{}</h3>{}", escape(&it.pool), flow::picture(it))
    };
    let note = "<p>框内为期末余额；蓝色向前，橙色退回。\
        <small>What stands in each account at the end; blue goes on, orange goes back.</small></p>";
    note.to_owned() + &report.pools.iter().map(pool).collect::<String>()
}

fn coupons(report: &Report) -> String {
    let row = |it: &Kind| {
        let counts = [it.granted, it.used, it.returned, it.expired, it.held, it.unused, it.lapsed];
        let mut row = vec![it.kind.clone()];
        row.extend(counts.map(|count| count.to_string()));
        row.push(yuan(it.taken_back_fen));
        row
    };
    let rows: Vec<_> = report.kinds.iter().map(row).collect();
    let head = [
        "券种 Kind",
        "发放 Granted",
        "已用 Used",
        "退款后过期 Returned",
        "过期 Expired",
        "锁定 Held",
        "未用 Unused",
        "锁定超时 Lapsed",
        "退回金额 Taken back",
    ];
    table(&head, &rows)
}

fn latency(report: &Report) -> String {
    let mut bars = vec![];
    for (asked, it) in report.shopping.latency_ms.iter().filter(|(_, it)| it.count > 0) {
        for (name, value) in [("p50", it.p50), ("p99", it.p99), ("p99.9", it.p999), ("max", it.max)]
        {
            let name = format!("{} {name}", both(asked));
            bars.push(Bar { name, value, text: format!("{value:.2} ms") });
        }
    }
    svg::bars("时延 Latency", &bars, true)
        + &spreads("时延 Latency, ms", &report.shopping.latency_ms)
        + &spreads("服务时间 Service time, ms", &report.shopping.service_ms)
}

fn refusals(report: &Report) -> String {
    let counted = report.shopping.refused.iter().chain(&report.shopping.errors);
    let bars: Vec<_> = counted
        .map(|(code, count)| Bar { name: both(code), value: real(*count), text: count.to_string() })
        .collect();
    svg::bars("拒绝与异常 Refusals and errors", &bars, false)
}

fn scenario(report: &Report) -> String {
    let shares = serde_json::to_value(report.scenario).unwrap_or_default();
    let rows = shares.as_object().into_iter().flatten();
    let rows: Vec<_> = rows.map(|(name, share)| vec![name.clone(), share.to_string()]).collect();
    table(&["场景 Share", "‰"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::weeks::{Pool, Week};
    use crate::report::{Audit, Check};
    use crate::{SCENARIO, Shopping};
    use std::collections::BTreeMap;

    #[test]
    fn the_page_of_weeks_stands_alone_and_names_from_outside_are_escaped() {
        let evil = "<script>alert('\"&')</script>".to_owned();
        let check = Check { name: evil.clone(), detail: evil.clone(), ..Check::default() };
        let audit = || Audit::of(vec![check.clone()]);
        let shopping = Shopping {
            refused: BTreeMap::from([(evil.clone(), 1)]),
            client: audit(),
            ..Shopping::default()
        };
        let claims = crate::report::Report { client: audit(), ..Default::default() };
        let report = Report {
            campaign: evil.clone(),
            people: 1,
            seed: 1,
            scenario: SCENARIO,
            weeks: vec![Week { claims }],
            shopping,
            pools: vec![Pool { pool: evil.clone(), ..Pool::default() }],
            kinds: vec![Kind { kind: evil.clone(), ..Kind::default() }],
            books: audit(),
            audit: audit(),
        };
        let page = html(&report);
        assert!(!page.contains("<script"), "no script gets in");
        assert_eq!(page.matches("<svg").count(), 3);
        let links = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!links.contains("http") && !links.contains("src=") && !links.contains("@import"));
        assert!(!page.contains("NaN") && page.contains("once_more"));
    }
}
