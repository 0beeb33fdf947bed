//! A county in which coupons were redeemed, paid back and settled: a data folder with journal and store, made by the
//! ledger itself, and what is beside it.

use crate::common::plan::Shipped;
use quan::domain::{
    At, BatchNo, CampaignNo, Fen, Hex, IdentifierKind, KeyedHash, KindNo, KindSet, MerchantNo,
    PassNonce, PersonId, PoolSet, ProofId, RoundNo,
};
use quan::ledger::embedded::{Embedded, Outcome};
use quan::ledger::event::{
    Admitted, Armed, Bound, Decided, Signed, Standing, Stands, Statement, Subject,
};
use quan::ledger::journal::{Folder, Options};
use quan::ledger::machine::{Answer, Command, Grant, Lock, Refund};
use quan::merchant::folder_digest;
use quan::plan::Plan;
use quan::{redeem, steward, store};
use std::{fs, path::Path, process};
use tempfile::TempDir;

pub(crate) const C: CampaignNo = CampaignNo(0);
pub(crate) const NAME: &str = "xiangning-2023";
const R: RoundNo = RoundNo(1);
const MERCHANTS: &str = "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers\n\
    1,91141029MA0KU0001G,=乡宁百货,是,是,retail;catering,,有,有,\n\
    2,91141029MA0KX1234Y,云丘电器,是,是,retail;appliance,,有,,\n";

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) plan: Plan,
    embedded: Option<Embedded<Folder>>,
    pub(crate) now: At,
    granted: u16,
}

/// The face of the plan's kind of that number.
pub(crate) fn face(kind: u8) -> u64 {
    [1_000, 4_000, 8_000, 30_000, 2_000, 5_000][usize::from(kind)]
}

impl World {
    /// The campaign is open, round 1 as well, and three merchants are admitted: of all but the third the names are
    /// known.
    pub(crate) fn new() -> World {
        let mut folder = tempfile::Builder::new();
        let folder = folder.prefix("settle-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("the build's own temporary folder");
        let at = |name: &str| folder.path().join(name);
        Shipped::plan().write(&at("plan.toml"));
        let config =
            Shipped::read("quan.toml").set("plan", &["\"plan.toml\"\nmerchants = \"merchants\""]);
        config.set("segment_mib", &[1]).write(&at("quan.toml"));
        fs::create_dir(at("merchants")).expect("a folder");
        for (name, text) in [
            ("merchants", MERCHANTS),
            ("shops", "shop,merchant,name,address,lat,lon,datum\n"),
            ("terminals", "terminal,shop\n"),
        ] {
            fs::write(at("merchants").join(format!("{name}.csv")), text).expect("room");
        }
        let (plan, _) = Plan::load(&at("plan.toml")).expect("a file").expect("a plan");
        let now = plan.rounds[0].window.from;
        let mut world = World { folder, plan, embedded: None, now, granted: 0 };
        world.open();
        let quantities = world.plan.kinds.iter().map(|kind| kind.units_per_round).collect();
        let armed = Armed { round: R, window: world.plan.rounds[0].window, quantities };
        world.done(&steward::opening(&world.plan.clone()));
        world.done(&Command::Arm(C, armed));
        let sha256 = folder_digest(Path::new(&world.path("merchants"))).expect("a folder");
        for (merchant, categories) in [(1, 0b1010), (2, 0b0110), (3, 0b0010)] {
            let (merchant, categories) = (MerchantNo(merchant), PoolSet(categories));
            let what = Subject::Admit { campaign: NAME.to_owned(), sha256 };
            let admitted = Admitted { merchant, categories, cap: Fen::ZERO };
            world.decided(what, Command::Admit(C, admitted));
        }
        world
    }

    fn open(&mut self) {
        let journal = Folder::open(&self.data().join("journal")).expect("a folder");
        let embedded = Embedded::open(
            journal,
            Options { segment_bytes: 1 << 18, ..Options::default() },
            self.now,
        );
        self.embedded = Some(embedded.unwrap_or_else(|error| panic!("{error}")));
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Has it done, a second after what was done before.
    pub(crate) fn ask(&mut self, command: &Command) -> Outcome {
        self.now = self.now.plus_ms(1_000);
        let now = self.now;
        if self.embedded.is_none() {
            self.open();
        }
        let embedded = self.embedded.as_mut().expect("it is open");
        let batch = embedded.decide_all([command].into_iter(), now);
        embedded.commit(batch).outcomes[0]
    }

    pub(crate) fn done(&mut self, command: &Command) -> Answer {
        match self.ask(command) {
            Outcome::Yes(answer) => answer,
            other => panic!("{command:?}: {other:?}"),
        }
    }

    /// Two persons decided it.
    fn decided(&mut self, what: Subject, command: Command) -> Answer {
        let (by, why) = ("li".to_owned(), "as it is due".to_owned());
        let statement = Statement { what, why, by, at: self.now, until: self.now.plus_ms(60_000) };
        let signed = |by: &str| Signed { by: by.to_owned(), signature: Hex([7; 64]) };
        let decided = Decided { statement, signatures: vec![signed("li"), signed("wang")] };
        self.done(&Command::Decided(Box::new((decided, command))))
    }

    /// Somebody new has a coupon of the kind.
    pub(crate) fn person(&mut self, kind: u8) -> PersonId {
        self.granted += 1;
        let [high, low] = self.granted.to_be_bytes();
        let id = |what: u8| {
            let mut id = [what; 16];
            (id[0], id[1]) = (high, low);
            id
        };
        let person = PersonId(id(1));
        let kinds = [
            IdentifierKind::Account,
            IdentifierKind::Phone,
            IdentifierKind::Card,
            IdentifierKind::Device,
        ];
        let identifiers = std::array::from_fn(|no| {
            (kinds[no], KeyedHash(id(10 + u8::try_from(no).expect("few"))))
        });
        let bound = Bound {
            round: R,
            person,
            pass: PassNonce(id(2)),
            kinds: KindSet::default().with(KindNo(kind)),
            expires_at: self.now.plus_ms(600_000),
            proofs: [ProofId(id(3)), ProofId(id(4))],
            identifiers,
        };
        self.done(&Command::Bind(C, bound));
        let grant =
            Grant { campaign: C, round: R, kind: KindNo(kind), person, pass: PassNonce(id(2)) };
        self.done(&Command::Grant(grant));
        person
    }

    /// Somebody new pays an order with a coupon of the kind; without `paid` it is only locked.
    pub(crate) fn redeem(&mut self, merchant: u32, kind: u8, order: &str, paid: bool) {
        let person = self.person(kind);
        let merchant = MerchantNo(merchant);
        let redemption = redeem::redemption(NAME, merchant, order);
        let amount = self.plan.kinds[usize::from(kind)].threshold;
        let request = redeem::request("1", amount, None);
        self.done(&Command::Lock(Lock {
            campaign: C,
            redemption,
            merchant,
            person,
            amount,
            choice: None,
            request,
            lock_ms: 60_000,
            at_once: false,
        }));
        if paid {
            self.done(&Command::Confirm(C, redemption));
        }
    }

    /// A part of an order is paid back, in hundredths.
    pub(crate) fn refund(&mut self, merchant: u32, kind: u8, order: &str, refund: &str, part: u64) {
        let redemption = redeem::redemption(NAME, MerchantNo(merchant), order);
        let whole = self.plan.kinds[usize::from(kind)].threshold.get();
        self.done(&Command::Refund(Refund {
            campaign: C,
            redemption,
            refund: redeem::refund_id(redemption, refund),
            amount: Fen::new(whole * part / 100),
            policy: self.plan.redeem.refunds,
        }));
    }

    pub(crate) fn stands(&mut self, merchant: u32, standing: Standing) {
        let merchant = MerchantNo(merchant);
        let what = Subject::Standing { campaign: NAME.to_owned(), merchant, standing };
        self.decided(what, Command::Stand(C, Stands { merchant, standing }));
    }

    pub(crate) fn settle(&mut self, batch: u32) {
        let batch = BatchNo(batch);
        let what = Subject::Settle { campaign: NAME.to_owned(), batch };
        assert_eq!(self.decided(what, Command::SettleDue(C, batch)), Answer::Left(0));
    }

    pub(crate) fn paid(&mut self, batch: u32, merchant: u32) {
        let (batch, merchant) = (BatchNo(batch), MerchantNo(merchant));
        let what = Subject::Paid { campaign: NAME.to_owned(), batch, merchant };
        self.decided(what, Command::Paid(C, batch, merchant));
    }

    /// The ledger is at rest, and its store is made again.
    pub(crate) fn rest(&mut self) {
        self.embedded = None;
        let file = self.data().join("store.sqlite");
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", file.display()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .expect("a runtime")
            .block_on(store::replay(&self.data().join("journal"), &file))
            .expect("a store");
    }

    /// Runs the program on this county: its exit code, what it printed, and what it complained of.
    pub(crate) fn quan(&self, command: &str, args: &[&str]) -> (Option<i32>, String, String) {
        let (config, data) = (self.path("quan.toml"), self.path("data"));
        let mut program = process::Command::new(env!("CARGO_BIN_EXE_quan"));
        let program = program.args([command, "--config", &config, "--data", &data]).args(args);
        let output = program.output().expect("quan runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// As [`World::quan`], which must end well.
    #[track_caller]
    pub(crate) fn well(&self, command: &str, args: &[&str]) -> String {
        let (code, out, error) = self.quan(command, args);
        assert_eq!(code, Some(0), "{out}{error}");
        out
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.folder.path().join(name), text).expect("room");
        self.path(name)
    }

    /// The store's file.
    pub(crate) fn stored(&self) -> Vec<u8> {
        fs::read(self.data().join("store.sqlite")).expect("a store")
    }

    /// Puts a store's file back.
    pub(crate) fn store(&self, bytes: &[u8]) {
        let file = self.data().join("store.sqlite");
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", file.display()));
        }
        fs::write(file, bytes).expect("room");
    }

    /// A statement on the store, whatever its constraints say.
    pub(crate) fn sql(&self, sql: &str) {
        sql_in(&self.data().join("store.sqlite"), sql);
    }
}

/// Runs a statement on a store's file, without its constraints.
pub(crate) fn sql_in(file: &Path, sql: &str) {
    let program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA ignore_check_constraints = 1'); \
                   c.executescript(sys.argv[2]); c.commit()";
    let mut python = process::Command::new("python3");
    let output = python.args(["-c", program]).arg(file).arg(sql).output().expect("python3");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
}
