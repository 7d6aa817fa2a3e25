//! Two versions of a library: would a job that is wired with the old one be right with the new one?
//!
//! What a job gives an op must still be taken (inputs, config: every old value is a new value), and what it takes from
//! an op must still be what it expects (outputs: every new value is an old value).

use cofferdam_model::{InputSpec, LibrarySpec, Name, OpSpec, OutputSpec};
use cofferdam_plan::mismatch;

use crate::Change;

/// Every difference that a job can meet, ops in the order of the old library, new ones after them. Documentation is
/// no difference.
pub fn compare(old: &LibrarySpec, new: &LibrarySpec) -> Vec<Change> {
    let mut changes = vec![];
    for op in &old.ops {
        match new.op(&op.name) {
            Some(now) => self::op(op, now, &mut changes),
            None => changes.push(Change::breaks(format!("op `{}` is gone", op.name))),
        }
    }
    let added = new.ops.iter().filter(|op| old.op(&op.name).is_none());
    changes.extend(added.map(|op| Change::adds(format!("op `{}` is new", op.name))));
    changes
}

fn op(old: &OpSpec, new: &OpSpec, changes: &mut Vec<Change>) {
    let place = format!("op `{}`", old.name);
    for input in &old.inputs {
        match new.input(&input.name) {
            Some(now) => self::input(&place, input, now, changes),
            None => changes.push(Change::breaks(format!("{place}: input `{}` is gone", input.name))),
        }
    }
    for input in new.inputs.iter().filter(|input| old.input(&input.name).is_none()) {
        let what = format!("{place}: input `{}` is new", input.name);
        changes.push(match input.required {
            true => Change::breaks(format!("{what} and needed")),
            false => Change::adds(what),
        });
    }
    for output in &old.outputs {
        match new.output(&output.name) {
            Some(now) => self::output(&place, output, now, changes),
            None => changes.push(Change::breaks(format!("{place}: output `{}` is gone", output.name))),
        }
    }
    let added = new.outputs.iter().filter(|output| old.output(&output.name).is_none());
    changes.extend(added.map(|output| Change::adds(format!("{place}: output `{}` is new", output.name))));
    config(&place, old, new, changes);
    resources(&place, old, new, changes);
    if old.pure && !new.pure {
        changes.push(Change::breaks(format!("{place} is no longer pure: its results are not taken again")));
    }
}

fn input(op: &str, old: &InputSpec, new: &InputSpec, changes: &mut Vec<Change>) {
    let place = format!("{op}: input `{}`", old.name);
    match (old.required, new.required) {
        (false, true) => changes.push(Change::breaks(format!("{place} was optional and is needed"))),
        (true, false) => changes.push(Change::relaxes(format!("{place} was needed and is optional"))),
        _ => {}
    }
    match (old.many, new.many) {
        (true, false) => changes.push(Change::breaks(format!("{place} took many values and takes one"))),
        (false, true) => changes.push(Change::breaks(format!("{place} took one value and takes many"))),
        _ => {}
    }
    if !takes(&new.media_type, &old.media_type) {
        let (was, is) = (&old.media_type, &new.media_type);
        changes.push(Change::breaks(format!("{place} took `{was}` and takes `{is}`")));
    }
    if let Some(mismatch) = mismatch(&old.schema, &new.schema) {
        changes.push(Change::breaks(format!("{place} no longer takes what it took: {mismatch}")));
    } else if mismatch(&new.schema, &old.schema).is_some() {
        changes.push(Change::relaxes(format!("{place} takes more than it took")));
    }
}

fn output(op: &str, old: &OutputSpec, new: &OutputSpec, changes: &mut Vec<Change>) {
    let place = format!("{op}: output `{}`", old.name);
    match (old.required, new.required) {
        (true, false) => changes.push(Change::breaks(format!("{place} was always there and is optional"))),
        (false, true) => changes.push(Change::relaxes(format!("{place} was optional and is always there"))),
        _ => {}
    }
    if old.dynamic != new.dynamic {
        let (was, is) = if old.dynamic { ("dynamic", "one value") } else { ("one value", "dynamic") };
        changes.push(Change::breaks(format!("{place} was {was} and is {is}")));
    }
    if !takes(&old.media_type, &new.media_type) {
        let (was, is) = (&old.media_type, &new.media_type);
        changes.push(Change::breaks(format!("{place} was `{was}` and is `{is}`")));
    }
    if let Some(mismatch) = mismatch(&new.schema, &old.schema) {
        changes.push(Change::breaks(format!("{place} is no longer what it was: {mismatch}")));
    } else if mismatch(&old.schema, &new.schema).is_some() {
        changes.push(Change::adds(format!("{place} says more than it said")));
    }
}

fn config(place: &str, old: &OpSpec, new: &OpSpec, changes: &mut Vec<Change>) {
    match (&old.config_schema, &new.config_schema) {
        (Some(old), Some(new)) => match mismatch(old, new) {
            Some(mismatch) => {
                changes.push(Change::breaks(format!(
                    "{place}: its config no longer takes what it took: {mismatch}"
                )));
            }
            None if mismatch(new, old).is_some() => {
                changes.push(Change::relaxes(format!("{place}: its config takes more than it took")));
            }
            None => {}
        },
        (Some(_), None) => changes.push(Change::breaks(format!("{place} no longer takes a config"))),
        (None, Some(schema)) => {
            let needed: Vec<&str> = schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str())
                .collect();
            changes.push(match needed.as_slice() {
                [] => Change::adds(format!("{place} takes a config")),
                names => Change::breaks(format!("{place} takes a config and needs `{}`", names.join("`, `"))),
            });
        }
        (None, None) => {}
    }
}

fn resources(place: &str, old: &OpSpec, new: &OpSpec, changes: &mut Vec<Change>) {
    let found =
        |op: &OpSpec, name: &Name| op.resources.iter().find(|need| need.name == *name).map(|need| need.kind);
    for need in &old.resources {
        match found(new, &need.name) {
            None => {
                changes.push(Change::relaxes(format!("{place} no longer uses the resource `{}`", need.name)))
            }
            Some(kind) if kind != need.kind => {
                changes.push(Change::breaks(format!(
                    "{place}: its resource `{}` is of another kind",
                    need.name
                )));
            }
            Some(_) => {}
        }
    }
    for need in new.resources.iter().filter(|need| found(old, &need.name).is_none()) {
        changes.push(Change::breaks(format!(
            "{place} uses the resource `{}`, which a step must lend",
            need.name
        )));
    }
}

/// Whether a port of type `wanted` takes every value of type `given`.
fn takes(wanted: &str, given: &str) -> bool {
    wanted == given
        || wanted == "*/*"
        || wanted.strip_suffix("/*").is_some_and(|group| given.split('/').next() == Some(group))
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{ResourceKind, ResourceNeed};
    use insta::assert_snapshot;
    use serde_json::{Value, json};

    use super::*;
    use crate::is_compatible;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn record(fields: &[&str], required: &[&str]) -> Value {
        let properties: serde_json::Map<_, _> =
            fields.iter().map(|field| ((*field).to_owned(), json!({ "type": "integer" }))).collect();
        json!({ "type": "object", "properties": properties, "required": required })
    }

    fn op(input: Value, output: Value) -> OpSpec {
        let input = InputSpec {
            name: name("rows"),
            doc: String::new(),
            media_type: "application/cbor".into(),
            schema: input,
            required: true,
            many: false,
        };
        let output = OutputSpec {
            name: name("result"),
            doc: String::new(),
            media_type: "application/cbor".into(),
            schema: output,
            required: true,
            dynamic: false,
        };
        OpSpec {
            name: name("clean"),
            doc: String::new(),
            inputs: vec![input],
            outputs: vec![output],
            config_schema: None,
            resources: vec![],
            pure: true,
        }
    }

    fn library(ops: Vec<OpSpec>) -> LibrarySpec {
        LibrarySpec { name: "lib".into(), version: "1".into(), ops }
    }

    fn text(old: OpSpec, new: Vec<OpSpec>) -> String {
        let changes = compare(&library(vec![old]), &library(new));
        let lines = changes.iter().map(|change| format!("{:?}: {}", change.effect, change.what));
        lines.chain([format!("compatible: {}", is_compatible(&changes))]).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_same_library_is_no_change_whatever_its_documentation_says() {
        let old = op(record(&["a"], &["a"]), record(&["b"], &["b"]));
        let mut new = old.clone();
        new.doc = "better words".into();
        assert_snapshot!(text(old, vec![new]), @"compatible: true");
    }

    #[test]
    fn an_optional_field_more_stays_compatible_on_both_sides() {
        let old = op(record(&["a"], &["a"]), record(&["b"], &["b"]));
        let new = op(record(&["a", "c"], &["a"]), record(&["b", "d"], &["b"]));
        let text = text(old, vec![new]);
        assert!(text.ends_with("compatible: true"), "{text}");
    }

    #[test]
    fn what_breaks_is_named_with_its_place() {
        let old = op(record(&["a"], &["a"]), record(&["b"], &["b"]));
        let mut new = op(record(&["a", "c"], &["a", "c"]), record(&["b"], &[]));
        new.pure = false;
        new.config_schema = Some(json!({ "type": "object", "required": ["limit"] }));
        new.resources = vec![ResourceNeed { name: name("db"), kind: ResourceKind::Sql, doc: String::new() }];
        new.inputs.push(InputSpec { name: name("more"), ..new.inputs[0].clone() });
        assert_snapshot!(text(old, vec![new]), @r"
            Breaks: op `clean`: input `rows` no longer takes what it took: `.c` gives no such field, needed is integer
            Breaks: op `clean`: input `more` is new and needed
            Breaks: op `clean`: output `result` is no longer what it was: `.b` gives a field that may be absent, needed is integer
            Breaks: op `clean` takes a config and needs `limit`
            Breaks: op `clean` uses the resource `db`, which a step must lend
            Breaks: op `clean` is no longer pure: its results are not taken again
            compatible: false
            ");
    }

    #[test]
    fn ops_that_come_are_added_and_ops_that_go_break() {
        let old = op(json!(true), json!(true));
        let mut other = old.clone();
        other.name = name("tidy");
        assert_snapshot!(text(old, vec![other]), @r"
            Breaks: op `clean` is gone
            Adds: op `tidy` is new
            compatible: false
            ");
    }

    #[test]
    fn ports_that_change_their_form_break() {
        let old = op(json!(true), json!(true));
        let mut new = old.clone();
        new.inputs[0].many = true;
        new.inputs[0].media_type = "text/csv".into();
        new.outputs[0].dynamic = true;
        new.outputs[0].required = false;
        assert_snapshot!(text(old, vec![new]), @r"
            Breaks: op `clean`: input `rows` took one value and takes many
            Breaks: op `clean`: input `rows` took `application/cbor` and takes `text/csv`
            Breaks: op `clean`: output `result` was always there and is optional
            Breaks: op `clean`: output `result` was one value and is dynamic
            compatible: false
            ");
    }
}
