use super::super::effects::binding;
use super::super::keys::{Key, Part, Place};
use super::super::{NotSent, count, ms};
use super::reply::Parts;
use super::{BIND, BadReply, Call};
use crate::domain::{At, CampaignNo, KindSet, Refusal};
use crate::ledger::event::{Bound, Event, What, codec};
use crate::ledger::machine::{Answer, No};
use ::redis::Value;

/// Makes a pass in the identities' log of `campaign`, which has `kinds` kinds.
pub(crate) fn bind(
    campaign: CampaignNo,
    kinds: usize,
    epoch: u64,
    now: At,
    bound: &Bound,
) -> Result<Call, NotSent> {
    let place = Place { campaign, part: Part::Identities };
    let round = bound.round;
    let keys = [Key::Meta, Key::Passes(round), Key::Proofs(round), Key::Bindings(round), Key::Log];
    let event = Event { campaign, what: What::Bound(bound.clone()) };
    let body = codec::encode(&[event]).ok_or(NotSent::Body)?;
    let mut call = Call::new(&BIND, place, &keys);
    call.text(count(epoch)?);
    call.text(ms(now)?);
    call.text(place.log());
    call.text(u8::from(are_of(bound.kinds, kinds)));
    call.arg(bound.pass.0);
    call.arg(bound.person.0);
    call.text(bound.kinds.0);
    call.text(ms(bound.expires_at)?);
    bound.proofs.iter().for_each(|proof| call.arg(proof.0));
    call.arg(body);
    bound.identifiers.iter().for_each(|identifier| call.arg(binding(*identifier)));
    Ok(call)
}

/// Whether the set names some of a campaign's kinds and no others.
fn are_of(set: KindSet, kinds: usize) -> bool {
    let others = u32::try_from(kinds).ok().and_then(|kinds| set.0.checked_shr(kinds));
    !set.is_empty() && others.unwrap_or(0) == 0
}

/// What came of a call of [`bind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BindReply {
    /// It was decided.
    Decided {
        /// The log's epoch.
        epoch: u64,
        /// The log's last seq.
        seq: u64,
        /// The log's last instant.
        at: At,
        /// The machine's answer: the end of the pass, or why there is none.
        told: Result<Answer, No>,
        /// Whether an entry was written, which is then the last.
        new: bool,
    },
    /// No such log there.
    Absent,
    /// The master's lineage is another, or the epoch.
    Fenced {
        /// The log's epoch.
        epoch: u64,
        /// The log's last seq.
        seq: u64,
    },
}

impl BindReply {
    /// Reads the answer.
    pub(crate) fn read(value: Value) -> Result<BindReply, BadReply> {
        let mut parts = Parts::of(BIND.name, value)?;
        Ok(match parts.text()?.as_str() {
            "absent" => BindReply::Absent,
            "fenced" => BindReply::Fenced { epoch: parts.number()?, seq: parts.number()? },
            "decided" => {
                let (epoch, seq, at) = (parts.number()?, parts.number()?, At(parts.number()?));
                let (told, new) = told(parts.list()?)?;
                BindReply::Decided { epoch, seq, at, told, new }
            }
            _ => return Err(parts.bad()),
        })
    }
}

fn told(mut parts: Parts) -> Result<(Result<Answer, No>, bool), BadReply> {
    let refusal = match parts.text()?.as_str() {
        "bound" => {
            let ends = At(parts.number()?);
            return Ok((Ok(Answer::Bound(ends)), parts.number::<u8>()? == 1));
        }
        "proof_spent" => Refusal::ProofSpent,
        "kind_unknown" => Refusal::KindUnknown,
        "proof_expired" => Refusal::ProofExpired,
        "account_in_use" => Refusal::AccountInUse,
        "phone_in_use" => Refusal::PhoneInUse,
        "card_in_use" => Refusal::CardInUse,
        "device_in_use" => Refusal::DeviceInUse,
        _ => return Err(parts.bad()),
    };
    Ok((Err(refusal.into()), false))
}
