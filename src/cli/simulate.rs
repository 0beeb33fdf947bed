//! `quan simulate FILE`.

use anyhow::{Context, bail};
use quan::plan::{Kind, Plan};
use quan::planner::{Assumed, NotARate, Rate, simulate, svg, table};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
};

/// Show how the pools of a plan run down, with and without the planner.
///
/// It is assumed that every coupon is granted. Of the granted, 70% of a kind are redeemed unless
/// --redeemed says another rate; what is not redeemed is available again before the next round.
#[derive(clap::Args)]
pub(crate) struct Simulate {
    /// The plan file.
    file: PathBuf,
    /// How many of a kind's granted coupons are redeemed, as retail-40=62.5%; a rate alone is of all kinds.
    /// The last one that names a kind counts.
    #[arg(long, value_name = "[KIND=]RATE", num_args = 1..)]
    redeemed: Vec<Redeemed>,
    /// How many rounds are left, each pool holding its whole budget, instead of all of the plan's; more
    /// than those are an extension.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: Option<u8>,
    /// Write the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw them into this file.
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// A rate, of a kind or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Redeemed {
    kind: Option<String>,
    rate: Rate,
}

impl FromStr for Redeemed {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Redeemed, NotARate> {
        match text.split_once('=') {
            Some((kind, rate)) => Ok(Redeemed { kind: Some(kind.to_owned()), rate: rate.parse()? }),
            None => Ok(Redeemed { kind: None, rate: text.parse()? }),
        }
    }
}

impl Simulate {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let plan = Plan::usable(&self.file)?;
        let redeemed = rates(&plan.kinds, &self.redeemed)?;
        let planned = u8::try_from(plan.rounds.len())?;
        let assumed = Assumed { rounds_left: self.rounds.unwrap_or(planned), redeemed };
        let simulation = simulate(&plan, &assumed)?;
        let written = |file: &Path, text: String| {
            fs::write(file, text).with_context(|| file.display().to_string())
        };
        if let Some(file) = &self.json {
            written(file, serde_json::to_string_pretty(&simulation)? + "\n")?;
        }
        if let Some(file) = &self.svg {
            written(file, svg(&simulation))?;
        }
        write!(io::stdout().lock(), "{}", table(&simulation))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The rate of each kind.
fn rates(kinds: &[Kind], said: &[Redeemed]) -> anyhow::Result<Vec<Rate>> {
    let stranger = said.iter().filter_map(|it| it.kind.as_ref());
    if let Some(name) = stranger.into_iter().find(|name| kinds.iter().all(|it| it.name != **name)) {
        let names: Vec<&str> = kinds.iter().map(|it| it.name.as_str()).collect();
        bail!("--redeemed {name}: no such kind; the plan has {}", names.join(", "));
    }
    let of = |kind: &Kind| {
        let named = |it: &&Redeemed| it.kind.as_ref().is_none_or(|name| *name == kind.name);
        said.iter().rev().find(named).map_or(Rate::USUAL, |it| it.rate)
    };
    Ok(kinds.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quan::domain::{Fen, PoolNo};

    fn kind(name: &str) -> Kind {
        let (face, threshold) = (Fen::new(1), Fen::new(2));
        Kind { name: name.to_owned(), pool: PoolNo(0), face, threshold, units_per_round: 1 }
    }

    fn shown(said: &[&str]) -> Result<Vec<String>, String> {
        let said = said.iter().map(|it| it.parse().map_err(|why: NotARate| why.to_string()));
        let said = said.collect::<Result<Vec<Redeemed>, String>>()?;
        let rates = rates(&[kind("a"), kind("b")], &said).map_err(|why| why.to_string())?;
        Ok(rates.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_rate_is_of_its_kind_or_of_all_and_the_last_word_counts() {
        assert_eq!(shown(&[]).unwrap(), ["70%", "70%"]);
        assert_eq!(shown(&["b=62.5%"]).unwrap(), ["70%", "62.50%"]);
        assert_eq!(shown(&["a=10%", "90%", "b=1%"]).unwrap(), ["90%", "1%"]);
        assert!(shown(&["c=10%"]).unwrap_err().contains("no such kind; the plan has a, b"));
        assert!(shown(&["a=0.7"]).unwrap_err().contains("write a rate as 70%"));
    }
}
