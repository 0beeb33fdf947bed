use super::command::pool_no;
use super::state::{ArmedRound, Campaign, Machine, Round};
use super::{Answer, Command, Decision, Grant, Held, No};
use crate::domain::{
    At, CampaignNo, CouponId, Fen, IdentifierKind, KindNo, KindSet, PoolNo, Refusal, RoundNo, Shard,
};
use crate::funds::{Account, Funds, Posting};
use crate::ledger::event::{
    Adjusted, Armed, Bound, Event, Expired, Granted, Interlock, KindTerms, Opened, What,
};

impl Machine {
    /// What `command` does at `now`, or why not. Changes nothing.
    pub fn decide(&self, command: &Command, now: At) -> Result<Decision, No> {
        match command {
            Command::Open { name, pools, kinds } => self.open(name, pools, kinds),
            Command::Arm(no, armed) => self.known(*no)?.arm(armed, now).map(done(*no)),
            Command::Bind(no, bound) => self.known(*no)?.bind(*no, bound, now),
            Command::Grant(grant) => self.known(grant.campaign)?.grant(grant, now),
            Command::Expire(no, round) => self.known(*no)?.expire(*round, now).map(done(*no)),
            Command::Trip(no) => Ok(done(*no)(self.known(*no)?.set_tripped(true))),
            Command::Resume(no) => Ok(done(*no)(self.known(*no)?.set_tripped(false))),
            Command::Adjust(no, adjusted) => self.known(*no)?.adjust(adjusted).map(done(*no)),
            Command::Extend(no, it) => self.known(*no)?.extend(it, now).map(done(*no)),
            Command::Admit(no, admitted) => self.known(*no)?.admit(admitted).map(done(*no)),
            Command::Stand(no, stands) => self.known(*no)?.stand(*stands).map(done(*no)),
            Command::Lock(ask) => self.known(ask.campaign)?.lock(ask, now),
            Command::Recall(ask) => self.known(ask.campaign)?.recall(ask),
            Command::Confirm(no, order) => self.known(*no)?.confirm(*no, *order, now),
            Command::Release(no, order) => self.known(*no)?.release(*no, *order, now),
            Command::Lapse(no) => self.known(*no)?.lapse(now).map(done(*no)),
            Command::Refund(ask) => self.known(ask.campaign)?.refund(ask, now),
            Command::Settle(ask) => self.known(ask.campaign)?.settle(ask),
            Command::SettleDue(no, batch) => self.known(*no)?.settle_due(*no, *batch),
            Command::Paid(no, batch, who) => self.known(*no)?.pay(*batch, *who).map(done(*no)),
            Command::PaymentFailed(no, batch, who) => {
                self.known(*no)?.fail(*batch, *who).map(done(*no))
            }
            Command::Decided(it) => self.decided(&it.0, &it.1, now),
        }
    }

    pub(super) fn known(&self, campaign: CampaignNo) -> Result<&Campaign, Refusal> {
        self.campaign(campaign).ok_or(Refusal::CampaignUnknown)
    }

    /// Opens a campaign; opened before on the same terms, it keeps its number.
    fn open(
        &self,
        name: &str,
        pools: &[(String, Fen)],
        kinds: &[KindTerms],
    ) -> Result<Decision, No> {
        if kinds.is_empty() || kinds.len() > KindSet::MOST {
            return Err(No::Conflict("a campaign has 1 to 32 kinds"));
        }
        if kinds.iter().any(|kind| usize::from(kind.pool.0) >= pools.len()) {
            return Err(No::Conflict("a kind names a pool that is not there"));
        }
        let at = self.campaigns.iter().position(|campaign| campaign.name == name);
        let no = u16::try_from(at.unwrap_or(self.campaigns.len())).map(CampaignNo);
        let no = no.map_err(|_| No::Conflict("more than 65,536 campaigns"))?;
        if let Some(campaign) = self.campaign(no) {
            return if campaign.opened_as(pools, kinds) {
                Ok(Decision { events: vec![], answer: Answer::Opened(no) })
            } else {
                Err(No::Conflict("the campaign was opened with other pools or kinds"))
            };
        }
        let names = pools.iter().map(|(name, _)| name.clone()).collect();
        let opened = Opened {
            name: name.to_owned(),
            pools: names,
            kinds: kinds.to_vec(),
            shard: Shard::ALONE,
        };
        let mut events = vec![Event { campaign: no, what: What::Opened(opened) }];
        for (index, (_, fen)) in pools.iter().enumerate() {
            let pool = pool_no(index)?;
            let posting =
                Posting { pool, from: Account::Treasury, to: Account::Available, fen: *fen };
            events.push(Event { campaign: no, what: What::Posted(posting) });
        }
        Ok(Decision { events, answer: Answer::Opened(no) })
    }
}

/// A decision whose answer is that it is done.
fn done(campaign: CampaignNo) -> impl Fn(Vec<What>) -> Decision {
    move |whats| Decision { events: events(campaign, whats), answer: Answer::Done }
}

pub(super) fn events(campaign: CampaignNo, whats: Vec<What>) -> Vec<Event> {
    whats.into_iter().map(|what| Event { campaign, what }).collect()
}

impl Campaign {
    fn opened_as(&self, pools: &[(String, Fen)], kinds: &[KindTerms]) -> bool {
        self.kinds.len() == kinds.len()
            && self.kinds.iter().zip(kinds).all(|(mine, planned)| mine.are(planned))
            && self.pools.len() == pools.len()
            && self.pools.iter().zip(pools).enumerate().all(|(index, (mine, (name, fen)))| {
                let pool = pool_no(index).ok().and_then(|no| self.funds.pool(no));
                mine == name && pool.is_some_and(|pool| pool.budget == *fen)
            })
    }

    fn arm(&self, armed: &Armed, now: At) -> Result<Vec<What>, No> {
        if let Some(before) = self.rounds.get(&armed.round).and_then(|round| round.armed.as_ref()) {
            let alike = before.window == armed.window
                && before
                    .stock
                    .iter()
                    .map(|stock| stock.quantity)
                    .eq(armed.quantities.iter().copied());
            return if alike {
                Ok(vec![])
            } else {
                Err(No::Conflict("the round is armed with other stock"))
            };
        }
        if armed.quantities.len() != self.kinds.len() {
            return Err(No::Conflict("a round has a quantity for each kind"));
        }
        let adjusted = self.rounds.get(&armed.round).and_then(|round| round.adjusted.as_ref());
        if adjusted.is_some_and(|adjusted| adjusted.quantities != armed.quantities) {
            return Err(No::Conflict("the round's quantities were adjusted"));
        }
        if armed.window.from >= armed.window.until || now >= armed.window.until {
            return Err(No::Conflict("the round's window is empty or past"));
        }
        let decided = self.further(armed.round).map(|round| round.window);
        if decided.is_some_and(|window| window != armed.window) {
            return Err(No::Conflict("the round was decided for other dates"));
        }
        let mut whats = vec![What::Armed(armed.clone())];
        let mut funds = self.funds.clone();
        for (terms, &quantity) in self.kinds.iter().zip(&armed.quantities) {
            let face = face_of(terms, quantity)?;
            post(&mut whats, &mut funds, terms.pool, Account::Available, Account::Reserved, face)?;
        }
        Ok(whats)
    }

    /// R-ADJ-1: quantities of a round that is not armed, each time from the version that was seen.
    fn adjust(&self, adjusted: &Adjusted) -> Result<Vec<What>, No> {
        let Adjusted { round, version, ref quantities } = *adjusted;
        let known = self.rounds.get(&round);
        let before = known.and_then(|round| round.adjusted.as_ref());
        if before == Some(adjusted) {
            return Ok(vec![]);
        }
        if known.is_some_and(|round| round.armed.is_some()) {
            return Err(No::Conflict("the round is armed: its quantities stay"));
        }
        if before.map_or(0, |before| before.version).checked_add(1) != Some(version) {
            return Err(No::Conflict("the round was adjusted meanwhile: look at it again"));
        }
        self.check_quantities(quantities)?;
        self.reserve(&mut self.funds_by_then()?, quantities)?;
        Ok(vec![What::Adjusted(adjusted.clone())])
    }

    /// R-FUND-2: unclaimed stock and coupons that were not used go back to their pools. What is held for an order moves
    /// its own money later.
    fn expire(&self, round: RoundNo, now: At) -> Result<Vec<What>, No> {
        let known = self.rounds.get(&round).ok_or(Refusal::RoundUnknown)?;
        let armed = known.armed.as_ref().ok_or(Refusal::RoundUnknown)?;
        if known.expired {
            return Ok(vec![]);
        }
        if now < armed.window.until {
            return Err(No::Conflict("the round's coupons have not run out"));
        }
        let mut whats = vec![What::Expired(Expired { round })];
        let mut funds = self.funds.clone();
        for (terms, stock) in self.kinds.iter().zip(&armed.stock) {
            let unclaimed = face_of(terms, stock.left())?;
            let frozen = face_of(terms, stock.unused())?;
            post(
                &mut whats,
                &mut funds,
                terms.pool,
                Account::Reserved,
                Account::Available,
                unclaimed,
            )?;
            post(&mut whats, &mut funds, terms.pool, Account::Frozen, Account::Available, frozen)?;
        }
        Ok(whats)
    }

    /// Makes a pass. The same pass again is answered as before; the proofs of another are spent.
    fn bind(&self, no: CampaignNo, bound: &Bound, now: At) -> Result<Decision, No> {
        let empty = Round::default();
        let round = self.rounds.get(&bound.round).unwrap_or(&empty);
        if let Some(pass) = round.passes.get(&bound.pass) {
            let same = pass.passed.person == bound.person && pass.passed.kinds == bound.kinds;
            return if same {
                Ok(Decision { events: vec![], answer: Answer::Bound(pass.passed.expires_at) })
            } else {
                Err(Refusal::ProofSpent.into())
            };
        }
        if bound.kinds.is_empty() || bound.kinds.0 >> (self.kinds.len() - 1) > 1 {
            return Err(Refusal::KindUnknown.into());
        }
        if now >= bound.expires_at {
            return Err(Refusal::ProofExpired.into());
        }
        let [slider, image] = bound.proofs;
        if slider == image || bound.proofs.iter().any(|proof| round.proofs.contains_key(proof)) {
            return Err(Refusal::ProofSpent.into());
        }
        for identifier in &bound.identifiers {
            if round.bindings.get(identifier).is_some_and(|person| *person != bound.person) {
                return Err(in_use(identifier.0).into());
            }
        }
        let whats = vec![What::Bound(bound.clone())];
        Ok(Decision { events: events(no, whats), answer: Answer::Bound(bound.expires_at) })
    }

    fn grant(&self, grant: &Grant, now: At) -> Result<Decision, No> {
        let terms = self.kind(grant.kind).ok_or(Refusal::KindUnknown)?;
        let round = self.rounds.get(&grant.round).ok_or(Refusal::RoundUnknown)?;
        // The holder's repeat comes first: it is answered even when nothing is granted any more.
        if let Some(held) = round.holders.get(&(grant.person, grant.kind)) {
            return Ok(Decision { events: vec![], answer: Answer::AlreadyHeld(*held) });
        }
        let armed = round.armed.as_ref().ok_or(Refusal::RoundUnknown)?;
        self.open_for(round, armed, now)?;
        let pass = round.passes.get(&grant.pass).ok_or(Refusal::PassInvalid)?;
        if pass.passed.person != grant.person {
            return Err(Refusal::PassInvalid.into());
        }
        if now >= pass.passed.expires_at {
            return Err(Refusal::PassExpired.into());
        }
        if !pass.passed.kinds.has(grant.kind) {
            return Err(Refusal::KindNotInPass.into());
        }
        if pass.spent.has(grant.kind) {
            return Err(Refusal::PassSpent.into());
        }
        let nth = armed.next(grant.kind).ok_or(Refusal::SoldOut)?;
        let ordinal = self.shard.ordinal(nth);
        let coupon = CouponId { round: grant.round, kind: grant.kind, ordinal };
        let ends_at = armed.window.until;
        let granted = Granted { coupon, person: grant.person, pass: grant.pass, ends_at };
        let (from, to) = (Account::Reserved, Account::Frozen);
        let frozen = Posting { pool: terms.pool, from, to, fen: terms.face };
        self.funds.pool(terms.pool).ok_or(Refusal::KindUnknown)?.after(&frozen)?;
        let event = |what| Event { campaign: grant.campaign, what };
        Ok(Decision {
            events: vec![event(What::Granted(granted)), event(What::Posted(frozen))],
            answer: Answer::Granted(Held::of(&granted, now)),
        })
    }

    fn open_for(&self, round: &Round, armed: &ArmedRound, now: At) -> Result<(), Refusal> {
        if self.tripped {
            return Err(Refusal::RiskControlDegraded);
        }
        if now < armed.window.from {
            return Err(Refusal::NotOpen { opens_in_ms: armed.window.from.ms_since(now) });
        }
        if round.expired || now >= armed.window.until {
            return Err(Refusal::Closed);
        }
        Ok(())
    }

    fn set_tripped(&self, tripped: bool) -> Vec<What> {
        match (self.tripped, tripped) {
            (false, true) => vec![What::Interlock(Interlock::Tripped)],
            (true, false) => vec![What::Interlock(Interlock::Resumed)],
            _ => vec![],
        }
    }
}

impl ArmedRound {
    /// The number of the next grant of `kind`; `None` when none is left.
    fn next(&self, kind: KindNo) -> Option<u32> {
        let stock = self.stock.get(usize::from(kind.0))?;
        (stock.granted < stock.quantity).then(|| stock.granted.saturating_add(1))
    }
}

pub(super) fn face_of(terms: &KindTerms, units: u32) -> Result<Fen, No> {
    terms
        .face
        .checked_mul(u64::from(units))
        .ok_or(No::Conflict("the face value is beyond counting"))
}

/// Adds a posting of `fen` if it is any money at all, or says why it can't be made.
pub(super) fn post(
    whats: &mut Vec<What>,
    funds: &mut Funds,
    pool: PoolNo,
    from: Account,
    to: Account,
    fen: Fen,
) -> Result<(), No> {
    if fen > Fen::ZERO {
        let posting = Posting { pool, from, to, fen };
        funds.post(&posting)?;
        whats.push(What::Posted(posting));
    }
    Ok(())
}

fn in_use(kind: IdentifierKind) -> Refusal {
    match kind {
        IdentifierKind::Account => Refusal::AccountInUse,
        IdentifierKind::Phone => Refusal::PhoneInUse,
        IdentifierKind::Card => Refusal::CardInUse,
        IdentifierKind::Device => Refusal::DeviceInUse,
    }
}
