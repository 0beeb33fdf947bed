//! The process as Linux sees it, written down by hand: CPU time is a counter with a fraction,
//! which the exporter has not.

use super::catalogue::{CPU, Entry, MAX_FDS, MEMORY, OPEN_FDS, START_TIME, Type};
use rustix::param::{clock_ticks_per_second, page_size};
use std::{fmt::Write, fs, time::Duration};

/// Appends the process's metrics to `out`; one that the system does not tell is left out.
pub(super) fn render(out: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    put(out, &CPU, cpu(&stat).map(seconds));
    put(out, &MEMORY, field(&stat, 21).and_then(|pages| pages.checked_mul(page_size() as u64)));
    let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    put(out, &OPEN_FDS, open);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    put(out, &MAX_FDS, max_fds(&limits));
    let system = fs::read_to_string("/proc/stat").unwrap_or_default();
    put(out, &START_TIME, started(&stat, &system).map(seconds));
}

fn put(out: &mut String, entry: &Entry, value: Option<impl std::fmt::Display>) {
    let Some(value) = value else { return };
    let Entry { name, help, .. } = entry;
    let kind = if entry.kind == Type::Counter { "counter" } else { "gauge" };
    // Writing to a String can't fail.
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// User and system time.
fn cpu(stat: &str) -> Option<Duration> {
    ticks(field(stat, 11)?.checked_add(field(stat, 12)?)?)
}

/// The start, since 1970: the boot, and ticks after it.
fn started(stat: &str, system: &str) -> Option<Duration> {
    let boot = system.lines().find_map(|line| line.strip_prefix("btime "))?;
    let boot = Duration::from_secs(boot.trim().parse().ok()?);
    boot.checked_add(ticks(field(stat, 19)?)?)
}

fn ticks(ticks: u64) -> Option<Duration> {
    let us = ticks.checked_mul(1_000_000)?.checked_div(clock_ticks_per_second())?;
    Some(Duration::from_micros(us))
}

/// A field of `/proc/self/stat`, counted from the state, which is 0: the name before it is in
/// brackets and may hold anything.
fn field(stat: &str, at: usize) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(at)?.parse().ok()
}

fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.1 writes it, of a process with a wild name.
    const STAT: &str = "7 (a) b) R 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 1000 \
                        99000000 321 18446744073709551615";

    #[test]
    fn the_fields_are_found_behind_a_wild_name() {
        let ticks = clock_ticks_per_second();
        assert_eq!(cpu(STAT), Some(Duration::from_micros(300 * 1_000_000 / ticks)));
        assert_eq!(field(STAT, 21), Some(321));
        let started = started(STAT, "cpu 1\nbtime 1700000000\n").unwrap();
        let after_boot = Duration::from_micros(1_000 * 1_000_000 / ticks);
        assert_eq!(started, Duration::from_secs(1_700_000_000) + after_boot);
    }

    #[test]
    fn the_limit_of_descriptors_is_the_soft_one() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 1048576              files\n";
        assert_eq!(max_fds(limits), Some(1_024));
    }

    #[test]
    fn this_process_has_all_five() {
        let mut out = String::new();
        render(&mut out);
        for entry in [CPU, MEMORY, OPEN_FDS, MAX_FDS, START_TIME] {
            let line = out.lines().find(|line| line.starts_with(&format!("{} ", entry.name)));
            let value: f64 = line.unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            assert!(value >= 0.0 && (entry == CPU || value > 0.0), "{line:?}");
        }
    }
}
