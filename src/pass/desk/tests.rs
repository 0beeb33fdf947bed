use super::*;
use crate::domain::{Fen, RoundNo};
use crate::ledger::event::{Armed, KindTerms};
use crate::ledger::machine::{Answer, Command, Machine, No};
use crate::pass::test_keys;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

const SHIPPED: &str = include_str!("../../../config/xiangning-2023.toml");
const FENCE: &str = include_str!("../../../config/fences/linfen.geojson");
const OPENING: At = At(1_693_533_600_000);
/// Five minutes before the opening.
const NOW: At = OPENING.plus_ms(-300_000);

fn plan(from: &str, to: &str) -> Plan {
    assert!(SHIPPED.contains(from));
    Plan::from_toml(&SHIPPED.replacen(from, to, 1), |_| Ok(FENCE.to_owned())).unwrap().0
}

/// A person as the host app and the captcha service see one.
struct Person {
    id_number: String,
    device: String,
}

impl Person {
    fn number(no: u32) -> Person {
        Person { id_number: format!("14102919900101{no:04}"), device: format!("device-{no}") }
    }

    fn identity(&self) -> String {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("host-1".into());
        let claims = json!({
            "iss": "host", "aud": "quan", "iat": 1_693_533_000, "exp": 1_693_540_000, "real_name": true,
            "acc": format!("account of {}", self.device), "tel": format!("phone of {}", self.device),
            "crd": format!("card of {}", self.device), "dev": self.device, "idn": self.id_number,
        });
        encode(&header, &claims, &EncodingKey::from_secret(&[5; 32])).unwrap()
    }

    fn proof(&self, captcha: u8, id: u8) -> String {
        let mut body = [id; 28];
        body[..4].copy_from_slice(&[1, 1, captcha, 1]);
        body[4..12].copy_from_slice(&NOW.plus_ms(-1_000).0.to_be_bytes());
        let mut tail = Vec::new();
        for text in ["xiangning-2023", &self.id_number, &self.device] {
            tail.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            tail.extend(text.as_bytes());
        }
        test_keys::signed(body, &tail, test_keys::CAPTCHA)
    }
}

/// Runs `with` on the application of `person`, changed by `change`.
fn apply(
    plan: &Plan,
    person: &Person,
    now: At,
    change: impl for<'a> Fn(&mut Application<'a>),
) -> Result<Bound, Refusal> {
    let keys = test_keys::keyring();
    let desk = Desk { keys: &keys, plan, campaign: CampaignNo(0) };
    let who = desk.identify(Some(&person.identity()), now)?;
    let fix = test_keys::fix(now.plus_ms(-1_000), &person.device);
    let (slider, image) = (person.proof(1, 1), person.proof(2, 2));
    let mut shown = Application {
        kinds: KindSet(0b11),
        device: &person.device,
        fix: Some(&fix),
        slider: &slider,
        image: &image,
    };
    change(&mut shown);
    desk.make(&plan.rounds[0], &who, &shown, now)
}

#[test]
fn r_risk_1_both_captchas_make_one_pass_and_asking_again_the_same() {
    let (plan, person) = (plan("", ""), Person::number(1));
    let bound = apply(&plan, &person, NOW, |_| ()).unwrap();
    assert_eq!((bound.round, bound.kinds), (RoundNo(1), KindSet(0b11)));
    assert_eq!(bound.expires_at, NOW.plus_ms(900_000));
    let later = apply(&plan, &person, NOW.plus_ms(10), |_| ()).unwrap();
    assert_eq!((later.pass, later.person), (bound.pass, bound.person));
    let other = apply(&plan, &Person::number(2), NOW, |_| ()).unwrap();
    assert_ne!(other.pass, bound.pass);

    let keys = test_keys::keyring();
    let desk = Desk { keys: &keys, plan: &plan, campaign: CampaignNo(0) };
    let pass = keys.pass.open(&desk.seal(&bound, bound.expires_at)).unwrap();
    assert_eq!((pass.nonce, pass.person), (bound.pass, bound.person));
    assert_eq!((pass.kinds, pass.expires_at), (bound.kinds, bound.expires_at));
    assert_eq!(pass.device, keys.hasher.device(&person.device));
}

#[test]
fn r_risk_1_each_thing_that_is_missing_is_refused_by_its_own_name() {
    let (plan, person, other) = (plan("", ""), Person::number(1), Person::number(2));
    let why = |now, change: &dyn for<'a> Fn(&mut Application<'a>)| {
        apply(&plan, &person, now, change).unwrap_err()
    };
    assert_eq!(why(NOW, &|it| it.kinds = KindSet(0)), Refusal::KindUnknown);
    assert_eq!(why(NOW, &|it| it.kinds = KindSet(1 << 6)), Refusal::KindUnknown);
    assert_eq!(why(NOW, &|it| it.kinds = KindSet(1 << 31)), Refusal::KindUnknown);
    assert_eq!(why(NOW, &|it| it.device = "device-2"), Refusal::PassWrongDevice);
    assert_eq!(why(NOW, &|it| it.fix = None), Refusal::PositionMissing);
    assert_eq!(why(NOW, &|it| it.fix = Some("")), Refusal::PositionUnsigned);
    assert_eq!(why(NOW, &|it| it.slider = it.image), Refusal::SliderInvalid);
    assert_eq!(why(NOW, &|it| it.image = it.slider), Refusal::ImageInvalid);
    assert_eq!(why(NOW.plus_ms(900_000), &|_| ()), Refusal::ProofExpired);
    let stolen = other.proof(1, 1);
    let keys = test_keys::keyring();
    let desk = Desk { keys: &keys, plan: &plan, campaign: CampaignNo(0) };
    let who = desk.identify(Some(&person.identity()), NOW).unwrap();
    let (fix, image) = (test_keys::fix(NOW, &person.device), person.proof(2, 2));
    let shown = Application {
        kinds: KindSet(1),
        device: &person.device,
        fix: Some(&fix),
        slider: &stolen,
        image: &image,
    };
    assert_eq!(desk.make(&plan.rounds[0], &who, &shown, NOW), Err(Refusal::SliderInvalid));
    let end = plan.rounds[0].window.until;
    assert_eq!(desk.make(&plan.rounds[0], &who, &shown, end), Err(Refusal::Closed));
    assert_eq!(desk.identify(None, NOW), Err(Refusal::ChannelRequired));
}

#[test]
fn r_risk_1_one_kind_per_pass_is_kept_where_the_plan_says_so() {
    let plan = plan("one_kind_per_pass = false", "one_kind_per_pass = true");
    let with = |kinds| apply(&plan, &Person::number(1), NOW, move |it| it.kinds = KindSet(kinds));
    assert_eq!(with(0b11), Err(Refusal::OneKindPerPass));
    assert!(with(0b10).is_ok());
}

#[test]
fn r_who_3_the_ledger_takes_the_record_and_spends_its_proofs() {
    let (plan, mut machine) = (plan("", ""), Machine::default());
    let kinds = plan.kinds.iter().map(|kind| KindTerms {
        name: kind.name.clone(),
        pool: kind.pool,
        face: kind.face,
        threshold: kind.threshold,
    });
    let pools: Vec<(String, Fen)> =
        plan.pools.iter().map(|pool| (pool.name.clone(), pool.budget)).collect();
    let open = Command::Open { name: plan.id.clone(), pools, kinds: kinds.collect() };
    machine.execute(&open, NOW).unwrap();
    let armed = Armed { round: RoundNo(1), window: plan.rounds[0].window, quantities: vec![1; 6] };
    machine.execute(&Command::Arm(CampaignNo(0), armed), NOW).unwrap();

    let mut bind = |bound: Bound| {
        machine.execute(&Command::Bind(CampaignNo(0), bound), NOW).map(|it| it.answer)
    };
    let first = apply(&plan, &Person::number(1), NOW, |_| ()).unwrap();
    assert_eq!(bind(first.clone()), Ok(Answer::Bound(first.expires_at)));
    assert_eq!(bind(first.clone()), Ok(Answer::Bound(first.expires_at)));
    // Another ID number on the same device, with proofs of its own.
    let second = Person { id_number: "141029199001010002".into(), ..Person::number(1) };
    let (slider, image) = (second.proof(1, 3), second.proof(2, 4));
    let keys = test_keys::keyring();
    let desk = Desk { keys: &keys, plan: &plan, campaign: CampaignNo(0) };
    let who = desk.identify(Some(&second.identity()), NOW).unwrap();
    let fix = test_keys::fix(NOW, &second.device);
    let shown = Application {
        kinds: KindSet(1),
        device: &second.device,
        fix: Some(&fix),
        slider: &slider,
        image: &image,
    };
    let bound = desk.make(&plan.rounds[0], &who, &shown, NOW).unwrap();
    assert_eq!(bind(bound), Err(No::Refused(Refusal::AccountInUse)));
}
