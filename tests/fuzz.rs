//! Everything that is read from outside is fed with damaged copies of what is good: nothing may stop the
//! program, and nothing that was altered may be taken for what it was.
//!
//! `QUAN_FUZZ_SECONDS=60 cargo test --release --test fuzz` looks a minute at each of them; a second otherwise.
//! `QUAN_FUZZ_SEED` makes other inputs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops at what is not there, and tells how much it looked at"
)]

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/targets/mod.rs"]
mod targets;

use mutate::run;

#[test]
fn r_claim_2_no_damaged_journal_says_anything_else_or_forgets_what_was_durable() {
    run("journal", &targets::journal::target());
}

#[test]
fn r_claim_2_no_damaged_snapshot_is_taken_for_a_state() {
    run("snapshot", &targets::snapshot::target());
}

#[test]
fn no_bytes_are_events_but_those_that_events_make_and_none_stop_the_audit() {
    run("events", &targets::events::target());
}

#[test]
fn r_risk_2_no_altered_pass_opens() {
    run("pass", &targets::pass::target());
}

#[test]
fn r_risk_2_r_who_1_no_altered_fix_is_read_and_no_odd_place_is_inside() {
    run("fix", &targets::fix::target());
}

#[test]
fn r_risk_1_no_altered_proof_holds() {
    run("proof", &targets::proof::target());
}

#[test]
fn r_who_2_no_altered_identity_token_is_anybody() {
    run("identity", &targets::identity::target());
}

#[test]
fn r_fund_2_no_plan_is_taken_that_spends_more_than_it_has() {
    run("plan", &targets::plan::target());
}

#[test]
fn r_who_1_no_broken_fence_is_taken() {
    run("fence", &targets::fence::target());
}

#[test]
fn r_claim_2_no_record_of_a_yes_that_is_not_in_the_journal_is_found_clean() {
    run("record", &targets::record::target());
}

#[test]
fn no_request_is_read_but_one_of_the_contract() {
    run("request", &targets::request::target());
}

#[test]
fn r_redeem_2_no_mistyped_code_is_another_ones() {
    run("code", &targets::code::target());
}

#[test]
fn r_redeem_2_no_altered_request_of_a_till_is_heard() {
    run("terminal", &targets::terminal::target());
}

#[test]
fn r_merch_1_no_file_admits_who_is_on_the_list_or_does_anything_twice() {
    run("merchants", &targets::merchants::target());
}
