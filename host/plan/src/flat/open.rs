//! Opens graphs: every step that runs an op is found and gets what the graphs around it hand down.

use std::collections::{BTreeMap, HashMap};

use cofferdam_model::{Definitions, Diagnostic, HookDef, Name, NodeDef, STEPS_MAX, Spanned, StepDef};

use crate::files::known;
use crate::flat::{Child, Container, Flat, FlatStep, GRAPH_DEPTH_MAX, Outermost};

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
}

pub(super) struct Opening<'a, 'p> {
    defs: &'a Definitions,
    pub(super) flat: Flat<'a>,
    pub(super) problems: &'p mut Vec<Diagnostic>,
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
            ("labels", !step.labels.is_empty()),
            ("pool", step.pool.is_some()),
            ("outputs", !step.outputs.is_empty()),
            ("memoize", step.memoize.is_some()),
            ("hedge", step.hedge),
            ("wait", step.wait.is_some()),
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
    pub(super) fn report(&mut self, problem: Diagnostic) {
        if self.flat.containers.len() == 1 || !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}
