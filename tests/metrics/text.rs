//! The text format, read back.

use std::collections::BTreeMap;

/// One line: name, labels, value.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    value: f64,
}

pub(crate) fn samples(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        // No value here has a quote in it.
        let mut parts = labels.trim_end_matches('}').split('"');
        let mut labels = BTreeMap::new();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            let name = name.trim_matches([',', '=']).to_owned();
            labels.insert(name, value.to_owned());
        }
        Sample { name: name.to_owned(), labels, value: value.parse().unwrap() }
    };
    lines.map(sample).collect()
}

/// The sum of a metric over the series that have these labels.
pub(crate) fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |it: &Sample| {
        it.name == name
            && labels.iter().all(|(name, value)| it.labels.get(*name).is_some_and(|is| is == value))
    };
    samples(text).iter().filter(|it| has(it)).map(|it| it.value).sum()
}
