//! Products: steps that are mapped over two dynamic outputs, of which neither is made for the other's keys.

use cofferdam_model::*;

use super::dynamic::{mapped, parts, splitter};
use super::kit::*;
use crate::{InvalidLayout, Layout};

/// rows, columns -> cell (for each pair) -> row (collects) -> table (collects)
fn table() -> Plan {
    let scope = [output(0, "parts"), output(1, "parts")];
    plan(vec![
        splitter("rows", true),
        splitter("columns", true),
        mapped("cell", &scope, scope.iter().cloned().map(Source::Output).collect()),
        mapped("row", &scope[..1], vec![Source::Collect(output(2, "result"))]),
        reads("table", vec![Source::Collect(output(3, "result"))]),
    ])
}

fn keys(assignment: &Assignment) -> Vec<String> {
    let AssignedValue::Many(values) = &assignment.inputs[0].value else {
        panic!("a collected input is a list");
    };
    values.iter().map(|value| value.key.as_ref().unwrap().to_string()).collect()
}

#[test]
fn a_product_has_a_copy_for_each_pair_of_keys_whichever_producer_ends_first() {
    for order in [["rows", "columns"], ["columns", "rows"]] {
        let mut world = World::with(table(), 10);
        for producer in order {
            assert!(!world.running().iter().any(|key| key.starts_with("cell")));
            let outcome = if producer == "rows" { parts(&["a", "b"]) } else { parts(&["x", "y", "z"]) };
            world.finish(producer, outcome);
        }
        let pairs = ["a][x", "a][y", "a][z", "b][x", "b][y", "b][z"].map(|pair| format!("cell[{pair}]"));
        assert_eq!(world.running(), pairs);
        let cell = world.done("cell[b][z]");
        let of = |input: usize| cell.inputs[input].value.clone();
        assert_eq!((of(0), of(1)), (AssignedValue::One(value(11)), AssignedValue::One(value(12))));
        for pair in &pairs[..5] {
            world.done(pair);
        }
        assert_eq!(keys(&world.done("row[b]")), ["x", "y", "z"], "collect takes off the innermost");
        world.done("row[a]");
        assert_eq!(keys(&world.done("table")), ["a", "b"]);
        assert_eq!(ended(&world), RunStatus::Succeeded);
    }
}

#[test]
fn no_keys_on_either_side_are_no_copies_and_collect_to_empty_lists() {
    for (rows, columns, n_rows) in
        [(&["a", "b"][..], &[][..], 2), (&[][..], &["x"][..], 0), (&[][..], &[][..], 0)]
    {
        for order in [["rows", "columns"], ["columns", "rows"]] {
            let mut world = World::with(table(), 10);
            for producer in order {
                world.finish(producer, parts(if producer == "rows" { rows } else { columns }));
            }
            for row in rows {
                assert_eq!(keys(&world.done(&format!("row[{row}]"))), [""; 0]);
            }
            assert_eq!(keys(&world.done("table")).len(), n_rows);
            assert_eq!(ended(&world), RunStatus::Succeeded);
        }
    }
}

#[test]
fn a_producer_that_fails_or_is_skipped_ends_every_pair() {
    for order in [["rows", "columns"], ["columns", "rows"]] {
        let mut world = World::with(table(), 10);
        for producer in order {
            world.finish(producer, if producer == "rows" { parts(&["a", "b"]) } else { fail() });
        }
        for key in ["cell[a][?]", "cell[b][?]", "row[a]", "row[b]", "table"] {
            assert_eq!(world.status(key), StepStatus::Abandoned, "{key}");
        }
        assert_eq!(ended(&world), RunStatus::Failed);
    }
    let scope = [output(1, "parts"), output(2, "parts")];
    let steps = vec![
        PlanStep { outputs: vec![declared("left", false, false)], ..step("branch") },
        PlanStep {
            inputs: reads("x", vec![Source::Output(output(0, "left"))]).inputs,
            ..splitter("rows", true)
        },
        splitter("columns", true),
        mapped("cell", &scope, vec![]),
        mapped("row", &scope[..1], vec![Source::Collect(output(3, "result"))]),
        reads("table", vec![Source::Collect(output(4, "result"))]),
    ];
    let mut world = World::with(plan(steps), 10);
    world.finish("columns", parts(&["x", "y"]));
    world.finish("branch", ok(vec![]));
    for key in ["rows", "cell[?][x]", "cell[?][y]", "row[?]", "table"] {
        assert_eq!(world.status(key), StepStatus::Skipped, "{key}");
    }
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn a_cancel_ends_pairs_that_wait_and_pairs_that_were_never_made() {
    let mut world = World::with(table(), 1);
    world.finish("rows", parts(&["a", "b"]));
    world.input(crate::Input::CancelRequested { run: RUN });
    world.finish("columns", parts(&["x"]));
    for key in ["cell[a][x]", "row[b]", "table"] {
        assert_eq!(world.status(key), StepStatus::Cancelled, "{key}");
    }
    assert_eq!(ended(&world), RunStatus::Cancelled);
}

#[test]
fn a_third_factor_may_come_from_inside_the_first() {
    // years -> months (per year); days outside; cell for each year, day and month of that year
    let scope = [output(0, "parts"), output(2, "parts"), output(1, "parts")];
    let steps = vec![
        splitter("years", true),
        PlanStep {
            outputs: vec![declared("parts", true, true)],
            ..mapped("months", &scope[..1], vec![Source::Output(scope[0].clone())])
        },
        splitter("days", true),
        mapped("cell", &scope, scope.iter().cloned().map(Source::Output).collect()),
        reads("after", vec![]),
    ];
    let mut steps = steps;
    steps[4].after = vec![StepIdx(3)];
    let mut world = World::with(plan(steps), 20);
    world.finish("years", parts(&["1", "2"]));
    world.finish("months[2]", parts(&["jan"]));
    world.finish("days", parts(&["mon", "tue"]));
    assert_eq!(world.running(), ["months[1]", "cell[2][mon][jan]", "cell[2][tue][jan]"]);
    world.finish("months[1]", parts(&[]));
    world.done("cell[2][mon][jan]");
    assert_eq!(world.status("after"), StepStatus::Waiting);
    world.done("cell[2][tue][jan]");
    world.done("after");
    assert_eq!(ended(&world), RunStatus::Succeeded);
}

#[test]
fn keys_that_would_make_too_many_pairs_fail_their_producer_in_words() {
    let many: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
    for order in [["rows", "columns"], ["columns", "rows"]] {
        let mut world = World::with(table(), 10);
        for producer in order {
            let emitted = many.iter().map(|key| emit("parts", Some(key), 1));
            world.finish(producer, ok(emitted.collect()));
        }
        let failed = world.run().step(&StepKey::new(order[1])).unwrap().failure().unwrap();
        assert_eq!(failed.kind, FailureKind::OutputLimit, "{}", failed.message);
    }
}

#[test]
fn a_factor_that_is_made_for_other_keys_is_refused() {
    let scope = [output(0, "parts"), output(2, "parts")];
    let steps = vec![
        splitter("a", true),
        splitter("b", true),
        PlanStep {
            outputs: vec![declared("parts", true, true)],
            ..mapped("c", &[output(1, "parts")], vec![])
        },
        mapped("d", &scope, vec![]),
    ];
    let refused = Layout::new(std::sync::Arc::new(plan(steps))).unwrap_err();
    assert_eq!(refused, InvalidLayout::Scope { step: "d".to_owned(), from: "c".to_owned() });
}

/// The row: any depth, ten by ten by ten with skips and retries, products, and a restart in the midst.
#[test]
fn a9_nested_fan_out_and_products_with_skips_retries_and_a_restart() {
    super::dynamic::nested_to_any_depth();
    super::dynamic::three_levels_of_ten();
    let ten: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    let scope = [output(0, "parts"), output(1, "parts"), output(2, "parts")];
    let cell = PlanStep {
        outputs: vec![declared("result", false, false)],
        retry: RetryPolicy { max_retries: 1, ..RetryPolicy::NEVER },
        ..mapped("cell", &scope, scope.iter().cloned().map(Source::Output).collect())
    };
    let steps = vec![
        splitter("x", true),
        splitter("y", true),
        splitter("z", true),
        cell,
        mapped("plane", &scope[..2], vec![Source::Collect(output(3, "result"))]),
        mapped("line", &scope[..1], vec![Source::Collect(output(4, "result"))]),
        reads("point", vec![Source::Collect(output(5, "result"))]),
    ];
    let mut world = World::with(plan(steps), 16);
    let mut n_done = 0;
    let mut failed = std::collections::HashSet::new();
    while let Some((_, assignment)) = world.under_way.last() {
        let key = assignment.id.step.to_string();
        let outcome = match key.as_str() {
            "x" | "y" | "z" => parts(&ten),
            key if key.starts_with("cell") && key.ends_with("[3]") && failed.insert(key.to_owned()) => fail(),
            key if key.starts_with("cell") && key.ends_with("[7]") => ok(vec![]),
            _ => ok(vec![emit("result", None, 1)]),
        };
        let assignment = world.finish(&key, outcome);
        if key.starts_with("plane") {
            assert_eq!(
                keys(&assignment),
                ["0", "1", "2", "3", "4", "5", "6", "8", "9"],
                "skipped copies are left out"
            );
        }
        world.input(crate::Input::Tick);
        n_done += 1;
        if n_done == 500 {
            world.restart();
            world.join(WorkerId(1000), 16, &[]);
        }
    }
    assert_eq!(ended(&world), RunStatus::Succeeded);
    assert_eq!(world.run().n_steps(), 3 + 1000 + 100 + 10 + 1);
    assert_eq!(world.run().count(StepStatus::Skipped), 0, "a list that misses one is not skipped");
    let retried = world.events(|event| matches!(event, Event::StepFailed { retry_at: Some(_), .. })).len();
    assert_eq!(retried, 100);
}
