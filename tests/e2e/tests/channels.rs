//! Channels: which version of a library runs where a channel is named, rolled out and back while runs come and go.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cofferdam_e2e::ask::{self, beside, gate, joined, json, n_at_the_gate, until};
use cofferdam_e2e::cluster::{Cluster, Process};
use cofferdam_e2e::{Ended, Project};
use serde_json::Value;

const JOBS: &str = r#"
[libraries.typed]
channel = "typed/prod"
[libraries.resources]
wasm = "lib/resources.wasm"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "numbers.each" }
[jobs.held.steps.gate]
op = "resources.announce"
bind = { program = "gate" }
inputs.arguments = { value = [] }
[jobs.held.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
after = ["gate"]
"#;

/// A project that names a channel, with two versions of the library in `lib`: `typed.wasm` and `two.wasm`.
fn project() -> Project {
    let project = Project::with("", &["typed", "resources"]);
    project.write("cofferdam.toml", format!("{JOBS}{}", gate(&project)));
    // A section that nobody reads makes it another library that does the same.
    let one = std::fs::read(project.path().join("lib/typed.wasm")).expect("it is there");
    project.write("lib/two.wasm", [one.as_slice(), b"\0\x04\x03two"].concat());
    project
}

fn refused(ended: &Ended, why: &str) {
    assert_ne!(ended.exit, 0, "{ended:#?}");
    assert!(ended.stderr.contains(why), "not `{why}` but {ended:#?}");
}

fn digest(project: &Project, file: &str) -> String {
    let (_, inspected) = project.json(["library", "inspect", file]);
    inspected["digest"].as_str().expect("a library has a digest").to_owned()
}

/// The library that each submitted run has under the name `typed`, by the audit log, oldest first.
fn submitted(project: &Project, cluster: &Cluster) -> Vec<(String, String)> {
    let shown: Value = serde_json::from_str(&beside(project, cluster, &["audit", "--json"]).expect(0).stdout)
        .expect("it answers with JSON");
    let entries = shown["entries"].as_array().expect("a list").iter();
    let runs = entries.filter(|entry| entry["did"] == "run.submit").map(|entry| &entry["about"]);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    runs.map(|about| (text(&about["run"]), text(&about["libraries"]["typed"]))).collect()
}

#[test]
fn d5_a_channel_is_rolled_out_and_back_by_one_command_each_in_mid_traffic_and_runs_keep_what_they_have() {
    let project = project();
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &["--slots", "4"]));
    let [one, two] = ["lib/typed.wasm", "lib/two.wasm"].map(|file| digest(&project, file));
    let library = |args: &[&str]| ask::run(&project, &cluster, &[&["library"], args].concat()).expect(0);
    library(&["promote", "lib/typed.wasm", "typed/prod"]);
    let held = ask::detach(&project, &cluster, &["held"]);
    until("the held run", || n_at_the_gate(&project) == 1);

    let (runs, is_over) = (Mutex::new(vec![]), AtomicBool::new(false));
    let more_runs = || {
        let before = runs.lock().expect("nobody panics").len();
        until("two more runs", || runs.lock().expect("nobody panics").len() >= before + 2);
    };
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        let traffic = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let run = ask::detach(&project, &cluster, &["j"]);
                runs.lock().expect("nobody panics").push(run);
            }
        });
        more_runs();
        library(&["promote", "lib/two.wasm", "typed/prod"]);
        more_runs();
        let back = library(&["rollback", "typed/prod"]).stdout;
        assert_eq!(back.trim(), format!("typed/prod is on {one}"));
        more_runs();
        is_over.store(true, Ordering::Relaxed);
        traffic.join().expect("every run was submitted");
    });
    project.write("open", "");
    let runs = [runs.into_inner().expect("nobody panics"), vec![held.clone()]].concat();
    for run in &runs {
        until("the end of a run", || json(&project, &cluster, &["show", run])["status"] == "succeeded");
    }
    let submitted = submitted(&project, &cluster);
    assert_eq!(submitted.len(), runs.len());
    assert_eq!(submitted[0], (held, one.clone()));
    let mut digests: Vec<&String> = submitted.iter().map(|(_, library)| library).collect();
    digests.dedup();
    assert_eq!(digests, [&one, &two, &one], "out and back, with no run in between that has another");
}

/// Ends the traffic also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A token for clients, in a file of the project.
fn token(project: &Project, cluster: &Cluster, name: &str, more: &[&str]) -> PathBuf {
    let made = beside(project, cluster, &[&["token", "create", name], more].concat()).expect(0);
    project.write_secret(name, &made.stdout)
}

fn with(project: &Project, cluster: &Cluster, token: &Path, args: &[&str]) -> Ended {
    let mut command = project.command([&["library"], args].concat());
    command.args(["--cluster", &cluster.address, "--token-file"]).arg(token);
    command.output().expect("the program can be started").into()
}

#[test]
fn d5_only_operators_move_a_channel_and_who_did_when_outlives_the_scheduler() {
    let project = project();
    let (cluster, mut serving): (Cluster, Process) = Cluster::start();
    let [one, two] = ["lib/typed.wasm", "lib/two.wasm"].map(|file| digest(&project, file));
    let [viewer, launcher, ops, anna] =
        [("viewer", "viewer"), ("launcher", "launcher"), ("ops", "operator"), ("anna", "operator")]
            .map(|(name, role)| token(&project, &cluster, name, &["--role", role]));
    let scoped = token(&project, &cluster, "scoped", &["--role", "operator", "--namespace", "a"]);
    let elsewhere = "is for the namespace `a` and may not promote libraries on `typed/prod`";
    let promote =
        |token: &Path, file: &str| with(&project, &cluster, token, &["promote", file, "typed/prod"]);
    let back = |token: &Path| with(&project, &cluster, token, &["rollback", "typed/prod"]);

    refused(
        &ask::run(&project, &cluster, &["run", "j"]),
        "there is no channel `typed/prod` where this would run",
    );
    let takes = "may not promote libraries: that takes the role operator";
    refused(&promote(&launcher, "lib/typed.wasm"), takes);
    refused(&promote(&scoped, "lib/typed.wasm"), elsewhere);
    promote(&ops, "lib/typed.wasm").expect(0);
    refused(&back(&ops), "`typed/prod` was on nothing before sha256:");
    promote(&ops, "lib/two.wasm").expect(0);
    refused(&back(&launcher), takes);
    let again = promote(&ops, "lib/two.wasm").expect(0).stdout;
    assert_eq!(again.trim(), format!("typed/prod was on {two} already"));

    serving.kill();
    drop(serving);
    let _serving = cluster.serve_with(&[]);
    back(&anna).expect(0);
    let shown = with(&project, &cluster, &viewer, &["channels", "typed/prod", "--json"]).expect(0);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let told: Vec<_> = shown["promotions"].as_array().expect("a list").iter().collect();
    let what = |n: usize| [&told[n]["library"], &told[n]["who"], &told[n]["rolled_back"]];
    assert_eq!(told.len(), 3);
    assert_eq!(what(0), [&Value::from(one.as_str()), &"token `anna`".into(), &true.into()]);
    assert_eq!(what(1), [&Value::from(two.as_str()), &"token `ops`".into(), &false.into()]);
    assert_eq!(what(2), [&Value::from(one.as_str()), &"token `ops`".into(), &false.into()]);
    let listed = with(&project, &cluster, &viewer, &["channels"]).expect(0).stdout;
    assert!(listed.contains("typed/prod") && listed.contains(&one[..19]), "{listed}");
    let audit = beside(&project, &cluster, &["audit"]).expect(0).stdout;
    assert!(audit.contains("token `anna` from 127.0.0.1: library.promote"), "{audit}");
    assert!(audit.contains(": library.promote refused: token `launcher`"), "{audit}");
    refused(
        &with(&project, &cluster, &ops, &["promote", "lib/two.wasm", "the prod"]),
        "a channel is named by",
    );
}

#[test]
fn h_109_channels_of_a_namespace_are_neither_seen_nor_moved_by_another() {
    let project = project();
    let (cluster, _serving) = Cluster::start();
    let of = |name: &str| token(&project, &cluster, name, &["--role", "operator", "--namespace", name]);
    let (a, b) = (of("a"), of("b"));
    let ops = token(&project, &cluster, "ops", &["--role", "operator"]);
    let promote = |token: &Path, channel: &str| {
        with(&project, &cluster, token, &["promote", "lib/typed.wasm", channel])
    };
    promote(&a, "a/prod").expect(0);
    promote(&b, "b/prod").expect(0);
    promote(&ops, "prod").expect(0);
    let listed = |token: &Path| {
        let shown = with(&project, &cluster, token, &["channels", "--json"]).expect(0);
        let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
        let promotions = shown["promotions"].as_array().expect("a list").iter();
        promotions.map(|one| one["channel"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&a), ["a/prod", "prod"]);
    assert_eq!(listed(&b), ["b/prod", "prod"]);
    assert_eq!(listed(&ops), ["a/prod", "b/prod", "prod"]);

    // One that is another's is answered as one that never was.
    let asked = |args: &[&str]| {
        let ended = with(&project, &cluster, &b, args);
        assert_ne!(ended.exit, 0, "{ended:#?}");
        ended.stderr.replace(args[args.len() - 1], "CHANNEL")
    };
    for act in [&["channels"][..], &["rollback"], &["promote", "lib/two.wasm"]] {
        let with = |channel| [act, &[channel]].concat();
        assert_eq!(asked(&with("a/prod")), asked(&with("a/never")), "{act:?}");
    }
    refused(&promote(&b, "prod"), "and one without to all");
    assert_eq!(listed(&a), ["a/prod", "prod"]);
    let history = with(&project, &cluster, &a, &["channels", "a/prod", "--json"]).expect(0).stdout;
    let history: Value = serde_json::from_str(&history).expect("JSON");
    assert_eq!(history["promotions"].as_array().map(Vec::len), Some(1), "nobody else has moved it");
}

#[test]
fn d5_a_project_without_a_cluster_has_channels_too_and_what_they_may_go_back_to_stays() {
    let project = project();
    let [one, two] = ["lib/typed.wasm", "lib/two.wasm"].map(|file| digest(&project, file));
    let pinned = || {
        let (_, planned) = project.json(["plan", "j"]);
        planned["plan"]["libraries"]["typed"].as_str().expect("it is pinned").to_owned()
    };
    refused(&project.run(["plan", "j"]), "there is no channel `typed/prod`");
    refused(&project.run(["library", "rollback", "typed/prod"]), "there is no channel `typed/prod`");
    project.run(["library", "promote", "lib/typed.wasm", "typed/prod"]).expect(0);
    assert_eq!(pinned(), one);
    project.run(["library", "promote", "lib/two.wasm", "typed/prod"]).expect(0);
    assert_eq!(pinned(), two);
    project.run(["run", "j"]).expect(0);
    // Long ago, as `gc` sees it.
    let libraries = project.path().join(".cofferdam/libraries/v1/libraries");
    for entry in std::fs::read_dir(libraries).expect("they are there") {
        let path = entry.expect("it can be read").path();
        let file = std::fs::File::options().write(true).open(path).expect("an own file");
        let written = file.metadata().and_then(|metadata| metadata.modified()).expect("it has a time");
        file.set_modified(written - Duration::from_secs(7200)).expect("its time can be set");
    }
    project.run(["gc"]).expect(0);
    project.run(["library", "rollback", "typed/prod"]).expect(0);
    assert_eq!(pinned(), one);
    project.run(["run", "j"]).expect(0);
    // What was run is run again, whatever the channel is on now.
    project.run(["library", "promote", "lib/two.wasm", "typed/prod"]).expect(0);
    let (_, again) = project.json(["rerun"]);
    let (_, shown) = project.json(["show", again["run"].as_str().expect("a run")]);
    assert_eq!(shown["status"], "succeeded");
}
