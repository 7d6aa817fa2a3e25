//! What the program carries for guest languages, as files that their tools can read: SDKs and the contract. So a project
//! is built from the program alone.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::cache::{at, once};

/// Files of one folder: where they go, what they hold.
pub(crate) type Files = &'static [(&'static str, &'static str)];

/// Files of a folder of the source tree, by their paths in it.
macro_rules! files {
    ($root:literal: $($path:literal)*) => {
        &[$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", $root, "/", $path)))),*]
    };
}
pub(crate) use files;

/// The contract.
pub(crate) const WIT: Files = files!("wit":
    "blob.wit" "command.wit" "context.wit" "http.wit" "keyvalue.wit" "library.wit" "settings.wit" "sql.wit" "types.wit"
    "values.wit"
);

/// Letters of a digest in the name of a folder: what else is there was written by this program.
const DIGEST_LETTERS: usize = 16;

/// A short name of what the files hold.
pub(crate) fn digest(parts: &[(&str, Files)]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (folder, files) in parts {
        for (path, text) in *files {
            for word in [folder, path, text] {
                hasher.update(&(word.len() as u64).to_le_bytes());
                hasher.update(word.as_bytes());
            }
        }
    }
    hasher.finalize().to_hex()[..DIGEST_LETTERS].to_owned()
}

/// The folder `sdk/NAME-DIGEST` of the cache with these files in it; written once, whole or not at all.
pub(crate) fn unpack(cache: &Path, name: &str, parts: &[(&str, Files)]) -> Result<PathBuf, Error> {
    let home = cache.join("sdk").join(format!("{name}-{}", digest(parts)));
    once(home, name, |work| {
        for (folder, files) in parts {
            for (path, text) in *files {
                let path = work.join(folder).join(path);
                let parent = path.parent().expect("a file is in a folder");
                fs::create_dir_all(parent).map_err(at("make the folder", parent))?;
                fs::write(&path, text).map_err(at("write", &path))?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Whether the files are all that a folder of the source tree holds, `except` for some.
    pub(crate) fn assert_all_are_carried(files: Files, root: &str, except: &[&str]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(root);
        let mut found = vec![];
        walk(&root, &root, except, &mut found);
        found.sort();
        let mut carried: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        carried.sort();
        assert_eq!(carried, found);
    }

    fn walk(root: &Path, folder: &Path, except: &[&str], found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).expect("it is below").to_string_lossy().into_owned();
            if except.contains(&name.as_str()) {
            } else if path.is_dir() {
                walk(root, &path, except, found);
            } else {
                found.push(name);
            }
        }
    }

    #[test]
    fn the_whole_contract_is_carried() {
        // Frozen copies of released contracts are for our tests.
        assert_all_are_carried(WIT, "wit", &["released"]);
    }

    #[test]
    fn what_is_carried_is_written_once_and_again_when_it_differs() {
        let cache = tempfile::tempdir().expect("a temporary folder can be made");
        let one: Files = &[("a.txt", "one"), ("b/c.txt", "two")];
        let home = unpack(cache.path(), "x", &[("sdk", one), ("wit", &[])]).expect("it can be written");
        assert_eq!(fs::read_to_string(home.join("sdk/b/c.txt")).expect("it is there"), "two");
        assert_eq!(unpack(cache.path(), "x", &[("sdk", one), ("wit", &[])]).expect("it is there"), home);
        let other = unpack(cache.path(), "x", &[("sdk", &[("a.txt", "three")])]).expect("it can be written");
        assert_ne!(other, home);
        assert!(home.is_dir(), "what other programs use stays");
    }
}
