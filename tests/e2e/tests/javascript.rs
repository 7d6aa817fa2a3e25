//! Libraries in JavaScript and TypeScript as their authors meet them: types, what is wrong and where, equal bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use cofferdam_e2e::{Ended, program, workspace};

/// A project whose library has these files.
fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("ops")).expect("a folder can be made");
    for (path, text) in files {
        fs::write(folder.path().join("ops").join(path), text).expect("a file can be written");
    }
    let definitions = "[libraries.ops]\njavascript = \"ops\"\n[jobs.all.steps.go]\nop = \"ops.go\"\n";
    fs::write(folder.path().join("cofferdam.toml"), definitions).expect("a file can be written");
    folder
}

fn run(folder: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(program());
    command.args(args).current_dir(folder).env("NO_COLOR", "1").output().expect("it can be started").into()
}

/// What `build` says of a library with this module.
fn refused(files: &[(&str, &str)], expected: &[&str]) {
    let folder = project(files);
    let ended = run(folder.path(), &["build"]);
    assert_eq!(ended.exit, 3, "{ended:#?}");
    for words in expected {
        assert!(ended.stderr.contains(words), "`{words}` is not in {}", ended.stderr);
    }
    let left = fs::read_dir(folder.path().join(".cofferdam/builds/ops"));
    let left = left.into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()).count();
    assert_eq!(left, 0, "no folder of work is left");
}

const IMPORT: &str = "import { Type, op } from \"cofferdam-op\";\n";

#[test]
fn a_mistake_in_a_module_is_told_with_its_place_in_the_authors_file() {
    let module = |text: &str| format!("{IMPORT}{text}");
    let bad_type = module("export const go = op({ inputs: { x: { type: \"bigint\" } } }, () => {});\n");
    let told = "error: TypeError: input `x` is of the type `bigint`, which JSON Schema cannot express; for whole numbers \
                of 64 bits there is `Int64()`\n  at index.js:2\n";
    refused(&[("index.js", &bad_type)], &[told]);
    let chance = module("const seed = Math.random();\nexport const go = op({}, () => seed);\n");
    let told = "error: Math.random() was called while the library is built: call it inside of an op\n  at index.js:2\n";
    refused(&[("index.js", &chance)], &[told]);
    refused(&[("index.js", "export const go = 1;\n")], &["the library `ops` exports no op"]);
    refused(&[("index.js", "export const = 1;\n")], &["index.js:1:13", "Expected identifier"]);
    let package = module("import _ from \"lodash\";\nexport const go = op({}, () => _);\n");
    refused(
        &[("index.js", &package)],
        &["Could not resolve \"lodash\"", "npm install lodash", "index.js:2:14"],
    );
    refused(&[("other.js", "")], &["there is neither index.js nor index.ts"]);
}

#[test]
fn types_are_checked_where_there_is_a_tsconfig() {
    let config = r#"{ "compilerOptions": { "strict": true, "module": "nodenext", "target": "es2024", "types": [], "skipLibCheck": true } }"#;
    let go =
        |value: &str| format!("{IMPORT}export const go = op({{ output: Type.Integer() }}, () => {value});\n");
    refused(&[("tsconfig.json", config), ("index.ts", &go("\"x\""))], &["index.ts(2,", "error TS2322"]);
    let folder = project(&[("tsconfig.json", config), ("index.ts", &go("7"))]);
    let ended = run(folder.path(), &["run", "all", "--export", "out"]);
    assert_eq!(ended.exit, 0, "{ended:#?}");
    assert_eq!(fs::read_to_string(folder.path().join("out/go.json")).expect("it is exported").trim(), "7");
}

#[test]
fn the_same_source_makes_the_same_component_in_another_folder() {
    let go = format!("{IMPORT}export const go = op({{ output: Type.Number() }}, () => Math.random());\n");
    let digests = [0, 1].map(|_| {
        let folder = project(&[("index.js", &go)]);
        let ended = run(folder.path(), &["build"]);
        assert_eq!(ended.exit, 0, "{ended:#?}");
        let found =
            ended.stdout.split_whitespace().find(|word| word.starts_with("sha256:")).map(str::to_owned);
        found.unwrap_or_else(|| panic!("{ended:#?}"))
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn the_sdk_passes_its_own_tests_and_its_types_are_those_of_the_schemas() {
    let project = project(&[("index.js", &format!("{IMPORT}export const go = op({{}}, () => {{}});\n"))]);
    let ended = run(project.path(), &["build"]);
    assert_eq!(ended.exit, 0, "{ended:#?}");
    let carried = fs::read_link(project.path().join("ops/node_modules/cofferdam-op")).expect("it was linked");
    // The tests are not carried: they are run in a copy, beside the packages that the build has put there.
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let copied =
        Command::new("cp").arg("-r").arg(workspace().join("guest-sdk/js/.")).arg(folder.path()).status();
    assert!(copied.expect("cp can be started").success());
    let link = folder.path().join("node_modules");
    // Left by whoever works on the SDK.
    fs::remove_file(&link).ok();
    let packages = carried.parent().expect("the SDK is in a folder").join("node_modules");
    std::os::unix::fs::symlink(packages, &link).expect("a link can be made");
    for args in [["--test"].as_slice(), &["node_modules/typescript/bin/tsc", "-p", "."]] {
        let ended = Command::new("node").args(args).current_dir(folder.path()).output();
        let ended = ended.expect("node can be started");
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stdout));
    }
}
