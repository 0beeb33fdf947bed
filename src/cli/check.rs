//! `quan check FILE`.

use quan::plan::{Checked, Faulty, Plan};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Check a plan file: tells every error and warning with its line; exit code 1 if there is an error.
#[derive(clap::Args)]
pub(crate) struct Check {
    /// The plan file.
    file: PathBuf,
}

impl Check {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let checked = Plan::load(&self.file)
            .map_err(|error| anyhow::anyhow!("{}: {error}", self.file.display()))?;
        let good = report(&self.file, checked, &mut io::stdout().lock())?;
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Writes what there is to say about `file`; true if it has no errors.
fn report(file: &Path, checked: Result<Checked, Faulty>, out: &mut impl Write) -> io::Result<bool> {
    let (errors, warnings) = match checked {
        Ok((_, warnings)) => (Vec::new(), warnings),
        Err(Faulty { errors, warnings }) => (errors, warnings),
    };
    for error in &errors {
        writeln!(out, "error: {error}")?;
    }
    for warning in &warnings {
        writeln!(out, "warning: {warning}")?;
    }
    writeln!(out, "{}: errors: {}, warnings: {}", file.display(), errors.len(), warnings.len())?;
    Ok(errors.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../config/xiangning-2023.toml");
    const FENCE: &str = include_str!("../../config/fences/linfen.geojson");

    fn reported(text: &str) -> (bool, String) {
        let mut out = Vec::new();
        let checked = Plan::from_toml(text, |_| Ok(FENCE.to_owned()));
        let good = report(Path::new("a.toml"), checked, &mut out).unwrap();
        (good, String::from_utf8(out).unwrap())
    }

    #[test]
    fn warnings_alone_do_not_fail_the_check() {
        let (good, out) = reported(SHIPPED);
        assert!(good, "{out}");
        assert!(out.ends_with("a.toml: errors: 0, warnings: 5\n"), "{out}");
    }

    #[test]
    fn r_fund_1_an_error_fails_the_check_and_names_its_line() {
        let (good, out) = reported(&SHIPPED.replace("= 600_000_000", "= 600_000_001"));
        assert!(!good);
        let line = SHIPPED.lines().position(|line| line.starts_with("total_fen")).unwrap() + 1;
        assert!(out.starts_with(&format!("error: line {line}: `600_000_001`: ")), "{out}");
        assert!(out.ends_with("a.toml: errors: 1, warnings: 5\n"), "{out}");
    }

    #[test]
    fn r_who_1_the_fence_is_read_from_beside_the_plan() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/xiangning-2023.toml");
        assert!(report(&shipped, Plan::load(&shipped).unwrap(), &mut Vec::new()).unwrap());
    }
}
