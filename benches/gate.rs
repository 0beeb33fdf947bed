//! What a claim costs before it reaches the stock: the pass, the fix, and the whole gate.

use criterion::{Criterion, criterion_group, criterion_main};
use quan::{
    domain::{At, CampaignNo, KindNo, KindSet, PassNonce, PersonId, RoundNo, fence::verdict},
    gate::{Claim, Gate},
    pass::{Asked, IdentityKeys, Keyring, Keys, Pass},
    plan::{Plan, RateRules},
};
use std::{hint::black_box, net::IpAddr, num::NonZeroU32, sync::Arc};

const NOW: At = At(1_693_533_600_000);
const DEVICE: &str = "3f1b8a52-6c1e-4b0e-9d7a-0c5a1b2c3d4e";
const KIND: KindNo = KindNo(0);

/// Fixes taken a second before `NOW`, in both datums, by another program's HMAC of a key of 32 threes.
const GCJ_FIX: &str = "AQECABWBXwBCeJoAAAAAyAAAAYpOd_UYIO7P43PZSQI35XPNgJc-9-RCMt28oXgf3FqXKrT2a1k";
const WGS_FIX: &str = "AQEBABWBXwBCeJoAAAAAyAAAAYpOd_UY_l9943QWJU1xXwQBcqUBEiEe9XTZ5MOfCSCXLcwms_s";

fn plan() -> Plan {
    let fence = include_str!("../config/fences/linfen.geojson");
    let text = include_str!("../config/xiangning-2023.toml");
    Plan::from_toml(text, |_| Ok(fence.to_owned())).expect("the shipped plan has no errors").0
}

fn keyring() -> Keyring {
    let keys = |key: u8| Keys::new([(1, [key; 32].as_slice())]).expect("32 bytes are a key");
    Keyring {
        staff: quan::decision::Staff::default(),
        terminals: std::collections::HashMap::new(),
        hasher: quan::pass::Hasher::new(&[1; 32]).expect("32 bytes are a key"),
        pass: keys(2).into(),
        fix: keys(3).into(),
        proof: keys(4).into(),
        identity: IdentityKeys::default(),
    }
}

fn pass(keys: &Keyring, person: u64) -> Pass {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&person.to_be_bytes());
    Pass {
        campaign: CampaignNo(0),
        round: RoundNo(1),
        kinds: KindSet(1),
        expires_at: NOW.plus_ms(600_000),
        nonce: PassNonce(id),
        person: PersonId(id),
        device: keys.hasher.device(DEVICE),
    }
}

fn gate(c: &mut Criterion) {
    let (plan, keys) = (plan(), Arc::new(keyring()));
    let token = keys.pass.seal(&pass(&keys, 1));
    let checked = |token: &str| {
        let pass = keys.pass.open(token)?;
        let device = keys.hasher.device(DEVICE);
        pass.fits(&Asked { campaign: CampaignNo(0), round: RoundNo(1), kind: KIND, device }, NOW)
    };
    let placed = |fix: &str| verdict(Some(&keys.fix.read(fix, DEVICE.as_bytes())?), NOW, &plan.fix);
    assert_eq!((checked(&token), placed(GCJ_FIX), placed(WGS_FIX)), (Ok(()), Ok(()), Ok(())));
    c.bench_function("pass: open, device hash, fits", |b| b.iter(|| checked(black_box(&token))));
    for (datum, fix) in [("GCJ-02", GCJ_FIX), ("WGS-84", WGS_FIX)] {
        c.bench_function(&format!("fix {datum}: signature, fence"), |b| {
            b.iter(|| placed(black_box(fix)));
        });
        c.bench_function(&format!("pass + fix {datum}"), |b| {
            b.iter(|| (checked(black_box(&token)), placed(black_box(fix))));
        });
    }
    let fix = keys.fix.read(WGS_FIX, DEVICE.as_bytes()).expect("the fix is signed");
    c.bench_function("fence verdict alone, WGS-84", |b| {
        b.iter(|| verdict(Some(black_box(&fix)), NOW, &plan.fix));
    });
    whole(c, &plan, &keys);
}

/// Ten thousand persons in turn, under rates that never refuse: the instant stands still, or the fix would be stale.
fn whole(c: &mut Criterion, plan: &Plan, keys: &Arc<Keyring>) {
    let most = NonZeroU32::MAX;
    let rates = RateRules {
        person_per_s: most,
        person_burst: most,
        device_per_s: most,
        device_burst: most,
        address_per_s: most,
        address_burst: most,
    };
    let gate = Gate::new(CampaignNo(0), &Plan { rates, ..plan.clone() }, Arc::clone(keys));
    let round = plan.rounds.first().copied().expect("the shipped plan has rounds");
    let tokens: Vec<String> = (0..10_000).map(|no| keys.pass.seal(&pass(keys, no))).collect();
    let claim = |pass| Claim {
        address: IpAddr::from([192, 0, 2, 1]),
        kind: KIND,
        pass,
        device: DEVICE,
        fix: Some(WGS_FIX),
    };
    let mut turn = tokens.iter().cycle();
    c.bench_function("gate: a good claim", |b| {
        b.iter(|| {
            let token = turn.next().expect("a cycle has no end");
            gate.admit(&round, &claim(token), NOW).expect("the claim is good")
        });
    });
    let early = round.window.from.plus_ms(-1);
    c.bench_function("gate: not open yet", |b| {
        b.iter(|| gate.admit(&round, black_box(&claim("")), early));
    });
}

criterion_group!(benches, gate);
criterion_main!(benches);
