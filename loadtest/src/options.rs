//! What a run is told.

use anyhow::ensure;
use std::path::PathBuf;

/// The most connections a run may open.
pub const MOST_CONNECTIONS: usize = 4096;

/// The largest share of cheats, in thousandths of the people.
pub const MOST_CHEATS_PER_MILLE: u32 = 50;

/// Who comes, and how: the part of the options that every program which plays a rush takes alike.
#[derive(Clone, Debug, clap::Args)]
pub struct Crowd {
    /// How many people come.
    #[arg(long, default_value_t = 50_000)]
    pub people: u32,
    /// The same seed gives the same people and first tries.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The round.
    #[arg(long, default_value_t = 1)]
    pub round: u8,
    /// Connections that the people share, at most 4,096.
    #[arg(long, default_value_t = 2_048)]
    pub connections: usize,
    /// Requests offered per second at most.
    #[arg(long, default_value_t = 10_000)]
    pub peak: u32,
    /// Seconds from the opening to the last first try.
    #[arg(long, default_value_t = 60)]
    pub span: u32,
    /// Everybody comes within one second, whatever the peak.
    #[arg(long)]
    pub herd: bool,
    /// Cheats per thousand people, at most 50.
    #[arg(long, default_value_t = 30)]
    pub cheats: u32,
    /// Something will break: people ask for two more minutes, and waiting for connections counts against nobody.
    #[arg(long)]
    pub faults_expected: bool,
}

impl Crowd {
    /// This crowd against the nodes at `urls`.
    pub fn at(&self, urls: Vec<String>, keys: PathBuf, campaign: String) -> Options {
        Options {
            urls,
            keys,
            campaign,
            round: self.round,
            people: self.people,
            seed: self.seed,
            connections: self.connections,
            peak_per_s: self.peak,
            span_s: self.span,
            herd: self.herd,
            cheats_per_mille: self.cheats,
            faults_expected: self.faults_expected,
            ..Options::default()
        }
    }
}

/// What a run is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server, as `http://host:port`; all its nodes if it has several.
    pub urls: Vec<String>,
    /// The folder with `fix-1.key`, `captcha-1.key` and `identity-1.key`.
    pub keys: PathBuf,
    /// The campaign's id.
    pub campaign: String,
    /// The round.
    pub round: u8,
    /// How many people come.
    pub people: u32,
    /// The same seed gives the same people and the same intended first tries.
    pub seed: u64,
    /// Connections that the people share, at most [`MOST_CONNECTIONS`].
    pub connections: usize,
    /// Source addresses in 127.0.0.0/8 that the connections are spread over when the server is on this machine.
    pub addresses: u16,
    /// Requests offered per second at most, in any 100 ms; a herd ignores it.
    pub peak_per_s: u32,
    /// The last first try comes so many seconds after the opening; a twelfth of it is the rush.
    pub span_s: u32,
    /// Everybody comes within one second.
    pub herd: bool,
    /// Cheats per thousand people, at most [`MOST_CHEATS_PER_MILLE`].
    pub cheats_per_mille: u32,
    /// Whether something will break: then answers are awaited for two minutes longer.
    pub faults_expected: bool,
    /// Where the record of what the server said goes, as JSON lines.
    pub record: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            urls: vec!["http://127.0.0.1:8080".to_owned()],
            keys: PathBuf::from("keys"),
            campaign: String::new(),
            round: 1,
            people: 50_000,
            seed: 1,
            connections: 2048,
            addresses: 128,
            peak_per_s: 10_000,
            span_s: 60,
            herd: false,
            cheats_per_mille: 30,
            faults_expected: false,
            record: None,
        }
    }
}

impl Options {
    /// Whether a run can do what it is told; says what to change otherwise.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!((1..=10_000_000).contains(&self.people), "people must be 1 to 10,000,000");
        ensure!(
            (1..=MOST_CONNECTIONS).contains(&self.connections),
            "connections must be 1 to {MOST_CONNECTIONS}"
        );
        ensure!(
            (1..=self.connections).contains(&self.urls.len()),
            "there must be a node, and a connection for each"
        );
        ensure!((1..=4096).contains(&self.addresses), "addresses must be 1 to 4096");
        ensure!(self.peak_per_s >= 10, "the peak must be at least 10 requests a second");
        ensure!((1..=3600).contains(&self.span_s), "the span must be 1 to 3600 seconds");
        ensure!(
            self.cheats_per_mille <= MOST_CHEATS_PER_MILLE,
            "at most {MOST_CHEATS_PER_MILLE} of 1000 people cheat"
        );
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
        ensure!(
            !self.campaign.is_empty() && self.campaign.chars().all(plain),
            "the campaign's id must be letters, digits, - _ . ~"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_wishes_are_refused_before_anything_starts() {
        let good = Options { campaign: "c-1".to_owned(), ..Options::default() };
        assert!(good.check().is_ok());
        for bad in [
            Options { people: 0, ..good.clone() },
            Options { connections: 0, ..good.clone() },
            Options { connections: MOST_CONNECTIONS + 1, ..good.clone() },
            Options { urls: vec![], ..good.clone() },
            Options { urls: vec![String::new(); 3], connections: 2, ..good.clone() },
            Options { addresses: 0, ..good.clone() },
            Options { peak_per_s: 9, ..good.clone() },
            Options { span_s: 0, ..good.clone() },
            Options { cheats_per_mille: 51, ..good.clone() },
            Options { campaign: "a/b".to_owned(), ..good.clone() },
            Options { campaign: String::new(), ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
