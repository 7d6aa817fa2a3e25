//! A job with its graphs opened: steps that run ops, named by dotted paths, each source an output of such a step.
//! Names are resolved here, in the graph in which they were written; whether types fit is checked later.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use cofferdam_model::{
    AssetKey, Definitions, Diagnostic, GraphDef, HookDef, Name, Node, NodeDef, OpPath, OutputPath,
    PartitionMappingDef, STEPS_MAX, SourceDef, Span, Spanned, StepDef,
};

use crate::files::{known, known_step};

/// How deep graphs may lie in each other.
pub(crate) const GRAPH_DEPTH_MAX: usize = 64;

/// What is opened: a job, or a graph that is checked by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outermost<'a> {
    pub(crate) inputs: &'a [Spanned<Name>],
    pub(crate) steps: &'a [StepDef],
    pub(crate) hooks: &'a [HookDef],
    pub(crate) io_manager: Option<&'a Spanned<Name>>,
}

#[derive(Debug, Default)]
pub(crate) struct Flat<'a> {
    /// In the order of definition, a graph's steps where the graph is placed.
    pub(crate) steps: Vec<FlatStep<'a>>,
    /// Graphs and the outermost, which is the first.
    pub(crate) containers: Vec<Container<'a>>,
}

/// An op, placed.
#[derive(Debug)]
pub(crate) struct FlatStep<'a> {
    /// `outer.clean`
    pub(crate) key: String,
    pub(crate) def: &'a StepDef,
    pub(crate) op: &'a OpPath,
    pub(crate) inputs: Vec<(&'a Spanned<Name>, FlatSource<'a>)>,
    pub(crate) after: Vec<usize>,
    /// Its own, then those of the graphs around it, innermost first, then the job's.
    pub(crate) hooks: Vec<&'a HookDef>,
    /// Its own, or else that of the graph or job around it.
    pub(crate) io_manager: Option<&'a Spanned<Name>>,
    pub(crate) bind: BTreeMap<&'a Name, &'a Spanned<Name>>,
    pub(crate) container: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct FlatSource<'a> {
    pub(crate) span: Option<Span>,
    pub(crate) kind: FlatKind<'a>,
}

#[derive(Debug, Clone)]
pub(crate) enum FlatKind<'a> {
    From(FlatPath<'a>),
    FanIn(Vec<FlatPath<'a>>),
    Map(FlatPath<'a>),
    Collect(FlatPath<'a>),
    Value(Cow<'a, Node>),
    File(Cow<'a, Spanned<String>>),
    Files(Cow<'a, Spanned<String>>),
    Resource(&'a Name),
    Asset(&'a AssetKey, Option<&'a PartitionMappingDef>),
    /// An input of a graph or of the job that nothing feeds; a run config may.
    Unfed {
        container: usize,
        input: &'a Name,
    },
    /// Reported already.
    Broken,
}

impl FlatKind<'_> {
    /// Whether the value is made in the run.
    pub(crate) fn is_fed_by_steps(&self) -> bool {
        matches!(
            self,
            FlatKind::From(_)
                | FlatKind::FanIn(_)
                | FlatKind::Map(_)
                | FlatKind::Collect(_)
                | FlatKind::Resource(_)
                | FlatKind::Broken
        )
    }

    /// What messages call a source of many values.
    pub(crate) fn many_word(&self) -> Option<&'static str> {
        match self {
            FlatKind::FanIn(_) => Some("a list of steps"),
            FlatKind::Collect(_) => Some("a collected list"),
            FlatKind::Files(_) => Some("many files"),
            _ => None,
        }
    }

    /// The outputs that it names.
    pub(crate) fn paths(&self) -> &[FlatPath<'_>] {
        match self {
            FlatKind::From(path) | FlatKind::Map(path) | FlatKind::Collect(path) => {
                std::slice::from_ref(path)
            }
            FlatKind::FanIn(paths) => paths,
            _ => &[],
        }
    }

    /// What a run config gives. It names no steps.
    pub(crate) fn given(source: &SourceDef) -> FlatKind<'static> {
        match source {
            SourceDef::Value(node) => FlatKind::Value(Cow::Owned(node.clone())),
            SourceDef::File(path) => FlatKind::File(Cow::Owned(path.clone())),
            SourceDef::Files(pattern) => FlatKind::Files(Cow::Owned(pattern.clone())),
            _ => FlatKind::Broken,
        }
    }
}

/// An output of a step.
#[derive(Debug, Clone)]
pub(crate) struct FlatPath<'a> {
    pub(crate) step: usize,
    pub(crate) output: &'a Name,
    pub(crate) span: Option<Span>,
}

/// A graph where it is placed.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    /// Empty for the outermost.
    pub(crate) path: String,
    pub(crate) graph: Option<(&'a Name, &'a GraphDef)>,
    /// The step that places it, in its own container.
    pub(crate) placed: Option<(usize, &'a StepDef)>,
    pub(crate) inputs: &'a [Spanned<Name>],
    pub(crate) children: Vec<(&'a StepDef, Child)>,
    by_name: HashMap<&'a Name, usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Child {
    Op(usize),
    Graph(usize),
    /// Reported already.
    Broken,
}

/// What a graph hands down to its steps.
#[derive(Clone, Default)]
struct Inherited<'a> {
    hooks: Vec<&'a HookDef>,
    io_manager: Option<&'a Spanned<Name>>,
    bind: BTreeMap<&'a Name, &'a Spanned<Name>>,
}

impl<'a> Flat<'a> {
    /// Opens all graphs and resolves all sources; what is wrong is reported and marked as broken.
    pub(crate) fn open(
        defs: &'a Definitions,
        outermost: Outermost<'a>,
        problems: &mut Vec<Diagnostic>,
    ) -> Flat<'a> {
        let mut opening = Opening { defs, flat: Flat::default(), problems, stack: vec![], full: false };
        let inherited = Inherited {
            hooks: outermost.hooks.iter().collect(),
            io_manager: outermost.io_manager,
            bind: BTreeMap::new(),
        };
        opening.container(
            Container {
                path: String::new(),
                graph: None,
                placed: None,
                inputs: outermost.inputs,
                children: vec![],
                by_name: HashMap::new(),
            },
            outermost.steps,
            &inherited,
        );
        if opening.full {
            opening.problems.push(Diagnostic::error(
                "plan::too-many-steps",
                format!("the job has more than {STEPS_MAX} steps when its graphs are opened"),
            ));
            return Flat::default();
        }
        opening.connect();
        opening.flat
    }

    /// The step and output that an output of a step of the outermost is, through the outputs of graphs.
    pub(crate) fn output_of(&self, step: &Name, output: &'a Name) -> Option<FlatPath<'a>> {
        let (mut container, mut step, mut output) = (0, step, output);
        loop {
            let here = &self.containers[container];
            match here.children[*here.by_name.get(step)?].1 {
                Child::Op(step) => return Some(FlatPath { step, output, span: None }),
                Child::Broken => return None,
                Child::Graph(inner) => {
                    let (_, graph) = self.containers[inner].graph?;
                    let (_, path) = graph.outputs.iter().find(|(name, _)| name.value == *output)?;
                    (container, step, output) = (inner, &path.value.step, &path.value.output);
                }
            }
        }
    }

    /// The leaf steps below a child.
    pub(crate) fn leaves(&self, child: Child, found: &mut Vec<usize>) {
        match child {
            Child::Op(step) => found.push(step),
            Child::Graph(container) => {
                for (_, child) in &self.containers[container].children {
                    self.leaves(*child, found);
                }
            }
            Child::Broken => {}
        }
    }
}

struct Opening<'a, 'p> {
    defs: &'a Definitions,
    flat: Flat<'a>,
    problems: &'p mut Vec<Diagnostic>,
    /// Graphs that are being opened.
    stack: Vec<&'a Name>,
    /// There are too many steps.
    full: bool,
}

impl<'a> Opening<'a, '_> {
    fn container(
        &mut self,
        container: Container<'a>,
        steps: &'a [StepDef],
        inherited: &Inherited<'a>,
    ) -> usize {
        let number = self.flat.containers.len();
        let path = container.path.clone();
        self.flat.containers.push(container);
        self.check_names(steps);
        for step in steps {
            let key = if path.is_empty() {
                step.name.value.to_string()
            } else {
                format!("{path}.{}", step.name.value)
            };
            let child = self.child(number, key, step, inherited);
            let here = &mut self.flat.containers[number];
            let at = here.children.len();
            here.by_name.entry(&step.name.value).or_insert(at);
            here.children.push((step, child));
            if self.full {
                break;
            }
        }
        number
    }

    fn child(&mut self, container: usize, key: String, step: &'a StepDef, outer: &Inherited<'a>) -> Child {
        let mut inherited = outer.clone();
        inherited.hooks.splice(0..0, step.hooks.iter());
        inherited.io_manager = step.io_manager.as_ref().or(inherited.io_manager);
        inherited.bind.extend(step.bind.iter());
        match &step.node.value {
            NodeDef::Op(op) => {
                self.full |= self.flat.steps.len() >= STEPS_MAX;
                let Inherited { hooks, io_manager, bind } = inherited;
                self.flat.steps.push(FlatStep {
                    key,
                    def: step,
                    op,
                    inputs: vec![],
                    after: vec![],
                    hooks,
                    io_manager,
                    bind,
                    container,
                });
                Child::Op(self.flat.steps.len() - 1)
            }
            NodeDef::Graph(name) => self.graph(container, key, step, name, &inherited),
        }
    }

    fn graph(
        &mut self,
        container: usize,
        key: String,
        step: &'a StepDef,
        name: &'a Name,
        inherited: &Inherited<'a>,
    ) -> Child {
        let span = step.node.span.as_ref();
        let Some(graph) = self.defs.graphs.get(name) else {
            let problem = Diagnostic::error("plan::unknown-graph", format!("there is no graph `{name}`"))
                .at(span, format!("graph of step `{}`", step.name.value));
            self.problems.push(known(problem, name.as_str(), self.defs.graphs.keys().map(Name::as_str)));
            return Child::Broken;
        };
        if let Some(first) = self.stack.iter().position(|open| *open == name) {
            let mut names: Vec<&str> = self.stack[first..].iter().map(|name| name.as_str()).collect();
            names.push(name.as_str());
            self.problems.push(
                Diagnostic::error(
                    "plan::graph-in-itself",
                    format!("graph `{name}` contains itself: {}", names.join(" > ")),
                )
                .at(span, "placed here")
                .hint("a graph is opened when the plan is made, so it cannot recur; map over a dynamic output to repeat work"),
            );
            return Child::Broken;
        }
        if self.stack.len() >= GRAPH_DEPTH_MAX {
            self.problems.push(
                Diagnostic::error(
                    "plan::graph-too-deep",
                    format!("graphs lie deeper than {GRAPH_DEPTH_MAX} in each other"),
                )
                .at(span, "placed here"),
            );
            return Child::Broken;
        }
        self.only_for_ops(step);
        self.stack.push(name);
        let placed = Container {
            path: key,
            graph: Some((name, graph)),
            placed: Some((container, step)),
            inputs: &graph.inputs,
            children: vec![],
            by_name: HashMap::new(),
        };
        let number = self.container(placed, &graph.steps, inherited);
        self.stack.pop();
        Child::Graph(number)
    }

    /// What has a meaning for an op only is refused where a graph is placed.
    fn only_for_ops(&mut self, step: &StepDef) {
        let given = [
            ("retry", step.retry.is_some()),
            ("limits", step.limits != cofferdam_model::Limits::default()),
            ("priority", step.priority != 0),
            ("resources", !step.resources.is_empty()),
            ("outputs", !step.outputs.is_empty()),
            ("memoize", step.memoize.is_some()),
        ];
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            self.problems.push(
                Diagnostic::error(
                    "plan::not-for-graphs",
                    format!("step `{}` places a graph, `{key}` is for steps that run an op", step.name.value),
                )
                .at(step.name.span.as_ref(), "places a graph")
                .hint(format!("put `{key}` on the steps inside of the graph")),
            );
        }
    }

    fn check_names(&mut self, steps: &'a [StepDef]) {
        let mut lower: HashMap<String, &Spanned<Name>> = HashMap::with_capacity(steps.len());
        for step in steps {
            let name = &step.name;
            let Some(first) = lower.insert(name.value.as_str().to_lowercase(), name) else { continue };
            self.report(
                Diagnostic::error(
                    "plan::same-name",
                    format!("steps `{}` and `{}` are too alike", first.value, name.value),
                )
                .at(name.span.as_ref(), "differs in case at most")
                .at(first.span.as_ref(), "first one")
                .hint("rename one of them"),
            );
        }
    }

    /// A mistake in a graph is said once, however often the graph is placed.
    fn report(&mut self, problem: Diagnostic) {
        if self.flat.containers.len() == 1 || !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn connect(&mut self) {
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
