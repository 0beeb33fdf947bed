//! Decisions that persons propose, and what became of them. Shared by all nodes, and no part of the fold.
//!
//! Whoever can write the database can't decide: a signature that is read here is looked at again.

use super::{Error, Store, Value, sql::Tx};
use crate::domain::{At, CampaignNo, Hex};
use crate::ledger::event::{Decided, DecisionId, Signed, Statement, Subject};
use crate::ledger::machine::Roll;

/// Decisions that may be open at once: people can't look at more.
const MOST_OPEN: i64 = 200;
/// For so long after somebody tried to carry a decision out nobody else does: longer than a try takes.
const TRIED_FOR_MS: i64 = 15_000;

/// Where a decision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Somebody has to sign it yet.
    Proposed,
    /// Everybody has signed it who has to, and it is to be carried out.
    Approved,
    /// It was carried out.
    CarriedOut,
    /// It can't be carried out.
    Failed,
    /// Somebody said no.
    Rejected,
    /// Who proposed it thought better of it.
    Withdrawn,
    /// Too few signed it in time.
    Expired,
}

impl Stage {
    const ALL: [Stage; 7] = [
        Stage::Proposed,
        Stage::Approved,
        Stage::CarriedOut,
        Stage::Failed,
        Stage::Rejected,
        Stage::Withdrawn,
        Stage::Expired,
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Proposed => "proposed",
            Stage::Approved => "approved",
            Stage::CarriedOut => "carried_out",
            Stage::Failed => "failed",
            Stage::Rejected => "rejected",
            Stage::Withdrawn => "withdrawn",
            Stage::Expired => "expired",
        }
    }
}

/// A decision as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What was signed, and by whom.
    pub decided: Decided,
    /// Where it stands.
    pub stage: Stage,
    /// Why it does, if somebody said so.
    pub why: String,
}

/// What came of proposing or signing a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposed {
    /// It stands so, with these signatures.
    Kept(Box<Kept>),
    /// Too many are open.
    Full,
}

impl Store {
    /// Keeps a decision, or more signatures of one that is open. Repeats safely.
    pub async fn propose(&self, decided: &Decided) -> Result<Proposed, Error> {
        let id = decided.statement.id();
        let mut tx = self.db.begin().await?;
        let propose = "INSERT INTO decisions (decision, statement, state, until_ms, changed_at_ms)
                       VALUES ($1, $2, 'proposed', $3, now_ms()) ON CONFLICT (decision) DO NOTHING";
        let statement = decided.statement.bytes();
        let values = [bytes(&id), statement.as_slice().into(), decided.statement.until.0.into()];
        if tx.execute(propose, &values).await? == 1 {
            let open = "SELECT COUNT(*) FROM decisions WHERE state = 'proposed'";
            let open = tx.fetch(open, &[]).await?;
            if open.first().and_then(|row| row.first()).map_or(0, Value::number) > MOST_OPEN {
                return Ok(Proposed::Full);
            }
        }
        let sign = "INSERT INTO signatures (decision, person, signature)
                    SELECT decision, $2, $3 FROM decisions WHERE decision = $1 AND state = 'proposed'
                    ON CONFLICT (decision, person) DO NOTHING";
        for signed in &decided.signatures {
            let values = [bytes(&id), signed.by.as_str().into(), bytes(&signed.signature)];
            tx.execute(sign, &values).await?;
        }
        let kept = kept(&mut tx, &id).await?;
        tx.commit().await?;
        let gone = || Error::Contradiction { table: "decisions", why: format!("{id} is gone") };
        kept.map(|kept| Proposed::Kept(Box::new(kept))).ok_or_else(gone)
    }

    /// A decision.
    pub async fn decision(&self, id: &DecisionId) -> Result<Option<Kept>, Error> {
        kept(&mut self.db.begin().await?, id).await
    }

    /// The last decisions, those that are open first.
    pub async fn decisions(&self, most: u32) -> Result<Vec<Kept>, Error> {
        let last = "SELECT decision FROM decisions
                    ORDER BY CASE WHEN state IN ('proposed', 'approved') THEN 0 ELSE 1 END,
                             changed_at_ms DESC, decision LIMIT $1";
        self.kept_of(last, &[most.into()]).await
    }

    /// Decisions that are to be carried out, and that nobody tries to just now.
    pub async fn approved(&self) -> Result<Vec<Kept>, Error> {
        let free = "SELECT decision FROM decisions
                    WHERE state = 'approved' AND tried_at_ms < now_ms() - $1 ORDER BY changed_at_ms";
        self.kept_of(free, &[TRIED_FOR_MS.into()]).await
    }

    /// Decisions that were carried out in the last `ms`.
    pub async fn carried_out(&self, ms: i64) -> Result<Vec<Kept>, Error> {
        let done = "SELECT decision FROM decisions
                    WHERE state = 'carried_out' AND changed_at_ms > now_ms() - $1";
        self.kept_of(done, &[ms.into()]).await
    }

    /// The folder of merchants that was decided last for a campaign, of those that its logs tell of and that count: whoever
    /// can write the database can't decide (R-MERCH-1).
    pub async fn roll(
        &self,
        campaign: CampaignNo,
        counts: impl Fn(&Decided) -> bool,
    ) -> Result<Option<Roll>, Error> {
        let admitted =
            "SELECT DISTINCT decision FROM decided WHERE campaign = $1 AND subject = 'admit'";
        let all = self.kept_of(admitted, &[campaign.0.into()]).await?;
        let all = all.iter().map(|kept| &kept.decided).filter(|decided| counts(decided));
        let last = all.map(|decided| &decided.statement).max_by_key(|said| said.at);
        Ok(last.and_then(|said| match said.what {
            Subject::Admit { sha256, .. } => Some(Roll { at: said.at, sha256 }),
            _ => None,
        }))
    }

    /// Whether another decision of just the same was carried out in a campaign, of those that its logs tell of.
    pub async fn was_done_by_another(
        &self,
        campaign: CampaignNo,
        decided: &Decided,
    ) -> Result<bool, Error> {
        let Statement { what, .. } = &decided.statement;
        let alike = "SELECT DISTINCT decision FROM decided WHERE campaign = $1 AND subject = $2";
        let all = self.kept_of(alike, &[campaign.0.into(), what.word().into()]).await?;
        let id = decided.statement.id();
        Ok(all.iter().any(|Kept { decided, stage, .. }| {
            *stage == Stage::CarriedOut
                && decided.statement.what == *what
                && decided.statement.id() != id
        }))
    }

    /// Takes it on to carry an approved decision out; `false` if somebody else has, or it is none.
    pub async fn try_decision(&self, id: &DecisionId) -> Result<bool, Error> {
        let take = "UPDATE decisions SET tried_at_ms = now_ms()
                    WHERE decision = $1 AND state = 'approved' AND tried_at_ms < now_ms() - $2";
        Ok(self.db.execute(take, &[bytes(id), TRIED_FOR_MS.into()]).await? == 1)
    }

    /// Moves a decision on, and says why; `false` if it stands elsewhere than at `from`.
    pub async fn move_decision(
        &self,
        id: &DecisionId,
        from: Stage,
        to: Stage,
        why: &str,
    ) -> Result<bool, Error> {
        let step = "UPDATE decisions SET state = $3, why = $4, changed_at_ms = now_ms()
                    WHERE decision = $1 AND state = $2";
        let values = [bytes(id), from.word().into(), to.word().into(), why.into()];
        Ok(self.db.execute(step, &values).await? == 1)
    }

    /// Ends the proposals that ran out by `now`.
    pub async fn expire_decisions(&self, now: At) -> Result<(), Error> {
        let late = "SELECT COUNT(*) FROM decisions WHERE state = 'proposed' AND until_ms <= $1";
        let rows = self.query(late, &[now.0.into()]).await?;
        // Nearly always there is none, and nobody has to be kept from writing.
        if rows.first().and_then(|row| row.first()).map_or(0, Value::number) > 0 {
            let expire = "UPDATE decisions SET state = 'expired', changed_at_ms = now_ms()
                          WHERE state = 'proposed' AND until_ms <= $1";
            self.db.execute(expire, &[now.0.into()]).await?;
        }
        Ok(())
    }

    async fn kept_of(&self, ids: &str, values: &[Value]) -> Result<Vec<Kept>, Error> {
        let ids = self.all(ids, values, |[id]| Ok(id.bytes())).await?;
        let mut all = Vec::new();
        for id in ids.iter().filter_map(|id| Some(Hex(id.as_slice().try_into().ok()?))) {
            all.extend(self.decision(&id).await?);
        }
        Ok(all)
    }
}

fn bytes<const N: usize>(hex: &Hex<N>) -> Value {
    hex.0[..].into()
}

async fn kept(tx: &mut Tx, id: &DecisionId) -> Result<Option<Kept>, Error> {
    let of = [bytes(id)];
    let rows =
        tx.fetch("SELECT statement, state, why FROM decisions WHERE decision = $1", &of).await?;
    let Some([statement, word, why]) = rows.first().and_then(|row| row.first_chunk()) else {
        return Ok(None);
    };
    let wrong = |why: String| Error::Contradiction { table: "decisions", why };
    let word = word.clone().text();
    let stage = Stage::ALL.into_iter().find(|stage| stage.word() == word);
    let stage = stage.ok_or_else(|| wrong(format!("{word} is no stage")))?;
    let statement = Statement::read(&statement.clone().bytes()).filter(|it| it.id() == *id);
    let statement = statement.ok_or_else(|| wrong(format!("{id} is not what was signed")))?;
    let signed = "SELECT person, signature FROM signatures WHERE decision = $1 ORDER BY person";
    let signatures = tx.fetch(signed, &of).await?.into_iter().filter_map(|row| {
        let [by, signature] = <[Value; 2]>::try_from(row).ok()?;
        Some(Signed { by: by.text(), signature: Hex(signature.bytes().try_into().ok()?) })
    });
    let mut decided = Decided { statement, signatures: signatures.collect() };
    // Who proposed it stands first.
    let Decided { statement, signatures } = &mut decided;
    signatures.sort_by_key(|signed| (signed.by != statement.by, signed.by.clone()));
    Ok(Some(Kept { decided, stage, why: why.clone().text() }))
}
