//! Signatures of decisions, each of which counts once for all nodes.

use super::{Error, Store};

/// So long a signature is kept: no decision is taken that is nearly as old.
const KEPT_MS: i64 = 24 * 3_600_000;

impl Store {
    /// Uses the signatures of a decision, all or none; the place of the first that was used before, if one was.
    pub async fn use_decision(&self, signatures: &[&str]) -> Result<Option<usize>, Error> {
        let old = "DELETE FROM orders WHERE used_at_ms < now_ms() - $1";
        self.db.execute(old, &[KEPT_MS.into()]).await?;
        let take = "INSERT INTO orders (signature, used_at_ms) VALUES ($1, now_ms())
                    ON CONFLICT (signature) DO NOTHING";
        let mut tx = self.db.begin().await?;
        for (place, signature) in signatures.iter().enumerate() {
            if tx.execute(take, &[(*signature).into()]).await? == 0 {
                return Ok(Some(place));
            }
        }
        tx.commit().await?;
        Ok(None)
    }
}
