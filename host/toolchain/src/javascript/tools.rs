//! Node, the packages that build components, and the SDK.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{at, cache_folder, locked, once};
use crate::embedded::{self, Files, WIT, files};
use crate::{Error, run};

/// Older ones lack what the SDK uses.
const NODE_MAJOR_MIN: u32 = 20;

pub(crate) const SDK: Files = files!("guest-sdk/js":
    "index.d.ts" "package.json" "src/cbor.js" "src/context.js" "src/emit.js" "src/failure.js" "src/globals.js"
    "src/guest.js" "src/index.js" "src/library.js" "src/metadata.js" "src/op.js" "src/ports.js" "src/resources.js"
    "src/schema.js" "src/testing.js" "src/type.js" "src/values.js" "build/build.mjs" "build/lines.mjs"
    "build/module.mjs" "build/snapshot.mjs" "build/run-tests.mjs" "build/typescript.mjs"
);

/// What npm installs, each package with the digest that it must have.
const PACKAGES: Files = files!("guest-sdk/js/tools": "package.json" "package-lock.json");

/// All that is needed to build.
#[derive(Debug)]
pub struct Tools {
    /// Where the packages are, below `node_modules`.
    pub(crate) packages: PathBuf,
    /// Where the SDK is.
    pub(crate) sdk: PathBuf,
    /// The contract.
    pub(crate) wit: PathBuf,
}

/// Finds the tools, and installs the packages if they are not here yet: `say` is told before.
pub fn prepare(say: &mut dyn FnMut(&str)) -> Result<Tools, Error> {
    check_node()?;
    let cache = cache_folder().ok_or(Error::NoCacheFolder)?;
    let packages = packages(&cache, say)?;
    let home = embedded::unpack(&cache, "javascript", &[("cofferdam-op", SDK), ("wit", WIT)])?;
    // By it the SDK finds the packages that it is made of.
    let (link, modules) = (home.join("node_modules"), packages.join("node_modules"));
    if fs::read_link(&link).ok().as_ref() != Some(&modules) {
        let _lock = locked(&cache, "javascript")?;
        point(&link, &modules)?;
    }
    Ok(Tools { packages, sdk: home.join("cofferdam-op"), wit: home.join("wit") })
}

/// Makes a link, or turns one that leads elsewhere.
pub(crate) fn point(link: &Path, target: &Path) -> Result<(), Error> {
    if fs::read_link(link).is_ok_and(|found| found == target) {
        return Ok(());
    }
    if link.is_symlink() {
        fs::remove_file(link).map_err(at("remove the link", link))?;
    }
    symlink(target, link).map_err(at("make the link", link))
}

fn check_node() -> Result<(), Error> {
    let version = run::output("build ops written in JavaScript", Command::new("node").arg("--version"))?;
    let found = version.trim().trim_start_matches('v').to_owned();
    let major = found.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(()),
        _ => Err(Error::ProgramOld { program: "node", found, needed: NODE_MAJOR_MIN.to_string() }),
    }
}

fn packages(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    let home = cache.join(format!("javascript-{}", embedded::digest(&[("", PACKAGES)])));
    once(home, "javascript", |work| {
        say("npm packages that make components of JavaScript, in your cache folder (240 MB on disk, once)");
        for (name, text) in PACKAGES {
            fs::write(work.join(name), text).map_err(at("write", &work.join(name)))?;
        }
        // No package has anything to run at its installation that would be needed here.
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"])
            .current_dir(work);
        run::output("install what makes components of JavaScript", &mut npm).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::tests::assert_all_are_carried;

    #[test]
    fn the_whole_sdk_is_carried() {
        let except = ["README.md", "node_modules", "test", "tools", "tsconfig.json"];
        assert_all_are_carried(SDK, "guest-sdk/js", &except);
    }

    #[test]
    fn the_lock_file_pins_every_package_and_names_no_registry() {
        let (_, lock) = PACKAGES[1];
        let lock: serde_json::Value = serde_json::from_str(lock).expect("it is JSON");
        let packages = lock["packages"].as_object().expect("it lists packages");
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(
                package["integrity"].as_str().is_some_and(|digest| digest.starts_with("sha512-")),
                "{name}"
            );
            assert!(package["resolved"].is_null(), "{name}");
        }
    }

    #[test]
    fn a_link_is_turned_when_it_leads_elsewhere() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let link = folder.path().join("link");
        for target in ["one", "two", "two"] {
            let target = folder.path().join(target);
            point(&link, &target).expect("it can be made");
            assert_eq!(fs::read_link(&link).expect("it is a link"), target);
        }
    }
}
