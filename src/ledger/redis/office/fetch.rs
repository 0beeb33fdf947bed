//! Reading what a decision needs of a place, in one round trip, and comparing it later with what is there then.

use super::super::about::About;
use super::super::effects::{Compare, of_merchant, of_pool};
use super::super::fields::Fields;
use super::super::keys::Key;
use super::super::link::{Fate, Item};
use super::super::place::Cell;
use super::super::records::{read_state, read_terms};
use super::super::scripts::LookReply;
use super::super::standing::Standing;
use super::super::{effects, fields};
use super::{Fault, Office};
use crate::domain::{At, CampaignNo, Fen, KindNo, MerchantNo, PersonId, PoolNo, RoundNo};
use crate::funds::Funds;
use crate::ledger::event::{Event, Opened, Standing as MayDo};
use crate::ledger::machine::{Command, Decision, Dues, Held, Machine, Merchant, Sketch};
use redis::{Value, cmd};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// What is to be read.
pub(super) enum Want {
    /// Fields of a hash.
    Fields(Key, Vec<Vec<u8>>),
    /// All fields of a hash.
    All(Key),
}

/// Fields by key and name.
type Read = BTreeMap<(Key, Vec<u8>), Vec<u8>>;

/// What was read of a place.
pub(super) struct Fetched {
    /// All that was read was written by this entry or before.
    pub(super) seq: u64,
    /// The log's last instant.
    pub(super) at: At,
    fields: Read,
}

impl Fetched {
    pub(super) fn get(&self, key: Key, field: &[u8]) -> Option<&[u8]> {
        self.fields.get(&(key, field.to_vec())).map(Vec::as_slice)
    }

    /// That the field is still what was read.
    pub(super) fn same(&self, key: Key, field: impl Into<Vec<u8>>) -> Compare {
        let field = field.into();
        let was = self.get(key, &field).map(<[u8]>::to_vec);
        Compare { key, field, was }
    }

    /// Every field that was read of a hash, and its value.
    pub(super) fn all(&self, key: Key) -> impl Iterator<Item = (&[u8], &[u8])> {
        let of = self.fields.range((key, Vec::new())..).take_while(move |((it, _), _)| *it == key);
        of.map(|((_, field), value)| (field.as_slice(), value.as_slice()))
    }

    fn number<T: std::str::FromStr>(&self, key: Key, field: &[u8]) -> Option<T> {
        std::str::from_utf8(self.get(key, field)?).ok()?.parse().ok()
    }

    pub(super) fn fen(&self, key: Key, field: &[u8]) -> Fen {
        Fen::new(self.number(key, field).unwrap_or(0))
    }

    /// The pools' money, if it was read.
    pub(super) fn funds(&self, pools: usize) -> Option<Funds> {
        let all = self.all(Key::Funds);
        let text = |field: &[u8]| String::from_utf8(field.to_vec()).ok();
        let all: Option<Fields> = all.map(|(name, it)| Some((text(name)?, it.to_vec()))).collect();
        fields::funds(&all?, pools)
    }

    /// A merchant as it stands here, with no cap: that is counted over all shards.
    pub(super) fn merchant(&self, no: MerchantNo, pools: usize) -> Result<Option<Merchant>, Fault> {
        let Some(terms) = self.get(Key::Merchants, &of_merchant("terms", no)) else {
            return Ok(None);
        };
        let (categories, _) = read_terms(terms).ok_or_else(|| damaged("a merchant's terms"))?;
        let standing = match self.number(Key::Merchants, &of_merchant("standing", no)) {
            None => MayDo::default(),
            Some(number) => MayDo::of(number).ok_or_else(|| damaged("a merchant's standing"))?,
        };
        let dues = |pool| Dues {
            due: self.fen(Key::Merchants, &of_pool("due", no, pool)),
            owed: self.fen(Key::Merchants, &of_pool("owed", no, pool)),
            settlements: self.settlements(no, pool),
        };
        let known = |dues: &Dues| *dues != Dues::default();
        let pools = pools_of(pools).map(|pool| (pool, dues(pool))).filter(|(_, it)| known(it));
        let (cap, redeemed) = (Fen::ZERO, Fen::ZERO);
        let word_at = self.number(Key::Merchants, &of_merchant("word", no)).map(At);
        let pools = pools.collect();
        Ok(Some(Merchant { categories, cap, standing, word_at, redeemed, pools }))
    }

    pub(super) fn settlements(&self, no: MerchantNo, pool: PoolNo) -> u32 {
        self.number(Key::Merchants, &of_pool("settlements", no, pool)).unwrap_or(0)
    }

    /// Whether a round has expired.
    pub(super) fn expired(&self, round: RoundNo) -> (RoundNo, bool) {
        (round, self.get(Key::Round(round), b"expired") == Some(b"1"))
    }

    /// A person's coupon of a kind, if there is one.
    pub(super) fn held(
        &self,
        round: RoundNo,
        person: PersonId,
        kind: KindNo,
    ) -> Result<Option<Held>, Fault> {
        let field = effects::holder(person, kind);
        let Some(record) = self.get(Key::Holders(round), &field) else { return Ok(None) };
        let held = fields::holder(round, &field, record).ok_or_else(|| damaged("a coupon"))?.1;
        let state = read_state(self.get(Key::States(round), &field));
        let state = state.ok_or_else(|| damaged("a coupon's state"))?;
        Ok(Some(Held { state, ..held }))
    }
}

/// What stands there is not what scripts write.
pub(super) fn damaged(what: &str) -> Fault {
    Fault::Wrong(format!("{what} is not what scripts write"))
}

/// The numbers of so many pools.
pub(super) fn pools_of(pools: usize) -> impl Iterator<Item = PoolNo> + Clone {
    (0..pools).filter_map(|pool| u8::try_from(pool).ok().map(PoolNo))
}

/// What a shard has of a merchant: terms and standing, and what stands between it and each pool.
pub(super) fn of_a_merchant(no: MerchantNo, pools: usize) -> Vec<Vec<u8>> {
    let mut names = ["terms", "standing", "word"].map(|name| of_merchant(name, no)).to_vec();
    for pool in pools_of(pools) {
        names.extend(["due", "owed", "settlements"].map(|name| of_pool(name, no, pool)));
    }
    names
}

impl Office {
    /// Reads what is wanted of a place that decides. All of it is durable.
    pub(super) async fn fetch(&self, cell: &Cell, wants: &[Want]) -> Result<Fetched, Fault> {
        let start = Instant::now();
        let item = |want: &Want| match want {
            Want::Fields(key, fields) => {
                Item::plain(cmd("HMGET").arg(cell.place.key(*key)).arg(fields).to_owned())
            }
            Want::All(key) => Item::plain(cmd("HGETALL").arg(cell.place.key(*key)).to_owned()),
        };
        let items: Vec<Item> = wants.iter().map(item).collect();
        loop {
            let believed = cell.seen().epoch;
            let (fates, touch) = cell.items(items.clone()).await;
            if let Fate::Done(looked) = touch {
                match LookReply::read(looked) {
                    Ok(LookReply::Seen { open: true, epoch, seq, at, .. }) if epoch == believed => {
                        if let Some(fields) = read(wants, fates) {
                            return Ok(Fetched { seq, at, fields });
                        }
                    }
                    Ok(LookReply::Seen { epoch, .. }) => self.shared.fenced(cell, believed, epoch),
                    Ok(LookReply::Absent { .. }) => super::gone(cell),
                    Err(error) => return Err(Fault::Wrong(error.to_string())),
                }
            }
            self.patience(start).await?;
        }
    }

    /// What the machine decides on `command`, which names campaign 0, by a sketch.
    pub(super) fn decide(
        &self,
        no: CampaignNo,
        sketch: Sketch,
        command: &Command,
    ) -> Result<Decision, Fault> {
        let now = self.shared.now().max(sketch.last_at);
        decide_at(no, sketch, now, command)
    }
}

/// A sketch of a place as this node has read it, with what was fetched since of its money.
pub(super) fn sketch(cell: &Cell, fetched: &Fetched) -> Result<Sketch, Fault> {
    let standing = cell.seen().standing.clone();
    let mut sketch = sketch_of(&standing)?;
    if let Some(funds) = fetched.funds(sketch.opened.pools.len()) {
        sketch.funds = funds;
    }
    sketch.last_at = sketch.last_at.max(fetched.at);
    Ok(sketch)
}

/// What the machine decides on `command`, which names campaign 0, by a sketch at an instant.
pub(super) fn decide_at(
    no: CampaignNo,
    sketch: Sketch,
    now: At,
    command: &Command,
) -> Result<Decision, Fault> {
    let decision = Machine::from(sketch).decide(command, now)?;
    let events = decision.events.into_iter().map(|event| Event { campaign: no, ..event });
    Ok(Decision { events: events.collect(), answer: decision.answer })
}

/// A sketch of a shard as its log says, without persons and merchants.
pub(super) fn sketch_of(standing: &Standing) -> Result<Sketch, Fault> {
    let opened = standing.opened.clone().ok_or(Fault::Unknown)?;
    let unarmed = standing.adjusted.values().filter(|it| !standing.armed.contains_key(&it.round));
    Ok(Sketch {
        opened,
        funds: standing.funds.clone(),
        tripped: standing.tripped,
        word_at: standing.word_at,
        roll: None,
        rounds: standing.rounds.values().cloned().collect(),
        expired: Vec::new(),
        adjusted: unarmed.cloned().collect(),
        extended: standing.extended.values().cloned().collect(),
        last_at: standing.at.unwrap_or(At(0)),
        holders: Vec::new(),
        merchants: Vec::new(),
        lines: Vec::new(),
        latest: None,
        orders: Vec::new(),
        refunds: Vec::new(),
    })
}

/// What the events of an opened campaign's shard depend on, with nothing of its orders yet.
pub(super) fn known_of(opened: &Opened) -> About {
    About::of(&opened.kinds)
}

/// The fields that were asked for, by key and name; `None` if the answers are others.
fn read(wants: &[Want], fates: Vec<Fate>) -> Option<Read> {
    let mut all = BTreeMap::new();
    for (want, fate) in wants.iter().zip(fates) {
        let Fate::Done(Value::Array(values)) = fate else { return None };
        match want {
            Want::Fields(key, fields) => {
                for (field, value) in fields.iter().zip(values) {
                    match value {
                        Value::BulkString(value) => {
                            all.insert((*key, field.clone()), value);
                        }
                        Value::Nil => {}
                        _ => return None,
                    }
                }
            }
            Want::All(key) => {
                for pair in values.chunks_exact(2) {
                    let [Value::BulkString(field), Value::BulkString(value)] = pair else {
                        return None;
                    };
                    all.insert((*key, field.clone()), value.clone());
                }
            }
        }
    }
    Some(all)
}
