//! The client for Python, as programs use it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use cofferdam_e2e::ask::joined;
use cofferdam_e2e::network::{alone, loopback};
use cofferdam_e2e::pages::Page;
use cofferdam_e2e::served::Served;
use cofferdam_e2e::{Ended, Project, guest, workspace};
use cofferdam_kit::tools::programs;

fn package() -> PathBuf {
    workspace().join("host/client/python")
}

/// A Python in which the client is installed.
fn python(served: &Served, script: &str, variables: &[(&str, &str)]) -> Ended {
    let mut python = Command::new(programs().join("python3"));
    python.args(["-c", script]).current_dir(served.folder.path()).env("PYTHONPATH", package().join("src"));
    python.env("COFFERDAM_URL", format!("http://{}", served.pages.address)).envs(variables.iter().copied());
    python.env("PYTHONDONTWRITEBYTECODE", "1").output().expect("python can be started").into()
}

#[test]
fn j9_the_page_of_the_client_for_python_is_true() {
    alone("j9_the_page_of_the_client_for_python_is_true", || {
        loopback();
        let project = Project::with("", &[]);
        let ops = std::fs::read(guest("tutorial_ops")).expect("the ops are built");
        project.write("lib/tutorial.wasm", ops);
        let (path, source) = (programs().join("python3"), package().join("src"));
        let script = format!(
            "#!/bin/sh\nPYTHONDONTWRITEBYTECODE=1 PYTHONPATH={} exec {} \"$@\"\n",
            source.display(),
            path.display()
        );
        project.write("bin/python3", script);
        let own = project.path().join("bin");
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(own.join("python3"), runs).expect("it is ours");
        let others = std::env::var_os("PATH").expect("there is a PATH");
        let all = std::iter::once(own).chain(std::env::split_paths(&others));
        let all = std::env::join_paths(all).expect("no colon in a name");
        let built = |text: &str| text.replace("crate = \"ops\"", "wasm = \"lib/tutorial.wasm\"");
        Page::follow_with(&package().join("README.md"), project, &all, built);
    });
}

#[test]
fn j9_a_program_with_a_token_submits_waits_and_reads_values_of_a_cluster() {
    let served = Served::start();
    let _worker = joined(served.cluster.worker("w", &[]));
    let [viewer, launcher] = ["viewer", "launcher"].map(|role| served.token(role, &["--role", role]));
    served.folder.write_secret("launcher.token", &launcher);
    let script = r#"
from cofferdam_client import *
client = Client()
run = client.submit("hello", location="second", tags={"who": "ada"}).wait(timeout=60)
assert run.output("greet") == "Hello, Grace, Calm!", run.output("greet")
assert run.tags["who"] == "ada" and client.run(run.id) == run
assert [one.id for one in client.runs(job="hello", statuses=["SUCCESS"])] == [run.id]
again = run.again().wait()
assert again.parent == run.id and again.output("greet") == run.output("greet")
for wrong, why in [
    (lambda: client.submit("nobody", location="first"), "there is no job `nobody`"),
    (lambda: client.submit("hello"), "name one of: first, second"),
    (lambda: run.output("greet", "nothing"), "has no output `nothing`"),
    (lambda: run.output("nothing"), "it has greet"),
]:
    try:
        wrong()
        raise SystemExit(why)
    except NotFound as error:
        assert why in str(error), error
print(run.id)
"#;
    let launched = python(&served, script, &[("COFFERDAM_TOKEN_FILE", "launcher.token")]).expect(0);
    assert!(!launched.stdout.contains(&launcher) && !launched.stderr.contains(&launcher));
    let refused = r#"
from cofferdam_client import *
try:
    Client().submit("hello", location="second")
except Unauthorized as error:
    print(error)
"#;
    let told = python(&served, refused, &[("COFFERDAM_TOKEN", &viewer)]).expect(0).stdout;
    assert!(told.contains("token `viewer` has the role viewer and may not submit runs"), "{told}");
    let told = python(&served, refused, &[]).expect(0).stdout;
    assert!(told.contains("carries no token") && told.contains("cofferdam token create"), "{told}");
}
