//! Tokens with roles and namespaces, and the log of who did what.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_e2e::ask::{gate, joined, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::{Ended, Project};
use serde_json::Value;

/// A token that was revoked is refused this soon, and what is under way with it ends (SAFETY.md, H-108).
const REVOKED_WITHIN: Duration = Duration::from_secs(10);

const DEFINITIONS: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
[libraries.text]
wasm = "lib/text.wasm"
[jobs.greets.steps.greet]
op = "text.greet"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "numbers.each" }
[jobs.asks.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.asks.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "numbers.each" }
wait = { approval = true }
[jobs.gated.steps.gate]
op = "resources.announce"
bind = { program = "gate" }
inputs.arguments = { value = [] }
"#;

/// Runs in `b` and in `default` may start programs; those in `a` may not.
const GRANTS: &str = r#"
[[grants]]
namespaces = ["b", "default"]
reach = ["command sh -c *", "folder /", "environment PATH=$PATH"]
variables = ["PATH"]
"#;

/// A cluster with a worker, and a project whose clients show tokens.
struct Site {
    project: Project,
    cluster: Cluster,
    _serving: Process,
    _worker: Process,
}

impl Site {
    fn start() -> Site {
        let project = Project::with("", &["typed", "resources", "text"]);
        project.write("cofferdam.toml", format!("{DEFINITIONS}{}", gate(&project)));
        let (cluster, serving) = Cluster::start_with(GRANTS);
        let worker = joined(cluster.worker("w", &["--slots", "2"]));
        Site { project, cluster, _serving: serving, _worker: worker }
    }

    /// Where the state is.
    fn here(&self, args: &[&str]) -> Ended {
        let mut command = self.project.command(args);
        command.arg("--state-dir").arg(self.cluster.state());
        command.output().expect("the program can be started").into()
    }

    /// A new token, in a file of the client.
    fn token(&self, name: &str, more: &[&str]) -> PathBuf {
        let made = self.here(&[&["token", "create", name], more].concat()).expect(0);
        self.project.write_secret(name, &made.stdout)
    }

    fn command(&self, token: &Path, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command.args(["--cluster", &self.cluster.address, "--token-file"]).arg(token);
        command
    }

    fn with(&self, token: &Path, args: &[&str]) -> Ended {
        self.command(token, args).output().expect("the program can be started").into()
    }

    /// The id of a run of the job that this token has submitted.
    fn submit(&self, token: &Path, job: &str, namespace: &str) -> String {
        let tag = format!("cofferdam/namespace={namespace}");
        let submitted = self.with(token, &["run", job, "--detach", "--tag", &tag]).expect(0);
        submitted.stdout.trim().to_owned()
    }

    /// Waits until a run has succeeded, as that token sees it.
    fn wait_for(&self, token: &Path, run: &str) {
        until("the end", || {
            let shown = self.with(token, &["show", run, "--json"]).expect(0).stdout;
            serde_json::from_str::<Value>(&shown).expect("JSON")["status"] == "succeeded"
        });
    }

    fn audit(&self) -> Vec<Value> {
        let shown: Value =
            serde_json::from_str(&self.here(&["audit", "--json"]).expect(0).stdout).expect("JSON");
        assert_eq!(shown["whole"], true);
        shown["entries"].as_array().cloned().expect("a list")
    }
}

fn refused(ended: &Ended, why: &str) {
    assert_ne!(ended.exit, 0, "{ended:#?}");
    assert!(ended.stderr.contains(why), "not `{why}` but {ended:#?}");
}

#[test]
fn f16_a_token_may_do_what_its_role_says_and_the_log_says_who_did_what() {
    let site = Site::start();
    let [viewer, launcher, operator, admin] =
        ["viewer", "launcher", "operator", "admin"].map(|role| site.token(role, &["--role", role]));
    refused(&site.with(&viewer, &["run", "j"]), "token `viewer` has the role viewer and may not s");
    let run = site.submit(&launcher, "j", "default");
    site.wait_for(&viewer, &run);
    site.with(&viewer, &["value", "show", &run, "sum"]).expect(0);
    let held = site.submit(&launcher, "gated", "default");
    refused(&site.with(&viewer, &["cancel", &held]), "may not cancel runs: that takes the role launcher");
    site.with(&launcher, &["cancel", &held]).expect(0);
    refused(&site.with(&launcher, &["drain", "w"]), "may not drain workers: that takes the role operator");
    refused(&site.with(&operator, &["revoke", "w"]), "may not revoke workers: that takes the role admin");
    let asked = site.submit(&launcher, "asks", "default");
    until("the step waits to be approved", || {
        site.with(&viewer, &["why", &asked]).stdout.contains("it waits to be approved")
    });
    let approve = ["approve", &asked, "sum", "--note", "as agreed"];
    refused(&site.with(&launcher, &approve), "may not review steps: that takes the role operator");
    site.with(&operator, &approve).expect(0);
    site.wait_for(&viewer, &asked);
    let history = site.here(&["show", &asked, "--events"]).expect(0).stdout;
    assert!(history.contains(r#""end":"approved","by":"operator","note":"as agreed""#), "{history}");
    let mut join = site.project.command(["worker", "--scheduler", &site.cluster.address, "--token-file"]);
    join.arg(&admin).args(["--local-directory", "local"]);
    let ended: Ended = join.output().expect("it starts").into();
    refused(&ended, "workers join with the cluster's own token");
    site.with(&operator, &["drain", "w"]).expect(0);
    let done: Vec<(String, String, bool)> = site
        .audit()
        .iter()
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().expect("text").to_owned();
            (text("who"), text("did"), entry["refused"].is_string())
        })
        .collect();
    for (who, did, is_refused) in [
        ("the scheduler's host", "token.create", false),
        ("token `viewer`", "library.send", true),
        ("token `launcher`", "run.submit", false),
        ("token `viewer`", "run.cancel", true),
        ("token `launcher`", "run.cancel", false),
        ("token `launcher`", "worker.drain", true),
        ("token `launcher`", "step.review", true),
        ("token `operator`", "step.review", false),
        ("token `operator`", "worker.revoke", true),
        ("token `operator`", "worker.drain", false),
    ] {
        let found = done.iter().any(|entry| *entry == (who.to_owned(), did.to_owned(), is_refused));
        assert!(found, "no {who} {did} {is_refused} in {done:#?}");
    }
    let submitted = site.audit().into_iter().find(|entry| entry["did"] == "run.submit").expect("it is there");
    assert_eq!((&submitted["about"]["run"], &submitted["about"]["job"]), (&run.as_str().into(), &"j".into()));
    assert_eq!(submitted["from"], "127.0.0.1");
    assert!(submitted["about"]["libraries"]["typed"].as_str().expect("a digest").starts_with("sha256:"));
    let log = std::fs::read_to_string(site.cluster.state().join("audit.jsonl")).expect("it is there");
    std::fs::write(site.cluster.state().join("audit.jsonl"), log.replace("launcher", "operator"))
        .expect("it can be written");
    refused(&site.here(&["audit"]), "does not follow from the line before it");
}

#[test]
fn h_109_a_run_of_another_namespace_is_not_there() {
    let site = Site::start();
    let [a, b] = ["a", "b"].map(|name| site.token(name, &["--role", "operator", "--namespace", name]));
    refused(
        &site.with(&a, &["run", "j", "--tag", "cofferdam/namespace=b"]),
        "token `a` is for the namespace `a` and may not submit runs in `b`",
    );
    refused(&site.with(&a, &["run", "j"]), "may not submit runs in `default`");
    let (of_a, of_b) = (site.submit(&a, "j", "a"), site.submit(&b, "j", "b"));
    for (token, run) in [(&a, &of_a), (&b, &of_b)] {
        site.wait_for(token, run);
    }
    // A run that nobody has ever submitted.
    let nobody = format!("{}{}", &of_b[..of_b.len() - 4], "0000");
    for args in [
        vec!["show", "RUN"],
        vec!["logs", "RUN"],
        vec!["cancel", "RUN"],
        vec!["why", "RUN"],
        vec!["why", "RUN", "sum"],
        vec!["value", "show", "RUN", "sum"],
        vec!["rerun", "RUN"],
    ] {
        let say = |run: &str| {
            let args: Vec<&str> = args.iter().map(|arg| if *arg == "RUN" { run } else { arg }).collect();
            let ended = site.with(&a, &args);
            (ended.exit, ended.stdout, ended.stderr.replace(run, "RUN"))
        };
        let (hidden, absent) = (say(&of_b), say(&nobody));
        assert_ne!(hidden.0, 0, "{args:?}");
        assert_eq!(hidden, absent, "{args:?}");
    }
    let runs = |token: &Path| -> BTreeSet<String> {
        let listed: Value =
            serde_json::from_str(&site.with(token, &["runs", "--json"]).expect(0).stdout).expect("JSON");
        let runs = listed["runs"].as_array().expect("a list").iter();
        runs.map(|run| run["run"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(runs(&a), [of_a.clone()].into());
    assert_eq!(runs(&b), [of_b.clone()].into());
    assert_eq!(runs(&site.cluster.token_file()), [of_a, of_b].into());
    refused(&site.with(&a, &["drain", "w"]), "may not drain workers, which are of all namespaces");
    // Nor does the key of such a run tell which it is.
    let keyed = |token: &Path, namespace: &str| {
        let tag = format!("cofferdam/namespace={namespace}");
        site.with(token, &["run", "j", "--detach", "--tag", &tag, "--idempotency-key", "nightly"])
    };
    let of_b = keyed(&b, "b").expect(0).stdout.trim().to_owned();
    let taken = keyed(&a, "a");
    refused(&taken, "the idempotency key is in use");
    assert!(!format!("{taken:?}").contains(&of_b), "{taken:#?}");
}

/// Files below a folder in which a text stands.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is there").flatten().map(|entry| entry.path());
    let has = |path: &Path| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    };
    entries
        .flat_map(|path| match path.is_dir() {
            true => holding(&path, text),
            false if has(&path) => vec![path],
            false => vec![],
        })
        .collect()
}

#[test]
fn i_22_nothing_of_a_namespace_is_given_to_another_whatever_is_asked_for() {
    let site = Site::start();
    let both = ["a", "b"].map(|namespace| {
        let token = site.token(namespace, &["--role", "operator", "--namespace", namespace]);
        let (canary, tag) = (format!("canary-of-{namespace}"), format!("cofferdam/namespace={namespace}"));
        // In the config, in a log line, and in a value that is too large for the run log.
        let name = format!("{canary}-{}", "x".repeat(80_000));
        site.project.write("run.yaml", format!("ops: {{greet: {{config: {{name: {name}}}}}}}\n"));
        let args =
            ["run", "greets", "-c", "run.yaml", "--detach", "--tag", &tag, "--tag", &format!("of={canary}")];
        let run = site.with(&token, &args).expect(0).stdout.trim().to_owned();
        site.wait_for(&token, &run);
        (token, run, canary)
    });
    let [(_, of_a, canary_of_a), (_, of_b, canary_of_b)] = &both;
    let asked: [&[&str]; 24] = [
        &["show", "RUN"],
        &["show", "RUN", "--json"],
        &["show", "RUN", "--events"],
        &["show", "RUN", "--dagster-events"],
        &["show", "RUN", "--export", "stolen"],
        &["logs", "RUN"],
        &["logs", "RUN", "--json"],
        &["value", "show", "RUN", "greet"],
        &["value", "lineage", "RUN", "greet"],
        &["why", "RUN"],
        &["why", "RUN", "greet"],
        &["rerun", "RUN", "--detach"],
        &["rerun", "RUN", "--select", "greet", "--detach"],
        &["replay", "RUN", "greet"],
        &["runs", "export", "RUN", "stolen.tar"],
        &["runs", "pin", "RUN"],
        &["cancel", "RUN"],
        &["approve", "RUN", "greet"],
        &["show"],
        &["logs"],
        &["runs"],
        &["runs", "--json"],
        &["workers", "--json"],
        &["library", "channels"],
    ];
    for ((token, own, own_canary), (_, run, canary)) in [(&both[0], &both[1]), (&both[1], &both[0])] {
        for args in asked {
            let args: Vec<&str> =
                args.iter().map(|arg| if *arg == "RUN" { run.as_str() } else { *arg }).collect();
            let ended = site.with(token, &args);
            let told = format!("{}{}", ended.stdout, ended.stderr);
            assert!(!told.contains(canary), "{args:?}: {told:.2000}");
            let is_of_it = args.contains(&run.as_str());
            assert!(
                is_of_it == (ended.exit != 0) && (is_of_it || !told.contains(run)),
                "{args:?}: {told:.2000}"
            );
        }
        // What is its own it has.
        for args in [&["value", "show", own, "greet"][..], &["logs", own]] {
            let told = site.with(token, args).expect(0).stdout;
            assert!(told.contains(own_canary), "{args:?}: {told:.2000}");
        }
    }
    assert!(!["stolen", "stolen.tar"].iter().any(|name| site.project.path().join(name).exists()));
    let state = site.cluster.state();
    for (run, canary) in [(of_a, canary_of_a), (of_b, canary_of_b)] {
        let found = holding(&state, canary);
        let values = found.iter().filter(|path| path.starts_with(state.join("values")));
        assert!(values.clone().count() >= 1, "{found:?}");
        assert!(values.clone().all(|path| path.display().to_string().contains(run.as_str())), "{found:?}");
        let others = found.iter().filter(|path| !path.starts_with(state.join("values")));
        let is_log = |path: &&PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("runlog"))
        };
        assert!(others.clone().all(|path| is_log(&path)), "{found:?}");
    }
}

#[test]
fn f3_a_run_gets_what_its_job_asks_for_and_the_operator_grants_and_is_refused_by_name_without() {
    let site = Site::start();
    let plan = site.project.command(["plan", "gated"]).output().expect("it starts");
    let plan = Ended::from(plan).expect(0).stdout;
    for asked in
        ["asks for command sh -c until test -e ", "asks for environment PATH=$PATH", "asks for variable PATH"]
    {
        assert!(plan.contains(asked), "{asked}: {plan}");
    }
    let [a, b] = ["a", "b"].map(|name| site.token(name, &["--role", "launcher", "--namespace", name]));
    let lacking = site.with(&a, &["run", "gated", "--tag", "cofferdam/namespace=a"]);
    for said in [
        "a run in `a` is not granted what it asks for: ",
        "resource `gate` asks for `command sh -c until test -e ",
        "resource `gate` asks for the variable `PATH` of workers",
        "an operator grants it with `[[grants]]` in the scheduler's instance.toml",
    ] {
        refused(&lacking, said);
    }
    let run = site.submit(&b, "gated", "b");
    site.project.write("open", "");
    site.wait_for(&b, &run);
    let submitted =
        site.audit().into_iter().find(|entry| entry["did"] == "run.submit" && entry["refused"].is_null());
    let granted = submitted.expect("it is there")["about"]["granted"].clone();
    assert!(granted.to_string().contains("resource `gate` asks for `folder /`"), "{granted}");
    // What a job needs that asks for nothing, it has.
    site.submit(&a, "j", "a");
}

#[test]
fn h_108_a_token_that_is_revoked_or_whose_time_is_over_is_refused_and_what_it_watches_ends() {
    let site = Site::start();
    let token = site.token("ci", &["--role", "launcher"]);
    let held = std::fs::read_to_string(&token).expect("it was written");
    let secret = held.split('.').next().expect("a secret");
    let state = std::fs::read_dir(site.cluster.state()).expect("it is a folder");
    for file in state.map(|file| file.expect("a file").path()).filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).expect("it can be read");
        let kept = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!kept, "{} has the token", file.display());
    }
    let mut watching = site.command(&token, &["run", "gated"]);
    let mut watching = watching.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("the run", || site.with(&token, &["runs"]).expect(0).stdout.contains("running"));
    site.here(&["token", "revoke", "ci"]).expect(0);
    let revoked = Instant::now();
    let ended = watching.wait().expect("it can be waited for");
    assert!(revoked.elapsed() < REVOKED_WITHIN, "{:?}", revoked.elapsed());
    assert!(!ended.success());
    refused(&site.with(&token, &["runs"]), "the token is not this cluster's, or not any more");
    // The run is the cluster's.
    let own = site.cluster.token_file();
    assert!(site.with(&own, &["runs"]).expect(0).stdout.contains("running"));
    let brief = site.token("brief", &["--role", "viewer", "--expires", "2s"]);
    site.with(&brief, &["runs"]).expect(0);
    let mut said = String::new();
    until("the end of its time", || {
        said = site.with(&brief, &["runs"]).stderr;
        said.contains("refuses the token")
    });
    assert!(said.contains("the time of token `brief` is over"), "{said}");
    assert!(site.here(&["token", "list"]).expect(0).stdout.contains("(over)"));
}

#[test]
fn d7_in_a_namespace_only_libraries_run_that_a_key_of_the_operators_list_has_signed() {
    let project = Project::with("", &["typed", "resources"]);
    project.write("cofferdam.toml", format!("{DEFINITIONS}{}", gate(&project)));
    let here = |args: &[&str]| -> Ended { project.command(args).output().expect("it starts").into() };
    let key = here(&["library", "keygen", "release.key"]).expect(0).stdout.trim().to_owned();
    here(&["library", "keygen", "own.key"]).expect(0);
    refused(&here(&["library", "keygen", "own.key"]), "is there already");
    let settings = format!("[[signers]]\nnamespaces = [\"prod\"]\nkeys = [\"{key}\"]\n");
    let (cluster, _serving) = Cluster::start_with(&settings);
    let run = |namespace: &str| -> Ended {
        let tag = format!("cofferdam/namespace={namespace}");
        let mut command = project.command(["run", "j", "--detach", "--tag", &tag]);
        command.args(["--cluster", &cluster.address, "--token-file"]).arg(cluster.token_file());
        command.output().expect("it starts").into()
    };
    run("lab").expect(0);
    let unsigned = run("prod").expect(3);
    refused(&unsigned, "the library `typed` (sha256:");
    refused(&unsigned, "has no signature of a key that may sign for `prod`: nobody has signed it");
    refused(&here(&["library", "verify", "typed"]), "nobody has signed it");
    here(&["library", "sign", "typed", "--key", "own.key"]).expect(0);
    here(&["library", "verify", "typed"]).expect(0);
    refused(&here(&["library", "verify", "typed", "--key", &key]), "it is signed by ed25519:");
    refused(&run("prod"), "it is signed by ed25519:");
    let signed = here(&["library", "sign", "typed", "--key", "release.key"]).expect(0).stdout;
    assert!(signed.contains(&key), "{signed}");
    here(&["library", "verify", "typed", "--key", &key]).expect(0);
    run("prod").expect(0);
    // A signature of another library, or one that was changed, is none.
    let folder = project.path().join("signatures");
    for file in std::fs::read_dir(folder).expect("it is there").map(|file| file.expect("a file").path()) {
        let text = std::fs::read_to_string(&file).expect("text");
        std::fs::write(&file, text.replace("cofferdam:op@", "cofferdam:on@")).expect("it can be written");
    }
    let changed = run("prod").expect(3);
    refused(&changed, "does not hold: something of it was changed");
    refused(&changed, "nobody has signed it");
    std::fs::write(project.path().join("release.key"), "no key").expect("it can be written");
    refused(&here(&["library", "sign", "typed", "--key", "release.key"]), "no private key of Ed25519");
}
