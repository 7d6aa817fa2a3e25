//! The steps of a plan with their mapped copies, as far as runs before have shown their keys.

use std::collections::HashMap;

use crate::transient::outputs_of;
use cofferdam_model::{
    KnownStep, Name, Output, OutputRef, Plan, PlanStep, Role, RunId, StepIdx, StepKey, StepStatus,
};

use super::Past;

/// Mapping keys, outermost first. None stands for keys that nobody has made yet.
pub(super) type Path = Vec<Option<Name>>;

/// One step, or one copy of a mapped one.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) template: usize,
    pub(super) path: Path,
    pub(super) key: StepKey,
}

/// What is there of a step already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made<'a> {
    Outputs(RunId, &'a [Output]),
    Skipped,
    Not,
}

/// All copies of all steps of a plan.
#[derive(Debug)]
pub(super) struct Copies<'a> {
    pub(super) plan: &'a Plan,
    past: &'a [Past<'a>],
    /// In the order of the plan.
    pub(super) all: Vec<Copy>,
    /// Range of `all` of each step of the plan.
    of_template: Vec<std::ops::Range<usize>>,
    /// Copies by step and path.
    by_path: HashMap<(usize, Path), usize>,
    /// For each copy those that made the keys of its path, outermost first, with the place of the key.
    pub(super) producers: Vec<Vec<(usize, usize)>>,
    /// For each copy those whose values or mapping keys it needs.
    pub(super) data: Vec<Vec<usize>>,
    /// For each copy those that it waits for without data.
    pub(super) order: Vec<Vec<usize>>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(plan: &'a Plan, past: &'a [Past<'a>]) -> Copies<'a> {
        let mut copies = Copies {
            plan,
            past,
            all: vec![],
            of_template: vec![],
            by_path: HashMap::new(),
            producers: vec![],
            data: vec![],
            order: vec![],
        };
        for template in 0..plan.steps.len() {
            let start = copies.all.len();
            for path in copies.paths(template) {
                let key = key(&plan.steps[template].key, &path);
                copies.by_path.insert((template, path.clone()), copies.all.len());
                copies.all.push(Copy { template, path, key });
            }
            copies.of_template.push(start..copies.all.len());
        }
        copies.producers = (0..copies.len()).map(|copy| copies.producers_of(copy)).collect();
        copies.data = copies.data_edges();
        copies.order = copies.lists(copies.edges(|step| step.after.clone()));
        copies
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn step(&self, copy: usize) -> &'a PlanStep {
        &self.plan.steps[self.all[copy].template]
    }

    pub(super) fn of(&self, template: StepIdx) -> std::ops::Range<usize> {
        self.of_template[template.index()].clone()
    }

    /// Every path of keys that the producers of its scope have emitted.
    fn paths(&self, template: usize) -> Vec<Path> {
        let scope = &self.plan.steps[template].scope;
        let mut paths: Vec<Path> = vec![vec![]];
        for (depth, element) in scope.iter().enumerate() {
            let further = |path: &Path| -> Vec<Path> {
                let keys = match self.producer(&scope[..depth], path, element) {
                    Some(producer) => self.keys(producer, &element.output),
                    None => vec![None],
                };
                keys.into_iter().map(|key| [path.clone(), vec![key]].concat()).collect()
            };
            paths = paths.iter().flat_map(further).collect();
        }
        paths
    }

    /// The copy of a step that made the keys of one element of a scope, for a path of the elements before.
    fn producer(&self, before: &[OutputRef], path: &[Option<Name>], element: &OutputRef) -> Option<usize> {
        let scope = &self.plan.step(element.step).scope;
        let its = scope.iter().map(|outer| {
            let at = before.iter().position(|known| known == outer)?;
            Some(path[at].clone())
        });
        let its: Path = its.collect::<Option<Path>>()?;
        self.by_path.get(&(element.step.index(), its)).copied()
    }

    /// Keys in the order of emission; one that is not known if nobody has made them.
    fn keys(&self, producer: usize, output: &Name) -> Vec<Option<Name>> {
        match self.made(producer) {
            Made::Outputs(_, outputs) => {
                let emitted = outputs.iter().filter(|value| value.name == *output);
                emitted.filter_map(|value| value.key.clone()).map(Some).collect()
            }
            Made::Skipped | Made::Not => vec![None],
        }
    }

    fn producers_of(&self, copy: usize) -> Vec<(usize, usize)> {
        let scope = &self.step(copy).scope;
        let path = &self.all[copy].path;
        let producers = scope.iter().enumerate().filter_map(|(depth, element)| {
            Some((depth, self.producer(&scope[..depth], &path[..depth], element)?))
        });
        producers.collect()
    }

    /// Whether what a copy reads of another one was kept with workers, and went when the run that made it had ended.
    pub(super) fn has_gone(&self, reader: usize, read: usize) -> bool {
        let Made::Outputs(_, outputs) = self.made(read) else { return false };
        let template = self.all[read].template;
        let inputs = self.step(reader).inputs.iter().flat_map(|input| outputs_of(&input.source));
        let mut names = inputs.filter(|from| from.step.index() == template).map(|from| &from.output);
        names.any(|name| outputs.iter().any(|made| made.name == *name && made.value.place.is_transient()))
    }

    /// What the nearest run has made of a copy. What a run did not do because it was not asked to is not what
    /// it made.
    pub(super) fn made(&self, copy: usize) -> Made<'a> {
        let Copy { template, key, .. } = &self.all[copy];
        let declared = &self.plan.steps[*template].outputs;
        // Newer code may declare other outputs than those that were made.
        let whole = |outputs: &[Output]| {
            declared.iter().all(|spec| {
                let mut made = outputs.iter().filter(|output| output.name == spec.name).peekable();
                let missing = spec.required && !spec.dynamic && made.peek().is_none();
                !missing && made.all(|output| output.key.is_some() == spec.dynamic)
            })
        };
        for past in self.past {
            match past.known.0.get(key) {
                Some(KnownStep::Reused { run, outputs }) if whole(outputs) => {
                    return Made::Outputs(*run, outputs);
                }
                Some(_) => continue,
                None => {}
            }
            match past.steps.get(key) {
                Some(step) if step.status == StepStatus::Succeeded && whole(&step.outputs) => {
                    return Made::Outputs(step.from.unwrap_or(past.run), &step.outputs);
                }
                Some(step) if step.status == StepStatus::Skipped => return Made::Skipped,
                _ => {}
            }
        }
        Made::Not
    }

    /// What the nearest run says of a copy.
    pub(super) fn status(&self, copy: usize) -> StepStatus {
        let key = &self.all[copy].key;
        let parent = self.past.first().and_then(|parent| match parent.known.0.get(key) {
            Some(KnownStep::Reused { .. }) => Some(StepStatus::Succeeded),
            Some(KnownStep::Skipped) => Some(StepStatus::Skipped),
            None => parent.steps.get(key).map(|step| step.status),
        });
        parent.unwrap_or(StepStatus::Waiting)
    }

    /// For each copy of `reader`, those of `read` that go with it: keys that both have are the same.
    pub(super) fn pairs(&self, reader: StepIdx, read: StepIdx) -> Vec<(usize, usize)> {
        let (from, to) = (&self.plan.step(read).scope, &self.plan.step(reader).scope);
        let shared: Vec<(usize, usize)> = from
            .iter()
            .enumerate()
            .filter_map(|(at, element)| Some((at, to.iter().position(|other| other == element)?)))
            .collect();
        let mut groups: HashMap<Vec<&Option<Name>>, Vec<usize>> = HashMap::new();
        for copy in self.of(read) {
            let path = &self.all[copy].path;
            groups.entry(shared.iter().map(|(at, _)| &path[*at]).collect()).or_default().push(copy);
        }
        let mut pairs = vec![];
        for copy in self.of(reader) {
            let path = &self.all[copy].path;
            let group: Vec<&Option<Name>> = shared.iter().map(|(_, at)| &path[*at]).collect();
            pairs.extend(groups.get(&group).into_iter().flatten().map(|read| (copy, *read)));
        }
        pairs
    }

    fn data_edges(&self) -> Vec<Vec<usize>> {
        let mut lists = self.lists(self.edges(data_steps));
        for (list, producers) in lists.iter_mut().zip(&self.producers) {
            list.extend(producers.iter().map(|(_, producer)| producer));
            list.sort_unstable();
            list.dedup();
        }
        lists
    }

    /// Copies with those that are one level before them, as a person counts levels: what makes mapping keys is
    /// one level before what reads its values, and not before each step of the mapped chain.
    pub(super) fn level_before(&self) -> Vec<Vec<usize>> {
        let direct = |step: &PlanStep| [data_steps(step), step.after.clone()].concat();
        let mut lists = vec![vec![]; self.len()];
        for (reader, read) in self.steps_read(direct) {
            let mut pairs = self.pairs(reader, read);
            if pairs.is_empty() {
                // There are no copies, but what would have made them still comes before.
                pairs =
                    self.on_the_way(reader, read).flat_map(|producer| self.pairs(reader, producer)).collect();
            }
            pairs.into_iter().for_each(|(copy, other)| lists[copy].push(other));
        }
        lists
    }

    fn lists(&self, pairs: Vec<(usize, usize)>) -> Vec<Vec<usize>> {
        let mut lists = vec![vec![]; self.len()];
        pairs.into_iter().for_each(|(copy, other)| lists[copy].push(other));
        lists
    }

    /// Whoever reads all copies of a step depends on what makes their keys too: there may be none of them.
    fn edges(&self, steps: impl Fn(&PlanStep) -> Vec<StepIdx>) -> Vec<(usize, usize)> {
        let mut edges = vec![];
        for (reader, read) in self.steps_read(steps) {
            edges.extend(self.pairs(reader, read));
            self.on_the_way(reader, read).for_each(|producer| edges.extend(self.pairs(reader, producer)));
        }
        edges
    }

    /// Each step with each of `steps`, once.
    fn steps_read(&self, steps: impl Fn(&PlanStep) -> Vec<StepIdx>) -> Vec<(StepIdx, StepIdx)> {
        let each = (0..).map(StepIdx).zip(&self.plan.steps);
        let mut all: Vec<_> =
            each.flat_map(|(at, step)| steps(step).into_iter().map(move |read| (at, read))).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What makes the keys that `read` has and `reader` has not.
    fn on_the_way(&self, reader: StepIdx, read: StepIdx) -> impl Iterator<Item = StepIdx> + '_ {
        let outer = &self.plan.step(reader).scope;
        let inner = self.plan.step(read).scope.iter().filter(|element| !outer.contains(element));
        inner.map(|element| element.step)
    }
}

/// Steps whose outputs a step reads.
pub(super) fn data_steps(step: &PlanStep) -> Vec<StepIdx> {
    let outputs = step.inputs.iter().flat_map(|input| outputs_of(&input.source));
    outputs.map(|output| output.step).collect()
}

/// Whether a step is work of its own, and not there for another one that runs.
pub(super) fn is_work(step: &PlanStep) -> bool {
    match step.role {
        Role::Op | Role::Check { .. } => true,
        Role::Hook { .. } | Role::SetUp { .. } | Role::TearDown { .. } => false,
    }
}

/// A step key in which `[?]` stands for keys that nobody has made yet.
pub(super) fn key(template: &StepKey, path: &[Option<Name>]) -> StepKey {
    if path.is_empty() {
        return template.clone();
    }
    let mut text = template.as_str().to_owned();
    for key in path {
        text.push('[');
        text.push_str(key.as_ref().map_or("?", Name::as_str));
        text.push(']');
    }
    StepKey::new(&text)
}
