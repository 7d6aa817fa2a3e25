//! Libraries in C as their authors meet them: what the compiler refuses, equal bytes, the SDK's own test.

use std::fs;
use std::path::Path;
use std::process::Command;

use cofferdam_e2e::{Ended, program, workspace};

const GO: &str = r#"#include <assert.h>
#include <cofferdam_op.h>
static void go(cof_ctx *ctx) {
  assert(cof_attempt(ctx).attempt > 0);
  cof_output_integer(ctx, "result", 7);
}
COF_LIBRARY("ops", "1", { .name = "go", .run = go, COF_OUTPUTS({ .name = "result", .schema = COF_INTEGER }) });
"#;

/// A project whose library has this file.
fn project(name: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("ops")).expect("a folder can be made");
    fs::write(folder.path().join("ops").join(name), text).expect("a file can be written");
    let definitions = "[libraries.ops]\nc = \"ops\"\n[jobs.all.steps.go]\nop = \"ops.go\"\n";
    fs::write(folder.path().join("cofferdam.toml"), definitions).expect("a file can be written");
    folder
}

fn build(folder: &Path) -> Ended {
    let mut command = Command::new(program());
    command.arg("build").current_dir(folder).env("NO_COLOR", "1").output().expect("it can be started").into()
}

#[test]
fn what_the_compiler_refuses_is_shown_as_it_says_it() {
    let ended = build(project("ops.c", &GO.replace("cof_output_integer", "cof_output_integr")).path());
    assert_eq!(ended.exit, 3, "{ended:#?}");
    for words in ["ops.c:5:3: error:", "cof_output_integr", "library `ops`: it does not build"] {
        assert!(ended.stderr.contains(words), "`{words}` is not in {}", ended.stderr);
    }
    let ended = build(project("README.md", "").path());
    assert_eq!(ended.exit, 3, "{ended:#?}");
    assert!(ended.stderr.contains("there is no file *.c in"), "{ended:#?}");
}

#[test]
fn the_same_source_makes_the_same_component_in_another_folder() {
    let digests = [0, 1].map(|_| {
        let folder = project("ops.c", GO);
        let ended = build(folder.path());
        assert_eq!(ended.exit, 0, "{ended:#?}");
        let found =
            ended.stdout.split_whitespace().find(|word| word.starts_with("sha256:")).map(str::to_owned);
        found.unwrap_or_else(|| panic!("{ended:#?}"))
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn the_sdk_passes_its_own_test() {
    let sdk = workspace().join("guest-sdk/c");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let program = folder.path().join("sdk");
    let script = "cc -std=c11 -Wall -Wextra -Werror -g -fsanitize=address,undefined -Iinclude src/*.c test/sdk.c -lm -o \"$1\" && \"$1\"";
    let ended = Command::new("sh").args(["-c", script, "sh"]).arg(&program).current_dir(&sdk).output();
    let ended = ended.expect("sh can be started");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "the SDK for C: all tests pass\n");
}
