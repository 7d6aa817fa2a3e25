//! Builds a module of ops into a component, and runs its tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::tools::{Tools, point, prepare};
use crate::cache::at;
use crate::{BuildError, Built, Error, Source, run};

/// The module of ops if `package.json` names none with `main`, the first that is there.
const ENTRIES: [&str; 6] =
    ["index.ts", "index.js", "index.mjs", "src/index.ts", "src/index.js", "src/index.mjs"];

/// Builds the module in the source's folder. What its tools say goes to stderr as it is.
pub fn build(source: &Source<'_>, say: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    let package = Package::read(source.folder)?;
    let entry = package.entry(source.folder)?;
    let tools = prepare(say)?;
    package.install(source.folder, &tools, say)?;
    let tsconfig = source.folder.join("tsconfig.json");
    if tsconfig.is_file() {
        check_types(source.folder, &tools)?;
    }
    let component = source.out.join("library.wasm");
    let inputs = source.out.join("inputs.json");
    let order = json!({
        "name": package.name, "version": package.version, "entry": entry, "folder": source.folder,
        "sdk": tools.sdk, "wit": tools.wit, "tools": tools.packages, "out": component, "inputs": inputs,
    });
    let mut node = node(&tools.sdk.join("build/build.mjs"));
    run(node.arg(order.to_string()), source.folder, BuildError::refused)?;
    let read = read_inputs(&inputs, &tools)?;
    let own = ["package.json", "package-lock.json", "tsconfig.json"].map(|name| source.folder.join(name));
    Ok(Built { component, inputs: read.into_iter().chain(own).collect() })
}

/// Runs the module's own tests, natively, with node's runner. What they print goes to stderr.
pub fn test(source: &Source<'_>, say: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let package = Package::read(source.folder)?;
    package.entry(source.folder)?;
    let tools = prepare(say)?;
    package.install(source.folder, &tools, say)?;
    if source.folder.join("tsconfig.json").is_file() {
        check_types(source.folder, &tools)?;
    }
    let mut node = node(&tools.sdk.join("build/run-tests.mjs"));
    run(node.arg(&tools.packages).arg(source.folder), source.folder, BuildError::tests)
}

/// What the author says of the module; nothing has to be said.
struct Package {
    name: String,
    version: String,
    main: Option<String>,
    /// Names of packages that it is made of.
    dependencies: Vec<String>,
}

impl Package {
    fn read(folder: &Path) -> Result<Package, BuildError> {
        let path = folder.join("package.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
        let json: Value = serde_json::from_str(&text).map_err(|error| BuildError::Source {
            message: format!("{} is not JSON: {error}", path.display()),
            hint: "mend it at the place that is named".to_owned(),
        })?;
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        let of_folder = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let dependencies = json["dependencies"].as_object().into_iter().flatten();
        Ok(Package {
            name: text("name").or_else(of_folder).unwrap_or_default(),
            version: text("version").unwrap_or_else(|| "0.0.0".to_owned()),
            main: text("main"),
            dependencies: dependencies
                .map(|(name, _)| name.clone())
                .filter(|name| name != SDK_NAME)
                .collect(),
        })
    }

    fn entry(&self, folder: &Path) -> Result<PathBuf, BuildError> {
        let missing = |message: String| {
            BuildError::Source {
            message,
            hint: "`javascript` names the folder of a module of ops: its `index.js` or `index.ts`, or the `main` of \
                   its package.json"
                .to_owned(),
        }
        };
        if let Some(main) = &self.main {
            let path = folder.join(main);
            return match path.is_file() {
                true => Ok(path),
                false => {
                    Err(missing(format!("there is no {}, the `main` of its package.json", path.display())))
                }
            };
        }
        let found = ENTRIES.map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
        found
            .ok_or_else(|| missing(format!("there is neither index.js nor index.ts in {}", folder.display())))
    }

    /// Packages that the author uses, if npm has not put them there yet, and the link to the SDK.
    fn install(&self, folder: &Path, tools: &Tools, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let modules = folder.join("node_modules");
        if self.dependencies.iter().any(|name| !modules.join(name).is_dir()) {
            let command = if folder.join("package-lock.json").is_file() { "ci" } else { "install" };
            say(&format!("npm {command} in {}", folder.display()));
            let mut npm = Command::new("npm");
            npm.args([command, "--no-audit", "--no-fund", "--loglevel", "error"]).current_dir(folder);
            run::output("install the packages that a library uses", &mut npm)?;
        }
        let link = modules.join(SDK_NAME);
        // A folder was put there by the author, with npm.
        if link.is_symlink() || !link.exists() {
            fs::create_dir_all(&modules).map_err(at("make the folder", &modules))?;
            point(&link, &tools.sdk)?;
        }
        Ok(())
    }
}

/// The package that authors import.
const SDK_NAME: &str = "cofferdam-op";

/// Without warnings about what Node calls experimental.
fn node(script: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg("--no-warnings").arg(script);
    command
}

/// Types are checked where the author asks for it with a tsconfig.json.
fn check_types(folder: &Path, tools: &Tools) -> Result<(), BuildError> {
    let own = folder.join("node_modules/typescript/bin/tsc");
    let shared = tools.packages.join("node_modules/typescript/bin/tsc");
    let mut tsc = Command::new("node");
    tsc.arg(if own.is_file() { own } else { shared }).args(["--noEmit", "-p"]).arg(folder);
    run(&mut tsc, folder, || BuildError::Source {
        message: "its types do not fit".to_owned(),
        hint: "the compiler's messages are above".to_owned(),
    })
}

/// Runs a tool to its end; what it says goes to stderr.
fn run(command: &mut Command, folder: &Path, refused: impl FnOnce() -> BuildError) -> Result<(), BuildError> {
    let status = command.current_dir(folder).stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let missing =
        |_| Error::ProgramMissing { program: "node".to_owned(), purpose: "build ops written in JavaScript" };
    if status.map_err(missing)?.success() { Ok(()) } else { Err(refused()) }
}

/// Files that the build has read, without those of the tools, which never change.
fn read_inputs(path: &Path, tools: &Tools) -> Result<Vec<PathBuf>, Error> {
    let bytes = fs::read(path).map_err(at("read", path))?;
    let files: Vec<PathBuf> = serde_json::from_slice(&bytes).map_err(|error| Error::File {
        action: "read",
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })?;
    let theirs = |file: &PathBuf| file.starts_with(&tools.packages) || file.starts_with(&tools.sdk);
    Ok(files.into_iter().filter(|file| !theirs(file)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
            fs::write(path, text).expect("a file can be written");
        }
        folder
    }

    fn entry(files: &[(&str, &str)]) -> Result<String, String> {
        let folder = folder_of(files);
        let found = Package::read(folder.path()).and_then(|package| package.entry(folder.path()));
        let relative =
            |path: &Path| path.display().to_string().replace(&folder.path().display().to_string(), "F");
        match found {
            Ok(path) => Ok(relative(&path)),
            Err(BuildError::Source { message, .. }) => Err(relative(Path::new(&message))),
            Err(BuildError::Tools(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn the_module_of_ops_is_named_or_found() {
        assert_eq!(entry(&[("index.js", ""), ("src/index.ts", "")]), Ok("F/index.js".to_owned()));
        assert_eq!(entry(&[("src/index.ts", "")]), Ok("F/src/index.ts".to_owned()));
        let package = ("package.json", r#"{"main": "ops.js"}"#);
        assert_eq!(entry(&[package, ("ops.js", "")]), Ok("F/ops.js".to_owned()));
        let missing = Err("there is no F/ops.js, the `main` of its package.json".to_owned());
        assert_eq!(entry(&[package, ("index.js", "")]), missing);
        assert_eq!(entry(&[]), Err("there is neither index.js nor index.ts in F".to_owned()));
        let broken = entry(&[("package.json", "{")]).expect_err("it is not JSON");
        assert!(broken.starts_with("F/package.json is not JSON: EOF"), "{broken}");
    }

    #[test]
    fn a_package_needs_no_words_of_its_own() {
        let folder = folder_of(&[("ops/index.js", "")]);
        let package = Package::read(&folder.path().join("ops")).expect("there is nothing wrong");
        assert_eq!((package.name.as_str(), package.version.as_str()), ("ops", "0.0.0"));
        let text =
            r#"{"name": "charts", "version": "1.2.0", "dependencies": {"cofferdam-op": "*", "d3": "^7"}}"#;
        let folder = folder_of(&[("package.json", text)]);
        let package = Package::read(folder.path()).expect("there is nothing wrong");
        assert_eq!((package.name.as_str(), package.version.as_str()), ("charts", "1.2.0"));
        assert_eq!(package.dependencies, ["d3"]);
    }
}
