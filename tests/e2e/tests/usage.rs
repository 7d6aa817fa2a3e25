//! What the steps of a run cost, on a cluster of real processes.

use cofferdam_e2e::ask::{command, joined};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{of_type, step, steps, text};
use cofferdam_e2e::{Ended, Project, guest};
use serde_json::Value;

const MIB: u64 = 1024 * 1024;
/// The value that one step makes and two read.
const VALUE_BYTES: u64 = 10 * MIB;
/// Events carry milliseconds, and the clocks of the cell and of its supervisor are read one after the other.
const TOLERANCE_US: u64 = 2000;

/// Each step asks for what one worker has, once: on `A` they run one after the other.
fn job() -> String {
    let mut text = format!(
        "[libraries.typed]\nwasm = \"lib/typed.wasm\"\n\
         [jobs.j.steps.make]\nop = \"typed.flood\"\nconfig = {{ bytes = {VALUE_BYTES} }}\nresources = {{ A = 1 }}\n\
         [jobs.j.steps.bad]\nop = \"typed.refuse\"\nresources = {{ A = 1 }}\n"
    );
    for (name, at, limits) in [("near", "A", ""), ("far", "B", "limits = { fuel = 1_000_000_000 }\n")] {
        text += &format!(
            "[jobs.j.steps.{name}]\nop = \"typed.weigh\"\ninputs.file = \"make\"\n{limits}resources = {{ {at} = 1 }}\n"
        );
    }
    text
}

/// A number of an attempt's usage.
fn n(usage: &Value, field: &str) -> u64 {
    usage[field].as_u64().unwrap_or_else(|| panic!("`{field}` is a number in {usage:#}"))
}

fn usage<'a>(run: &'a Value, key: &str) -> &'a Value {
    &step(run, key)["attempts"][0]["usage"]
}

/// Microseconds since 1970 of an event about a step, or about the run.
fn at(events: &[Value], kind: &str, key: Option<&str>) -> u64 {
    let mut of_step =
        of_type(events, kind).filter(|event| key.is_none_or(|key| event["event"]["step"] == key));
    let event = of_step.next().unwrap_or_else(|| panic!("no {kind} of {key:?}"));
    event["at"].as_u64().expect("a time") * 1000
}

#[test]
fn h3_every_attempt_tells_what_it_cost_and_the_run_sums_it_up() {
    let project = Project::new(&job());
    let (cluster, _serving) = Cluster::start();
    let _workers =
        ["A", "B"].map(|name| joined(cluster.worker(name, &["--resources", &format!("{name}=1")])));
    let ended: Ended =
        command(&project, &cluster, &["run", "j", "--json"]).output().expect("it can be started").into();
    assert_eq!(ended.exit, 10, "`bad` fails: {ended:#?}");
    let run: Value = serde_json::from_str(&ended.stdout).expect("one document");
    let shown: Ended =
        command(&project, &cluster, &["show", "--events"]).output().expect("it can be started").into();
    let events: Vec<Value> =
        shown.stdout.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();

    for key in ["make", "bad", "near", "far"] {
        let closing = if key == "bad" { "step_failed" } else { "step_succeeded" };
        let (dispatched, closed) =
            (at(&events, "step_dispatched", Some(key)), at(&events, closing, Some(key)));
        let used = usage(&run, key);
        let parts = ["fetch_us", "compile_us", "load_us", "slot_us", "wall_us", "store_us"];
        let sum: u64 = parts.iter().map(|part| n(used, part)).sum();
        let held = n(used, "held_us");
        assert!(sum.abs_diff(held) <= TOLERANCE_US, "the parts of {key} are {sum} of {held}: {used:#}");
        assert!(held <= closed - dispatched + TOLERANCE_US, "{key}: {held}, {dispatched} to {closed}");
        assert!(n(used, "wall_us") > 0 && n(used, "instantiate_us") <= n(used, "wall_us"), "{used:#}");
        assert!(n(used, "cpu_us") > 0 && n(used, "cpu_us") <= n(used, "wall_us") + TOLERANCE_US, "{used:#}");
        let ready = match key {
            "make" | "bad" => at(&events, "run_accepted", None),
            _ => at(&events, "step_succeeded", Some("make")),
        };
        assert_eq!(n(used, "queue_us"), dispatched - ready, "{key}");
    }

    // The first step on `A` waits for the library, those after it find it there.
    let on_a = of_type(&events, "step_dispatched")
        .map(|event| text(&event["event"], "step"))
        .filter(|key| *key != "far")
        .collect::<Vec<_>>();
    let library = std::fs::metadata(guest("typed")).expect("the guest is there").len();
    for (place, key) in on_a.iter().enumerate() {
        let used = usage(&run, key);
        let compiled =
            n(used, "fetch_us") > 0 && n(used, "compile_us") > 0 && n(used, "library_bytes") == library;
        let nothing = ["fetch_us", "compile_us", "library_bytes"].iter().all(|field| n(used, field) == 0);
        assert!(if place == 0 { compiled } else { nothing }, "{key} is number {place}: {used:#}");
    }

    // The value is with the worker that made it, and has to be moved to the other one.
    let (near, far) = (usage(&run, "near"), usage(&run, "far"));
    assert_eq!((n(near, "moved_bytes"), n(far, "moved_bytes")), (0, VALUE_BYTES));
    assert!(n(far, "load_us") > 0);
    assert_eq!((n(near, "input_bytes"), n(far, "input_bytes")), (VALUE_BYTES, VALUE_BYTES));
    assert_eq!(n(usage(&run, "make"), "output_bytes"), VALUE_BYTES);
    assert!(n(far, "fuel") > 0 && near["fuel"].is_null(), "fuel is counted where it is limited");

    // The run's cost is the sum of its attempts.
    let all: Vec<&Value> = steps(&run).iter().map(|step| &step["attempts"][0]["usage"]).collect();
    for (field, sum) in run["usage"].as_object().expect("the sum of all") {
        let each = all.iter().filter_map(|used| used[field].as_u64());
        let expected: u64 = match field.as_str() {
            "memory_bytes_peak" => each.max().expect("a peak"),
            // What is left over of each is never negative, so of the sum it may be less by as much as was rounded.
            "slot_us" => continue,
            _ => each.sum(),
        };
        assert_eq!(sum.as_u64(), Some(expected), "{field}");
    }
    let shown: Ended = command(&project, &cluster, &["show"]).output().expect("it can be started").into();
    assert!(shown.stdout.contains("cost     ops ") && shown.stdout.contains("wrote 10.0 MiB"), "{shown:#?}");
}
