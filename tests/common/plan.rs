//! What is shipped in `config/`, with the values that a test needs.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

/// The text of a shipped file, perhaps edited.
pub(crate) struct Shipped(String);

/// Where a file is shipped.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

impl Shipped {
    pub(crate) fn read(name: &str) -> Shipped {
        Shipped(fs::read_to_string(path(name)).expect("a file that is shipped"))
    }

    /// The plan; it finds its fence from every folder.
    pub(crate) fn plan() -> Shipped {
        let fence = format!("\"{}\"", path("fences/linfen.geojson").display());
        Shipped::read("xiangning-2023.toml").set("file", &[fence])
    }

    /// Gives every line of `key` its value: one for all of them, or one for each.
    pub(crate) fn set(self, key: &str, values: &[impl Display]) -> Shipped {
        let is_key = |line: &&str| line.split('=').next().is_some_and(|it| it.trim_end() == key);
        let count = self.0.lines().filter(is_key).count();
        assert!(count == values.len() || count > 0 && values.len() == 1, "{count} lines of {key}");
        let mut values = values.iter().cycle();
        let line = |line: &str| match is_key(&line).then(|| values.next()).flatten() {
            Some(value) => format!("{key} = {value}\n"),
            None => format!("{line}\n"),
        };
        Shipped(self.0.lines().map(line).collect())
    }

    pub(crate) fn write(self, to: &Path) {
        fs::write(to, self.0).expect("a folder of ours");
    }
}
