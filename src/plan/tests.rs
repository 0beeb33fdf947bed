//! The shipped plan, for tests of other parts; and files that are none.

use super::Plan;
use std::path::Path;

/// The plan in `config/`.
pub(crate) fn shipped() -> Plan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/xiangning-2023.toml");
    Plan::load(&file).unwrap().unwrap().0
}

#[test]
fn a_file_that_is_no_plan_is_named_with_its_first_error() {
    let at = |file| Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let why = |file| Plan::usable(&at(file)).unwrap_err().to_string();
    let (faulty, file) = (why("config/quan.toml"), at("config/quan.toml"));
    assert!(faulty.starts_with(&format!("{}: line ", file.display())), "{faulty}");
    assert!(faulty.ends_with(&format!("`quan check {}` lists them all", file.display())));
    assert!(why("config/none.toml").contains("config/none.toml: No such file"));
}
