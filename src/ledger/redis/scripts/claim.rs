use super::super::keys::{Key, Place};
use super::super::{NotSent, count, fen, ms};
use super::reply::Parts;
use super::{BadReply, CLAIM, Call};
use crate::domain::{
    At, CouponId, CouponState, Fen, KindSet, PassNonce, PersonId, PoolNo, Refusal, RoundNo,
};
use crate::funds::{Account, FundsRefusal, Posting};
use crate::ledger::event::{Event, Granted, What, codec};
use crate::ledger::machine::{Answer, Grant, Held, No};
use ::redis::Value;

/// Claims that one call takes.
pub(crate) const MOST_CLAIMS: usize = 64;

/// Bytes of an entry's body before the ordinal, and before what follows the end of validity.
const ORDINAL: usize = 6;
const TAIL: usize = ORDINAL + 4 + 16 + 16 + 8;

/// A claim of a kind that the campaign has, and what the kind costs whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClaimArgs {
    /// The claim.
    pub(crate) grant: Grant,
    /// The pool that pays.
    pub(crate) pool: PoolNo,
    /// What one coupon costs it.
    pub(crate) face: Fen,
}

/// Decides `claims` in their order, at `now` or at the log's last instant if that is later.
pub(crate) fn claim(
    place: Place,
    round: RoundNo,
    epoch: u64,
    now: At,
    claims: &[ClaimArgs],
) -> Result<Call, NotSent> {
    if claims.is_empty() || claims.len() > MOST_CLAIMS {
        return Err(NotSent::Batch(claims.len()));
    }
    let keys = [
        Key::Meta,
        Key::Funds,
        Key::Round(round),
        Key::Holders(round),
        Key::Passes(round),
        Key::Log,
    ];
    let mut kinds: Vec<ClaimArgs> = vec![];
    for claim in claims {
        let here = claim.grant.campaign == place.campaign && claim.grant.round == round;
        if !here || usize::from(claim.grant.kind.0) >= KindSet::MOST {
            return Err(NotSent::Misplaced);
        }
        match kinds.iter().find(|it| it.grant.kind == claim.grant.kind) {
            Some(it) if (it.pool, it.face) == (claim.pool, claim.face) => {}
            Some(_) => return Err(NotSent::Misplaced),
            None => kinds.push(*claim),
        }
    }
    let mut call = Call::new(&CLAIM, place, &keys);
    call.text(count(epoch)?);
    call.text(ms(now)?);
    call.text(place.log());
    call.text(kinds.len());
    for kind in &kinds {
        let body = body(kind)?;
        let (head, rest) = body.split_at_checked(ORDINAL).ok_or(NotSent::Body)?;
        call.text(kind.grant.kind.0);
        call.text(kind.pool.0);
        call.text(fen(kind.face)?);
        call.arg(head);
        call.arg(rest.get(TAIL - ORDINAL..).ok_or(NotSent::Body)?);
    }
    for ClaimArgs { grant, .. } in claims {
        let kind = kinds.iter().position(|it| it.grant.kind == grant.kind);
        call.text(kind.ok_or(NotSent::Misplaced)? + 1);
        call.arg(grant.person.0);
        call.arg(grant.pass.0);
    }
    Ok(call)
}

/// The body of an entry that grants a coupon of this kind, but for what the script knows.
fn body(claim: &ClaimArgs) -> Result<Vec<u8>, NotSent> {
    let Grant { campaign, round, kind, .. } = claim.grant;
    let granted = Granted {
        coupon: CouponId { round, kind, ordinal: 0 },
        person: PersonId([0; 16]),
        pass: PassNonce([0; 16]),
        ends_at: At(0),
    };
    let (from, to) = (Account::Reserved, Account::Frozen);
    let posted = Posting { pool: claim.pool, from, to, fen: claim.face };
    let event = |what| Event { campaign, what };
    codec::encode(&[event(What::Granted(granted)), event(What::Posted(posted))])
        .ok_or(NotSent::Body)
}

/// What came of a call of [`claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClaimReply {
    /// Every claim was decided.
    Decided {
        /// The shard's epoch.
        epoch: u64,
        /// The log's last seq.
        seq: u64,
        /// The log's last instant.
        at: At,
        /// One a claim, in their order.
        outcomes: Vec<Outcome>,
        /// The last seq that grants rest on: stock that came, the interlock.
        basis: u64,
    },
    /// No such shard there.
    Absent,
    /// The master's lineage is another, or the epoch.
    Fenced {
        /// The shard's epoch.
        epoch: u64,
        /// The log's last seq.
        seq: u64,
    },
}

/// What came of one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The machine's answer.
    pub(crate) told: Result<Answer, No>,
    /// The entry that grants it, if it is granted now.
    pub(crate) seq: Option<u64>,
    /// How many of its kind this shard has left after it.
    pub(crate) left: u32,
}

impl ClaimReply {
    /// Reads the answer to a call with `claims`.
    pub(crate) fn read(value: Value, claims: &[ClaimArgs]) -> Result<ClaimReply, BadReply> {
        let mut parts = Parts::of(CLAIM.name, value)?;
        match parts.text()?.as_str() {
            "absent" => Ok(ClaimReply::Absent),
            "fenced" => Ok(ClaimReply::Fenced { epoch: parts.number()?, seq: parts.number()? }),
            "decided" => {
                let (epoch, seq, at) = (parts.number()?, parts.number()?, At(parts.number()?));
                let mut list = parts.list()?;
                if list.len() != claims.len() {
                    return Err(parts.bad());
                }
                let mut outcomes = Vec::with_capacity(claims.len());
                for claim in claims {
                    outcomes.push(outcome(list.list()?, claim)?);
                }
                let basis = parts.number()?;
                // Grants have an entry each; the last of them is the log's last.
                let mut next = seq;
                for outcome in outcomes.iter_mut().rev() {
                    if let Ok(Answer::Granted(_)) = outcome.told {
                        outcome.seq = Some(next);
                        next = next.checked_sub(1).ok_or(parts.bad())?;
                    }
                }
                Ok(ClaimReply::Decided { epoch, seq, at, outcomes, basis })
            }
            _ => Err(parts.bad()),
        }
    }
}

fn outcome(mut parts: Parts, claim: &ClaimArgs) -> Result<Outcome, BadReply> {
    let word = parts.text()?;
    let left = parts.number::<i64>()?.try_into().unwrap_or(0);
    let told = match word.as_str() {
        "granted" => Ok(Answer::Granted(held(&mut parts, claim)?)),
        "already_held" => Ok(Answer::AlreadyHeld(held(&mut parts, claim)?)),
        "not_enough" => Err(No::Funds(FundsRefusal::NotEnough)),
        "not_open" => Err(Refusal::NotOpen { opens_in_ms: parts.number()? }.into()),
        "round_unknown" => Err(Refusal::RoundUnknown.into()),
        "risk_control_degraded" => Err(Refusal::RiskControlDegraded.into()),
        "closed" => Err(Refusal::Closed.into()),
        "pass_invalid" => Err(Refusal::PassInvalid.into()),
        "pass_expired" => Err(Refusal::PassExpired.into()),
        "kind_not_in_pass" => Err(Refusal::KindNotInPass.into()),
        "pass_spent" => Err(Refusal::PassSpent.into()),
        "sold_out" => Err(Refusal::SoldOut.into()),
        _ => return Err(parts.bad()),
    };
    Ok(Outcome { told, seq: None, left })
}

fn held(parts: &mut Parts, claim: &ClaimArgs) -> Result<Held, BadReply> {
    let Grant { round, kind, .. } = claim.grant;
    Ok(Held {
        coupon: CouponId { round, kind, ordinal: parts.number()? },
        starts_at: At(parts.number()?),
        ends_at: At(parts.number()?),
        state: CouponState::Unused,
    })
}
