//! Trees of what can be configured, made by hand, and the way from text to what comes of it.

use std::borrow::Cow;

use cofferdam_config::{Texts, read_run_config, render};
use cofferdam_model::{Diagnostic, Name, Node};
use cofferdam_plan::{
    ConfigBody, ConfigSection, ConfigTree, MappingResults, Resolved, ResolvedConfig, validate,
};
use serde_json::{Value, json};

/// Columns of rendered messages.
pub(crate) const WIDTH: usize = 110;

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn section<'a>(text: &str, body: ConfigBody<'a>) -> ConfigSection<'a> {
    ConfigSection {
        name: name(text),
        doc: "".into(),
        span: None,
        schema: None,
        layer: None,
        inputs: vec![],
        body,
        selected: true,
    }
}

/// A step that places an op.
pub(crate) fn op<'a>(text: &str, schema: &'a Value) -> ConfigSection<'a> {
    ConfigSection { schema: Some(Cow::Borrowed(schema)), ..section(text, ConfigBody::Op) }
}

pub(crate) fn graph<'a>(text: &str, steps: Vec<ConfigSection<'a>>) -> ConfigSection<'a> {
    section(text, ConfigBody::Graph(steps))
}

pub(crate) fn tree(steps: Vec<ConfigSection<'_>>) -> ConfigTree<'_> {
    ConfigTree { job: graph("j", steps), resources: vec![], layers: vec![] }
}

/// A closed table of which every field is required.
pub(crate) fn record(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// A closed table of which nothing is required.
pub(crate) fn optional(properties: Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// A run config as a tree, with the text that its places point into.
pub(crate) fn read(yaml: &str) -> (Texts, Option<Node>) {
    let mut texts = Texts::default();
    let (config, found) = read_run_config(&mut texts, "run.yaml", yaml);
    assert_eq!(found, []);
    (texts, config.root)
}

/// What each op gets, or everything that is wrong.
pub(crate) fn resolve(tree: &ConfigTree<'_>, yaml: &str) -> Result<Resolved, String> {
    resolve_with(tree, yaml, &MappingResults::new())
}

pub(crate) fn resolve_with(
    tree: &ConfigTree<'_>,
    yaml: &str,
    results: &MappingResults,
) -> Result<Resolved, String> {
    let (texts, root) = read(yaml);
    let (resolved, found) = validate(tree, root.as_ref(), results);
    if found.is_empty() { Ok(resolved) } else { Err(shown(&texts, &found)) }
}

pub(crate) fn shown(texts: &Texts, found: &[Diagnostic]) -> String {
    render(texts, found, false, WIDTH)
}

/// The config of step `s`, whose op has this schema, or everything that is wrong with it.
pub(crate) fn configured(schema: &Value, config: &str) -> Result<ResolvedConfig, String> {
    let yaml = format!("ops: {{s: {{config: {config}}}}}");
    let mut resolved = resolve(&tree(vec![op("s", schema)]), &yaml)?;
    Ok(resolved.steps.remove("s").unwrap())
}

/// The messages of the config of step `s` being each of these.
pub(crate) fn messages(schema: &Value, configs: &[&str]) -> String {
    configs.iter().map(|config| configured(schema, config).expect_err(config)).collect()
}
