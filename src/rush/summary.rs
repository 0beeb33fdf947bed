//! A report as text for a terminal.

use loadtest::report::{Audit, Report};
use std::fmt::Write;

/// The report in about forty lines.
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let Report { campaign, round, people, seed, connections, nodes, .. } = report;
    writeln!(
        out,
        "{campaign}, round {round}: {people} people on {connections} connections to {} node{}, seed {seed}",
        nodes.len(),
        if nodes.len() == 1 { "" } else { "s" }
    )?;
    writeln!(out, "\n{:<16} {:>8} {:>8}", "kind", "stock", "granted")?;
    for (kind, stock) in &report.stock {
        let granted = report.granted.get(kind).copied().unwrap_or(0);
        writeln!(out, "{kind:<16} {stock:>8} {granted:>8}")?;
    }
    let sum = |of: &std::collections::BTreeMap<String, u64>| of.values().sum::<u64>();
    writeln!(out, "{:<16} {:>8} {:>8}", "all", sum(&report.stock), sum(&report.granted))?;
    writeln!(out, "\n{:<24} {:>9}", "refused", "requests")?;
    for (code, count) in report.refused.iter().chain(&report.errors) {
        writeln!(out, "{code:<24} {count:>9}")?;
    }
    writeln!(
        out,
        "\n{:<10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "ms", "requests", "p50", "p90", "p99", "p99.9", "max"
    )?;
    for (class, it) in &report.latency_ms {
        let (p50, p90, p99, p999, max) = (it.p50, it.p90, it.p99, it.p999, it.max);
        writeln!(
            out,
            "{class:<10} {:>9} {p50:>9.1} {p90:>9.1} {p99:>9.1} {p999:>9.1} {max:>9.1}",
            it.count
        )?;
    }
    let (offered, achieved) = (report.offered_per_s, report.achieved_per_s);
    writeln!(
        out,
        "\noffered {offered:.0}/s, achieved {achieved:.0}/s over the busiest {} s",
        report.rate_window_s
    )?;
    write!(out, "generator slip p99 {:.1} ms", report.slip_ms_p99)?;
    if let Some(us) = report.server_cpu_us_per_request {
        write!(out, "; server CPU time {us:.1} us a request")?;
    }
    writeln!(out)?;
    for node in nodes.iter().filter(|_| nodes.len() > 1) {
        write!(out, "node {}: {} answered, {} not", node.url, node.answered, node.lost)?;
        if let Some(us) = node.cpu_us_per_request {
            write!(out, "; CPU time {us:.1} us a request")?;
        }
        writeln!(out)?;
    }
    checks(&report.client, "what the people saw", out)?;
    if let Some(audit) = &report.audit {
        checks(audit, "what the journal holds", out)?;
    }
    Ok(())
}

pub(super) fn checks(audit: &Audit, title: &str, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n{title}: {}", if audit.clean { "clean" } else { "BROKEN" })?;
    for check in &audit.checks {
        let verdict = if check.clean { "ok    " } else { "BROKEN" };
        writeln!(out, "  {verdict} {:>9} rows  {}: {}", check.rows, check.name, check.what)?;
        if !check.clean {
            writeln!(out, "         {}", check.detail)?;
        }
    }
    Ok(())
}
