//! The inputs of a step: what feeds each of them, and whether it fits.

use cofferdam_model::{CBOR, Diagnostic, InputSpec, KeyedValue, Name, OpSpec, OutputSpec, Span, ValueRef};

use crate::files::known;
use crate::flat::{FlatKind, FlatPath, FlatSource};
use crate::job::Job;
use crate::run_config::GivenInput;
use crate::schema::Schema;
use crate::types::mismatch;

/// An output of a step, by its place of definition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ref<'a> {
    pub(crate) step: usize,
    pub(crate) output: &'a OutputSpec,
}

/// An input and what feeds it.
#[derive(Debug)]
pub(crate) struct Wired<'a> {
    pub(crate) spec: &'a InputSpec,
    pub(crate) feed: Feed<'a>,
    pub(crate) span: Option<Span>,
}

#[derive(Debug)]
pub(crate) enum Feed<'a> {
    One(Ref<'a>),
    Map(Ref<'a>),
    Collect(Ref<'a>),
    FanIn(Vec<Ref<'a>>),
    Value(ValueRef),
    Values(Vec<KeyedValue>),
    /// The value of a resource made of ops.
    Resource(&'a Name),
}

impl<'a> Job<'a> {
    /// The inputs of a step in the order of its op; what is wrong is reported and left out.
    pub(crate) fn wire(&mut self, at: usize) -> Vec<Wired<'a>> {
        let Some(op) = self.ops[at] else { return vec![] };
        self.check_input_names(at, op);
        let mut wired = vec![];
        for spec in &op.inputs {
            let Some(source) = self.source_of(at, spec) else { continue };
            if let Some(feed) = self.feed(at, spec, &source) {
                wired.push(Wired { spec, feed, span: source.span });
            }
        }
        wired
    }

    fn check_input_names(&mut self, at: usize, op: &OpSpec) {
        let step = &self.flat.steps[at];
        let defined = step.inputs.iter().map(|(name, _)| (&name.value, name.span.as_ref()));
        let given = self.given.inputs.get(&step.key).into_iter().flatten();
        let given = given.map(|(name, given)| (name, given.span.as_ref()));
        for (name, span) in defined.chain(given) {
            if op.input(name).is_none() {
                let problem = Diagnostic::error(
                    "plan::unknown-input",
                    format!("op `{}` has no input `{name}`", op.name),
                )
                .at(span, format!("input of step `{}`", step.key));
                let names = op.inputs.iter().map(|input| input.name.as_str());
                self.problems.push(known(problem, name.as_str(), names));
            }
        }
    }

    /// Inputs of graphs and of the job which the run config gives and which they do not have, or which are fed.
    pub(crate) fn check_given_to_graphs(&mut self) {
        for container in &self.flat.containers {
            let given = self.given.inputs.get(&container.path).into_iter().flatten();
            for (name, given) in given {
                let names = container.inputs.iter().map(|input| input.value.as_str());
                let what = if container.path.is_empty() { "the job" } else { container.path.as_str() };
                let fed = container
                    .placed
                    .is_some_and(|(_, step)| step.inputs.iter().any(|(input, _)| input.value == *name));
                if fed {
                    let message = format!(
                        "input `{what}.{name}` is fed where the graph is placed, the run config cannot give it"
                    );
                    self.problems.push(
                        Diagnostic::error("plan::two-sources", message)
                            .at(given.span.as_ref(), "given here")
                            .hint("remove it from the run config"),
                    );
                } else if !container.inputs.iter().any(|input| input.value == *name) {
                    let problem =
                        Diagnostic::error("plan::unknown-input", format!("{what} has no input `{name}`"))
                            .at(given.span.as_ref(), "given here");
                    self.problems.push(known(problem, name.as_str(), names));
                }
            }
        }
    }

    /// What feeds an input: the step's own source, or what the run config gives, but not both.
    fn source_of(&mut self, at: usize, spec: &InputSpec) -> Option<FlatSource<'a>> {
        let step = &self.flat.steps[at];
        let port = format!("{}.{}", step.key, spec.name);
        let mut sources = step.inputs.iter().filter(|(name, _)| name.value == spec.name);
        let defined = sources.next().map(|(_, source)| source.clone());
        if let Some((_, second)) = sources.next() {
            let problem = Diagnostic::error("plan::two-sources", format!("input `{port}` has two sources"))
                .at(second.span.as_ref(), "again")
                .hint("keep one; a list of steps feeds an input that takes many");
            self.problems.push(problem);
        }
        let given = self.given_input(&step.key, &spec.name).map(given_source);
        let checked = self.checks.iter().find(|(of, input, _)| *of == at && *input == spec.name);
        let defined = defined.or_else(|| {
            let (_, _, path) = checked?;
            Some(FlatSource { span: None, kind: FlatKind::From(path.clone()) })
        });
        let (problem, source) = match (given, defined) {
            (Some(given), Some(defined)) if !self.is_cut(&defined) && defined.kind.is_fed_by_steps() => {
                (Some(fed_twice(&port, &given, &defined)), Some(defined))
            }
            (Some(given), _) => (None, Some(given)),
            (None, Some(FlatSource { kind: FlatKind::Unfed { container, input }, span })) => {
                let path = self.flat.containers[container].path.as_str();
                match self.given_input(path, input) {
                    Some(given) => (None, Some(given_source(given))),
                    None => (spec.required.then(|| unfed(&port, path, input, span.as_ref())), None),
                }
            }
            (None, Some(defined)) if !self.is_cut(&defined) => (None, Some(defined)),
            (None, Some(defined)) => (spec.required.then(|| self.not_selected(&port, &defined)), None),
            (None, None) => {
                let span = step.def.name.span.as_ref();
                (spec.required.then(|| missing(&step.key, spec, span)), None)
            }
        };
        if let Some(problem) = problem {
            if source.is_some() { self.problems.push(problem) } else { self.push_missing(problem) }
        }
        source
    }

    fn feed(&mut self, at: usize, spec: &'a InputSpec, source: &FlatSource<'a>) -> Option<Feed<'a>> {
        let step = self.flat.steps[at].key.clone();
        let span = source.span.as_ref();
        if let Some(list) = source.kind.many_word().filter(|_| !spec.many) {
            self.problems.push(
                Diagnostic::error("plan::not-many", format!("input `{step}.{}` takes one value, not {list}", spec.name))
                    .at(span, "many values")
                    .hint("name one step or file; an op takes many by declaring its input as many (`Many<T>` in Rust)"),
            );
            return None;
        }
        match &source.kind {
            FlatKind::From(path) => {
                let from = self.resolve(&step, spec, path)?;
                if from.output.dynamic && spec.many {
                    self.problems.push(self.dynamic_in_list(from, span));
                    return None;
                }
                Some(Feed::One(from))
            }
            FlatKind::Collect(path) => self.resolve(&step, spec, path).map(Feed::Collect),
            FlatKind::FanIn(paths) => {
                // Of a list, what was not selected is left out like what does not come.
                let paths = paths.iter().filter(|path| self.is_selected(path.step));
                let paths: Vec<_> = paths.collect();
                let refs: Vec<_> = paths.into_iter().map(|path| self.resolve(&step, spec, path)).collect();
                let refs: Vec<Ref<'a>> = refs.into_iter().collect::<Option<_>>()?;
                if let Some(dynamic) = refs.iter().find(|from| from.output.dynamic) {
                    self.problems.push(self.dynamic_in_list(*dynamic, span));
                    return None;
                }
                Some(Feed::FanIn(refs))
            }
            FlatKind::Map(path) => {
                let from = self.resolve(&step, spec, path)?;
                self.map(&step, spec, from, span)
            }
            FlatKind::Value(node) => self.literal(&step, spec, node),
            FlatKind::File(path) => self.files(spec, &step, path, false),
            FlatKind::Files(path) => self.files(spec, &step, path, true),
            FlatKind::Document(form, path) => self.document(spec, &step, *form, path),
            FlatKind::Blob(digest) => self.blob(spec, &step, digest),
            FlatKind::Resource(name) => self.resource_value(&step, spec, name, span),
            FlatKind::Asset(key, mapping) => self.asset_value(&step, spec, key, *mapping, span),
            FlatKind::Unfed { .. } | FlatKind::Broken => None,
        }
    }

    fn dynamic_in_list(&self, from: Ref<'a>, span: Option<&Span>) -> Diagnostic {
        let path = self.output_path(from);
        Diagnostic::error(
            "plan::dynamic-output",
            format!("`{path}` is dynamic: it gives many values, not one of a list"),
        )
        .at(span, "gives many values")
        .hint(format!("write `{{ collect = \"{path}\" }}`"))
    }

    fn map(&mut self, step: &str, spec: &InputSpec, from: Ref<'a>, span: Option<&Span>) -> Option<Feed<'a>> {
        let path = self.output_path(from);
        if !from.output.dynamic {
            self.problems.push(
                Diagnostic::error(
                    "plan::not-dynamic",
                    format!("`{path}` is not dynamic and cannot be mapped over"),
                )
                .at(span, "one value")
                .hint(format!("write `\"{path}\"`; a step that reads a mapped step is mapped with it")),
            );
            return None;
        }
        if spec.many {
            self.problems.push(
                Diagnostic::error(
                    "plan::many-mapped",
                    format!("input `{step}.{}` takes many values", spec.name),
                )
                .at(span, "gives each copy one value")
                .hint(format!("write `{{ collect = \"{path}\" }}`")),
            );
            return None;
        }
        Some(Feed::Map(from))
    }

    /// What the run config gives for an input of a step or graph.
    fn given_input(&self, path: &str, input: &Name) -> Option<&GivenInput> {
        self.given.inputs.get(path)?.get(input)
    }

    /// Whether all that an input reads was left out by the selection.
    pub(crate) fn is_cut(&self, source: &FlatSource<'_>) -> bool {
        let paths = source.kind.paths();
        !paths.is_empty() && paths.iter().all(|path| !self.is_selected(path.step))
    }

    /// All that a needed input reads was left out by the selection.
    fn not_selected(&self, port: &str, source: &FlatSource<'_>) -> Diagnostic {
        let paths: Vec<String> = source.kind.paths().iter().map(|path| self.path_text(path)).collect();
        let mut steps: Vec<&str> =
            source.kind.paths().iter().map(|path| self.flat.steps[path.step].key.as_str()).collect();
        steps.dedup();
        let (step, input) = port.rsplit_once('.').expect("a port is a step and an input");
        let how = match source.kind {
            FlatKind::Map(_) => "is mapped over",
            FlatKind::Collect(_) => "collects",
            _ => "reads",
        };
        let are = if paths.len() == 1 { "is" } else { "are" };
        let message = format!("input `{port}` {how} `{}`, which {are} not selected", paths.join("`, `"));
        Diagnostic::error("plan::not-selected", message)
            .at(source.span.as_ref(), "left out by the selection")
            .hint(format!(
                "add {} to the selection, or give `ops.{}.inputs.{input}` in the run config",
                selecting(&steps),
                step.replace('.', ".ops.")
            ))
    }

    fn path_text(&self, path: &FlatPath<'_>) -> String {
        format!("{}.{}", self.flat.steps[path.step].key, path.output)
    }

    /// `outer.clean.table`
    pub(crate) fn output_path(&self, from: Ref<'_>) -> String {
        format!("{}.{}", self.flat.steps[from.step].key, from.output.name)
    }

    /// Finds an output and checks that its values fit the input.
    fn resolve(&mut self, step: &str, spec: &'a InputSpec, path: &FlatPath<'a>) -> Option<Ref<'a>> {
        let op = self.ops[path.step]?;
        let (from, span) = (&self.flat.steps[path.step].key, path.span.as_ref());
        let Some(output) = op.output(path.output) else {
            let problem = Diagnostic::error(
                "plan::unknown-output",
                format!("step `{from}` (op `{}`) has no output `{}`", op.name, path.output),
            )
            .at(span, format!("source of `{step}.{}`", spec.name));
            self.problems.push(known(
                problem,
                path.output.as_str(),
                op.outputs.iter().map(|o| o.name.as_str()),
            ));
            return None;
        };
        let found = Ref { step: path.step, output };
        self.check_edge(found, step, spec, span);
        Some(found)
    }

    fn check_edge(&mut self, from: Ref<'_>, step: &str, input: &InputSpec, span: Option<&Span>) {
        let output = from.output;
        // Spelt out only where something is wrong: there may be a million edges.
        let ports = |job: &Self| (job.output_path(from), format!("{step}.{}", input.name));
        if input.media_type != "*/*" && output.media_type != "*/*" && input.media_type != output.media_type {
            let (given, wanted) = ports(self);
            self.problems.push(
                Diagnostic::error(
                    "plan::media-type-mismatch",
                    format!(
                        "`{given}` does not fit `{wanted}`: source gives {}, target needs {}",
                        output.media_type, input.media_type
                    ),
                )
                .at(span, "media types differ")
                .hint("put a step between them that converts, or read the input as bytes of any type"),
            );
            return;
        }
        let key = (std::ptr::from_ref(&output.schema).addr(), std::ptr::from_ref(&input.schema).addr());
        let found =
            self.mismatches.entry(key).or_insert_with(|| mismatch(&output.schema, &input.schema)).clone();
        if let Some(found) = found {
            let (given, wanted) = ports(self);
            self.problems.push(
                Diagnostic::error(
                    "plan::type-mismatch",
                    format!(
                        "`{given}` does not fit `{wanted}`: `{given}{}`: source gives {}, target needs {}",
                        found.path, found.gives, found.needs
                    ),
                )
                .at(span, "types differ")
                .hint("change one of the two ops, or put a step between them that converts"),
            );
        }
    }
}

/// Steps as a hint lists them.
pub(crate) fn selecting(steps: &[&str]) -> String {
    let words: Vec<String> = steps.iter().map(|step| format!("`{step}`")).collect();
    words.join(", ")
}

fn given_source(given: &GivenInput) -> FlatSource<'static> {
    FlatSource { span: given.source.span.clone(), kind: FlatKind::given(&given.source.value) }
}

fn fed_twice(port: &str, given: &FlatSource<'_>, defined: &FlatSource<'_>) -> Diagnostic {
    Diagnostic::error(
        "plan::two-sources",
        format!("input `{port}` is fed by a step, the run config cannot give it"),
    )
    .at(given.span.as_ref(), "given here")
    .at(defined.span.as_ref(), "fed here")
    .hint("remove it from the run config")
}

/// An input of a graph or job that neither a source nor the run config feeds.
fn unfed(port: &str, container: &str, input: &Name, span: Option<&Span>) -> Diagnostic {
    let (what, place) = match container {
        "" => ("the job".to_owned(), "inputs".to_owned()),
        path => (format!("`{path}`"), format!("ops.{}.inputs", path.replace('.', ".ops."))),
    };
    Diagnostic::error("plan::missing-input", format!("input `{input}` of {what} has no source"))
        .at(span, format!("`{port}` needs it"))
        .hint(format!("give it in the run config as `{place}.{input}`, or feed it where the graph is placed"))
}

fn missing(step: &str, spec: &InputSpec, span: Option<&Span>) -> Diagnostic {
    let name = &spec.name;
    let example = if spec.media_type == CBOR {
        let example = Schema::new(&spec.schema).example(1);
        format!("{{ value = {example} }}")
    } else {
        "{ file = \"data/input\" }".to_owned()
    };
    Diagnostic::error("plan::missing-input", format!("input `{step}.{name}` has no source"))
        .at(span, format!("`{name}` is needed"))
        .hint(format!("add for example `inputs.{name} = \"other_step\"` or `inputs.{name} = {example}`"))
}
