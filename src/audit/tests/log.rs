//! Small logs and records: sound ones by the machine's rules, anything else pushed in as it is.

use crate::audit::{Audit, Record, audit};
use crate::domain::*;
use crate::funds::Account;
use crate::ledger::event::{Armed, Event, Granted, What, codec};
use crate::ledger::journal::{Entry, Error};
use crate::ledger::machine::tests::{arm, bind, decided, grant, open};
use crate::ledger::machine::{Command, Machine};
use crate::ledger::made::WINDOW;
pub(super) use crate::ledger::made::{R, bound, expired, granted, posted};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

pub(super) const C: CampaignNo = CampaignNo(0);
pub(super) const ENDS: At = WINDOW.until;

/// A log in the making. Campaign 0 has a pool of 100 fen and the kinds `ten` and `twenty` of that
/// face; round 1 is open in `[1_000, 9_000)`; passes end at 5,000.
pub(super) struct Log {
    machine: Machine,
    pub(super) entries: Vec<Result<Entry, Error>>,
}

impl Log {
    /// A campaign with these quantities in round 1, and passes of persons 1, 2 and 3.
    pub(super) fn armed(quantities: [u32; 2]) -> Log {
        let mut log = Log::opened();
        log.run(0, &arm(&quantities));
        (1..=3).for_each(|who| log.run(10, &bind(who, who)));
        log
    }

    /// A campaign and nothing else.
    pub(super) fn opened() -> Log {
        let mut log = Log { machine: Machine::default(), entries: Vec::new() };
        log.run(0, &open());
        log
    }

    /// The machine, as far as it was asked.
    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// What the machine makes of `command`, if it makes anything; whether that is a grant.
    pub(super) fn attempt(&mut self, at: i64, command: &Command) -> bool {
        let command = self.by_persons(command);
        let Ok(decision) = self.machine.execute(&command, At(at)) else { return false };
        if decision.events.is_empty() {
            return false;
        }
        self.append(at, &decision.events);
        decision.events.iter().any(|event| matches!(event.what, What::Granted(_)))
    }

    /// `command`, decided if it takes persons, each decision proposed after the one before.
    fn by_persons(&self, command: &Command) -> Command {
        let at = i64::try_from(self.entries.len()).unwrap();
        match command.bypass() {
            Some(_) => decided(command.clone(), "test", at),
            None => command.clone(),
        }
    }

    /// What the machine makes of `command`.
    #[track_caller]
    pub(super) fn run(&mut self, at: i64, command: &Command) {
        let decision = self.machine.execute(&self.by_persons(command), At(at)).unwrap();
        self.append(at, &decision.events);
    }

    /// The machine's grant.
    #[track_caller]
    pub(super) fn grant(&mut self, at: i64, who: u8, kind: u8) {
        self.run(at, &grant(who, kind));
    }

    /// What no machine was asked about. Merchants, batches and quantities are decided, so that only what is else
    /// wrong is found.
    pub(super) fn push(&mut self, at: i64, whats: Vec<What>) {
        let no = i64::try_from(self.entries.len()).unwrap();
        let decisions: Vec<What> = whats.iter().filter_map(|what| of_persons(what, no)).collect();
        self.push_bare(at, [decisions, whats].concat());
    }

    /// The same without decisions.
    pub(super) fn push_bare(&mut self, at: i64, whats: Vec<What>) {
        let events: Vec<Event> =
            whats.into_iter().map(|what| Event { campaign: C, what }).collect();
        self.append(at, &events);
    }

    pub(super) fn append(&mut self, at: i64, events: &[Event]) {
        let body = codec::encode(events).unwrap();
        let seq = self.entries.len() as u64 + 1;
        let entry = Entry { seq, durable: seq - 1, at: At(at), seal: false, body };
        self.entries.push(Ok(entry));
    }

    pub(super) fn audit(&self, record: Option<&str>) -> Audit {
        let record: Option<Record> = record.map(|text| text.parse().unwrap());
        audit(self.entries.iter().cloned(), record.as_ref())
    }

    /// Asserts that `names` and no other checks are broken, and that `finding` is what was found.
    #[track_caller]
    pub(super) fn breaks(&self, names: &[&str], finding: &str) {
        breaks(&self.audit(None), names, finding);
    }
}

/// The decision that allows what happened, proposed at `at`; none for the interlock.
pub(super) fn of_persons(what: &What, at: i64) -> Option<What> {
    let command = match what {
        What::Adjusted(it) => Command::Adjust(C, it.clone()),
        What::Extended(it) => Command::Extend(C, it.clone()),
        What::Admitted(it) => Command::Admit(C, *it),
        What::Stands(it) => Command::Stand(C, *it),
        What::Settled(it) => Command::SettleDue(C, it.batch),
        What::Paid(it) => Command::Paid(C, it.batch, it.merchant),
        What::PaymentFailed(it) => Command::PaymentFailed(C, it.batch, it.merchant),
        _ => return None,
    };
    let Command::Decided(it) = decided(command, "test", at) else { unreachable!() };
    Some(What::Decided(it.0))
}

#[track_caller]
pub(super) fn breaks(audit: &Audit, names: &[&str], finding: &str) {
    let broken: Vec<&str> =
        audit.checks.iter().filter(|check| !check.clean).map(|check| check.name).collect();
    assert_eq!(broken, names, "{audit}");
    assert!(audit.to_string().contains(finding), "{audit}");
    assert_eq!(audit.clean, names.is_empty());
}

/// A whole entry of a grant, the money of its kind with it.
pub(super) fn paid(granted: Granted) -> Vec<What> {
    let fen = 10 * (u64::from(granted.coupon.kind.0) + 1);
    vec![What::Granted(granted), posted(Account::Reserved, Account::Frozen, fen)]
}

pub(super) fn armed(round: RoundNo, quantities: [u32; 2]) -> Vec<What> {
    let mut whats =
        vec![What::Armed(Armed { round, window: WINDOW, quantities: quantities.to_vec() })];
    for (units, face) in quantities.iter().zip([10, 20]) {
        whats.push(posted(Account::Available, Account::Reserved, u64::from(*units) * face));
    }
    whats
}

/// The token of a pass for round 1.
pub(super) fn token(nonce: u8, person: u8) -> String {
    let mut bytes = [0; 97];
    bytes[0] = 1;
    bytes[4] = R.0;
    bytes[17..33].fill(nonce);
    bytes[33..49].fill(person);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A record's line of a yes.
pub(super) fn yes(token: &str, kind: u8, ordinal: u32, replayed: bool) -> String {
    let coupon = CouponId { round: R, kind: KindNo(kind), ordinal };
    let name = if kind == 0 { "ten" } else { "twenty" };
    format!(
        r#"{{"pass":"{token}","coupon":"{coupon}","kind":"{name}","replayed":{replayed},"at_ms":9}}"#
    )
}
