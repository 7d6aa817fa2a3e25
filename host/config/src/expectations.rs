//! `[tests.NAME]`: what an op should do with given inputs and config, or a job of which some steps are faked.

use std::collections::BTreeMap;

use cofferdam_model::{
    Diagnostic, Expected, FakeDef, JobTestDef, Name, Node, NodeDef, NodeKind, OpTestDef, SourceDef, Spanned,
    StepDef, StepKey, TestDef,
};

use crate::limits::read_limits;
use crate::policies::read_config;
use crate::reader::{Problems, Table, check_data, text};
use crate::sources::read_source;
use crate::steps::{op_path, read_names};

pub(crate) fn read_test(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<TestDef> {
    let mut table = Table::new(node, format!("test `{}`", name.value), problems)?;
    let read = if table.has("job") {
        read_job_test(&mut table, problems).map(|test| TestDef::Job(Box::new(test)))
    } else {
        read_op_test(name, &mut table, problems).map(|test| TestDef::Op(Box::new(test)))
    };
    table.finish(problems);
    read
}

fn read_op_test(name: &Spanned<Name>, table: &mut Table<'_>, problems: &mut Problems) -> Option<OpTestDef> {
    let what = table.what().to_owned();
    let op = table.text("op", problems);
    // Asked for only so that it is known where another key is not.
    table.get("job");
    if !table.has("op") {
        problems.push(table.missing("op", "op = \"library.op\""));
    }
    let op = op.and_then(|op| op_path(&op, problems));
    let inputs = read_inputs(table, problems);
    let config = read_config(table, problems);
    let limits = table.get("limits").map(|node| read_limits(node, &what, problems)).unwrap_or_default();
    let bind = read_names(table, "bind", "resource", problems);
    let expected = read_expected(table, problems);
    let op = op?;
    let node = Spanned::new(NodeDef::Op(op.value.clone()), op.span);
    let bare = StepDef::new(name.value.clone(), NodeDef::Op(op.value));
    let span = table.span.cloned();
    let step = StepDef { name: name.clone(), node, inputs, config, limits, bind, span, ..bare };
    Some(OpTestDef { step, expected: expected? })
}

/// Inputs that are there before anything runs.
fn read_inputs(table: &mut Table<'_>, problems: &mut Problems) -> Vec<(Spanned<Name>, Spanned<SourceDef>)> {
    let inputs = table.children("inputs", "input", problems).into_iter();
    inputs
        .filter_map(|(input, node)| Some((input.clone(), read_given("input", &input, node, problems)?)))
        .collect()
}

/// A value that is there before anything runs.
fn read_given(
    kind: &str,
    name: &Spanned<Name>,
    node: &Node,
    problems: &mut Problems,
) -> Option<Spanned<SourceDef>> {
    match read_source(name, node, problems)? {
        source @ (SourceDef::Value(_) | SourceDef::File(_) | SourceDef::Files(_)) => {
            Some(Spanned::new(source, node.span.clone()))
        }
        _ => {
            problems.push(
                Diagnostic::error(
                    "config::contradiction",
                    format!("{kind} `{}` of a test takes what something else makes", name.value),
                )
                .at(node.span.as_ref(), "expected a value or a file")
                .hint("write `{ value = … }`, `{ file = \"…\" }` or `{ files = \"…\" }`"),
            );
            None
        }
    }
}

/// `expect.OUTPUT = …`, or `fails = "…"`.
fn read_expected(table: &mut Table<'_>, problems: &mut Problems) -> Option<Expected> {
    let outputs = read_outputs(table.children("expect", "output", problems), problems);
    let Some(failure) = table.text("fails", problems) else { return Some(Expected::Outputs(outputs)) };
    if table.has("expect") {
        problems.push(
            Diagnostic::error(
                "config::contradiction",
                format!("{} has both `expect` and `fails`", table.what()),
            )
            .at(failure.span.as_ref(), "an op that fails has no outputs")
            .at(table.key_span("expect"), "outputs that are expected")
            .hint("keep one of them"),
        );
        return None;
    }
    Some(Expected::Failure(failure))
}

fn read_outputs(children: Vec<(Spanned<Name>, &Node)>, problems: &mut Problems) -> BTreeMap<Name, Node> {
    let outputs = children.into_iter().map(|(output, node)| {
        check_data(node, problems);
        (output.value, node.clone())
    });
    outputs.collect()
}

/// A test of a job: `fake.STEP.OUTPUT = { value = … }`, `expect.STEP.OUTPUT = …`, `fails.STEP = "…"`.
fn read_job_test(table: &mut Table<'_>, problems: &mut Problems) -> Option<JobTestDef> {
    if table.has("op") {
        problems.push(
            Diagnostic::error("config::contradiction", format!("{} has both `op` and `job`", table.what()))
                .at(table.key_span("op"), "an op of a library")
                .at(table.key_span("job"), "a job")
                .hint("keep one of them"),
        );
        table.get("op");
    }
    let job = table.name("job", "job", problems);
    let config = read_config(table, problems);
    let environment = table.name("environment", "environment", problems);
    let partition = table.text("partition", problems).map(|text| text.value);
    let selection = table.texts("select", problems).into_iter().map(|text| text.value).collect();
    let mut fakes = vec![];
    for (step, outputs) in by_step(table, "fake", problems) {
        for (output, node) in outputs.named("output", problems) {
            let source = read_given("output", &output, node, problems);
            fakes.extend(source.map(|source| FakeDef { step: step.clone(), output, source }));
        }
    }
    let outputs = by_step(table, "expect", problems)
        .into_iter()
        .map(|(step, outputs)| (step, read_outputs(outputs.named("output", problems), problems)))
        .collect();
    let failures = read_failures(table, problems);
    Some(JobTestDef { job: job?, config, environment, partition, selection, fakes, outputs, failures })
}

/// Tables under the keys of steps, which are no names: one inside of a graph has a point in it.
fn by_step<'a>(
    table: &mut Table<'a>,
    key: &'static str,
    problems: &mut Problems,
) -> Vec<(Spanned<StepKey>, Table<'a>)> {
    let what = format!("`{key}` of {}", table.what());
    let mut tables = vec![];
    for (step, node) in entries(table, key, problems) {
        let of_step = Table::new(node, format!("`{}` in {what}", step.value), problems);
        tables.extend(of_step.map(|of_step| (step, of_step)));
    }
    tables
}

fn read_failures(table: &mut Table<'_>, problems: &mut Problems) -> Vec<(Spanned<StepKey>, Spanned<String>)> {
    let what = format!("`fails` of {}", table.what());
    let entries = entries(table, "fails", problems).into_iter();
    let read = entries.filter_map(|(step, node)| {
        let message = text(node, &format!("`{}` in {what}", step.value), problems)?;
        Some((step, message))
    });
    read.collect()
}

fn entries<'a>(
    table: &mut Table<'a>,
    key: &'static str,
    problems: &mut Problems,
) -> Vec<(Spanned<StepKey>, &'a Node)> {
    let Some(node) = table.get(key) else { return vec![] };
    let NodeKind::Map(entries) = &node.kind else {
        let what = format!("`{key}` of {}", table.what());
        problems.push(crate::reader::wrong_type(&what, "a table", node));
        return vec![];
    };
    let keyed = |(step, node): &'a (Spanned<String>, Node)| {
        (Spanned::new(StepKey::new(&step.value), step.span.clone()), node)
    };
    entries.iter().map(keyed).collect()
}
