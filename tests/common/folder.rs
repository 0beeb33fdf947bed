//! Folders of tests.

use std::{fs, path::Path};

/// Copies all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of ours");
    for item in fs::read_dir(from).expect("a folder") {
        let item = item.expect("a readable folder");
        let to = to.join(item.file_name());
        if item.file_type().expect("a known type").is_dir() {
            copy_folder(&item.path(), &to);
        } else {
            fs::copy(item.path(), to).expect("room for a copy");
        }
    }
}
