//! Claims for whoever measures a server with a loop of its own.

use crate::people::Actor;
use crate::run::Prepared;
use crate::rush::claim_body;
use crate::wire;

/// Every wish of everybody who has a pass, ready to be written as a request.
#[derive(Debug)]
pub struct Claims {
    prepared: Prepared,
    head: Vec<u8>,
    quoted: Vec<String>,
    /// Who, and which kind.
    wishes: Vec<(usize, usize)>,
}

impl Claims {
    /// The claims of those people.
    pub fn of(prepared: Prepared) -> Claims {
        let wishes = |(at, actor): (usize, &Actor)| {
            let kinds = actor.pass.is_some().then(|| actor.picks.iter());
            kinds.into_iter().flatten().map(move |kind| (at, kind)).collect::<Vec<_>>()
        };
        let options = &prepared.options;
        let path = format!("/v1/campaigns/{}/rounds/{}/claims", options.campaign, options.round);
        let quoted = |name: &str| serde_json::Value::from(name).to_string();
        Claims {
            head: wire::post_head(&path, prepared.world.hosts.first().map_or("", String::as_str)),
            quoted: prepared.world.kinds.iter().map(|kind| quoted(&kind.kind)).collect(),
            wishes: prepared.actors.iter().enumerate().flat_map(wishes).collect(),
            prepared,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.wishes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.wishes.is_empty()
    }

    /// Appends the whole HTTP request of claim `number` to `out`, its position taken now; false if
    /// there is no such claim.
    pub fn write(&self, number: usize, out: &mut Vec<u8>) -> bool {
        let Some((at, kind)) = self.wishes.get(number) else { return false };
        let Prepared { options, keys, world, actors, .. } = &self.prepared;
        let (Some(actor), Some(kind)) = (actors.get(*at), self.quoted.get(*kind)) else {
            return false;
        };
        let pass = actor.pass.as_deref().unwrap_or_default();
        let now_ms = world.clock.now_us().div_euclid(1000);
        let mut body = Vec::with_capacity(512);
        claim_body(keys, actor, options.seed, kind, pass, now_ms, &mut body);
        wire::post(&self.head, None, &body, out);
        true
    }
}
