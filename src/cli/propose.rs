//! `quan propose PLAN`.

use super::runtime;
use anyhow::Context;
use quan::{
    data::DataFolder,
    plan::Plan,
    planner::{Figures, Proposal, propose},
    store::{Store, StoreUrl},
};
use std::{
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Propose quantities for the rounds left, from what rounds have granted and redeemed so far.
///
/// It changes nothing. The last lines are the command by which somebody of the bureau or of finance proposes them for
/// the next round; another of the two signs it, and the round is armed with them. With --extend, also the one by which
/// bureau and leading group add further rounds.
#[derive(clap::Args)]
pub(crate) struct Propose {
    /// The plan file.
    plan: PathBuf,
    /// A server's data folder, whose store is read.
    #[arg(long, required_unless_present = "store", conflicts_with = "store")]
    data: Option<PathBuf>,
    /// The store that nodes share, instead.
    #[arg(long, value_name = "URL")]
    store: Option<StoreUrl>,
    /// Why quantities are to be changed.
    #[arg(long)]
    why: String,
    /// Propose quantities as if there were so many further rounds, with the command that extends the campaign.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    extend: Option<u8>,
    /// Write figures and proposal to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Propose {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let plan = Plan::usable(&self.plan)?;
        let url = match (self.store, self.data) {
            (Some(url), _) => url,
            (None, data) => {
                let file = DataFolder::at(&data.context("--data or --store")?).store();
                // Opening would make one.
                anyhow::ensure!(file.exists(), "{}: there is no store", file.display());
                StoreUrl::File(file)
            }
        };
        let figures = runtime()?.block_on(async {
            let store = Store::open(&url).await?;
            let figures = store.figures(&plan).await;
            store.close().await;
            figures
        });
        let figures = figures?.with_context(|| format!("{url} knows no campaign {}", plan.id))?;
        let (planned, more) = (figures.rounds_left, self.extend.unwrap_or(0));
        let rounds_left = planned.saturating_add(more);
        let figures = Figures { rounds_left, ..figures };
        let proposal = propose(&figures, &self.why)?;
        if let Some(file) = &self.json {
            let both = serde_json::json!({ "figures": figures, "proposal": proposal });
            fs::write(file, serde_json::to_string_pretty(&both)? + "\n")
                .with_context(|| file.display().to_string())?;
        }
        write!(io::stdout().lock(), "{}", told(&proposal, (planned, more), &self.plan))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The proposal, and how it is signed, of rounds that there are and further ones.
fn told(proposal: &Proposal, (planned, more): (u8, u8), plan: &Path) -> String {
    let Proposal { campaign, next, rounds_left, version, reason, pools, kinds } = proposal;
    let mut text =
        format!("{campaign}: round {} and the {rounds_left} rounds left from it\n", next.0);
    // Writing to a String can't fail.
    for pool in pools {
        let (a_round, put_out) = (pool.a_round, pool.put_out);
        let _ = writeln!(
            text,
            "{:<16} {} available, {a_round} a round; proposed {put_out}",
            pool.name, pool.available
        );
    }
    for kind in kinds {
        let (before, proposed) = (kind.before, kind.proposed);
        let _ = writeln!(text, "{:<16} {before} -> {proposed}: {}", kind.name, kind.why);
    }
    let units: Vec<String> =
        kinds.iter().map(|kind| format!("{}={}", kind.name, kind.proposed)).collect();
    let (version, why) = (version.saturating_add(1), reason.replace('\'', "'\\''"));
    let head = format!("\nquan decide sign --by NAME --key NAME.key --why '{why}' \\\n    ");
    let units = units.join(" ");
    if planned > 0 {
        let _ = writeln!(text, "{head}adjust {campaign} {} {version} {units}", next.0);
    }
    if more > 0 {
        let (plan, first) = (plan.display(), next.0.saturating_add(planned));
        let _ = writeln!(text, "{head}extend {plan} {first} {more} {units}");
    }
    text
}
