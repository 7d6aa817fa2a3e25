//! From what a library says about itself to a checked [`LibrarySpec`].

use std::collections::BTreeSet;

use cofferdam_model::{Failure, InputSpec, LibrarySpec, Name, OpSpec, OutputSpec, ResourceNeed};
use serde_json::Value as Json;

use crate::bindings::types;
use crate::failure::library;
use crate::outputs::is_media_type;
use crate::text::cut;

/// Ops of one library.
const OPS_MAX: usize = 1024;
/// Inputs, and outputs, of one op.
const PORTS_MAX: usize = 256;
/// Bytes of one JSON Schema.
const SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Nesting of a JSON Schema.
const SCHEMA_DEPTH_MAX: usize = 32;
/// Bytes of the name and of the version of a library, which are shown but name nothing.
const TITLE_BYTES_MAX: usize = 128;
/// Bytes of a guest's word that are repeated in an error.
const QUOTE_BYTES_MAX: usize = 100;

/// Checks everything; the first thing that is wrong refuses the library.
pub(crate) fn accept(spec: types::LibrarySpec) -> Result<LibrarySpec, Failure> {
    if spec.ops.len() > OPS_MAX {
        return Err(library(format!("describes {} ops, at most {OPS_MAX} are allowed", spec.ops.len())));
    }
    let mut names = BTreeSet::new();
    let mut ops = Vec::with_capacity(spec.ops.len());
    for op in spec.ops {
        let op = self::op(op)?;
        if !names.insert(op.name.clone()) {
            return Err(library(format!("describes the op `{}` twice", op.name)));
        }
        ops.push(op);
    }
    Ok(LibrarySpec {
        name: cut(spec.name, TITLE_BYTES_MAX),
        version: cut(spec.version, TITLE_BYTES_MAX),
        ops,
    })
}

fn op(op: types::OpSpec) -> Result<OpSpec, Failure> {
    let name = name("an op", &op.name)?;
    let place = format!("op `{name}`");
    if op.inputs.len() > PORTS_MAX || op.outputs.len() > PORTS_MAX {
        return Err(library(format!("{place} has more than {PORTS_MAX} inputs or outputs")));
    }
    if op.resources.len() > PORTS_MAX {
        return Err(library(format!("{place} needs more than {PORTS_MAX} resources")));
    }
    let inputs = op.inputs.into_iter().map(|spec| input(&place, spec)).collect::<Result<Vec<_>, _>>()?;
    let outputs = op.outputs.into_iter().map(|spec| output(&place, spec)).collect::<Result<Vec<_>, _>>()?;
    unique(&place, "input", inputs.iter().map(|spec| &spec.name))?;
    unique(&place, "output", outputs.iter().map(|spec| &spec.name))?;
    let config_schema = match op.config_schema {
        Some(text) => Some(schema(&format!("the config of {place}"), &text)?),
        None => None,
    };
    let resources =
        op.resources.into_iter().map(|need| resource(&place, need)).collect::<Result<Vec<_>, _>>()?;
    unique(&place, "resource", resources.iter().map(|need| &need.name))?;
    Ok(OpSpec { name, doc: op.doc, inputs, outputs, config_schema, resources, pure: op.pure })
}

fn resource(op: &str, need: types::ResourceNeed) -> Result<ResourceNeed, Failure> {
    let name = name(&format!("a resource of {op}"), &need.name)?;
    Ok(ResourceNeed { name, kind: need.kind.into(), doc: need.doc })
}

fn input(op: &str, spec: types::InputSpec) -> Result<InputSpec, Failure> {
    let name = name(&format!("an input of {op}"), &spec.name)?;
    let place = format!("input `{name}` of {op}");
    Ok(InputSpec {
        media_type: media_type(&place, spec.media_type)?,
        schema: schema(&place, &spec.schema)?,
        name,
        doc: spec.doc,
        required: spec.required,
        many: spec.many,
    })
}

fn output(op: &str, spec: types::OutputSpec) -> Result<OutputSpec, Failure> {
    let name = name(&format!("an output of {op}"), &spec.name)?;
    let place = format!("output `{name}` of {op}");
    Ok(OutputSpec {
        media_type: media_type(&place, spec.media_type)?,
        schema: schema(&place, &spec.schema)?,
        name,
        doc: spec.doc,
        required: spec.required,
        dynamic: spec.dynamic,
    })
}

fn unique<'a>(op: &str, what: &str, names: impl Iterator<Item = &'a Name>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(library(format!("{op} describes the {what} `{name}` twice")));
        }
    }
    Ok(())
}

fn quote(text: &str) -> String {
    format!("`{}`", cut(text.to_owned(), QUOTE_BYTES_MAX).escape_debug())
}

fn name(what: &str, text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| library(format!("calls {what} {}", quote(text))).because(error))
}

fn media_type(place: &str, text: String) -> Result<String, Failure> {
    if text == "*/*"
        || is_media_type(&text)
        || text.strip_suffix("/*").is_some_and(|kind| is_media_type(&format!("{kind}/x")))
    {
        return Ok(text);
    }
    Err(library(format!(
        "{place} has the media type {}; expected `type/subtype` in lower case",
        quote(&text)
    )))
}

/// JSON text of a schema: an object or a truth value, of bounded size and depth. What it says is checked
/// where plans are compiled.
fn schema(place: &str, text: &str) -> Result<Json, Failure> {
    if text.len() > SCHEMA_BYTES_MAX {
        let found = text.len();
        return Err(library(format!(
            "the schema of {place} has {found} bytes, at most {SCHEMA_BYTES_MAX} are allowed"
        )));
    }
    let schema: Json = serde_json::from_str(text)
        .map_err(|error| library(format!("the schema of {place} is not JSON")).because(error))?;
    if !(schema.is_object() || schema.is_boolean()) {
        return Err(library(format!("the schema of {place} is neither an object nor `true` or `false`")));
    }
    if depth(&schema) > SCHEMA_DEPTH_MAX {
        return Err(library(format!("the schema of {place} is nested deeper than {SCHEMA_DEPTH_MAX}")));
    }
    Ok(schema)
}

/// Recursion is bounded: serde_json reads 128 levels at most.
fn depth(json: &Json) -> usize {
    match json {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op_spec(name: &str) -> types::OpSpec {
        types::OpSpec {
            name: name.to_owned(),
            doc: String::new(),
            inputs: vec![],
            outputs: vec![],
            config_schema: None,
            resources: vec![],
            pure: true,
        }
    }

    /// Why a library with those ops is refused.
    fn refused(ops: Vec<types::OpSpec>) -> String {
        let spec = types::LibrarySpec { name: "x".repeat(1 << 20), version: String::new(), ops };
        accept(spec).unwrap_err().message
    }

    #[test]
    fn h_091_a_library_that_describes_too_much_or_one_thing_twice_is_refused() {
        let many = (0..=OPS_MAX).map(|at| op_spec(&format!("op_{at}"))).collect();
        assert_eq!(refused(many), "describes 1025 ops, at most 1024 are allowed");
        assert_eq!(refused(vec![op_spec("a-b"), op_spec("a_b")]), "describes the op `a_b` twice");
        assert!(refused(vec![op_spec("cofferdam.run")]).starts_with("calls an op `cofferdam.run`"));
        assert!(
            refused(vec![op_spec(&"x".repeat(1 << 20))]).len() < 200,
            "what it says is not repeated in full"
        );
        let need = |at: usize| types::ResourceNeed {
            name: format!("r_{at}"),
            kind: types::ResourceKind::Sql,
            doc: String::new(),
        };
        let greedy = types::OpSpec { resources: (0..=PORTS_MAX).map(need).collect(), ..op_spec("a") };
        assert_eq!(refused(vec![greedy]), "op `a` needs more than 256 resources");
    }

    #[test]
    fn h_092_a_schema_that_is_too_long_or_nested_too_deep_is_refused() {
        let with =
            |schema: String| refused(vec![types::OpSpec { config_schema: Some(schema), ..op_spec("a") }]);
        let nested = |depth: usize| format!("{}true{}", "{\"not\":".repeat(depth), "}".repeat(depth));
        assert_eq!(with(nested(33)), "the schema of the config of op `a` is nested deeper than 32");
        // Past what the reader of JSON itself takes.
        assert_eq!(with(nested(20_000)), "the schema of the config of op `a` is not JSON");
        let long = format!("{{\"description\":\"{}\"}}", "x".repeat(SCHEMA_BYTES_MAX));
        assert!(with(long).contains("at most 262144 are allowed"));
        assert_eq!(
            with("[1]".to_owned()),
            "the schema of the config of op `a` is neither an object nor `true` or `false`"
        );
    }
}
