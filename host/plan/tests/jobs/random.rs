//! Invariant 8 on random jobs: the same definitions give the same bytes, and a plan keeps its promises.

use std::collections::HashMap;

use cofferdam_model::{OutputRef, Plan, Source};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::common::{job, plan, shapes};

/// Steps by number: an op, a way to feed it, and sources. Mostly a source is an earlier step that has such an
/// output, else nearly all jobs would be refused; one in `WILD` is any step.
#[derive(Debug, Clone)]
struct Job(Vec<(u8, u8, Index, Index, u8)>);

const WILD: u8 = 40;

fn jobs() -> impl Strategy<Value = Job> {
    let step = (0..6_u8, 0..4_u8, any::<Index>(), any::<Index>(), 0..WILD);
    prop::collection::vec(step, 1..14).prop_map(Job)
}

fn toml(job: &Job) -> String {
    let mut tables = vec![];
    // Steps with a dynamic output `items`, with an output `result`, and mapped ones of these.
    let (mut dynamic, mut single, mut mapped) = (vec![0], vec![0], vec![]);
    for (at, (op, how, a, b, wild)) in job.0.iter().enumerate() {
        let pick = |from: &[usize], index: &Index| match wild {
            0 => index.index(job.0.len()),
            _ => from[index.index(from.len())],
        };
        let (d, r, r2) = (pick(&dynamic, a), pick(&single, a), pick(&single, b));
        let one = match how {
            0 => "{ value = \"v\" }".to_owned(),
            1 => format!("\"s{r}\""),
            _ => format!("{{ map = \"s{d}.items\" }}"),
        };
        let many = match how {
            0 => format!("[\"s{r}\", \"s{r2}\"]"),
            1 => format!("{{ collect = \"s{d}.items\" }}"),
            _ if mapped.is_empty() => "{ value = [] }".to_owned(),
            _ => format!("{{ collect = \"s{}\" }}", pick(&mapped, a)),
        };
        let (op, inputs) = match op {
            _ if at == 0 => ("emit", String::new()),
            0 => ("emit", String::new()),
            1 => ("spread", format!("inputs.value = {one}")),
            2 | 3 => ("pass", format!("inputs.value = {one}")),
            4 => ("join", format!("inputs.a = {one}\ninputs.b = \"s{r2}\"")),
            _ => ("gather", format!("inputs.all = {many}")),
        };
        if matches!(op, "emit" | "spread") {
            dynamic.push(at);
        }
        if op != "spread" {
            single.push(at);
        }
        if op == "pass" && *how > 1 {
            mapped.push(at);
        }
        tables.push(format!("[jobs.j.steps.s{at}]\nop = \"t.{op}\"\n{inputs}\n"));
    }
    // Last to first, so that the order of the plan is not that of the text.
    tables.reverse();
    self::job(&tables.concat())
}

/// What `cofferdam_model::plan` says of steps, scopes and sources.
fn keeps_its_promises(plan: &Plan) {
    for (at, step) in plan.steps.iter().enumerate() {
        let earlier = |from: &OutputRef| {
            assert!(from.step.index() < at, "{} comes after {}", plan.step(from.step).key, step.key);
            let from_step = plan.step(from.step);
            let output = from_step.outputs.iter().find(|output| output.name == from.output);
            (from_step, output.expect("the output is declared"))
        };
        for (depth, from) in step.scope.iter().enumerate() {
            let (producer, output) = earlier(from);
            assert!(output.dynamic, "a scope is a dynamic output");
            assert!(
                step.scope[..depth].starts_with(&producer.scope),
                "a scope lies within that of its producer"
            );
        }
        for input in &step.inputs {
            match &input.source {
                Source::Value(_) | Source::Values(_) => {}
                Source::Output(from) => {
                    let (producer, output) = earlier(from);
                    assert!(step.scope.starts_with(&producer.scope));
                    assert!(!output.dynamic || step.scope.contains(from));
                }
                Source::FanIn(list) => list.iter().for_each(|from| {
                    let (producer, output) = earlier(from);
                    assert!(step.scope.starts_with(&producer.scope) && !output.dynamic);
                }),
                Source::Collect(from) => {
                    let (producer, output) = earlier(from);
                    let depth = step.scope.len() + usize::from(!output.dynamic);
                    assert!(producer.scope.starts_with(&step.scope) && producer.scope.len() == depth);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_same_random_job_compiles_to_the_same_bytes_in_a_valid_order(job in jobs()) {
        let (libs, text) = (shapes(), toml(&job));
        let (first, second) = (plan(&libs, &text, ""), plan(&libs, &text, ""));
        match (first, second) {
            (Ok(first), Ok(second)) => {
                prop_assert_eq!(first.encode(), second.encode());
                prop_assert_eq!(first.steps.len(), job.0.len());
                keeps_its_promises(&first);
                prop_assert_eq!(Plan::decode(&first.encode()).unwrap(), first);
            }
            (first, second) => prop_assert_eq!(first, second),
        }
    }
}

/// A property over jobs that are all refused would show nothing.
#[test]
fn random_jobs_are_planned_often_enough_to_mean_something() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for _ in 0..300 {
        let job = jobs().new_tree(&mut runner).unwrap().current();
        let outcome = match plan(&shapes(), &toml(&job), "") {
            Ok(plan) if plan.steps.iter().any(|step| step.scope.len() > 1) => "nested",
            Ok(plan) if plan.steps.iter().any(|step| !step.scope.is_empty()) => "mapped",
            Ok(_) => "plain",
            Err(text) if text.contains("plan::cycle") => "cycle",
            Err(_) => "refused",
        };
        *counts.entry(outcome).or_default() += 1;
    }
    for outcome in ["nested", "mapped", "plain", "cycle", "refused"] {
        assert!(counts.get(outcome).copied().unwrap_or(0) >= 3, "{counts:?}");
    }
}
