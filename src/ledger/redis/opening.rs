//! A start: servers are found and looked at, campaigns are opened or found open on the same terms.

use super::about::About;
use super::acks::{self, Acks};
use super::connection;
use super::effects::changes;
use super::keys::{DIRECTORY_TAG, Key, Place, slot};
use super::link::{Fate, Item, Link};
use super::preflight::{self, Unfit};
use super::scripts::{
    LookReply, ReopenReply, RestoreReply, look, number, read_number, reopen, restore,
};
use super::topology::Topology;
use super::{NotSent, ledger::Options};
use crate::domain::{At, CampaignNo, Fen, PoolNo, Shard};
use crate::funds::{Account, Posting};
use crate::ledger::event::{Event, KindTerms, Opened, What, codec};
use crate::ledger::journal::Entry;
use crate::store::{self, Store};
use redis::{Value, cmd};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often a place is tried to be opened.
const TRIES: u32 = 50;
/// How long between two tries.
const AGAIN: Duration = Duration::from_millis(100);

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No server can be reached.
    #[error(transparent)]
    Unreachable(#[from] connection::Error),
    /// The servers can't keep what is told.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// This node can't write down what it tells.
    #[error(transparent)]
    Acks(#[from] acks::Error),
    /// The campaign was opened before, otherwise.
    #[error(
        "campaign {0} was opened with other pools, budgets, kinds or shards: take the plan and the number of shards \
         that it was opened with"
    )]
    Terms(String),
    /// A place does not open.
    #[error("campaign {name} does not open in Redis: {why}")]
    Place {
        /// The campaign.
        name: String,
        /// Why.
        why: String,
    },
}

/// What the store knows of the logs. A log that it knows is never begun anew, whatever Redis has.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Logs and how far each is.
    pub logs: BTreeMap<u32, u64>,
    /// Campaigns by name.
    pub campaigns: BTreeMap<String, CampaignNo>,
    /// How many shards the campaign of a log was opened with.
    pub shards: BTreeMap<u32, u8>,
}

impl Known {
    /// What `store` knows.
    pub async fn of(store: &Store) -> Result<Known, store::Error> {
        let mut known = Known::default();
        for (log, seq) in store.logs().await?.into_iter().filter(|(_, seq)| *seq > 0) {
            known.logs.insert(log.0, seq);
            let shards = store.shards(log).await?;
            known.shards.extend(shards.values().map(|shard| (log.0, shard.of)));
        }
        let campaigns = store.campaigns().await?.into_iter();
        known.campaigns = campaigns.map(|(no, name)| (name, no)).collect();
        Ok(known)
    }
}

/// Servers that were found fit, and campaigns that are being opened there.
pub struct Opening {
    pub(super) topology: Arc<Topology>,
    pub(super) options: Options,
    pub(super) acks: Acks,
    known: Known,
    pub(super) campaigns: Vec<(CampaignNo, u8)>,
}

impl Opening {
    /// Finds the servers and looks at them.
    pub async fn connect(options: Options, known: Known, now: At) -> Result<Opening, OpenError> {
        let topology = Arc::new(Topology::discover(&options.url).await?);
        preflight::check(&options.url, &topology, options.replicas(topology.clustered())).await?;
        let acks = Acks::open(&options.acks, now)?;
        Ok(Opening { topology, options, acks, known, campaigns: Vec::new() })
    }

    /// Opens a campaign with these pools and budgets, or finds it opened before on the same terms.
    pub async fn open(
        &mut self,
        name: &str,
        pools: &[(String, Fen)],
        kinds: &[KindTerms],
        now: At,
    ) -> Result<CampaignNo, OpenError> {
        let fault = |why: String| OpenError::Place { name: name.to_owned(), why };
        let replicas = self.options.replicas(self.topology.clustered());
        let known = self.known.campaigns.get(name).copied();
        let free = self.known.campaigns.values().map(|no| u32::from(no.0) + 1).max().unwrap_or(0);
        let touch = Item::script(number(name, known, free));
        let mut link =
            Link::to(Arc::clone(&self.topology), slot(DIRECTORY_TAG), replicas, touch.clone());
        let no = match link.run(&[touch]).await.pop() {
            Some(Fate::Done(value)) => {
                read_number(value).map_err(|error| fault(error.to_string()))?
            }
            Some(Fate::NotDone(why)) => return Err(fault(why)),
            Some(Fate::Unknown) | None => return Err(fault("no answer".to_owned())),
        };
        let of = self.options.shards;
        let places = (0..of).map(|shard| (Place::shard(no, shard), Shard { no: shard, of }));
        for (place, shard) in places.chain([(Place::identities(no), Shard { no: 0, of })]) {
            let opened = Opened {
                name: name.to_owned(),
                pools: pools.iter().map(|(name, _)| name.clone()).collect(),
                kinds: kinds.to_vec(),
                shard,
            };
            let first = place == Place::shard(no, 0);
            let budgets = if first { pools } else { &[] };
            self.place(place, shard, opening(no, opened, budgets), now).await.map_err(|why| {
                match why {
                    Why::Terms => OpenError::Terms(name.to_owned()),
                    Why::Other(why) => fault(why),
                }
            })?;
        }
        self.campaigns.push((no, of));
        Ok(no)
    }

    async fn place(
        &self,
        place: Place,
        shard: Shard,
        events: Vec<Event>,
        now: At,
    ) -> Result<(), Why> {
        let body = codec::encode(&events)
            .ok_or_else(|| Why::Other("its terms are too long".to_owned()))?;
        let entry = Entry { seq: 1, durable: 0, at: now, seal: false, body };
        let touch = Item::script(look(place));
        let replicas = self.options.replicas(self.topology.clustered());
        let mut link = Link::to(Arc::clone(&self.topology), place.slot(), replicas, touch);
        let begin = restore(
            place,
            0,
            &entry,
            &changes(place, shard, now, &events, &mut About::default())?,
        )?;
        let mut last = String::new();
        for _ in 0..TRIES {
            let field = cmd("HGET").arg(place.key(Key::Meta)).arg("terms").to_owned();
            let (fates, looked) = link.read(&[Item::plain(field)]).await;
            let (Some(Fate::Done(there)), Fate::Done(looked)) = (fates.into_iter().next(), looked)
            else {
                "no answer".clone_into(&mut last);
                sleep(AGAIN).await;
                continue;
            };
            match LookReply::read(looked).map_err(|error| Why::Other(error.to_string()))? {
                LookReply::Seen { epoch, live, .. } => {
                    if !matches!(&there, Value::BulkString(there) if opened_as(there, &events)) {
                        return Err(Why::Terms);
                    }
                    if epoch > 0 {
                        return Ok(());
                    }
                    // Begun, and nobody has opened it yet.
                    match link.run(&[Item::script(reopen(place, 0, 1, &live)?)]).await.pop() {
                        Some(Fate::Done(value)) => match ReopenReply::read(value) {
                            Ok(ReopenReply::Reopened { .. } | ReopenReply::Taken { .. }) => {}
                            other => last = format!("{other:?}"),
                        },
                        other => last = format!("{other:?}"),
                    }
                }
                // Redis lost it. It is put back from the store, not begun anew.
                LookReply::Absent { .. }
                    if self.known.logs.contains_key(&place.log())
                        || self.acks.told(place.log()) > 0 =>
                {
                    let of = self.known.shards.get(&place.log());
                    let other = of.is_some_and(|of| *of != shard.of);
                    return if other { Err(Why::Terms) } else { Ok(()) };
                }
                LookReply::Absent { .. } => {
                    match link.run(&[Item::script(begin.clone())]).await.pop() {
                        // A conflict is another node's beginning, at another instant.
                        Some(Fate::Done(value)) => match RestoreReply::read(value) {
                            Ok(RestoreReply::Misfit { .. }) | Err(_) => {
                                "not what scripts write".clone_into(&mut last);
                            }
                            Ok(_) => {}
                        },
                        other => last = format!("{other:?}"),
                    }
                }
            }
        }
        Err(Why::Other(last))
    }
}

enum Why {
    Terms,
    Other(String),
}

impl From<NotSent> for Why {
    fn from(error: NotSent) -> Why {
        Why::Other(error.to_string())
    }
}

/// Whether a place's terms are those of the opening `planned`.
fn opened_as(terms: &[u8], planned: &[Event]) -> bool {
    let same = |(there, planned): (&Event, &Event)| match (&there.what, &planned.what) {
        (What::Opened(opened), What::Opened(planned)) => opened.is(planned),
        (there, planned) => there == planned,
    };
    codec::decode(terms)
        .is_some_and(|there| there.len() == planned.len() && there.iter().zip(planned).all(same))
}

/// The first entry of a log: the opening, and in the first shard the budgets.
fn opening(no: CampaignNo, opened: Opened, budgets: &[(String, Fen)]) -> Vec<Event> {
    let mut events = vec![Event { campaign: no, what: What::Opened(opened) }];
    for (pool, (_, fen)) in (0..).map(PoolNo).zip(budgets) {
        let (from, to) = (Account::Treasury, Account::Available);
        events.push(Event {
            campaign: no,
            what: What::Posted(Posting { pool, from, to, fen: *fen }),
        });
    }
    events
}
