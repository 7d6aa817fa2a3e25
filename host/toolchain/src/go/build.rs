//! Builds a package of Go into a component, and runs its tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::segments::joined;
use super::tools::{Tools, prepare};
use crate::cache::at;
use crate::{BuildError, Built, Error, Source};

/// The worlds of the component and of the adapter, in the SDK's folder `wit`.
const WORLD: &str = "cofferdam:go/library";
const ADAPTER_WORLD: &str = "cofferdam:go/preview1";
/// The first line of a workspace file of ours.
const OURS: &str = "// Written by Cofferdam: where its SDK is on this machine. Not to be committed.";
/// The package that ops are written with.
const SDK_PACKAGE: &str = "cofferdam.dev/op";
/// The files of a package that the author can change, and of those that it imports, a line each; and the SDK's name.
const INPUTS: &str = r#"{{if not .Standard}}{{if ne .Module.Path "cofferdam.dev/op"}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}
{{end}}{{range .IgnoredGoFiles}}{{$d}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}
{{end}}{{.Module.GoMod}}
{{else}}{{.ImportPath}}
{{end}}{{end}}"#;

/// Compiles the package in the source's folder. What the compiler says goes to stderr as it is.
pub fn build(source: &Source<'_>, say: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    let module = module_of(source.folder)?;
    let tools = prepare(say)?;
    let workspace = workspace(&module, &tools)?;
    fs::create_dir_all(source.out).map_err(at("make the folder", source.out))?;
    let core = source.out.join("module.wasm");
    let mut go = tools.go(&workspace);
    go.env("GOOS", "wasip1").env("GOARCH", "wasm");
    // No names of files of this machine, no commit: the same source makes the same bytes.
    go.args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"])
        .arg(&core);
    let refused = || {
        BuildError::Source {
        message: "it does not build".to_owned(),
        hint: "the compiler's messages are above; what needs cgo cannot be carried: do that part in an op of C or Rust"
            .to_owned(),
    }
    };
    run(go.arg("."), source.folder, refused)?;
    let inputs = inputs(source.folder, &module, &tools, &workspace)?;
    Ok(Built { component: component(source, &tools, &core)?, inputs })
}

fn component(source: &Source<'_>, tools: &Tools, core: &Path) -> Result<PathBuf, BuildError> {
    let bytes = fs::read(core).map_err(at("read", core))?;
    if let Some(joined) = joined(&bytes) {
        fs::write(core, joined).map_err(at("write", core))?;
    }
    let [adapter, typed, made] =
        ["adapter.wasm", "typed.wasm", "library.wasm"].map(|name| source.out.join(name));
    let wit = tools.sdk.join("wit");
    let embed = |world: &str, from: &Path, to: &Path| {
        let mut embed = Command::new(&tools.wasm_tools);
        embed.args(["component", "embed", "--world", world]).arg(&wit).arg(from).arg("-o").arg(to);
        run(&mut embed, source.folder, BuildError::refused)
    };
    embed(ADAPTER_WORLD, &wit.join("preview1.wat"), &adapter)?;
    embed(WORLD, core, &typed)?;
    let mut adapt = std::ffi::OsString::from("wasi_snapshot_preview1=");
    adapt.push(&adapter);
    let mut new = Command::new(&tools.wasm_tools);
    new.args(["component", "new"]).arg(&typed).arg("--adapt").arg(adapt).arg("-o").arg(&made);
    run(&mut new, source.folder, BuildError::refused)?;
    Ok(made)
}

/// Runs the author's tests, natively. What they print goes to stderr.
pub fn test(source: &Source<'_>, say: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let module = module_of(source.folder)?;
    let tools = prepare(say)?;
    let workspace = workspace(&module, &tools)?;
    run(tools.go(&workspace).args(["test", "./..."]), source.folder, BuildError::tests)
}

/// The folder of the module that the source is in.
fn module_of(folder: &Path) -> Result<PathBuf, BuildError> {
    let hint =
        "`go` names the folder of a package main, in a module: `go mod init NAME` makes one".to_owned();
    let absolute = fs::canonicalize(folder).map_err(|_| BuildError::Source {
        message: format!("there is no folder {}", folder.display()),
        hint: hint.clone(),
    })?;
    let found = absolute.ancestors().find(|above| above.join("go.mod").is_file());
    found.map(Path::to_owned).ok_or_else(|| BuildError::Source {
        message: format!("there is no go.mod in {}, or above it", folder.display()),
        hint,
    })
}

/// A workspace file beside `go.mod` that tells Go, and the author's editor, where the SDK is. One that the author has
/// written is left alone.
fn workspace(module: &Path, tools: &Tools) -> Result<PathBuf, Error> {
    let path = module.join("go.work");
    let text = format!("{OURS}\ngo {}\n\nuse (\n\t.\n\t{:?}\n)\n", tools.version, tools.sdk);
    let found = fs::read_to_string(&path).ok();
    if found.as_ref().is_none_or(|found| found.starts_with(OURS) && *found != text) {
        let work = module.join(format!(".go.work-{}", std::process::id()));
        fs::write(&work, &text).map_err(at("write", &work))?;
        fs::rename(&work, &path).map_err(at("write", &path))?;
    }
    Ok(path)
}

/// Files that the build read, and their folders.
fn inputs(folder: &Path, module: &Path, tools: &Tools, workspace: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut go = tools.go(workspace);
    go.env("GOOS", "wasip1").env("GOARCH", "wasm").args(["list", "-deps", "-f", INPUTS, "."]);
    let listed = crate::run::output("list the files of a library", go.current_dir(folder))?;
    if !listed.lines().any(|line| line == SDK_PACKAGE) {
        return Err(BuildError::Source {
            message: format!("its package main has no ops: it does not import \"{SDK_PACKAGE}\""),
            hint: "call op.Library in an init function".to_owned(),
        });
    }
    let mut inputs: BTreeSet<PathBuf> =
        listed.lines().map(PathBuf::from).filter(|path| path.is_absolute()).collect();
    inputs.insert(module.join("go.sum"));
    // A new file in one of them may be a part of the package. The module's own changes with `go.work`, which is ours.
    let folders: Vec<_> = inputs.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
    inputs.extend(folders);
    Ok(inputs.into_iter().collect())
}

/// Runs a tool to its end; what it says goes to stderr.
fn run(command: &mut Command, folder: &Path, refused: fn() -> BuildError) -> Result<(), BuildError> {
    let status = command.current_dir(folder).stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = status.map_err(|source| Error::ProgramFailed {
        command: command.get_program().to_string_lossy().into_owned(),
        output: source.to_string(),
    })?;
    if status.success() { Ok(()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_module_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let refused = |folder: &Path| match module_of(folder) {
            Err(BuildError::Source { message, hint }) => {
                assert!(hint.contains("go mod init"), "{hint}");
                message
            }
            other => panic!("{other:?}"),
        };
        let none = refused(folder.path());
        assert!(none.starts_with("there is no go.mod in "), "{none}");
        assert!(refused(&folder.path().join("ops")).starts_with("there is no folder "));
    }

    #[test]
    fn a_workspace_of_the_author_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let tools = prepare(&mut |_| {}).expect("the tools are here");
        let path = workspace(folder.path(), &tools).expect("it can be written");
        let text = fs::read_to_string(&path).expect("it is there");
        assert!(text.starts_with(OURS) && text.contains("\t.\n"), "{text}");
        for (found, left) in
            [(format!("{OURS}\ngo 1.1\n"), text.as_str()), ("go 1.27\n".to_owned(), "go 1.27\n")]
        {
            fs::write(&path, found).expect("a file can be written");
            workspace(folder.path(), &tools).expect("it can be written");
            assert_eq!(fs::read_to_string(&path).expect("it is there"), left);
        }
    }
}
