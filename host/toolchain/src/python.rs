//! Python: a private environment with componentize-py and pytest in the user's cache folder, and the SDK's own builder.
//!
//! The builder (`guest-sdk/python/build`) is Python itself, because what it calls is: it bundles dependencies, calls
//! componentize-py and makes its component fit the host. This module finds a Python, installs once, and starts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{at, cache_folder, locked};
use crate::embedded::{self, Files, WIT, files};
use crate::{BuildError, Built, Error, Source, run};

/// Makes components of Python; its version decides which Python an op runs on (3.14).
const COMPONENTIZE: &str = "componentize-py==0.25.1";
/// Runs the tests of authors.
const PYTEST: &str = "pytest==9.2.0";
/// Names the environment; counted up whenever its content changes.
const ENVIRONMENT: &str = "python-0.25.1-r1";
/// The last file that is written into an environment.
const COMPLETE: &str = "complete";
/// Asks a Python whether it will do.
const PROBE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// What authors import.
pub(crate) const SDK: Files = files!("guest-sdk/python/src":
    "cofferdam_op/__init__.py" "cofferdam_op/_cbor.py" "cofferdam_op/_check.py" "cofferdam_op/_context.py"
    "cofferdam_op/_contract.py" "cofferdam_op/_failure.py" "cofferdam_op/_field.py" "cofferdam_op/_guest.py"
    "cofferdam_op/_hints.py" "cofferdam_op/_host.py" "cofferdam_op/_layout.py" "cofferdam_op/_library.py"
    "cofferdam_op/_logs.py" "cofferdam_op/_metadata.py" "cofferdam_op/_model.py" "cofferdam_op/_op.py"
    "cofferdam_op/_ports.py" "cofferdam_op/_record.py" "cofferdam_op/_resources.py" "cofferdam_op/_shape.py"
    "cofferdam_op/_values.py" "cofferdam_op/py.typed"
);
/// What makes a component of a folder with ops, and runs the tests in it.
pub(crate) const BUILDER: Files = files!("guest-sdk/python/build":
    "cofferdam_build/__init__.py" "cofferdam_build/__main__.py" "cofferdam_build/alike.py"
    "cofferdam_build/deterministic.py" "cofferdam_build/error.py" "cofferdam_build/library.py" "cofferdam_build/requirements.py"
    "cofferdam_build/sockets.py" "cofferdam_build/tests.py" "cofferdam_build/wasm.py"
);

/// Installs what is not here yet: `say` is told before.
pub fn prepare(say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    Builder::prepare(say).map(drop)
}

/// Builds the folder's module `ops`. What Python says of it goes to stderr.
pub fn build(source: &Source<'_>, say: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    check(source.folder)?;
    let builder = Builder::prepare(say)?;
    let [component, list] = ["ops.wasm", "inputs"].map(|name| source.out.join(name));
    let mut command = builder.command("build", source);
    command.arg("--wit").arg(builder.sdk.join("wit"));
    // Named by what makes it, but for the SDK and the builder, which name the folder.
    command.arg("--empty").arg(builder.sdk.join(format!("empty-{ENVIRONMENT}.wasm")));
    command.arg("--out").arg(&component).arg("--inputs").arg(&list);
    if !ended_well(&mut command)? {
        return Err(BuildError::Source {
            message: "it does not build".to_owned(),
            hint: "what Python says is above".to_owned(),
        });
    }
    let text = fs::read_to_string(&list).map_err(at("read", &list))?;
    Ok(Built { component, inputs: text.lines().map(PathBuf::from).collect() })
}

/// Runs the author's tests with pytest, natively. What they print goes to stderr.
pub fn test(source: &Source<'_>, say: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    check(source.folder)?;
    let builder = Builder::prepare(say)?;
    if ended_well(&mut builder.command("test", source))? { Ok(()) } else { Err(BuildError::tests()) }
}

fn check(folder: &Path) -> Result<(), BuildError> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(BuildError::Source {
        message: format!("there is no folder {}", folder.display()),
        hint: "`python` names the folder that `ops.py` is in".to_owned(),
    })
}

fn ended_well(command: &mut Command) -> Result<bool, Error> {
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = status.map_err(|source| {
        let command = command.get_program().to_string_lossy().into_owned();
        Error::ProgramFailed { command, output: source.to_string() }
    })?;
    Ok(status.success())
}

/// All that a build needs, installed.
struct Builder {
    python: PathBuf,
    sdk: PathBuf,
}

impl Builder {
    /// Installs what is not there yet, and says so first.
    fn prepare(say: &mut dyn FnMut(&str)) -> Result<Builder, Error> {
        let cache = cache_folder().ok_or(Error::NoCacheFolder)?;
        let environment = cache.join(ENVIRONMENT);
        if !environment.join(COMPLETE).is_file() {
            let _lock = locked(&cache, ENVIRONMENT)?;
            if !environment.join(COMPLETE).is_file() {
                install(&environment, say)?;
            }
        }
        Ok(Builder {
            python: python_of(&environment),
            sdk: embedded::unpack(&cache, "python", &[("src", SDK), ("build", BUILDER), ("wit", WIT)])?,
        })
    }

    fn command(&self, what: &str, source: &Source<'_>) -> Command {
        let mut command = Command::new(&self.python);
        // Modules of other environments must not get in between.
        command.env_remove("PYTHONHOME").env("PYTHONPATH", self.sdk.join("build"));
        // The SDK is shared by all projects and named by its content.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.args(["-m", "cofferdam_build", what, "--folder"]).arg(source.folder);
        command.arg("--sdk").arg(self.sdk.join("src")).arg("--cache").arg(source.out);
        command
    }
}

/// Makes the environment where it is used, because its programs know their place; the last file says that it is whole.
fn install(environment: &Path, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    say("installing componentize-py and pytest for ops in Python (once, about 140 MB)");
    if environment.exists() {
        // Left by a process that died: we hold the lock.
        fs::remove_dir_all(environment).map_err(at("remove", environment))?;
    }
    let purpose = "build ops written in Python";
    // One that is too old, or lacks the modules, is as good as none.
    run::output(purpose, Command::new("python3").args(["-c", PROBE]))
        .map_err(|_| Error::ProgramMissing { program: "python3".to_owned(), purpose })?;
    run::output(purpose, Command::new("python3").args(["-m", "venv"]).arg(environment))?;
    let mut pip = Command::new(python_of(environment));
    pip.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet", COMPONENTIZE, PYTEST]);
    run::output(purpose, &mut pip)?;
    let complete = environment.join(COMPLETE);
    fs::write(&complete, "").map_err(at("write", &complete))
}

fn python_of(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::tests::assert_all_are_carried;

    #[test]
    fn the_python_sdk_passes_its_own_tests() {
        let builder = Builder::prepare(&mut |_| {}).unwrap();
        let mut pytest = Command::new(&builder.python);
        pytest
            .args(["-m", "pytest", "-p", "no:cacheprovider", "--quiet"])
            .env("PYTHONDONTWRITEBYTECODE", "1");
        pytest.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk/python"));
        let said = run::output("test the SDK", &mut pytest).unwrap();
        assert!(said.contains(" passed"), "{said}");
    }

    #[test]
    fn the_program_carries_the_whole_sdk() {
        assert_all_are_carried(SDK, "guest-sdk/python/src", &["cofferdam_op/__pycache__"]);
        assert_all_are_carried(BUILDER, "guest-sdk/python/build", &["cofferdam_build/__pycache__"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let (folder, out) = (Path::new("/nowhere/ops"), Path::new("/nowhere/out"));
        let error = build(&Source { folder, out, quiet: true }, &mut |_| {}).unwrap_err();
        let BuildError::Source { message, hint } = error else { panic!("{error:?}") };
        assert_eq!(message, "there is no folder /nowhere/ops");
        assert_eq!(hint, "`python` names the folder that `ops.py` is in");
    }
}
