//! Metrics of a cluster of real processes, read as a monitoring program reads them, beside what the event log says.

use std::collections::BTreeSet;
use std::path::Path;

use cofferdam_e2e::ask::{joined, run};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::exposition::{Exposition, exposed, get};
use cofferdam_e2e::look::{of_type, steps};
use cofferdam_e2e::{Project, workspace};
use serde_json::Value;

/// Eight steps that succeed, one that traps and is tried twice, one that is abandoned for it.
const JOB: &str = r#"
[libraries.typed]
wasm = "lib/typed.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = { n = 6 }

[jobs.j.steps.double]
op = "typed.double"
inputs.number = { map = "numbers.each" }

[jobs.j.steps.sum]
op = "typed.sum"
inputs.numbers = { collect = "double" }

[jobs.j.steps.bad]
op = "typed.panics"
inputs.number = "sum"
retry = { max_retries = 1 }

[jobs.j.steps.after]
op = "typed.double"
inputs.number = "bad"
"#;

/// A field of the usage of all attempts.
fn sum(events: &[Value], field: &str) -> f64 {
    let closing = of_type(events, "step_succeeded").chain(of_type(events, "step_failed"));
    closing.filter_map(|event| event["event"]["usage"][field].as_f64()).sum()
}

/// Every family is in the documentation, under that name.
fn check_documented(exposition: &Exposition) {
    let table =
        std::fs::read_to_string(workspace().join("host/telemetry/METRICS.md")).expect("the table is there");
    for (family, kind) in &exposition.types {
        let name = if kind == "counter" { format!("{family}_total") } else { family.clone() };
        assert!(table.contains(&format!("| `{name}` | {kind} |")), "{name}, a {kind}, is documented");
    }
}

/// No label has a value that a user chose.
fn check_labels(exposition: &Exposition, project: &Project, events: &[Value]) {
    let run = of_type(events, "run_accepted").count();
    assert_eq!(run, 1);
    let folder = Path::file_name(project.path()).expect("a folder").to_string_lossy().into_owned();
    for series in exposition.samples.keys() {
        let labels = series.split_once('{').map_or("", |(_, labels)| labels);
        let values: Vec<&str> = labels.split('"').skip(1).step_by(2).collect();
        for chosen in ["numbers", "double", "double[n0]", "sum", "bad", "after", "typed", "j", "one", &folder]
        {
            assert!(!values.contains(&chosen), "{series} names {chosen}");
        }
    }
}

#[test]
fn h6_prometheus_reads_of_scheduler_and_workers_what_the_event_log_says() {
    let project = Project::new(JOB);
    let (cluster, serving) = Cluster::start_exposed();
    let scheduler = exposed(&serving);
    let worker = cluster.worker("one", &["--metrics", "127.0.0.1:0"]);
    let at_worker = exposed(&worker);
    let _worker = joined(worker);
    let before = Exposition::of(&scheduler);
    assert_eq!(before.get("cofferdam_runs_accepted_total"), 0.0);
    assert_eq!(before.get("cofferdam_workers{state=\"joined\"}"), 1.0);

    run(&project, &cluster, &["run", "j"]).expect(10);
    let shown = run(&project, &cluster, &["show", "--events"]);
    let events: Vec<Value> =
        shown.stdout.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    let shown = run(&project, &cluster, &["show", "--json"]);
    let document: Value = serde_json::from_str(&shown.stdout).expect("one document");
    let count = |kind: &str| of_type(&events, kind).count() as f64;
    assert_eq!((steps(&document).len(), count("step_failed")), (10, 2.0), "the job is as it is described");

    let told = Exposition::of(&scheduler);
    check_documented(&told);
    check_labels(&told, &project, &events);
    for (series, expected) in [
        ("cofferdam_runs_accepted_total", 1.0),
        ("cofferdam_runs_finished_total{status=\"failed\"}", 1.0),
        ("cofferdam_runs{status=\"running\"}", 0.0),
        ("cofferdam_steps_running", 0.0),
        ("cofferdam_steps_ended_total{outcome=\"succeeded\"}", count("step_succeeded")),
        ("cofferdam_steps_ended_total{outcome=\"failed\"}", 1.0),
        ("cofferdam_steps_ended_total{outcome=\"abandoned\"}", count("step_abandoned")),
        ("cofferdam_attempts_dispatched_total", count("step_dispatched")),
        ("cofferdam_attempts_failed_total{kind=\"trap\"}", 2.0),
        ("cofferdam_attempts_retried_total", 1.0),
        ("cofferdam_attempts_lost_total", 0.0),
        ("cofferdam_step_held_seconds_count", count("step_dispatched")),
        ("cofferdam_step_queue_seconds_count", count("step_dispatched")),
        ("cofferdam_step_transit_seconds_count", count("step_dispatched")),
        ("cofferdam_step_input_bytes_total", sum(&events, "input_bytes")),
        ("cofferdam_step_output_bytes_total", sum(&events, "output_bytes")),
        ("cofferdam_step_moved_bytes_total", sum(&events, "library_bytes")),
        ("cofferdam_run_log_append_events_sum", events.len() as f64),
        ("cofferdam_workers{state=\"joined\"}", 1.0),
        ("cofferdam_worker_slots", 1.0),
    ] {
        assert_eq!(told.get(series), expected, "{series} in {told:#?}");
    }
    for (series, field) in [
        ("cofferdam_step_held_seconds_sum", "held_us"),
        ("cofferdam_step_run_seconds_sum", "wall_us"),
        ("cofferdam_step_queue_seconds_sum", "queue_us"),
        ("cofferdam_step_cpu_seconds_total", "cpu_us"),
    ] {
        let (told, logged) = (told.get(series), sum(&events, field) / 1e6);
        assert!((told - logged).abs() < 1e-6, "{series} is {told}, the log says {logged}");
    }
    assert!(told.get("process_open_fds") > 0.0 && told.get("process_cpu_seconds_total") > 0.0, "{told:#?}");

    let told = Exposition::of(&at_worker);
    check_documented(&told);
    check_labels(&told, &project, &events);
    for (series, expected) in [
        ("cofferdam_cells", 1.0),
        ("cofferdam_worker_attempts_received_total", count("step_dispatched")),
        ("cofferdam_worker_attempts_succeeded_total", count("step_succeeded")),
        ("cofferdam_worker_attempts_failed_total{kind=\"trap\"}", 2.0),
        ("cofferdam_libraries_ready_total{from=\"compiler\"}", 1.0),
        ("cofferdam_near_fetched_bytes_total", sum(&events, "library_bytes")),
        ("cofferdam_near_bytes", sum(&events, "library_bytes")),
        ("cofferdam_near_requests_total{result=\"miss\"}", 1.0),
    ] {
        assert_eq!(told.get(series), expected, "{series} in {told:#?}");
    }
    let names: BTreeSet<&str> = told.types.keys().map(String::as_str).collect();
    assert!(!names.contains("cofferdam_runs_accepted"), "a worker has its own");

    let (head, _) = get(&at_worker, "/");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

#[test]
fn steps_that_wait_are_counted_by_why() {
    let project = Project::new(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n\
         [jobs.j.steps.make]\nop = \"typed.flood\"\nconfig = { bytes = 10 }\nresources = { GPU = 1 }\n\
         [jobs.j.steps.weigh]\nop = \"typed.weigh\"\ninputs.file = \"make\"\n",
    );
    let (cluster, serving) = Cluster::start_exposed();
    let scheduler = exposed(&serving);
    run(&project, &cluster, &["run", "j", "--detach"]).expect(0);
    let waits = |reason: &str| {
        Exposition::of(&scheduler).get(&format!("cofferdam_steps_waiting{{reason=\"{reason}\"}}"))
    };
    assert_eq!((waits("no_worker"), waits("dependency")), (1.0, 1.0));
    let _worker = joined(cluster.worker("one", &[]));
    assert_eq!((waits("no_worker"), waits("no_worker_fits")), (0.0, 1.0));
    assert_eq!(Exposition::of(&scheduler).get("cofferdam_runs{status=\"queued\"}"), 1.0);
}
