//! The journal's own check, and real folders.

use super::log::*;
use crate::audit::{AuditError, audit_folder, exit_code};
use crate::domain::*;
use crate::ledger::event::{Event, Interlock, Opened, What};
use crate::ledger::journal::{Entry, Error, Folder, Journal, Options};
use std::{fs, path::PathBuf};

#[test]
fn a_missing_entry_is_found() {
    let mut log = Log::armed([1, 0]);
    log.run(20, &crate::ledger::machine::Command::Trip(C));
    log.run(21, &crate::ledger::machine::tests::resume(21));
    log.entries.remove(5).unwrap();
    log.breaks(&["journal"], "seq 7: seq 6 was expected here");
}

#[test]
fn time_running_backwards_is_found() {
    let mut log = Log::armed([1, 0]);
    log.push(9, vec![What::Interlock(Interlock::Tripped)]);
    let finding = "seq 6: its instant 1970-01-01T00:00:00.009Z is before 1970-01-01T00:00:00.010Z";
    log.breaks(&["journal"], finding);
}

#[test]
fn a_seal_is_an_entry_but_its_instant_is_no_promise() {
    let mut log = Log::armed([1, 0]);
    let body = Vec::new();
    log.entries.push(Ok(Entry { seq: 6, durable: 5, at: At(9), seal: true, body }));
    log.breaks(&[], "journal  every entry is there");
    assert_eq!((log.audit(None).last_seq, log.audit(None).checks[0].rows), (6, 6));
}

#[test]
fn a_body_in_another_format_is_found() {
    let mut log = Log::armed([1, 0]);
    let body = vec![99];
    log.entries.push(Ok(Entry { seq: 6, durable: 5, at: At(20), seal: false, body }));
    log.breaks(&["journal"], "seq 6: the body is not in a format known here");
}

#[test]
fn an_event_before_its_campaign_and_a_campaign_opened_twice_are_found() {
    let mut log = Log::armed([1, 0]);
    let what = What::Interlock(Interlock::Tripped);
    log.append(20, &[Event { campaign: CampaignNo(1), what }]);
    log.breaks(&["journal"], "seq 6: campaign 1 was not opened before");
    let mut log = Log::armed([1, 0]);
    let again = Opened { name: "again".into(), pools: vec![], kinds: vec![], shard: Shard::ALONE };
    log.push(20, vec![What::Opened(again)]);
    log.breaks(&["journal"], "seq 6: campaign 0 was opened twice or out of order");
}

#[test]
fn damage_is_a_finding_with_its_place() {
    let mut log = Log::armed([1, 0]);
    let (file, why) = ("some.journal".to_owned(), "lost".to_owned());
    log.entries.push(Err(Error::Damage { file, offset: 77, why }));
    let finding = "after seq 5: journal damaged: some.journal at byte 77: lost";
    log.breaks(&["journal"], finding);
    assert_eq!(exit_code(&log.audit(None)), 11);
}

/// Events that contradict everything at once, and numbers at the edges, are findings, no panic.
#[test]
fn nothing_that_can_be_decoded_stops_the_audit() {
    let mut log = Log::armed([1, 1]);
    let edge = RoundNo(u8::MAX);
    log.push(0, armed(edge, [u32::MAX, u32::MAX]));
    let mut grant = granted(9, 31, u32::MAX);
    grant.coupon.round = edge;
    grant.ends_at = At(i64::MAX);
    log.push(i64::MIN, vec![What::Granted(grant), What::Granted(grant), expired(), expired()]);
    for account in [crate::funds::Account::Treasury, crate::funds::Account::Frozen] {
        let most = posted(account, crate::funds::Account::Available, u64::MAX);
        log.push(i64::MAX, vec![most.clone(), most.clone(), most]);
    }
    let broken = log.audit(None).checks.iter().filter(|check| !check.clean).count();
    assert_eq!(broken, 6);
}

/// A data folder for one test; gone afterwards.
struct Data(PathBuf);

impl Data {
    fn new(name: &str) -> Data {
        let path = std::env::temp_dir().join(format!("quan-audit-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Data(path)
    }

    /// Writes `log`, each entry a batch of its own.
    fn holding(name: &str, log: Log) -> Data {
        let data = Data::new(name);
        let folder = Folder::open(&data.0.join("journal")).unwrap();
        let options = Options { segment_bytes: 64 << 10, ..Options::default() };
        let mut journal = Journal::open(folder, options, At(0)).unwrap();
        for entry in log.entries {
            let entry = entry.unwrap();
            journal.append(entry.at, entry.body).unwrap();
            journal.commit().unwrap();
        }
        data
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_is_audited_with_the_record_beside_it() {
    let mut log = Log::armed([1, 0]);
    log.grant(1_500, 1, 0);
    let data = Data::holding("clean", log);
    let record = data.0.join("record.jsonl");
    fs::write(&record, yes(&token(1, 1), 0, 1, false)).unwrap();
    let audit = audit_folder(&data.0, Some(&record)).unwrap();
    breaks(&audit, &[], "audit up to seq 6: clean");
    fs::write(&record, "{}").unwrap();
    let error = audit_folder(&data.0, Some(&record)).unwrap_err();
    assert!(error.to_string().contains("record.jsonl: line 1: "), "{error}");
}

#[test]
fn a_flipped_bit_in_a_synced_entry_is_a_finding() {
    let data = Data::holding("damage", Log::armed([1, 0]));
    let segment = data.0.join("journal/00000000000000000001.journal");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let audit = audit_folder(&data.0, None).unwrap();
    breaks(&audit, &["journal"], "00000000000000000001.journal at byte 32: seq 1 is bad");
    assert_eq!(exit_code(&audit), 11);
}

#[test]
fn a_folder_without_a_journal_is_no_audit_and_stays_as_it_is() {
    let data = Data::new("none");
    for _ in 0..2 {
        assert!(matches!(audit_folder(&data.0, None), Err(AuditError::NoJournal(_))));
    }
    assert!(!data.0.join("journal").exists());
    fs::create_dir(data.0.join("journal")).unwrap();
    assert!(matches!(audit_folder(&data.0, None), Err(AuditError::NoJournal(_))));
}

#[test]
fn a_journal_of_another_format_is_no_audit() {
    let data = Data::holding("version", Log::armed([1, 0]));
    let segment = data.0.join("journal/00000000000000000001.journal");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    fs::write(&segment, bytes).unwrap();
    assert!(matches!(audit_folder(&data.0, None), Err(AuditError::Journal(_))));
}

#[test]
fn the_table_is_ascii_whatever_a_record_says() {
    let log = Log::armed([1, 0]);
    let audit =
        log.audit(Some("{\"unanswered\":\"ten\"}\n{\"sold_out\":\"\u{5238}\",\"at_ms\":1}"));
    breaks(&audit, &["I9"], "record line 2: \"\\u{5238}\" told as sold out");
    assert!(audit.to_string().bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
}
