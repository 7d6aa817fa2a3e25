//! A cluster as those see it who ask: runs looked at, followed, cancelled, executed again, and assets made, all over the
//! network, from folders that share nothing with the scheduler's.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use cofferdam_e2e::ask::{beside, command, ended, gate, joined, json, run, start, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{id, n_attempts, statuses, text};
use cofferdam_e2e::{Ended, Project};
use serde_json::Value;

/// H2: a line is with who follows the run this soon after it was written.
const LOG_LATENCY_MAX: Duration = Duration::from_secs(1);

/// More lines than an attempt may write.
const N_FLOOD: usize = 30_000;

const LIBRARIES: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
"#;

const JOB: &str = r#"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 3 }
[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 1 }
[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "work" }
"#;

/// A step that goes on until there is a file.
fn gated(project: &Project) -> String {
    gate(project)
        + r#"
[jobs.gated.steps.gate]
op = "resources.announce"
bind = { program = "gate" }
inputs.arguments = { value = [] }
"#
}

fn project(definitions: &str) -> Project {
    Project::with(&format!("{LIBRARIES}{definitions}"), &["typed", "resources"])
}

fn gated_project(more: &str) -> Project {
    let project = project("");
    let definitions = format!("{LIBRARIES}{more}{}", gated(&project));
    project.write("cofferdam.toml", definitions);
    project
}

/// The id of the only run.
fn only_run(project: &Project, cluster: &Cluster) -> String {
    let mut found = None;
    until("a run", || {
        let runs = json(project, cluster, &["runs"]);
        found = runs["runs"].as_array().and_then(|runs| runs.first()).map(|run| id(run).to_owned());
        found.is_some()
    });
    found.expect("it was found")
}

/// Without how long ago something was: a second may pass between two commands.
fn ageless(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let ages = words.windows(3).enumerate().filter(|(_, three)| three[1..] == ["s", "ago"]).map(|(at, _)| at);
    let ages: Vec<usize> = ages.collect();
    let kept = words.iter().enumerate().filter(|(at, _)| !ages.contains(at)).map(|(_, word)| *word);
    kept.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_a_cluster_has_run_reads_the_same_over_the_network_as_beside_it() {
    let project = project(JOB);
    let nowhere = Project::with("", &[]);
    std::fs::remove_file(nowhere.path().join("cofferdam.toml")).expect("it can be removed");
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    assert_eq!(
        run(&nowhere, &cluster, &["runs"]).expect(0).stdout,
        beside(&nowhere, &cluster, &["runs"]).stdout
    );
    let detached = run(&project, &cluster, &["run", "j", "--detach"]).expect(0);
    let run_id = detached.stdout.trim();
    // The key of a run that is known follows that run; here it is found by its id.
    until("the end", || json(&nowhere, &cluster, &["show", run_id])["status"] == "succeeded");
    let commands: [&[&str]; 8] = [
        &["runs", "--json"],
        &["runs", "--job", "j", "--limit", "1"],
        &["show", run_id, "--json"],
        &["show", "--events"],
        &["logs", run_id, "--step", "work"],
        &["logs", "--json"],
        &["value", "show", run_id, "sum"],
        &["value", "show", run_id, "numbers", "each", "--key", "n2", "--raw"],
    ];
    for args in commands {
        let far = run(&nowhere, &cluster, args).expect(0);
        let near = beside(&nowhere, &cluster, args).expect(0);
        assert_eq!(ageless(&far.stdout), ageless(&near.stdout), "{args:?}");
        assert!(!far.stdout.is_empty(), "{args:?}");
    }
    run(&nowhere, &cluster, &["show", "--export", "out"]).expect(0);
    assert_eq!(nowhere.read("out/sum.json").trim(), "3");
    assert!(run(&nowhere, &cluster, &["runs", "pin", run_id]).expect(0).stdout.contains("is pinned"));
    assert!(beside(&nowhere, &cluster, &["runs", "pin", run_id]).exit != 0, "its log has one writer");
    assert!(
        run(&nowhere, &cluster, &["runs", "unpin", run_id]).expect(0).stdout.contains("not pinned any more")
    );

    // Executed again from where nothing but the cluster is known: its plan and its libraries are there.
    let again = json(&nowhere, &cluster, &["rerun", run_id, "--select", "sum"]);
    assert_eq!((&again["status"], &again["origin"]["parent"]), (&"succeeded".into(), &run_id.into()));
    let tried: Vec<&str> =
        statuses(&again).iter().map(|(step, _)| *step).filter(|step| n_attempts(&again, step) > 0).collect();
    assert_eq!(tried, ["sum"], "the others are taken over");
}

#[test]
fn what_cannot_be_asked_of_a_cluster_is_said_with_a_way_out() {
    let project = project(JOB);
    let (cluster, serving) = Cluster::start();
    let said = |args: &[&str], exit: i32, words: &str| {
        let ended = run(&project, &cluster, args).expect(exit);
        assert!(ended.stderr.contains(words) && ended.stderr.contains("hint: "), "{args:?}: {ended:#?}");
    };
    said(&["show"], 2, "nothing has run here yet");
    for args in
        [&["show", "ffff"][..], &["logs", "ffff", "--follow"], &["cancel", "ffff"], &["rerun", "ffff"]]
    {
        said(args, 2, "no run starts with `ffff`");
    }
    said(&["drain", "nobody"], 2, "no worker `nobody` is joined");
    said(&["run", "j", "--slots", "2"], 2, "`--slots` and `--resources` say what this process offers");
    let detached = project.run(["run", "j", "--detach"]).expect(2);
    assert!(detached.stderr.contains("a run in this process ends with it"), "{detached:#?}");
    let token = std::fs::read_to_string(cluster.token_file()).expect("there is a token");
    let (_, authority) = token.rsplit_once('.').expect("it names its authority");
    project.write("wrong", format!("0123456789abcdef0123456789abcdef0123456789abcdef.{authority}"));
    for args in [
        &["runs"][..],
        &["show"],
        &["logs"],
        &["cancel", "f"],
        &["value", "show", "f", "s"],
        &["asset", "list"],
    ] {
        let mut wrong = command(&project, &cluster, args);
        let wrong: Ended = wrong.env("COFFERDAM_TOKEN_FILE", "wrong").output().expect("it starts").into();
        if args[0] == "asset" {
            assert!(wrong.expect(3).stderr.contains("defines no asset"), "the project is looked at first");
            continue;
        }
        assert!(wrong.stderr.contains("refuses the token"), "{args:?}: {wrong:#?}");
        wrong.expect(2);
    }
    drop(serving);
    for args in [&["runs"][..], &["show"], &["logs"], &["cancel", "f"], &["drain", "1"]] {
        said(args, 5, "cannot be reached");
    }
}

#[test]
fn h2_what_a_step_says_is_read_while_it_runs_and_kept_and_what_is_too_much_is_counted() {
    let project = gated_project("");
    project.write("flood.yaml", format!("ops: {{gate: {{config: {{lines: {N_FLOOD}}}}}}}\n"));
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let mut follower = start(&project, &cluster, &["run", "gated", "-c", "flood.yaml", "--follow"]);
    let run_id = only_run(&project, &cluster);
    let mut logs = start(&project, &cluster, &["logs", &run_id, "--follow", "--json"]);
    let mut lines = BufReader::new(logs.stdout.take().expect("it is piped")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("it can be read");
        serde_json::from_str(&line).expect("a line is a document")
    };
    // The step is at its gate: whatever is read now is read while it runs.
    let mut said: Vec<(String, String)> = vec![];
    for _ in 0..3 {
        let line = next();
        said.push((text(&line, "source").to_owned(), text(&line, "message").to_owned()));
    }
    said.sort();
    let words = |source: &str, message: &str| (source.to_owned(), message.to_owned());
    assert_eq!(
        said,
        [
            words("op", "before, in the log"),
            words("stderr", "before, on stderr"),
            words("stdout", "before, on stdout")
        ]
    );
    let mut seen = BufReader::new(follower.stderr.take().expect("it is piped")).lines();
    for part in ["before, on stdout", "before, on stderr", "before, in the log"] {
        assert!(seen.any(|line| line.expect("it can be read").contains(part)), "{part}");
    }
    // Who does not read holds up the program that it follows, and nothing else; here it is read on.
    let reader = std::thread::spawn(move || seen.count());
    assert_eq!(json(&project, &cluster, &["show", &run_id])["status"], "running");
    project.write("open", "");
    let opened = Instant::now();
    assert_eq!(next()["message"], "after");
    // Of this the gate itself takes some 20 ms.
    let latency = opened.elapsed();
    assert!(latency < LOG_LATENCY_MAX, "{latency:?}");
    let followed = 4 + lines.count();
    assert_eq!(ended(logs).exit, 0, "it ends with the run");
    assert_eq!(ended(follower).exit, 0);
    reader.join().expect("it reads to the end");
    // What is too much is dropped and counted, and who follows sees what is kept.
    let kept = json(&project, &cluster, &["logs", &run_id]);
    let kept = kept["lines"].as_array().expect("lines");
    let last = text(kept.last().expect("a line"), "message");
    assert!(last.contains("log lines dropped"), "{last}");
    let dropped: usize = last.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    assert_eq!(kept.len() - 1 + dropped, N_FLOOD + 4, "each line is kept or counted");
    assert_eq!(followed, kept.len());
}

#[test]
fn a_run_that_is_cancelled_from_elsewhere_ends_cancelled_for_all_who_watch() {
    let project = gated_project("");
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let watching = start(&project, &cluster, &["run", "gated"]);
    let run_id = only_run(&project, &cluster);
    until("a step runs", || json(&project, &cluster, &["show", &run_id])["status"] == "running");
    let said = run(&project, &cluster, &["cancel", &run_id[..18]]).expect(0);
    assert!(said.stdout.contains("starts nothing more"), "{said:#?}");
    assert_eq!(ended(watching).exit, 11);
    assert_eq!(json(&project, &cluster, &["show", &run_id])["status"], "cancelled");
    let twice = run(&project, &cluster, &["cancel", &run_id]).expect(2);
    assert!(twice.stderr.contains("has ended"), "{twice:#?}");
}

#[test]
fn a_worker_that_is_drained_ends_what_it_has_and_goes_and_another_does_the_rest() {
    let project = gated_project(JOB);
    let (cluster, _serving) = Cluster::start();
    let mut leaving = joined(cluster.worker("leaving", &[]));
    let watching = start(&project, &cluster, &["run", "gated", "--json"]);
    let run_id = only_run(&project, &cluster);
    until("a step runs", || json(&project, &cluster, &["show", &run_id])["status"] == "running");
    let said = run(&project, &cluster, &["drain", "leaving"]).expect(0);
    assert!(said.stdout.contains("(leaving) gets nothing more"), "{said:#?}");
    let state = |name: &str| -> Option<bool> {
        let workers = json(&project, &cluster, &["workers"]);
        let workers = workers["workers"].as_array().expect("workers").clone();
        workers.iter().find(|worker| worker["name"] == name)?["leaving"].as_bool()
    };
    assert_eq!(state("leaving"), Some(true));
    let other = start(&project, &cluster, &["run", "j", "--json"]);
    let _other = joined(cluster.worker("other", &[]));
    assert_eq!(ended(other).exit, 0, "the other worker does it");
    assert_eq!((state("leaving"), state("other")), (Some(true), Some(false)), "what it runs goes on");
    project.write("open", "");
    assert_eq!(ended(watching).exit, 0);
    assert_eq!(leaving.wait(), Some(0));
    until("it is gone", || state("leaving").is_none());
    let events = beside(&project, &cluster, &["show", &run_id, "--events"]).stdout;
    assert!(!events.contains("step_lost"), "{events}");
}

#[test]
fn g2_a_run_is_the_clusters_when_it_is_accepted_and_a_key_finds_it_again() {
    let project = gated_project("");
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let args = ["run", "gated", "--idempotency-key", "today"];
    let detached = json(&project, &cluster, &[&args[..], &["--detach"]].concat());
    let mut watching = start(&project, &cluster, &[&args[..], &["--json"]].concat());
    until("a step runs", || json(&project, &cluster, &["show"])["status"] == "running");
    watching.kill().expect("the client can be killed");
    watching.wait().expect("the client can be waited for");
    project.write("open", "");
    let found = json(&project, &cluster, &args);
    assert_eq!((&found["run"], &found["status"]), (&detached["run"], &"succeeded".into()));
    assert_eq!(json(&project, &cluster, &["runs"])["runs"].as_array().map(Vec::len), Some(1));
}

/// A job that fails the first time.
fn second_time(project: &Project) -> String {
    let seen = project.path().join("seen");
    format!(
        r#"
[resources.gate]
kind = "command"
program = "sh"
arguments = ["-c", "test -e {0} || {{ touch {0}; exit 1; }}"]
folder = "/"
env = {{ PATH = {{ env = "PATH" }} }}
[jobs.j]
run_retry = {{ max_retries = 1 }}
[jobs.j.steps.before]
op = "typed.double"
inputs.number = {{ value = 2 }}
[jobs.j.steps.gate]
op = "resources.execute"
bind = {{ program = "gate" }}
inputs.arguments = {{ value = [] }}
after = ["before"]
"#,
        seen.display()
    )
}

#[test]
fn a_failed_run_is_executed_again_by_the_cluster_once_whoever_watches_or_dies() {
    let wanted = |project: &Project, cluster: &Cluster| {
        let mut runs = vec![];
        until("the retry", || {
            runs = json(project, cluster, &["runs"])["runs"].as_array().cloned().unwrap_or_default();
            runs.first().is_some_and(|run| run["status"] == "succeeded")
        });
        let ends: Vec<&str> = runs.iter().map(|run| text(run, "status")).collect();
        assert_eq!(ends, ["succeeded", "failed"]);
        let origin = &runs[0]["origin"];
        assert_eq!((&origin["parent"], &origin["root"]), (&runs[1]["run"], &runs[1]["run"]));
        assert_eq!((&origin["automatic"], &origin["how"]), (&true.into(), &"from_failure".into()));
        assert_eq!(runs[0]["tags"]["dagster/retry_number"], "1");
        let again = json(project, cluster, &["show", id(&runs[0])]);
        assert_eq!(statuses(&again), [("gate", "succeeded")], "what had succeeded is not run again");
    };
    // Somebody watches: the retry is followed, and its end is the answer.
    let watched = project("");
    watched.write("cofferdam.toml", format!("{LIBRARIES}{}", second_time(&watched)));
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let seen = run(&watched, &cluster, &["run", "j"]).expect(0);
    assert!(seen.stderr.contains("retry 1 of the run, from the failure"), "{seen:#?}");
    wanted(&watched, &cluster);

    // Nobody watches, and the scheduler is killed when the run has failed: before the retry is recorded, or after.
    for wait in [0, 20, 60] {
        let project = project("");
        project.write("cofferdam.toml", format!("{LIBRARIES}{}", second_time(&project)));
        let (cluster, mut serving) = Cluster::start();
        let _worker = joined(cluster.worker("w", &[]));
        run(&project, &cluster, &["run", "j", "--detach"]).expect(0);
        let failed = || beside(&project, &cluster, &["runs", "--json"]).stdout.contains("\"failed\"");
        until("the failure", failed);
        let spread = Instant::now();
        while spread.elapsed() < Duration::from_millis(wait) {
            std::hint::spin_loop();
        }
        serving.kill();
        let _serving = cluster.serve();
        until("the scheduler", || run(&project, &cluster, &["runs"]).exit == 0);
        wanted(&project, &cluster);
    }
}

const ASSETS: &str = r#"
[partitions.days]
kind = "static"
keys = ["mon", "tue", "wed"]
[partitions.customers]
kind = "dynamic"
[assets.base]
op = "typed.work"
key = "raw/base"
inputs.number = { value = 4 }
config = { rounds = 1 }
[assets.twice]
op = "typed.double"
key = "made/twice"
group = "made"
inputs.number = { asset = "raw/base" }
[assets.daily]
op = "typed.double"
inputs.number = { value = 3 }
partitions = "days"
[assets.total]
op = "typed.sum"
inputs.numbers = { asset = "daily", partitions = "all" }
[assets.invoices]
op = "typed.double"
inputs.number = { value = 1 }
partitions = "customers"
[asset_jobs.made]
select = "group:made"
"#;

#[test]
fn assets_that_a_cluster_makes_have_the_catalog_that_one_process_gives_them() {
    let project = project(ASSETS);
    let (cluster, _serving) = Cluster::start();
    let _workers = ["a", "b"].map(|name| joined(cluster.worker(name, &[])));
    let stories: [(&[&str], i32); 9] = [
        (&["run", "made"], 3),
        (&["asset", "materialize", "key:\"raw/base\""], 0),
        (&["run", "made"], 0),
        (&["asset", "backfill", r#"key:"daily" or key:"total""#, "--partitions", "all"], 0),
        (&["asset", "partitions", "add", "customers", "acme", "initech"], 0),
        (&["asset", "materialize", "invoices", "--partition", "acme"], 0),
        (&["asset", "materialize", "invoices", "--partition", "nobody"], 3),
        (&["asset", "materialize", "made/twice", "--stale-only"], 0),
        (&["asset", "partitions", "remove", "customers", "initech"], 0),
    ];
    for (args, exit) in stories {
        let (near, far) = (project.run(args).expect(exit), run(&project, &cluster, args).expect(exit));
        if exit != 0 {
            assert_eq!(near.stderr, far.stderr, "{args:?}");
        }
    }
    let without_runs = |mut document: Value| {
        forget(&mut document);
        document
    };
    let looks: [&[&str]; 5] = [
        &["asset", "list"],
        &["asset", "show", "made/twice"],
        &["asset", "show", "daily", "--partition", "tue"],
        &["asset", "partitions", "daily"],
        &["asset", "partitions", "invoices"],
    ];
    for args in looks {
        let (exit, near) = project.json(args);
        let far = json(&project, &cluster, args);
        assert_eq!(exit, 0, "{near:#}");
        assert_eq!(without_runs(near), without_runs(far), "{args:?}");
    }
    let runs = |ended: Ended| serde_json::from_str::<Value>(&ended.stdout).expect("one document");
    let near = runs(project.run(["runs", "--json"]));
    let far = json(&project, &cluster, &["runs"]);
    let count = |runs: &Value| runs["runs"].as_array().map(Vec::len);
    assert_eq!(count(&near), count(&far));
    // What was made there is read there.
    let show = json(&project, &cluster, &["asset", "show", "made/twice"]);
    let made = text(&show["history"][0], "run").to_owned();
    assert_eq!(json(&project, &cluster, &["value", "show", &made, "twice"])["value"], 8);
}

/// Drops what differs from run to run.
fn forget(document: &mut Value) {
    match document {
        Value::Object(fields) => {
            for name in ["run", "at", "number", "seq", "value"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

#[test]
fn a_run_config_sends_a_run_to_a_cluster_and_a_flag_lies_over_it() {
    let project = project(JOB);
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &[]));
    let existing = |address: &str| {
        project.write(
            "run.yaml",
            format!("execution: {{config: {{cluster: {{existing: {{address: {address}}}}}}}}}\n"),
        );
    };
    let run_it = |more: &[&str], variable: Option<&str>| -> Ended {
        let mut command = project.command([&["run", "j", "-c", "run.yaml", "--json"][..], more].concat());
        command.env("COFFERDAM_TOKEN_FILE", cluster.token_file());
        variable.map(|address| command.env("SCHEDULER", address));
        command.output().expect("it starts").into()
    };
    let n_there = || json(&project, &cluster, &["runs"])["runs"].as_array().expect("runs").len();
    existing(&format!("\"{}\"", cluster.address));
    run_it(&[], None).expect(0);
    assert_eq!(n_there(), 1);
    existing("{env: SCHEDULER}");
    run_it(&[], Some(&cluster.address)).expect(0);
    assert_eq!(n_there(), 2);
    let unset = run_it(&[], None).expect(2);
    assert!(unset.stderr.contains("from `SCHEDULER`, which is not set"), "{unset:#?}");
    // Nobody is there; the flag says where somebody is.
    existing("\"127.0.0.1:1\"");
    run_it(&[], None).expect(5);
    run_it(&["--cluster", &cluster.address], None).expect(0);
    assert_eq!(n_there(), 3);
    project.write("run.yaml", "execution: {config: {in_process: {}}}\n");
    run_it(&[], None).expect(0);
    assert_eq!(n_there(), 3, "it ran here");
}
