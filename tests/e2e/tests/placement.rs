//! Which step goes where on a cluster of real processes, and what is said of those that wait.

use std::process::Child;

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{detach, ended, events, gate, joined, json, run, start, until};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{n_given_out, of_type, step, steps, text};
use serde_json::Value;

const LIBRARIES: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"
"#;

/// A project whose steps named here go on until the gate is open; each with what is said of it beside.
fn project(jobs: &[(&str, &[(&str, &str)])], more: &str) -> Project {
    let project = Project::with("", &["typed", "resources"]);
    let steps = jobs.iter().flat_map(|(job, steps)| {
        steps.iter().map(move |(key, more)| {
            format!(
                "[jobs.{job}.steps.{key}]\nop = \"resources.announce\"\nbind = {{ program = \"gate\" }}\ninputs.arguments = {{ value = [] }}\n{more}\n"
            )
        })
    });
    let steps: String = steps.collect();
    project.write("cofferdam.toml", format!("{LIBRARIES}{}{more}{steps}", gate(&project)));
    project
}

fn why(project: &Project, cluster: &Cluster, run_id: &str, key: &str) -> String {
    let ended = run(project, cluster, &["why", run_id, key]).expect(0);
    let line = ended.stdout.trim();
    line.strip_prefix(&format!("`{key}`: ")).unwrap_or_else(|| panic!("{line}")).to_owned()
}

fn wait_for_start(project: &Project, cluster: &Cluster, run_id: &str, keys: &[&str]) {
    until("they run", || {
        let shown = json(project, cluster, &["show", run_id]);
        keys.iter().all(|key| step(&shown, key)["status"] == "running")
    });
}

fn number_of(project: &Project, cluster: &Cluster, name: &str) -> u64 {
    let workers = json(project, cluster, &["workers"]);
    let workers = workers["workers"].as_array().expect("workers");
    let found = workers.iter().find(|worker| worker["name"] == name);
    found.and_then(|worker| worker["worker"].as_u64()).expect("it is joined")
}

#[test]
fn h5_of_every_step_that_waits_it_is_said_what_for() {
    let eu = |more: &str| format!("labels = {{ zone = \"eu\" }}\n{more}");
    let red = "tags = { color = \"red\" }\n";
    let steps = [
        ("first", eu("priority = 9\npool = \"api\"\n")),
        ("red", eu(&format!("priority = 8\n{red}"))),
        ("same_pool", eu("priority = -1\npool = \"api\"\n")),
        ("same_tag", eu(&format!("priority = -1\n{red}"))),
        ("behind", eu("after = [\"first\"]\n")),
        ("gpu", eu("resources = { GPU = 1 }\n")),
        ("high", eu("priority = 5\n")),
        ("low", eu("")),
        ("there", "labels = { zone = \"us\" }\n".to_owned()),
        ("there_too", "labels = { zone = \"us\" }\n".to_owned()),
        ("long", "labels = { zone = \"brief\" }\nlimits = { timeout = \"2h\" }\n".to_owned()),
    ];
    let steps: Vec<(&str, &str)> = steps.iter().map(|(key, more)| (*key, more.as_str())).collect();
    let one = "labels = { zone = \"one\" }";
    let project = project(
        &[
            ("j", &steps),
            ("pair", &[("a", one), ("b", one)]),
            ("small", &[("s", "labels = { zone = \"eu\" }")]),
        ],
        "[jobs.j]\ntag_concurrency_limits = [{ key = \"color\", limit = 1 }]\n[jobs.pair]\nmax_concurrent = 1\n",
    );
    let (cluster, _serving) = Cluster::start_with("[pools.limits]\napi = 1\n");
    let worker = |name: &str, slots: &str, more: &[&str]| {
        let zone = format!("zone={name}");
        joined(cluster.worker(name, &[&["--slots", slots, "--labels", &zone], more].concat()))
    };
    let _workers = [
        worker("eu", "2", &[]),
        worker("us", "1", &[]),
        worker("one", "2", &[]),
        worker("brief", "1", &["--lifetime", "1h"]),
    ];
    let run_id = detach(&project, &cluster, &["j"]);
    wait_for_start(&project, &cluster, &run_id, &["first", "red", "there"]);
    run(&project, &cluster, &["drain", "us"]).expect(0);
    let why = |key: &str| why(&project, &cluster, &run_id, key);
    let (eu, us) = (number_of(&project, &cluster, "eu"), number_of(&project, &cluster, "us"));
    assert_eq!(why("first"), format!("it does not wait: worker {eu} has it"));
    assert_eq!(why("there"), format!("it does not wait: worker {us} has it"));
    assert_eq!(why("behind"), "it waits for `first`");
    assert_eq!(
        why("same_pool"),
        format!("all slots of the pool `api` are taken (1), by `first` of run {run_id}")
    );
    assert_eq!(why("same_tag"), "1 step with the tag `color` is under way, as many as its limit lets: `red`");
    assert_eq!(
        why("gpu"),
        format!("it asks for GPU=1, zone=eu, which no worker offers; the nearest, worker {eu}, lacks GPU=1")
    );
    let busy = "every worker that could run it is busy; it asks for zone=eu";
    assert_eq!(why("high"), busy);
    assert_eq!(why("there_too"), "every worker that could run it wants to leave");
    assert_eq!(why("long"), "every worker that could run it ends before the step's timeout would be over");
    let low = why("low");
    assert!(low.starts_with(&format!("{busy}; 1 step goes before it by priority")), "{low}");
    assert!(!low.contains("namespace"), "{low}");
    // Another namespace has nothing yet, so its steps go first.
    detach(&project, &cluster, &["small", "--tag", "cofferdam/namespace=lab"]);
    let low = why("low");
    assert!(low.ends_with("; its namespace `default` has its share already"), "{low}");
    // A whole run, and a run that lets one step run at once.
    let pair = detach(&project, &cluster, &["pair"]);
    wait_for_start(&project, &cluster, &pair, &["a"]);
    let whole = run(&project, &cluster, &["why", &pair]).expect(0).stdout;
    let one = number_of(&project, &cluster, "one");
    let limited = "1 step of its run is under way, as many as `max_concurrent` lets";
    assert_eq!(whole, format!("`a`: it does not wait: worker {one} has it\n`b`: {limited}\n"));
    let document = json(&project, &cluster, &["why", &pair, "b"]);
    assert_eq!((text(&document["steps"][0], "text"), &document["more"]), (limited, &Value::from(0)));
    assert_eq!(document["steps"][0]["why"]["max_concurrent"]["max"], 1);
    // What has ended waits for nothing, and what is not there has near names.
    project.write("open", "");
    until("the end", || json(&project, &cluster, &["show", &pair])["status"] == "succeeded");
    let ended = run(&project, &cluster, &["why", &pair, "b"]).expect(0);
    assert_eq!(ended.stdout, "`b`: it does not wait: it has ended, succeeded\n");
    let unknown = run(&project, &cluster, &["why", &run_id, "hig"]).expect(3);
    assert!(unknown.stderr.contains("has no step `hig`; did you mean `high`?"), "{unknown:#?}");
    run(&project, &cluster, &["cancel", &run_id]).expect(0);
}

/// The workers that carried out steps whose keys begin so.
fn workers_of(events: &[Value], prefix: &str) -> Vec<u64> {
    let of =
        of_type(events, "step_dispatched").filter(|event| text(&event["event"], "step").starts_with(prefix));
    let mut workers: Vec<u64> =
        of.map(|event| event["event"]["worker"].as_u64().expect("a worker")).collect();
    workers.sort_unstable();
    workers.dedup();
    workers
}

fn succeeds(child: Child) {
    ended(child).expect(0);
}

#[test]
fn g7_a_worker_whose_time_ends_starts_nothing_that_would_outlast_it_and_costs_nothing_when_it_goes() {
    let timeout = |time: &str| format!("limits = {{ timeout = \"{time}\" }}");
    let (long, endless) = (timeout("10m"), String::new());
    let short = format!(
        "[jobs.j.steps.numbers]\nop = \"typed.numbers\"\nconfig = {{ n = 200 }}\nlabels = {{ zone = \"stays\" }}\n[jobs.j.steps.work]\nop = \"typed.work\"\ninputs.number = {{ map = \"numbers.each\" }}\nconfig = {{ rounds = 40_000_000 }}\n{}\n",
        timeout("2s")
    ) + "[jobs.warm.steps.numbers]\nop = \"typed.numbers\"\nconfig = { n = 1 }\n";
    let project = project(&[("j", &[("long", &long), ("endless", &endless)])], &short);
    let (cluster, _serving) = Cluster::start();
    let _stays = joined(cluster.worker("stays", &["--slots", "3", "--labels", "zone=stays"]));
    // Libraries are described and compiled once, which takes its time; the other worker's is short.
    run(&project, &cluster, &["run", "warm"]).expect(0);
    let mut brief = joined(cluster.worker("brief", &["--slots", "2", "--lifetime", "15s"]));
    let (stays_id, brief_id) =
        (number_of(&project, &cluster, "stays"), number_of(&project, &cluster, "brief"));
    let child = start(&project, &cluster, &["run", "j"]);
    assert_eq!(brief.wait(), Some(0), "it leaves by itself");
    project.write("open", "");
    succeeds(child);
    let events = events(&project, &cluster, None);
    for key in ["long", "endless"] {
        assert_eq!(workers_of(&events, key), [stays_id], "{key} could outlast it");
    }
    assert!(workers_of(&events, "work").contains(&brief_id), "short steps were given to it");
    assert_eq!(of_type(&events, "step_lost").count(), 0);
    assert_eq!(n_given_out(&events), 203, "nothing ran twice");
}

#[test]
fn a_pool_bounds_the_steps_of_all_runs_also_after_everything_was_killed() {
    let pooled: Vec<(String, &str)> = (0..4).map(|n| (format!("s{n}"), "pool = \"api\"")).collect();
    let pooled: Vec<(&str, &str)> = pooled.iter().map(|(key, more)| (key.as_str(), *more)).collect();
    let project = project(&[("j", &pooled)], "");
    let (cluster, mut serving) = Cluster::start_with("[pools.limits]\napi = 3\n");
    let mut worker = joined(cluster.worker("a", &["--slots", "8"]));
    let runs = [detach(&project, &cluster, &["j"]), detach(&project, &cluster, &["j"])];
    let n_running = || -> usize {
        let running = |run: &String| {
            let shown = json(&project, &cluster, &["show", run]);
            steps(&shown).iter().filter(|step| step["status"] == "running").count()
        };
        runs.iter().map(running).sum()
    };
    until("three run", || n_running() == 3);
    let before = why(&project, &cluster, &runs[1], "s3");
    assert!(before.starts_with("all slots of the pool `api` are taken (3), by "), "{before}");
    worker.kill();
    serving.kill();
    serving = cluster.serve();
    serving.wait_for("serving at ");
    let _worker = joined(cluster.worker("b", &["--slots", "8"]));
    // What was lost is given out again, within the pool.
    until("they are lost", || {
        let lost = |run: &String| of_type(&events(&project, &cluster, Some(run)), "step_lost").count();
        runs.iter().map(lost).sum::<usize>() == 3
    });
    until("three run again", || n_running() == 3);
    assert!(why(&project, &cluster, &runs[1], "s3").starts_with("all slots of the pool `api` are taken (3)"));
    project.write("open", "");
    for run in &runs {
        until("the end", || json(&project, &cluster, &["show", run])["status"] == "succeeded");
    }
}

/// Runs in which something has to be sent ahead at least once.
const RUNS_MAX: usize = 20;

/// The first step of an op that takes long, behind which others of the same op wait, and a worker that has nothing to do.
#[test]
fn what_was_sent_ahead_behind_a_long_step_is_run_by_whoever_is_free() {
    // Copies are given out in the order of their keys: the long one follows those from which its time is learnt.
    let project = project(
        &[],
        r#"
[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 64 }
[jobs.j.steps.work]
op = "typed.work"
inputs.number = { map = "numbers.each" }
config = { rounds = 20_000, slow = 32 }
"#,
    );
    let (cluster, _serving) = Cluster::start();
    let _workers = ["a", "b"].map(|name| joined(cluster.worker(name, &[])));
    // Where a step takes long, because the machine has much else to do, nothing is sent ahead: then there is another run.
    let mut n_returned = 0;
    for _ in 0..RUNS_MAX {
        succeeds(start(&project, &cluster, &["run", "j"]));
        let events = events(&project, &cluster, None);
        n_returned = of_type(&events, "step_returned").count();
        let at = |kind: &str, key: &str| {
            let found = of_type(&events, kind).find(|event| text(&event["event"], "step") == key);
            found.and_then(|event| event["seq"].as_u64()).expect("it is there")
        };
        let end_of_long = at("step_succeeded", "work[n32]");
        let after =
            of_type(&events, "step_succeeded").filter(|event| event["seq"].as_u64() > Some(end_of_long));
        assert_eq!(after.count(), 0, "all others were done meanwhile");
        assert_eq!(n_given_out(&events), 65);
        let attempts: Vec<u64> = of_type(&events, "step_succeeded")
            .map(|event| event["event"]["attempt"].as_u64().expect("a number"))
            .collect();
        assert!(attempts.iter().all(|attempt| *attempt == 1), "a guest sees no attempt that never began");
        if n_returned > 0 {
            break;
        }
    }
    assert!(n_returned > 0, "something waited behind it");
}
