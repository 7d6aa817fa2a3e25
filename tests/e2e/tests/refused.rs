//! What cannot work is refused before it starts, in words: an op that is not lent what it needs, values that are gone,
//! libraries that are none, a state that a newer release has written.

use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};

use cofferdam_e2e::look::text;
use cofferdam_e2e::{Project, guest};

const LIBRARIES: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
"#;

fn project(definitions: &str) -> Project {
    Project::with(&format!("{LIBRARIES}{definitions}"), &["typed", "resources"])
}

/// Ten pairs of what an op needs and what the definitions lend it; those named `bad` do not fit.
const NEEDS: &str = r#"
[jobs.j.steps.fetch_none]
op = "resources.fetch"
inputs.path = { value = "/" }
[jobs.j.steps.send_other]
op = "resources.send"
inputs.text = { value = "" }
bind = { api = "store" }
[jobs.j.steps.count_none]
op = "resources.count"
inputs.name = { value = "" }
[jobs.j.steps.archive_other]
op = "resources.archive"
inputs.lines = { value = 1 }
bind = { lake = "base" }
[jobs.j.steps.query_none]
op = "resources.query"
inputs.text = { value = "" }
[jobs.j.steps.keep_other]
op = "resources.keep"
inputs.flights = { value = [] }
bind = { db = "words" }
[jobs.j.steps.secret_none]
op = "resources.secret_length"
inputs.key = { value = "" }
[jobs.j.steps.execute_other]
op = "resources.execute"
inputs.arguments = { value = [] }
bind = { program = "objects" }
[jobs.j.steps.copy_half]
op = "resources.copy"
inputs.key = { value = "" }
bind = { from = "store" }
[jobs.j.steps.add_more]
op = "resources.add"
inputs.a = { value = 1 }
inputs.b = { value = 1 }
bind = { db = "base" }
"#;

const LENT: &str = r#"
[resources.web]
kind = "http"
base_url = "http://localhost:1"
[resources.store]
kind = "keyvalue"
backend = "memory"
[resources.objects]
kind = "blob"
url = "memory:"
[resources.base]
kind = "sql"
url = "sqlite:base.db"
[resources.words]
kind = "config"
entries = { a = "b" }
[resources.tool]
kind = "command"
program = "true"
"#;

#[test]
fn b8_what_ops_need_is_compared_with_what_they_are_lent_before_anything_starts() {
    let refused = project(&format!("{LENT}{NEEDS}"));
    let message = refused.message(&["run", "j"], 3);
    insta::assert_snapshot!("needs_and_grants", message);
    assert_eq!(refused.message(&["check"], 3), message, "`check` finds the same");
    assert!(!refused.path().join(".cofferdam/runlog.sqlite").exists(), "nothing was recorded");

    // The same ops with what they need: nothing is wrong.
    let bound = NEEDS
        .replace("bind = { api = \"store\" }", "bind = { api = \"web\" }")
        .replace("bind = { lake = \"base\" }", "bind = { lake = \"objects\" }")
        .replace("bind = { db = \"words\" }", "bind = { db = \"base\" }")
        .replace("bind = { program = \"objects\" }", "bind = { program = \"tool\" }")
        .replace("{ from = \"store\" }", "{ from = \"store\", to = \"store\" }")
        .replace("inputs.path", "bind = { api = \"web\" }\ninputs.path")
        .replace("inputs.name", "bind = { counters = \"store\" }\ninputs.name")
        .replace("op = \"resources.query\"", "op = \"resources.query\"\nbind = { db = \"base\" }")
        .replace(
            "op = \"resources.secret_length\"",
            "op = \"resources.secret_length\"\nbind = { site = \"words\" }",
        )
        .replace("inputs.b = { value = 1 }\nbind = { db = \"base\" }", "inputs.b = { value = 1 }");
    project(&format!("{LENT}{bound}")).run(["check"]).expect(0);
}

const MEMORY: &str = r#"
[io_managers.ram]
kind = "memory"

[jobs.j]
io_manager = "ram"
[jobs.j.steps.one]
op = "typed.double"
inputs.number = { value = 3 }
[jobs.j.steps.two]
op = "typed.panics"
inputs.number = "one"

[assets.base]
op = "typed.double"
inputs.number = { value = 4 }
io_manager = "ram"
[assets.twice]
op = "typed.double"
inputs.number = { asset = "base" }
"#;

/// Where SQLite keeps the version that its user gave to the file: four bytes, the largest first.
const SQLITE_USER_VERSION_AT: u64 = 60;

#[test]
fn b6_what_storage_code_or_instance_cannot_support_is_refused_before_it_starts() {
    let project = project(MEMORY);
    let n_runs = || project.json(["runs"]).1["runs"].as_array().map_or(0, Vec::len);

    // Storage: what was kept in the memory of another process is gone.
    let run = project.run(["run", "j", "--quiet"]).expect(10);
    assert!(run.stdout.contains("two failed"), "{run:#?}");
    project.run(["asset", "materialize", "base"]).expect(0);
    let before = n_runs();
    let (_, runs) = project.json(["runs", "--job", "j"]);
    let failed = text(&runs["runs"][0], "run").to_owned();
    let messages = [
        project.message(&["rerun", &failed, "--from-failure", "--quiet"], 3).replace(&failed, "<run>"),
        project.message(&["asset", "materialize", "twice", "--quiet"], 3),
    ];
    // Made in one run, both are there.
    project.run(["asset", "materialize", "base", "twice"]).expect(0);
    assert_eq!(n_runs(), before + 1, "what was refused is no run");

    // Code: a library that this host cannot run.
    project.write("lib/typed.wasm", std::fs::read(guest("other_world")).expect("the guest can be read"));
    let code = project.message(&["run", "j", "--quiet"], 3);
    assert_eq!(n_runs(), before + 1);

    // Instance: its state was written by a newer release.
    let log = project.path().join(".cofferdam/runlog.sqlite");
    let mut file = OpenOptions::new().write(true).open(log).expect("the run log is there");
    file.seek(SeekFrom::Start(SQLITE_USER_VERSION_AT)).expect("it has a header");
    file.write_all(&99_u32.to_be_bytes()).expect("it can be changed");
    drop(file);
    project.write("lib/typed.wasm", std::fs::read(guest("typed")).expect("the guest can be read"));
    let instance = project.message(&["run", "j", "--quiet"], 5);
    insta::assert_snapshot!("cannot_be_supported", [&messages[..], &[code, instance]].concat().join("\n\n"));
}

#[test]
fn a_step_that_asks_for_what_this_machine_does_not_offer_is_refused_and_can_be_told_otherwise() {
    let project = Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n[jobs.j.steps.numbers]\nop = \"typed.numbers\"\nconfig = { n = 1 }\n\
         resources = { GPU = 2 }\n",
    );
    let refused = project.run(["run", "j"]).expect(3);
    assert!(
        refused.stderr.contains("`numbers` could never start: this machine does not offer GPU=2"),
        "{refused:#?}"
    );
    assert!(refused.stderr.contains("--resources GPU=2"), "{refused:#?}");
    project.run(["run", "j", "--resources", "GPU=1"]).expect(3);
    project.run(["run", "j", "--resources", "GPU=2"]).expect(0);
}
