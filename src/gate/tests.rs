use super::*;
use crate::domain::{KeyedHash, KindSet, RoundNo};
use crate::pass::{Pass, test_keys};

const SHIPPED: &str = include_str!("../../config/xiangning-2023.toml");
const FENCE: &str = include_str!("../../config/fences/linfen.geojson");
const C: CampaignNo = CampaignNo(0);
const DEVICE: &str = "device-1";
const NOW: At = At(1_693_533_600_000);

/// A gate, its first round, and the tokens of one person.
struct Scene {
    gate: Gate,
    round: Round,
    pass: String,
    fix: String,
}

fn pass(keys: &Keyring, who: u8) -> Pass {
    Pass {
        campaign: C,
        round: RoundNo(1),
        kinds: KindSet(0b10),
        expires_at: NOW.plus_ms(600_000),
        nonce: PassNonce([who; 16]),
        person: PersonId([who; 16]),
        device: keys.hasher.device(DEVICE),
    }
}

impl Scene {
    fn new() -> Scene {
        let plan = Plan::from_toml(SHIPPED, |_| Ok(FENCE.to_owned())).unwrap().0;
        let keys = Arc::new(test_keys::keyring());
        let pass = keys.pass.seal(&pass(&keys, 1));
        let fix = test_keys::fix(NOW.plus_ms(-1_000), DEVICE);
        Scene { gate: Gate::new(C, &plan, keys), round: plan.rounds[0], pass, fix }
    }

    fn claim(&self) -> Claim<'_> {
        Claim {
            address: [192, 0, 2, 1].into(),
            kind: KindNo(1),
            pass: &self.pass,
            device: DEVICE,
            fix: Some(&self.fix),
        }
    }

    fn admit(&self, claim: &Claim, now: At) -> Result<Admitted, Refusal> {
        self.gate.admit(&self.round, claim, now)
    }

    fn why(&self, claim: &Claim) -> Refusal {
        self.admit(claim, NOW).unwrap_err()
    }

    /// The token of this pass.
    fn sealed(&self, change: impl Fn(&mut Pass)) -> String {
        let mut pass = pass(&self.gate.keys, 1);
        change(&mut pass);
        self.gate.keys.pass.seal(&pass)
    }
}

const ADMITTED: Admitted = Admitted { person: PersonId([1; 16]), pass: PassNonce([1; 16]) };

#[test]
fn r_risk_2_a_good_pass_and_a_fresh_fix_open_the_gate_for_the_person_of_the_pass() {
    let scene = Scene::new();
    assert_eq!(scene.admit(&scene.claim(), NOW), Ok(ADMITTED));
}

#[test]
fn r_risk_2_each_reason_against_a_claim_has_its_own_name() {
    let scene = Scene::new();
    let claim = scene.claim();
    let with_pass = |pass: String| scene.why(&Claim { pass: &pass, ..claim });
    assert_eq!(with_pass(String::new()), Refusal::PassInvalid);
    assert_eq!(with_pass(scene.sealed(|it| it.campaign = CampaignNo(1))), Refusal::PassWrongRound);
    assert_eq!(with_pass(scene.sealed(|it| it.round = RoundNo(2))), Refusal::PassWrongRound);
    assert_eq!(
        with_pass(scene.sealed(|it| it.device = KeyedHash([0; 16]))),
        Refusal::PassWrongDevice
    );
    assert_eq!(with_pass(scene.sealed(|it| it.expires_at = NOW)), Refusal::PassExpired);
    assert_eq!(with_pass(scene.sealed(|it| it.kinds = KindSet(1))), Refusal::KindNotInPass);
    assert_eq!(scene.why(&Claim { device: "device-2", ..claim }), Refusal::PassWrongDevice);
    assert_eq!(scene.why(&Claim { device: "", ..claim }), Refusal::PassWrongDevice);
    assert_eq!(scene.why(&Claim { kind: KindNo(33), ..claim }), Refusal::KindNotInPass);

    let with_fix = |fix: &str| scene.why(&Claim { fix: Some(fix), ..claim });
    assert_eq!(scene.why(&Claim { fix: None, ..claim }), Refusal::PositionMissing);
    assert_eq!(with_fix(""), Refusal::PositionUnsigned);
    assert_eq!(with_fix(&test_keys::fix(NOW, "device-2")), Refusal::PositionUnsigned);
    assert_eq!(with_fix(&test_keys::fix(NOW.plus_ms(-60_001), DEVICE)), Refusal::PositionStale);
    let taiyuan = test_keys::fix_at(378_700_000, NOW, DEVICE);
    assert_eq!(with_fix(&taiyuan), Refusal::PositionOutside);
}

#[test]
fn r_cal_4_the_cheapest_reason_comes_first() {
    let scene = Scene::new();
    let bad = Claim { pass: "", fix: None, ..scene.claim() };
    let before = scene.admit(&bad, scene.round.window.from.plus_ms(-5));
    assert_eq!(before, Err(Refusal::NotOpen { opens_in_ms: 5 }));
    assert_eq!(scene.admit(&bad, scene.round.window.until), Err(Refusal::Closed));
    scene.gate.interlock.stop(Reason::Clock);
    let before = scene.admit(&bad, scene.round.window.from.plus_ms(-5));
    assert_eq!(before, Err(Refusal::RiskControlDegraded));
    assert_eq!(scene.why(&scene.claim()), Refusal::RiskControlDegraded);
    scene.gate.interlock.clear(Reason::Clock);
    assert_eq!(scene.admit(&scene.claim(), NOW), Ok(ADMITTED));
    let unfit = scene.sealed(|it| it.round = RoundNo(2));
    assert_eq!(
        scene.why(&Claim { pass: &unfit, fix: None, ..scene.claim() }),
        Refusal::PassWrongRound
    );
}

#[test]
fn r_risk_4_a_person_who_asks_too_often_waits_and_nobody_else_does() {
    let scene = Scene::new();
    for _ in 0..20 {
        assert_eq!(scene.admit(&scene.claim(), NOW), Ok(ADMITTED));
    }
    assert_eq!(scene.why(&scene.claim()), Refusal::TooFast { retry_after_ms: 200 });
    // Another person on the same device: the device's bucket is empty too.
    let same_device = scene.sealed(|it| it.person = PersonId([2; 16]));
    let claim = Claim { pass: &same_device, ..scene.claim() };
    assert_eq!(scene.why(&claim), Refusal::TooFast { retry_after_ms: 200 });
    let device = scene.gate.keys.hasher.device("device-2");
    let other = scene.sealed(|it| (it.person, it.device) = (PersonId([3; 16]), device));
    let fix = test_keys::fix(NOW, "device-2");
    let claim = Claim { pass: &other, device: "device-2", fix: Some(&fix), ..scene.claim() };
    assert!(scene.admit(&claim, NOW).is_ok());
}

#[test]
fn r_cal_4_a_claim_before_the_opening_or_with_a_bad_pass_takes_nothing_from_a_person() {
    let scene = Scene::new();
    let early = scene.round.window.from.plus_ms(-1);
    for _ in 0..100 {
        assert_eq!(scene.admit(&scene.claim(), early), Err(Refusal::NotOpen { opens_in_ms: 1 }));
        assert_eq!(scene.why(&Claim { fix: None, ..scene.claim() }), Refusal::PositionMissing);
    }
    assert_eq!(scene.admit(&scene.claim(), scene.round.window.from), Ok(ADMITTED));
    assert_eq!(scene.gate.rates.kept(), 3, "one person, one device, one address");
}

#[test]
fn r_risk_4_a_flood_from_one_address_is_cut_before_any_signature() {
    let scene = Scene::new();
    let bad = Claim { pass: "", ..scene.claim() };
    for _ in 0..6_000 {
        assert_eq!(scene.why(&bad), Refusal::PassInvalid);
    }
    assert_eq!(scene.why(&bad), Refusal::TooFast { retry_after_ms: 1 });
    let elsewhere = Claim { address: [192, 0, 2, 2].into(), ..bad };
    assert_eq!(scene.why(&elsewhere), Refusal::PassInvalid);
}

#[test]
fn r_claim_1_a_holder_is_known_by_a_pass_that_has_run_out_and_only_on_its_own_device() {
    let scene = Scene::new();
    let run_out = scene.sealed(|it| it.expires_at = NOW);
    let claim = Claim { pass: &run_out, fix: None, ..scene.claim() };
    assert_eq!(scene.why(&claim), Refusal::PassExpired);
    let holder = |claim: &Claim| scene.gate.holder(RoundNo(1), claim);
    assert_eq!(holder(&claim), Some(PersonId([1; 16])));
    assert_eq!(holder(&Claim { device: "device-2", ..claim }), None);
    assert_eq!(holder(&Claim { kind: KindNo(0), ..claim }), None);
    assert_eq!(holder(&Claim { pass: "", ..claim }), None);
    assert_eq!(scene.gate.holder(RoundNo(2), &claim), None);
}
