//! Every metric there is: its name, type, unit, help and labels. What is not here is not exported.
//!
//! No label may hold who somebody is or where they ask from: those are bounded by nothing and
//! belong to the ledger.

/// What kind of numbers a metric gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    /// Only grows, until a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution in these buckets, by their upper bounds.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// What it counts in: a base unit or a thing. Empty for a state.
    pub unit: &'static str,
    /// What it says.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

/// Seconds of answers to people.
const API: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Seconds of disks.
const IO: &[f64] = &[
    0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0,
];
/// Things done at once.
const BATCH: &[f64] =
    &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

const ROUND: &[&str] = &["campaign", "round"];
const STOCK: &[&str] = &["campaign", "round", "kind"];
const FUND: &[&str] = &["campaign", "fund"];
const WORKER: &[&str] = &["worker"];

macro_rules! catalogue {
    ($($id:ident = $kind:expr, $name:literal, $unit:literal, $labels:expr, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: Entry =
                Entry { name: $name, kind: $kind, unit: $unit, help: $help, labels: $labels };
        )*
        /// All of them.
        pub const ALL: &[Entry] = &[$($id),*];
    };
}

use Type::{Counter, Gauge, Histogram};

catalogue! {
    BUILD_INFO = Gauge, "quan_build_info", "", &["version", "revision"], "What is running; always 1.";
    CPU = Counter, "process_cpu_seconds_total", "seconds", &[], "CPU time of the process, user and system.";
    MEMORY = Gauge, "process_resident_memory_bytes", "bytes", &[], "Memory of the process that is in RAM.";
    OPEN_FDS = Gauge, "process_open_fds", "fds", &[], "Descriptors that are open.";
    MAX_FDS = Gauge, "process_max_fds", "fds", &[], "Descriptors that may be open.";
    START_TIME = Gauge, "process_start_time_seconds", "seconds", &[], "When the process started, in Unix seconds.";

    HTTP_REQUESTS = Counter, "quan_http_requests_total", "requests", &["route", "method", "status_class"], "Requests by route; class gone: the client hung up before its answer.";
    HTTP_DURATION = Histogram(API), "quan_http_request_duration_seconds", "seconds", &["route"], "From a request's head to its answer. Claims have a histogram of their own.";
    HTTP_IN_FLIGHT = Gauge, "quan_http_in_flight_requests", "requests", &["route"], "Requests at once: the most since the last scrape, added up over the workers.";
    HTTP_CONNECTIONS = Gauge, "quan_http_connections", "connections", WORKER, "Connections that are open.";
    HTTP_ACCEPTED = Counter, "quan_http_accepted_connections_total", "connections", WORKER, "Connections that were taken.";
    HTTP_REJECTED = Counter, "quan_http_rejected_connections_total", "connections", &["worker", "reason"], "Connections that were closed at once.";
    RUNTIME_LAG = Gauge, "quan_runtime_lag_seconds", "seconds", WORKER, "How late a worker's 100 ms ticker was: the most since the last scrape.";

    ROUND_PHASE = Gauge, "quan_round_phase", "", ROUND, "1 planned, 2 armed, 3 open, 4 sold out, 5 closed, 6 closed and its money given back.";
    ROUND_OPEN = Gauge, "quan_round_open_timestamp_seconds", "seconds", ROUND, "When the round opens, in Unix seconds of the campaign's clock.";
    ROUND_ARMED = Gauge, "quan_round_armed", "", ROUND, "1 once the round's stock is set aside.";
    ROUND_QUOTA = Gauge, "quan_round_quota_coupons", "coupons", STOCK, "Coupons that an armed round puts out.";
    ROUND_ISSUED = Gauge, "quan_round_issued_coupons", "coupons", STOCK, "Coupons of an armed round that are durably granted.";
    ROUND_REMAINING = Gauge, "quan_round_stock_remaining_coupons", "coupons", STOCK, "Coupons that the shield in front of the ledger still counts as left.";
    ROUND_SELLOUT = Gauge, "quan_round_sellout_seconds", "seconds", STOCK, "Seconds from the opening to the last coupon, if this process saw it.";
    COUPONS_ISSUED = Counter, "quan_coupons_issued_total", "coupons", STOCK, "Grants that this process decided and saw become durable.";
    COUPONS_EXPIRED = Counter, "quan_coupons_expired_total", "coupons", STOCK, "Coupons that ran out with their round.";

    CLAIMS = Counter, "quan_claim_requests_total", "requests", &["campaign", "round", "outcome"], "Claims that were answered: yes for the first time, yes again, or the code of the no.";
    CLAIM_DURATION = Histogram(API), "quan_claim_duration_seconds", "seconds", &["outcome_class"], "From a claim's head to its answer; lost: sold out or busy.";
    LEDGER_WAIT = Histogram(IO), "quan_claim_ledger_wait_seconds", "seconds", &[], "From handing a grant to the ledger to its durable answer.";
    PASSES_ISSUED = Counter, "quan_passes_issued_total", "passes", ROUND, "Passes that were given out, repeats of the same pass included.";
    PASSES_REJECTED = Counter, "quan_passes_rejected_total", "passes", &["campaign", "reason"], "Applications for a pass that were refused.";
    INTERLOCK = Gauge, "quan_interlock_tripped", "", &["campaign", "reason"], "1 while issuing is stopped for this reason.";

    CODES_ISSUED = Counter, "quan_payment_codes_issued_total", "codes", &["campaign"], "Payment codes that were given out.";
    REDEEM = Counter, "quan_redeem_requests_total", "requests", &["campaign", "kind", "outcome"], "Tills' requests by what they asked (redeem, confirm, release, refund, look) and how they were answered: done, an earlier request's, or the code of the no.";
    REDEEM_DURATION = Histogram(API), "quan_redeem_duration_seconds", "seconds", &["kind"], "From the head of a till's request to its answer.";
    REFUNDS = Counter, "quan_redeem_refunds_total", "refunds", &["campaign", "kind"], "Refunds that this process saw become durable: of whole orders (full) or of parts (partial).";
    REDEEMED = Counter, "quan_redeemed_fen_total", "fen", &["campaign"], "Faces of the coupons that this process saw used; refunds are not taken off.";
    SALES = Counter, "quan_driven_sales_fen_total", "fen", &["campaign"], "Amounts of the orders that these coupons paid for.";
    LOCKS = Gauge, "quan_locks_open", "locks", &["campaign"], "Coupons that are held for orders now.";
    LOCKS_OVERDUE = Gauge, "quan_locks_overdue_seconds", "seconds", &["campaign"], "How long ago the oldest open lock should have been released; 0 if none should.";

    FUND_BUDGET = Gauge, "quan_fund_budget_fen", "fen", FUND, "What the treasury put into the fund.";
    FUND_COMMITTED = Gauge, "quan_fund_committed_fen", "fen", FUND, "Set aside for armed rounds, in coupons that people hold, redeemed, or with merchants.";
    FUND_FROZEN = Gauge, "quan_fund_frozen_fen", "fen", FUND, "In coupons that people hold.";
    FUND_AVAILABLE = Gauge, "quan_fund_available_fen", "fen", FUND, "Not promised to anybody.";
    LEDGER_IMBALANCE = Gauge, "quan_ledger_imbalance_fen", "fen", FUND, "Budget less all that stands in the fund's accounts: must be 0.";

    JOURNAL_APPEND = Counter, "quan_journal_append_bytes_total", "bytes", &[], "Bytes that were written and synced: of the journal, or of what a node told.";
    JOURNAL_FSYNC = Histogram(IO), "quan_journal_fsync_duration_seconds", "seconds", &[], "Write and sync of a batch that wrote something; of a ledger in Redis its scripts, replicas and what the node wrote down.";
    JOURNAL_BATCH = Histogram(BATCH), "quan_journal_batch_size_entries", "entries", &[], "Entries that one sync made durable.";
    JOURNAL_QUEUE = Gauge, "quan_journal_queue_entries", "entries", &[], "Commands that waited for the ledger: the most since the last scrape.";
    JOURNAL_CAPACITY = Gauge, "quan_journal_queue_capacity_entries", "entries", &[], "Commands that may wait for the ledger.";
    JOURNAL_SEGMENTS = Gauge, "quan_journal_segments", "segments", &[], "Files of the journal.";
    JOURNAL_RECOVERED = Gauge, "quan_journal_recovered_entries", "entries", &[], "Entries that were replayed at the start.";
    JOURNAL_STOPPED = Gauge, "quan_journal_stopped", "", &[], "1 once nothing is written any more: only a restart helps.";
    DRAIN_LAG = Gauge, "quan_drain_lag_entries", "entries", &[], "Durable entries that are not in the store, of the logs that this process carries.";
    DRAIN_AGE = Gauge, "quan_drain_lag_seconds", "seconds", &[], "Age of the oldest of these entries.";
    DRAIN_STOPPED = Gauge, "quan_drain_stopped", "", &[], "1 once the store is carried on no more.";
    DB_WRITE = Histogram(IO), "quan_db_write_duration_seconds", "seconds", &[], "One batch's transaction in the store.";
    DB_BUSY = Counter, "quan_db_busy_total", "", &[], "Batches that the store did not take and that are tried again.";
    DISK_FREE = Gauge, "quan_data_disk_free_bytes", "bytes", &[], "Free space where the data folder is.";
    TRAIL_RECORDS = Gauge, "quan_trail_records", "records", &[], "Records in the trail of staff here; it never falls.";
    TRAIL_HASH = Gauge, "quan_trail_hash", "", &[], "The first six bytes of the last record's hash, as a number: with the count it names the trail as it is.";
    CLOCK_OFFSET = Gauge, "quan_clock_offset_seconds", "seconds", &[], "How far the wall clock is ahead of where it should be.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Base units of Prometheus, money in its own, and things that are counted.
    const UNITS: [&str; 14] = [
        "",
        "seconds",
        "bytes",
        "fen",
        "coupons",
        "codes",
        "refunds",
        "locks",
        "requests",
        "connections",
        "passes",
        "entries",
        "segments",
        "fds",
    ];
    /// What may be a label: each has few values, set by the code, the plan or the machine.
    const LABELS: [&str; 13] = [
        "campaign",
        "round",
        "kind",
        "outcome",
        "outcome_class",
        "route",
        "method",
        "status_class",
        "reason",
        "worker",
        "fund",
        "version",
        "revision",
    ];

    #[test]
    fn names_say_whose_they_are_and_what_they_count_in() {
        let names: HashSet<&str> = ALL.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), ALL.len(), "a name is there twice");
        for entry in ALL {
            let name = entry.name;
            assert!(name.starts_with("quan_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            let bare = name.strip_suffix("_total");
            assert_eq!(bare.is_some(), entry.kind == Counter, "{name}");
            assert!(UNITS.contains(&entry.unit), "{name}: unit {}", entry.unit);
            let bare = bare.unwrap_or(name);
            // A base unit comes last; a thing that is counted may be told more of: coupons_issued.
            let measured = ["seconds", "bytes", "fen"].contains(&entry.unit);
            let said =
                if measured { bare.ends_with(entry.unit) } else { bare.contains(entry.unit) };
            assert!(said, "{name} does not say {}", entry.unit);
            assert!(entry.help.ends_with('.') && !entry.help.contains('\n'), "{name}");
        }
    }

    #[test]
    fn labels_are_of_the_list_and_no_metric_has_one_twice() {
        for entry in ALL {
            let labels: HashSet<&&str> = entry.labels.iter().collect();
            assert_eq!(labels.len(), entry.labels.len(), "{}", entry.name);
            for label in entry.labels {
                assert!(LABELS.contains(label), "{}: {label}", entry.name);
            }
        }
    }

    #[test]
    fn every_histogram_has_buckets_that_rise() {
        let buckets = |entry: &Entry| match entry.kind {
            Histogram(buckets) => Some((entry.name, buckets)),
            _ => None,
        };
        assert!(ALL.iter().filter_map(buckets).count() >= 6);
        for (name, buckets) in ALL.iter().filter_map(buckets) {
            assert!(buckets.len() > 5 && buckets.is_sorted_by(|a, b| a < b), "{name}");
            assert!(buckets[0] > 0.0, "{name}");
        }
    }
}
