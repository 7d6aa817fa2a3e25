//! Builds a folder of C into a component, and runs its tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tools::{Tools, prepare, sdk};
use crate::cache::{at, cache_folder};
use crate::{BuildError, Built, Error, Source};

/// The folder of tests, whose files are programs of their own.
const TESTS: &str = "tests";
/// The world of a library, in the SDK's folder `wit`.
const WORLD: &str = "cofferdam:c/library";

/// Compiles the files of the source's folder with the SDK. What the compiler says goes to stderr as it is.
pub fn build(source: &Source<'_>, say: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    let files = Files::of(source.folder)?;
    let tools = prepare(say)?;
    fs::create_dir_all(source.out).map_err(at("make the folder", source.out))?;
    let module = source.out.join("module.wasm");
    let mut clang = tools.clang();
    clang.arg("-I").arg(tools.sdk.join("include")).arg("-I").arg(source.folder);
    // `assert` repeats the names of files: those of this machine would make another component on the next one.
    for (folder, name) in [(source.folder, "."), (tools.sdk.as_path(), "cofferdam-op")] {
        clang.arg(format!("-ffile-prefix-map={}={name}", folder.display()));
    }
    clang.args(&files.sources).args(sources_in(&tools.sdk.join("src"))).arg("-o").arg(&module);
    run(&mut clang, source.folder, "clang-19")?;
    let component = component(source, &tools, &module)?;
    let inputs = [files.sources, files.headers, files.folders].concat();
    Ok(Built { component, inputs })
}

fn component(source: &Source<'_>, tools: &Tools, module: &Path) -> Result<PathBuf, BuildError> {
    let typed = source.out.join("typed.wasm");
    let made = source.out.join("library.wasm");
    let wit = tools.sdk.join("wit");
    let mut embed = Command::new(&tools.wasm_tools);
    embed.args(["component", "embed", "--world", WORLD]).arg(&wit).arg(module).arg("-o").arg(&typed);
    run(&mut embed, source.folder, "wasm-tools")?;
    let mut new = Command::new(&tools.wasm_tools);
    new.args(["component", "new"]).arg(&typed).arg("-o").arg(&made);
    run(&mut new, source.folder, "wasm-tools")?;
    Ok(made)
}

/// Compiles each test with the library and the SDK for this machine, and runs it.
pub fn test(source: &Source<'_>) -> Result<(), BuildError> {
    let files = Files::of(source.folder)?;
    let cache = cache_folder().ok_or(Error::NoCacheFolder)?;
    let sdk = sdk(&cache)?;
    let place = source.out.join(TESTS);
    fs::create_dir_all(&place).map_err(at("make the folder", &place))?;
    let compiler =
        std::env::var("CC").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "cc".to_owned());
    for test in sources_in(&source.folder.join(TESTS)) {
        let name = test.file_stem().expect("a source has a name");
        let program = place.join(name);
        let mut cc = Command::new(&compiler);
        cc.args(["-std=gnu11", "-g", "-Wall", "-I"]).arg(sdk.join("include")).arg("-I").arg(source.folder);
        cc.arg(&test)
            .args(&files.sources)
            .args(sources_in(&sdk.join("src")))
            .arg("-lm")
            .arg("-o")
            .arg(&program);
        run(&mut cc, source.folder, "cc")?;
        let ended = Command::new(&program)
            .current_dir(source.folder)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status();
        let passed = ended.map_err(at("start", &program))?.success();
        say_result(&test, passed);
        if !passed {
            return Err(BuildError::tests());
        }
    }
    Ok(())
}

#[expect(
    clippy::print_stderr,
    reason = "as the runners of other languages do: it is what the author looks for"
)]
fn say_result(test: &Path, passed: bool) {
    eprintln!("test {} ... {}", test.display(), if passed { "ok" } else { "FAILED" });
}

/// The author's files, without tests.
#[derive(Default)]
struct Files {
    sources: Vec<PathBuf>,
    headers: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Files {
    fn of(folder: &Path) -> Result<Files, BuildError> {
        let mut files = Files::default();
        files.walk(folder);
        files.sources.sort();
        files.headers.sort();
        if files.sources.is_empty() {
            return Err(BuildError::Source {
                message: format!("there is no file *.c in {}", folder.display()),
                hint: "`c` names the folder of the ops' sources".to_owned(),
            });
        }
        Ok(files)
    }

    fn walk(&mut self, folder: &Path) {
        self.folders.push(folder.to_owned());
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if path.is_dir() && !hidden && entry.file_name() != TESTS {
                self.walk(&path);
            } else if has_end(&path, "c") {
                self.sources.push(path);
            } else if has_end(&path, "h") {
                self.headers.push(path);
            }
        }
    }
}

fn has_end(path: &Path, end: &str) -> bool {
    path.extension().is_some_and(|extension| extension == end)
}

/// The files `*.c` of one folder, in order.
fn sources_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut sources: Vec<_> = entries.map(|entry| entry.path()).filter(|path| has_end(path, "c")).collect();
    sources.sort();
    sources
}

/// Runs a tool to its end; what it says goes to stderr.
fn run(command: &mut Command, folder: &Path, program: &str) -> Result<(), BuildError> {
    let status = command.current_dir(folder).stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let missing =
        |_| Error::ProgramMissing { program: program.to_owned(), purpose: "build ops written in C" };
    if status.map_err(missing)?.success() { Ok(()) } else { Err(BuildError::refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_all_files_of_the_folder_but_tests() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for file in ["ops.c", "lib/sum.c", "lib/sum.h", "tests/ops.c", ".git/x.c", "README.md"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
            fs::write(path, "").expect("a file can be written");
        }
        let files = Files::of(folder.path()).unwrap_or_else(|_| panic!("there are sources"));
        assert_eq!(files.sources, ["lib/sum.c", "ops.c"].map(|file| folder.path().join(file)));
        assert_eq!(files.headers, [folder.path().join("lib/sum.h")]);
        let Err(BuildError::Source { message, .. }) = Files::of(&folder.path().join("none")) else {
            panic!("there are none");
        };
        assert!(message.starts_with("there is no file *.c in "), "{message}");
    }
}
