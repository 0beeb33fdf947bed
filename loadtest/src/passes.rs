//! Before the opening: everybody gets a pass, as fast as the server gives them.

use crate::answer::{self, Answer};
use crate::crowd::{Play, Timing};
use crate::keys::Keys;
use crate::link::Lost;
use crate::num::span;
use crate::options::Options;
use crate::people::{Actor, Cheat, draw};
use crate::progress::{Phase, Progress, Step};
use crate::tally::{Spread, Times};
use crate::tokens::{self, Captcha};
use crate::wire::{self, Response};
use crate::world::World;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

const AGAIN_AFTER_US: i64 = 100_000;
const TRIES: u32 = 50;

/// How the passes were made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Passes {
    /// Passes made.
    pub made: u64,
    /// Refusals and lost answers by reason, those that were tried again too.
    pub refused: BTreeMap<String, u64>,
    /// People who should have a pass and have none, and cheats who have one and should not.
    pub surprises: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// From sending to answer, in milliseconds.
    pub latency_ms: Spread,
}

/// Who asks for a pass, and for how many times already.
pub(crate) type Ask = (usize, u32);

pub(crate) struct Making {
    pub(crate) options: Options,
    pub(crate) keys: Arc<Keys>,
    pub(crate) world: Rc<World>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) made: Passes,
    pub(crate) times: Times,
    pub(crate) failed: Option<anyhow::Error>,
    pub(crate) progress: Progress,
    heads: Vec<Vec<u8>>,
    answered: u64,
    body: Vec<u8>,
}

impl Making {
    pub(crate) fn new(
        options: Options,
        keys: Arc<Keys>,
        world: Rc<World>,
        actors: Vec<Actor>,
        progress: Progress,
    ) -> Making {
        let path = format!("/v1/campaigns/{}/rounds/{}/passes", options.campaign, options.round);
        let heads = world.hosts.iter().map(|host| wire::post_head(&path, host)).collect();
        Making {
            options,
            keys,
            world,
            actors,
            made: Passes::default(),
            times: Times::default(),
            failed: None,
            progress,
            heads,
            answered: 0,
            body: vec![],
        }
    }

    fn compose(
        &mut self,
        at: usize,
        node: usize,
        now_us: i64,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let (Some(actor), Some(head)) = (self.actors.get(at), self.heads.get(node)) else {
            return Ok(());
        };
        let Options { seed, campaign, round, .. } = &self.options;
        let (signers, wall_ms) = (&self.keys, now_us.div_euclid(1000));
        let material = actor.material(*seed);
        let identity = tokens::identity(signers, campaign, wall_ms, &material)?;
        let mut fix = vec![];
        tokens::fix(signers, actor.place(), wall_ms, &material.dev, &mut fix);
        let proof = |captcha: Captcha| {
            let id = proof_id(draw(*seed, *round), at, captcha);
            tokens::proof(signers, captcha, *round, wall_ms, id, campaign, &material)
        };
        let kinds = actor.picks.iter().filter_map(|kind| self.world.kinds.get(kind));
        self.body.clear();
        let body = serde_json::json!({
            "kinds": kinds.map(|kind| kind.kind.as_str()).collect::<Vec<_>>(),
            "device": material.dev,
            "fix": String::from_utf8(fix)?,
            "slider": proof(Captcha::Slider),
            "image": proof(Captcha::Image),
        });
        serde_json::to_writer(&mut self.body, &body)?;
        wire::post(head, Some(&identity), &self.body, out);
        Ok(())
    }

    fn settle(&mut self, at: usize, pass: Option<Box<str>>, code: &str) {
        self.answered = self.answered.saturating_add(1);
        let Some(actor) = self.actors.get_mut(at) else { return };
        let as_expected = match actor.cheat {
            Some(Cheat::SharedDevice) => pass.is_none() && code == "device_in_use",
            _ => pass.is_some(),
        };
        self.made.made = self.made.made.saturating_add(u64::from(pass.is_some()));
        self.made.surprises = self.made.surprises.saturating_add(u64::from(!as_expected));
        actor.pass = pass;
    }
}

/// The same for the same person of the same seed, so that a run that is repeated gets its passes again.
fn proof_id(seed: u64, at: usize, captcha: Captcha) -> [u8; 16] {
    let digest = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(at.to_be_bytes())
        .chain_update([captcha as u8])
        .finalize();
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    id
}

impl Play for Making {
    type Ask = Ask;

    fn node(&self, (at, _): Ask) -> usize {
        self.actors.get(at).map_or(0, |actor| actor.node)
    }

    fn write(&mut self, (at, _): Ask, node: usize, now_us: i64, out: &mut Vec<u8>) {
        if let Err(error) = self.compose(at, node, now_us, out) {
            self.failed.get_or_insert(error);
        }
    }

    fn heard(
        &mut self,
        (at, tries): Ask,
        _: usize,
        timing: Timing,
        came: Result<Response<'_>, Lost>,
        next: &mut Vec<(i64, Ask)>,
    ) {
        self.times.record(span(timing.sent, timing.received));
        let (code, wait_ms) = match answer::pass(&came) {
            Ok(pass) => return self.settle(at, Some(pass.into()), ""),
            Err(Answer::No(refused)) => {
                let wait = refused.is_passing().then(|| refused.retry_after_ms.unwrap_or(0));
                (refused.code.into_owned(), wait)
            }
            Err(Answer::Lost(lost)) => {
                let nodes = self.heads.len();
                self.actors.get_mut(at).into_iter().for_each(|actor| actor.move_on(nodes));
                (lost.name().to_owned(), Some(0))
            }
            Err(Answer::Strange(status)) => {
                (format!("status_{status}"), (status >= 500).then_some(0))
            }
            Err(Answer::Yes { .. }) => return, // no answer about a pass
        };
        let count = self.made.refused.entry(code.clone()).or_default();
        *count = count.saturating_add(1);
        match wait_ms {
            Some(wait_ms) if tries < TRIES => {
                let wait = AGAIN_AFTER_US.saturating_add(
                    i64::try_from(wait_ms).unwrap_or(i64::MAX).saturating_mul(1000),
                );
                next.push((timing.received.saturating_add(wait), (at, tries.saturating_add(1))));
            }
            _ => self.settle(at, None, &code),
        }
    }

    fn due(&mut self, _: i64, _: i64) {}

    fn dropped(&mut self, (at, _): Ask, _: i64) {
        self.settle(at, None, "not_asked");
    }

    fn tick(&mut self, now_us: i64) {
        (self.progress)(&Step {
            phase: Phase::Passes,
            answered: self.answered,
            of: u64::try_from(self.actors.len()).unwrap_or(u64::MAX),
            granted: 0,
            stock: 0,
            since_opening_ms: now_us.saturating_sub(self.world.opens_at_us) / 1000,
        });
    }
}
