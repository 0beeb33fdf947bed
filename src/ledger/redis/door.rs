//! A door for the bench `scripts`: claims over the way that the writer takes, and nothing around it.
//!
//! Nothing is told, written down or asked again here, so nothing else may use it.

use super::keys::Place;
use super::link::{Fate, Item, Link};
use super::scripts::{self, Call, ClaimArgs, ClaimReply};
use super::topology::{RedisUrl, Topology};
use crate::domain::{At, CampaignNo, Fen, PoolNo, RoundNo};
use crate::ledger::machine::Grant;
use std::sync::Arc;

const PLACE: Place = Place::shard(CampaignNo(0), 0);
const ROUND: RoundNo = RoundNo(1);
const EPOCH: u64 = 1;
const NOW: At = At(2_000);

/// The way to shard 0 of campaign 0.
pub struct Door(Link);

impl Door {
    /// To the shard on the server at `url`.
    pub async fn open(url: &RedisUrl) -> Result<Door, super::connection::Error> {
        let topology = Arc::new(Topology::discover(url).await?);
        let touch = Item::script(scripts::look(PLACE));
        Ok(Door(Link::to(topology, PLACE.slot(), 0, touch)))
    }

    /// A call for each of `calls`, 1 to 64 claims of round 1, all sent at once; how many claims got a yes.
    pub async fn claim(&mut self, calls: &[&[Grant]]) -> Option<usize> {
        let args: Vec<Vec<ClaimArgs>> = calls.iter().map(|grants| args(grants)).collect();
        let items = args.iter().map(|args| Some(Item::script(made(args)?)));
        let fates = self.0.run(&items.collect::<Option<Vec<Item>>>()?).await;
        let mut yes: usize = 0;
        for (args, fate) in args.iter().zip(fates) {
            let Fate::Done(value) = fate else { return None };
            let Ok(ClaimReply::Decided { outcomes, .. }) = ClaimReply::read(value, args) else {
                return None;
            };
            yes = yes.saturating_add(outcomes.iter().filter(|it| it.told.is_ok()).count());
        }
        Some(yes)
    }
}

/// The call as it goes to Redis, for other clients.
pub fn command(grants: &[Grant]) -> Option<::redis::Cmd> {
    Some(made(&args(grants))?.cmd())
}

/// The script's text.
pub fn script(grants: &[Grant]) -> Option<String> {
    Some(made(&args(grants))?.script.text().to_owned())
}

/// Every coupon costs a fen.
fn args(grants: &[Grant]) -> Vec<ClaimArgs> {
    let of = |grant: &Grant| ClaimArgs { grant: *grant, pool: PoolNo(0), face: Fen::new(1) };
    grants.iter().map(of).collect()
}

fn made(args: &[ClaimArgs]) -> Option<Call> {
    scripts::claim(PLACE, ROUND, EPOCH, NOW, args).ok()
}
