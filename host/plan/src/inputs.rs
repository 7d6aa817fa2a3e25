//! The inputs of a step: what feeds each of them, and whether it fits.

use cofferdam_model::{
    CBOR, Diagnostic, InputSpec, KeyedValue, OutputPath, OutputSpec, SourceDef, Span, Spanned, ValueRef,
};

use crate::compile::Job;
use crate::files::{known, known_step};
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
}

/// The outputs that a source names.
pub(crate) fn paths(source: &Spanned<SourceDef>) -> Vec<(&OutputPath, Option<&Span>)> {
    match &source.value {
        SourceDef::From(path) | SourceDef::Map(path) | SourceDef::Collect(path) => {
            vec![(path, source.span.as_ref())]
        }
        SourceDef::FanIn(paths) => paths.iter().map(|path| (&path.value, path.span.as_ref())).collect(),
        SourceDef::Value(_)
        | SourceDef::File(_)
        | SourceDef::Files(_)
        | SourceDef::Input(_)
        | SourceDef::Resource(_)
        | SourceDef::Asset(..) => vec![],
    }
}

impl<'a> Job<'a> {
    /// The inputs of a step in the order of its op; what is wrong is reported and left out.
    pub(crate) fn wire(&mut self, at: usize) -> Vec<Wired<'a>> {
        let Some(op) = self.ops[at] else { return vec![] };
        let def = &self.def.steps[at];
        let step = &def.name.value;
        let given = self
            .overrides
            .ops
            .get_mut(step)
            .map(|given| std::mem::take(&mut given.inputs))
            .unwrap_or_default();
        let defined = def.inputs.iter().map(|(name, _)| (&name.value, name.span.as_ref()));
        let over = given.iter().map(|(name, (key, _))| (name, key.as_ref()));
        for (name, span) in defined.chain(over) {
            if op.input(name).is_none() {
                let problem = Diagnostic::error(
                    "plan::unknown-input",
                    format!("op `{}` has no input `{name}`", op.name),
                )
                .at(span, format!("input of step `{step}`"));
                self.problems.push(known(
                    problem,
                    name.as_str(),
                    op.inputs.iter().map(|input| input.name.as_str()),
                ));
            }
        }
        let mut wired = vec![];
        for spec in &op.inputs {
            let mut sources =
                def.inputs.iter().filter(|(name, _)| name.value == spec.name).map(|(_, source)| source);
            let defined = sources.next();
            if let Some(second) = sources.next() {
                self.problems.push(
                    Diagnostic::error(
                        "plan::two-sources",
                        format!("input `{step}.{}` has two sources", spec.name),
                    )
                    .at(second.span.as_ref(), "again")
                    .hint("keep one; a list of steps feeds an input that takes many"),
                );
            }
            let source = match (given.get(&spec.name).map(|(_, source)| source), defined) {
                (Some(given), Some(defined)) if !paths(defined).is_empty() => {
                    self.problems.push(
                        Diagnostic::error(
                            "plan::two-sources",
                            format!(
                                "input `{step}.{}` is fed by a step, the run config cannot give it",
                                spec.name
                            ),
                        )
                        .at(given.span.as_ref(), "given here")
                        .at(defined.span.as_ref(), "fed here")
                        .hint("remove it from the run config"),
                    );
                    defined
                }
                (Some(given), _) => given,
                (None, Some(defined)) => defined,
                (None, None) => {
                    if spec.required {
                        self.push_missing(missing(step.as_str(), spec, def.name.span.as_ref()));
                    }
                    continue;
                }
            };
            if let Some(feed) = self.feed(step.as_str(), spec, source) {
                wired.push(Wired { spec, feed, span: source.span.clone() });
            }
        }
        wired
    }

    fn feed(&mut self, step: &str, spec: &'a InputSpec, source: &Spanned<SourceDef>) -> Option<Feed<'a>> {
        let span = source.span.as_ref();
        let list = match &source.value {
            SourceDef::FanIn(_) => Some("a list of steps"),
            SourceDef::Collect(_) => Some("a collected list"),
            SourceDef::Files(_) => Some("many files"),
            _ => None,
        };
        if let Some(list) = list.filter(|_| !spec.many) {
            self.problems.push(
                Diagnostic::error("plan::not-many", format!("input `{step}.{}` takes one value, not {list}", spec.name))
                    .at(span, "many values")
                    .hint("name one step or file; an op takes many by declaring its input as many (`Many<T>` in Rust)"),
            );
            return None;
        }
        let mut refs = vec![];
        for (path, span) in paths(source) {
            refs.push(self.resolve(step, spec, path, span));
        }
        match &source.value {
            SourceDef::From(_) => {
                let from = refs.pop()??;
                if from.output.dynamic && spec.many {
                    self.problems.push(self.dynamic_in_list(from, span));
                    return None;
                }
                Some(Feed::One(from))
            }
            SourceDef::Collect(_) => refs.pop()?.map(Feed::Collect),
            SourceDef::FanIn(_) => {
                let refs: Vec<Ref<'a>> = refs.into_iter().collect::<Option<_>>()?;
                if let Some(dynamic) = refs.iter().find(|from| from.output.dynamic) {
                    self.problems.push(self.dynamic_in_list(*dynamic, span));
                    return None;
                }
                Some(Feed::FanIn(refs))
            }
            SourceDef::Map(path) => self.map(step, spec, path, refs.pop()??, span),
            SourceDef::Value(node) => self.literal(step, spec, node),
            SourceDef::File(path) => self.files(spec, step, path, false),
            SourceDef::Files(path) => self.files(spec, step, path, true),
            SourceDef::Input(_) | SourceDef::Resource(_) | SourceDef::Asset(..) => None,
        }
    }

    fn dynamic_in_list(&self, from: Ref<'a>, span: Option<&Span>) -> Diagnostic {
        let path = format!("{}.{}", self.def.steps[from.step].name.value, from.output.name);
        Diagnostic::error(
            "plan::dynamic-output",
            format!("`{path}` is dynamic: it gives many values, not one of a list"),
        )
        .at(span, "gives many values")
        .hint(format!("write `{{ collect = \"{path}\" }}`"))
    }

    fn map(
        &mut self,
        step: &str,
        spec: &InputSpec,
        path: &OutputPath,
        from: Ref<'a>,
        span: Option<&Span>,
    ) -> Option<Feed<'a>> {
        let path = format!("{}.{}", path.step, path.output);
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

    /// Finds an output and checks that its values fit the input.
    fn resolve(
        &mut self,
        step: &str,
        spec: &'a InputSpec,
        path: &OutputPath,
        span: Option<&Span>,
    ) -> Option<Ref<'a>> {
        let Some(from) = self.by_name.get(&path.step).copied() else {
            let problem =
                Diagnostic::error("plan::unknown-step", format!("there is no step `{}`", path.step))
                    .at(span, format!("source of `{step}.{}`", spec.name));
            let n_findings = self.problems.len();
            self.problems.push(known_step(problem, path.step.as_str(), self.def, n_findings));
            return None;
        };
        let op = self.ops[from]?;
        let Some(output) = op.output(&path.output) else {
            let problem = Diagnostic::error(
                "plan::unknown-output",
                format!("step `{}` (op `{}`) has no output `{}`", path.step, op.name, path.output),
            )
            .at(span, format!("source of `{step}.{}`", spec.name));
            self.problems.push(known(
                problem,
                path.output.as_str(),
                op.outputs.iter().map(|o| o.name.as_str()),
            ));
            return None;
        };
        let ports = (format!("{}.{}", path.step, path.output), format!("{step}.{}", spec.name));
        self.check_edge(&ports, output, spec, span);
        Some(Ref { step: from, output })
    }

    fn check_edge(
        &mut self,
        ports: &(String, String),
        output: &OutputSpec,
        input: &InputSpec,
        span: Option<&Span>,
    ) {
        let (given, wanted) = ports;
        if input.media_type != "*/*" && output.media_type != "*/*" && input.media_type != output.media_type {
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
