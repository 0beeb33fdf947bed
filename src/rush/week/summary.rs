//! A report of weeks as text for a terminal.

use crate::rush::summary::checks;
use loadtest::report::weeks::{Report, yuan};
use std::fmt::{Result, Write};

/// The report in about sixty lines.
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, out: &mut String) -> Result {
    let Report { campaign, people, seed, weeks, .. } = report;
    writeln!(
        out,
        "{campaign}, {} rounds with their weeks: {people} people, seed {seed}",
        weeks.len()
    )?;
    writeln!(
        out,
        "\n{:<6} {:>8} {:>8} {:>9} {:>9} {:>9}",
        "round", "stock", "granted", "claims/s", "p99 ms", "passes s"
    )?;
    for week in weeks {
        let it = &week.claims;
        let (stock, granted) = (it.stock.values().sum::<u64>(), it.granted.values().sum::<u64>());
        let p99 = it.latency_ms.get("granted").map_or(0.0, |it| it.p99);
        let (rate, passes) = (it.achieved_per_s, it.passes.seconds);
        writeln!(
            out,
            "{:<6} {stock:>8} {granted:>8} {rate:>9.0} {p99:>9.1} {passes:>9.1}",
            it.round
        )?;
    }
    kinds(report, out)?;
    pools(report, out)?;
    writeln!(
        out,
        "\n{:<14} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "ms", "requests", "p50", "p90", "p99", "p99.9", "max"
    )?;
    for (asked, it) in &report.shopping.latency_ms {
        let (p50, p90, p99, p999, max) = (it.p50, it.p90, it.p99, it.p999, it.max);
        writeln!(
            out,
            "{asked:<14} {:>9} {p50:>9.1} {p90:>9.1} {p99:>9.1} {p999:>9.1} {max:>9.1}",
            it.count
        )?;
    }
    writeln!(out, "\n{:<24} {:>9}", "tills refused", "requests")?;
    for (code, count) in report.shopping.refused.iter().chain(&report.shopping.errors) {
        writeln!(out, "{code:<24} {count:>9}")?;
    }
    for week in weeks.iter().filter(|week| !week.claims.client.clean) {
        checks(
            &week.claims.client,
            &format!("what the people of round {} saw", week.claims.round),
            out,
        )?;
    }
    checks(&report.shopping.client, "what the tills saw", out)?;
    checks(&report.books, "people, tills and ledger", out)?;
    checks(&report.audit, "what the logs hold", out)
}

fn kinds(report: &Report, out: &mut String) -> Result {
    let head = ["granted", "used", "returned", "expired", "held", "unused", "lapsed"];
    write!(out, "\n{:<16}", "coupons")?;
    for name in head {
        write!(out, " {name:>8}")?;
    }
    writeln!(out)?;
    for it in &report.kinds {
        write!(out, "{:<16}", it.kind)?;
        for count in [it.granted, it.used, it.returned, it.expired, it.held, it.unused, it.lapsed] {
            write!(out, " {count:>8}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn pools(report: &Report, out: &mut String) -> Result {
    let accounts = ["available", "reserved", "frozen", "consumed", "payable", "paid"];
    write!(out, "\n{:<12} {:>14}", "yuan", "budget")?;
    for name in accounts {
        write!(out, " {name:>14}")?;
    }
    writeln!(out)?;
    for it in &report.pools {
        write!(out, "{:<12} {:>14}", it.pool, yuan(it.account("treasury").saturating_neg()))?;
        for name in accounts {
            write!(out, " {:>14}", yuan(it.account(name)))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
