//! The alert rules speak of metrics that exist, and each has its test. `.ci/test` runs the tests
//! themselves with promtool.

use quan::metrics::catalogue;
use std::{collections::BTreeSet, fs, path::Path};

const GROUPS: [&str; 3] = ["invariants", "round", "platform"];

fn file(folder: &str, group: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join(format!("config/prometheus/{folder}/{group}.yml"));
    fs::read_to_string(path).expect("the file is shipped")
}

/// Our metrics that a text speaks of, without the parts of histograms.
fn metrics(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let names = text.split(|c| !is_name(c));
    let ours = names.filter(|name| name.starts_with("quan_") || name.starts_with("process_"));
    let parts = ["_bucket", "_sum", "_count"];
    ours.map(|name| parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)).collect()
}

fn alerts(rules: &str) -> Vec<&str> {
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

#[test]
fn rules_and_their_tests_speak_of_metrics_of_the_catalogue() {
    let known: BTreeSet<&str> = catalogue::ALL.iter().map(|entry| entry.name).collect();
    for group in GROUPS {
        for folder in ["rules", "tests"] {
            let text = file(folder, group);
            let unknown: Vec<_> = metrics(&text).difference(&known).copied().collect();
            assert!(!metrics(&text).is_empty());
            assert_eq!(unknown, [""; 0], "{folder}/{group}.yml");
        }
    }
}

#[test]
fn every_alert_has_a_severity_a_summary_in_chinese_and_a_test_that_fires_it() {
    for group in GROUPS {
        let (rules, tests) = (file("rules", group), file("tests", group));
        let alerts = alerts(&rules);
        assert!(alerts.len() >= 4, "{group}: {alerts:?}");
        let bodies = rules.split("- alert: ").skip(1);
        for (name, body) in alerts.into_iter().zip(bodies) {
            let severe = ["page", "ticket", "none"].map(|it| format!("severity: {it}}}"));
            assert!(severe.iter().any(|it| body.contains(it)), "{name}");
            let summary = body.split("summary: ").nth(1).expect("a summary");
            assert!(summary.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name}");
            let fires = format!("alertname: {name}\n        exp_alerts:\n");
            assert!(tests.contains(&fires), "{name} is fired by no test");
        }
    }
}
