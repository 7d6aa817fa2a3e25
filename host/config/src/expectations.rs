//! `[tests.NAME]`: what an op should do with given inputs and config.

use std::collections::BTreeMap;

use cofferdam_model::{Diagnostic, Expected, Name, Node, NodeDef, SourceDef, Spanned, StepDef, TestDef};

use crate::limits::read_limits;
use crate::policies::read_config;
use crate::reader::{Problems, Table, check_data};
use crate::sources::read_source;
use crate::steps::{op_path, read_names};

pub(crate) fn read_test(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<TestDef> {
    let what = format!("test `{}`", name.value);
    let mut table = Table::new(node, &what, problems)?;
    let op = table.text("op", problems);
    if !table.has("op") {
        problems.push(table.missing("op", "op = \"library.op\""));
    }
    let op = op.and_then(|op| op_path(&op, problems));
    let inputs = read_inputs(&mut table, problems);
    let config = read_config(&mut table, problems);
    let limits = table.get("limits").map(|node| read_limits(node, &what, problems)).unwrap_or_default();
    let bind = read_names(&mut table, "bind", "resource", problems);
    let expected = read_expected(&mut table, problems);
    let span = table.span.cloned();
    table.finish(problems);
    let op = op?;
    let node = Spanned::new(NodeDef::Op(op.value.clone()), op.span);
    let bare = StepDef::new(name.value.clone(), NodeDef::Op(op.value));
    let step = StepDef { name: name.clone(), node, inputs, config, limits, bind, span, ..bare };
    Some(TestDef { step, expected: expected? })
}

/// Inputs that are there before anything runs.
fn read_inputs(table: &mut Table<'_>, problems: &mut Problems) -> Vec<(Spanned<Name>, Spanned<SourceDef>)> {
    let mut inputs = vec![];
    for (input, node) in table.children("inputs", "input", problems) {
        match read_source(&input, node, problems) {
            Some(source @ (SourceDef::Value(_) | SourceDef::File(_) | SourceDef::Files(_))) => {
                inputs.push((input, Spanned::new(source, node.span.clone())));
            }
            Some(_) => problems.push(
                Diagnostic::error(
                    "config::contradiction",
                    format!("input `{}` of a test takes what something else makes", input.value),
                )
                .at(node.span.as_ref(), "expected a value or a file")
                .hint("write `{ value = … }`, `{ file = \"…\" }` or `{ files = \"…\" }`"),
            ),
            None => {}
        }
    }
    inputs
}

/// `expect.OUTPUT = …`, or `fails = "…"`.
fn read_expected(table: &mut Table<'_>, problems: &mut Problems) -> Option<Expected> {
    let outputs: BTreeMap<Name, Node> = table
        .children("expect", "output", problems)
        .into_iter()
        .map(|(output, node)| {
            check_data(node, problems);
            (output.value, node.clone())
        })
        .collect();
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
