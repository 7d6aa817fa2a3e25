//! What a person may type next: the run config with all that is missing ([`scaffold`]), with every default written
//! out ([`expand_defaults`]), without what nothing asks for ([`remove_extra`]). What is given always stays.

use std::collections::BTreeSet;

use cofferdam_model::{CBOR, Name, Node, NodeKind};
use serde_json::Value;

use super::document::check;
use super::fill::{comment, fill};
use super::form::{Form, Kind, is_all_optional};
use super::leaf::laid_over;
use super::tree::{ConfigBody, ConfigSection, ConfigTree, MappingResults, ResolvedConfig};
use super::yaml::{Draft, Entry, write};
use crate::schema::Schema;

/// What stands for a secret.
const MASK: &str = "********";
/// Keys of a run config in the order in which they are written.
const ROOT_ORDER: [&str; 5] = ["ops", "resources", "inputs", "execution", "tags"];

/// The run config, as YAML with comments, with everything added that is needed and not given: it is then complete
/// but for the places `<selector>`, where a person has to choose.
pub fn scaffold(tree: &ConfigTree<'_>, root: Option<&Node>) -> String {
    let mut writer = Writer::new(tree, root);
    writer.each_config(&mut |writer, point| {
        let Some(schema) = point.schema else { return };
        let schema = Schema::new(schema);
        let given = writer.root.and_then(|root| find(root, &point.place));
        let layers = point.layers(tree);
        let layer = laid_over(schema, &layers);
        if given.is_none() && layer.is_none() && need_not_be_given(schema) {
            return;
        }
        if let Some(draft) = fill(schema, layer.as_deref(), given) {
            writer.put(&point.place, draft, &comment(schema), point.doc);
        }
    });
    writer.each_input(&mut |writer, place, input| {
        let draft = match input.media_type.as_ref() {
            CBOR | "*/*" | "application/json" => match fill(Schema::new(input.schema), None, None) {
                Some(table @ Draft::Table(_)) => wrapped("value", table),
                Some(value) => value,
                None => return,
            },
            _ => wrapped("file", Draft::Value("path/to/file".into())),
        };
        let draft =
            if input.many && !matches!(draft, Draft::Table(_)) { Draft::List(vec![draft]) } else { draft };
        writer.put(place, draft, &comment(Schema::new(input.schema)), &input.doc);
    });
    writer.finish()
}

/// A config that is complete where nothing at all is given.
fn need_not_be_given(schema: Schema<'_>) -> bool {
    let form = Form::of(schema);
    form.nullable || matches!(form.kind, Kind::Any) || is_all_optional(schema)
}

/// The run config, as YAML, with every default written out; it means the same. Secrets that it does not give itself
/// are masked, empty tables left out.
pub fn expand_defaults(tree: &ConfigTree<'_>, root: Option<&Node>) -> String {
    let (resolved, _) = check(tree, root, &MappingResults::new());
    let mut writer = Writer::new(tree, root);
    writer.each_config(&mut |writer, point| {
        let found = match point.resource {
            Some(name) => resolved.resources.get(name).cloned(),
            // Of a graph with a mapping the outer config counts.
            None => resolved.steps.get(&point.path).or_else(|| resolved.outer.get(&point.path)).cloned(),
        };
        let (Some(found), Some(_)) = (found, point.schema) else { return };
        let given = writer.root.and_then(|root| find(root, &point.place));
        let draft = expand(&found.value, &found, given, &mut vec![]);
        if given.is_some() || !draft.is_empty_table() {
            writer.put(&point.place, draft, "", "");
        }
    });
    let limits = |key: &str| [resolved.limits_at.as_slice(), &[key.to_owned()]].concat();
    if let Some(max) = resolved.max_concurrent {
        writer.put(&limits("max_concurrent"), Draft::Value(max.into()), "", "");
    }
    if let Some(tags) = &resolved.tag_limits {
        let tags = tags.iter().map(|limit| Draft::of(limit.to_json())).collect();
        writer.put(&limits("tag_concurrency_limits"), Draft::List(tags), "", "");
    }
    for (name, text) in &resolved.tags {
        let place = ["tags".to_owned(), name.clone()];
        if writer.root.and_then(|root| root.get("tags")?.get(name)).is_none() {
            writer.put(&place, Draft::Value(text.clone().into()), "", "");
        }
    }
    writer.finish()
}

/// The run config, as YAML, without the keys that nothing asks for, and the paths of those.
pub fn remove_extra(tree: &ConfigTree<'_>, root: Option<&Node>) -> (String, Vec<String>) {
    let (_, problems) = check(tree, root, &MappingResults::new());
    let mut document = root.map_or(Value::Null, Node::to_json);
    let paths: BTreeSet<Vec<String>> = problems.extra.into_iter().collect();
    let removed: Vec<String> =
        paths.into_iter().filter(|path| remove(&mut document, path)).map(|path| path.join(".")).collect();
    let order = root.map_or_else(Draft::empty, |root| ordered(root, &document));
    (write(&order), removed)
}

/// False: it is not there (a layer below gave it, or a table around it is gone).
fn remove(value: &mut Value, path: &[String]) -> bool {
    match (path, value) {
        ([last], Value::Object(fields)) => fields.remove(last).is_some(),
        ([first, rest @ ..], Value::Object(fields)) => {
            fields.get_mut(first).is_some_and(|inner| remove(inner, rest))
        }
        ([first, rest @ ..], Value::Array(items)) => {
            let at = first.parse::<usize>().ok();
            at.and_then(|at| items.get_mut(at)).is_some_and(|inner| remove(inner, rest))
        }
        _ => false,
    }
}

/// What is left of a node, in the order of writing.
fn ordered(node: &Node, left: &Value) -> Draft {
    match (&node.kind, left) {
        (NodeKind::Map(entries), Value::Object(fields)) => Draft::Table(
            entries
                .iter()
                .filter_map(|(key, inner)| {
                    let value = ordered(inner, fields.get(&key.value)?);
                    Some(Entry { key: key.value.clone(), comment: String::new(), value })
                })
                .collect(),
        ),
        (NodeKind::List(items), Value::Array(left)) => {
            Draft::List(items.iter().zip(left).map(|(item, left)| ordered(item, left)).collect())
        }
        _ => Draft::of(left.clone()),
    }
}

fn wrapped(key: &str, value: Draft) -> Draft {
    Draft::Table(vec![Entry { key: key.to_owned(), comment: String::new(), value }])
}

/// A completed config with its variables, without secrets that were not typed and without empty tables.
fn expand(value: &Value, found: &ResolvedConfig, given: Option<&Node>, path: &mut Vec<String>) -> Draft {
    if let Some(source) = found.env.iter().find(|source| source.path == *path) {
        return wrapped("env", Draft::Value(source.name.clone().into()));
    }
    if given.is_none() && found.secrets.iter().any(|secret| secret == path) && !value.is_null() {
        return Draft::Value(MASK.into());
    }
    match value {
        Value::Object(fields) => {
            let mut entries = vec![];
            for (key, inner) in fields {
                path.push(key.clone());
                let below = given.and_then(|given| given.get(key));
                let value = expand(inner, found, below, path);
                path.pop();
                if below.is_some() || !value.is_empty_table() {
                    entries.push(Entry { key: key.clone(), comment: String::new(), value });
                }
            }
            Draft::Table(entries)
        }
        Value::Array(items) => {
            let mut built = vec![];
            for (at, inner) in items.iter().enumerate() {
                let key = at.to_string();
                let below = given.map(|given| given.nearest(std::slice::from_ref(&key)));
                path.push(key);
                built.push(expand(inner, found, below, path));
                path.pop();
            }
            Draft::List(built)
        }
        scalar => Draft::Value(scalar.clone()),
    }
}

/// A place where a config may be given.
struct Point<'t> {
    schema: Option<&'t Value>,
    layer: Option<&'t Node>,
    doc: &'t str,
    resource: Option<&'t Name>,
    /// Dotted path of the step.
    path: String,
    /// In the run config, with `config`.
    place: Vec<String>,
}

impl<'t> Point<'t> {
    /// What lies below what a person gives, lowest first.
    fn layers(&self, tree: &ConfigTree<'t>) -> Vec<&'t Node> {
        let documents = tree.layers.iter().filter_map(|layer| find(layer, &self.place));
        self.layer.into_iter().chain(documents).collect()
    }
}

/// The node at a place; names of steps have one spelling.
fn find<'n>(root: &'n Node, place: &[String]) -> Option<&'n Node> {
    place.iter().try_fold(root, |node, part| match &node.kind {
        NodeKind::Map(entries) => {
            entries.iter().find(|(key, _)| same(&key.value, part)).map(|(_, node)| node)
        }
        _ => None,
    })
}

fn same(given: &str, name: &str) -> bool {
    given == name || (given.contains('-') && Name::new(given).is_ok_and(|given| given.as_str() == name))
}

struct Writer<'t, 'n> {
    tree: &'t ConfigTree<'t>,
    root: Option<&'n Node>,
    draft: Draft,
}

type Config<'a, 't, 'n> = &'a mut dyn FnMut(&mut Writer<'t, 'n>, &Point<'t>);
type Input<'a, 't, 'n> = &'a mut dyn FnMut(&mut Writer<'t, 'n>, &[String], &'t super::tree::InputPoint<'t>);

impl<'t, 'n> Writer<'t, 'n> {
    fn new(tree: &'t ConfigTree<'t>, root: Option<&'n Node>) -> Writer<'t, 'n> {
        let draft = root.map_or_else(Draft::empty, |root| ordered(root, &root.to_json()));
        Writer { tree, root, draft }
    }

    fn each_config(&mut self, act: Config<'_, 't, 'n>) {
        let job = &self.tree.job;
        self.configs(job, "", &["ops".to_owned()], act);
        for resource in self.tree.resources.iter().filter(|resource| resource.used) {
            let point = Point {
                schema: resource.schema.as_deref(),
                layer: resource.layer,
                doc: &resource.doc,
                resource: Some(&resource.name),
                path: String::new(),
                place: vec!["resources".to_owned(), resource.name.to_string(), "config".to_owned()],
            };
            act(self, &point);
        }
    }

    fn configs(
        &mut self,
        section: &'t ConfigSection<'t>,
        path: &str,
        place: &[String],
        act: Config<'_, 't, 'n>,
    ) {
        if !section.selected {
            return;
        }
        if let ConfigBody::Graph(children) = &section.body {
            for child in children {
                let (path, place) = below(path, place, child);
                self.configs(child, &path, &place, act);
            }
            return;
        }
        let place = place.iter().cloned().chain(["config".to_owned()]).collect();
        let point = Point {
            schema: section.schema.as_deref(),
            layer: section.layer,
            doc: &section.doc,
            resource: None,
            path: path.to_owned(),
            place,
        };
        act(self, &point);
    }

    /// Inputs that are needed and not given.
    fn each_input(&mut self, act: Input<'_, 't, 'n>) {
        let job = &self.tree.job;
        self.inputs(job, "", &["ops".to_owned()], act);
    }

    fn inputs(
        &mut self,
        section: &'t ConfigSection<'t>,
        path: &str,
        place: &[String],
        act: Input<'_, 't, 'n>,
    ) {
        if !section.selected {
            return;
        }
        for input in section.inputs.iter().filter(|input| input.required) {
            let outer = if path.is_empty() { &[][..] } else { place };
            let place: Vec<String> =
                outer.iter().cloned().chain(["inputs".to_owned(), input.name.to_string()]).collect();
            let documents = self.tree.layers.iter().copied().chain(self.root);
            if documents.into_iter().all(|document| find(document, &place).is_none()) {
                act(self, &place, input);
            }
        }
        if let ConfigBody::Graph(children) = &section.body {
            for child in children {
                let (path, place) = below(path, place, child);
                self.inputs(child, &path, &place, act);
            }
        }
    }

    /// Puts a draft at a place, in tables that are made where there are none.
    fn put(&mut self, place: &[String], draft: Draft, comment: &str, doc: &str) {
        let Some((last, outer)) = place.split_last() else { return };
        let mut at = &mut self.draft;
        for (depth, part) in outer.iter().enumerate() {
            if !matches!(at, Draft::Table(_)) {
                *at = Draft::empty();
            }
            let Draft::Table(entries) = at else { return };
            let found = entries.iter().position(|entry| same(&entry.key, part));
            let index = found.unwrap_or_else(|| {
                // What an op is for stands above its step.
                let comment = if depth + 1 == outer.len() { doc.trim().to_owned() } else { String::new() };
                entries.push(Entry { key: part.clone(), comment, value: Draft::empty() });
                entries.len() - 1
            });
            at = &mut entries[index].value;
        }
        if !matches!(at, Draft::Table(_)) {
            *at = Draft::empty();
        }
        let Draft::Table(entries) = at else { return };
        match entries.iter_mut().find(|entry| same(&entry.key, last)) {
            Some(entry) => entry.value = draft,
            None => {
                let comment =
                    if matches!(draft, Draft::Table(_)) { String::new() } else { comment.to_owned() };
                entries.push(Entry { key: last.clone(), comment, value: draft });
            }
        }
    }

    fn finish(mut self) -> String {
        if let Draft::Table(entries) = &mut self.draft {
            let rank = |entry: &Entry| ROOT_ORDER.iter().position(|key| *key == entry.key);
            entries.sort_by_key(|entry| rank(entry).unwrap_or(ROOT_ORDER.len()));
        }
        write(&self.draft)
    }
}

/// The dotted path and the place of a step inside.
fn below(path: &str, place: &[String], child: &ConfigSection<'_>) -> (String, Vec<String>) {
    let mut place = place.to_vec();
    if !path.is_empty() {
        place.push("ops".to_owned());
    }
    place.push(child.name.to_string());
    let name = child.name.as_str();
    let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    (path, place)
}
