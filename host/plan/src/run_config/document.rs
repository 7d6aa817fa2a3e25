//! A run config by its shape, section by section along the tree: `{ops: {STEP: {config, inputs, ops}}, inputs,
//! resources, execution, tags}`. Every document is read at once (the job's own, the environment's, the person's), so
//! that what is given for one step is laid over one another where its schema is known.

use std::collections::{BTreeMap, HashMap};

use cofferdam_model::{Diagnostic, Name, Node, NodeKind, Spanned};

use super::execution;
use super::inputs::read_inputs;
use super::leaf::{At, Schemas};
use super::mapping::{Mapped, map_config};
use super::tree::{
    ConfigBody, ConfigSection, ConfigTree, MappingResults, Resolved, ResolvedConfig, ResourceSection,
};
use super::{Places, Problems, SECRET_IN_CLEAR, Variables};
use crate::files::known;

/// Keys of a whole run config.
const ROOT_KEYS: [&str; 5] = ["ops", "inputs", "resources", "execution", "tags"];
/// Dagster's run config has it; there is nothing to set here.
const LOGGERS_KEY: &str = "loggers";
/// After so many findings, more than are shown, names that are near unknown ones are no longer looked for.
const HINTED_MAX: usize = 50;

/// Checks a whole run config and completes it. `root` is what a person gives, over the layers of the tree;
/// `results` is what mapping ops gave ([`Resolved::pending`] says which are to be asked). Gives what is known, also
/// where something is wrong, and everything that is wrong. Reads no environment.
pub fn validate(
    tree: &ConfigTree<'_>,
    root: Option<&Node>,
    results: &MappingResults,
) -> (Resolved, Vec<Diagnostic>) {
    let (resolved, problems) = check(tree, root, results);
    (resolved, problems.list)
}

pub(super) fn check(
    tree: &ConfigTree<'_>,
    root: Option<&Node>,
    results: &MappingResults,
) -> (Resolved, Problems) {
    let mut reader = Reader {
        results,
        schemas: Schemas::default(),
        resolved: Resolved::default(),
        problems: Problems::default(),
        secrets: vec![],
    };
    reader.root(tree, root);
    (reader.resolved, reader.problems)
}

pub(super) struct Reader<'r> {
    pub(super) results: &'r MappingResults,
    pub(super) schemas: Schemas,
    pub(super) resolved: Resolved,
    pub(super) problems: Problems,
    /// Places that a mapping filled from secret fields.
    pub(super) secrets: Vec<Vec<String>>,
}

type Entries<'n> = &'n [(Spanned<String>, Node)];

/// What the documents say about one section, lowest first.
#[derive(Default)]
pub(super) struct Given<'n> {
    config: Vec<&'n Node>,
    inputs: Vec<&'n Node>,
    ops: Vec<&'n Node>,
}

impl Reader<'_> {
    fn root(&mut self, tree: &ConfigTree<'_>, root: Option<&Node>) {
        let mut job = Given::default();
        let mut resources = vec![];
        for document in tree.layers.iter().copied().chain(root) {
            for (key, node) in self.entries(document, "the run config") {
                match key.value.as_str() {
                    "ops" => job.ops.push(node),
                    "inputs" => job.inputs.push(node),
                    "resources" => resources.push(node),
                    "execution" => execution::read(self, node),
                    "tags" => self.tags(node),
                    LOGGERS_KEY => self.loggers(key),
                    _ => self.unknown_key(&[], key, &ROOT_KEYS),
                }
            }
        }
        if let ConfigBody::Mapped(..) = tree.job.body {
            // A job with a mapping takes `ops: {config: …}`.
            for node in std::mem::take(&mut job.ops) {
                self.job_mapping(node, &mut job);
            }
        }
        self.inside(&tree.job, &job, "", &["ops".to_owned()]);
        self.resources(&tree.resources, &resources);
    }

    fn job_mapping<'n>(&mut self, node: &'n Node, job: &mut Given<'n>) {
        for (key, node) in self.entries(node, "`ops`") {
            match key.value.as_str() {
                "config" => job.config.push(node),
                _ => self.mapped_away(&["ops".to_owned()], key),
            }
        }
    }

    /// A section of the documents: `nodes` are its own tables.
    fn section(&mut self, section: &ConfigSection<'_>, nodes: &[&Node], path: &str, place: &[String]) {
        if section.selected {
            self.given(section, nodes, path, place);
        } else if !nodes.is_empty() {
            self.secrets_in(|reader| reader.given(section, nodes, path, place));
        }
    }

    /// What is given for a part that does not run is of no account, but it is kept with the plan: no secret may stand
    /// there in clear.
    fn secrets_in(&mut self, read: impl FnOnce(&mut Reader<'_>)) {
        let mut apart = Reader {
            results: self.results,
            schemas: Schemas::default(),
            resolved: Resolved::default(),
            problems: Problems::default(),
            secrets: vec![],
        };
        read(&mut apart);
        let found = apart.problems.list.into_iter().filter(|problem| problem.code == SECRET_IN_CLEAR);
        self.problems.list.extend(found);
    }

    fn given(&mut self, section: &ConfigSection<'_>, nodes: &[&Node], path: &str, place: &[String]) {
        let mut given = Given::default();
        for node in nodes {
            let what = format!("`{}`", place.join("."));
            for (key, inner) in self.entries(node, &what) {
                match (key.value.as_str(), &section.body) {
                    ("inputs", _) => given.inputs.push(inner),
                    ("config", ConfigBody::Op | ConfigBody::Mapped(..)) => given.config.push(inner),
                    ("ops", ConfigBody::Graph(_)) => given.ops.push(inner),
                    ("ops", ConfigBody::Mapped(..)) => self.mapped_away(place, key),
                    (_, ConfigBody::Graph(_)) => self.unknown_key(place, key, &["inputs", "ops"]),
                    _ => self.unknown_key(place, key, &["config", "inputs"]),
                }
            }
        }
        self.inside(section, &given, path, place);
    }

    fn inside(&mut self, section: &ConfigSection<'_>, given: &Given<'_>, path: &str, place: &[String]) {
        let inputs = read_inputs(&given.inputs, place, path.is_empty(), &mut self.problems);
        if !inputs.is_empty() {
            self.resolved.inputs.insert(path.to_owned(), inputs);
        }
        match &section.body {
            ConfigBody::Graph(children) => {
                let mut place = place.to_vec();
                if !path.is_empty() {
                    place.push("ops".to_owned());
                }
                self.children(children, &given.ops, path, &place);
            }
            ConfigBody::Op => {
                let layers: Vec<&Node> = section.layer.iter().chain(&given.config).copied().collect();
                let config = self.config(section, &layers, place);
                self.resolved.steps.insert(path.to_owned(), config);
            }
            ConfigBody::Mapped(def, children) => {
                let layers: Vec<&Node> = section.layer.iter().chain(&given.config).copied().collect();
                let mapped = Mapped { section, def, layers: &layers, path, place };
                if let Some(inner) = map_config(self, &mapped) {
                    self.mapped_children(&mapped, children, &inner);
                }
            }
        }
    }

    /// The config of an op, or the outer one of a mapping.
    pub(super) fn config(
        &mut self,
        section: &ConfigSection<'_>,
        layers: &[&Node],
        place: &[String],
    ) -> ResolvedConfig {
        let mut place = place.to_vec();
        place.push("config".to_owned());
        let at = At {
            places: Places(&place),
            span: section.span.as_ref(),
            variables: Variables::Listed,
            secrets: &self.secrets,
        };
        self.schemas.resolve(section.schema.as_deref(), layers, at, &mut self.problems)
    }

    /// The steps of a level: `nodes` are the `ops` tables of the documents.
    fn children(&mut self, children: &[ConfigSection<'_>], nodes: &[&Node], path: &str, place: &[String]) {
        let by_name: HashMap<&str, usize> = if nodes.is_empty() { HashMap::new() } else { indexed(children) };
        let mut given: BTreeMap<usize, Vec<&Node>> = BTreeMap::new();
        for node in nodes {
            let what = format!("`{}`", place.join("."));
            for (key, inner) in self.entries(node, &what) {
                let name = Name::new(&key.value).ok();
                match name.and_then(|name| by_name.get(name.as_str())) {
                    Some(at) => given.entry(*at).or_default().push(inner),
                    None => self.unknown_step(children, key, path, place),
                }
            }
        }
        for (at, child) in children.iter().enumerate() {
            let nodes = given.remove(&at).unwrap_or_default();
            let name = child.name.as_str();
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            // Most steps of a large job: an op of which another step was configured by nothing as well.
            if nodes.is_empty()
                && let Some(config) = self.schemas.by_nothing(child)
            {
                self.resolved.steps.insert(path, config);
                continue;
            }
            let mut place = place.to_vec();
            place.push(name.to_owned());
            self.section(child, &nodes, &path, &place);
        }
    }

    /// Steps whose config a mapping made: what is wrong there names the mapping.
    fn mapped_children(&mut self, mapped: &Mapped<'_>, children: &[ConfigSection<'_>], inner: &Node) {
        let before = std::mem::replace(&mut self.problems.mapped, true);
        let n_before = self.problems.list.len();
        self.children(children, &[inner], mapped.path, &mapped.inner_place());
        let what = mapped.what();
        for problem in &mut self.problems.list[n_before..] {
            problem.message = format!("the config mapping of {what}: {}", problem.message);
            let made =
                Diagnostic::error(problem.code, "").at(mapped.def.span.as_ref(), "made by this mapping");
            problem.labels.extend(made.labels);
        }
        self.problems.mapped = before;
    }

    fn resources(&mut self, sections: &[ResourceSection<'_>], nodes: &[&Node]) {
        let mut given: BTreeMap<usize, Vec<&Node>> = BTreeMap::new();
        for node in nodes {
            for (key, inner) in self.entries(node, "`resources`") {
                let name = Name::new(&key.value).ok();
                let at = sections.iter().position(|section| Some(&section.name) == name.as_ref());
                let Some(at) = at else {
                    let problem = Diagnostic::error(
                        "plan::unknown-resource",
                        format!("there is no resource `{}`", key.value),
                    )
                    .at(key.span.as_ref(), "config for a resource that does not exist");
                    let words = sections.iter().map(|section| section.name.as_str());
                    self.problems.list.push(known(problem, &key.value, words));
                    self.problems.extra(vec!["resources".to_owned(), key.value.clone()]);
                    continue;
                };
                let place = ["resources".to_owned(), key.value.clone()];
                let what = format!("`{}`", place.join("."));
                for (key, inner) in self.entries(inner, &what) {
                    match key.value.as_str() {
                        "config" => given.entry(at).or_default().push(inner),
                        _ => self.unknown_key(&place, key, &["config"]),
                    }
                }
            }
        }
        for (at, section) in sections.iter().enumerate() {
            let given = given.remove(&at).unwrap_or_default();
            if !section.used && given.is_empty() {
                continue;
            }
            let layers: Vec<&Node> = section.layer.into_iter().chain(given).collect();
            let place = ["resources".to_owned(), section.name.to_string(), "config".to_owned()];
            let variables = if section.keeps_env { Variables::Kept } else { Variables::Listed };
            let at = At { places: Places(&place), span: section.span.as_ref(), variables, secrets: &[] };
            let schema = section.schema.as_deref();
            if !section.used {
                self.secrets_in(|reader| {
                    reader.schemas.resolve(schema, &layers, at, &mut reader.problems);
                });
                continue;
            }
            let config = self.schemas.resolve(schema, &layers, at, &mut self.problems);
            self.resolved.resources.insert(section.name.clone(), config);
        }
    }

    fn tags(&mut self, node: &Node) {
        for (key, node) in self.entries(node, "`tags`") {
            let value = match &node.kind {
                NodeKind::Text(text) => text.clone(),
                _ => node.to_json().to_string(),
            };
            self.resolved.tags.insert(key.value.clone(), value);
        }
    }

    fn loggers(&mut self, key: &Spanned<String>) {
        self.problems.list.push(
            Diagnostic::warning("plan::no-loggers", "`loggers` is ignored: every log is kept")
                .at(key.span.as_ref(), "has no effect")
                .hint("choose what to see with `cofferdam logs --level`"),
        );
    }

    /// The entries of a table; null stands for an empty one, as when all lines below a key are commented out.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Entries<'n> {
        entries(node, what, &mut self.problems)
    }

    pub(super) fn unknown_key(&mut self, place: &[String], key: &Spanned<String>, words: &[&'static str]) {
        let what =
            if place.is_empty() { "the run config".to_owned() } else { format!("`{}`", place.join(".")) };
        let problem = Diagnostic::error("plan::unknown-key", format!("{what} has no key `{}`", key.value))
            .at(key.span.as_ref(), "unknown key");
        self.problems.list.push(known(problem, &key.value, words.iter().copied()));
        self.problems.extra(Places(place).all(std::slice::from_ref(&key.value)));
    }

    fn unknown_step(
        &mut self,
        children: &[ConfigSection<'_>],
        key: &Spanned<String>,
        path: &str,
        place: &[String],
    ) {
        let whose = if path.is_empty() { "the job".to_owned() } else { format!("graph `{path}`") };
        let problem = Diagnostic::error("plan::unknown-step", format!("{whose} has no step `{}`", key.value))
            .at(key.span.as_ref(), "config for a step that does not exist");
        // There may be thousands of unknown names and of steps, and each comparison costs a microsecond.
        let problem = if self.problems.list.len() < HINTED_MAX {
            known(problem, &key.value, children.iter().map(|child| child.name.as_str()))
        } else {
            problem.hint("a name near this one is looked for when there are fewer errors")
        };
        self.problems.list.push(problem);
        self.problems.extra(Places(place).all(std::slice::from_ref(&key.value)));
    }

    fn mapped_away(&mut self, place: &[String], key: &Spanned<String>) {
        let what = Places(place).dotted(&[]);
        self.problems.list.push(
            Diagnostic::error(
                "plan::mapped-config",
                format!("`{what}.{}`: a config mapping sets the config inside of `{what}`", key.value),
            )
            .at(key.span.as_ref(), "cannot be given from outside")
            .hint(format!("give `{what}.config`, which the mapping turns into the config inside")),
        );
        self.problems.extra(Places(place).all(std::slice::from_ref(&key.value)));
    }
}

fn indexed<'t>(children: &'t [ConfigSection<'_>]) -> HashMap<&'t str, usize> {
    children.iter().enumerate().map(|(at, child)| (child.name.as_str(), at)).collect()
}

pub(super) fn entries<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Entries<'n> {
    match &node.kind {
        NodeKind::Map(entries) => entries,
        NodeKind::Null => &[],
        _ => {
            problems.list.push(
                Diagnostic::error(
                    "plan::bad-run-config",
                    format!("{what}: expected a table, found {}", node.kind_word()),
                )
                .at(node.span.as_ref(), "expected a table"),
            );
            &[]
        }
    }
}
