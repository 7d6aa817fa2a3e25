//! Resolves names, in the graph in which they were written: what feeds each input, what each step waits for.

use std::borrow::Cow;

use cofferdam_model::{Diagnostic, Name, OutputPath, SourceDef, Span, Spanned, StepDef};

use super::open::Opening;
use crate::files::{known, known_step};
use crate::flat::{Child, Container, FlatKind, FlatPath, FlatSource};

impl<'a> Opening<'a, '_> {
    pub(super) fn connect(&mut self) {
        for at in 0..self.flat.steps.len() {
            let (def, container) = (self.flat.steps[at].def, self.flat.steps[at].container);
            let inputs = def
                .inputs
                .iter()
                .map(|(input, source)| {
                    let port = format!("{}.{}", def.name.value, input.value);
                    (input, self.source(container, &port, source))
                })
                .collect();
            let mut after = vec![];
            self.after(container, def, &mut after);
            after.sort_unstable();
            after.dedup();
            let step = &mut self.flat.steps[at];
            step.inputs = inputs;
            step.after = after;
        }
        for at in 1..self.flat.containers.len() {
            self.check_placed(at);
        }
    }

    /// What a step must wait for: its own `after` and those of the graphs around it.
    fn after(&mut self, container: usize, def: &'a StepDef, found: &mut Vec<usize>) {
        for name in &def.after {
            match self.flat.containers[container].by_name.get(&name.value).copied() {
                Some(at) => {
                    let child = self.flat.containers[container].children[at].1;
                    self.flat.leaves(child, found);
                }
                None => self.unknown_step(
                    container,
                    &name.value,
                    name.span.as_ref(),
                    format!("`after` of step `{}`", def.name.value),
                ),
            }
        }
        if let Some((outer, placing)) = self.flat.containers[container].placed {
            self.after(outer, placing, found);
        }
    }

    fn unknown_step(&mut self, container: usize, name: &Name, span: Option<&Span>, what: String) {
        let problem =
            Diagnostic::error("plan::unknown-step", format!("there is no step `{name}`")).at(span, what);
        let siblings = self.flat.containers[container].children.iter();
        let names = siblings.map(|(step, _)| step.name.value.as_str());
        let problem = known_step(problem, name.as_str(), names, self.problems.len());
        self.report(problem);
    }

    /// Resolves a source as it was written in a container.
    fn source(&mut self, container: usize, port: &str, source: &'a Spanned<SourceDef>) -> FlatSource<'a> {
        let span = source.span.as_ref();
        let one = |this: &mut Self, path: &'a OutputPath, span| this.output(container, port, path, span);
        let kind = match &source.value {
            SourceDef::From(path) => one(self, path, span).map(FlatKind::From),
            SourceDef::Map(path) => one(self, path, span).map(FlatKind::Map),
            SourceDef::Collect(path) => one(self, path, span).map(FlatKind::Collect),
            SourceDef::FanIn(paths) => {
                let found: Vec<_> =
                    paths.iter().map(|path| one(self, &path.value, path.span.as_ref())).collect();
                found.into_iter().collect::<Option<_>>().map(FlatKind::FanIn)
            }
            SourceDef::Value(node) => Some(FlatKind::Value(Cow::Borrowed(node))),
            SourceDef::File(path) => Some(FlatKind::File(Cow::Borrowed(path))),
            SourceDef::Files(pattern) => Some(FlatKind::Files(Cow::Borrowed(pattern))),
            SourceDef::Document(form, path) => Some(FlatKind::Document(*form, Cow::Borrowed(path))),
            SourceDef::Blob(digest) => Some(FlatKind::Blob(Cow::Borrowed(digest))),
            SourceDef::Resource(name) => Some(FlatKind::Resource(name)),
            SourceDef::Asset(key, mapping) => Some(FlatKind::Asset(key, mapping.as_ref())),
            SourceDef::Input(name) => return self.outer_input(container, port, name, span),
        };
        FlatSource { span: span.cloned(), kind: kind.unwrap_or(FlatKind::Broken) }
    }

    /// What the graph's input is fed with from outside.
    fn outer_input(
        &mut self,
        container: usize,
        port: &str,
        name: &'a Name,
        span: Option<&Span>,
    ) -> FlatSource<'a> {
        let here = &self.flat.containers[container];
        if !here.inputs.iter().any(|input| input.value == *name) {
            let what = match here.graph {
                Some((graph, _)) => format!("graph `{graph}`"),
                None => "the job".to_owned(),
            };
            let problem = Diagnostic::error("plan::unknown-input", format!("{what} has no input `{name}`"))
                .at(span, format!("source of `{port}`"));
            let problem = known(problem, name.as_str(), here.inputs.iter().map(|input| input.value.as_str()));
            self.report(problem.hint_also("list it in the `inputs` of the graph or job"));
            return FlatSource { span: span.cloned(), kind: FlatKind::Broken };
        }
        let unfed = FlatSource { span: span.cloned(), kind: FlatKind::Unfed { container, input: name } };
        let Some((outer, placing)) = here.placed else { return unfed };
        match placing.inputs.iter().find(|(input, _)| input.value == *name) {
            Some((_, source)) => {
                let port = format!("{}.{name}", placing.name.value);
                self.source(outer, &port, source)
            }
            None => unfed,
        }
    }

    /// Resolves an output of a sibling, through the outputs of graphs.
    fn output(
        &mut self,
        container: usize,
        port: &str,
        path: &'a OutputPath,
        span: Option<&Span>,
    ) -> Option<FlatPath<'a>> {
        let here = &self.flat.containers[container];
        let Some(at) = here.by_name.get(&path.step).copied() else {
            self.unknown_step(container, &path.step, span, format!("source of `{port}`"));
            return None;
        };
        match here.children[at].1 {
            Child::Op(step) => Some(FlatPath { step, output: &path.output, span: span.cloned() }),
            Child::Broken => None,
            Child::Graph(inner) => {
                let (name, graph) = self.flat.containers[inner].graph.expect("it is a graph");
                let found = graph.outputs.iter().find(|(output, _)| output.value == path.output);
                let Some((output, inside)) = found else {
                    let problem = Diagnostic::error(
                        "plan::unknown-output",
                        format!("step `{}` (graph `{name}`) has no output `{}`", path.step, path.output),
                    )
                    .at(span, format!("source of `{port}`"));
                    let names = graph.outputs.iter().map(|(output, _)| output.value.as_str());
                    let problem = known(problem, path.output.as_str(), names);
                    self.report(problem);
                    return None;
                };
                let port = format!("outputs.{}", output.value);
                let resolved = self.output(inner, &port, &inside.value, inside.span.as_ref())?;
                Some(FlatPath { span: span.cloned(), ..resolved })
            }
        }
    }

    /// Inputs that are fed into a graph which has none of that name, and outputs that name nothing.
    fn check_placed(&mut self, at: usize) {
        let Container { placed: Some((_, placing)), graph: Some((name, graph)), .. } =
            self.flat.containers[at]
        else {
            return;
        };
        for (input, _) in &placing.inputs {
            if !graph.inputs.iter().any(|known| known.value == input.value) {
                let problem = Diagnostic::error(
                    "plan::unknown-input",
                    format!("graph `{name}` has no input `{}`", input.value),
                )
                .at(input.span.as_ref(), format!("input of step `{}`", placing.name.value));
                let names = graph.inputs.iter().map(|known| known.value.as_str());
                let problem = known(problem, input.value.as_str(), names);
                self.report(problem);
            }
        }
        for (output, path) in &graph.outputs {
            let port = format!("outputs.{}", output.value);
            self.output(at, &port, &path.value, path.span.as_ref());
        }
    }
}
