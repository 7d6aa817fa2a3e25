//! Finds the definitions of the project that a folder belongs to. The only place here that touches files.

use std::path::{Path, PathBuf};

/// Name of the file with the definitions of one code location.
pub const DEFINITIONS_FILE: &str = "cofferdam.toml";

/// Walks up from `start` to the first folder with a `cofferdam.toml`. Stops after a folder with `.git`, so
/// that a project never takes the definitions of one that it happens to lie in.
pub fn find_definitions(start: &Path) -> Option<PathBuf> {
    for folder in start.ancestors() {
        let file = folder.join(DEFINITIONS_FILE);
        if file.is_file() {
            return Some(file);
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_found_upwards_but_not_beyond_a_repository() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("repo/a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let file = root.path().join(DEFINITIONS_FILE);
        std::fs::write(&file, "").unwrap();
        assert_eq!(find_definitions(&deep), Some(file));
        std::fs::create_dir(root.path().join("repo/.git")).unwrap();
        assert_eq!(find_definitions(&deep), None);
        let own = root.path().join("repo").join(DEFINITIONS_FILE);
        std::fs::write(&own, "").unwrap();
        assert_eq!(find_definitions(&deep), Some(own));
    }
}
