//! What a server tells at `/metrics` after a rush: every metric of the catalogue, no other, true
//! numbers, and nothing about a person.
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "a test fails by a panic; its numbers are small and whole"
)]

#[path = "common"]
mod common {
    pub(crate) mod plan;
    pub(crate) mod server;
}
#[path = "metrics/server.rs"]
mod server;
#[path = "metrics/text.rs"]
mod text;

use loadtest::Crowd;
use quan::metrics::{
    Route,
    catalogue::{self, Type},
};
use quan::{plan::Plan, rush};
use server::{STOCK, Server, ask, get};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};
use text::{Sample, samples, sum};

const PEOPLE: u32 = 60;
/// What tills ask, and the kinds of refunds.
const ASKED: [&str; 7] = ["redeem", "confirm", "release", "refund", "look", "full", "partial"];

/// Whether a label may have this value: each is one of a list that the code or the plan sets.
fn is_bounded(plan: &Plan, label: &str, value: &str) -> bool {
    let number = || value.parse::<u8>().is_ok();
    let word = || value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match label {
        "campaign" => value == plan.id,
        "round" | "worker" => number(),
        "kind" => plan.kinds.iter().any(|kind| kind.name == value) || ASKED.contains(&value),
        "fund" => plan.pools.iter().any(|pool| pool.name == value),
        "route" => Route::ALL.iter().any(|route| route.name().1 == value),
        "method" => ["GET", "POST", "other"].contains(&value),
        "status_class" => ["2xx", "4xx", "5xx", "gone"].contains(&value),
        "outcome" | "outcome_class" | "reason" => word(),
        "version" => value == env!("CARGO_PKG_VERSION"),
        "revision" => value == option_env!("QUAN_REVISION").unwrap_or("unknown"),
        "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
        _ => false,
    }
}

#[track_caller]
fn promtool_finds_nothing(text: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool runs: `.ci/test` installs it");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let told = child.wait_with_output().unwrap();
    let said = [told.stdout, told.stderr].concat();
    assert!(told.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[track_caller]
fn is_the_catalogue(plan: &Plan, text: &str) {
    let lines = |of: &str| -> BTreeMap<&str, &str> {
        text.lines().filter_map(|line| line.strip_prefix(of)?.split_once(' ')).collect()
    };
    let (types, helps) = (lines("# TYPE "), lines("# HELP "));
    let name = |kind| match kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Histogram(_) => "histogram",
    };
    let all = catalogue::ALL.iter();
    assert_eq!(types, all.clone().map(|it| (it.name, name(it.kind))).collect());
    assert_eq!(helps, all.clone().map(|it| (it.name, it.help)).collect());
    for sample in samples(text) {
        let Sample { name, labels, .. } = &sample;
        let entry = |name: &str| all.clone().find(|it| it.name == name);
        let parts = ["_bucket", "_sum", "_count"];
        let whole = parts.iter().find_map(|part| entry(name.strip_suffix(part)?));
        let entry = entry(name).or(whole).unwrap_or_else(|| panic!("{name} is in no catalogue"));
        let mut expected: BTreeSet<&str> = entry.labels.iter().copied().collect();
        expected.extend(name.ends_with("_bucket").then_some("le"));
        assert_eq!(labels.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{name}");
        for (label, value) in labels {
            assert!(is_bounded(plan, label, value), "{name}: {label} is {value}");
        }
    }
}

/// Lets people rush for the first round.
async fn play(server: &Server) {
    let options = rush::Options {
        program: PathBuf::new(),
        config: server.config(),
        crowd: Crowd {
            people: PEOPLE,
            seed: 1,
            round: 1,
            connections: 16,
            peak: 500,
            span: 1,
            herd: true,
            cheats: 0,
            faults_expected: false,
        },
        keep: false,
        site: rush::Site::default(),
        server: Some(rush::Running {
            urls: vec![format!("http://{}", server.public)],
            keys: server.keys(),
            data: None,
        }),
    };
    let report = rush::rush(&options).await.unwrap();
    assert!(report.client.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rush_metrics_are_the_catalogue_and_their_numbers_fit_together() {
    let server = Server::start();
    let plan = server.plan();
    let before = server.scrape();
    promtool_finds_nothing(&before);
    play(&server).await;
    get(server.public, "/no/such/address");
    let application = r#"{"kinds":["retail-10"],"device":"d","slider":"","image":""}"#;
    let passes = format!("POST /v1/campaigns/{}/rounds/1/passes", plan.id);
    assert!(ask(server.public, &passes, application).contains("channel_required"));
    let text = server.scrape();
    promtool_finds_nothing(&text);
    is_the_catalogue(&plan, &text);

    let round = |name: &str| sum(&text, name, &[("round", "01")]);
    let claims = |outcome: &str| sum(&text, "quan_claim_requests_total", &[("outcome", outcome)]);
    let kinds = u32::try_from(plan.kinds.len()).unwrap();
    let stock = f64::from(kinds) * STOCK;
    assert_eq!(round("quan_round_quota_coupons"), stock);
    assert_eq!(round("quan_round_issued_coupons"), stock);
    assert_eq!(round("quan_coupons_issued_total"), stock);
    assert_eq!(round("quan_round_stock_remaining_coupons"), 0.0);
    assert_eq!(round("quan_round_phase"), 4.0);
    assert_eq!(claims("granted"), stock);
    assert!(claims("sold_out") > 0.0);
    let all_claims = sum(&text, "quan_claim_requests_total", &[]);
    assert_eq!(sum(&text, "quan_claim_duration_seconds_count", &[]), all_claims);
    let route = [("route", Route::Claims.name().1)];
    let gone = [route[0], ("status_class", "gone")];
    let answered = sum(&text, "quan_http_requests_total", &route)
        - sum(&text, "quan_http_requests_total", &gone);
    assert_eq!(answered, all_claims);
    assert_eq!(sum(&text, "quan_http_requests_total", &[("route", "other")]), 1.0);
    let others = sum(&text, "quan_http_requests_total", &[])
        - answered
        - sum(&text, "quan_http_requests_total", &[("status_class", "gone")]);
    assert_eq!(sum(&text, "quan_http_request_duration_seconds_count", &[]), others);
    assert_eq!(round("quan_passes_issued_total"), f64::from(PEOPLE));
    assert_eq!(sum(&text, "quan_passes_rejected_total", &[("reason", "channel_required")]), 1.0);

    let money: u64 = plan.kinds.iter().map(|kind| kind.face.get() * 3).sum();
    assert_eq!(sum(&text, "quan_fund_frozen_fen", &[]), money as f64);
    assert_eq!(sum(&text, "quan_fund_budget_fen", &[]), 600_000_000.0);
    assert_eq!(sum(&text, "quan_ledger_imbalance_fen", &[]), 0.0);
    let [appended, synced] =
        ["quan_journal_append_bytes_total", "quan_journal_fsync_duration_seconds_count"]
            .map(|name| sum(&text, name, &[]) - sum(&before, name, &[]));
    assert!(appended > stock * 100.0 && synced > 0.0, "{appended} bytes in {synced} syncs");
    assert!(sum(&text, "quan_data_disk_free_bytes", &[]) > 0.0);
    assert!(sum(&text, "quan_http_accepted_connections_total", &[]) >= 17.0);
    assert!(samples(&text).len() < 1_500, "{} series", samples(&text).len());

    let in_flight = |text: &str| sum(text, "quan_http_in_flight_requests", &[]);
    assert!(in_flight(&text) > 0.0);
    assert_eq!(in_flight(&server.scrape()), 0.0, "a peak is told once");
}
