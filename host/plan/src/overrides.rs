//! Run config by its shape: `{ops: {STEP: {config, inputs}}, execution: {config: {max_concurrent}}, tags}`.
//! The job's own default comes first, what was given for the run lies over it.

use std::collections::{BTreeMap, HashSet};

use cofferdam_model::{Diagnostic, JobDef, Name, Node, NodeKind, RunConfig, SourceDef, Span, Spanned};

use crate::files::{known, known_step};

#[derive(Debug, Default)]
pub(crate) struct Overrides<'a> {
    pub(crate) ops: BTreeMap<Name, StepOverride<'a>>,
    pub(crate) max_concurrent: Option<u32>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// What is given for one step.
#[derive(Debug, Default)]
pub(crate) struct StepOverride<'a> {
    /// Later ones lie over earlier ones.
    pub(crate) config: Vec<&'a Node>,
    /// A literal or files, with the places of the key and of the value.
    pub(crate) inputs: BTreeMap<Name, (Option<Span>, Spanned<SourceDef>)>,
}

type Entries<'a> = &'a [(Spanned<String>, Node)];

impl<'a> Overrides<'a> {
    pub(crate) fn read(
        job: &'a JobDef,
        run_config: &'a RunConfig,
        problems: &mut Vec<Diagnostic>,
    ) -> Overrides<'a> {
        let mut overrides = Overrides::default();
        for root in job.config.iter().chain(&run_config.root) {
            overrides.read_root(job, root, problems);
        }
        overrides
    }

    fn read_root(&mut self, job: &JobDef, root: &'a Node, problems: &mut Vec<Diagnostic>) {
        for (key, node) in entries(root, "the run config", problems) {
            match key.value.as_str() {
                "ops" => self.read_ops(job, node, problems),
                "execution" => self.read_execution(node, problems),
                "tags" => self.read_tags(node, problems),
                _ => problems.push(unknown_key("the run config", key, &["ops", "execution", "tags"])),
            }
        }
    }

    fn read_ops(&mut self, job: &JobDef, node: &'a Node, problems: &mut Vec<Diagnostic>) {
        let steps: HashSet<&Name> = job.steps.iter().map(|step| &step.name.value).collect();
        for (key, node) in entries(node, "`ops`", problems) {
            let step = Name::new(&key.value).ok().filter(|name| steps.contains(name));
            let Some(step) = step else {
                let problem =
                    Diagnostic::error("plan::unknown-step", format!("the job has no step `{}`", key.value))
                        .at(key.span.as_ref(), "config for a step that does not exist");
                problems.push(known_step(problem, &key.value, job, problems.len()));
                continue;
            };
            let what = format!("`ops.{step}`");
            let mut inputs = vec![];
            let given = self.ops.entry(step.clone()).or_default();
            for (key, node) in entries(node, &what, problems) {
                match key.value.as_str() {
                    "config" => given.config.push(node),
                    "inputs" => inputs.extend(entries(node, &format!("`ops.{step}.inputs`"), problems)),
                    _ => problems.push(unknown_key(&what, key, &["config", "inputs"])),
                }
            }
            for (key, node) in inputs {
                match Name::new(&key.value) {
                    Ok(input) => {
                        if let Some(source) = read_input(&step, &input, node, problems) {
                            let source = Spanned::new(source, node.span.clone());
                            given.inputs.insert(input, (key.span.clone(), source));
                        }
                    }
                    Err(error) => problems.push(
                        Diagnostic::error(
                            "plan::unknown-input",
                            format!("`{}` cannot name an input", key.value),
                        )
                        .at(key.span.as_ref(), error.to_string()),
                    ),
                }
            }
        }
    }

    fn read_execution(&mut self, node: &Node, problems: &mut Vec<Diagnostic>) {
        for (key, node) in entries(node, "`execution`", problems) {
            if key.value != "config" {
                problems.push(unknown_key("`execution`", key, &["config"]));
                continue;
            }
            for (key, node) in entries(node, "`execution.config`", problems) {
                if key.value != "max_concurrent" {
                    problems.push(unknown_key("`execution.config`", key, &["max_concurrent"]));
                    continue;
                }
                match node.kind {
                    NodeKind::Int(n) if (1..=i64::from(u32::MAX)).contains(&n) => {
                        self.max_concurrent = u32::try_from(n).ok();
                    }
                    _ => problems.push(
                        Diagnostic::error(
                            "plan::bad-run-config",
                            "`max_concurrent` is not a whole number above zero",
                        )
                        .at(node.span.as_ref(), "expected 1 or more")
                        .hint("write for example `max_concurrent: 4`, or leave it out for no limit"),
                    ),
                }
            }
        }
    }

    fn read_tags(&mut self, node: &Node, problems: &mut Vec<Diagnostic>) {
        for (key, node) in entries(node, "`tags`", problems) {
            let value = match &node.kind {
                NodeKind::Text(text) => text.clone(),
                _ => node.to_json().to_string(),
            };
            self.tags.insert(key.value.clone(), value);
        }
    }
}

fn read_input(step: &Name, input: &Name, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<SourceDef> {
    let NodeKind::Map(entries) = &node.kind else {
        return Some(SourceDef::Value(node.clone()));
    };
    let text = |node: &Node| match &node.kind {
        NodeKind::Text(text) => Some(Spanned::new(text.clone(), node.span.clone())),
        _ => None,
    };
    let source = match entries.as_slice() {
        [(key, value)] => match key.value.as_str() {
            "value" => Some(SourceDef::Value(value.clone())),
            "file" => text(value).map(SourceDef::File),
            "files" => text(value).map(SourceDef::Files),
            _ => None,
        },
        _ => None,
    };
    if source.is_none() {
        problems.push(
            Diagnostic::error("plan::bad-run-config", format!("`ops.{step}.inputs.{input}` is no source"))
                .at(node.span.as_ref(), "expected `{value: …}`, `{file: PATH}` or `{files: PATTERN}`")
                .hint(format!("write a table as `{input}: {{value: {{…}}}}`")),
        );
    }
    source
}

/// The entries of a table; null stands for an empty one, as when all lines below a key are commented out.
fn entries<'a>(node: &'a Node, what: &str, problems: &mut Vec<Diagnostic>) -> Entries<'a> {
    match &node.kind {
        NodeKind::Map(entries) => entries,
        NodeKind::Null => &[],
        _ => {
            problems.push(
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

fn unknown_key(what: &str, key: &Spanned<String>, words: &[&'static str]) -> Diagnostic {
    let problem = Diagnostic::error("plan::unknown-key", format!("{what} has no key `{}`", key.value))
        .at(key.span.as_ref(), "unknown key");
    known(problem, &key.value, words.iter().copied())
}
