//! The run config of a job as one JSON Schema (draft 2020-12), for editors: they complete keys, show what authors say
//! and mark mistakes while a person types. Equal parts are shared under `$defs`, so that a thousand steps of one op
//! stay small. What stands there is what [`super::validate`] takes: variables where scalars are, nothing required
//! that has a default or that the definitions give.

use std::collections::HashMap;

use cofferdam_model::{CBOR, Node, NodeKind};
use serde_json::{Map, Value, json};

use super::form::{Form, Kind, is_all_optional, is_required, is_secret};
use super::leaf::laid_over;
use super::tree::{ConfigBody, ConfigSection, ConfigTree, InputPoint, ResourceSection};
use crate::schema::Schema;

/// Keywords whose value is one schema, a list of them, or a table of them.
const ONE: [&str; 8] =
    ["items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"];
const LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
const TABLES: [&str; 4] = ["properties", "patternProperties", "$defs", "dependentSchemas"];
/// What a schema says about itself as a document: it is a part of another one now.
const IDENTITY: [&str; 2] = ["$schema", "$id"];
/// What tells about a value and says nothing about its form: it stays outside when a variable is allowed beside it.
const NOTES: [&str; 6] = ["description", "title", "default", "examples", "writeOnly", "deprecated"];

/// The schema of a whole run config.
pub fn run_config_schema(tree: &ConfigTree<'_>) -> Value {
    let mut export = Export::default();
    let mut root = Table::new();
    match &tree.job.body {
        ConfigBody::Graph(steps) => {
            let layers: Vec<&Node> = tree.layers.iter().filter_map(|layer| layer.get("ops")).collect();
            let (ops, required) = export.steps(steps, &layers);
            root.put("ops", ops, required);
        }
        ConfigBody::Mapped(..) | ConfigBody::Op => {
            let (ops, required) = export.section(&tree.job, &tree.layers_at("ops"));
            root.put("ops", ops, required);
        }
    }
    let (inputs, required) = export.inputs(&tree.job.inputs, &tree.layers_at("inputs"));
    if let Some(inputs) = inputs {
        root.put("inputs", inputs, required);
    }
    let (resources, required) = export.resources(&tree.resources, &tree.layers_at("resources"));
    root.put("resources", resources, required);
    root.put("execution", super::execution::schema(), false);
    let tags = json!({"type": ["object", "null"], "description": "Added to the tags of the job.",
        "additionalProperties": {"type": ["string", "number", "boolean"]}});
    root.put("tags", tags, false);
    let loggers = json!({"description": "Ignored: every log is kept.", "deprecated": true});
    root.put("loggers", loggers, false);
    let mut schema = root.schema();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = format!("Run config of job {}", tree.job.name).into();
    schema["$defs"] = Value::Object(export.defs);
    schema
}

impl<'a> ConfigTree<'a> {
    fn layers_at(&self, key: &str) -> Vec<&'a Node> {
        self.layers.iter().filter_map(|layer| layer.get(key)).collect()
    }
}

/// A closed table in the making.
struct Table {
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Table {
    fn new() -> Table {
        Table { properties: Map::new(), required: vec![] }
    }

    fn put(&mut self, key: &str, schema: Value, required: bool) {
        self.properties.insert(key.to_owned(), schema);
        if required {
            self.required.push(key.to_owned());
        }
    }

    /// A section of which nothing is needed may also be null: all below it is commented out.
    fn schema(self) -> Value {
        let needed = !self.required.is_empty();
        let mut schema = json!({"type": if needed { json!("object") } else { json!(["object", "null"]) },
            "additionalProperties": false, "properties": self.properties});
        if needed {
            schema["required"] = self.required.into();
        }
        schema
    }
}

#[derive(Default)]
struct Export {
    defs: Map<String, Value>,
    /// Schemas of ops, by address.
    ops: HashMap<usize, String>,
    /// Other shared parts, by their text.
    parts: HashMap<String, String>,
}

impl Export {
    fn steps(&mut self, steps: &[ConfigSection<'_>], layers: &[&Node]) -> (Value, bool) {
        let mut table = Table::new();
        for step in steps {
            if !step.selected {
                let note = json!({"description": "Not selected: what is given here is ignored."});
                table.put(step.name.as_str(), self.shared("not_selected", note), false);
                continue;
            }
            let below: Vec<&Node> = layers.iter().filter_map(|layer| layer.get(step.name.as_str())).collect();
            let (section, required) = self.section(step, &below);
            table.put(step.name.as_str(), self.shared("step", section), required);
        }
        let required = !table.required.is_empty();
        (table.schema(), required)
    }

    fn section(&mut self, section: &ConfigSection<'_>, layers: &[&Node]) -> (Value, bool) {
        let inside = |key: &str| -> Vec<&Node> { layers.iter().filter_map(|layer| layer.get(key)).collect() };
        let mut table = Table::new();
        if let ConfigBody::Graph(steps) = &section.body {
            let (ops, required) = self.steps(steps, &inside("ops"));
            table.put("ops", ops, required);
        } else if let Some(raw) = section.schema.as_deref() {
            let layers: Vec<&Node> = section.layer.into_iter().chain(inside("config")).collect();
            let (config, required) = self.config(raw, &layers);
            table.put("config", config, required);
        }
        let (inputs, required) = self.inputs(&section.inputs, &inside("inputs"));
        if let Some(inputs) = inputs {
            table.put("inputs", inputs, required);
        }
        let required = !table.required.is_empty();
        let mut schema = table.schema();
        if !section.doc.is_empty() {
            schema["description"] = section.doc.as_ref().into();
        }
        (schema, required)
    }

    /// The schema of a config over what the definitions give, and whether anything in it has to be given.
    fn config(&mut self, raw: &Value, layers: &[&Node]) -> (Value, bool) {
        let schema = Schema::new(raw);
        let name = self.op(raw);
        let form = Form::of(schema);
        match laid_over(schema, layers) {
            None => {
                let required = !(form.nullable || matches!(form.kind, Kind::Any) || is_all_optional(schema));
                (json!({"$ref": format!("#/$defs/{name}")}), required)
            }
            Some(layer) => {
                let relaxed = relax(schema, &layer, &name);
                let required = relaxed.get("required").is_some();
                (relaxed, required)
            }
        }
    }

    /// The name under `$defs` of an op's schema.
    fn op(&mut self, raw: &Value) -> String {
        let address = std::ptr::from_ref(raw).addr();
        if let Some(name) = self.ops.get(&address) {
            return name.clone();
        }
        let name = format!("config_{}", self.ops.len() + 1);
        self.ops.insert(address, name.clone());
        let schema = for_editors(Schema::new(raw), &name);
        self.defs.insert(name.clone(), schema);
        if !self.defs.contains_key("env") {
            self.defs.insert("env".to_owned(), variable());
        }
        name
    }

    /// A reference to a part that others have as well.
    fn shared(&mut self, word: &str, schema: Value) -> Value {
        let text = schema.to_string();
        let n_known = self.parts.len();
        let name = self.parts.entry(text).or_insert_with(|| format!("{word}_{}", n_known + 1));
        if !self.defs.contains_key(name.as_str()) {
            self.defs.insert(name.clone(), schema);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }

    fn inputs(&mut self, inputs: &[InputPoint<'_>], layers: &[&Node]) -> (Option<Value>, bool) {
        if inputs.is_empty() {
            return (None, false);
        }
        let mut table = Table::new();
        for input in inputs {
            let given = layers.iter().any(|layer| layer.get(input.name.as_str()).is_some());
            table.put(input.name.as_str(), self.input(input), input.required && !given);
        }
        let required = !table.required.is_empty();
        (Some(table.schema()), required)
    }

    fn input(&mut self, input: &InputPoint<'_>) -> Value {
        let mut forms = vec![closed(
            json!({"file": {"type": "string", "description": "Path of a file below the project."}}),
        )];
        forms.push(closed(
            json!({"blob": {"type": "string", "description": "Digest of a value that a run has made."}}),
        ));
        if input.many {
            forms.push(closed(json!({"files": {"type": "string", "description": "Pattern of files."}})));
        }
        if matches!(input.media_type.as_ref(), CBOR | "*/*" | "application/json") {
            let reference = json!({"$ref": format!("#/$defs/{}", self.op(input.schema))});
            let many = json!({"anyOf": [{"type": "array", "items": reference}, reference]});
            let value = if input.many { many } else { reference };
            // A bare scalar or list is a literal.
            forms.push(json!({"allOf": [{"type": ["string", "number", "boolean", "array", "null"]}, value]}));
            forms.push(closed(json!({ "value": value })));
            for form in ["json", "cbor"] {
                let path = json!({"type": "string", "description": "Path of a file that says the value."});
                forms.push(closed(json!({ form: closed(json!({ "path": path })) })));
            }
        }
        json!({"description": input.doc, "anyOf": forms})
    }

    fn resources(&mut self, resources: &[ResourceSection<'_>], layers: &[&Node]) -> (Value, bool) {
        let mut table = Table::new();
        for resource in resources {
            let Some(raw) = resource.schema.as_deref() else { continue };
            let given = layers.iter().filter_map(|layer| layer.get(resource.name.as_str())?.get("config"));
            let layers: Vec<&Node> = resource.layer.into_iter().chain(given).collect();
            let (config, required) = self.config(raw, &layers);
            let mut section = Table::new();
            section.put("config", config, required && resource.used);
            let mut schema = section.schema();
            if !resource.doc.is_empty() {
                schema["description"] = resource.doc.as_ref().into();
            }
            table.put(resource.name.as_str(), schema, required && resource.used);
        }
        let required = !table.required.is_empty();
        (table.schema(), required)
    }
}

fn closed(properties: Value) -> Value {
    let names: Vec<&String> = properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    json!({"type": "object", "additionalProperties": false, "required": names, "properties": properties})
}

fn variable() -> Value {
    let mut schema = closed(json!({"env": {"type": "string", "minLength": 1}}));
    schema["description"] = "The value of this environment variable of the worker.".into();
    schema
}

/// A schema as an editor needs it: variables beside scalars, nothing required that has a default, and references
/// that lead into the definition of this name.
fn for_editors(place: Schema<'_>, name: &str) -> Value {
    let Some(fields) = place.at.as_object() else { return place.at.clone() };
    let mut out = Map::new();
    for (key, value) in fields {
        let key = key.as_str();
        if IDENTITY.contains(&key) {
            continue;
        }
        let built = if ONE.contains(&key) {
            for_editors(place.with(value), name)
        } else if LISTS.contains(&key) && value.is_array() {
            place.list(key).unwrap_or_default().into_iter().map(|one| for_editors(one, name)).collect()
        } else if TABLES.contains(&key) {
            let inner = value.as_object().into_iter().flatten();
            inner.map(|(key, value)| (key.clone(), for_editors(place.with(value), name))).collect()
        } else if key == "required" {
            let kept = place.required().filter(|name| place.property(name).is_none_or(is_required));
            kept.map(Value::from).collect()
        } else if key == "$ref" {
            let target = value.as_str().and_then(|text| text.strip_prefix('#'));
            target.map_or_else(|| value.clone(), |target| format!("#/$defs/{name}{target}").into())
        } else {
            value.clone()
        };
        out.insert(key.to_owned(), built);
    }
    // A reference leads to a place that has its variable already.
    let scalar = place.get("$ref").is_none() && place.alternatives().is_none();
    if !scalar || Form::of(place).env_kind().is_none() {
        return Value::Object(out);
    }
    let (notes, form): (Map<_, _>, Map<_, _>) =
        out.into_iter().partition(|(key, _)| NOTES.contains(&key.as_str()));
    let mut beside = notes;
    let variable = json!({"$ref": "#/$defs/env"});
    let forms = if is_secret(place) { json!([variable]) } else { json!([form, variable]) };
    beside.insert("anyOf".to_owned(), forms);
    Value::Object(beside)
}

/// The schema of a config of which a layer gives a part: that part is not required, and is the default.
fn relax(place: Schema<'_>, layer: &Node, name: &str) -> Value {
    let form = Form::of(place);
    let (NodeKind::Map(entries), Kind::Table) = (&layer.kind, &form.kind) else {
        let mut schema = for_editors(place, name);
        if let Some(fields) = schema.as_object_mut().filter(|_| !is_secret(place)) {
            fields.insert("default".to_owned(), layer.to_json());
        }
        return schema;
    };
    let mut schema = for_editors(form.schema, name);
    let Some(fields) = schema.as_object_mut() else { return schema };
    let mut required: Vec<String> = form
        .schema
        .required()
        .filter(|name| form.schema.property(name).is_none_or(is_required))
        .map(str::to_owned)
        .collect();
    for (key, inner) in entries {
        required.retain(|name| *name != key.value);
        let Some(property) = form.schema.property(&key.value) else { continue };
        let relaxed = relax(property, inner, name);
        // A part of it is still to be given.
        if relaxed.get("required").is_some() && matches!(inner.kind, NodeKind::Map(_)) {
            required.push(key.value.clone());
        }
        if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert(key.value.clone(), relaxed);
        }
    }
    if required.is_empty() {
        fields.remove("required");
    } else {
        fields.insert("required".to_owned(), required.into());
    }
    if form.nullable {
        return json!({"anyOf": [schema, {"type": "null"}]});
    }
    schema
}
