//! The next round's quantities, by `quan propose` as people would run it (R-ADJ-1).

use super::stage::Stage;
use crate::ledger::event::Subject;
use crate::plan::Plan;
use crate::planner::Proposal;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::{fs, path::Path};
use tokio::process::Command;

const WHY: &str = "what the ended rounds granted and redeemed";

/// What `quan propose --json` writes, as far as it is decided.
#[derive(Deserialize)]
struct Proposed {
    proposal: Proposal,
}

/// What is to be decided after round `no`; `None` if no round is left to decide it for.
pub(super) async fn adjustment(
    stage: &Stage,
    plan: &Plan,
    file: &Path,
    no: u8,
) -> Result<Option<Subject>> {
    if !is_one_unarmed(plan, no) {
        return Ok(None);
    }
    let json = stage.home().join("proposal.json");
    let mut propose = Command::new(stage.program());
    propose.arg("propose").arg(file).args(stage.store()).args(["--why", WHY]);
    let output = propose.arg("--json").arg(&json).output().await.context("quan propose")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "quan propose: {}", said.trim());
    let Proposed { proposal } = serde_json::from_slice(&fs::read(&json)?)?;
    let quantities = proposal.kinds.into_iter().map(|kind| (kind.name, kind.proposed)).collect();
    Ok(Some(Subject::Adjust {
        campaign: proposal.campaign,
        round: proposal.next,
        version: proposal.version.saturating_add(1),
        quantities,
    }))
}

/// Whether a round after `no` is not armed. The one that follows is: its server armed it when `no` had ended.
fn is_one_unarmed(plan: &Plan, no: u8) -> bool {
    plan.rounds.iter().filter(|round| round.no.0 > no).count() > 1
}
