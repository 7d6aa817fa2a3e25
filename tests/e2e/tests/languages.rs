//! What every language owes an author whose library cannot be built: the tool that is missing, with the command that brings
//! it; the dependency that a component cannot carry; the parameter whose type no schema expresses.

use std::path::Path;
use std::process::Command;

use cofferdam_e2e::{Ended, Project, program};

/// A project whose one library has these files, and whose job runs its op `go`.
fn project(key: &str, files: &[(&str, &str)]) -> Project {
    let job = "[jobs.all.steps.go]\nop = \"ops.go\"\ninputs.z = { value = 1 }\n";
    let project = Project::with(&format!("[libraries.ops]\n{key} = \"ops\"\n{job}"), &[]);
    files.iter().for_each(|(path, text)| project.write(&format!("ops/{path}"), text));
    project
}

fn refused(key: &str, files: &[(&str, &str)], expected: &[&str]) {
    let ended = project(key, files).run(["check"]).expect(3);
    for words in expected {
        assert!(ended.stderr.contains(words), "`{words}` is not in {}", ended.stderr);
    }
}

/// Builds or tests where no program and no cache is.
fn without_tools(folder: &Path, command: &str) -> Ended {
    let mut run = Command::new(program());
    run.arg(command).current_dir(folder).env_clear().env("NO_COLOR", "1");
    let nowhere = folder.join("nowhere");
    run.env("PATH", &nowhere).env("XDG_CACHE_HOME", &nowhere).output().expect("it can be started").into()
}

#[test]
fn a_tool_that_is_missing_is_named_with_what_brings_it() {
    let brought = [
        ("rust", "`rustc`", "rustup (https://rustup.rs)"),
        ("python", "`python3`", "apt install python3-venv"),
        ("javascript", "`node`", "apt install nodejs npm"),
        ("c", "`clang-19`", "apt install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32"),
        ("go", "`go`", "apt install python3-pip"),
    ];
    for (language, tool, command) in brought {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let new = ["new", "x", "--lang", language];
        let made = Command::new(program()).args(new).current_dir(folder.path()).output();
        Ended::from(made.expect("it can be started")).expect(0);
        let ended = without_tools(&folder.path().join("x"), "build").expect(4);
        let (_, hint) = ended.stderr.split_once("\nhint: ").unwrap_or_else(|| panic!("{ended:#?}"));
        assert!(ended.stderr.contains(tool) && hint.contains(command), "{language}: {ended:#?}");
        assert!(ended.stderr.contains("there are no tools for ops written in "), "{language}: {ended:#?}");
    }
}

#[test]
fn a_dependency_that_cannot_be_carried_is_named() {
    let python = [("ops.py", "import numpy\n"), ("requirements.txt", "numpy\n")];
    refused("python", &python, &["`numpy` cannot be carried in a component", "hint: "]);
    let javascript = "import { readFileSync } from \"node:fs\";\nimport { op } from \"cofferdam-op\";\nexport const go = op({}, readFileSync);\n";
    let told = [
        "Could not resolve \"node:fs\"",
        "index.js:1:29",
        "That is a part of Node, which the sandbox is not.",
    ];
    refused("javascript", &[("index.js", javascript)], &told);
    let c = "#include <cofferdam_op.h>\n#include <zlib.h>\n";
    refused("c", &[("ops.c", c)], &["ops.c:2:10: fatal error: 'zlib.h' file not found"]);
    let c = "#include <cofferdam_op.h>\nint deflate(void);\nstatic void go(cof_ctx *ctx) { (void)ctx, deflate(); }\nCOF_LIBRARY(\"ops\", \"1\", { .name = \"go\", .run = go });\n";
    refused("c", &[("ops.c", c)], &["undefined symbol: deflate"]);
    let go = "package main\n\nimport (\n\t_ \"cofferdam.dev/op\"\n\t_ \"ops/native\"\n)\n\nfunc main() {}\n";
    let files = [
        ("go.mod", "module ops\n\ngo 1.24\n"),
        ("ops.go", go),
        ("native/native.go", "package native\n\nimport \"C\"\n"),
    ];
    refused(
        "go",
        &files,
        &["build constraints exclude all Go files in", "ops/native", "what needs cgo cannot be carried"],
    );
}

#[test]
fn a_type_that_no_schema_expresses_is_refused_with_its_parameter() {
    let python = "from cofferdam_op import op\n\n\n@op\ndef go(z: complex) -> None: ...\n";
    refused("python", &[("ops.py", python)], &["ops.py:4: op `go`: parameter `z`: `complex` is no type"]);
    let javascript = "import { op } from \"cofferdam-op\";\nexport const go = op({ inputs: { z: { type: \"bigint\" } } }, () => {});\n";
    refused(
        "javascript",
        &[("index.js", javascript)],
        &["input `z` is of the type `bigint`", "at index.js:2"],
    );
    let go = "package main\n\nimport \"cofferdam.dev/op\"\n\ntype in struct{ Z complex128 }\n\nfunc run(_ *op.Context, _ in) (op.None, error) { return op.None{}, nil }\n\nfunc init() { op.Library(\"ops\", \"1\", op.Define(\"go\", \"\", run)) }\n\nfunc main() {}\n";
    let files = [("go.mod", "module ops\n\ngo 1.24\n"), ("ops.go", go)];
    refused("go", &files, &["op `go`: input `z`: the Go type complex128 has no schema"]);
    let c = "#include <cofferdam_op.h>\nstatic void go(cof_ctx *ctx) { (void)ctx; }\nCOF_LIBRARY(\"ops\", \"1\", { .name = \"go\", .run = go,\n  COF_INPUTS({ .name = \"z\", .schema = COF_JSON({\"type\": \"complex\"}) }) });\n";
    refused("c", &[("ops.c", c)], &["the schema of `ops.go.inputs.z` is not valid: \"complex\""]);
}
