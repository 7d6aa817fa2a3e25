//! `cofferdam new`: a project that builds, passes its test and runs at once.

use std::path::{Path, PathBuf};

use cofferdam_model::Name;
use serde_json::json;

use crate::args;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::Output;

/// Files of a new project: where they go, what they hold.
type Files = &'static [(&'static str, &'static str)];

const RUST: Files = &[
    ("cofferdam.toml", include_str!("../../templates/rust/cofferdam.toml.in")),
    ("ops/Cargo.toml", include_str!("../../templates/rust/ops/Cargo.toml.in")),
    ("ops/src/lib.rs", include_str!("../../templates/rust/ops/src/lib.rs.in")),
];
const PYTHON: Files = &[
    ("cofferdam.toml", include_str!("../../templates/python/cofferdam.toml.in")),
    ("ops/ops.py", include_str!("../../templates/python/ops/ops.py.in")),
    ("ops/test_ops.py", include_str!("../../templates/python/ops/test_ops.py.in")),
];
const JAVASCRIPT: Files = &[
    ("cofferdam.toml", include_str!("../../templates/javascript/cofferdam.toml.in")),
    ("ops/package.json", include_str!("../../templates/javascript/ops/package.json.in")),
    ("ops/index.js", include_str!("../../templates/javascript/ops/index.js.in")),
    ("ops/index.test.js", include_str!("../../templates/javascript/ops/index.test.js.in")),
];
const C: Files = &[
    ("cofferdam.toml", include_str!("../../templates/c/cofferdam.toml.in")),
    ("ops/ops.c", include_str!("../../templates/c/ops/ops.c.in")),
    ("ops/tests/ops.c", include_str!("../../templates/c/ops/tests/ops.c.in")),
];
const GO: Files = &[
    ("cofferdam.toml", include_str!("../../templates/go/cofferdam.toml.in")),
    ("ops/go.mod", include_str!("../../templates/go/ops/go.mod.in")),
    ("ops/ops.go", include_str!("../../templates/go/ops/ops.go.in")),
    ("ops/ops_test.go", include_str!("../../templates/go/ops/ops_test.go.in")),
];
const GITIGNORE: &str = "target\nnode_modules\n__pycache__\ngo.work\ngo.work.sum\n.cofferdam\n";

/// The SDK in the source tree that this program was built from.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk/rust");

pub(crate) fn run(args: &args::New, output: Output) -> Result<()> {
    let name = Name::new(&args.name)
        .map_err(|error| Failed::usage(format!("`{}` is not a name", args.name)).because(&error))?;
    let folder = PathBuf::from(&args.name);
    if folder.exists() {
        return Err(Failed::usage(format!("`{}` is already there", folder.display()))
            .hint("choose another name; nothing was changed"));
    }
    let (files, ops) = match args.language {
        args::Language::Rust => (RUST, "ops/src/lib.rs"),
        args::Language::Python => (PYTHON, "ops/ops.py"),
        args::Language::JavaScript => (JAVASCRIPT, "ops/index.js"),
        args::Language::C => (C, "ops/ops.c"),
        args::Language::Go => (GO, "ops/ops.go"),
    };
    let sdk = match args.language {
        args::Language::Rust => find_sdk(args.sdk.as_deref())?.display().to_string(),
        // The program carries it.
        args::Language::Python | args::Language::JavaScript | args::Language::C | args::Language::Go => {
            String::new()
        }
    };
    for (path, text) in files.iter().chain(&[(".gitignore", GITIGNORE)]) {
        let text = text.replace("@name@", name.as_str()).replace("@sdk@", &sdk);
        write(&folder.join(path), &text)?;
    }
    if output.json {
        return output.document("cofferdam.new/v1", json!({ "project": folder }));
    }
    output.answer(&format!(
        "made {0}: ops in {0}/{ops}, jobs in {0}/cofferdam.toml\nnext: cd {0} && cofferdam run hello",
        folder.display()
    ))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().expect("every file of a project is in its folder");
    std::fs::create_dir_all(folder).doing(Exit::Internal, format!("make the folder {}", folder.display()))?;
    std::fs::write(path, text).doing(Exit::Internal, format!("write {}", path.display()))
}

fn find_sdk(asked: Option<&Path>) -> Result<PathBuf> {
    let folder = asked.unwrap_or(Path::new(SDK));
    let found = folder.canonicalize().ok().filter(|folder| folder.join("Cargo.toml").is_file());
    found.ok_or_else(|| {
        Failed::new(Exit::Prerequisite, format!("no Rust SDK in {}", folder.display()))
            .hint("give the folder guest-sdk/rust of Cofferdam's source tree with `--sdk DIR`")
    })
}
